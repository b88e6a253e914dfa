"""A data directory with many invented people, as an enrolment would have left it."""

import uuid
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceline.app import App
from faceline.config import load
from faceline.gallery.ports import NewFace
from faceline.models.spaces import BUILTIN
from faceline.types import BoundingBox, Embedding, FaceRecord, Landmarks, Quality

_CHUNK = 5_000
_LANDMARKS = Landmarks((120.0, 110.0), (160.0, 110.0), (140.0, 130.0), (122.0, 150.0), (158.0, 150.0))


def fill(data: Path, vectors: NDArray[np.float32]) -> None:
    """vectors: (n, d), one person each. Without crops: they are not read for a search."""
    settings = load().with_(data=data)
    with App(settings) as app:
        app.collections.create(settings.collection, BUILTIN.model)
        for i in range(0, len(vectors), _CHUNK):
            faces = [made_face(i + j, vector) for j, vector in enumerate(vectors[i : i + _CHUNK])]
            app.face_records.add(settings.collection, faces)


def made_face(number: int, vector: NDArray[np.float32]) -> NewFace:
    """Of an invented person. vector: float32 (d,)."""
    name = f"Person {number:07d}"
    record = FaceRecord(
        face_id=str(uuid.uuid4()),
        image_id=f"{number:032x}",
        person=name,
        external_image_id=name,
        source=f"/photos/{name}.jpg",
        box=BoundingBox(100.0, 80.0, 80.0, 100.0),
        landmarks=_LANDMARKS,
        confidence=99.9,
        quality=Quality(50.0, 50.0, 80.0),
        embedding=Embedding(vector, BUILTIN.model),
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    return NewFace(record, None)
