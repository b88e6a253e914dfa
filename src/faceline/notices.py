"""What is worth telling somebody: that a face is like another customer's, that somebody appeared, that a job ended."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from faceline.errors import FacelineError

MATCH_FOUND = "match.found"
PERSON_SEEN, UNKNOWN_SEEN = "person.seen", "unknown.seen"
VIDEO_JOB_ENDED = "video.job.ended"
CLEARED = "person.forgotten"  # what a broker kept of them is to go; says no name


@dataclass(frozen=True, slots=True)
class Notice:
    """One event as it is told, whoever is told it.

    notice_id: the same for the same event, however often it is worked on; of any length, as only a hash of it is kept.
    kind: in dotted words, such as `match.found`; the CloudEvents type is `faceline.<kind>`. time: of the event, UTC ISO
    8601. source: what it is about: bucket/key, a camera's name. text: one sentence for people. people: names that it
    says, so that rules can ask for them and `forget` finds it. similarity: of the best match, 0–100; None where nothing
    was compared. camera: where it was seen, for quiet times. data: the JSON document that programs get; `collection`
    in it is where the people are known.
    """

    notice_id: str
    kind: str
    time: str
    source: str
    text: str
    people: tuple[str, ...] = ()
    similarity: float | None = None
    camera: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


def message_id_of(notice_id: str) -> str:
    """What a notice is known by, here and to receivers. It says nothing of the event, and may stand in any log."""
    return f"msg_{hashlib.sha256(notice_id.encode()).hexdigest()[:32]}"


def person_key(name: str) -> str:
    """Stands for a name where the name must not be."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


class Tells(Protocol):
    """Takes notices; who is told, and when, is not the caller's affair."""

    def put(self, notice: Notice) -> bool:
        """Keeps it to be told; False (and no effect) when a notice of this id was put before."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """A target that is to be told. address: stands for where it is. quiet_s: not when it was told of the same person at
    the same camera so shortly before, by the events' own times.
    """

    target: str
    address: str = ""
    quiet_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice on its way to one target. message_id: what receivers know repetitions by. tries: this one included.

    lease: what the holder shows when it reports how it went.
    """

    message_id: str
    target: str
    notice: Notice
    tries: int
    lease: str


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """How far a delivery is. state: waiting, delivered, dead. next_at, done_at: UTC ISO 8601. reason: why not yet."""

    target: str
    state: str
    tries: int
    next_at: str | None = None
    done_at: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A notice that is kept, and how far each of its deliveries is."""

    message_id: str
    notice: Notice
    deliveries: tuple[DeliveryState, ...]


class Outbox(Tells, Protocol):
    """Where notices wait for their targets. A delivery is its claimer's until the lease ends."""

    def claim(self, target: str, lease_s: float) -> Delivery | None:
        """The one that waits longest; it counts as one more try. None when none is due."""
        ...

    def extend(self, delivery: Delivery, lease_s: float) -> bool: ...

    def delivered(self, delivery: Delivery) -> bool: ...

    def retry(self, delivery: Delivery, delay_s: float, reason: str) -> bool: ...

    def bury(self, delivery: Delivery, reason: str) -> bool: ...

    def pause(self, target: str, delay_s: float) -> None:
        """Nothing is due for this target before that."""
        ...

    def end(self, target: str, address: str, reason: str) -> int:
        """The target wants nothing any more, as long as it has this address: what waits for it is dead; how many."""
        ...

    def sweep(self, kept_days: float, targets: Sequence[str]) -> int:
        """Deletes some of what was put longer ago and waits for none of these targets; how many."""
        ...


class Sender(Protocol):
    """Brings notices to one target. Not thread-safe."""

    def send(self, delivery: Delivery) -> None:
        """Returns once the target has it. Raises NotToldError; the same may be sent again at any time."""
        ...

    def idle(self) -> None:
        """Called now and then while nothing is to be sent."""
        ...

    def close(self) -> None: ...


class NotToldError(FacelineError):
    """The target did not take it. after_s: the earliest that it wants to be asked again, where it said so."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class UnwantedNoticeError(NotToldError):
    """The target will never take this notice; others it may."""


class TargetGoneError(NotToldError):
    """The target said that it wants nothing any more."""
