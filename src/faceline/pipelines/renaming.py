"""Photos and clips of others whose names say who was in them: they get a name that says nothing."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from faceline.activity import Activity
from faceline.documents import parsed
from faceline.errors import InputError, NotFoundError
from faceline.events import ObjectCreated
from faceline.pipelines.images import Places
from faceline.pipelines.owning import owns
from faceline.ports import ClaimState, ObjectInfo, ObjectStore, Receipts, RecordQuery, Records

_LEASE_S = 60.0
_MAX_DOCUMENT_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Renamer:
    """Renames uploads with their records and results. mark: that these bytes need not be worked on again.

    delete: an object with all that was made of it. prefixes: of new keys, by bucket. max_bytes: of an object.
    """

    objects: ObjectStore
    records: Records
    activity: Activity
    receipts: Receipts
    places: Places
    mark: Callable[[str, str, str], None]
    delete: Callable[[str, str], None]
    prefixes: Mapping[str, str]
    max_bytes: int

    def rename(self, bucket: str, key: str) -> str | None:
        """The new key, `kept-<etag>.<ending>`; None when the object went meanwhile. Safe to repeat."""
        try:
            info, data = self.objects.get(bucket, key, self.max_bytes)
        except NotFoundError:
            return None
        new = self._new_key(bucket, info)
        self.mark(bucket, new, info.etag)  # before it is there: it must not be worked on as if it had arrived
        copy = self.objects.put(bucket, new, data)
        if bucket == self.places.bucket and key.startswith(self.places.input_prefix):
            self._move_results(info, copy)
        self.delete(bucket, key)
        return new

    def _new_key(self, bucket: str, info: ObjectInfo) -> str:
        return f"{self.prefixes.get(bucket, '')}kept-{info.etag[:16]}{PurePosixPath(info.key).suffix}"

    def _move_results(self, info: ObjectInfo, copy: ObjectInfo) -> None:
        rows = [row for row in self.records.query(RecordQuery(image=info.key)) if row.bucket == info.bucket]
        name = PurePosixPath(copy.key).name
        self.records.replace(copy.bucket, copy.key, [replace(row, key=copy.key, image_id=name) for row in rows])
        self.activity.rename(info.bucket, info.key, copy.key)
        done = json.loads(self.receipts.result(_event(info).event_id) or "{}")
        with suppress(NotFoundError, InputError, ValueError):
            done["processed"] = self._move_document(done.get("processed", ""), copy)
        claim = self.receipts.claim(_event(copy).event_id, _LEASE_S)
        if claim.state is ClaimState.MINE:
            self.receipts.complete(_event(copy).event_id, claim.token, json.dumps(done))

    def _move_document(self, processed: str, copy: ObjectInfo) -> str:
        data = self.objects.get(copy.bucket, processed, _MAX_DOCUMENT_BYTES)[1]
        document = parsed(data)
        if not isinstance(document, dict) or not isinstance(document.get("file"), dict):
            raise InputError(f"{copy.bucket}/{processed} is no result of a photo")
        document["file"] |= {"key": copy.key, "name": PurePosixPath(copy.key).name}
        inner = copy.key.removeprefix(self.places.input_prefix)
        target = f"{self.places.processed_prefix}{PurePosixPath(inner).with_suffix('.json')}"
        self.objects.put(copy.bucket, target, json.dumps(document, ensure_ascii=False, indent=2).encode())
        owns(self.receipts, f"{copy.bucket}/{target}", copy.key)
        return target


def _event(info: ObjectInfo) -> ObjectCreated:
    return ObjectCreated(info.bucket, info.key, info.etag, info.size, info.modified_at)
