"""How good a face is for recognition, in words, and what to do about it."""

from collections.abc import Sequence

import msgspec

from faceline.engine.pose import head_pose
from faceline.types import Face, FaceRecord, Quality

# Why a face cannot be used (`engine.quality`), and what helps.
_REMEDY = {
    "too small": "Use a larger photo, or stand closer: a face needs at least 40 pixels.",
    "too dark": "Use a photo with more light on the face.",
    "too bright": "Use a photo with less light on the face.",
    "blurred": "Use a sharp photo: hold still, and focus on the face.",
    "turned away": "Use a photo from the front, with the face towards the camera.",
    "doubtful face": "Use a photo that shows the whole face, without mask or hand before it.",
    "cut off by the edge": "Use a photo that has the whole face in it.",
}
_OTHERWISE = {
    "no face": "Use a photo that shows a face from the front, large enough to be seen.",
    "duplicate": "Nothing is to be done, or another photo to be used.",
    "no consent": "Give what leads to the proof of their consent.",
}
_SMALL_PX, _SOFT, _DARK, _BRIGHT, _TURNED = 80.0, 20.0, 25.0, 85.0, 30.0


class FaceQuality(msgspec.Struct, frozen=True):
    """brightness, sharpness: 0–100. size_px: the shorter side of the box. level: `good`, `fair` or `poor`, which cannot
    be enrolled. remarks: what is not good about it.
    """

    brightness: float
    sharpness: float
    size_px: float
    level: str
    remarks: list[str]


def quality_of(face: Face | FaceRecord) -> FaceQuality:
    quality = face.quality
    pose = face.pose if isinstance(face, Face) else head_pose(face.landmarks.as_array())  # as the analyzer makes it
    remarks = list(quality.reasons) or _weak(quality, abs(pose.yaw))
    level = "poor" if quality.reasons else "fair" if remarks else "good"
    return FaceQuality(quality.brightness, quality.sharpness, quality.size_px, level, remarks)


def _weak(quality: Quality, yaw: float) -> list[str]:
    checks = {
        "small": quality.size_px < _SMALL_PX,
        "rather blurred": quality.sharpness < _SOFT,
        "rather dark": quality.brightness < _DARK,
        "rather bright": quality.brightness > _BRIGHT,
        "turned to the side": yaw > _TURNED,
    }
    return [remark for remark, holds in checks.items() if holds]


def remedy(reason: str, remarks: Sequence[str]) -> str | None:
    """What to do when a photo was refused for this reason. remarks: of its face's quality."""
    found = [_REMEDY[remark] for remark in remarks if remark in _REMEDY and remark in reason]
    found += [text for start, text in _OTHERWISE.items() if reason.startswith(start)]
    return " ".join(found) or None
