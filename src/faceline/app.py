"""The composition root: which adapter does what, opened when first needed and closed together."""

import hashlib
import json
from collections.abc import Mapping

from faceline.config import Settings
from faceline.engine.analyzer import Analyzer
from faceline.engines import Engines
from faceline.errors import ConflictError, InputError, NotFoundError, QuotaError, SettingError, UsageError
from faceline.events import ObjectCreated, from_json, to_json
from faceline.files import is_file
from faceline.frame_workflow import FrameWorkflow
from faceline.gallery.collection import Collection
from faceline.gallery.enrolment import Enroller, Outcome, Photo
from faceline.gallery.names import problem_of
from faceline.gallery.ports import CollectionInfo
from faceline.loading import image_limits, wanted, worker_count
from faceline.local.queue import SqliteQueue
from faceline.local.watch import BucketWatcher
from faceline.pipelines.clips import video_limits
from faceline.pipelines.forgetting import Eraser, Forgotten
from faceline.pipelines.images import ImagePipeline, Places
from faceline.pipelines.receipted import Receipted
from faceline.pipelines.video_jobs import Seeing, VideoJobRunner, VideoJobWorker
from faceline.pipelines.worker import Worker
from faceline.ports import VideoJob, VideoTask
from faceline.similarity import Rule, Scorer
from faceline.storage import Once, Storage
from faceline.video_workflow import RECOGNITION, SPLITTING, VideoWorkflow
from faceline.videos import Sampling

QUEUE, VIDEO_JOBS = "face-input-queue", "rekognition-video"
_ALL = 1_000_000  # dead letters: more than anybody has


class App(Storage):
    """The embedded profile over one data directory. threads: cores for one photo, unless the settings say a number."""

    def __init__(self, settings: Settings, threads: int = 1) -> None:
        super().__init__(settings)
        self.engines = Engines(settings, threads)
        self._collections: dict[str, Collection] = {}

    @property
    def queue(self) -> SqliteQueue:
        """Of photos to work on."""
        return self.queue_of(QUEUE)

    def queues(self) -> list[SqliteQueue]:
        """All queues that work is done from; the dead letters of each are its own."""
        names = self.settings.names
        return [self.queue_of(name) for name in (QUEUE, names.requests, SPLITTING, RECOGNITION, VIDEO_JOBS)]

    @Once
    def rule(self) -> Rule:
        s = self.settings
        return Rule(s.strangers_named, s.min_similarity, s.ambiguity_margin)

    @Once
    def videos(self) -> VideoWorkflow:
        """Workflows 3 and 4. Raises SettingError for buckets that cannot be told apart."""
        return VideoWorkflow(self, self.engines, self.collection, self.analyzer)

    @Once
    def frames(self) -> FrameWorkflow:
        """Workflow 2. Raises SettingError for queues that cannot be told apart."""
        return FrameWorkflow(self, self.collection, self.analyzer, (QUEUE, VIDEO_JOBS, SPLITTING, RECOGNITION))

    def model_of(self, collection: str | None = None) -> str:
        """What a collection is pinned to, the settings' collection unless named; for a new one the default."""
        if not is_file(self.settings.data / "schema"):  # what only asks must not make a data directory
            return self.engines.model
        try:
            return self.collections.model(collection or self.settings.collection)
        except NotFoundError:
            return self.engines.model

    def analyzer(self, collection: str | None = None) -> Analyzer:
        """Embeds as a collection needs it, the settings' collection unless named. Raises ModelError."""
        return self.engines.analyzer(self.model_of(collection))

    def scorer(self, collection: str | None = None) -> Scorer:
        """Compares what `analyzer` embeds. Raises ModelError."""
        return self.engines.scorer(self.model_of(collection))

    def collection(self, name: str | None = None) -> Collection:
        """The collection in memory, shared by all callers in this process. It need not exist yet."""
        name = name or self.settings.collection
        with self._lock:
            if name not in self._collections:
                self._collections[name] = Collection(
                    name, self.face_records, self.scorer(name), self.rule, self.settings.person_score
                )
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
        return Enroller(name, self.face_records, analyzer, wanted(s), image_limits(s), s.keep_crops)

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
            analyzer=self.analyzer(),
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

    def workers(self) -> list[Worker]:
        """All that `up` runs, each in a thread of its own."""
        photos = [self.worker() for _ in range(worker_count(self.settings))]
        return [*photos, *self.frames.workers(), *self.videos.workers(), self.video_job_worker()]

    def worker(self) -> Worker:
        """Of photos."""
        work = Receipted(self.receipts, self.pipeline().handle, self.settings.lease_s).take
        return Worker(self.queue, self.queue, work, self.settings.lease_s)

    def start_video_job(self, task: VideoTask, token: str | None, limit: int) -> VideoJob:
        """As of `ports.VideoJobs`; the job's turn comes among those that were started before."""
        job = self.video_jobs.start(task, token, limit)
        if job.outcome is None:
            self.queue_of(VIDEO_JOBS).send(job.job_id, deduplication_id=job.job_id)
        return job

    def video_job_worker(self) -> Worker:
        """Of jobs on stored videos; those that an earlier process left are asked for again."""
        queue, runner = self.queue_of(VIDEO_JOBS), self._video_job_runner()
        dead = {letter.body: letter.reason for letter in queue.list(_ALL)}
        for job_id in self.video_jobs.unfinished():
            if job_id in dead:
                runner.give_up(job_id, dead[job_id])
            else:
                queue.send(job_id, deduplication_id=job_id)
        lease_s = self.settings.lease_s
        return VideoJobWorker(queue=queue, dead_letters=queue, work=runner.take, lease_s=lease_s, runner=runner)

    def _video_job_runner(self) -> VideoJobRunner:
        s, jobs = self.settings, self.video_jobs
        seeing = Seeing(video_limits(s), Sampling(s.follow_per_second), wanted(s), worker_count(s), s.search_floor)
        # The last delivery is left for saying that the others failed.
        attempts = max(s.max_receives - 1, 1)
        return VideoJobRunner(
            jobs, jobs, self.objects, seeing, self.analyzer, self._known_collection, self.engines.usable, attempts
        )

    def _known_collection(self, name: str) -> Collection:
        """Raises NotFoundError when there is none."""
        self.collections.model(name)
        return self.collection(name)

    def watcher(self) -> BucketWatcher:
        """Sends a message for every photo, clip and gallery file that arrives where work starts."""
        s = self.settings
        places = [(s.input_bucket, s.input_prefix), (s.input_bucket, s.enroll_prefix)]
        places += [(self.videos.names.input, ""), (self.videos.names.embeddings, "")]
        return BucketWatcher(self.objects, places, self.announce, s.settle_s)

    def announce(self, event: ObjectCreated) -> None:
        """Asks for the work on new bytes; the same bytes may have been under this key before others were."""
        self.receipts.discard(event.event_id)
        # With the time, so that a message in hand, which may have seen other bytes, does not swallow this one.
        queue = self.queue if event.bucket == self.settings.input_bucket else self.videos.queue
        queue.send(to_json(event), deduplication_id=f"{event.event_id} {event.time}")

    def forget(self, name: str, collection: str | None = None) -> Forgotten:
        """Deletes a person from one collection, or from all and from the results too; see `pipelines.forgetting`."""
        problem = problem_of(name)
        if problem:
            raise UsageError(f"nobody can be forgotten by this name: {problem}")
        names = [collection] if collection else [info.name for info in self.collections.list()]
        eraser = Eraser(
            self.face_records,
            self.people,
            self.objects,
            self.records,
            self.receipts,
            self.places,
            self.videos.outputs,
            self.videos.forget_in_gallery,
        )
        photos = not collection or collection == self.settings.collection
        if photos:
            self.frames.forget(name)
        return eraser.forget(name, names, photos, clips=not collection or collection == self.videos.collection_name())

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
        self.videos.delete_results(event, done)

    @Once
    def page_key(self) -> bytes:
        """The secret that pagination tokens are sealed with; the same after a restart."""
        return hashlib.sha256(b"pagination" + self.admin_key().encode()).digest()

    def starts_work(self, bucket: str, key: str) -> bool:
        """Whether an object of this name is a photo, a clip or a gallery file to work on."""
        s = self.settings
        if bucket == s.input_bucket:
            return key.startswith((s.input_prefix, s.enroll_prefix))
        return bucket in (s.names.input, s.names.embeddings)

    def is_dead(self, event: ObjectCreated) -> bool:
        """Whether the event's message failed too often."""
        queue = self.queue if event.bucket == self.settings.input_bucket else self.videos.queue
        return any(event.event_id in _event_ids(letter.body) for letter in queue.list(_ALL))

    @Once
    def _enroller(self) -> Enroller:
        return self.enroller()


def _event_ids(body: str) -> list[str]:
    try:
        return [event.event_id for event in from_json(body)]
    except InputError:  # buried because it is no notification
        return []
