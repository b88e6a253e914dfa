"""Galleries from elsewhere into a collection and back: embeddings with names, without photos."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from faceline.errors import InputError
from faceline.gallery.names import problem_of
from faceline.gallery.ports import FaceRecords, NewFace
from faceline.types import BoundingBox, Embedding, FaceRecord, Landmarks, Quality, Vector


@dataclass(frozen=True, slots=True)
class Gallery:
    """vectors: float32 (n, d), any length. names: n, several entries for one name allowed. side_px: of the square chips
    that the model embeds. model: whose embeddings they are.
    """

    vectors: Vector
    names: Sequence[str]
    model: str
    side_px: int


def check_names(gallery: Gallery, source: str) -> None:
    """Raises InputError for a name that nobody can have here."""
    for number, name in enumerate(gallery.names, start=1):
        problem = problem_of(name)
        if problem:
            raise InputError(f"{source}: the name of entry {number} cannot be used: {problem}; change it and try again")


def take_in(records: FaceRecords, collection: str, gallery: Gallery, source: str) -> tuple[int, int]:
    """Makes a gallery's entries the only faces from `source` in the collection; returns how many are new and how many
    went.

    What is there already stays as it is. Of a face without a photo neither box nor landmarks are known: they read as
    the whole chip and its middle, and its quality says why it is not usable as a photo.
    """
    faces = [_new_face(gallery, i, source) for i in range(len(gallery.names))]
    unique = {face.record.image_id: face for face in faces}
    twins = records.add(collection, list(unique.values()))
    kept = {twins[f.record.face_id].face_id if f.record.face_id in twins else f.record.face_id for f in unique.values()}
    gone = [r.face_id for r in records.find(collection) if r.source == source and r.face_id not in kept]
    records.remove(collection, gone)
    return len(unique) - len(twins), len(gone)


def give_out(faces: Sequence[FaceRecord]) -> tuple[Vector, list[str]]:
    """float32 (n, d) of unit length and the names; faces of nobody are left out."""
    named = [(face.embedding.values, face.identity) for face in faces if face.identity is not None]
    vectors = [values for values, _ in named]
    return np.stack(vectors) if vectors else np.empty((0, 0), np.float32), [str(name) for _, name in named]


def _new_face(gallery: Gallery, number: int, source: str) -> NewFace:
    vector, name, side = gallery.vectors[number], gallery.names[number], float(gallery.side_px)
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    digest = hashlib.sha256(unit.tobytes() + b"\0" + name.encode()).hexdigest()
    record = FaceRecord(
        face_id=str(uuid.uuid4()),
        image_id=digest[:32],
        person=name,
        external_image_id=name,
        source=source,
        box=BoundingBox(0.0, 0.0, side, side),
        landmarks=Landmarks.from_array(np.full((5, 2), side / 2)),
        confidence=0.0,
        quality=Quality(0.0, 0.0, side, ("imported without a photo",)),
        embedding=Embedding(unit, gallery.model),
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        image_size=(gallery.side_px, gallery.side_px),
    )
    return NewFace(record)
