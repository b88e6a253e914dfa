"""Which face of this frame goes on from which face of an earlier one, by where and how large they are. Pure geometry.

Between two sampled frames a fifth of a second apart a face moves by up to its own size, so that boxes overlap little or
not at all: faces are compared by the distance of their centres, in sizes of the face, and by the ratio of their sizes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from faceline.types import BoundingBox

_CARRIED_S = 0.5  # for so long a face is believed to move on as it did
_SMOOTHING = 0.6  # the part of a new velocity that counts, against the one before
_SIZE_WEIGHT = 1.5
_AT_ONCE, _PER_SECOND, _AT_MOST = 0.8, 2.0, 1.8  # the distance that is believed: at once, more per second, ever


@dataclass(frozen=True, slots=True)
class Motion:
    """Where a face was seen last, and how it moved.

    velocity: of the box's centre, pixels a second right and down; None while it was seen once.
    """

    box: BoundingBox
    time_s: float
    velocity: tuple[float, float] | None = None

    def at(self, time_s: float) -> BoundingBox:
        """Where the face is expected: of the same size, moved on by its velocity for at most half a second."""
        ahead_s = min(max(time_s - self.time_s, 0.0), _CARRIED_S)
        right, down = self.velocity or (0.0, 0.0)
        left, top = self.box.left + right * ahead_s, self.box.top + down * ahead_s
        return BoundingBox(left, top, self.box.width, self.box.height)

    def seen(self, box: BoundingBox, time_s: float) -> "Motion":
        """The motion after the face was seen there."""
        elapsed_s = time_s - self.time_s
        if not 0 < elapsed_s <= _CARRIED_S:
            return Motion(box, time_s)
        (x, y), (old_x, old_y) = box.center, self.box.center
        right, down = (x - old_x) / elapsed_s, (y - old_y) / elapsed_s
        if self.velocity is not None:
            right = _SMOOTHING * right + (1 - _SMOOTHING) * self.velocity[0]
            down = _SMOOTHING * down + (1 - _SMOOTHING) * self.velocity[1]
        return Motion(box, time_s, (right, down))


class Pairing(NamedTuple):
    """motion, box: places in what was paired. distance: as `distance` gives it."""

    motion: int
    box: int
    distance: float


def pairings(motions: Sequence[Motion], boxes: Sequence[BoundingBox], time_s: float) -> list[Pairing]:
    """Which box is which motion going on, nearest first; each at most once, and none that is out of `reach`.

    Of two motions that might have led to one box, that of the face seen later counts as nearer.
    """
    possible = [
        Pairing(m, b, away)
        for m, motion in enumerate(motions)
        for b, box in enumerate(boxes)
        if (away := distance(motion.at(time_s), box)) <= reach(time_s - motion.time_s)
    ]
    chosen: list[Pairing] = []
    for pairing in sorted(possible, key=lambda each: each.distance - motions[each.motion].time_s):
        if all(pairing.motion != other.motion and pairing.box != other.box for other in chosen):
            chosen.append(pairing)
    return chosen


def distance(a: BoundingBox, b: BoundingBox) -> float:
    """Between the centres, in mean sizes of both boxes, and more for boxes of different sizes; 0 for equal ones."""
    size_a, size_b = _size(a), _size(b)
    return math.dist(a.center, b.center) / ((size_a + size_b) / 2) + _SIZE_WEIGHT * abs(math.log(size_a / size_b))


def reach(elapsed_s: float) -> float:
    """The distance from which on two sightings so far apart in time are no longer believed to be one face."""
    return min(_AT_ONCE + _PER_SECOND * max(elapsed_s, 0.0), _AT_MOST)


def between(a: Motion, b: Motion, time_s: float) -> BoundingBox:
    """The box at a time between two sightings of one face, on a straight line."""
    part = (time_s - a.time_s) / (b.time_s - a.time_s) if b.time_s > a.time_s else 0.0
    corners = zip(_numbers(a.box), _numbers(b.box), strict=True)
    return BoundingBox(*(old + min(max(part, 0.0), 1.0) * (new - old) for old, new in corners))


def _size(box: BoundingBox) -> float:
    return math.sqrt(max(box.area, 1e-6))


def _numbers(box: BoundingBox) -> tuple[float, float, float, float]:
    return box.left, box.top, box.width, box.height
