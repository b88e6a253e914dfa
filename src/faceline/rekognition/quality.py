"""`QualityFilter` and the reasons for which a face is left out."""

from collections.abc import Iterable
from dataclasses import dataclass

from faceline.rekognition.shapes import QualityFilter
from faceline.types import Face

# What `engine.quality` says of a face, which is the bar AUTO, in the API's words.
_REASONS = {
    "too small": "SMALL_BOUNDING_BOX",
    "too dark": "LOW_BRIGHTNESS",
    "too bright": "LOW_FACE_QUALITY",
    "blurred": "LOW_SHARPNESS",
    "turned away": "EXTREME_POSE",
    "doubtful face": "LOW_CONFIDENCE",
    "cut off by the edge": "LOW_FACE_QUALITY",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """The least that a face needs. size_px: shorter side. yaw, pitch: the most, in degrees. Others: `types.Quality`."""

    size_px: float
    brightness: float
    sharpness: float
    yaw: float
    pitch: float
    confidence: float

    def reasons(self, face: Face) -> list[str]:
        quality, pose = face.quality, face.pose
        checks = {
            "SMALL_BOUNDING_BOX": quality.size_px < self.size_px,
            "LOW_BRIGHTNESS": quality.brightness < self.brightness,
            "LOW_SHARPNESS": quality.sharpness < self.sharpness,
            "EXTREME_POSE": abs(pose.yaw) > self.yaw or abs(pose.pitch) > self.pitch,
            "LOW_CONFIDENCE": face.confidence < self.confidence,
            "LOW_FACE_QUALITY": "cut off by the edge" in quality.reasons,
        }
        return [reason for reason, holds in checks.items() if holds]


# AUTO lies between LOW and MEDIUM.
BARS = {
    "LOW": Bar(size_px=30, brightness=8, sharpness=4, yaw=75, pitch=60, confidence=80),
    "MEDIUM": Bar(size_px=50, brightness=18, sharpness=15, yaw=45, pitch=35, confidence=95),
    "HIGH": Bar(size_px=80, brightness=25, sharpness=25, yaw=30, pitch=25, confidence=99),
}


def reasons_of(face: Face, quality_filter: QualityFilter) -> list[str]:
    """Why this face does not pass, in the API's words; empty when it does."""
    if quality_filter == "NONE":
        return []
    if quality_filter == "AUTO":
        return sorted({_REASONS[reason] for reason in face.quality.reasons})
    return BARS[quality_filter].reasons(face)


def passing(faces: Iterable[Face], quality_filter: QualityFilter | None) -> list[Face]:
    """Those that pass, in their order; all without a filter."""
    return [face for face in faces if not reasons_of(face, quality_filter or "NONE")]
