"""The composition root: which adapter does what, opened when first needed and closed together."""

import hashlib
import json
import logging
from collections.abc import Mapping
from functools import partial, reduce
from typing import Any

from faceline.acting import acting
from faceline.assembly.faces import OwnEngine
from faceline.assembly.images import ImageWork
from faceline.assembly.videos import RECOGNITION, SPLITTING
from faceline.config import Settings
from faceline.engine.analyzer import Analyzer
from faceline.engines import Engines
from faceline.erasure import Forgets
from faceline.erasure_workflow import ErasureWorkflow, RetentionWorkflow
from faceline.errors import ConflictError, ModelMismatchError, NotFoundError, QuotaError, UsageError
from faceline.events import ObjectCreated, event_ids, to_json
from faceline.files import is_file
from faceline.frame_workflow import FrameWorkflow
from faceline.gallery.collection import Collection
from faceline.gallery.enrolment import Enroller, Outcome, Photo
from faceline.gallery.keeping import Keeping
from faceline.gallery.names import like_names, problem_of
from faceline.gallery.ports import CollectionInfo
from faceline.loading import image_limits, wanted, worker_count
from faceline.local.audit import user
from faceline.local.queue import SqliteQueue
from faceline.local.watch import BucketWatcher
from faceline.matching_workflow import MatchingWorkflow
from faceline.migration_workflow import CollectionCalibrations, MigrationWorkflow
from faceline.notices import Notice
from faceline.notify_workflow import NotifyWorkflow
from faceline.pipelines.belongings import Belongings
from faceline.pipelines.forgetting import Forgotten
from faceline.pipelines.images import ImagePipeline, Places
from faceline.pipelines.matching import Review
from faceline.pipelines.receipted import Receipted
from faceline.pipelines.retention import Hourly
from faceline.pipelines.worker import Runs, Worker
from faceline.review_workflow import ReviewWorkflow
from faceline.similarity import Rule, Scorer
from faceline.storage import Once, Storage
from faceline.video_job_workflow import VIDEO_JOBS, VideoJobWorkflow
from faceline.video_workflow import VideoWorkflow

_log = logging.getLogger("faceline.app")

QUEUE = "face-input-queue"
_DEFAULT_MODEL = Settings().model
_ALL = 1_000_000  # dead letters: more than anybody has


class App(Storage):
    """The embedded profile over one data directory. threads: cores for one photo, unless the settings say a number."""

    def __init__(self, settings: Settings, threads: int = 1) -> None:
        super().__init__(settings)
        self.engines = Engines(settings, threads)
        self.actor = f"user:{user()}"  # of whom the audit log speaks
        self._collections: dict[str, Collection] = {}
        self._told: set[str] = set()

    @property
    def queue(self) -> SqliteQueue:
        """Of photos to work on."""
        return self.queue_of(QUEUE)

    def queues(self) -> list[SqliteQueue]:
        """All queues that work is done from; the dead letters of each are its own."""
        names = self.settings.names
        others = (names.requests, SPLITTING, RECOGNITION, VIDEO_JOBS, names.matching)
        return [self.queue_of(name) for name in (QUEUE, *others)]

    @Once
    def rule(self) -> Rule:
        s = self.settings
        return Rule(s.strangers_named, s.min_similarity, s.ambiguity_margin)

    @Once
    def videos(self) -> VideoWorkflow:
        """Workflows 3 and 4. Raises SettingError for buckets that cannot be told apart."""
        return VideoWorkflow(self, self.engines, self.collection, self.analyzer, self._seen)

    @Once
    def jobs(self) -> VideoJobWorkflow:
        """The Rekognition API's jobs on videos."""
        return VideoJobWorkflow(self, self.engines, self.collection, self.analyzer, self.notices.put)

    @Once
    def notify(self) -> NotifyWorkflow:
        """Brings `notices` to the targets. Raises SettingError for targets that cannot be told apart."""
        return NotifyWorkflow(self)

    @Once
    def reviews(self) -> ReviewWorkflow:
        """What people decide about the answers."""
        return ReviewWorkflow(self, self.collection, self.analyzer, self.rule, self.keeping, self.note)

    @Once
    def migration(self) -> MigrationWorkflow:
        return MigrationWorkflow(self, self.engines, self.rule, self._scorer)

    @Once
    def calibrated(self) -> CollectionCalibrations:
        return CollectionCalibrations(self, self.engines)

    @Once
    def frames(self) -> FrameWorkflow:
        """Workflow 2. Raises SettingError for queues that cannot be told apart."""
        others = (QUEUE, VIDEO_JOBS, SPLITTING, RECOGNITION, self.settings.names.matching)
        return FrameWorkflow(self, self.collection, self.analyzer, others)

    @Once
    def matching(self) -> MatchingWorkflow:
        """Workflow 5. Raises SettingError for buckets, folders or queues that cannot be told apart, and for a pattern
        that cannot be used.
        """
        others = (QUEUE, VIDEO_JOBS, SPLITTING, RECOGNITION)
        reviews, name = self.reviews, self.settings.names.matching_collection
        settled_apart, standing_for = partial(reviews.settled_apart, name), partial(self.merging.merged_into, name)
        review = Review(settled_apart, reviews.reported, standing_for)
        return MatchingWorkflow(self, self.own_engine.of, self.notices, others, review)

    def _seen(self, notice: Notice) -> bool:
        return self.notify.seen(notice)

    def model_of(self, collection: str | None = None) -> str:
        """What a collection is pinned to, the settings' collection unless named; for a new one the default."""
        default = self.engines.model  # a model that is set and not here is told, whatever the collection has
        if not is_file(self.settings.data / "schema"):  # what only asks must not make a data directory
            return default
        name = collection or self.settings.collection
        try:
            model = self.collections.model(name)
        except NotFoundError:
            return default
        if model != default and self.settings.model != _DEFAULT_MODEL and name not in self._told:
            self._told.add(name)
            _log.warning(
                "collection %s keeps its model, %s; the setting model=%s is for new ones "
                "(`faceline collections migrate` moves one)",
                name,
                model,
                self.settings.model,
            )
        return model

    def analyzer(self, collection: str | None = None) -> Analyzer:
        """Embeds as a collection needs it, the settings' collection unless named. Raises ModelError."""
        return self.engines.analyzer(self.model_of(collection))

    def scorer(self, collection: str | None = None) -> Scorer:
        """Compares what `analyzer` embeds, by the collection's own calibration where it has one. Raises ModelError."""
        return self._scorer(collection or self.settings.collection, self.model_of(collection))

    def _scorer(self, collection: str, model: str) -> Scorer:
        if not is_file(self.settings.data / "schema"):
            return self.engines.scorer(model)
        return self.calibrated.scorer(collection, model)

    def collection(self, name: str | None = None) -> Collection:
        """The collection in memory, shared by all callers in this process. It need not exist yet."""
        name = name or self.settings.collection
        with self._lock:
            if name not in self._collections:
                self._collections[name] = Collection(
                    name,
                    self.face_records,
                    self.scorer(name),
                    self.rule,
                    self.settings.person_score,
                    self.negatives,
                )
                self._collections[name].scorer_of = partial(self._scorer, name)
            return self._collections[name]

    def create_collection(self, name: str, tags: Mapping[str, str]) -> CollectionInfo:
        """An empty one. Raises ConflictError when there is one, QuotaError when there are too many."""
        with self._lock:
            known, limit = self.collections.models(), self.settings.quota_collections
            if name in known:
                raise ConflictError(f"there is a collection {name} already; use it, or delete it first")
            if len(known) >= limit:
                raise QuotaError(f"there are {len(known)} collections, at most {limit} are kept; delete one")
            info = self.collections.create(name, self.engines.model)
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
        analyzer = self.analyzer(name)
        self.collections.create(name, analyzer.model)
        s = self.settings
        return Enroller(name, self.face_records, analyzer, wanted(s), image_limits(s), self.keeping)

    @property
    def keeping(self) -> Keeping:
        """What is kept of who is enrolled."""
        s = self.settings
        return Keeping(s.keep_crops, self.consents, s.consent_required, partial(self.note, "enroll"))

    def enroll(self, photo: Photo) -> Outcome:
        """Enrols into the settings' collection, which is made again when somebody dropped it."""
        try:
            return self._enroller.enroll_photo(photo)
        except (NotFoundError, ModelMismatchError):  # dropped, or given another model
            with self._lock:
                self.__dict__.pop("_enroller", None)
            return self._enroller.enroll_photo(photo)

    def pipeline(self) -> ImagePipeline:
        """Raises ModelMismatchError when the settings' collection was built with another model."""
        if self.settings.collection:
            self._enroller  # noqa: B018 (opened now, so that a wrong collection is told at the start)
        return self.images.pipeline()

    @property
    def own_engine(self) -> OwnEngine:
        """Our networks and collections, as workflows 1 and 5 ask for faces."""
        return OwnEngine(self, self.collection, self.analyzer, self.enroll)

    @property
    def images(self) -> ImageWork:
        """Workflow 1."""
        name = self.settings.collection
        keeper = self.reviews.keeper(name) if name else None
        keep = keeper.keep if keeper else None
        return ImageWork(self, self.own_engine.loaded, self._seen, keep)

    @property
    def places(self) -> Places:
        """Raises SettingError for prefixes that cannot be told apart: results would be taken for photos."""
        return Places.of(self.settings)

    def workers(self) -> list[Runs]:
        """All that `up` runs, each in a thread of its own."""
        photos = [self.worker() for _ in range(worker_count(self.settings))]
        workflows = [*self.matching.workers(), *self.frames.workers(), *self.videos.workers()]
        return [*photos, *workflows, self.jobs.worker(), *self.notify.workers(), Hourly(self.expiry.run)]

    def worker(self) -> Worker:
        """Of photos."""
        self.pipeline()  # what is wrong with it is told now
        work = Receipted(self.receipts, self._handle, self.settings.lease_s).take
        return Worker(self.queue, self.queue, work, self.settings.lease_s)

    def _handle(self, event: ObjectCreated) -> dict[str, Any]:
        return self.images.handle(event)

    def watcher(self) -> BucketWatcher:
        """Sends a message for every photo, clip, gallery file and image to match that arrives where work starts."""
        s = self.settings
        places = [(s.input_bucket, s.input_prefix), (s.input_bucket, s.enroll_prefix)]
        places += [(self.videos.names.input, ""), (self.videos.names.embeddings, ""), self.matching.place]
        return BucketWatcher(self.objects, places, self.announce, s.settle_s)

    def announce(self, event: ObjectCreated) -> None:
        """Asks for the work on new bytes; the same bytes may have been under this key before others were."""
        self.receipts.discard(event.event_id)
        # With the time, so that a message in hand, which may have seen other bytes, does not swallow this one.
        queue = self._queue_for(event.bucket)
        queue.send(to_json(event), deduplication_id=f"{event.event_id} {event.time}")

    @Once
    def erasure(self) -> ErasureWorkflow:
        """Raises SettingError as `places` and `videos` do."""
        return ErasureWorkflow(self, self.places, self.videos, self._stores(), self.delete_object)

    def _stores(self) -> dict[str, Forgets]:
        """All that may name a person beside the gallery, records and results, by what receipts call it."""
        return {
            "answers": self.frames,
            "notices": self.notices,
            "match reports": self.matching.reports,
            "reviews": self.reviews,
        }

    def forget(self, name: str, collection: str | None = None, group_photos: str = "keep") -> Forgotten:
        """Deletes a person from one collection, or from all and from the results too; see `pipelines.forgetting`.

        group_photos: `keep` or `delete` photos and clips that show others too. Raises NotFoundError when nothing
        anywhere names them.
        """
        problem = problem_of(name)
        if problem:
            raise UsageError(f"nobody can be forgotten by this name: {problem}")
        if group_photos not in ("keep", "delete"):
            raise UsageError(f"group_photos is {group_photos!r}; say 'keep' or 'delete'")
        aliases = self.aliases(name, collection)  # first, for who was merged is not known afterwards
        earlier = [self._forget_alias(alias, name, collection, group_photos == "delete") for alias in aliases]
        try:
            done = self.erasure.forget(self.erasure.find(name, collection), group_photos == "delete")
        except NotFoundError as error:
            raise NotFoundError(f"{error}{like_names(name, self.known_names())}") from error
        self.note("forget", collection, name, sum(done.removed.values()), {"receipt": done.receipt})
        return done.joined(earlier)

    def _forget_alias(self, alias: str, name: str, collection: str | None, among_others: bool) -> Forgotten:
        done = self.erasure.forget_alias(alias, name, collection, among_others)
        self.note("forget", collection, alias)
        return done

    def aliases(self, name: str, collection: str | None = None) -> list[str]:
        """Earlier names of a person, and whom reviewers merged into them, unless somebody else is called so now."""
        where = [collection] if collection else self.collections.models()
        find = self.face_records.find
        found = ((each, alias) for each in where for alias in self.reviews.aliases(each, name))
        return sorted({alias for each, alias in found if all(face.person == name for face in find(each, person=alias))})

    def belongings(self, name: str, collection: str | None = None) -> Belongings:
        """What `forget` would go through, of this name and of earlier ones."""
        found = [self.erasure.find(each, collection) for each in (name, *self.aliases(name, collection))]
        return reduce(Belongings.joined, found)

    def note(
        self,
        action: str,
        collection: str | None = None,
        person: str | None = None,
        count: int | None = None,
        detail: Mapping[str, str | float | None] | None = None,
        actor: str | None = None,
    ) -> None:
        """Into the audit log, as of `local.audit.AuditLog`. person: a name. actor: somebody else than this app's."""
        self.erasure.audit.note(actor or acting() or self.actor, action, collection, person, count, detail)

    @Once
    def expiry(self) -> RetentionWorkflow:
        """How long things are kept, and their end."""
        uploads = ((self.settings.input_bucket, self.settings.enroll_prefix), self.matching.place)
        return RetentionWorkflow(
            self, self.videos, uploads, self.delete_object, self.forget, self.reviews.expire, self.note
        )

    def delete_object(self, bucket: str, key: str) -> None:
        """Deletes an object; with an uploaded photo go its records, its result and its receipt."""
        if self.starts_work(bucket, key):
            self._delete_results(bucket, key)
        self.objects.delete(bucket, key)

    def _delete_results(self, bucket: str, key: str) -> None:
        try:
            info = self.objects.head(bucket, key)
            event = ObjectCreated(bucket, key, info.etag, info.size, info.modified_at)
        except NotFoundError:  # taken out of the folder: what was made of it is there still
            event = ObjectCreated(bucket, key, self.objects.index.last_etag(bucket, key) or "", 0, "")
        if self.matching.starts_work(bucket, key):
            self.matching.delete(event)
            return
        done = json.loads(self.receipts.result(event.event_id) or "{}")
        self.receipts.discard(event.event_id)
        self.records.delete(bucket, key)
        self.activity.drop(bucket, key)
        self.reviews.drop_source(f"{bucket}/{key}")
        if "processed" in done:
            self.objects.delete(bucket, done["processed"])
        self.videos.delete_results(event, done)

    @Once
    def page_key(self) -> bytes:
        """The secret that pagination tokens are sealed with; the same after a restart."""
        return hashlib.sha256(b"pagination" + self.admin_key().encode()).digest()

    def starts_work(self, bucket: str, key: str) -> bool:
        """Whether an object of this name is a photo, a clip, a gallery file or an image to match."""
        s = self.settings
        if bucket == s.input_bucket:
            return key.startswith((s.input_prefix, s.enroll_prefix))
        return bucket in (s.names.input, s.names.embeddings) or self.matching.starts_work(bucket, key)

    def _queue_for(self, bucket: str) -> SqliteQueue:
        """Where what arrives in a bucket waits for its turn."""
        of_bucket = {self.settings.input_bucket: self.queue, self.settings.names.images: self.matching.queue}
        return of_bucket.get(bucket, self.videos.queue)

    def death_of(self, event: ObjectCreated) -> str | None:
        """Why the event's message became a dead letter; None while it is none."""
        dead = (letter for letter in self._queue_for(event.bucket).list(_ALL))
        return next((letter.reason for letter in dead if event.event_id in event_ids(letter.body)), None)

    @Once
    def _enroller(self) -> Enroller:
        return self.enroller()
