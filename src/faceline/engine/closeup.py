"""Faces that fill the picture.

Detectors learned from faces with something around them. Where a face fills the picture they miss it, or put its
landmarks a few pixels off, and then strangers look alike: of LFW faces cut 5 % inside their box, 2.2 % of the pairs of
strangers reached the similarity that 0.1 % should, 0.2 % when the same pictures had a border. So such a picture is
looked at once more with its edges drawn out, small, for large faces only; that takes a few milliseconds.
"""

import numpy as np

from faceline.engine.detector import Detections, Detector
from faceline.engine.pyramid import Pyramid
from faceline.geometry import iou
from faceline.types import Frame

_FILLS = 0.8  # of the picture's shorter side: with a tenth of the face's side around it nothing is off
_LEAST = 0.5  # what is looked for again, of the shorter side
_SIDE_BITS = 9  # the longer side has fewer than 2^9 pixels: enough to find it
_LEAST_PX = 12  # of those
_BORDER = 0.5  # of the longer side
_SAME = 0.3  # overlap


def detect_upright(detector: Detector, frame: Frame, pyramid: Pyramid, min_face_px: float) -> Detections:
    """As `Detector.detect`, those faces too that fill the picture."""
    found = detector.detect(frame, pyramid, min_face_px)
    shorter = min(pyramid.width, pyramid.height)
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    if len(sides) and sides.max() < _FILLS * shorter:
        return found
    level = max(0, max(pyramid.width, pyramid.height).bit_length() - _SIDE_BITS)
    least_px = max(min_face_px, _LEAST * shorter)
    if least_px < _LEAST_PX * 2**level:  # a strip
        return found
    again = _with_border(detector, frame, pyramid, level, least_px)
    return _joined(found, again) if len(again.boxes) else found


def _with_border(detector: Detector, frame: Frame, pyramid: Pyramid, level: int, min_face_px: float) -> Detections:
    small = np.asarray(pyramid.level(level))
    border = round(max(small.shape[:2]) * _BORDER)
    pixels = np.pad(small, ((border, border), (border, border), (0, 0)), mode="edge")
    bordered = Frame(pixels, pixels.shape[1], pixels.shape[0], frame.source)
    found = detector.detect(bordered, Pyramid(bordered), min_face_px / 2**level)
    boxes, landmarks = (found.boxes - border) * 2.0**level, (found.landmarks - border) * 2.0**level
    return Detections(boxes, landmarks, found.confidences)


def _joined(found: Detections, again: Detections) -> Detections:
    """What was found again in the place of what is the same face, or a part of it."""
    kept = ~(iou(found.boxes, again.boxes) > _SAME).any(axis=1)
    return Detections(
        np.concatenate([again.boxes, found.boxes[kept]]),
        np.concatenate([again.landmarks, found.landmarks[kept]]),
        np.concatenate([again.confidences, found.confidences[kept]]),
    )
