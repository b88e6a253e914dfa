"""The composition root: which adapter does what, opened when first needed and closed together."""

from functools import cached_property
from types import TracebackType

from faceline.config import Settings
from faceline.engine.analyzer import Analyzer
from faceline.events import ObjectCreated, to_json
from faceline.gallery.collection import Collection
from faceline.gallery.enrolment import Enroller
from faceline.loading import image_limits, open_analyzer, wanted
from faceline.local.database import Database
from faceline.local.directory import DataDirectory, UpLock, open_directory, read_admin_key
from faceline.local.gallery import GALLERY, SqliteCollections, SqliteFaceRecords
from faceline.local.index import ObjectIndex
from faceline.local.objects import Objects
from faceline.local.queue import SqliteQueue
from faceline.local.receipts import SqliteReceipts
from faceline.local.records import SqliteRecords
from faceline.local.schema import STATE
from faceline.local.watch import BucketWatcher
from faceline.models.spaces import BUILTIN, scorer_of
from faceline.pipelines.images import ImagePipeline, Places
from faceline.pipelines.worker import Worker
from faceline.similarity import Rule, Scorer

QUEUE = "face-input-queue"


class App:
    """The embedded profile over one data directory. threads: cores for one photo, unless the settings say a number."""

    def __init__(self, settings: Settings, threads: int = 1) -> None:
        self.settings, self._threads = settings, threads
        self._databases: list[Database] = []
        self._collections: dict[str, Collection] = {}

    def __enter__(self) -> "App":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        while self._databases:
            self._databases.pop().close()

    @cached_property
    def directory(self) -> DataDirectory:
        return open_directory(self.settings.data)

    @cached_property
    def analyzer(self) -> Analyzer:
        return open_analyzer(self.settings, self._threads)

    @cached_property
    def scorer(self) -> Scorer:
        return scorer_of(BUILTIN)

    @cached_property
    def rule(self) -> Rule:
        s = self.settings
        return Rule(s.strangers_named, s.min_similarity, s.ambiguity_margin)

    @cached_property
    def collections(self) -> SqliteCollections:
        return SqliteCollections(self._gallery)

    @cached_property
    def face_records(self) -> SqliteFaceRecords:
        return SqliteFaceRecords(self._gallery)

    @cached_property
    def objects(self) -> Objects:
        return Objects(self.directory.buckets, ObjectIndex(self._state))

    @cached_property
    def queue(self) -> SqliteQueue:
        return SqliteQueue(self._state, QUEUE, self.settings.max_receives)

    @cached_property
    def records(self) -> SqliteRecords:
        return SqliteRecords(self._state)

    @cached_property
    def receipts(self) -> SqliteReceipts:
        return SqliteReceipts(self._state)

    def collection(self, name: str | None = None) -> Collection:
        """The collection in memory, shared by all callers in this process. It need not exist yet."""
        name = name or self.settings.collection
        if name not in self._collections:
            self._collections[name] = Collection(
                name, self.face_records, self.scorer, self.rule, self.settings.person_score
            )
        return self._collections[name]

    def enroller(self, name: str | None = None) -> Enroller:
        """Makes the collection where there is none. Raises ModelMismatchError when it was built with another model."""
        name = name or self.settings.collection
        self.collections.create(name, self.analyzer.model)
        s = self.settings
        return Enroller(name, self.face_records, self.analyzer, image_limits(s), s.keep_crops)

    def pipeline(self) -> ImagePipeline:
        s = self.settings
        return ImagePipeline(
            objects=self.objects,
            records=self.records,
            receipts=self.receipts,
            analyzer=self.analyzer,
            collection=self.collection() if s.collection else None,
            enroller=self.enroller() if s.collection else None,
            places=self.places,
            limits=image_limits(s),
            wanted=wanted(s),
            emotions_kept=s.emotions_kept,
        )

    @property
    def places(self) -> Places:
        s = self.settings
        return Places(s.input_bucket, s.input_prefix, s.processed_prefix, s.enroll_prefix)

    def worker(self) -> Worker:
        return Worker(self.queue, self.queue, self.receipts, self.pipeline().handle, self.settings.lease_s)

    def watcher(self) -> BucketWatcher:
        """Sends a message for every photo that arrives under the input and enroll prefixes."""
        s = self.settings
        places = [(s.input_bucket, s.input_prefix), (s.input_bucket, s.enroll_prefix)]
        return BucketWatcher(self.objects, places, self.announce, s.settle_s)

    def announce(self, event: ObjectCreated) -> None:
        self.queue.send(to_json(event), deduplication_id=event.event_id)

    def up_lock(self) -> UpLock:
        """Held by the one `faceline up` of this data directory."""
        return UpLock(self.directory)

    def admin_key(self) -> str:
        return read_admin_key(self.directory.path)

    def starts_work(self, bucket: str, key: str) -> bool:
        """Whether an object of this name is a photo to work on."""
        s = self.settings
        return bucket == s.input_bucket and key.startswith((s.input_prefix, s.enroll_prefix))

    def is_dead(self, event: ObjectCreated) -> bool:
        """Whether the event's message failed too often."""
        return any(letter.body == to_json(event) for letter in self.queue.list())

    @cached_property
    def _state(self) -> Database:
        return self._opened(Database(self.directory.state, STATE))

    @cached_property
    def _gallery(self) -> Database:
        return self._opened(Database(self.directory.gallery, GALLERY))

    def _opened(self, database: Database) -> Database:
        self._databases.append(database)
        return database
