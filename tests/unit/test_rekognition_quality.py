"""Which faces a QualityFilter lets through, and the words for the others."""

from dataclasses import replace

import pytest

from faceline.rekognition.quality import BARS, passing, reasons_of
from faceline.types import BoundingBox, Face, Pose, Quality
from made import face

GOOD = replace(
    face(box=BoundingBox(0, 0, 200, 250)), pose=Pose(0, 5, 5), quality=Quality(60.0, 80.0, 200.0), confidence=99.9
)
POOR = {
    "SMALL_BOUNDING_BOX": replace(GOOD, quality=Quality(60, 80, 12)),
    "LOW_BRIGHTNESS": replace(GOOD, quality=Quality(3, 80, 200)),
    "LOW_SHARPNESS": replace(GOOD, quality=Quality(60, 1, 200)),
    "EXTREME_POSE": replace(GOOD, pose=Pose(0, -88, 0)),
    "LOW_CONFIDENCE": replace(GOOD, confidence=60.0),
    "LOW_FACE_QUALITY": replace(GOOD, quality=Quality(60, 80, 200, ("cut off by the edge",))),
}


@pytest.mark.parametrize("level", BARS)
@pytest.mark.parametrize("reason", POOR)
def test_every_bar_names_what_a_face_lacks(reason: str, level: str) -> None:
    assert reasons_of(POOR[reason], level) == [reason]  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [*BARS, "AUTO", "NONE"])
def test_a_good_face_passes_every_bar(level: str) -> None:
    assert reasons_of(GOOD, level) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("poor", POOR.values())
def test_without_a_filter_every_face_passes(poor: Face) -> None:
    assert passing([poor], None) == passing([poor], "NONE") == [poor]


def test_a_higher_bar_asks_for_more_of_everything() -> None:
    low, medium, high = BARS["LOW"], BARS["MEDIUM"], BARS["HIGH"]
    for name in ("size_px", "brightness", "sharpness", "confidence"):
        assert getattr(low, name) < getattr(medium, name) < getattr(high, name)
    for name in ("yaw", "pitch"):
        assert getattr(low, name) > getattr(medium, name) > getattr(high, name)


def test_auto_speaks_of_what_the_engine_found() -> None:
    reasons = ("too small", "too bright", "cut off by the edge", "blurred")
    poor = replace(GOOD, quality=Quality(95, 2, 10, reasons))
    assert reasons_of(poor, "AUTO") == ["LOW_FACE_QUALITY", "LOW_SHARPNESS", "SMALL_BOUNDING_BOX"]
