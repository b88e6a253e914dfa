"""A part of the picture to which looking for faces is limited."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from faceline.engine.analyzer import Sighting
from faceline.errors import UsageError
from faceline.types import BoundingBox, Frame, Landmarks

Sight = Callable[[Frame], list[Sighting]]

_RIM = 0.25  # looked at around the region, as a part of it, so that a face on its edge is seen whole


@dataclass(frozen=True, slots=True)
class Region:
    """left, top, width, height: parts of the picture, 0–1, or pixels of the full-size upright one."""

    left: float
    top: float
    width: float
    height: float
    in_pixels: bool = False

    def box(self, width: int, height: int) -> BoundingBox:
        """In a picture of width × height pixels."""
        across, down = (1, 1) if self.in_pixels else (width, height)
        return BoundingBox(self.left * across, self.top * down, self.width * across, self.height * down)


def parse_region(text: str) -> Region:
    """LEFT,TOP,WIDTH,HEIGHT: parts of the picture where none is above 1, else pixels. Raises UsageError."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    good = len(numbers) == 4 and all(0 <= number < 2**16 for number in numbers) and numbers[2] > 0 and numbers[3] > 0
    if not good:
        raise UsageError(f"{text!r} is no region; give LEFT,TOP,WIDTH,HEIGHT as in 0.5,0,0.5,1 or 960,0,960,1080")
    left, top, width, height = numbers
    return Region(left, top, width, height, in_pixels=max(numbers) > 1)


def within(region: Region, sight: Sight) -> Sight:
    """As `sight`, but only faces whose centre lies in the region; the rest of the picture is not searched.

    Boxes and landmarks stay in pixels of the whole picture. A frame that the region misses has no faces.
    """

    def sighted(frame: Frame) -> list[Sighting]:
        box = region.box(frame.width, frame.height)
        cut, left, top = _cut(frame, box)
        if not cut.pixels.size:
            return []
        moved = [_moved(sighting, left, top) for sighting in sight(cut)]
        return [each for each in moved if _contains(box, each.face.box.center)]

    return sighted


def _cut(frame: Frame, box: BoundingBox) -> tuple[Frame, float, float]:
    """The part of the frame with the box and a rim, and where its left and top are in the whole one."""
    rows, columns = frame.pixels.shape[:2]
    scale = frame.scale
    x1, x2 = _range(box.left - _RIM * box.width, box.right + _RIM * box.width, scale, columns)
    y1, y2 = _range(box.top - _RIM * box.height, box.bottom + _RIM * box.height, scale, rows)
    pixels = np.ascontiguousarray(frame.pixels[y1:y2, x1:x2])
    cut = Frame(pixels, round((x2 - x1) * scale), round((y2 - y1) * scale), frame.source)
    return cut, x1 * scale, y1 * scale


def _range(low: float, high: float, scale: float, size: int) -> tuple[int, int]:
    first = min(max(int(low / scale), 0), size)
    return first, max(min(int(np.ceil(high / scale)), size), first)


def _moved(sighting: Sighting, left: float, top: float) -> Sighting:
    box, points = sighting.face.box, sighting.face.landmarks.as_array().astype(np.float64)
    moved = BoundingBox(round(box.left + left, 1), round(box.top + top, 1), box.width, box.height)
    landmarks = Landmarks.from_array(np.round(points + np.array([left, top]), 1))
    return replace(sighting, face=replace(sighting.face, box=moved, landmarks=landmarks))


def _contains(box: BoundingBox, point: tuple[float, float]) -> bool:
    return box.left <= point[0] < box.right and box.top <= point[1] < box.bottom
