"""What galleries are kept in, as Protocols like those of `faceline.ports`: collections, face records, people, tags.

All times are UTC ISO 8601 strings. Every verb may raise `errors.StorageError` when the storage itself fails.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from faceline.types import FaceRecord


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """model: the id of the model that all of its embeddings come from. people: distinct identities of its faces, an
    anonymous face (neither person nor label) counting as somebody of its own. users: persons, with or without faces.
    """

    name: str
    model: str
    created_at: str
    faces: int
    people: int
    users: int = 0


class Collections(Protocol):
    """Names under which face records are kept, each pinned to one model."""

    def create(self, name: str, model: str) -> CollectionInfo:
        """Makes it, or returns the one that is there; `ModelMismatchError` when that one has another model."""
        ...

    def get(self, name: str) -> CollectionInfo:
        """`NotFoundError` when there is none."""
        ...

    def list(self) -> Sequence[CollectionInfo]:
        """By name."""
        ...

    def model(self, name: str) -> str:
        """The collection's model, without counting anything; `NotFoundError` when there is none."""
        ...

    def models(self) -> dict[str, str]:
        """Every collection's name and model, without counting anything."""
        ...

    def drop(self, name: str) -> None:
        """Deletes the collection with its face records, vectors, crops, people and tags; `NotFoundError` when there is
        none.
        """
        ...


class Tags(Protocol):
    """Words that a user hangs on a collection, at most one value a key. All: `NotFoundError` without the collection."""

    def of(self, collection: str) -> dict[str, str]: ...

    def put(self, collection: str, tags: Mapping[str, str], limit: int) -> None:
        """Adds them, or replaces values; `QuotaError` and no effect when it would have more than `limit`."""
        ...

    def remove(self, collection: str, keys: Sequence[str]) -> None:
        """Keys that are not there are no error."""
        ...


@dataclass(frozen=True, slots=True)
class Crop:
    """A kept picture of a face with 40 % margin. landmarks: five (x, y) in the crop's own pixels."""

    jpeg: bytes
    landmarks: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class NewFace:
    """A face record to be stored, with its crop where crops are kept."""

    record: FaceRecord
    crop: Crop | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to a collection after some generation. added: new face records, and those whose person changed.

    removed: face ids, with no other trace of them; those of erased people concealed (`gallery.concealed`).
    """

    generation: int
    added: Sequence[FaceRecord]
    removed: Sequence[str]


@dataclass(frozen=True, slots=True)
class FaceQuery:
    """Conditions that must all hold, where given. person: by name, not by label."""

    person: str | None = None
    face_ids: Sequence[str] | None = None


class FaceRecords(Protocol):
    """Face records with vectors and crops. Every change raises the collection's generation."""

    def add(self, collection: str, faces: Sequence[NewFace], limit: int | None = None) -> dict[str, FaceRecord]:
        """Stores them in one step, but none twice: a face of the same image with the same box, or with the same id.

        Returns the record that was there already for the face_id of each one that was not stored. limit: how many
        faces the collection may have; `QuotaError` and no effect beyond it. `ConflictError` when a new name would have
        another person's user id.
        """
        ...

    def remove(self, collection: str, face_ids: Sequence[str], of_nobody: bool = False) -> int:
        """Deletes rows, vectors and crops so that nothing of them stays in the files; returns how many.

        A person goes with the last of their faces. of_nobody: only faces without a person, told in the same step.
        """
        ...

    def changes(self, collection: str, since: int, limit: int) -> Changes:
        """Up to `limit` changes after generation `since`, oldest first; call again until nothing comes.

        An answer of an earlier generation than `since`: the store was replaced by another, or by an earlier state of
        itself. What is known is to be forgotten, and all of it asked for from there on.
        """
        ...

    def find(
        self,
        collection: str,
        person: str | None = None,
        image_id: str | None = None,
        face_ids: Sequence[str] | None = None,
    ) -> Sequence[FaceRecord]:
        """Face records of this person (or labelled so), this image and these ids, where given; all otherwise.

        Oldest first.
        """
        ...

    def page(self, collection: str, after: int, limit: int, query: FaceQuery) -> Sequence[tuple[int, FaceRecord]]:
        """Up to `limit` records with their positions, those after position `after`, by position.

        A record keeps its position for good and newer ones have higher ones, so that pages neither repeat nor miss
        records while others are added, removed or associated. The first position is above 0.
        """
        ...

    def crop(self, collection: str, face_id: str) -> Crop | None: ...


@dataclass(frozen=True, slots=True)
class PersonInfo:
    """Somebody of a collection. user_id: their name as the Rekognition API spells it (`gallery.names.user_id_of`).

    faces: how many face records are theirs. position: as of `FaceRecords.page`.
    """

    name: str
    user_id: str
    faces: int
    position: int


class People(Protocol):
    """The persons of a collection, who may have no face yet. Whoever face records name is one of them.

    All verbs raise `NotFoundError` without the collection.
    """

    def create(self, collection: str, name: str, limit: int) -> None:
        """`ConflictError` when there is one of that user id; `QuotaError` beyond `limit` people."""
        ...

    def get(self, collection: str, user_id: str) -> PersonInfo:
        """`NotFoundError` when there is none."""
        ...

    def page(self, collection: str, after: int, limit: int) -> Sequence[PersonInfo]:
        """Up to `limit` people after position `after`, by position."""
        ...

    def delete(self, collection: str, user_id: str) -> None:
        """Their faces stay, nobody's; `NotFoundError` when there is none such."""
        ...

    def associate(self, collection: str, user_id: str, face_ids: Sequence[str], limit: int) -> Sequence[str]:
        """Gives them those of these faces that exist and are nobody's, and returns which.

        `NotFoundError` without the person; `QuotaError` and no effect when they would have more than `limit`.
        """
        ...

    def disassociate(self, collection: str, user_id: str, face_ids: Sequence[str]) -> Sequence[str]:
        """Takes those of these faces from them that are theirs, and returns which.

        `NotFoundError` without the person.
        """
        ...


class PeopleOrder(StrEnum):
    """By name, without regard to the case of ASCII letters; or who was added last first."""

    NAME = "name"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class PeopleQuery:
    """part: of the name, in any case, `_` as good as a space. after: of whom the last page ended with, by name the
    name, by newest the position; None: from the beginning.
    """

    part: str = ""
    order: PeopleOrder = PeopleOrder.NAME
    after: str | int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A person as a list of people shows them. best_face_id: of their face of the best quality that has a crop."""

    person: PersonInfo
    best_face_id: str | None
    created_at: str


class Directory(Protocol):
    """People as somebody looks for them. `page` and `get`: `NotFoundError` without the collection."""

    def page(self, collection: str, query: PeopleQuery, limit: int) -> Sequence[Listed]:
        """Up to `limit` people. Goes on when whom the last page ended with is no more."""
        ...

    def count(self, collection: str, part: str = "") -> int:
        """How many people have this part in their name."""
        ...

    def get(self, collection: str, user_id: str) -> Listed:
        """`NotFoundError` when there is none."""
        ...

    def find(self, collection: str, name: str) -> Listed | None: ...

    def with_crops(self, collection: str, face_ids: Sequence[str]) -> frozenset[str]:
        """Which of these faces have a crop."""
        ...


@dataclass(frozen=True, slots=True)
class Labelled:
    """A label (the Rekognition API's ExternalImageId) of faces that are nobody's. faces: how many. best_face_id: as of
    `Listed`.
    """

    label: str
    faces: int
    best_face_id: str | None


class Labels(Protocol):
    """Faces that have a label and are nobody's: they are recognised as who is called like the label."""

    def page(self, collection: str, part: str, after: str, limit: int) -> Sequence[Labelled]:
        """Up to `limit` behind the label `after`, by label; part: of the label, as of `PeopleQuery`.

        `NotFoundError` without the collection.
        """
        ...

    def count(self, collection: str, part: str = "") -> int:
        """How many labels have this part."""
        ...

    def faces(self, collection: str, label: str, after: int, limit: int) -> Sequence[str]:
        """Ids of up to `limit` of the label's faces that are nobody's, behind position `after`, by position."""
        ...
