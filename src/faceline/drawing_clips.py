"""What was followed, drawn: the boxes of one frame of a clip, and a sheet of everybody who appeared in it."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from faceline.drawing import AMBIGUOUS, MATCH, UNKNOWN, Colour, Label, annotate
from faceline.tracking import Motion, between, distance
from faceline.types import Appearance, BoundingBox, Decision, Frame, Identification, Pixels

_COLOURS = {Decision.MATCH: MATCH, Decision.UNKNOWN: UNKNOWN, Decision.AMBIGUOUS: AMBIGUOUS}
_MISSED_STEPS = 2.5  # sightings so many samples apart are joined by a moving box
_JUMP = 1.0  # a face that is so far from its last place got there by a cut: its box jumps
_BACKGROUND = (18, 18, 18)
_CELL_WIDTH, _CELL_HEIGHT, _CAPTION = 340, 396, 34
_MOST_COLUMNS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """Where one face was seen, in order of time, and whose it is. step_s: the time between two sampled frames."""

    who: Identification
    seen: Sequence[Motion]
    step_s: float

    def box(self, time_s: float) -> BoundingBox | None:
        """Where the face is then, between two sightings on a straight line; None while it is not to be seen."""
        after = bisect.bisect_right(self.seen, time_s, key=lambda motion: motion.time_s)
        near = self.seen[max(after - 1, 0) : after + 1]
        if len(near) == 2 and self._goes_on(near[0], near[1]):
            return between(near[0], near[1], time_s)
        nearest = min(near, key=lambda motion: abs(motion.time_s - time_s), default=None)
        if nearest is None or abs(nearest.time_s - time_s) > self.step_s / 2:
            return None
        return nearest.box

    def _goes_on(self, a: Motion, b: Motion) -> bool:
        return b.time_s - a.time_s <= _MISSED_STEPS * self.step_s and distance(a.box, b.box) <= _JUMP


def drawn(frame: Frame, time_s: float, trails: Sequence[Trail]) -> Pixels:
    """A copy of the frame's pixels, uint8 (height, width, 3) RGB, with the faces that are to be seen then."""
    boxes = [(trail, trail.box(time_s)) for trail in trails]
    labels = [Label(box, said(trail.who), colour_of(trail.who)) for trail, box in boxes if box is not None]
    return annotate(frame, labels)


def contact_sheet(appearances: Sequence[Appearance]) -> Pixels:
    """uint8 (height, width, 3) RGB: the best shot of each appearance with who it is and from when to when."""
    columns = min(max(math.ceil(math.sqrt(len(appearances))), 1), _MOST_COLUMNS)
    rows = max(math.ceil(len(appearances) / columns), 1)
    sheet = np.full((rows * _CELL_HEIGHT, columns * _CELL_WIDTH, 3), _BACKGROUND, dtype=np.uint8)
    for place, appearance in enumerate(appearances):
        top, left = place // columns * _CELL_HEIGHT, place % columns * _CELL_WIDTH
        sheet[top : top + _CELL_HEIGHT, left : left + _CELL_WIDTH] = _cell(appearance)
    return sheet


def said(who: Identification) -> str:
    """Who a face is, in one line for a picture."""
    if who.decision is Decision.MATCH:
        return f"{who.name} {who.similarity:.2f}"
    if who.decision is Decision.AMBIGUOUS:
        return " or ".join(candidate.name for candidate in who.candidates[:2]) + "?"
    return "unknown"


def colour_of(who: Identification) -> Colour:
    return _COLOURS[who.decision]


def clock(time_s: float) -> str:
    """`mm:ss.s`, from an hour on `h:mm:ss.s`. time_s: since the clip's start."""
    tenths = round(time_s * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{f'{hours}:' if hours else ''}{minutes:02}:{rest // 10:02}.{rest % 10}"


def _cell(appearance: Appearance) -> Pixels:
    """A caption above the shot and one below it: with two labels on one box, `annotate` puts them there."""
    cell = Image.new("RGB", (_CELL_WIDTH, _CELL_HEIGHT), _BACKGROUND)
    room = _CELL_WIDTH - 20, _CELL_HEIGHT - 2 * _CAPTION
    shot = Image.fromarray(appearance.crop)
    factor = min(room[0] / shot.width, room[1] / shot.height)
    shot = shot.resize((max(round(shot.width * factor), 1), max(round(shot.height * factor), 1)))
    left, top = (_CELL_WIDTH - shot.width) // 2, (_CELL_HEIGHT - shot.height) // 2
    cell.paste(shot, (left, top))
    box = BoundingBox(left, top, shot.width, shot.height)
    frames = "frame" if appearance.frames == 1 else "frames"
    times = f"{clock(appearance.first_s)} - {clock(appearance.last_s)}, {appearance.frames} {frames}"
    lines = (f"{appearance.number}: {said(appearance.who)}", times)
    pixels = np.asarray(cell)
    frame = Frame(pixels, _CELL_WIDTH, _CELL_HEIGHT)
    return annotate(frame, [Label(box, line, colour_of(appearance.who)) for line in lines])
