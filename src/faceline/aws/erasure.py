"""What an erasure on AWS needs beside the stores: its journal, and who cleans what says a person in passing."""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from faceline.aws.clients import Clients
from faceline.aws.dead_letters import MOST_LETTERS
from faceline.aws.face_items import NAME, partition
from faceline.aws.face_table import FaceTable
from faceline.aws.items import from_item
from faceline.aws.rekognition_api import Rekognition
from faceline.aws.rekognition_names import external_id, name_of
from faceline.aws.state import StateTable
from faceline.called import Keys, message_says, outcome_texts
from faceline.erasure import Gone, Receipt
from faceline.errors import NotFoundError, StorageError
from faceline.gallery.ports import FaceRecords
from faceline.object_keys import is_key
from faceline.ports import DeadLetter, ObjectStore, Records

_DONE, _OPEN, _ANSWERS = "erasures/", "erasing/", "athena/"  # prefixes in the work bucket
_MAX_BYTES = 1 << 30
_KEY_BYTES = 32
_QUEUES_AT_ONCE = 8
_RECEIPT = "receipt#"
_NOT_OF_A_KEY = re.compile("[^0-9]")

SaysOf = Callable[[Gone], Callable[[str], bool]]  # whether a text says who is being forgotten


class ListsLetters(Protocol):
    """Of `ports.DeadLetters`, with the queue's name, and how many letters nobody can look at now."""

    @property
    def name(self) -> str: ...

    def hidden_letters(self) -> int: ...

    def list(self, limit: int = 100, after: str | None = None) -> Sequence[DeadLetter]: ...

    def discard(self, message_ids: Sequence[str] | None = None) -> int: ...


class Seals(Protocol):
    """Keyed hashes, and texts that only a name opens."""

    def hashed(self, word: str) -> str: ...

    def sealed(self, name: str, data: bytes) -> bytes: ...

    def opened(self, name: str, data: bytes) -> bytes | None: ...


def erasure_key(state: StateTable) -> bytes:
    """The secret that receipts are hashed with: made once, and kept in the state table. Raises StorageError."""
    made = {"pk": "erasure", "sk": "key", "secret": secrets.token_bytes(_KEY_BYTES)}
    found = state.get("erasure", "key")
    if not found:
        state.transact([state.put_action(made, None)])  # refused where another was first
        found = state.get("erasure", "key")
    secret = bytes(found["secret"])
    if len(secret) != _KEY_BYTES:
        raise StorageError("the state table's item erasure/key is damaged; without it no erasure can be proved")
    return secret


@dataclass(frozen=True, slots=True)
class S3Journal:
    """Implements `erasure.Journal` in the work bucket: an object a receipt, and one for what is in hand.

    The key of their hashes lies elsewhere, in the state table: who has the bucket alone has nothing. A table that is
    restored from an older state does not take the receipts back with it.
    """

    objects: ObjectStore
    bucket: str
    seals: Seals

    def begin(self, name: str, plan: str) -> None:
        self.objects.put(self.bucket, self._open_key(name), self.seals.sealed(name, plan.encode()))

    def begun(self, name: str) -> str | None:
        try:
            sealed = self.objects.get(self.bucket, self._open_key(name), _MAX_BYTES)[1]
        except NotFoundError:
            return None
        plan = self.seals.opened(name, sealed)
        return None if plan is None else plan.decode()

    def end(self, name: str, ids: Iterable[str], collections: Sequence[str], removed: dict[str, int]) -> Receipt:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        hashes = sorted({self.seals.hashed(word) for word in ids})
        person = self.seals.hashed(name)
        receipt = Receipt(f"er-{secrets.token_hex(6)}", now, person, tuple(collections), removed, hashes)
        key = f"{_DONE}{_NOT_OF_A_KEY.sub('', now)[:17]}-{receipt.receipt_id}.json"
        self.objects.put(self.bucket, key, json.dumps(receipt.document()).encode())
        self.drop(name)
        return receipt

    def drop(self, name: str) -> None:
        self.objects.delete(self.bucket, self._open_key(name))

    def of(self, name: str) -> Sequence[Receipt]:
        person = self.seals.hashed(name)
        return [receipt for receipt in self.all() if receipt.person == person]

    def all(self) -> Sequence[Receipt]:
        """Oldest first."""
        keys = sorted(info.key for info in self.objects.list(self.bucket, _DONE))
        return [Receipt.of(json.loads(self.objects.get(self.bucket, key, _MAX_BYTES)[1])) for key in keys]

    def unfinished(self) -> int:
        return cut_off(self.objects, self.bucket)

    def _open_key(self, name: str) -> str:
        return f"{_OPEN}{self.seals.hashed(name)}"


def cut_off(objects: ObjectStore, bucket: str) -> int:
    """How many erasures were begun and did not end, those in hand included. bucket: the work bucket."""
    return sum(1 for _ in objects.list(bucket, _OPEN))


class DynamoTraces:
    """Implements `erasure.Forgets` for receipts, and for errors of queued messages. Reads the whole state table."""

    def __init__(
        self, state: StateTable, says_of: SaysOf, key_says_of: SaysOf, now: Callable[[], float] = time.time
    ) -> None:
        """key_says_of: as says_of, for an event's id, which is the bucket, the key and the etag of an object."""
        self._state, self._says_of, self._key_says_of, self._now = state, says_of, key_says_of, now

    def forget(self, gone: Gone) -> int:
        """Deletes items whose texts say the person or an object of theirs."""
        says, key_says = self._says_of(gone), self._key_says_of(gone)
        doomed = [
            item for item in self._items() if any(map(says, _said_in(item))) or any(map(key_says, _keys_in(item)))
        ]
        self._state.delete(doomed)
        return len(doomed)

    def in_hand(self) -> frozenset[str]:
        """The tokens of claims of events that functions hold now: what they read before they may write yet."""
        now = self._now()
        held = (item for item in self._items() if "outcome" not in item and item.get("held_until", 0.0) > now)
        return frozenset(str(item["claim_token"]) for item in held)

    def _items(self) -> Iterator[dict[str, Any]]:
        return self._state.starting((_RECEIPT, "queue#"))


def _said_in(item: Mapping[str, Any]) -> list[str]:
    return [str(item.get("reason", "")), *outcome_texts(str(item.get("outcome", "")))[1]]


def _keys_in(item: Mapping[str, Any]) -> list[str]:
    event_id = str(item["pk"]).removeprefix(_RECEIPT) if str(item["pk"]).startswith(_RECEIPT) else ""
    return [str(item.get("event_id", event_id)), *outcome_texts(str(item.get("outcome", "")))[0]]


@dataclass(frozen=True, slots=True)
class RowsOfNoPhoto:
    """Implements `erasure.Forgets` for rows of the results whose photo is no more, and which say the person by its key
    or in an error. Reads the whole table.
    """

    records: Records
    objects: ObjectStore
    says_of: SaysOf
    key_says_of: SaysOf

    def forget(self, gone: Gone) -> int:
        says, key_says = self.says_of(gone), self.key_says_of(gone)
        named = {
            (row.bucket, row.key)
            for page in self.records.pages()
            for row in page
            if key_says(f"{row.bucket}/{row.key}") or says(row.error or "")
        }
        return sum(self.records.delete(*place) for place in sorted(named) if not self._is_there(*place))

    def _is_there(self, bucket: str, key: str) -> bool:
        try:
            self.objects.head(bucket, key)
        except NotFoundError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class QueryAnswers:
    """Implements `erasure.Forgets` for what Athena answered within the last day, in the work bucket."""

    objects: ObjectStore
    bucket: str
    says_of: SaysOf

    def forget(self, gone: Gone) -> int:
        says = self.says_of(gone)
        doomed = [info.key for info in self.objects.list(self.bucket, _ANSWERS) if says(self._text(info.key))]
        for key in doomed:
            self.objects.delete(self.bucket, key)
        return len(doomed)

    def _text(self, key: str) -> str:
        try:
            return self.objects.get(self.bucket, key, _MAX_BYTES)[1].decode("utf-8", "replace")
        except NotFoundError:  # its time was over
            return ""


@dataclass(frozen=True, slots=True)
class RefusedKeys:
    """Implements `erasure.Forgets` for objects that faceline never works on, since it refuses their keys
    (`object_keys`), as `input//ann.jpg`: they go when their whole name is the person's. Those that only
    mention it may be somebody else's.

    objects: a store that knows every key.
    """

    objects: ObjectStore
    buckets: Sequence[str]
    keys: Keys
    key_says_of: SaysOf

    def forget(self, gone: Gone) -> int:
        says = self.key_says_of(gone)
        listed = (info for bucket in self.buckets for info in self.objects.list(bucket))
        refused = [info for info in listed if not is_key(info.key) and says(info.key)]
        doomed = [info for info in refused if gone.everywhere and self.keys.is_called(info.key, gone.name)]
        for info in doomed:
            self.objects.delete(info.bucket, info.key)
        return len(doomed)


@dataclass(frozen=True, slots=True)
class Letters:
    """Implements `erasure.Forgets` for dead letters. Messages that wait for their turn cannot be looked at in SQS
    without being taken. Raises StorageError when not all letters could be looked at; those that could are clean then.
    """

    queues: Callable[[], Sequence[ListsLetters]]
    says_of: SaysOf
    key_says_of: SaysOf

    def forget(self, gone: Gone) -> int:
        says = partial(message_says, says=self.says_of(gone), key_says=self.key_says_of(gone))
        with ThreadPoolExecutor(_QUEUES_AT_ONCE) as threads:  # each is asked until a second brings nothing more
            return sum(threads.map(lambda queue: self._forget(queue, says), self.queues()))

    def _forget(self, queue: ListsLetters, says: Callable[[str, str], bool]) -> int:
        letters, unseen = letters_of(queue)
        doomed = [letter.message_id for letter in letters if says(letter.body, letter.reason)]
        discarded = queue.discard(doomed) if doomed else 0
        if unseen:
            raise StorageError(f"not all dead letters of {queue.name} were looked at: {unseen}")
        return discarded


def letters_of(queue: ListsLetters) -> tuple[Sequence[DeadLetter], str]:
    """The dead letters of a queue; and, where there are others, why they are not among these."""
    hidden = queue.hidden_letters()  # before the look hides them itself
    letters = queue.list(MOST_LETTERS)
    if hidden:
        told = f"somebody else has received {hidden} of them, or died with them"
        return letters, f"{told}; try again in 10 minutes, when they can be seen again"
    if len(letters) >= MOST_LETTERS:
        return letters, f"there are {MOST_LETTERS:,} or more; redrive or discard some, then try again"
    return letters, ""


@dataclass(frozen=True, slots=True)
class FacesAtRekognition:
    """Implements `erasure.Forgets` for faces that Amazon Rekognition keeps of collections that are recognised there.

    collections: their names. Asked for after the records are gone; that it goes again where it went before is no error.
    Whoever indexed a face and died before the record left one that only its label tells of, and labels name people:
    so each collection is read whole, 1,000 faces a request.
    """

    clients: Clients
    records: FaceRecords
    collections: Callable[[], Iterable[str]]
    says_of: SaysOf

    def forget(self, gone: Gone) -> int:
        says = self.says_of(gone)
        theirs = [name for name in self.collections() if gone.everywhere or name in gone.collections]
        return sum(self._forget(Rekognition(self.clients, name), gone, says) for name in theirs)

    def _forget(self, api: Rekognition, gone: Gone, says: Callable[[str], bool]) -> int:
        labels = ((face["FaceId"], face.get("ExternalImageId", "")) for face in api.faces())
        theirs = {face_id for face_id, label in labels if label == external_id(gone.name) or says(name_of(label))}
        others = {record.face_id for record in self.records.find(api.collection, face_ids=sorted(theirs))}
        return api.delete(sorted(gone.face_ids | (theirs - others)))


def names_in(clients: Clients, table: str, collections: Iterable[str]) -> frozenset[str]:
    """Of everybody whose face, named or labelled so, is in one of these collections."""
    faces = FaceTable(clients, table)
    found = (faces.query(partition(each), "begins_with(#key, :value)", ("sk", NAME)) for each in collections)
    return frozenset(str(from_item(item)["name"]) for items in found for item in items)
