"""What a sighting is worth, and whether two frames or two chips show about the same."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceline.types import Face, Frame, Pixels

Grey = NDArray[np.float32]
Look = Grey

_LOOK_SIDE = 16
_ALIKE = 0.75  # correlation; of aligned chips of two people 5 in 100 have more, of one face a moment apart 80
_SCENE_GOES_ON = 0.35  # correlation; cuts had 0 to 0.21, a fast pan 0.15, a slow one 0.4
_UNUSABLE = 0.05
_LARGE_PX, _SHARP = 112.0, 50.0


def weight_of(face: Face) -> float:
    """How much a face says about who it is, 0–1: by confidence, size, sharpness and pose.

    A face that is not usable weighs little, so that it counts only where there is no other.
    """
    size = min(face.quality.size_px / _LARGE_PX, 1.0)
    sharp = min(face.quality.sharpness / _SHARP, 1.0)
    frontal = max(math.cos(math.radians(face.pose.yaw)) * math.cos(math.radians(face.pose.pitch)), 0.0)
    weight = face.confidence / 100 * math.sqrt(size * (0.2 + 0.8 * sharp)) * frontal
    return max(weight * (1.0 if face.quality.usable else _UNUSABLE), 1e-3)


def look_of(chip: Pixels) -> Look:
    """float32 (16, 16) of mean 0 and length 1: the chip's middle in coarse grey. chip: uint8 (side, side, 3) RGB."""
    rim = len(chip) // 6
    return _coarse(chip[rim : len(chip) - rim, rim : len(chip) - rim], _LOOK_SIDE, _LOOK_SIDE)


def alike(a: Look, b: Look) -> bool:
    """Whether two chips may well show one face a moment apart."""
    return float((a * b).sum()) >= _ALIKE


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A frame in coarse grey: float32 (18, 32) of mean 0 and length 1."""

    grey: Grey

    def goes_on(self, after: "Scene") -> bool:
        """Whether the later frame shows about the same; False after a cut."""
        return float((self.grey * after.grey).sum()) >= _SCENE_GOES_ON


def scene_of(frame: Frame) -> Scene:
    return Scene(_coarse(frame.pixels, 18, 32))


def _coarse(pixels: Pixels, rows: int, columns: int) -> Grey:
    """A few pixels of each part of the picture, averaged: enough for this, and much faster than reducing it."""
    height, width = pixels.shape[:2]
    across = np.linspace(0, width - 1, 4 * columns).round().astype(np.intp)
    down = np.linspace(0, height - 1, 4 * rows).round().astype(np.intp)
    picked = pixels[down[:, None], across[None]].astype(np.float32).mean(axis=2)
    grey = picked.reshape(rows, 4, columns, 4).mean(axis=(1, 3))
    grey -= grey.mean()
    unit: Grey = grey / max(float(np.linalg.norm(grey)), 1e-6)
    return unit
