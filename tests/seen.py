"""Frames of one colour, and an analyzer that sees a person of each colour in them; for tests of workflow 2."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from faceline.app import App
from faceline.config import Settings
from faceline.engine.analyzer import Sighting, Wanted
from faceline.types import BoundingBox, Embedding, Frame, Pixels
from made import MODEL, face, new_face, vector

COLOURS = {"Ada": "red", "Zoë": "blue", "Grace": "lime"}  # a stranger is yellow; nobody is black
_PERSONS: dict[tuple[int, ...], int] = {(255, 0, 0): 1, (0, 0, 255): 2, (0, 255, 0): 3, (255, 255, 0): 4}


class ColourAnalyzer:
    """Stands in for `engine.analyzer.Analyzer`. sees: whether any face is found."""

    model = MODEL

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []
        self.batches: list[int] = []

    def sight(self, frame: Frame, wanted: Wanted) -> list[Sighting]:
        self.seen.append((frame.width, frame.height))
        middle = frame.pixels[frame.pixels.shape[0] // 2, frame.pixels.shape[1] // 2]
        person = _PERSONS.get(tuple(int(v > 127) * 255 for v in middle))
        if person is None:
            return []
        box = BoundingBox(frame.width / 4, frame.height / 4, frame.width / 2, frame.height / 2)
        return [Sighting(face(box=box), np.full((2, 2, 3), person, np.uint8))]

    def embed_chips(self, chips: Sequence[Pixels]) -> list[Embedding]:
        self.batches.append(len(chips))
        return [Embedding(vector(int(chip[0, 0, 0])), MODEL) for chip in chips]


def picture(colour: str, size: tuple[int, int] = (64, 48), kind: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()


def content(colour: str) -> str:
    return base64.b64encode(picture(colour)).decode()


def frame(request_id: object = "1", colour: str = "red", **others: Any) -> dict[str, Any]:
    return {"request_id": request_id, "content": content(colour), "filename": "door/a.jpg"} | others


def open_seeing(data: Path, **settings: Any) -> App:
    """The embedded profile, on which Ada, Zoë and Grace are enrolled."""
    app = App(Settings(data=data, **settings))
    seeing: Any = ColourAnalyzer()
    app.engines._analyzers[MODEL] = seeing
    app.collections.create("my-face-collection", MODEL)
    faces = [new_face(f"face {n}", name, vector(n)) for n, name in enumerate(COLOURS, start=1)]
    app.face_records.add("my-face-collection", faces)
    return app


def answers(app: App) -> list[tuple[str, str]]:
    """What is in the response queue now, as request_id and result; it stays there."""
    documents = [json.loads(message.body) for message in app.frames.responses.after(0)]
    assert all(set(document) == {"request_id", "result"} for document in documents)
    return [(document["request_id"], document["result"]) for document in documents]


def work(app: App) -> None:
    """All that is in the request queue."""
    app.frames.workers()[0].drain()
