"""OpenCV's face detectors, by the extra `opencv`. They give boxes; `landmarks.WithOnet` gives the points.

Viola, Jones: Rapid Object Detection using a Boosted Cascade of Simple Features, CVPR 2001; the cascade is the one for
frontal faces in OpenCV's wheels (https://docs.opencv.org/4.x/d1/de5/classcv_1_1CascadeClassifier.html). FaceDetectorYN
runs a YuNet file by OpenCV's own network code (https://docs.opencv.org/4.x/df/d20/classcv_1_1FaceDetectorYN.html).
"""

import threading
from pathlib import Path
from typing import Any

import numpy as np

from faceline.engine.detector import Detections, Floats
from faceline.engine.pyramid import Pyramid
from faceline.errors import MissingExtraError, ModelError
from faceline.types import Frame

_CASCADE = "haarcascade_frontalface_default.xml"
_SCALE_FACTOR = 1.1
# Chance finds come alone; O-net refuses those that are left, so that few neighbours are asked for.
_MIN_NEIGHBOURS = 3
_TRAINED_PX = 24
_YN_SIDES = (320, 1280)  # of the longer side: large faces are found in the smaller picture, small ones in the larger
_YN_FINEST_PX = 20  # the smallest face it finds for sure
_YN_SCORE, _YN_NMS, _YN_TOP = 0.5, 0.3, 5000


class Haar:
    """Takes `Mtcnn`'s place, once points are given to its boxes. Raises MissingExtraError where there is no OpenCV."""

    def __init__(self) -> None:
        cv2 = _opencv()
        self._path = str(Path(cv2.data.haarcascades) / _CASCADE)
        self._local = threading.local()

    def detect(self, frame: Frame, pyramid: Pyramid, min_face_px: float) -> Detections:
        """All faces whose side is at least `min_face_px` of `frame.pixels`, in no order; points and confidences say
        nothing."""
        scale = max(1.0, min(min_face_px / _TRAINED_PX, 4.0))
        width, height = (max(1, round(side / scale)) for side in (pyramid.width, pyramid.height))
        grey = _opencv().cvtColor(pyramid.resized(width, height), _opencv().COLOR_RGB2GRAY)
        least = max(_TRAINED_PX, round(min_face_px / scale))
        found = self._cascade().detectMultiScale(
            grey, scaleFactor=_SCALE_FACTOR, minNeighbors=_MIN_NEIGHBOURS, minSize=(least, least)
        )
        boxes = np.asarray(found, dtype=np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return _without_points(boxes * (pyramid.width / width))

    def _cascade(self) -> Any:
        """One for each thread: it keeps the picture that it searches."""
        if not hasattr(self._local, "cascade"):
            self._local.cascade = _opencv().CascadeClassifier(self._path)
            if self._local.cascade.empty():
                raise ModelError(f"OpenCV cannot read {self._path}; install opencv-python-headless again")
        return self._local.cascade


class FaceDetectorYN:
    """Takes `Mtcnn`'s place, once points are given to its boxes. path: an ONNX file of YuNet.

    Raises MissingExtraError where there is no OpenCV, ModelError for a file that it cannot use.
    """

    def __init__(self, path: Path) -> None:
        _opencv()
        self._path = path
        self._local = threading.local()
        self._detector()

    def detect(self, frame: Frame, pyramid: Pyramid, min_face_px: float) -> Detections:
        """All faces whose side is at least `min_face_px` of `frame.pixels`, in no order; points and confidences are
        not O-net's yet."""
        longer = max(pyramid.width, pyramid.height)
        finest = min(1.0, _YN_FINEST_PX / min_face_px) * longer
        sides = sorted({min(longer, round(finest)), *(side for side in _YN_SIDES if side < finest)})
        rows = np.concatenate([np.empty((0, 5)), *(self._search(pyramid, side / longer) for side in sides)])
        rows = rows[(rows[:, 2:4] - rows[:, :2]).max(axis=1, initial=0) >= min_face_px]
        kept = _opencv().dnn.NMSBoxes(_as_xywh(rows), rows[:, 4].tolist(), _YN_SCORE, _YN_NMS) if len(rows) else []
        return _without_points(rows[np.asarray(kept, dtype=np.intp).ravel(), :4])

    def _search(self, pyramid: Pyramid, scale: float) -> Floats:
        """(n, 5): boxes in level 0 and scores, of the picture looked at with this many pixels per pixel."""
        width, height = (max(1, round(side * scale)) for side in (pyramid.width, pyramid.height))
        detector = self._detector()
        detector.setInputSize((width, height))
        _, found = detector.detect(np.ascontiguousarray(pyramid.resized(width, height)[..., ::-1]))
        if found is None:
            return np.empty((0, 5))
        boxes = found[:, :4].astype(np.float64)
        boxes[:, 2:] += boxes[:, :2]
        return np.concatenate([boxes * (pyramid.width / width), found[:, 14:15]], axis=1)

    def _detector(self) -> Any:
        """One for each thread: its input size is part of it."""
        if not hasattr(self._local, "detector"):
            cv2 = _opencv()
            try:
                made = cv2.FaceDetectorYN.create(str(self._path), "", (320, 320), _YN_SCORE, _YN_NMS, _YN_TOP)
            except cv2.error as error:
                raise ModelError(f"OpenCV cannot use {self._path} as a YuNet: {error.err}; add it again") from error
            self._local.detector = made
        return self._local.detector


def _opencv() -> Any:
    """The module, imported when it is first needed."""
    try:
        import cv2  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            f"this detector needs OpenCV, which is not usable here ({error}): pip install 'opencv-python-headless<5', "
            "or set detector to mtcnn"
        ) from error
    return cv2


def _without_points(boxes: Floats) -> Detections:
    return Detections(boxes, np.zeros((len(boxes), 5, 2)), np.ones(len(boxes)))


def _as_xywh(rows: Floats) -> list[list[float]]:
    found: list[list[float]] = np.concatenate([rows[:, :2], rows[:, 2:4] - rows[:, :2]], axis=1).tolist()
    return found
