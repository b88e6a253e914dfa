"""Which frames are wanted, and when each one is shown. Pure, and used inside the decoder process."""

import math
from dataclasses import dataclass

_TOLERANCE_S = 1e-3  # Matroska rounds times to milliseconds
_ASSUMED_FPS = 25.0


@dataclass
class Clock:
    """Seconds since the clip's start, never backwards.

    A frame without a time, or with one before its predecessor's (a counter that started anew), follows its predecessor
    by one frame's length.
    """

    fps: float | None
    last_s: float | None = None
    longest_s: float = 0.0  # between two frames

    def read(self, time_s: float | None) -> float:
        """time_s: what the file says, None where it says nothing."""
        before_s = self.last_s
        if before_s is None:
            self.last_s = max(time_s or 0.0, 0.0)
            return self.last_s
        self.last_s = time_s if time_s is not None and time_s >= before_s else before_s + 1 / (self.fps or _ASSUMED_FPS)
        self.longest_s = max(self.longest_s, self.last_s - before_s)
        return self.last_s


@dataclass
class Sampler:
    """Takes the first frame at or after each multiple of the period, and at most so many.

    A gap in the clip is not made up for. per_second: None takes every frame.
    """

    per_second: float | None
    at_most: int | None
    taken: int = 0
    due: int = 0  # in periods

    def wants(self, time_s: float) -> bool:
        return self.per_second is None or (time_s + _TOLERANCE_S) * self.per_second >= self.due

    def take(self, time_s: float) -> None:
        self.taken += 1
        if self.per_second is not None:
            self.due = math.floor((time_s + _TOLERANCE_S) * self.per_second) + 1

    @property
    def done(self) -> bool:
        return self.at_most is not None and self.taken >= self.at_most
