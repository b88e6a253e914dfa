"""The whole cascade against facenet-pytorch's, on photos."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from faceline.config import load
from faceline.engine.analyzer import Wanted
from faceline.geometry import iou
from faceline.loading import open_analyzer
from faceline.types import Face, Frame

pytestmark = pytest.mark.peers

AskPeer = Callable[..., dict[str, NDArray[Any]]]

_MIN_SIDE = 60  # smaller faces lie at the edge of what both look for, and either may miss one


def _photos() -> dict[str, NDArray[np.uint8]]:
    from skimage import data  # noqa: PLC0415 - heavy, and only these tests need it

    photos = {"0": np.asarray(data.astronaut())}  # type: ignore[no-untyped-call]
    folder = Path(os.environ.get("FACELINE_TEST_DATA", "/nonexistent"))
    portraits = sorted(folder.glob("lfw/images/A*/*_0001.jpg"))[:30]
    named = [folder / "photos/facenet-pytorch/data/multiface.jpg", *portraits]
    for number, path in enumerate((p for p in named if p.is_file()), start=1):
        with Image.open(path) as image:
            photos[str(number)] = np.asarray(image.convert("RGB"))
    return photos


def _boxes(faces: list[Face]) -> NDArray[np.float64]:
    return np.array([[f.box.left, f.box.top, f.box.right, f.box.bottom] for f in faces]).reshape(-1, 4)


def test_boxes_and_landmarks_are_where_facenet_pytorch_finds_them(ask_peer: AskPeer) -> None:
    photos = _photos()
    theirs = ask_peer("mtcnn_detections", photos)
    analyzer = open_analyzer(load())
    overlaps, distances = [], []
    for name, pixels in photos.items():
        frame = Frame(pixels, pixels.shape[1], pixels.shape[0])
        faces = analyzer.analyze([frame], Wanted(embeddings=False))[0]
        ours = _boxes(faces)
        for box, points in zip(theirs[f"{name}.boxes"], theirs[f"{name}.landmarks"], strict=True):
            side = float(box[2] - box[0])
            if side < _MIN_SIDE:
                continue
            overlap = iou(box[None], ours)[0]
            best = int(overlap.argmax())
            overlaps.append(overlap[best])
            distances.append(np.abs(faces[best].landmarks.as_array() - points).mean() / side)
    # Both crop differently (area means against triangles), so single pixels differ: the same face, the same points.
    assert min(overlaps) > 0.7
    assert float(np.median(overlaps)) > 0.9
    assert float(np.median(distances)) < 0.02
    assert max(distances) < 0.08
