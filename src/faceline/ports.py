"""What the pipelines need from the world, as Protocols of three to six verbs.

Adapters stand in the profile folders (`local/`, later `aws/`) under the same file names; only `app.py` picks them.
All times are UTC ISO 8601 strings. Every verb may raise `errors.StorageError` when the storage itself fails.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """etag: hex MD5 of the bytes, as S3 gives it for a plain upload. size: bytes. modified_at: UTC ISO 8601."""

    bucket: str
    key: str
    etag: str
    size: int
    modified_at: str


class ObjectStore(Protocol):
    """Buckets of bytes. Bad names raise `ObjectKeyError`, absent objects `NotFoundError`."""

    def put(self, bucket: str, key: str, data: bytes | BinaryIO) -> ObjectInfo:
        """Writes the whole object atomically: a reader sees the old bytes or the new, never a part."""
        ...

    def get(self, bucket: str, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes]:
        """Reads the whole object; `InputError` when it is larger than `max_bytes`, before reading it."""
        ...

    def head(self, bucket: str, key: str) -> ObjectInfo: ...

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, by key."""
        ...

    def stream(self, bucket: str, key: str) -> Iterator[bytes]:
        """The object in pieces, for those that may be large."""
        ...

    def delete(self, bucket: str, key: str) -> None:
        """Deletes the object; an absent one is no error."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery. lease: proves that this delivery still holds the message; a later delivery has another."""

    message_id: str
    body: str
    receive_count: int
    lease: str


class Queue(Protocol):
    """At-least-once delivery. A message received more than `max_receives` times goes to the dead letters."""

    def send(self, body: str, deduplication_id: str | None = None) -> str:
        """Returns the message id. An id that is still queued or was dead-lettered is not queued twice."""
        ...

    def receive(self, limit: int = 1, lease_s: float = 60.0, wait_s: float = 0.0) -> list[Message]:
        """Up to `limit` messages, hidden from others for `lease_s`; waits up to `wait_s` for the first."""
        ...

    def extend(self, message: Message, lease_s: float) -> bool:
        """Hides the message for `lease_s` from now; False when the lease was lost."""
        ...

    def acknowledge(self, message: Message) -> bool:
        """Removes the message; False (and no effect) when the lease was lost."""
        ...

    def release(self, message: Message, delay_s: float = 0.0, reason: str = "") -> bool:
        """Gives the message back, visible after `delay_s`; False when the lease was lost.

        reason: why, for the dead letter that it becomes when it came back too often.
        """
        ...

    def depth(self) -> dict[str, int]:
        """How many messages are `visible`, `in_flight` and `dead`."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    message_id: str
    body: str
    receive_count: int
    reason: str
    died_at: str


class DeadLetters(Protocol):
    def bury(self, message: Message, reason: str) -> bool:
        """Moves a held message here with the last error as `reason`; False when the lease was lost."""
        ...

    def list(self, limit: int = 100) -> Sequence[DeadLetter]:
        """Oldest first."""
        ...

    def redrive(self, message_ids: Sequence[str] | None = None) -> int:
        """Sends the named (or all) dead letters back to the queue with a fresh receive count; returns how many."""
        ...


class ClaimState(StrEnum):
    MINE = "mine"
    DONE = "done"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Claim:
    """result: what `complete` stored, when the state is DONE. token: proves the claim, when it is MINE."""

    state: ClaimState
    token: str = ""
    result: str | None = None


class Receipts(Protocol):
    """What was done for one event; a conditional put each, so that an effect happens once."""

    def claim(self, event_id: str, lease_s: float) -> Claim:
        """MINE when nobody holds the event or its holder's lease has run out; DONE with the result; else BUSY."""
        ...

    def extend(self, event_id: str, token: str, lease_s: float) -> bool:
        """Holds the claim for `lease_s` from now; False when it was lost."""
        ...

    def complete(self, event_id: str, token: str, result: str) -> bool:
        """Stores the result for good; False (and no effect) when the claim was lost."""
        ...

    def release(self, event_id: str, token: str) -> None:
        """Gives the claim up without a result, so that the next delivery may try."""
        ...

    def result(self, event_id: str) -> str | None:
        """What `complete` stored; None when nothing is done yet."""
        ...

    def discard(self, event_id: str) -> None:
        """Forgets a completed event, so that its like counts as new; a claimed one stays."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """One face found in one photo (or one failed photo: status `error`, no box).

    image_id: the key's last part. timestamp: when it was processed. face_id and person: of the matched face record.
    confidence: 0–100, the match's similarity for a match, the detection's confidence otherwise.
    bounding_box: left, top, width, height in full-size upright pixels. emotions: type and confidence, best first.
    status: matched, unknown, ambiguous, detected (no collection was searched), forgotten or error.
    face_number: 0 for the largest face of the photo, then 1 and so on.
    """

    image_id: str
    timestamp: str
    face_id: str | None
    person: str | None
    confidence: float
    bounding_box: dict[str, float] | None
    emotions: list[dict[str, Any]] | None
    bucket: str
    key: str
    etag: str
    status: str
    face_number: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """All conditions that are given must hold. since is inclusive, until exclusive; both UTC ISO 8601.

    image: an image_id or a whole key. person: a name or a face_id.
    """

    image: str | None = None
    person: str | None = None
    since: str | None = None
    until: str | None = None
    status: str | None = None
    limit: int = 1000


class Records(Protocol):
    """The table `FaceRecognitionResults`."""

    def replace(self, bucket: str, key: str, rows: Sequence[Record]) -> None:
        """Makes `rows` the only rows of this object, in one step."""
        ...

    def query(self, query: RecordQuery) -> list[Record]:
        """The newest `limit` rows, oldest of them first: by timestamp, then key, then face_number."""
        ...

    def delete(self, bucket: str, key: str) -> int:
        """Removes the rows of this object; returns how many."""
        ...

    def forget(self, person: str) -> int:
        """Takes the name and face id out of this person's rows, whose status becomes `forgotten`; returns how many."""
        ...
