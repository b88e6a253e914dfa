"""Face detection with five landmarks in one pass of a tiny network.

Wu, Peng, Yu: YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20 (2023). Files of OpenCV's
zoo (MIT): `face_detection_yunet_2026may.onnx` for pictures of any size, `face_detection_yunet_2023mar.onnx` for 640×640
only. Boxes and points are decoded as OpenCV's FaceDetectorYN does it. Arrays named `boxes` are float64 (n, 4), x1 y1 x2
y2; rows are float64 (n, 15): a box, five points x y, a score.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceline.engine.detector import Detections, Floats
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.errors import ModelError
from faceline.geometry import nms
from faceline.types import Frame, Pixels

_STRIDES = (8, 16, 32)
# Of 202 faces of LFW, shrunk and grown, at score .5: 74 % found when 12 px wide, 96.5 % at 16, 99.5 % at 20, all from
# 24 to 600; scores fall from 400 px on. So the smallest faces are looked for at this size (of the longer side), and
# larger ones again in a smaller picture.
_FINEST_PX = 24
_LARGE_PX = 320
_TOLERANCE = 0.75  # what is a little smaller than asked for is kept, as Mtcnn does
_SCALE_STEP = 4
_SMALLEST_PX = 12  # as Mtcnn's: no picture is enlarged more than twice
_TILE_PX = 1280  # a tile takes 200 MB while it is searched
_OVERLAP_PX = 160  # larger faces are cut by tiles, and found in the next smaller picture
_THRESHOLD = 0.5
_NMS = 0.3  # as OpenCV's
_MAX_CANDIDATES = 5_000


class Yunet:
    """Takes `Mtcnn`'s place. threshold: of the network's scores, 0–1.

    Raises ModelError when the model is no YuNet.
    """

    def __init__(self, model: Model, threshold: float = _THRESHOLD) -> None:
        self._model, self._threshold = model, threshold
        self._input, self._fixed = _input_of(model)

    def detect(self, frame: Frame, pyramid: Pyramid, min_face_px: float) -> Detections:
        """All faces whose longer side is at least `min_face_px` of `frame.pixels`, in no order."""
        smallest = max(min_face_px, _SMALLEST_PX)
        scales = _scales(max(pyramid.width, pyramid.height), _FINEST_PX / smallest)
        rows = np.concatenate([self._search(pyramid, scale) for scale in scales])
        rows = rows[(rows[:, 2:4] - rows[:, :2]).max(axis=1, initial=0) >= smallest * _TOLERANCE]
        rows = rows[np.argsort(-rows[:, 14], kind="stable")[:_MAX_CANDIDATES]]
        rows = rows[nms(rows[:, :4], rows[:, 14], _NMS)]
        return Detections(rows[:, :4], rows[:, 4:14].reshape(-1, 5, 2), _confidences(rows[:, 14]))

    def _search(self, pyramid: Pyramid, scale: float) -> Floats:
        """Rows of the whole picture, looked at with this many pixels per pixel of level 0."""
        width, height = (max(1, round(side * scale)) for side in (pyramid.width, pyramid.height))
        image = pyramid.resized(width, height)
        limit = self._fixed or _TILE_PX
        found = []
        for top, bottom in _spans(height, limit):
            for left, right in _spans(width, limit):
                rows = self._rows(image[top:bottom, left:right])
                rows = rows[_uncut(rows, (left, top, right, bottom), (width, height))]
                found.append(_moved(rows, (left, top), (pyramid.width / width, pyramid.height / height)))
        return np.concatenate(found)

    def _rows(self, image: Pixels) -> Floats:
        """What the network sees in one picture, in its pixels, every score from the threshold on."""
        height, width = image.shape[:2]
        sides = [self._fixed or -(-side // _STRIDES[-1]) * _STRIDES[-1] for side in (height, width)]
        # BGR, and black where the picture ends before the network's input does.
        pixels = np.zeros((1, 3, *sides), np.float32)
        pixels[0, :, :height, :width] = image[..., ::-1].transpose(2, 0, 1)
        outputs = self._model.run({self._input: pixels})
        parts = [_decoded(outputs, stride, sides[1] // stride, self._threshold) for stride in _STRIDES]
        return np.concatenate(parts)


def _input_of(model: Model) -> tuple[str, int]:
    """The input's name, and its side where the network takes one size only, else 0."""
    refusal = ModelError(
        f"{model.path} is no YuNet: it must take pictures and give cls, obj, bbox and kps; fetch it again"
    )
    inputs = [(name, kind, list(shape)) for name, (kind, shape) in model.inputs.items()]
    if len(inputs) != 1 or inputs[0][1] != "tensor(float)" or len(inputs[0][2]) != 4 or inputs[0][2][1] != 3:
        raise refusal
    name, _, (_, _, height, width) = inputs[0]
    fixed = height if isinstance(height, int) else 0
    if fixed != (width if isinstance(width, int) else 0) or fixed % _STRIDES[-1]:
        raise refusal
    side = fixed or _STRIDES[-1]
    shapes = {key: value.shape for key, value in model.run({name: np.zeros((1, 3, side, side), np.float32)}).items()}
    lengths = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
    if shapes != {f"{kind}_{s}": (1, (side // s) ** 2, length) for kind, length in lengths.items() for s in _STRIDES}:
        raise refusal
    return name, fixed


def _scales(longer_side: int, finest: float) -> list[float]:
    scales = [finest]
    while longer_side * scales[-1] > _LARGE_PX:
        scales.append(scales[-1] / _SCALE_STEP)
    return scales


def _spans(length: int, limit: int) -> list[tuple[int, int]]:
    """Equal parts, none longer than the limit, that cover the length and overlap enough."""
    count = max(1, -(-(length - _OVERLAP_PX) // (limit - _OVERLAP_PX)))
    side = -(-(length + (count - 1) * _OVERLAP_PX) // count)
    starts = [i * (side - _OVERLAP_PX) for i in range(count)]
    return [(start, min(start + side, length)) for start in starts]


def _decoded(outputs: Mapping[str, NDArray[Any]], stride: int, columns: int, threshold: float) -> Floats:
    classes, objects = (np.clip(outputs[f"{kind}_{stride}"][0, :, 0], 0, 1) for kind in ("cls", "obj"))
    scores = np.sqrt(classes * objects)
    good = np.flatnonzero(scores >= threshold)
    cells = np.stack([good % columns, good // columns], axis=1).astype(np.float64)
    box = outputs[f"bbox_{stride}"][0, good].astype(np.float64)
    centres, halves = (cells + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride / 2
    points = (outputs[f"kps_{stride}"][0, good].reshape(-1, 5, 2) + cells[:, None]) * stride
    return np.concatenate([centres - halves, centres + halves, points.reshape(-1, 10), scores[good, None]], axis=1)


def _uncut(rows: Floats, tile: tuple[int, int, int, int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which boxes do not cross an edge of the tile (x1 y1 x2 y2) beyond which the picture goes on."""
    kept = np.ones(len(rows), np.bool_)
    for axis in (0, 1):
        first, last = tile[axis], tile[2 + axis]
        if first > 0:
            kept &= rows[:, axis] > 0
        if last < size[axis]:
            kept &= rows[:, 2 + axis] < last - first
    return kept


def _moved(rows: Floats, corner: tuple[int, int], scale: tuple[float, float]) -> Floats:
    """The tile's pixels → those of the pyramid's level 0."""
    moved = rows.copy()
    moved[:, :14] = (moved[:, :14].reshape(-1, 7, 2) + corner).reshape(-1, 14) * np.tile(scale, 7)
    return moved


def _confidences(scores: Floats) -> Floats:
    """The scores of the best faces are .9 to .95, where Mtcnn says .99 and more; this makes them mean about the same.

    .5 → .75, .68 → .9, .9 → .99.
    """
    return np.asarray(1 - (1 - scores) ** 2)
