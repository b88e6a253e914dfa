"""Made films: what a detector would see in each frame, without pixels of anybody.

A person's look and embedding are always the same; `turned` gives them another look and a somewhat different embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceline.engine.analyzer import Sighting
from faceline.pipelines.following import Follower, FollowRule
from faceline.similarity import Calibration, Scorer
from faceline.types import BoundingBox, Embedding, Frame, Pixels
from faceline.videos import VideoFrame
from made import MODEL, face, mixed, vector

SCORER = Scorer(MODEL, Calibration((0.0, 0.5, 1.0), (-0.3, -3.0, -7.0)))
_TURNED = 100


@dataclass(frozen=True)
class Actor:
    """A face in one frame. confidence: 0–100."""

    person: int
    x: float
    y: float = 200.0
    size: float = 60.0
    turned: int = 0
    reasons: tuple[str, ...] = ()
    confidence: float = 99.9

    def sighting(self) -> Sighting:
        made = face(None, BoundingBox(self.x, self.y, self.size, self.size), self.reasons)
        return Sighting(replace(made, confidence=self.confidence), self.chip())

    def chip(self) -> Pixels:
        """Says in its first pixel who it is; the blocks are the look."""
        blocks = np.random.default_rng(self.person + 1000 * self.turned).integers(0, 255, (10, 10, 1))
        chip = np.repeat(np.kron(blocks[..., 0], np.ones((15, 15))).astype(np.uint8)[..., None], 3, axis=2)
        chip[0, 0] = self.person, self.turned, 0
        return chip


def embed(chips: Sequence[Pixels]) -> list[Embedding]:
    return [Embedding(_values(int(chip[0, 0, 0]), int(chip[0, 0, 1])), MODEL) for chip in chips]


def _values(person: int, turned: int) -> NDArray[np.float32]:
    return mixed(vector(person), vector(_TURNED + turned), 0.8) if turned else vector(person)


class Film:
    """A follower with what it is shown. embedded: how many chips were."""

    def __init__(self, rule: FollowRule | None = None, per_second: float = 5.0) -> None:
        self.embedded = 0
        self.step_s, self.count = 1 / per_second, 0
        self.follower = Follower(self._embed, SCORER, rule or FollowRule())

    def show(self, *actors: Actor, scene: int = 0) -> list[int]:
        """The next frame; its track numbers. scene: another one is a cut."""
        frame = video_frame(self.count * self.step_s, self.count, scene)
        self.count += 1
        return self.follower.add(frame, [actor.sighting() for actor in actors])

    def pause(self, seconds: float) -> None:
        """Frames with nobody."""
        for _ in range(round(seconds / self.step_s)):
            self.show()

    def _embed(self, chips: Sequence[Pixels]) -> list[Embedding]:
        self.embedded += len(chips)
        return embed(chips)


def video_frame(time_s: float, number: int = 0, scene: int = 0) -> VideoFrame:
    pixels: Any = np.random.default_rng(scene).integers(0, 255, (18, 32, 3)).repeat(20, axis=0).repeat(20, axis=1)
    return VideoFrame(Frame(pixels.astype(np.uint8), 640, 360, "made.mp4"), time_s, number)
