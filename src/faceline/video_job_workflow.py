"""Rekognition's jobs on stored videos put together. Part of the composition root."""

from collections.abc import Callable

from faceline.engine.analyzer import Analyzer
from faceline.engines import Engines
from faceline.gallery.collection import Collection
from faceline.loading import wanted, worker_count
from faceline.local.queue import SqliteQueue
from faceline.pipelines.clips import video_limits
from faceline.pipelines.telling import Tell
from faceline.pipelines.video_jobs import Seeing, VideoJobRunner, VideoJobWorker
from faceline.pipelines.worker import Worker
from faceline.ports import VideoJob, VideoTask
from faceline.storage import Storage
from faceline.videos import Sampling

VIDEO_JOBS = "rekognition-video"
_ALL = 1_000_000  # dead letters: more than anybody has


class VideoJobWorkflow:
    """collection, analyzer: by a collection's name. tell: of a job that ended."""

    def __init__(
        self,
        storage: Storage,
        engines: Engines,
        collection: Callable[[str], Collection],
        analyzer: Callable[[str | None], Analyzer],
        tell: Tell,
    ) -> None:
        self._storage, self._engines = storage, engines
        self._collection, self._analyzer, self._tell = collection, analyzer, tell

    @property
    def queue(self) -> SqliteQueue:
        return self._storage.queue_of(VIDEO_JOBS)

    def start(self, task: VideoTask, token: str | None, limit: int) -> VideoJob:
        """As of `ports.VideoJobs`; the job's turn comes among those that were started before."""
        job = self._storage.video_jobs.start(task, token, limit)
        if job.outcome is None:
            self.queue.send(job.job_id, deduplication_id=job.job_id)
        return job

    def worker(self) -> Worker:
        """Those jobs that an earlier process left are asked for again."""
        queue, runner = self.queue, self._runner()
        dead = {letter.body: letter.reason for letter in queue.list(_ALL)}
        for job_id in self._storage.video_jobs.unfinished():
            if job_id in dead:
                runner.give_up(job_id, dead[job_id])
            else:
                queue.send(job_id, deduplication_id=job_id)
        lease_s = self._storage.settings.lease_s
        return VideoJobWorker(queue=queue, dead_letters=queue, work=runner.take, lease_s=lease_s, runner=runner)

    def _runner(self) -> VideoJobRunner:
        s, jobs = self._storage.settings, self._storage.video_jobs
        seeing = Seeing(video_limits(s), Sampling(s.follow_per_second), wanted(s), worker_count(s), s.search_floor)
        return VideoJobRunner(
            jobs=jobs,
            sightings=jobs,
            objects=self._storage.objects,
            seeing=seeing,
            analyzer=self._analyzer,
            collection=self._known,
            usable=self._engines.usable,
            attempts=max(s.max_receives - 1, 1),  # the last delivery is left for saying that the others failed
            tell=self._tell,
        )

    def _known(self, name: str) -> Collection:
        """Raises NotFoundError when there is none."""
        self._storage.collections.model(name)
        return self._collection(name)
