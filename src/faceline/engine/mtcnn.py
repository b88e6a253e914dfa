"""Face detection with five landmarks by a cascade of three small networks.

Zhang, Zhang, Li, Qiao: Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks,
IEEE Signal Processing Letters 2016 (arXiv 1604.02878). Arrays named `boxes` are float64 (n, 4), x1 y1 x2 y2.
"""

import numpy as np
from numpy.typing import NDArray

from faceline.engine.detector import Detections, Floats
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.geometry import nms
from faceline.types import Frame

_CELL = 12  # side of the window that one P-net cell sees; cells are 2 pixels apart
_SCALE_STEP = 0.709
_TILE_PIXELS = 60_000  # small enough that a strip's activations stay in the cache: twice as fast as whole images
_MAX_CANDIDATES = 2_000  # into R-net and O-net each, best first; a crowd of 300 faces needs about 1,500
_BATCH = 64


class Mtcnn:
    """Thresholds are those of the paper's authors and of facenet-pytorch: 0.6, 0.7, 0.7."""

    def __init__(self, pnet: Model, rnet: Model, onet: Model) -> None:
        self._pnet, self._rnet, self._onet = pnet, rnet, onet

    def detect(self, frame: Frame, pyramid: Pyramid, min_face_px: float) -> Detections:
        """All faces whose side is at least `min_face_px` of `frame.pixels`, in no order."""
        boxes = self._propose(pyramid, max(min_face_px, _CELL))
        boxes = self._refine(pyramid, boxes)
        return self._output(pyramid, boxes)

    def _propose(self, pyramid: Pyramid, min_face_px: float) -> Floats:
        found = [self._propose_at(pyramid, scale) for scale in _scales(pyramid, min_face_px)]
        rows = np.concatenate([np.empty((0, 9)), *found])
        boxes, scores, shifts = rows[:, :4], rows[:, 4], rows[:, 5:]
        keep = nms(boxes, scores, 0.7)[:_MAX_CANDIDATES]
        size = np.tile(boxes[keep, 2:] - boxes[keep, :2], 2)
        return _squared(boxes[keep] + shifts[keep] * size)

    def _propose_at(self, pyramid: Pyramid, scale: float) -> Floats:
        """Rows x1 y1 x2 y2, probability, four shifts as parts of the side."""
        image = pyramid.resized(int(pyramid.width * scale + 1), int(pyramid.height * scale + 1))
        probability, regression = self._cells(image)
        rows, columns = np.nonzero(probability >= 0.6)
        corners = np.stack([columns, rows, columns, rows], axis=1) * 2.0
        boxes = np.floor((corners + np.array([1, 1, _CELL, _CELL])) / scale)
        scores = probability[rows, columns]
        keep = nms(boxes, scores, 0.5)[:_MAX_CANDIDATES]
        return np.concatenate([boxes, scores[:, None], regression[:, rows, columns].T], axis=1)[keep]

    def _cells(self, image: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """P-net over strips of rows, so that memory stays bounded; equal to one run over the whole image."""
        height, width = image.shape[:2]
        step = max(2, _TILE_PIXELS // width // 2 * 2)
        last = height - _CELL + 2
        strips = [image[y : y + step + _CELL - 2] for y in range(0, last, step)]
        outputs = [self._pnet.run({"image": strip[None]}) for strip in strips]
        probability = np.concatenate([o["probability"][0] for o in outputs], axis=0)
        return probability, np.concatenate([o["regression"][0] for o in outputs], axis=1)

    def _refine(self, pyramid: Pyramid, boxes: Floats) -> Floats:
        crops, boxes = _crops(pyramid, boxes, 24)
        output = _in_batches(self._rnet, crops, {"probability": (), "regression": (4,)})
        good = output["probability"] >= 0.7
        boxes = _shifted(boxes[good], output["regression"][good])
        # The authors suppress at 0.7 before they shift; after it, neighbours agree, so that 0.8 leaves half as many to
        # O-net, which costs most, and loses none of 304 faces in crowds (docs/decisions/0005).
        keep = nms(boxes, output["probability"][good], 0.8)
        return _squared(boxes[keep])

    def _output(self, pyramid: Pyramid, boxes: Floats) -> Detections:
        crops, boxes = _crops(pyramid, boxes, 48)
        output = _in_batches(self._onet, crops, {"probability": (), "regression": (4,), "landmarks": (10,)})
        good = output["probability"] >= 0.7
        boxes, scores = boxes[good], output["probability"][good]
        points = output["landmarks"][good].reshape(-1, 2, 5).transpose(0, 2, 1)
        landmarks = points * (boxes[:, 2:] - boxes[:, :2] + 1)[:, None] + boxes[:, None, :2] - 1
        boxes = _shifted(boxes, output["regression"][good])
        keep = nms(boxes, scores, 0.7, by_minimum_area=True)
        return Detections(boxes[keep], landmarks[keep], scores[keep])


def _scales(pyramid: Pyramid, min_face_px: float) -> list[float]:
    scales = []
    scale = _CELL / min_face_px
    while min(pyramid.width, pyramid.height) * scale >= _CELL:
        scales.append(scale)
        scale *= _SCALE_STEP
    return scales


def _crops(pyramid: Pyramid, boxes: Floats, side: int) -> tuple[NDArray[np.uint8], Floats]:
    """The boxes that show any of the picture, cut out as uint8 (n, side, side, 3), and those boxes."""
    limit = [pyramid.width, pyramid.height] * 2
    # The networks were trained on crops that begin one pixel before the whole-numbered box.
    parts = np.clip(np.trunc(boxes) - [1, 1, 0, 0], 0, limit)
    inside = (parts[:, 2] - parts[:, 0] >= 1) & (parts[:, 3] - parts[:, 1] >= 1)
    return pyramid.crops([tuple(part) for part in parts[inside].tolist()], side), boxes[inside]


def _in_batches(model: Model, crops: NDArray[np.uint8], shapes: dict[str, tuple[int, ...]]) -> dict[str, Floats]:
    outputs = [model.run({"image": crops[i : i + _BATCH]}) for i in range(0, len(crops), _BATCH)]
    empty = {name: np.empty((0, *shape), np.float32) for name, shape in shapes.items()}
    return {name: np.concatenate([empty[name], *(o[name] for o in outputs)]) for name in shapes}


def _shifted(boxes: Floats, shifts: Floats) -> Floats:
    return boxes + shifts * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def _squared(boxes: Floats) -> Floats:
    """Same centre, side the longer one."""
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True, initial=0)
    corner = boxes[:, :2] + size / 2 - side / 2
    return np.concatenate([corner, corner + side], axis=1)
