"""The embedded profile's stores over one data directory, each opened when first needed and all closed together."""

import threading
import time
from collections.abc import Sequence
from functools import cached_property, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from faceline.activity import Entry, WorkCount
from faceline.analytics.asking import Limits
from faceline.analytics.lake import Lake
from faceline.analytics.sources import Place, Sources
from faceline.called import Keys
from faceline.config import Settings
from faceline.local.activity import SqliteActivity
from faceline.local.api_keys import SqliteApiKeys, SqliteSessions
from faceline.local.consents import SqliteConsents
from faceline.local.credentials import Credentials
from faceline.local.database import Database
from faceline.local.directory import DataDirectory, UpLock, locked, open_directory, read_admin_key
from faceline.local.face_records import SqliteFaceRecords
from faceline.local.forgetting import EmptyFolders, SqliteState, SqliteTombstones
from faceline.local.gallery import GALLERY, SqliteCollections
from faceline.local.index import ObjectIndex
from faceline.local.labels import SqliteLabels
from faceline.local.merging import SqliteMerging
from faceline.local.negatives import SqliteNegatives
from faceline.local.objects import Objects
from faceline.local.outbox import SqliteOutbox
from faceline.local.people import SqlitePeople
from faceline.local.people_directory import SqliteDirectory
from faceline.local.queue import SqliteQueue
from faceline.local.receipts import SqliteReceipts
from faceline.local.records import SqliteRecords
from faceline.local.retention import SqliteRetention
from faceline.local.review import SqliteVerdicts
from faceline.local.review_erasure import ReviewErasure
from faceline.local.schema import STATE
from faceline.local.second_index import SqliteCalibrations, SqliteSecondIndexes
from faceline.local.tags import SqliteTags
from faceline.local.unknown_faces import SqliteUnknownFaces
from faceline.local.video_jobs import SqliteVideoJobs
from faceline.local.work_counts import counts
from faceline.notify.rules import checked, routes

T = TypeVar("T")
_ANY_NUMBER = 2**31


class Once(cached_property[T]):
    """A cached_property that two threads never compute twice, as it was before Python 3.12."""

    if not TYPE_CHECKING:

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            with instance._lock:
                return super().__get__(instance, owner)


class Storage:
    """Picks the adapter of every port that keeps something."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.opened_at = time.time()
        self._lock = threading.RLock()
        self._databases: list[Database] = []
        self._queues: dict[str, SqliteQueue] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        while self._databases:
            self._databases.pop().close()

    @Once
    def directory(self) -> DataDirectory:
        return open_directory(self.settings.data)

    @Once
    def collections(self) -> SqliteCollections:
        return SqliteCollections(self._gallery)

    @Once
    def face_records(self) -> SqliteFaceRecords:
        return SqliteFaceRecords(self._gallery)

    @Once
    def people(self) -> SqlitePeople:
        return SqlitePeople(self._gallery)

    @Once
    def people_directory(self) -> SqliteDirectory:
        return SqliteDirectory(self._gallery)

    @Once
    def labels(self) -> SqliteLabels:
        return SqliteLabels(self._gallery)

    @Once
    def consents(self) -> SqliteConsents:
        return SqliteConsents(self._gallery)

    @Once
    def retention(self) -> SqliteRetention:
        return SqliteRetention(self._gallery)

    @Once
    def tombstones(self) -> SqliteTombstones:
        return SqliteTombstones(self._gallery)

    @Once
    def empty_folders(self) -> EmptyFolders:
        return EmptyFolders(self.directory.buckets, self.known_names)

    @Once
    def state(self) -> SqliteState:
        """What the state database keeps of people beside the rows that are theirs."""
        return SqliteState(self._state, Keys.of(self.settings), self.known_names)

    def known_names(self) -> frozenset[str]:
        """Of everybody in every collection."""
        return frozenset(name for (name,) in self._gallery.rows("SELECT DISTINCT name FROM people"))

    @Once
    def verdicts(self) -> SqliteVerdicts:
        return SqliteVerdicts(self._gallery)

    @Once
    def merging(self) -> SqliteMerging:
        return SqliteMerging(self._gallery)

    @Once
    def negatives(self) -> SqliteNegatives:
        return SqliteNegatives(self._gallery)

    @Once
    def unknown_faces(self) -> SqliteUnknownFaces:
        return SqliteUnknownFaces(self._gallery)

    @Once
    def review_erasure(self) -> ReviewErasure:
        """Of the four above."""
        return ReviewErasure(self._gallery)

    @Once
    def tags(self) -> SqliteTags:
        return SqliteTags(self._gallery)

    @Once
    def second_indexes(self) -> SqliteSecondIndexes:
        return SqliteSecondIndexes(self._gallery)

    @Once
    def calibrations(self) -> SqliteCalibrations:
        return SqliteCalibrations(self._gallery)

    @Once
    def api_keys(self) -> SqliteApiKeys:
        """Of programs that use the HTTP interface, beside the admin key."""
        return SqliteApiKeys(self._state)

    @Once
    def sessions(self) -> SqliteSessions:
        """Of browsers that are logged in."""
        return SqliteSessions(self._state)

    @Once
    def access_keys(self) -> Credentials:
        return Credentials(self.directory.path / "credentials")

    @Once
    def objects(self) -> Objects:
        return Objects(self.directory.buckets, ObjectIndex(self._state))

    @Once
    def records(self) -> SqliteRecords:
        return SqliteRecords(self._state)

    @Once
    def activity(self) -> SqliteActivity:
        """What was seen, for the page; also the sums over it."""
        return SqliteActivity(self._state, self.known_names)

    def see(self, entry: Entry) -> None:
        """Puts what was seen into the activity."""
        self.activity.put(entry)

    def work_counts(self) -> Sequence[WorkCount]:
        """Of all that was ever worked on here."""
        return counts(self._state)

    @Once
    def receipts(self) -> SqliteReceipts:
        return SqliteReceipts(self._state)

    @Once
    def lake(self) -> Lake:
        """All results as tables: SQL, statistics, Parquet copies."""
        s = self.settings
        places = {
            "processed": Place(s.input_bucket, s.processed_prefix),
            "clips": Place(s.names.output, ""),
            "reports": Place(s.names.matches, s.matching_output_prefix),
        }
        limits = Limits(s.sql_timeout_s, s.sql_memory_mb)
        root = self.directory.path / "lake"
        return Lake(root, Sources(self.objects, places), self.records.pages, locked, limits)

    @Once
    def notices(self) -> SqliteOutbox:
        """What is to be told, on its way to the targets. Raises SettingError when two of those have one name."""
        return SqliteOutbox(self._state, partial(routes, checked(self.settings.notify)))

    @Once
    def video_jobs(self) -> SqliteVideoJobs:
        return SqliteVideoJobs(self._state)

    def queue_of(self, name: str) -> SqliteQueue:
        """The queue of this name, shared by all callers in this process; made by the first message."""
        with self._lock:
            if name not in self._queues:
                self._queues[name] = self._new_queue(name)
            return self._queues[name]

    def _new_queue(self, name: str) -> SqliteQueue:
        s = self.settings
        if name not in (s.names.requests, s.names.responses):
            return SqliteQueue(self._state, name, s.max_receives)
        # Every client may look at every answer: that makes no dead letter of it.
        receives = s.max_receives if name == s.names.requests else _ANY_NUMBER
        return SqliteQueue(self._state, name, receives, remembers_s=s.frames_kept_s)

    def up_lock(self) -> UpLock:
        """Held by the one `faceline up` of this data directory."""
        return UpLock(self.directory)

    def admin_key(self) -> str:
        return read_admin_key(self.directory.path)

    @Once
    def _state(self) -> Database:
        return self._opened(Database(self.directory.state, STATE))

    @Once
    def _gallery(self) -> Database:
        return self._opened(Database(self.directory.gallery, GALLERY))

    def _opened(self, database: Database) -> Database:
        self._databases.append(database)
        return database
