"""Jobs on stored videos, from StartFaceDetection to the last page of the answer, with faces that are made up.

Of a clip's frames the brightness says who is in them.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from faceline.access_keys import AccessKey, KeyScope
from faceline.app import App
from faceline.engine.analyzer import Sighting, Wanted
from faceline.engine.networks import AttributeNetwork
from faceline.errors import StorageError
from faceline.ports import VideoFacts, VideoJobState, VideoOutcome, VideoSighting, VideoTask
from faceline.types import BoundingBox, Embedding, Emotion, Frame
from faceline.video_job_workflow import VIDEO_JOBS
from made import MODEL, MadeAnalyzer, face, new_face, open_app, vector
from signed import Rekognition

BUCKET, NAME = "videos", "staff"
FPS = 20
SIZE = (96, 64)
# Brightness → who is seen; who leaves comes back in the same place.
WHO = {40: (), 100: (1,), 160: (1, 2), 220: (2,)}
FACE_1 = "00000000-0000-0000-0000-000000000001"


class SeeingAnalyzer(MadeAnalyzer):
    """broken: what detecting raises, for as long as it is set. seeing: called for each frame; seen: how many."""

    def __init__(self) -> None:
        super().__init__()
        self.seeing: Callable[[], None] | None = None
        self.seen = 0
        self.broken: Exception | None = None
        self.wanted: Wanted | None = None

    def sight(self, frame: Frame, wanted: Wanted) -> list[Sighting]:
        if self.broken:
            raise self.broken
        if self.seeing:
            self.seeing()
        self.seen += 1
        self.wanted = wanted
        level = min(WHO, key=lambda each: abs(each - float(frame.pixels[:, :40].mean())))
        return [self._sighting(person, wanted) for person in WHO[level]]

    def embed_chips(self, chips: Sequence[NDArray[np.uint8]]) -> list[Embedding]:
        return [Embedding(vector(int(chip[0, 0, 0])), MODEL) for chip in chips]

    def load(self, name: AttributeNetwork) -> None: ...

    def _sighting(self, person: int, wanted: Wanted) -> Sighting:
        seen = face(box=BoundingBox(2.0 + 48 * (person - 1), 10.0, 40.0, 40.0))
        if wanted.emotions:
            seen = replace(seen, emotions=(Emotion("happy", 90.0),))
        chip = np.random.default_rng(person).integers(0, 255, (150, 150, 3), dtype=np.uint8)
        chip[0, 0, 0] = person
        return Sighting(seen, chip)


def clip(path: Path, levels: Sequence[int]) -> bytes:
    """One level for each fifth of a second: what is sampled."""
    with av.open(str(path), "w") as container:
        out = container.add_stream("libx264", rate=FPS)
        assert isinstance(out, av.VideoStream)
        out.width, out.height, out.pix_fmt = *SIZE, "yuv420p"
        out.codec_context.time_base = Fraction(1, FPS)
        for number in range(len(levels) * FPS // 5):
            pixels = np.full((SIZE[1], SIZE[0], 3), levels[number * 5 // FPS], np.uint8)
            pixels[:, 48:] += 20
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(out.encode(frame))
        container.mux(out.encode(None))
    return path.read_bytes()


@pytest.fixture
def analyzer() -> SeeingAnalyzer:
    return SeeingAnalyzer()


@pytest.fixture
def app(tmp_path: Path, analyzer: SeeingAnalyzer) -> Iterator[App]:
    with open_app(tmp_path / "data", analyzer, max_receives=3, max_video_bytes=100_000) as app:
        app.collections.create(NAME, MODEL)
        app.face_records.add(NAME, [new_face(FACE_1, "Ada", vector(1))])
        yield app


@pytest.fixture
def api(app: App) -> Iterator[Rekognition]:
    api = Rekognition(app)
    yield api
    api.endpoint.close()


@pytest.fixture
def video(app: App, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`video(100, 160)` stores such a clip and returns the request's `Video`."""

    def store(*levels: int) -> dict[str, Any]:
        return stored(app, clip(tmp_path / "made.mp4", levels))

    return store


def stored(app: App, content: bytes, key: str = "a.mp4") -> dict[str, Any]:
    app.objects.put(BUCKET, key, content)
    return {"S3Object": {"Bucket": BUCKET, "Name": key}}


def asked(api: Rekognition, operation: str, **members: Any) -> Any:
    answer = api.ask(operation, members)
    assert answer.status == 200, answer.json
    return answer.json


def refused(api: Rekognition, operation: str, key: AccessKey | None = None, **members: Any) -> tuple[str, str]:
    answer = api.ask(operation, members, key)
    assert answer.status == 400, answer.json
    return answer.json["__type"], answer.json["message"]


def done(app: App, api: Rekognition, operation: str, **members: Any) -> str:
    """The id of a job that was started and worked on."""
    job_id: str = asked(api, operation, **members)["JobId"]
    app.jobs.worker().drain()
    return job_id


Video = Callable[..., dict[str, Any]]


def test_faces_come_with_their_times(app: App, api: Rekognition, video: Video) -> None:
    where = video(40, 100, 160)
    started = asked(api, "StartFaceDetection", Video=where, JobTag="a/tag")
    waiting = asked(api, "GetFaceDetection", JobId=started["JobId"])
    assert waiting == {
        "JobId": started["JobId"], "JobStatus": "IN_PROGRESS", "Video": where, "JobTag": "a/tag", "Faces": [],
    }  # fmt: skip
    app.jobs.worker().drain()
    answer = asked(api, "GetFaceDetection", JobId=started["JobId"])
    assert answer["JobStatus"] == "SUCCEEDED"
    metadata = answer["VideoMetadata"]
    assert metadata == {
        "Codec": "h264", "Format": "QuickTime / MOV", "DurationMillis": 600, "FrameRate": 20.0,
        "FrameWidth": 96, "FrameHeight": 64,
    }  # fmt: skip
    assert [found["Timestamp"] for found in answer["Faces"]] == [200, 400, 400]
    box = answer["Faces"][0]["Face"]["BoundingBox"]
    assert box == {"Left": round(2 / 96, 6), "Top": 10 / 64, "Width": round(40 / 96, 6), "Height": 40 / 64}
    assert "Emotions" not in answer["Faces"][0]["Face"]
    assert "NextToken" not in answer


def test_all_attributes_are_looked_for_where_they_are_asked_for(
    app: App, api: Rekognition, video: Video, analyzer: SeeingAnalyzer
) -> None:
    job_id = done(app, api, "StartFaceDetection", Video=video(100), FaceAttributes="ALL")
    assert analyzer.wanted is not None
    assert (analyzer.wanted.emotions, analyzer.wanted.mesh, analyzer.wanted.gender) == (True, True, True)
    (found,) = asked(api, "GetFaceDetection", JobId=job_id)["Faces"]
    assert found["Face"]["Emotions"] == [{"Type": "HAPPY", "Confidence": 90.0}]


def test_a_person_keeps_one_index_and_the_matches_are_of_the_enrolled(app: App, api: Rekognition, video: Video) -> None:
    job_id = done(app, api, "StartFaceSearch", Video=video(100, 160, 220, 160), CollectionId=NAME)
    persons = asked(api, "GetFaceSearch", JobId=job_id)["Persons"]
    assert [(each["Timestamp"], each["Person"]["Index"]) for each in persons] == [
        (0, 0), (200, 0), (200, 1), (400, 1), (600, 0), (600, 1),
    ]  # fmt: skip
    for each in persons:
        if each["Person"]["Index"] == 1:
            assert "FaceMatches" not in each
            continue
        (match,) = each["FaceMatches"]
        assert match["Similarity"] > 99
        assert (match["Face"]["FaceId"], match["Face"]["UserId"]) == (FACE_1, "Ada")


def test_persons_can_be_sorted_by_index_and_paged(app: App, api: Rekognition, video: Video) -> None:
    job_id = done(app, api, "StartFaceSearch", Video=video(160, 160, 160), CollectionId=NAME)
    for sort_by, order in (
        ("TIMESTAMP", [(0, 0), (0, 1), (200, 0), (200, 1), (400, 0), (400, 1)]),
        ("INDEX", [(0, 0), (200, 0), (400, 0), (0, 1), (200, 1), (400, 1)]),
    ):
        first = asked(api, "GetFaceSearch", JobId=job_id, SortBy=sort_by, MaxResults=4)
        token = first["NextToken"]
        last = asked(api, "GetFaceSearch", JobId=job_id, SortBy=sort_by, MaxResults=4, NextToken=token)
        assert [(each["Timestamp"], each["Person"]["Index"]) for each in first["Persons"] + last["Persons"]] == order
        assert "NextToken" not in last
        assert last["VideoMetadata"] == first["VideoMetadata"]


def test_a_token_is_for_its_order_and_job(app: App, api: Rekognition, video: Video) -> None:
    where = video(160, 160)
    ids = [done(app, api, "StartFaceSearch", Video=where, CollectionId=NAME) for _ in range(2)]
    token = asked(api, "GetFaceSearch", JobId=ids[0], MaxResults=1)["NextToken"]
    good: dict[str, Any] = {"JobId": ids[0], "NextToken": token}
    for wrong in ({"JobId": ids[1]}, {"SortBy": "INDEX"}, {"NextToken": "made up"}):
        code, _ = refused(api, "GetFaceSearch", **(good | wrong))
        assert code == "InvalidPaginationTokenException", wrong


def test_more_than_a_thousand_results_are_never_given_at_once(app: App, api: Rekognition) -> None:
    job = app.video_jobs.start(VideoTask(BUCKET, "a.mp4"), None, 1)
    app.video_jobs.begin(job.job_id)
    app.video_jobs.add(job.job_id, 1, [VideoSighting(number, face()) for number in range(1001)])
    outcome = VideoOutcome(VideoJobState.SUCCEEDED, video=VideoFacts(96, 64, 1001, None))
    app.video_jobs.finish(job.job_id, 1, outcome)
    for asked_for in ({}, {"MaxResults": 5000}):
        page = asked(api, "GetFaceDetection", JobId=job.job_id, **asked_for)
        assert len(page["Faces"]) == 1000
        assert "FrameRate" not in page["VideoMetadata"]
        last = asked(api, "GetFaceDetection", JobId=job.job_id, NextToken=page["NextToken"])
        assert [found["Timestamp"] for found in last["Faces"]] == [1000]


def test_a_face_that_was_deleted_since_is_no_match_any_more(app: App, api: Rekognition, video: Video) -> None:
    job_id = done(app, api, "StartFaceSearch", Video=video(100), CollectionId=NAME)
    app.face_records.remove(NAME, [found.face_id for found in app.face_records.find(NAME, person="Ada")])
    (person,) = asked(api, "GetFaceSearch", JobId=job_id)["Persons"]
    assert "FaceMatches" not in person
    app.drop_collection(NAME)
    assert asked(api, "GetFaceSearch", JobId=job_id)["Persons"] == [person]


def test_a_match_must_be_as_similar_as_was_asked_for(app: App, api: Rekognition, video: Video) -> None:
    where = video(220)
    for threshold, matched in ((100, False), (0, True)):
        job_id = done(app, api, "StartFaceSearch", Video=where, CollectionId=NAME, FaceMatchThreshold=threshold)
        (person,) = asked(api, "GetFaceSearch", JobId=job_id)["Persons"]
        assert ("FaceMatches" in person) == matched


def test_the_floor_counts_where_it_is_set(tmp_path: Path, analyzer: SeeingAnalyzer) -> None:
    with open_app(tmp_path / "data", analyzer, search_floor=True) as app:
        app.collections.create(NAME, MODEL)
        app.face_records.add(NAME, [new_face(FACE_1, "Ada", vector(1))])
        api = Rekognition(app)
        where = stored(app, clip(tmp_path / "made.mp4", [220]))
        job_id = done(app, api, "StartFaceSearch", Video=where, CollectionId=NAME, FaceMatchThreshold=0)
        assert "FaceMatches" not in asked(api, "GetFaceSearch", JobId=job_id)["Persons"][0]
        api.endpoint.close()


def test_a_repeated_request_has_the_same_job_also_after_a_restart(
    app: App, api: Rekognition, video: Video, analyzer: SeeingAnalyzer
) -> None:
    members: dict[str, Any] = {"Video": video(100), "ClientRequestToken": "once"}
    job_id = asked(api, "StartFaceDetection", **members)["JobId"]
    assert asked(api, "StartFaceDetection", **members)["JobId"] == job_id
    assert app.queue_of(VIDEO_JOBS).depth()["visible"] == 1
    with open_app(app.settings.data, analyzer) as restarted:
        again = Rekognition(restarted)
        assert asked(again, "StartFaceDetection", **members)["JobId"] == job_id
        code, _ = refused(again, "StartFaceDetection", **members, FaceAttributes="ALL")
        assert code == "IdempotentParameterMismatchException"
        assert asked(again, "StartFaceSearch", **members, CollectionId=NAME)["JobId"] != job_id
        again.endpoint.close()


def test_so_many_jobs_at_once_and_no_more(api: Rekognition, video: Video) -> None:
    where = video(40)
    for _ in range(20):
        asked(api, "StartFaceDetection", Video=where)
    code, message = refused(api, "StartFaceDetection", Video=where)
    assert code == "LimitExceededException"
    assert "20 video jobs have not ended yet" in message


@pytest.mark.parametrize("operation", ["StartFaceDetection", "StartFaceSearch"])
def test_what_cannot_be_started_is_refused_at_once(api: Rekognition, video: Video, app: App, operation: str) -> None:
    more: dict[str, Any] = {"CollectionId": NAME} if operation == "StartFaceSearch" else {}
    where = video(40)
    absent = {"S3Object": {"Bucket": BUCKET, "Name": "b.mp4"}}
    versioned = {"S3Object": where["S3Object"] | {"Version": "7"}}
    assert refused(api, operation, Video=absent, **more)[0] == "InvalidS3ObjectException"
    assert refused(api, operation, Video=versioned, **more)[0] == "InvalidS3ObjectException"
    assert refused(api, operation, Video={}, **more)[0] == "InvalidParameterException"
    large = stored(app, bytes(100_001), "large.mp4")
    assert refused(api, operation, Video=large, **more)[0] == "VideoTooLargeException"


def test_who_gave_a_channel_is_told_when_the_job_ended(app: App, api: Rekognition, video: Video) -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:done"
    channel = {"SNSTopicArn": topic, "RoleArn": "arn:aws:iam::000000000000:role/r"}
    done(app, api, "StartFaceDetection", Video=video(100))
    assert app.notices.list() == []
    job_id = done(app, api, "StartFaceDetection", Video=video(100), NotificationChannel=channel, JobTag="mine")
    (told,) = app.notices.list()
    assert (told.notice.kind, told.notice.source) == ("video.job.ended", topic)
    facts = {name: told.notice.data[name] for name in ("JobId", "Status", "API", "JobTag", "Video")}
    assert facts == {
        "JobId": job_id,
        "Status": "SUCCEEDED",
        "API": "StartFaceDetection",
        "JobTag": "mine",
        "Video": {"S3ObjectName": "a.mp4", "S3Bucket": BUCKET},
    }


def test_a_job_that_failed_is_told_too(app: App, api: Rekognition) -> None:
    channel = {"SNSTopicArn": "arn:aws:sns:us-east-1:000000000000:done", "RoleArn": "arn:aws:iam::000000000000:role/r"}
    done(app, api, "StartFaceDetection", Video=stored(app, b"no video"), NotificationChannel=channel)
    assert [told.notice.data["Status"] for told in app.notices.list()] == ["FAILED"]


def test_a_job_whose_worker_was_killed_before_it_told_its_end_is_told_by_the_next(
    app: App, api: Rekognition, video: Video
) -> None:
    channel = {"SNSTopicArn": "arn:aws:sns:us-east-1:000000000000:done", "RoleArn": "arn:aws:iam::000000000000:role/r"}
    job_id = asked(api, "StartFaceDetection", Video=video(100), NotificationChannel=channel)["JobId"]
    job = app.video_jobs.begin(job_id)
    assert job
    app.video_jobs.finish(job_id, job.attempt, VideoOutcome(VideoJobState.SUCCEEDED))
    assert app.notices.list() == []
    app.jobs.worker().drain()  # its message was not acknowledged
    assert [told.notice.data["JobId"] for told in app.notices.list()] == [job_id]


def test_a_search_needs_its_collection(app: App, api: Rekognition, video: Video) -> None:
    where = video(100)
    assert refused(api, "StartFaceSearch", Video=where, CollectionId="nobody")[0] == "ResourceNotFoundException"
    job_id = asked(api, "StartFaceSearch", Video=where, CollectionId=NAME)["JobId"]
    app.drop_collection(NAME)
    app.jobs.worker().drain()
    answer = asked(api, "GetFaceSearch", JobId=job_id)
    assert answer["JobStatus"] == "FAILED"
    assert NAME in answer["StatusMessage"]


def test_who_may_not_read_objects_or_the_collection_gets_no_results(app: App, api: Rekognition, video: Video) -> None:
    where = video(100)
    detect = app.access_keys.create("door", KeyScope.DETECT, ("*",))
    other = app.access_keys.create("others", KeyScope.READ, ("guests*",))
    search_id = done(app, api, "StartFaceSearch", Video=where, CollectionId=NAME)
    detection_id = done(app, api, "StartFaceDetection", Video=where)
    denied = "AccessDeniedException"
    assert refused(api, "StartFaceDetection", detect, Video=where)[0] == denied
    assert refused(api, "GetFaceDetection", detect, JobId=detection_id)[0] == denied
    assert refused(api, "StartFaceSearch", other, Video=where, CollectionId=NAME)[0] == denied
    assert refused(api, "GetFaceSearch", other, JobId=search_id)[0] == denied
    assert api.ask("GetFaceDetection", {"JobId": detection_id}, other).status == 200


def test_a_job_is_asked_for_by_its_own_operation(app: App, api: Rekognition, video: Video) -> None:
    where = video(100)
    search_id = done(app, api, "StartFaceSearch", Video=where, CollectionId=NAME)
    detection_id = done(app, api, "StartFaceDetection", Video=where)
    for operation, job_id in (
        ("GetFaceDetection", search_id),
        ("GetFaceSearch", detection_id),
        ("GetFaceDetection", "0123456789abcdef"),
    ):
        assert refused(api, operation, JobId=job_id)[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("content", "said"), [(b"no video at all", "videos/a.mp4"), (b"", "empty"), (None, "there is no")]
)
def test_what_is_no_video_fails_its_job_with_a_reason(
    app: App, api: Rekognition, content: bytes | None, said: str
) -> None:
    job_id = asked(api, "StartFaceDetection", Video=stored(app, content or b""))["JobId"]
    if content is None:
        app.objects.delete(BUCKET, "a.mp4")
    app.jobs.worker().drain()
    answer = asked(api, "GetFaceDetection", JobId=job_id)
    assert (answer["JobStatus"], answer["Faces"]) == ("FAILED", [])
    assert said in answer["StatusMessage"]
    assert "/tmp" not in answer["StatusMessage"]
    assert "VideoMetadata" not in answer


def test_a_clip_that_breaks_off_fails_its_job(app: App, api: Rekognition, tmp_path: Path) -> None:
    whole = clip(tmp_path / "a.mkv", [100] * 20)
    job_id = done(app, api, "StartFaceDetection", Video=stored(app, whole[: len(whole) * 2 // 3]))
    answer = asked(api, "GetFaceDetection", JobId=job_id)
    assert (answer["JobStatus"], answer["Faces"]) == ("FAILED", [])


def test_what_a_killed_worker_began_is_done_again_and_once(app: App, api: Rekognition, video: Video) -> None:
    job_id = asked(api, "StartFaceDetection", Video=video(100, 100))["JobId"]
    assert app.queue_of(VIDEO_JOBS).receive(1, lease_s=0.01)
    begun = app.video_jobs.begin(job_id)
    assert begun is not None
    time.sleep(0.05)  # its lease runs out
    app.jobs.worker().drain()
    answer = asked(api, "GetFaceDetection", JobId=job_id)
    assert (answer["JobStatus"], len(answer["Faces"])) == ("SUCCEEDED", 2)
    assert not app.video_jobs.finish(job_id, begun.attempt, VideoOutcome(VideoJobState.FAILED))


def test_a_job_whose_message_was_lost_is_asked_for_again_at_the_start(app: App, api: Rekognition, video: Video) -> None:
    video(100)
    job_id = app.video_jobs.start(VideoTask(BUCKET, "a.mp4"), None, 1).job_id
    app.jobs.worker().drain()
    assert asked(api, "GetFaceDetection", JobId=job_id)["JobStatus"] == "SUCCEEDED"


def test_a_worker_that_is_told_to_stop_gives_its_job_back(
    app: App, api: Rekognition, video: Video, analyzer: SeeingAnalyzer
) -> None:
    job_id = asked(api, "StartFaceDetection", Video=video(*[100] * 50))["JobId"]
    stop = threading.Event()
    analyzer.seeing = stop.set
    app.jobs.worker().run(stop)
    assert asked(api, "GetFaceDetection", JobId=job_id)["JobStatus"] == "IN_PROGRESS"
    assert analyzer.seen < 20
    assert app.queue_of(VIDEO_JOBS).depth() == {"visible": 0, "in_flight": 1, "dead": 0}  # its delay goes on
    analyzer.seeing = None
    app.jobs.worker().work(job_id)
    assert len(asked(api, "GetFaceDetection", JobId=job_id)["Faces"]) == 50


def test_what_fails_for_another_reason_is_tried_again_and_then_given_up(
    app: App, api: Rekognition, video: Video, analyzer: SeeingAnalyzer
) -> None:
    job_id = asked(api, "StartFaceDetection", Video=video(100))["JobId"]
    worker = app.jobs.worker()
    analyzer.broken = StorageError("the disk is on fire")
    with pytest.raises(StorageError):
        worker.work(job_id)
    assert asked(api, "GetFaceDetection", JobId=job_id)["JobStatus"] == "IN_PROGRESS"
    worker.work(job_id)
    answer = asked(api, "GetFaceDetection", JobId=job_id)
    assert (answer["JobStatus"], answer["StatusMessage"]) == ("FAILED", "the server failed; its log says why")


def test_a_job_that_ends_the_process_each_time_is_given_up(app: App, api: Rekognition, video: Video) -> None:
    job_id = asked(api, "StartFaceDetection", Video=video(100))["JobId"]
    for _ in range(2):
        app.video_jobs.begin(job_id)
    app.jobs.worker().drain()
    answer = asked(api, "GetFaceDetection", JobId=job_id)
    assert answer["JobStatus"] == "FAILED"
    assert answer["StatusMessage"].startswith("it was tried 2 times")


def test_a_job_whose_message_died_has_failed_after_the_next_start(app: App, api: Rekognition, video: Video) -> None:
    job_id = asked(api, "StartFaceDetection", Video=video(100))["JobId"]
    queue = app.queue_of(VIDEO_JOBS)
    queue.bury(queue.receive(1)[0], "received too often")
    app.jobs.worker()
    assert asked(api, "GetFaceDetection", JobId=job_id)["JobStatus"] == "FAILED"
