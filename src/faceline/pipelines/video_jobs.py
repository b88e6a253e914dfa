"""Jobs on stored videos, as the Rekognition API has them: object → faces with their times, and whom they are like."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np

from faceline.engine.analyzer import Analyzer, Sighting, Wanted
from faceline.engine.networks import AttributeNetwork
from faceline.errors import InputError, MissingExtraError, ModelError, NotFoundError
from faceline.gallery.collection import Collection
from faceline.pipelines.clips import sighted
from faceline.pipelines.fetching import fetched_clip
from faceline.pipelines.following import Follower, Track
from faceline.pipelines.telling import Tell, job_ended, untold
from faceline.pipelines.worker import BusyError, Worker
from faceline.ports import (
    ObjectStore,
    VideoFacts,
    VideoJob,
    VideoJobs,
    VideoJobState,
    VideoOutcome,
    VideoSighting,
    VideoSightings,
    VideoTask,
)
from faceline.types import Embedding, FaceMatch
from faceline.videos import Clip, Sampling, VideoFrame, VideoLimits, opened_file

MOST_FACES = 100  # of one frame, the largest
_MOST_MATCHES = 10  # of one person
_BATCH = 200
_FAILED = "the server failed; its log says why"
_log = logging.getLogger("faceline.pipelines.video_jobs")


@dataclass(frozen=True, slots=True)
class Seeing:
    """How videos are looked at. workers: threads that detect. floor: matches need at least what the collection's rule
    asks for, whatever the task says.
    """

    limits: VideoLimits
    sampling: Sampling
    wanted: Wanted
    workers: int
    floor: bool


@dataclass(frozen=True, slots=True)
class VideoJobRunner:
    """Does jobs by their ids. attempts: after so many a job has failed.

    analyzer: embeds as a collection needs it. collection: raises NotFoundError when there is none. usable: those
    networks that can be had. tell: of jobs that ended and name a topic.
    """

    jobs: VideoJobs
    sightings: VideoSightings
    objects: ObjectStore
    seeing: Seeing
    analyzer: Callable[[str | None], Analyzer]
    collection: Callable[[str], Collection]
    usable: Callable[[Iterable[AttributeNetwork]], set[AttributeNetwork]]
    attempts: int
    tell: Tell = untold

    def take(self, job_id: str, stop: threading.Event | None = None) -> None:
        """Begins the job and ends it, unless it has ended.

        A video that cannot be used fails its job; what else goes wrong is raised, until the last attempt. Raises
        BusyError when another worker began it meanwhile, and when it breaks off because `stop` is set.
        """
        job = self.jobs.begin(job_id)
        if job is None:
            self._tell_again(job_id)
            return
        outcome = self._attempted(job, stop or threading.Event())
        if not self.jobs.finish(job_id, job.attempt, outcome):
            raise _overtaken(job)
        self._tell_end(job, outcome)
        facts = {"job_id": job_id, "state": outcome.state, "reason": outcome.message, "attempt": job.attempt}
        _log.info("video job ended", extra=facts)

    def give_up(self, job_id: str, reason: str) -> None:
        """Fails a job that no message asks for any more."""
        job = self.jobs.begin(job_id)
        if job is not None:
            _log.error("video job given up", extra={"job_id": job_id, "reason": reason})
            outcome = _failed(_FAILED)
            if self.jobs.finish(job_id, job.attempt, outcome):
                self._tell_end(job, outcome)

    def _tell_again(self, job_id: str) -> None:
        """For a process that was killed between the end of a job and its telling."""
        try:
            job = self.jobs.get(job_id)
        except NotFoundError:
            return
        if job.outcome:
            self._tell_end(job, job.outcome)

    def _tell_end(self, job: VideoJob, outcome: VideoOutcome) -> None:
        if job.task.topic is not None:
            self.tell(job_ended(job, outcome))

    def _attempted(self, job: VideoJob, stop: threading.Event) -> VideoOutcome:
        if job.attempt > self.attempts:
            _log.error("video job given up", extra={"job_id": job.job_id, "attempts": self.attempts})
            return _failed(f"it was tried {self.attempts} times and never ended; {_FAILED}")
        try:
            return self._outcome(job, stop)
        except BusyError:
            raise
        except (InputError, NotFoundError, ModelError, MissingExtraError) as error:
            return _failed(str(error))
        except Exception:
            if job.attempt < self.attempts:
                raise
            _log.exception("video job failed", extra={"job_id": job.job_id})
            return _failed(_FAILED)

    def _outcome(self, job: VideoJob, stop: threading.Event) -> VideoOutcome:
        task, seeing = job.task, self.seeing
        search = None if task.collection is None else self._search(task, task.collection)
        analyzer, wanted, source = self.analyzer(task.collection), self._wanted(task), f"{task.bucket}/{task.key}"
        log, last_s = _Log(self.sightings, job), 0.0
        with (
            fetched_clip(self.objects, task.bucket, task.key, seeing.limits.max_bytes) as (_, file),
            opened_file(file, seeing.limits, seeing.sampling, source) as clip,
        ):
            for frame, seen in sighted(clip.frames, lambda each: analyzer.sight(each, wanted), seeing.workers):
                if stop.is_set():
                    raise BusyError(f"the job {job.job_id} goes on after the next start")
                people = search.people(frame, seen) if search else None
                log.write(frame, seen, people)
                last_s = frame.time_s
            facts = _facts(clip, last_s)
        log.flush()
        if search is None:
            return VideoOutcome(VideoJobState.SUCCEEDED, video=facts)
        numbers = search.finish()
        if not self.sightings.renumber(job.job_id, job.attempt, numbers):
            raise _overtaken(job)
        return VideoOutcome(VideoJobState.SUCCEEDED, video=facts, matches=search.matches)

    def _wanted(self, task: VideoTask) -> Wanted:
        usable = self.usable([name for name in get_args(AttributeNetwork) if name in task.attributes])
        return replace(
            self.seeing.wanted,
            embeddings=False,
            emotions="emotions" in usable,
            mesh="mesh" in usable,
            gender="gender" in usable,
            most_faces=MOST_FACES,
        )

    def _search(self, task: VideoTask, name: str) -> "_Search":
        collection = self.collection(name)
        least = task.min_similarity
        if self.seeing.floor:
            least = max(least, collection.rule.threshold(collection.faces()))
        follower = Follower(self.analyzer(name).embed_chips, collection.scorer)
        return _Search(follower, collection, least)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoJobWorker(Worker):
    """Breaks its job off when it is told to stop, and gives it back: a video may take hours."""

    runner: VideoJobRunner

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set."""
        Worker.run(replace(self, work=lambda job_id: self.runner.take(job_id, stop)), stop)


@dataclass(slots=True, eq=False)
class _Log:
    """Stores what is seen, some frames at a time, so that memory does not grow with the video."""

    sightings: VideoSightings
    job: VideoJob
    waiting: list[VideoSighting] = field(default_factory=list)

    def write(self, frame: VideoFrame, seen: Sequence[Sighting], people: Sequence[int] | None) -> None:
        time_ms = round(frame.time_s * 1000)
        numbers = people if people is not None else [None] * len(seen)
        self.waiting += [VideoSighting(time_ms, each.face, n) for each, n in zip(seen, numbers, strict=True)]
        if len(self.waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Raises BusyError when another worker has the job."""
        if not self.sightings.add(self.job.job_id, self.job.attempt, self.waiting):
            raise _overtaken(self.job)
        self.waiting = []


@dataclass(slots=True, eq=False)
class _Search:
    """Follows the faces of one clip, and searches the collection for each person once, by the best few shots.

    matches: of people by their number, from 0, where there are any. shown: people who are more than noise.
    """

    follower: Follower
    collection: Collection
    least: float
    matches: dict[int, tuple[FaceMatch, ...]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    shown: set[int] = field(default_factory=set)

    def people(self, frame: VideoFrame, sightings: Sequence[Sighting]) -> list[int]:
        """Whom each sighting shows; see `finish`."""
        numbers = [number - 1 for number in self.follower.add(frame, sightings)]
        self.seen.update(numbers)
        self._match(self.follower.ended())
        return numbers

    def finish(self) -> dict[int, int]:
        """The number that each one has for good. Some turned out to be others; noise is left out."""
        self._match(self.follower.finish())
        final = {number: self.follower.joined(number + 1) - 1 for number in self.seen}
        return {number: goal for number, goal in final.items() if goal in self.shown}

    def _match(self, tracks: Iterable[Track]) -> None:
        for track in tracks:
            number = track.number - 1
            self.shown.add(number)
            found = self.collection.search_faces(_mean(track), _MOST_MATCHES, self.least)
            if found:
                self.matches[number] = tuple(found)


def _mean(track: Track) -> Embedding:
    """What the track's best shots have in common, the better ones counting for more."""
    shots = [(face.embedding, weight) for face, weight in track.embedded if face.embedding is not None]
    total = np.sum([embedding.values * weight for embedding, weight in shots], axis=0)
    return Embedding((total / np.linalg.norm(total)).astype(np.float32), shots[0][0].model)


def _facts(clip: Clip, last_s: float) -> VideoFacts:
    info = clip.info
    duration_s = last_s if info.duration_s is None else info.duration_s
    return VideoFacts(info.width, info.height, round(duration_s * 1000), info.fps, info.codec, info.container)


def _failed(message: str) -> VideoOutcome:
    return VideoOutcome(VideoJobState.FAILED, message)


def _overtaken(job: VideoJob) -> BusyError:
    return BusyError(f"another worker does the job {job.job_id}")
