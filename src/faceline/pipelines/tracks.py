"""What is known of one followed face while it is followed."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from faceline.engine.analyzer import Sighting
from faceline.images import crop_with_margin
from faceline.pipelines.shots import Look
from faceline.similarity import Normalised, Scorer, pair_scores
from faceline.tracking import Motion
from faceline.types import Embedding, Face, Pixels
from faceline.videos import VideoFrame


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """What is known of one followed face, so far.

    number: from 1, in order of appearing; numbers are missing where a face turned out to be one seen before, or noise.
    first_s, last_s: when it was seen first and last. frames: how many showed it. best: the best shot, at best_s;
    crop: that one cut out with a margin, uint8 (height, width, 3) RGB, sides to 400 pixels. embedded: the best few
    faces that were embedded, best first, each with its weight 0–1 (`shots.weight_of`).
    """

    number: int
    first_s: float
    last_s: float
    frames: int
    best: Face
    best_s: float
    crop: Pixels
    embedded: tuple[tuple[Face, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """An embedded face. normalised: one row."""

    face: Face
    weight: float
    normalised: Normalised

    @classmethod
    def of(cls, seen: "Seen", embedding: Embedding, normalised: Normalised, row: int) -> "Shot":
        """normalised: of several faces; row: which of them this is."""
        part = slice(row, row + 1)
        one = Normalised(normalised.vectors[part], normalised.gain[part], normalised.offset[part])
        return cls(replace(seen.face, embedding=embedding), seen.weight, one)

    @property
    def usable(self) -> bool:
        return self.face.quality.usable


@dataclass(slots=True, eq=False)
class Seen:
    """A face of the frame in hand. followed: whom it goes on, once that is known.

    doubtful: its place says whose it is, its look does not.
    """

    sighting: Sighting
    time_s: float
    look: Look
    weight: float
    shot: Shot | None = None
    followed: "Followed | None" = None
    doubtful: bool = False
    distance: float = 0.0

    @property
    def face(self) -> Face:
        return self.sighting.face

    @property
    def usable(self) -> bool:
        return self.face.quality.usable


@dataclass(slots=True, eq=False)
class Followed:
    """A track while it goes on.

    confidences: the two highest of the detector. placed: whether it may still be where it was, which a cut ends.
    suspect: its last embedding did not agree, and the next one decides. beside: tracks seen in one frame with it, so
    that they are others. shots: best first.
    """

    number: int
    motion: Motion
    first_s: float
    look: Look
    best: Face
    best_s: float
    best_weight: float
    crop: Pixels
    frames: int = 0
    confidences: tuple[float, float] = (0.0, 0.0)
    placed: bool = True
    suspect: bool = False
    embedded_s: float = -np.inf
    shots: list[Shot] = field(default_factory=list)
    beside: set[int] = field(default_factory=set)

    @classmethod
    def started(cls, number: int, seen: Seen, frame: VideoFrame) -> "Followed":
        face, time_s = seen.face, frame.time_s
        return cls(
            number, Motion(face.box, time_s), time_s, seen.look, face, time_s, seen.weight, _crop(frame, face)
        )  # fmt: skip

    @property
    def last_s(self) -> float:
        return self.motion.time_s

    def track(self) -> Track:
        shots = tuple((shot.face, shot.weight) for shot in self.shots)
        return Track(
            self.number, self.first_s, self.last_s, self.frames, self.best, self.best_s, self.crop, shots
        )  # fmt: skip

    def go_on(self, seen: Seen, frame: VideoFrame, most_shots: int) -> None:
        """Takes in a face that is the same."""
        self.motion, self.look = self.motion.seen(seen.face.box, frame.time_s), seen.look
        self.frames, self.placed = self.frames + 1, True
        self.confidences = _two_highest(*self.confidences, seen.face.confidence)
        if seen.weight > self.best_weight:
            self.best, self.best_s, self.best_weight = seen.face, frame.time_s, seen.weight
            self.crop = _crop(frame, seen.face)
        if seen.shot is not None:
            self.embedded_s = frame.time_s
            if not self.suspect:  # what may be somebody else's must not speak for this one
                self.keep([seen.shot], most_shots)

    def keep(self, shots: Iterable[Shot], most: int) -> None:
        self.shots = sorted([*self.shots, *shots], key=lambda shot: -shot.weight)[:most]

    def absorb(self, other: "Followed", most_shots: int) -> None:
        """Takes in another track of the same face."""
        if other.last_s > self.last_s:
            self.motion, self.look, self.placed, self.suspect = other.motion, other.look, other.placed, other.suspect
        if other.best_weight > self.best_weight:
            self.best, self.best_s, self.best_weight = other.best, other.best_s, other.best_weight
            self.crop = other.crop
        self.first_s = min(self.first_s, other.first_s)
        self.embedded_s = max(self.embedded_s, other.embedded_s)
        self.frames += other.frames
        self.confidences = _two_highest(*self.confidences, *other.confidences)
        self.beside |= other.beside
        self.keep(other.shots, most_shots)

    def similarity(self, shot: Shot, scorer: Scorer) -> float | None:
        """Of a shot to the most similar usable one of this track; None when there is none to compare with."""
        usable = [other.normalised for other in self.shots if other.usable]
        if not usable or not shot.usable:
            return None
        return float(scorer.calibration.similarity(max(pair_scores(shot.normalised, other)[0, 0] for other in usable)))


def _crop(frame: VideoFrame, face: Face) -> Pixels:
    return crop_with_margin(frame.frame, face.box, face.landmarks)[0]


def _two_highest(*confidences: float) -> tuple[float, float]:
    second, first = sorted(confidences)[-2:]
    return first, second
