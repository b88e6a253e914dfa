"""What changed in a collection: for a process that has nothing of it yet from a snapshot, else from the table."""

import logging
import threading
from itertools import chain

from faceline.aws.face_items import mark_of
from faceline.aws.face_snapshot import Snapshot, changes_of, nothing
from faceline.aws.face_table import FaceTable
from faceline.aws.snapshots import Snapshots
from faceline.errors import StorageError
from faceline.gallery.ports import Changes

_log = logging.getLogger("faceline.aws.snapshots")

_GENERATION = "by_generation", "generation"


class Reading:
    """Keeps a snapshot in memory while somebody reads it page by page. Thread-safe."""

    def __init__(self, table: FaceTable, snapshots: Snapshots) -> None:
        self._table, self._snapshots = table, snapshots
        self._lock = threading.Lock()
        self._held: dict[str, Snapshot] = {}

    def changes(self, collection: str, since: int, limit: int) -> Changes:
        """As `FaceRecords.changes`."""
        beginning = self._beginning(collection, since)
        if beginning:
            try:
                return beginning.page(since, limit)
            except StorageError as error:  # the table has what comes next too
                self._empty(collection, beginning, error)
        return self._of_table(collection, since, limit)

    def forget(self, collection: str) -> None:
        with self._lock:
            self._held.pop(collection, None)

    def _of_table(self, collection: str, since: int, limit: int) -> Changes:
        """From the item at `since` on: the newest generation has one always, a face or what stays of one.

        Where none is, `since` is of another table, or of a later state than the one that this table was restored to.
        """
        items = self._table.after(collection, *_GENERATION, since - 1)
        first = next(items, None)
        if first is None:
            if since:
                _log.warning("collection %s is of another table than before; all of it is read again", collection)
            return Changes(0, [], [])
        if int(first["generation"]["N"]) > since:
            items = chain([first], items)
        return changes_of(items, since, limit)

    def _beginning(self, collection: str, since: int) -> Snapshot | None:
        """What goes on after generation `since`; None: the table does."""
        with self._lock:
            held = self._held.get(collection)
            if held is None and since == 0:
                held = self._read(collection)
                if held:
                    self._held[collection] = held
            if held and since < held.generation:
                return held
            self._held.pop(collection, None)  # who read it has all of it
            return None

    def _read(self, collection: str) -> Snapshot | None:
        """None where the collection is so small that the table serves. A late one is replaced on the way."""
        meta = self._table.meta(collection)
        if meta.newest <= self._snapshots.min_changes:
            return None
        found = self._snapshots.read(collection, meta.newest)
        known = found.snapshot if found.snapshot and self._is_ours(collection, found.snapshot) else nothing()
        if known.generation >= max(meta.removed_at, meta.newest - self._snapshots.min_changes - len(known) // 50):
            return known
        snapshot = self._continued(collection, known)
        self._write(collection, snapshot, found.etag)
        return snapshot

    def _is_ours(self, collection: str, snapshot: Snapshot) -> bool:
        """Of this table, and not of one before it, nor of what came after the moment that it was restored to.

        False too where the change at the snapshot's generation was a face that went since.
        """
        items = self._table.equal(collection, *_GENERATION, snapshot.generation)
        ours = any(mark_of(item) == snapshot.mark != "" for item in items)
        if not ours:
            _log.warning("the snapshot of collection %s is not of this table's faces; the table is read", collection)
        return ours

    def _continued(self, collection: str, known: Snapshot) -> Snapshot:
        items = list(self._table.after(collection, *_GENERATION, known.generation))
        try:
            return known.then(items)
        except StorageError as error:
            _log.warning("the snapshot of collection %s is not used: %s; the table is read", collection, error)
            return nothing().then(self._table.after(collection, *_GENERATION, 0))

    def _write(self, collection: str, snapshot: Snapshot, etag: str | None) -> None:
        """What is not written costs the next reader time, and this one nothing."""
        try:
            if not self._snapshots.write(collection, snapshot, etag):
                _log.info("another snapshot of collection %s was written meanwhile", collection)
        except StorageError as error:
            _log.warning("no snapshot of collection %s was written: %s", collection, error)

    def _empty(self, collection: str, damaged: Snapshot, error: StorageError) -> None:
        """The next reader makes it anew."""
        _log.warning("the snapshot of collection %s is not used any more: %s; the table is read", collection, error)
        self.forget(collection)
        try:
            self._snapshots.clear(collection, damaged.generation)
        except StorageError as refusal:
            _log.warning("the snapshot of collection %s was not emptied: %s", collection, refusal)
