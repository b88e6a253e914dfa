"""What the pipelines need from the world, as Protocols of three to six verbs.

Adapters stand in the profile folders (`local/`, later `aws/`) under the same file names; only `app.py` picks them.
All times are UTC ISO 8601 strings. Every verb may raise `errors.StorageError` when the storage itself fails.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, BinaryIO, Protocol

from faceline.types import FaceRecord


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


class KeyScope(StrEnum):
    """What the holder of a key may ask for: everything; what changes nothing; only what keeps and reads nothing."""

    ALL = "all"
    READ = "read"
    DETECT = "detect"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key pair that signs requests. name: what its keeper calls it. collections: names and patterns with `*`."""

    name: str
    access_key_id: str
    secret: str = field(repr=False)
    scope: KeyScope = KeyScope.ALL
    collections: tuple[str, ...] = ("*",)


class AccessKeys(Protocol):
    """Who may use the Rekognition API. A change holds for every process at once."""

    def find(self, access_key_id: str) -> AccessKey | None: ...

    def list(self) -> Sequence[AccessKey]:
        """In the order in which they were made."""
        ...

    def create(self, name: str, scope: KeyScope, collections: Sequence[str]) -> AccessKey:
        """A new pair; `ConflictError` when there is one of that name, `UsageError` for a name that cannot be one."""
        ...

    def revoke(self, name: str) -> AccessKey:
        """Deletes the key of this name or access key id; `NotFoundError` when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """model: the id of the model that all of its embeddings come from. people: distinct identities of its faces, an
    anonymous face (neither person nor label) counting as somebody of its own. users: persons, with or without faces.
    """

    name: str
    model: str
    created_at: str
    faces: int
    people: int
    users: int = 0


class Collections(Protocol):
    """Names under which face records are kept, each pinned to one model."""

    def create(self, name: str, model: str) -> CollectionInfo:
        """Makes it, or returns the one that is there; `ModelMismatchError` when that one has another model."""
        ...

    def get(self, name: str) -> CollectionInfo:
        """`NotFoundError` when there is none."""
        ...

    def list(self) -> Sequence[CollectionInfo]:
        """By name."""
        ...

    def model(self, name: str) -> str:
        """The collection's model, without counting anything; `NotFoundError` when there is none."""
        ...

    def models(self) -> dict[str, str]:
        """Every collection's name and model, without counting anything."""
        ...

    def drop(self, name: str) -> None:
        """Deletes the collection with its face records, vectors, crops, people and tags; `NotFoundError` when there is
        none.
        """
        ...


class Tags(Protocol):
    """Words that a user hangs on a collection, at most one value a key. All: `NotFoundError` without the collection."""

    def of(self, collection: str) -> dict[str, str]: ...

    def put(self, collection: str, tags: Mapping[str, str], limit: int) -> None:
        """Adds them, or replaces values; `QuotaError` and no effect when it would have more than `limit`."""
        ...

    def remove(self, collection: str, keys: Sequence[str]) -> None:
        """Keys that are not there are no error."""
        ...


@dataclass(frozen=True, slots=True)
class Crop:
    """A kept picture of a face with 40 % margin. landmarks: five (x, y) in the crop's own pixels."""

    jpeg: bytes
    landmarks: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class NewFace:
    """A face record to be stored, with its crop where crops are kept."""

    record: FaceRecord
    crop: Crop | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to a collection after some generation. added: new face records, and those whose person changed.

    removed: face ids, with no other trace of them.
    """

    generation: int
    added: Sequence[FaceRecord]
    removed: Sequence[str]


@dataclass(frozen=True, slots=True)
class FaceQuery:
    """Conditions that must all hold, where given. person: by name, not by label."""

    person: str | None = None
    face_ids: Sequence[str] | None = None


class FaceRecords(Protocol):
    """Face records with vectors and crops. Every change raises the collection's generation."""

    def add(self, collection: str, faces: Sequence[NewFace], limit: int | None = None) -> dict[str, FaceRecord]:
        """Stores them in one step, but none twice: a face of the same image with the same box, or with the same id.

        Returns the record that was there already for the face_id of each one that was not stored. limit: how many
        faces the collection may have; `QuotaError` and no effect beyond it. `ConflictError` when a new name would have
        another person's user id.
        """
        ...

    def remove(self, collection: str, face_ids: Sequence[str], of_nobody: bool = False) -> int:
        """Deletes rows, vectors and crops so that nothing of them stays in the files; returns how many.

        A person goes with the last of their faces. of_nobody: only faces without a person, told in the same step.
        """
        ...

    def changes(self, collection: str, since: int, limit: int) -> Changes:
        """Up to `limit` changes after generation `since`, oldest first; call again until nothing comes."""
        ...

    def find(
        self,
        collection: str,
        person: str | None = None,
        image_id: str | None = None,
        face_ids: Sequence[str] | None = None,
    ) -> Sequence[FaceRecord]:
        """Face records of this person (or labelled so), this image and these ids, where given; all otherwise.

        Oldest first.
        """
        ...

    def page(self, collection: str, after: int, limit: int, query: FaceQuery) -> Sequence[tuple[int, FaceRecord]]:
        """Up to `limit` records with their positions, those after position `after`, by position.

        A record keeps its position for good and newer ones have higher ones, so that pages neither repeat nor miss
        records while others are added, removed or associated. The first position is above 0.
        """
        ...

    def crop(self, collection: str, face_id: str) -> Crop | None: ...


@dataclass(frozen=True, slots=True)
class PersonInfo:
    """Somebody of a collection. user_id: their name as the Rekognition API spells it (`gallery.names.user_id_of`).

    faces: how many face records are theirs. position: as of `FaceRecords.page`.
    """

    name: str
    user_id: str
    faces: int
    position: int


class People(Protocol):
    """The persons of a collection, who may have no face yet. Whoever face records name is one of them.

    All verbs raise `NotFoundError` without the collection.
    """

    def create(self, collection: str, name: str, limit: int) -> None:
        """`ConflictError` when there is one of that user id; `QuotaError` beyond `limit` people."""
        ...

    def get(self, collection: str, user_id: str) -> PersonInfo:
        """`NotFoundError` when there is none."""
        ...

    def page(self, collection: str, after: int, limit: int) -> Sequence[PersonInfo]:
        """Up to `limit` people after position `after`, by position."""
        ...

    def delete(self, collection: str, user_id: str) -> None:
        """Their faces stay, nobody's; `NotFoundError` when there is none such."""
        ...

    def associate(self, collection: str, user_id: str, face_ids: Sequence[str], limit: int) -> Sequence[str]:
        """Gives them those of these faces that exist and are nobody's, and returns which.

        `NotFoundError` without the person; `QuotaError` and no effect when they would have more than `limit`.
        """
        ...

    def disassociate(self, collection: str, user_id: str, face_ids: Sequence[str]) -> Sequence[str]:
        """Takes those of these faces from them that are theirs, and returns which.

        `NotFoundError` without the person.
        """
        ...
