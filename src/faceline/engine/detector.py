"""What every face detector gives, so that the analyzer need not know which one it has."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faceline.engine.pyramid import Pyramid
from faceline.types import Frame

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """boxes: (n, 4) x1 y1 x2 y2; landmarks: (n, 5, 2); confidences: (n,) 0–1. Coordinates of `frame.pixels`."""

    boxes: Floats
    landmarks: Floats
    confidences: Floats


class Detector(Protocol):
    """Finds faces; shared by threads at will."""

    def detect(self, frame: Frame, pyramid: Pyramid, min_face_px: float) -> Detections:
        """All faces whose side is at least `min_face_px` of `frame.pixels`, in no order."""
        ...
