"""Emotions by mini-Xception.

Arriaga, Valdenegro-Toro, Plöger: Real-time Convolutional Neural Networks for Emotion and Gender Classification,
arXiv 1710.07557. Trained on FER-2013: seven posed expressions, about 66 % right on its test set.
"""

import numpy as np

from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.types import Emotion, Vector

TYPES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_SIDE = 64
_BATCH = 32  # the first layers take a megabyte a face
_GROWN_PX = 10  # the trainers grew each box by so many pixels


class Emotions:
    """model: uint8 (n, 64, 64, 1) grey named `image` → float32 (n, 7) named `probability`."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def classify(self, pyramid: Pyramid, boxes_xyxy: Vector) -> list[tuple[Emotion, ...]]:
        """One tuple a box, most confident first, confidences 0–100. boxes_xyxy: (n, 4) in the pyramid's level 0."""
        batches = (boxes_xyxy[i : i + _BATCH] for i in range(0, len(boxes_xyxy), _BATCH))
        return [ranked for batch in batches for ranked in self._classify(pyramid, batch)]

    def _classify(self, pyramid: Pyramid, boxes_xyxy: Vector) -> list[tuple[Emotion, ...]]:
        crops = np.stack([pyramid.crop(_grown(box, pyramid), _SIDE) for box in boxes_xyxy])
        grey = np.rint(crops @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None]
        return [_ranked(row) for row in self._model.run({"image": grey})["probability"]]


def _grown(box_xyxy: Vector, pyramid: Pyramid) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(v) for v in box_xyxy)
    half = max(x2 - x1, y2 - y1) / 2 + _GROWN_PX
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    left, top = max(x - half, 0.0), max(y - half, 0.0)
    right, bottom = min(x + half, pyramid.width), min(y + half, pyramid.height)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _ranked(probabilities: Vector) -> tuple[Emotion, ...]:
    order = np.argsort(-probabilities, kind="stable")
    return tuple(Emotion(TYPES[i], round(float(probabilities[i]) * 100, 2)) for i in order)
