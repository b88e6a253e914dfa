"""Why a face may be unusable for recognition."""

import numpy as np
from numpy.typing import NDArray

from faceline.geometry import visible_area
from faceline.types import BoundingBox, Pixels, Pose, Quality

Grey = NDArray[np.float32]

# Below 40 px embeddings drift: cosine distance to the full-size one .20 at 44 px, .31 at 31, .45 at 22 (MODELS.md).
_MIN_SIZE_PX = 40.0
_MIN_BRIGHTNESS, _MAX_BRIGHTNESS = 12.0, 92.0
_MIN_SHARPNESS = 8.0
_MAX_YAW, _MAX_PITCH = 60.0, 45.0
_MIN_CONFIDENCE = 90.0
_MIN_INSIDE = 0.5
_LAPLACIAN_HALF = 60.0  # the Laplacian's variance that counts as sharpness 50


def assess(chip: Pixels, box: BoundingBox, frame_size: tuple[int, int], pose: Pose, confidence: float) -> Quality:
    """chip: uint8 (n, n, 3) RGB, aligned. frame_size: width and height in full-size pixels. confidence: 0–100."""
    # The template puts the face in the chip's middle; the rim may be background or beyond the picture.
    rim = len(chip) // 5
    grey = chip[rim:-rim, rim:-rim].astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    brightness = float(grey.mean()) / 2.55
    sharpness = _sharpness(grey)
    size_px = min(box.width, box.height)
    checks = {
        "too small": size_px < _MIN_SIZE_PX,
        "too dark": brightness < _MIN_BRIGHTNESS,
        "too bright": brightness > _MAX_BRIGHTNESS,
        "blurred": sharpness < _MIN_SHARPNESS,
        "turned away": abs(pose.yaw) > _MAX_YAW or abs(pose.pitch) > _MAX_PITCH,
        "doubtful face": confidence < _MIN_CONFIDENCE,
        "cut off by the edge": visible_area(box, *frame_size) < _MIN_INSIDE * box.area,
    }
    reasons = tuple(reason for reason, holds in checks.items() if holds)
    return Quality(round(brightness, 1), round(sharpness, 1), round(size_px, 1), reasons)


def _sharpness(grey: Grey) -> float:
    """0–100 from the variance of the Laplacian (Pech-Pacheco et al. 2000)."""
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    variance = float(laplacian.var())
    return 100 * variance / (variance + _LAPLACIAN_HALF)
