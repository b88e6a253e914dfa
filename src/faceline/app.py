"""The composition root: which adapter does what, opened when first needed and closed together."""

import hashlib
import json
import logging
import threading
from collections.abc import Iterable, Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from faceline.config import Settings
from faceline.engine.analyzer import Analyzer
from faceline.engine.networks import AttributeNetwork
from faceline.errors import ConflictError, InputError, ModelError, NotFoundError, QuotaError, SettingError, UsageError
from faceline.events import ObjectCreated, from_json, to_json
from faceline.gallery.collection import Collection
from faceline.gallery.enrolment import Enroller, Outcome, Photo
from faceline.gallery.names import problem_of
from faceline.gallery.ports import CollectionInfo
from faceline.loading import image_limits, open_analyzer, wanted
from faceline.local.credentials import Credentials
from faceline.local.database import Database
from faceline.local.directory import DataDirectory, UpLock, open_directory, read_admin_key
from faceline.local.face_records import SqliteFaceRecords
from faceline.local.gallery import GALLERY, SqliteCollections
from faceline.local.index import ObjectIndex
from faceline.local.objects import Objects
from faceline.local.people import SqlitePeople
from faceline.local.queue import SqliteQueue
from faceline.local.receipts import SqliteReceipts
from faceline.local.records import SqliteRecords
from faceline.local.schema import STATE
from faceline.local.tags import SqliteTags
from faceline.local.watch import BucketWatcher
from faceline.models.spaces import BUILTIN, scorer_of
from faceline.pipelines.forgetting import Eraser, Forgotten
from faceline.pipelines.images import ImagePipeline, Places
from faceline.pipelines.worker import Worker
from faceline.similarity import Rule, Scorer

QUEUE = "face-input-queue"
_ALL = 1_000_000  # dead letters: more than anybody has

T = TypeVar("T")
_log = logging.getLogger("faceline.app")


class _Once(cached_property[T]):
    """A cached_property that two threads never compute twice, as it was before Python 3.12."""

    if not TYPE_CHECKING:

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            with instance._lock:
                return super().__get__(instance, owner)


class App:
    """The embedded profile over one data directory. threads: cores for one photo, unless the settings say a number."""

    def __init__(self, settings: Settings, threads: int = 1) -> None:
        self.settings, self._threads = settings, threads
        self._lock = threading.RLock()
        self._databases: list[Database] = []
        self._collections: dict[str, Collection] = {}
        self._networks: dict[AttributeNetwork, bool] = {}
        self._networks_lock = threading.Lock()

    def __enter__(self) -> "App":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        while self._databases:
            self._databases.pop().close()

    @_Once
    def directory(self) -> DataDirectory:
        return open_directory(self.settings.data)

    @_Once
    def analyzer(self) -> Analyzer:
        return open_analyzer(self.settings, self._threads)

    @_Once
    def scorer(self) -> Scorer:
        return scorer_of(BUILTIN)

    @_Once
    def rule(self) -> Rule:
        s = self.settings
        return Rule(s.strangers_named, s.min_similarity, s.ambiguity_margin)

    @_Once
    def collections(self) -> SqliteCollections:
        return SqliteCollections(self._gallery)

    @_Once
    def face_records(self) -> SqliteFaceRecords:
        return SqliteFaceRecords(self._gallery)

    @_Once
    def people(self) -> SqlitePeople:
        return SqlitePeople(self._gallery)

    @_Once
    def tags(self) -> SqliteTags:
        return SqliteTags(self._gallery)

    @_Once
    def access_keys(self) -> Credentials:
        return Credentials(self.directory.path / "credentials")

    @_Once
    def objects(self) -> Objects:
        return Objects(self.directory.buckets, ObjectIndex(self._state))

    @_Once
    def queue(self) -> SqliteQueue:
        return SqliteQueue(self._state, QUEUE, self.settings.max_receives)

    @_Once
    def records(self) -> SqliteRecords:
        return SqliteRecords(self._state)

    @_Once
    def receipts(self) -> SqliteReceipts:
        return SqliteReceipts(self._state)

    def collection(self, name: str | None = None) -> Collection:
        """The collection in memory, shared by all callers in this process. It need not exist yet."""
        name = name or self.settings.collection
        with self._lock:
            if name not in self._collections:
                self._collections[name] = Collection(
                    name, self.face_records, self.scorer, self.rule, self.settings.person_score
                )
            return self._collections[name]

    def usable(self, networks: Iterable[AttributeNetwork]) -> set[AttributeNetwork]:
        """Those that can be had. Each is tried once: what is missing stays missing until the next start."""
        with self._networks_lock:
            for name in set(networks) - self._networks.keys():
                try:
                    self.analyzer.load(name)
                    self._networks[name] = True
                except ModelError as error:
                    _log.warning("an attribute cannot be given", extra={"network": name, "error": str(error)})
                    self._networks[name] = False
            return {name for name in networks if self._networks[name]}

    def create_collection(self, name: str, tags: Mapping[str, str]) -> CollectionInfo:
        """An empty one. Raises ConflictError when there is one, QuotaError when there are too many."""
        with self._lock:
            known, limit = self.collections.models(), self.settings.quota_collections
            if name in known:
                raise ConflictError(f"there is a collection {name} already; use it, or delete it first")
            if len(known) >= limit:
                raise QuotaError(f"there are {len(known)} collections, at most {limit} are kept; delete one")
            info = self.collections.create(name, self.scorer.model)
            if tags:
                self.tags.put(name, tags, self.settings.quota_collection_tags)
            return info

    def drop_collection(self, name: str) -> None:
        """Deletes it with all that is in it, here and in memory. Raises NotFoundError."""
        self.collections.drop(name)
        with self._lock:
            self._collections.pop(name, None)

    def enroller(self, name: str | None = None) -> Enroller:
        """Makes the collection where there is none. Raises ModelMismatchError when it was built with another model."""
        name = name or self.settings.collection
        self.collections.create(name, self.analyzer.model)
        s = self.settings
        return Enroller(name, self.face_records, self.analyzer, wanted(s), image_limits(s), s.keep_crops)

    def enroll(self, photo: Photo) -> Outcome:
        """Enrols into the settings' collection, which is made again when somebody dropped it."""
        try:
            return self._enroller.enroll_photo(photo)
        except NotFoundError:
            return self.enroller().enroll_photo(photo)

    def pipeline(self) -> ImagePipeline:
        """Raises ModelMismatchError when the settings' collection was built with another model."""
        s = self.settings
        if s.collection:
            self._enroller  # noqa: B018 (opened now, so that a wrong collection is told at the start)
        return ImagePipeline(
            objects=self.objects,
            records=self.records,
            receipts=self.receipts,
            analyzer=self.analyzer,
            collection=self.collection() if s.collection else None,
            enroll=self.enroll if s.collection else None,
            places=self.places,
            limits=image_limits(s),
            wanted=wanted(s),
            emotions_kept=s.emotions_kept,
        )

    @property
    def places(self) -> Places:
        """Raises SettingError for prefixes that cannot be told apart: results would be taken for photos."""
        s = self.settings
        prefixes = {name: getattr(s, name) for name in ("input_prefix", "processed_prefix", "enroll_prefix")}
        for name, prefix in prefixes.items():
            if not prefix.endswith("/"):
                raise SettingError(f"{name} is {prefix!r}; it must be a folder that ends with /")
            if any(prefix.startswith(other) for key, other in prefixes.items() if key != name):
                raise SettingError(f"{name} {prefix!r} lies within another prefix; the three must be apart: {prefixes}")
        return Places(s.input_bucket, s.input_prefix, s.processed_prefix, s.enroll_prefix)

    def worker(self) -> Worker:
        return Worker(self.queue, self.queue, self.receipts, self.pipeline().handle, self.settings.lease_s)

    def watcher(self) -> BucketWatcher:
        """Sends a message for every photo that arrives under the input and enroll prefixes."""
        s = self.settings
        places = [(s.input_bucket, s.input_prefix), (s.input_bucket, s.enroll_prefix)]
        return BucketWatcher(self.objects, places, self.announce, s.settle_s)

    def announce(self, event: ObjectCreated) -> None:
        """Asks for the work on new bytes; the same bytes may have been under this key before others were."""
        self.receipts.discard(event.event_id)
        # With the time, so that a message in hand, which may have seen other bytes, does not swallow this one.
        self.queue.send(to_json(event), deduplication_id=f"{event.event_id} {event.time}")

    def forget(self, name: str, collection: str | None = None) -> Forgotten:
        """Deletes a person from one collection, or from all and from the results too; see `pipelines.forgetting`."""
        problem = problem_of(name)
        if problem:
            raise UsageError(f"nobody can be forgotten by this name: {problem}")
        names = [collection] if collection else [info.name for info in self.collections.list()]
        eraser = Eraser(self.face_records, self.people, self.objects, self.records, self.receipts, self.places)
        return eraser.forget(name, names, with_results=not collection or collection == self.settings.collection)

    def delete_object(self, bucket: str, key: str) -> None:
        """Deletes an object; with an uploaded photo go its records, its result and its receipt."""
        if self.starts_work(bucket, key):
            self._delete_results(bucket, key)
        self.objects.delete(bucket, key)

    def _delete_results(self, bucket: str, key: str) -> None:
        try:
            info = self.objects.head(bucket, key)
        except NotFoundError:
            return
        event = ObjectCreated(bucket, key, info.etag, info.size, info.modified_at)
        done = json.loads(self.receipts.result(event.event_id) or "{}")
        self.receipts.discard(event.event_id)
        self.records.delete(bucket, key)
        if "processed" in done:
            self.objects.delete(bucket, done["processed"])

    def up_lock(self) -> UpLock:
        """Held by the one `faceline up` of this data directory."""
        return UpLock(self.directory)

    @_Once
    def page_key(self) -> bytes:
        """The secret that pagination tokens are sealed with; the same after a restart."""
        return hashlib.sha256(b"pagination" + self.admin_key().encode()).digest()

    def admin_key(self) -> str:
        return read_admin_key(self.directory.path)

    def starts_work(self, bucket: str, key: str) -> bool:
        """Whether an object of this name is a photo to work on."""
        s = self.settings
        return bucket == s.input_bucket and key.startswith((s.input_prefix, s.enroll_prefix))

    def is_dead(self, event: ObjectCreated) -> bool:
        """Whether the event's message failed too often."""
        return any(event.event_id in _event_ids(letter.body) for letter in self.queue.list(_ALL))

    @_Once
    def _enroller(self) -> Enroller:
        return self.enroller()

    @_Once
    def _state(self) -> Database:
        return self._opened(Database(self.directory.state, STATE))

    @_Once
    def _gallery(self) -> Database:
        return self._opened(Database(self.directory.gallery, GALLERY))

    def _opened(self, database: Database) -> Database:
        self._databases.append(database)
        return database


def _event_ids(body: str) -> list[str]:
    try:
        return [event.event_id for event in from_json(body)]
    except InputError:  # buried because it is no notification
        return []
