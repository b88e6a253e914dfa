"""Points and second opinions for another detector's boxes, around a made O-net."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceline.engine.detector import Detections
from faceline.engine.landmarks import WithOnet
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.types import Frame


class MadeOnet(Model):
    """As sure as the crop is bright; points at a quarter and three quarters, and in the middle."""

    def __init__(self) -> None:
        self.path = Path("made.onnx")
        self.batches: list[int] = []

    def run(self, feeds: Any) -> dict[str, NDArray[Any]]:
        crops = feeds["image"]
        self.batches.append(len(crops))
        points = np.tile(np.array([0.25, 0.75, 0.5, 0.25, 0.75, 0.3, 0.3, 0.5, 0.8, 0.8], np.float32), (len(crops), 1))
        return {"probability": crops.mean(axis=(1, 2, 3)) / 255, "landmarks": points}


class MadeBoxes:
    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self._boxes = np.array(boxes, np.float64).reshape(-1, 4)

    def detect(self, frame: Frame, pyramid: Pyramid, min_face_px: float) -> Detections:
        n = len(self._boxes)
        return Detections(self._boxes, np.full((n, 5, 2), np.nan), np.ones(n))


def _detect(detector: MadeBoxes, onet: Model | None = None) -> Detections:
    pixels = np.full((200, 300, 3), 20, np.uint8)
    pixels[:, :150] = 240
    frame = Frame(pixels, 300, 200)
    return WithOnet(detector, onet or MadeOnet()).detect(frame, Pyramid(frame), 20)


def test_points_and_confidences_are_those_of_the_network_and_boxes_those_of_the_detector() -> None:
    found = _detect(MadeBoxes((20, 30, 60, 90)))
    np.testing.assert_array_equal(found.boxes, [[20, 30, 60, 90]])
    np.testing.assert_allclose(found.confidences, [240 / 255], atol=1e-6)
    # The square around the box is 60 px large and begins at (10, 30).
    expected = np.array([[0.25, 0.3], [0.75, 0.3], [0.5, 0.5], [0.25, 0.8], [0.75, 0.8]]) * 61 + [9, 29]
    np.testing.assert_allclose(found.landmarks, [expected], atol=1e-4)


def test_what_the_network_refuses_and_what_lies_outside_goes() -> None:
    found = _detect(MadeBoxes((200, 20, 240, 70), (-90, -90, -20, -20), (20, 30, 60, 90), (400, 20, 440, 60)))
    np.testing.assert_array_equal(found.boxes, [[20, 30, 60, 90]])


def test_boxes_that_reach_beyond_the_picture_are_kept() -> None:
    assert len(_detect(MadeBoxes((-20, -10, 40, 60))).boxes) == 1


def test_many_faces_go_in_batches_and_none_in_none() -> None:
    onet = MadeOnet()
    assert len(_detect(MadeBoxes(*[(20.0, 30.0, 60.0, 90.0)] * 100), onet).boxes) == 100
    assert onet.batches == [64, 36]
    empty = _detect(MadeBoxes())
    assert (empty.boxes.shape, empty.landmarks.shape, empty.confidences.shape) == ((0, 4), (0, 5, 2), (0,))
