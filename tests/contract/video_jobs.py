"""What every store of video jobs must do. A subclass gives the fixture `store`, with the `clock` of its time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import pytest

from contract.conftest import Clock
from faceline.errors import ConflictError, NotFoundError, QuotaError
from faceline.ports import (
    VideoFacts,
    VideoJobs,
    VideoJobState,
    VideoOutcome,
    VideoSighting,
    VideoSightings,
    VideoTask,
)
from faceline.types import BoundingBox, Emotion, FaceMatch, GenderGuess, MeshFace, Trait
from made import face, vector

TASK = VideoTask("videos", "a.mp4", "tag", ("emotions",), "staff", 75.5)
DONE = VideoOutcome(VideoJobState.SUCCEEDED, "", VideoFacts(640, 480, 2500, 25.0), {0: (FaceMatch("f", 99.5),)})
FAILED = VideoOutcome(VideoJobState.FAILED, "no video")
DAYS_S = 86_400.0


class Store(VideoJobs, VideoSightings, Protocol): ...


def seen(time_ms: int, person: int | None = None) -> VideoSighting:
    return VideoSighting(time_ms, face(box=BoundingBox(time_ms, 2.5, 40.0, 50.0)), person)


def told(rows: Sequence[tuple[int, VideoSighting]]) -> list[tuple[int, int | None]]:
    return [(sighting.time_ms, sighting.person) for _, sighting in rows]


class VideoJobsContract:
    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        raise NotImplementedError

    def test_a_job_goes_from_start_to_its_outcome(self, store: Store) -> None:
        job = store.start(TASK, None, 1)
        assert store.get(job.job_id) == job
        assert (job.task, job.attempt, job.outcome) == (TASK, 0, None)
        assert store.begin(job.job_id) == replace(job, attempt=1)
        assert store.unfinished() == [job.job_id]
        assert store.finish(job.job_id, 1, DONE)
        assert store.get(job.job_id) == replace(job, attempt=1, outcome=DONE)
        assert store.unfinished() == []
        assert store.begin(job.job_id) is None

    def test_a_job_that_is_not_there_is_said_not_to_be(self, store: Store) -> None:
        with pytest.raises(NotFoundError, match="no job nothing; results are kept for 7 days"):
            store.get("nothing")
        assert store.begin("nothing") is None
        assert not store.finish("nothing", 0, DONE)
        assert not store.add("nothing", 0, [seen(1)])
        assert store.page("nothing", 0, 10) == []

    def test_a_token_starts_one_job_also_when_that_has_ended(self, store: Store) -> None:
        job = store.start(TASK, "token", 1)
        assert store.start(TASK, "token", 1) == job
        store.begin(job.job_id)
        store.finish(job.job_id, 1, DONE)
        assert store.start(TASK, "token", 1).outcome == DONE
        assert store.start(TASK, "another token", 1).job_id != job.job_id

    def test_a_token_is_for_one_task(self, store: Store) -> None:
        store.start(TASK, "token", 2)
        with pytest.raises(ConflictError, match="another task"):
            store.start(replace(TASK, key="b.mp4"), "token", 2)

    def test_so_many_jobs_at_once_and_no_more(self, store: Store) -> None:
        first, _ = (store.start(TASK, None, 2) for _ in range(2))
        with pytest.raises(QuotaError, match="2 video jobs have not ended yet, at most 2 may"):
            store.start(TASK, None, 2)
        store.begin(first.job_id)
        store.finish(first.job_id, 1, FAILED)
        assert store.start(TASK, None, 2).job_id

    def test_jobs_that_have_not_ended_are_told_oldest_first(self, store: Store, clock: Clock) -> None:
        started = []
        for _ in range(3):
            started.append(store.start(TASK, None, 9).job_id)
            clock.advance(1)
        assert store.unfinished() == started

    def test_only_the_last_attempt_counts_and_only_once(self, store: Store) -> None:
        job_id = store.start(TASK, None, 1).job_id
        store.begin(job_id)
        assert store.add(job_id, 1, [seen(100, 0)])
        again = store.begin(job_id)
        assert again is not None
        assert again.attempt == 2
        assert store.page(job_id, 0, 10) == []
        assert not store.add(job_id, 1, [seen(200, 0)])
        assert not store.renumber(job_id, 1, {0: 5})
        assert not store.finish(job_id, 1, FAILED)
        assert store.add(job_id, 2, [seen(300, 0)])
        assert store.finish(job_id, 2, DONE)
        assert not store.finish(job_id, 2, FAILED)
        assert not store.add(job_id, 2, [seen(400, 0)])
        assert store.get(job_id).outcome == DONE
        assert told(store.page(job_id, 0, 10)) == [(300, 0)]

    def test_a_sighting_comes_back_with_all_that_is_known_of_the_face(self, store: Store) -> None:
        mesh = MeshFace({"nose": (1.5, 2.25)}, 99.0, Trait(True, 80.0))
        plain = face(vector(3), reasons=("blurred",))
        known = replace(plain, emotions=(Emotion("sad", 60.5),), mesh=mesh, gender=GenderGuess(False, 70.0))
        job_id = store.start(TASK, None, 1).job_id
        store.begin(job_id)
        store.add(job_id, 1, [VideoSighting(40, known, 7)])
        [(_, sighting)] = store.page(job_id, 0, 10)
        kept = sighting.face
        assert (sighting.time_ms, sighting.person) == (40, 7)
        assert (kept.box, kept.landmarks, kept.pose, kept.quality) == (
            known.box, known.landmarks, known.pose, known.quality,
        )  # fmt: skip
        assert (kept.confidence, kept.emotions, kept.mesh, kept.gender) == (99.5, known.emotions, mesh, known.gender)
        assert kept.embedding is None

    def test_pages_go_by_time_or_by_person(self, store: Store) -> None:
        job_id, other_id = (store.start(TASK, None, 2).job_id for _ in range(2))
        for each in (job_id, other_id):
            store.begin(each)
        store.add(job_id, 1, [seen(0, 1), seen(0, 0)])
        store.add(other_id, 1, [seen(5, 0)])
        store.add(job_id, 1, [seen(200, 0), seen(200, 1), seen(400, 1)])
        by_time = [(0, 1), (0, 0), (200, 0), (200, 1), (400, 1)]
        for by_person, whole in ((False, by_time), (True, sorted(by_time, key=lambda row: row[1] or 0))):
            assert told(store.page(job_id, 0, 10, by_person)) == whole
            after, paged = 0, []
            while rows := store.page(job_id, after, 2, by_person):
                after = rows[-1][0]
                assert after > 0
                paged += told(rows)
            assert paged == whole

    def test_people_get_other_numbers_and_nobody_s_sightings_go(self, store: Store) -> None:
        job_id = store.start(TASK, None, 1).job_id
        store.begin(job_id)
        store.add(job_id, 1, [seen(0, 0), seen(0, 1), seen(200, 2), seen(400, 3)])
        assert store.renumber(job_id, 1, {0: 0, 1: 1, 3: 1})
        assert told(store.page(job_id, 0, 10)) == [(0, 0), (0, 1), (400, 1)]
        assert store.renumber(job_id, 1, {})
        assert store.page(job_id, 0, 10) == []

    def test_of_a_failed_job_no_sighting_stays(self, store: Store) -> None:
        job_id = store.start(TASK, None, 1).job_id
        store.begin(job_id)
        store.add(job_id, 1, [seen(0)])
        store.finish(job_id, 1, FAILED)
        assert store.page(job_id, 0, 10) == []

    def test_what_ended_is_forgotten_after_a_week_and_what_goes_on_is_not(self, store: Store, clock: Clock) -> None:
        ended, going = store.start(TASK, "token", 9).job_id, store.start(TASK, None, 9).job_id
        store.begin(ended)
        store.add(ended, 1, [seen(0)])
        store.finish(ended, 1, DONE)
        clock.advance(7 * DAYS_S - 1)
        assert store.get(ended).outcome == DONE
        clock.advance(1)
        with pytest.raises(NotFoundError):
            store.get(ended)
        assert store.start(TASK, "token", 9).job_id != ended
        assert store.page(ended, 0, 10) == []
        assert store.get(going).outcome is None
