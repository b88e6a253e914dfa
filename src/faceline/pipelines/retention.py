"""What was kept long enough goes: faces by when they were enrolled, results by when they were written."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from faceline.erasure import Gone
from faceline.errors import NotFoundError, StorageError
from faceline.gallery.keeping import MAX_DAYS, Kept, Retention
from faceline.gallery.ports import FaceRecords
from faceline.ports import ObjectStore
from faceline.types import FaceRecord

_EVERY_S = 3600.0
_CHUNK = 1000
_TRIES = 60  # each waits ten seconds for what is in hand, which may be a long clip

_log = logging.getLogger("faceline.pipelines.retention")


class Traces(Protocol):
    """What the databases keep of results, and of objects that went (`local.forgetting.SqliteState`)."""

    def forget(self, gone: Gone) -> int: ...

    def expire(self, bucket: str, before: str) -> int:
        """Deletes records and receipts of photos of this bucket that were worked on before that time; how many."""
        ...


@dataclass(frozen=True, slots=True)
class Expiry:
    """results: collection → (bucket, prefix) of what is found with it. forget: a person from one collection.

    activity: deletes what was seen with a collection, worked on before that time, and returns how many entries.

    photos: the bucket whose records are of which collection. delete: an upload with all that was made of it.
    kept: what holds now, every collection with a limit.
    """

    face_records: FaceRecords
    retention: Retention
    objects: ObjectStore
    traces: Traces
    activity: Callable[[str, str], int]
    tombstones: Callable[[Gone], int]
    results: Sequence[tuple[str, str, str]]
    photos: tuple[str, str]
    forget: Callable[[str, str], object]
    delete: Callable[[str, str], None]
    uploads: Sequence[tuple[str, str]]
    kept: Callable[[], Sequence[Kept]]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self) -> dict[str, int]:
        """How many faces, people, results, records and entries of what was seen went."""
        done = {"people": 0, "faces": 0, "results": 0, "records": 0, "entries": 0}
        for kept in self.kept():
            if kept.faces_days:
                people, faces = self._faces(kept.collection, self._before(kept.faces_days))
                done["people"], done["faces"] = done["people"] + people, done["faces"] + faces
            if kept.results_days:
                before = self._before(kept.results_days)
                results, records = self._results(kept.collection, before)
                done["results"], done["records"] = done["results"] + results, done["records"] + records
                done["entries"] += self.activity(kept.collection, before)
        return done

    def _before(self, days: float) -> str:
        return (self.now() - timedelta(days=min(days, MAX_DAYS))).isoformat(timespec="milliseconds")

    def _faces(self, collection: str, before: str) -> tuple[int, int]:
        """Who has no younger face is forgotten; of others only the old faces go."""
        people = faces = 0
        while expired := self.retention.expired(collection, before, _CHUNK):
            for person in sorted({who for _, who in expired if who is not None}):
                records = self.face_records.find(collection, person=person)
                faces += len(records)
                if all(record.created_at < before for record in records):
                    self._forget(person, collection)
                    people += 1
                else:
                    faces -= len(records) - self._remove(collection, [r for r in records if r.created_at < before])
            nobodys = [face_id for face_id, who in expired if who is None]
            if nobodys:
                faces += self._remove(collection, self.face_records.find(collection, face_ids=nobodys))
        return people, faces

    def _forget(self, person: str, collection: str) -> None:
        """Again while work is in hand that may name them yet: their faces are gone, so no later run would find them."""
        for _ in range(_TRIES - 1):
            try:
                self.forget(person, collection)
            except StorageError as error:
                _log.warning("somebody is not forgotten whole yet; tried again", extra={"error": str(error)})
            else:
                return
        self.forget(person, collection)

    def _remove(self, collection: str, records: Sequence[FaceRecord]) -> int:
        removed = self.face_records.remove(collection, [record.face_id for record in records])
        uploads = [tuple(record.source.split("/", 1)) for record in records if self._is_upload(record.source)]
        for bucket, key in uploads:
            self.delete(bucket, key)
        gone = Gone(
            name="\0",  # nobody's: only ids and objects are looked for
            collections=(collection,),
            everywhere=False,
            face_ids=frozenset(record.face_id for record in records),
            image_ids=frozenset(record.image_id for record in records),
            sources=frozenset(record.source for record in records),
        )
        self.traces.forget(gone)
        self.tombstones(gone)
        return removed

    def _is_upload(self, source: str) -> bool:
        return any(source.startswith(f"{bucket}/{prefix}") for bucket, prefix in self.uploads)

    def _results(self, collection: str, before: str) -> tuple[int, int]:
        places = [(bucket, prefix) for name, bucket, prefix in self.results if name == collection]
        results = sum(self._old_objects(bucket, prefix, before) for bucket, prefix in places)
        bucket, of_collection = self.photos
        return results, self.traces.expire(bucket, before) if collection == of_collection else 0

    def _old_objects(self, bucket: str, prefix: str, before: str) -> int:
        try:
            old = [info.key for info in self.objects.list(bucket, prefix) if info.modified_at < before]
        except NotFoundError:
            return 0
        for key in old:
            self.objects.delete(bucket, key)
        return len(old)


@dataclass(frozen=True, slots=True)
class Hourly:
    """Runs something once an hour, and when it starts. work: says how many of what it deleted."""

    work: Callable[[], Mapping[str, int]]
    every_s: float = _EVERY_S

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        while not stop.is_set():
            try:
                done = self.work()
                if any(done.values()):
                    _log.info("expired", extra={"done": done})
            except Exception:  # noqa: BLE001 (whatever it was, the next hour must come)
                _log.exception("what has been kept long enough could not be deleted; tried again in an hour")
            stop.wait(self.every_s)
