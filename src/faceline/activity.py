"""What was seen lately: a row for each photo, clip and camera appearance, for the page; and the port that keeps them.

All times are UTC ISO 8601 strings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from faceline.types import BoxInParts


class Kind(StrEnum):
    PHOTO = "photo"
    CLIP = "clip"
    CAMERA = "camera"


@dataclass(frozen=True, slots=True)
class SeenEmotion:
    """confidence: 0–100."""

    type: str
    confidence: float


@dataclass(frozen=True, slots=True)
class SeenFace:
    """A face of an entry. status: matched, unknown, ambiguous, detected, or forgotten with whom it was. person: the
    name that they had then, for a match.

    similarity: of the best candidate, 0–100; None where nobody was searched. confidence: the detector's, 0–100.
    box: None where there is no picture to show it in. first_s, last_s: in a clip, seconds since its start.
    """

    status: str
    person: str | None
    face_id: str | None
    similarity: float | None
    confidence: float | None
    box: BoxInParts | None
    emotions: tuple[SeenEmotion, ...] = ()
    first_s: float | None = None
    last_s: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A photo, a clip, or an appearance before a camera. position: grows with each entry that comes, also with one that
    replaces another; 0 before it is stored.

    time: when it was worked on, of a camera when it was seen. uploaded_at: when the object was written. bucket, key:
    of the photo or clip; empty for cameras. camera: its name. width, height: of the upright picture, in pixels.
    picture: whether a picture of its own is kept with it (`Activity.picture`), as for cameras. error: why it could not
    be used. waited_ms: from the writing of the object to the start of the work; took_ms: the work.
    """

    kind: Kind
    time: str
    uploaded_at: str
    bucket: str = ""
    key: str = ""
    camera: str | None = None
    collection: str | None = None
    width: int | None = None
    height: int | None = None
    faces: tuple[SeenFace, ...] = ()
    error: str | None = None
    waited_ms: float | None = None
    took_ms: float | None = None
    picture: bool = False
    position: int = 0


@dataclass(frozen=True, slots=True)
class ActivityQuery:
    """All conditions that are given must hold, those on faces for one and the same face.

    person: a name; or_called: others that will do, as they were called before. status: of a face, or `none` for
    entries with neither faces nor an error, or `error`. since, until:
    of uploaded_at; since is inclusive, until exclusive. min_similarity, max_similarity: inclusive. before, after:
    positions, exclusive.
    """

    kind: Kind | None = None
    person: str | None = None
    status: str | None = None
    bucket: str | None = None
    camera: str | None = None
    min_similarity: float | None = None
    max_similarity: float | None = None
    since: str | None = None
    until: str | None = None
    before: int | None = None
    after: int | None = None
    limit: int = 50
    or_called: tuple[str, ...] = ()


class Activity(Protocol):
    """What was seen. Rows go with their photo, with whom they name, and when they are as old as results may become."""

    def put(self, entry: Entry, picture: bytes | None = None) -> int:
        """Keeps it, in place of the one of the same bucket and key (not for cameras); returns its position.

        picture: JPEG, for what has no object.
        """
        ...

    def page(self, query: ActivityQuery) -> Sequence[Entry]:
        """The newest `limit` that match, newest first; with `after` the oldest ones, oldest first."""
        ...

    def get(self, position: int) -> Entry:
        """`NotFoundError` when it is not there (any more)."""
        ...

    def picture(self, position: int) -> bytes | None: ...

    def newest(self) -> int:
        """The highest position that was ever given; 0 before the first."""
        ...

    def drop(self, bucket: str, key: str) -> int:
        """Deletes the entry of this object; returns how many there were."""
        ...

    def rename(self, bucket: str, key: str, new_key: str) -> int:
        """The entry of this object is of another key now, at the same position; returns how many there were."""
        ...


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came within one step of time. start: of the step. Faces are counted but in `entries` and `errors`."""

    start: str
    entries: int
    errors: int
    matched: int
    unknown: int
    ambiguous: int
    detected: int


@dataclass(frozen=True, slots=True)
class Latencies:
    """Of `count` entries that were worked on; percentiles in milliseconds, None without entries."""

    count: int
    waited_p50_ms: float | None
    waited_p95_ms: float | None
    waited_p99_ms: float | None
    took_p50_ms: float | None
    took_p95_ms: float | None
    took_p99_ms: float | None


class Figures(Protocol):
    """Sums over what was seen. since, until: of `time`, as in ActivityQuery."""

    def traffic(self, since: str, until: str, step_s: int) -> Sequence[Traffic]:
        """Every step of the time, also those in which nothing came, oldest first. UsageError for more than 10,000."""
        ...

    def similarities(self, since: str, until: str) -> Sequence[int]:
        """How many matched faces have a similarity from 0 to under 5, 5 to under 10, … 95 to 100: twenty numbers."""
        ...

    def people(self, since: str, until: str, limit: int) -> Sequence[tuple[str, int]]:
        """Who was seen most often, in how many entries."""
        ...

    def latencies(self, since: str) -> Latencies: ...


@dataclass(frozen=True, slots=True)
class WorkCount:
    """How many entries were ever worked on, also those that are gone. outcome: done or error. part: `all`, those of
    which it is known how long the work `took`, or how long they `waited` before.

    within: by time in seconds, ascending, how many took at most so long; the last has no bound, it is all. total_s: of
    all together.
    """

    kind: str
    outcome: str
    part: str
    within: tuple[tuple[float | None, int], ...]
    total_s: float
