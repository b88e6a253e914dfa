"""A collection's second index: the same faces embedded by another model, from the crops that were kept of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from faceline.engine.align import Template, cut
from faceline.engine.pyramid import Pyramid
from faceline.errors import InputError
from faceline.gallery.ports import Crop, NewFace
from faceline.images import ImageLimits, decode
from faceline.types import Embedding, FaceRecord, Pixels, Vector

_BATCH = 32
Embed = Callable[[Sequence[Pixels]], Sequence[Embedding]]


@dataclass(frozen=True, slots=True)
class SecondIndex:
    """model: whose embeddings it has. switched: whether it was in use before the one that is searched now."""

    model: str
    switched: bool
    started_at: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A face that the second index lacks, with its crop where one was kept. position: as of `FaceRecords.page`."""

    position: int
    face: NewFace


class SecondIndexes(Protocol):
    """At most one for a collection, beside the one that is searched; who is deleted is deleted from both."""

    def get(self, collection: str) -> SecondIndex | None: ...

    def begin(self, collection: str, model: str) -> SecondIndex:
        """Makes an empty one, or returns the one of this model that is there.

        `ConflictError` when there is one of another model, or when the collection has this model already;
        `NotFoundError` without the collection.
        """
        ...

    def pending(self, collection: str, after: int, limit: int) -> Sequence[Pending]:
        """Up to `limit` faces after this position that it lacks, by position."""
        ...

    def put(self, collection: str, model: str, vectors: Mapping[str, Vector]) -> None:
        """By face id, float32 (d,). Faces that were deleted meanwhile are left out; `ModelMismatchError` when the
        index is of another model by now."""
        ...

    def vectors(self, collection: str) -> dict[str, Vector]:
        """By face id, float32 (d,) of unit length."""
        ...

    def switch(self, collection: str, model: str, dropped: Sequence[str] = ()) -> bool:
        """In one step: this index is searched from now on, and the other is the second one.

        Faces that it lacks are deleted if all of them are among `dropped`, else nothing happens and the answer is
        False. `ModelMismatchError` when the index is of another model by now.
        """
        ...

    def discard(self, collection: str) -> int:
        """Deletes it so that nothing of it stays in the files; returns how many embeddings it had."""
        ...


class Calibrations(Protocol):
    """Calibrations that collections have of their own, one for each model. content: as `models.calibrations` has it."""

    def get(self, collection: str, model: str) -> bytes | None: ...

    def put(self, collection: str, model: str, content: bytes) -> None:
        """`NotFoundError` without the collection."""
        ...

    def remove(self, collection: str, model: str) -> bool:
        """Whether there was one."""
        ...


@dataclass(frozen=True, slots=True)
class Lost:
    """A face that cannot be embedded again, and why."""

    record: FaceRecord
    reason: str


def chip_of(record: FaceRecord, crop: Crop, template: Template, limits: ImageLimits) -> Pixels:
    """uint8 (side, side, 3) RGB, cut from a kept crop as it was once cut from the photo.

    Raises ImageError for a crop that is damaged.
    """
    frame = decode(crop.jpeg, f"the crop of {record.face_id}", limits)
    points = np.array(crop.landmarks, dtype=np.float32) / frame.scale
    return cut(Pyramid(frame), _box_in_crop(record, points), points, template)


def build(
    indexes: SecondIndexes,
    collection: str,
    model: str,
    chip: Callable[[FaceRecord, Crop], Pixels],
    embed: Embed,
) -> Iterator[tuple[int, Sequence[Lost]]]:
    """Embeds what the second index lacks; yields after each batch how many were looked at and which cannot be had.

    May be stopped and run again: what is in already stays.
    """
    after = 0
    while batch := indexes.pending(collection, after, _BATCH):
        after = batch[-1].position
        done, lost = reembed([pending.face for pending in batch], chip, embed)
        indexes.put(collection, model, {face.record.face_id: face.record.embedding.values for face in done})
        yield len(batch), lost


def reembed(
    faces: Sequence[NewFace], chip: Callable[[FaceRecord, Crop], Pixels], embed: Embed
) -> tuple[list[NewFace], list[Lost]]:
    """The faces with other embeddings, made from their crops, and those that have no usable crop."""
    chips: list[tuple[NewFace, Pixels]] = []
    lost: list[Lost] = []
    for face in faces:
        try:
            if face.crop is None:
                lost.append(Lost(face.record, "no crop was kept"))
            else:
                chips.append((face, chip(face.record, face.crop)))
        except InputError as error:
            lost.append(Lost(face.record, str(error)))
    embeddings = embed([pixels for _, pixels in chips]) if chips else ()
    both = zip(chips, embeddings, strict=True)
    return [replace(face, record=replace(face.record, embedding=e)) for (face, _), e in both], lost


def _box_in_crop(record: FaceRecord, points: Vector) -> Vector:
    """float32 (4,), x1, y1, x2, y2: the detector's box in the crop's pixels, where its landmarks are known.

    Crops are moved and scaled, not turned: the scale is that of the landmarks' spread.
    """
    before = record.landmarks.as_array()
    middle, middle_before = points.mean(axis=0), before.mean(axis=0)
    scale = np.linalg.norm(points - middle) / np.linalg.norm(before - middle_before)
    box = record.box
    corners = np.array([[box.left, box.top], [box.left + box.width, box.top + box.height]])
    moved: Vector = ((corners - middle_before) * scale + middle).astype(np.float32).ravel()
    return moved
