"""The JSON documents in the buckets: which are there, and what they say."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from faceline.analytics.documents import line_of
from faceline.analytics.messages import Listing, Rows
from faceline.analytics.views import KINDS
from faceline.errors import InputError, NotFoundError, StorageError
from faceline.ports import ObjectInfo, Record

_MAX_BYTES = 50_000_000
_BATCH = 5_000
_BATCH_BYTES = 32_000_000
_SETTLED_NS = 2_000_000_000  # a file that was just written may change again under the same stamp


class Place(NamedTuple):
    """Where the documents of a table are; only names that end in .json count."""

    bucket: str
    prefix: str


class FoundObject(Protocol):
    """stamp: size in bytes, time of the last change in nanoseconds, inode. refusal: why it is no object, or empty."""

    @property
    def key(self) -> str: ...
    @property
    def stamp(self) -> tuple[int, int, int]: ...
    @property
    def refusal(self) -> str: ...


class Scanned(Protocol):
    """Buckets that can be listed without reading what is in them."""

    def scan(self, bucket: str, prefix: str = "") -> Iterator[FoundObject]: ...
    def get(self, bucket: str, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes]: ...


class Present(NamedTuple):
    """What of a table is there now. refused: key and reason of names that are no objects."""

    stamps: Mapping[str, tuple[int, int, int]]
    refused: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Sources:
    """places: by table."""

    objects: Scanned
    places: Mapping[str, Place]

    def present(self, table: str) -> Present:
        bucket, prefix = self.places[table]
        stamps: dict[str, tuple[int, int, int]] = {}
        refused: list[tuple[str, str]] = []
        try:
            for found in self.objects.scan(bucket, prefix):
                if found.refusal and found.key.endswith(".json"):
                    refused.append((found.key, found.refusal))
                elif found.key.endswith(".json"):
                    stamps[found.key] = found.stamp
        except NotFoundError:
            return Present({}, ())  # nothing was found yet
        return Present(stamps, refused)

    def listing(self, table: str, stamps: Mapping[str, tuple[int, int, int]], keys: Sequence[str]) -> Listing:
        size, mtime_ns, inode = zip(*(stamps[key] for key in keys), strict=True) if keys else ((), (), ())
        return Listing(table, self.places[table].bucket, keys, size, mtime_ns, inode)

    def listings(self, table: str, present: Present) -> Iterator[Listing]:
        keys = list(present.stamps)
        for start in range(0, len(keys), 10 * _BATCH):
            yield self.listing(table, present.stamps, keys[start : start + 10 * _BATCH])

    def rows(
        self, table: str, present: Present, keys: Sequence[str], unreadable: list[tuple[str, str, str]]
    ) -> Iterator[Rows]:
        """The documents of these keys, some thousand at a time; those that are none go to `unreadable`."""
        read: list[tuple[str, str, str]] = []
        size = 0
        for key in keys:
            try:
                info, text = self.objects.get(self.places[table].bucket, key, _MAX_BYTES)
                read.append((key, info.etag, line_of(KINDS[table].document, text)))
                size += len(text)
            except NotFoundError:
                continue  # deleted since it was listed
            except (InputError, StorageError) as error:
                unreadable.append((self.places[table].bucket, key, str(error)))
            if len(read) >= _BATCH or size > _BATCH_BYTES:
                yield self._batch(table, present, read)
                read, size = [], 0
        if read:
            yield self._batch(table, present, read)

    def _batch(self, table: str, present: Present, read: list[tuple[str, str, str]]) -> Rows:
        keys, etags, lines = zip(*read, strict=True)
        return Rows(self.listing(table, present.stamps, keys), etags, lines)


def settled(present: Present) -> Present:
    """Without what changed within the last two seconds."""
    before_ns = time.time_ns() - _SETTLED_NS
    return Present({key: stamp for key, stamp in present.stamps.items() if stamp[1] < before_ns}, present.refused)


def record_rows(records: Sequence[Record]) -> Rows:
    none = [0] * len(records)
    listing = Listing("records", "", [record.key for record in records], none, none, none)
    lines = [msgspec.json.encode(record).decode() for record in records]
    return Rows(listing, [record.etag for record in records], lines)
