"""What Amazon Rekognition says of faces, in our types.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_FaceDetail.html
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from faceline.geometry import iou
from faceline.types import BoundingBox, Emotion, Face, Landmarks, Point, Pose, Quality

Document = Mapping[str, Any]
Size = tuple[int, int]

# The others, CONFUSED and UNKNOWN, have no word of ours and keep their own.
_EMOTIONS = MappingProxyType({"DISGUSTED": "disgust", "SURPRISED": "surprise", "CALM": "neutral"})
_POINTS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")
_WHERE = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))  # in a box, of a face whose points are missing


def face_of(detail: Document, size: Size) -> Face:
    """A `FaceDetail` without an embedding, which Amazon Rekognition gives nobody. size: the upright picture's, in px.

    Its quality has no reasons: which faces are too poor to index is what IndexFaces' QualityFilter says.
    """
    box = box_of(detail["BoundingBox"], size)
    pose, quality = detail.get("Pose", {}), detail.get("Quality", {})
    emotions = detail.get("Emotions")
    return Face(
        box=box,
        landmarks=_landmarks(detail.get("Landmarks", ()), box, size),
        confidence=round(float(detail.get("Confidence", 0.0)), 2),
        pose=Pose(*(round(float(pose.get(angle, 0.0)), 1) for angle in ("Roll", "Yaw", "Pitch"))),
        quality=Quality(
            round(float(quality.get("Brightness", 0.0)), 1),
            round(float(quality.get("Sharpness", 0.0)), 1),
            round(min(box.width, box.height), 1),
        ),
        emotions=None if emotions is None else _emotions(emotions),
    )


def box_of(box: Document, size: Size, corner: Point = (0.0, 0.0)) -> BoundingBox:
    """Ratios of a picture's sides as pixels. corner: where the picture begins in a larger one."""
    left, top = corner[0] + box["Left"] * size[0], corner[1] + box["Top"] * size[1]
    return BoundingBox(
        round(left, 1), round(top, 1), round(box["Width"] * size[0], 1), round(box["Height"] * size[1], 1)
    )


def overlap(a: BoundingBox, b: BoundingBox) -> float:
    """Intersection over union, 0–1."""
    corners = [np.array([[each.left, each.top, each.right, each.bottom]]) for each in (a, b)]
    return float(iou(*corners)[0, 0])


def _landmarks(points: Sequence[Document], box: BoundingBox, size: Size) -> Landmarks:
    there = {point["Type"]: (point["X"] * size[0], point["Y"] * size[1]) for point in points}
    usual = [(box.left + x * box.width, box.top + y * box.height) for x, y in _WHERE]
    found = [there.get(name, where) for name, where in zip(_POINTS, usual, strict=True)]
    return Landmarks.from_array(np.round(np.array(found), 1))


def _emotions(emotions: Sequence[Document]) -> tuple[Emotion, ...]:
    """Most confident first. Their confidences need not sum to 100."""
    found = [Emotion(_EMOTIONS.get(e["Type"], e["Type"].lower()), round(float(e["Confidence"]), 2)) for e in emotions]
    return tuple(sorted(found, key=lambda emotion: -emotion.confidence))
