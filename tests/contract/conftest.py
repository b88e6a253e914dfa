"""What every contract is tested with: a clock that only moves when a test moves it."""

import time
from dataclasses import dataclass, field

import pytest


@dataclass
class Clock:
    """Unix time in seconds, as an adapter's `now`. An adapter whose time is not ours gives one whose advance sleeps."""

    seconds: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()
