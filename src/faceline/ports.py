"""What the pipelines need from the world, as Protocols of three to six verbs.

Adapters stand in the profile folders (`local/`, later `aws/`) under the same file names; only `app.py` picks them.
All times are UTC ISO 8601 strings. Every verb may raise `errors.StorageError` when the storage itself fails.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, BinaryIO, Protocol

from faceline.types import Face, FaceMatch


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
        """Writes the whole object atomically: a reader sees the old bytes or the new, never a part.

        Never raises `NotFoundError`: without a place to write to it is a `StorageError`.
        """
        ...

    def get(self, bucket: str, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes]:
        """Reads the whole object; `InputError` when it is larger than `max_bytes`, before reading it."""
        ...

    def head(self, bucket: str, key: str) -> ObjectInfo: ...

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, by key."""
        ...

    def stream(self, bucket: str, key: str, start: int = 0) -> Iterator[bytes]:
        """The object in pieces, for those that may be large. start: the first byte that is wanted."""
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
    """At-least-once delivery. A message received more than `max_receives` times goes to the dead letters.

    A queue may remember deduplication ids for a time, as an SQS FIFO queue does; its messages last no longer than that.
    """

    def send(self, body: str, deduplication_id: str | None = None) -> str:
        """Returns the message id. An id that is still queued or was dead-lettered is not queued twice.

        A queue that remembers does not queue it again after the acknowledgement either, until the time is over.
        """
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
class QueuedMessage:
    """A message that was looked at without being received. number: later ones of all queues have greater numbers."""

    number: int
    message_id: str
    body: str


class Listening(Protocol):
    """For those that are told of every message of a queue and hide none."""

    def newest(self) -> int:
        """A number that all messages sent from now on exceed."""
        ...

    def after(self, number: int, limit: int = 100) -> Sequence[QueuedMessage]:
        """The living messages with greater numbers, oldest first, whether received by others or not."""
        ...

    def remove(self, message_id: str) -> bool:
        """Removes a message, whoever holds it; False when it is not there."""
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

    def list(self, limit: int = 100, after: str | None = None) -> Sequence[DeadLetter]:
        """Oldest first. after: the message id of the one before; NotFoundError when that is no dead letter any more."""
        ...

    def redrive(self, message_ids: Sequence[str] | None = None) -> int:
        """Sends the named (or all) dead letters back to the queue with a fresh receive count; returns how many."""
        ...

    def discard(self, message_ids: Sequence[str] | None = None) -> int:
        """Deletes the named (or all) dead letters for good, so that their bodies are in no file; returns how many."""
        ...


class WorkQueue(Queue, DeadLetters, Protocol):
    """What work is done from: a queue with its dead letters."""

    def postpone(self, message: Message, delay_s: float = 0.0, reason: str = "") -> bool:
        """As `release`, of a message that nobody could begin: however often it is postponed, it does not die of it."""
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

    def pages(self, rows: int = 10_000, query: RecordQuery = RecordQuery()) -> Iterator[list[Record]]:
        """All that match, whatever the query's limit, by bucket, key and face_number, up to `rows` at a time."""
        ...

    def delete(self, bucket: str, key: str) -> int:
        """Removes the rows of this object; returns how many."""
        ...

    def forget(self, person: str) -> int:
        """Takes the name and face id out of this person's rows, whose status becomes `forgotten`; returns how many."""
        ...


class VideoJobState(StrEnum):
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class VideoTask:
    """What to do with one stored video: find its faces, or also the enrolled faces that they are like.

    tag: the caller's label. attributes: the networks that describe the faces. collection: what is searched; None: the
    faces are only detected. min_similarity: that a match needs. topic: a notice that names it tells when the job ended.
    """

    bucket: str
    key: str
    tag: str | None = None
    attributes: tuple[str, ...] = ()
    collection: str | None = None
    min_similarity: float = 80.0
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """width, height: upright, in pixels. fps: as the clip says; None where it does not say. codec, container: as FFmpeg
    names them.
    """

    width: int
    height: int
    duration_ms: int
    fps: float | None
    codec: str | None = None
    container: str | None = None


@dataclass(frozen=True, slots=True)
class VideoOutcome:
    """How a job ended. message: why it failed. matches: of each person of a search, the most similar first."""

    state: VideoJobState
    message: str = ""
    video: VideoFacts | None = None
    matches: Mapping[int, tuple[FaceMatch, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VideoJob:
    """attempt: how often it was begun. outcome: once it has ended."""

    job_id: str
    task: VideoTask
    attempt: int = 0
    outcome: VideoOutcome | None = None


class VideoJobs(Protocol):
    """Jobs on stored videos. One that ended is forgotten some days later, with its sightings."""

    def start(self, task: VideoTask, token: str | None, limit: int) -> VideoJob:
        """A new job, or the one that this token started; `ConflictError` when that was for another task.

        `QuotaError` when `limit` jobs have not ended yet.
        """
        ...

    def get(self, job_id: str) -> VideoJob:
        """`NotFoundError` when there is none."""
        ...

    def begin(self, job_id: str) -> VideoJob | None:
        """The job, its attempt counted and earlier sightings deleted; None when it has ended, or there is none."""
        ...

    def finish(self, job_id: str, attempt: int, outcome: VideoOutcome) -> bool:
        """Stores the outcome for good; False (and no effect) when it has ended, or a later attempt was begun.

        The sightings of a job that failed are deleted.
        """
        ...

    def unfinished(self) -> Sequence[str]:
        """The ids of jobs that have not ended, oldest first."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class VideoSighting:
    """A face in one sampled frame. time_ms: since the clip's start. person: number of whom it was followed as."""

    time_ms: int
    face: Face
    person: int | None = None


class VideoSightings(Protocol):
    """The faces that a job saw."""

    def add(self, job_id: str, attempt: int, sightings: Sequence[VideoSighting]) -> bool:
        """Stores them, in order, after those that are there; False (and no effect) where `finish` would give it."""
        ...

    def renumber(self, job_id: str, attempt: int, numbers: Mapping[int, int]) -> bool:
        """Gives people other numbers, and deletes the sightings of those who get none; False as of `add`."""
        ...

    def page(self, job_id: str, after: int, limit: int, by_person: bool = False) -> Sequence[tuple[int, VideoSighting]]:
        """Up to `limit` with their positions, those after position `after`, in the order of time or by person first.

        The first position is above 0.
        """
        ...
