"""What a process that has nothing of a collection yet begins with."""

import logging
import threading

from faceline.aws.face_snapshot import Snapshot, nothing
from faceline.aws.face_table import FaceTable
from faceline.aws.snapshots import Snapshots
from faceline.errors import StorageError

_log = logging.getLogger("faceline.aws.snapshots")


class Beginnings:
    """Snapshots in memory while somebody reads them page by page. Thread-safe."""

    def __init__(self, table: FaceTable, snapshots: Snapshots) -> None:
        self._table, self._snapshots = table, snapshots
        self._lock = threading.Lock()
        self._held: dict[str, Snapshot] = {}

    def at(self, collection: str, since: int) -> Snapshot | None:
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

    def forget(self, collection: str) -> None:
        with self._lock:
            self._held.pop(collection, None)

    def _read(self, collection: str) -> Snapshot | None:
        """None where the collection is so small that the table serves. A late one is replaced on the way."""
        meta = self._table.meta(collection)
        if meta.newest <= self._snapshots.min_changes:
            return None
        found = self._snapshots.read(collection)
        known = found.snapshot or nothing()
        if known.generation >= max(meta.removed_at, meta.newest - self._snapshots.min_changes - len(known) // 50):
            return known
        snapshot = known.then(self._table.after(collection, "by_generation", "generation", known.generation))
        self._write(collection, snapshot, found.etag)
        return snapshot

    def _write(self, collection: str, snapshot: Snapshot, etag: str | None) -> None:
        """What is not written costs the next reader time, and this one nothing."""
        try:
            if not self._snapshots.write(collection, snapshot, etag):
                _log.info("another snapshot of collection %s was written meanwhile", collection)
        except StorageError as error:
            _log.warning("no snapshot of collection %s was written: %s", collection, error)
