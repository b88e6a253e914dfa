"""Five points, and a second opinion, for boxes that another detector found."""

import numpy as np
from numpy.typing import NDArray

from faceline.engine.detector import Detections, Detector, Floats
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.geometry import square
from faceline.types import Frame, Pixels

_SIDE = 48
_BATCH = 64
_THRESHOLD = 0.7  # as in the cascade that the network is the end of


class WithOnet:
    """The detector's boxes; points and confidences from MTCNN's O-net, which also refuses what is no upright face.

    What the detector says of landmarks is not used. Takes `Mtcnn`'s place.
    """

    def __init__(self, detector: Detector, onet: Model) -> None:
        self._detector, self._onet = detector, onet

    def detect(self, frame: Frame, pyramid: Pyramid, min_face_px: float) -> Detections:
        """All faces whose side is at least `min_face_px` of `frame.pixels`, in no order."""
        boxes = self._detector.detect(frame, pyramid, min_face_px).boxes
        squares = square(boxes)
        crops, inside = _crops(pyramid, squares)
        outputs = [self._onet.run({"image": crops[i : i + _BATCH]}) for i in range(0, len(crops), _BATCH)]
        scores = np.concatenate([np.empty(0), *(o["probability"] for o in outputs)])
        points = np.concatenate([np.empty((0, 10)), *(o["landmarks"] for o in outputs)])
        good = scores >= _THRESHOLD
        return Detections(boxes[inside][good], _placed(points[good], squares[inside][good]), scores[good])


def _crops(pyramid: Pyramid, squares: Floats) -> tuple[Pixels, NDArray[np.bool_]]:
    """What O-net sees of each square that shows any of the picture, (n, 48, 48, 3), and which squares those are."""
    # The network was trained on crops that begin one pixel before the whole-numbered box.
    parts = np.clip(np.trunc(squares) - [1, 1, 0, 0], 0, [pyramid.width, pyramid.height] * 2)
    inside = (parts[:, 2:] - parts[:, :2] >= 1).all(axis=1)
    return pyramid.crops([tuple(part) for part in parts[inside].tolist()], _SIDE), inside


def _placed(points: Floats, squares: Floats) -> Floats:
    """Five x, then five y in parts of the side → (n, 5, 2) in pixels."""
    sides = squares[:, 2:] - squares[:, :2] + 1
    return points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + squares[:, None, :2] - 1
