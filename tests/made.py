"""Made photos, faces and people, for tests that are not about recognising anybody.

A made photo says in its first pixel how many faces it has and in its second whose they are; `MadeAnalyzer` reads that.
The faces of a photo are persons n, n + 1, …; a person's embedding is always the same.
"""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceline.app import App
from faceline.config import Settings
from faceline.engine.analyzer import Wanted
from faceline.events import ObjectCreated
from faceline.gallery.ports import NewFace
from faceline.models.spaces import BUILTIN
from faceline.ports import ObjectInfo, Record, RecordQuery
from faceline.types import (
    BoundingBox,
    Embedding,
    Emotion,
    Face,
    FaceRecord,
    Frame,
    Landmarks,
    Pose,
    Quality,
    Vector,
)

BUCKET = "face-input-bucket"
MODEL = BUILTIN.model
BOX = BoundingBox(4.0, 6.0, 20.0, 25.0)
_EMOTIONS = ("happy", "neutral", "sad", "fear", "angry", "disgust", "surprise")


def photo(faces: int = 1, person: int = 0, salt: int = 0) -> bytes:
    """A PNG of 64×48 pixels. salt: other bytes that show the same."""
    pixels = np.full((48, 64, 3), 90, dtype=np.uint8)
    pixels[0, 0], pixels[0, 1], pixels[0, 2] = faces, person, salt
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def vector(person: int) -> Vector:
    """float32 (128,) of unit length; those of two persons are far apart."""
    return _unit(np.random.default_rng(person).normal(size=BUILTIN.dimensions))


def mixed(a: Vector, b: Vector, part: float) -> Vector:
    """Of unit length, between two vectors: `part` of a and the rest of b."""
    return _unit(part * a + (1 - part) * b)


def landmarks(box: BoundingBox) -> Landmarks:
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * [box.width, box.height]
    return Landmarks.from_array(points + np.array([box.left, box.top]))


def face(values: Vector | None = None, box: BoundingBox = BOX, reasons: tuple[str, ...] = ()) -> Face:
    return Face(
        box=box,
        landmarks=landmarks(box),
        confidence=99.5,
        pose=Pose(1.0, 2.0, 3.0),
        quality=Quality(60.0, 70.0, min(box.width, box.height), reasons),
        embedding=None if values is None else Embedding(values, MODEL),
    )


def record(face_id: str, person: str | None, values: Vector, model: str = MODEL) -> FaceRecord:
    return FaceRecord(
        face_id=face_id,
        image_id=f"image of {face_id}",
        person=person,
        external_image_id=person,
        source=f"{face_id}.jpg",
        box=BOX,
        landmarks=landmarks(BOX),
        confidence=99.5,
        quality=Quality(60.0, 70.0, 20.0, ("blurred",)),
        embedding=Embedding(values, model),
        created_at="2026-01-31T12:00:00.000+00:00",
    )


def new_face(face_id: str, person: str | None, values: Vector) -> NewFace:
    return NewFace(record(face_id, person, values))


class MadeAnalyzer:
    """Stands in for `engine.analyzer.Analyzer`. before: called with each frame before its faces are given."""

    model = MODEL

    def __init__(self, before: Callable[[Frame], None] | None = None) -> None:
        self.before = before
        self.analyzed = 0

    def analyze(self, frames: Sequence[Frame], wanted: Wanted | None = None) -> list[list[Face]]:
        self.analyzed += len(frames)
        return [self._faces(frame, wanted or Wanted()) for frame in frames]

    def _faces(self, frame: Frame, wanted: Wanted) -> list[Face]:
        if self.before:
            self.before(frame)
        count, person = int(frame.pixels[0, 0, 0]), int(frame.pixels[0, 1, 0])
        # Each smaller than half of the one before: the first is whom the photo is of.
        boxes = [BoundingBox(1.0 + n, 2.0, 40.0 / 2**n, 40.0 / 2**n) for n in range(count)]
        faces = [face(vector(person + n), box) for n, box in enumerate(boxes)]
        moods = tuple(Emotion(kind, 70.0 - 10 * n) for n, kind in enumerate(_EMOTIONS))
        return [replace(each, emotions=moods if wanted.emotions else None) for each in faces]


def open_app(data: Path, analyzer: MadeAnalyzer | None = None, /, **settings: Any) -> App:
    """settings: as the fields of `Settings`."""
    app = App(Settings(data=data, **settings))
    made: Any = analyzer or MadeAnalyzer()
    app.engines._analyzers[MODEL] = made  # where the real one would be kept
    return app


def event_of(info: ObjectInfo) -> ObjectCreated:
    return ObjectCreated(info.bucket, info.key, info.etag, info.size, info.modified_at)


class Workflow:
    """Photos go in as they do by `faceline put`; the worker runs when it is told."""

    def __init__(self, app: App) -> None:
        self.app, self.worker = app, app.worker()

    def put(self, key: str, data: bytes) -> ObjectCreated:
        event = event_of(self.app.objects.put(BUCKET, key, data))
        self.app.watcher().announce(self.app.objects.head(BUCKET, key))
        return event

    def process(self, key: str, data: bytes) -> dict[str, Any]:
        """The result of one photo."""
        event = self.put(key, data)
        self.worker.drain()
        result: dict[str, Any] = json.loads(self.app.receipts.result(event.event_id) or "null")
        return result

    def rows(self, key: str | None = None) -> list[Record]:
        return self.app.records.query(RecordQuery(image=key))

    def document(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.app.objects.get(BUCKET, key, 1_000_000)[1])
        return found

    def keys(self, prefix: str = "processed/") -> list[str]:
        return [info.key for info in self.app.objects.list(BUCKET, prefix)]


def _unit(values: NDArray[Any]) -> Vector:
    unit: Vector = (values / np.linalg.norm(values)).astype(np.float32)
    return unit
