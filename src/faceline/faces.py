"""Finding and recognising faces as workflows 1 and 5 need it, whoever does it: our networks, or a service such as
Amazon Rekognition. Six verbs; what is remembered of faces stands in `gallery.ports.FaceRecords` in either case.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from faceline.errors import ConflictError, InputError, NotFoundError
from faceline.gallery.enrolment import Outcome, Photo
from faceline.gallery.newface import Origin
from faceline.gallery.ports import FaceRecords, NewFace
from faceline.types import Face, FaceMatch, FaceRecord, Frame, Identification


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A stored photo that was read. data: its file's bytes. source: its bucket/key."""

    data: bytes
    frame: Frame
    source: str


class FaceService(Protocol):
    """One engine over one collection, which need not exist yet.

    Every verb may raise `errors.StorageError` when the engine cannot be reached, and `ModelMismatchError` when the
    collection was given another model since: ask again then. A picture that the engine refuses raises InputError.
    """

    @property
    def model(self) -> str:
        """The id of what recognises the faces."""
        ...

    def threshold(self) -> float:
        """The similarity that a name needs now, 0–100 on the engine's own scale."""
        ...

    def detect(self, picture: Picture) -> list[Face]:
        """The picture's faces, the one that it is of first, then by size."""
        ...

    def identify(self, picture: Picture, faces: Sequence[Face]) -> list[Identification]:
        """Who each of the faces that `detect` found is; of the first ones only where the engine looks up no more."""
        ...

    def enroll(self, photo: Photo) -> Outcome:
        """Enrols the one person of a photo, by name; safe to repeat."""
        ...

    def index(self, picture: Picture, origin: Origin) -> FaceRecord:
        """Stores the picture's largest good face, making the collection where there is none; safe to repeat.

        A record is stored once its face is found by `search`. Raises NoFaceError, and InputError when nobody can be
        called so.
        """
        ...

    def search(self, record: FaceRecord, limit: int | None, min_similarity: float) -> Sequence[FaceMatch]:
        """The collection's faces that are at least so similar to this one, best first, perhaps itself among them.

        limit: None: as many as the engine gives. Fewer than the limit mean that there are no more to be had.
        """
        ...

    def deleting(self, source: str, records: Sequence[FaceRecord]) -> AbstractContextManager[None]:
        """Deletes these faces of one bucket/key: the records at the beginning, what the engine itself keeps at the end.

        In between `search` still knows the faces. What a process that died left behind of the source goes too, so
        that it is worth asking for without records.
        """
        ...


FacesOf = Callable[[str], FaceService]  # the engine over the collection of this name


def stored(records: FaceRecords, collection: str, new: NewFace, create: Callable[[], None]) -> FaceRecord:
    """The face's record, or that of its twin which is there already. create: makes the collection.

    Raises InputError when the name would have another person's user id.
    """
    try:
        try:
            twins = records.add(collection, [new])
        except NotFoundError:
            create()
            twins = records.add(collection, [new])
    except ConflictError as error:  # it says the other one's name, which our results may outlive
        raise InputError(
            f"{new.record.source}: bad customer: another one's user id is spelt so; use another name"
        ) from error
    return twins.get(new.record.face_id, new.record)
