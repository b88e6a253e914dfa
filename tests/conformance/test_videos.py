"""StartFaceDetection, GetFaceDetection, StartFaceSearch and GetFaceSearch on stored videos."""

import csv
import sqlite3
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from commands import Up, wait_until
from conformance.clips import SIZE, moving
from conformance.conftest import Upload, service_of, uploader
from conformance.service import Client, code_of, refusal

_PATIENCE_S = 120.0
_OBJECT, _NOT_FOUND = "InvalidS3ObjectException", "ResourceNotFoundException"
_STARTS = ("start_face_detection", "start_face_search")
Video = dict[str, Any]


@pytest.fixture(scope="module")
def video(portrait: Image.Image, upload: Upload) -> Video:
    """Two seconds of nobody's, then a face for one; as the request's `Video`."""
    return upload("videos/moving.mp4", moving(portrait, 3.0, empty_s=2.0))


@pytest.fixture(scope="module")
def detection(client: Client, video: Video) -> str:
    """A job that has ended."""
    job_id: str = client.start_face_detection(Video=video, JobTag="group/1")["JobId"]
    ended(client, "get_face_detection", job_id)
    return job_id


@pytest.fixture
def face_id(client: Client, collection: str, photo: bytes) -> str:
    """Of the only face in the collection, which is that of the video."""
    answer = client.index_faces(CollectionId=collection, Image={"Bytes": photo}, ExternalImageId="ada")
    found: str = answer["FaceRecords"][0]["Face"]["FaceId"]
    return found


def ended(client: Client, get: str, job_id: str, **wanted: Any) -> dict[str, Any]:
    """The first answer of a job that is no longer in progress."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        answer: dict[str, Any] = getattr(client, get)(JobId=job_id, **wanted)
        if answer["JobStatus"] != "IN_PROGRESS":
            return answer
        assert time.monotonic() < deadline, f"the job {job_id} did not end"
        time.sleep(0.1)


def searched(client: Client, video: Video, collection: str, **wanted: Any) -> dict[str, Any]:
    job_id = client.start_face_search(Video=video, CollectionId=collection, **wanted)["JobId"]
    answer = ended(client, "get_face_search", job_id)
    assert answer["JobStatus"] == "SUCCEEDED"
    return answer


def started_with(operation: str, collection: str, video: Video) -> dict[str, Any]:
    return {"Video": video} | ({"CollectionId": collection} if operation == "start_face_search" else {})


def test_faces_come_with_the_times_at_which_they_are_seen(client: Client, detection: str) -> None:
    answer = client.get_face_detection(JobId=detection)
    assert answer["JobStatus"] == "SUCCEEDED"
    times = [found["Timestamp"] for found in answer["Faces"]]
    assert times == sorted(times)
    assert len(times) >= 2
    assert times[0] >= 1900
    assert times[-1] < 3100
    lefts = [found["Face"]["BoundingBox"]["Left"] for found in answer["Faces"]]
    assert lefts == sorted(lefts)  # it moves to the right
    assert all("Emotions" not in found["Face"] for found in answer["Faces"])


def test_the_video_is_described(client: Client, detection: str) -> None:
    metadata = client.get_face_detection(JobId=detection)["VideoMetadata"]
    assert (metadata["Codec"], metadata["Format"]) == ("h264", "QuickTime / MOV")
    assert (metadata["FrameWidth"], metadata["FrameHeight"]) == SIZE
    assert metadata["FrameRate"] == pytest.approx(10, abs=0.1)
    assert metadata["DurationMillis"] == pytest.approx(3000, abs=120)


def test_the_job_s_tag_and_video_come_back(client: Client, detection: str, video: Video) -> None:
    answer = client.get_face_detection(JobId=detection)
    assert (answer["JobId"], answer["JobTag"]) == (detection, "group/1")
    assert answer["Video"]["S3Object"]["Name"] == video["S3Object"]["Name"]


def test_all_attributes_are_given_where_they_are_asked_for(client: Client, video: Video) -> None:
    job_id = client.start_face_detection(Video=video, FaceAttributes="ALL")["JobId"]
    faces = ended(client, "get_face_detection", job_id)["Faces"]
    assert faces
    for found in faces:
        assert {"Emotions", "Gender"} <= found["Face"].keys()
        assert len(found["Face"]["Landmarks"]) > 5


@pytest.mark.parametrize("size", [1, 2, 3])
def test_faces_come_once_each_whatever_the_page(client: Client, detection: str, size: int) -> None:
    whole = client.get_face_detection(JobId=detection)["Faces"]
    found: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    for _ in whole:
        page = client.get_face_detection(JobId=detection, MaxResults=size, **more)
        assert len(page["Faces"]) <= size
        assert page["VideoMetadata"]
        found += page["Faces"]
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert found == whole


def test_more_than_a_thousand_may_be_asked_for(client: Client, detection: str) -> None:
    assert client.get_face_detection(JobId=detection, MaxResults=5000)["Faces"]


def test_a_token_that_nobody_gave_is_refused(client: Client, detection: str) -> None:
    error = refusal(client, "get_face_detection", {"JobId": detection, "NextToken": "made-up"})
    assert code_of(error) == "InvalidPaginationTokenException"


def test_who_is_enrolled_is_found_as_one_person(client: Client, video: Video, collection: str, face_id: str) -> None:
    answer = searched(client, video, collection)
    assert len(answer["Persons"]) >= 2
    assert len({found["Person"]["Index"] for found in answer["Persons"]}) == 1
    for found in answer["Persons"]:
        assert found["Timestamp"] >= 1900
        assert found["Person"]["BoundingBox"] == found["Person"]["Face"]["BoundingBox"]
        (match,) = found["FaceMatches"]
        assert (match["Face"]["FaceId"], match["Face"]["ExternalImageId"]) == (face_id, "ada")
        assert match["Similarity"] >= 80


def test_who_is_not_enrolled_is_a_person_without_matches(client: Client, video: Video, collection: str) -> None:
    persons = searched(client, video, collection)["Persons"]
    assert persons
    assert not any(found.get("FaceMatches") for found in persons)


@pytest.mark.ours  # at AWS results may stay as they were
def test_a_face_that_was_deleted_since_is_in_no_answer(
    client: Client, video: Video, collection: str, face_id: str
) -> None:
    job_id = client.start_face_search(Video=video, CollectionId=collection)["JobId"]
    ended(client, "get_face_search", job_id)
    client.delete_faces(CollectionId=collection, FaceIds=[face_id])
    assert face_id not in str(client.get_face_search(JobId=job_id)["Persons"])


@pytest.mark.parametrize("sort_by", ["INDEX", "TIMESTAMP"])
def test_persons_are_sorted_and_paged(
    client: Client, portrait: Image.Image, upload: Upload, collection: str, sort_by: str
) -> None:
    clip = upload("videos/short.mp4", moving(portrait, 0.6))
    job_id = client.start_face_search(Video=clip, CollectionId=collection)["JobId"]
    whole = ended(client, "get_face_search", job_id, SortBy=sort_by)["Persons"]
    assert len(whole) > 2
    first = client.get_face_search(JobId=job_id, SortBy=sort_by, MaxResults=2)
    rest = client.get_face_search(JobId=job_id, SortBy=sort_by, NextToken=first["NextToken"])
    assert first["Persons"] + rest["Persons"] == whole
    order = ("Index", "Timestamp") if sort_by == "INDEX" else ("Timestamp", "Index")
    keys = [[({"Timestamp": found["Timestamp"]} | found["Person"])[name] for name in order] for found in whole]
    assert keys == sorted(keys)


@pytest.mark.parametrize("operation", _STARTS)
def test_a_repeated_start_gives_the_same_job(client: Client, video: Video, collection: str, operation: str) -> None:
    arguments = started_with(operation, collection, video) | {"ClientRequestToken": uuid.uuid4().hex}
    start = getattr(client, operation)
    job_id = start(**arguments)["JobId"]
    assert start(**arguments)["JobId"] == job_id
    error = refusal(client, operation, arguments | {"JobTag": "other"})
    assert code_of(error) == "IdempotentParameterMismatchException"
    ended(client, operation.replace("start", "get"), job_id)


@pytest.mark.parametrize("operation", _STARTS)
def test_a_video_that_is_not_there_is_refused(client: Client, video: Video, collection: str, operation: str) -> None:
    arguments = started_with(operation, collection, video)
    for changed in ({"Name": "videos/not here.mp4"}, {"Bucket": "faceline-there-is-no-such-bucket"}):
        absent = {"Video": {"S3Object": video["S3Object"] | changed}}
        assert code_of(refusal(client, operation, arguments | absent)) == _OBJECT, changed


@pytest.mark.ours  # AWS needs a topic and a role that are there
@pytest.mark.parametrize("operation", _STARTS)
def test_a_channel_to_publish_to_is_accepted(client: Client, video: Video, collection: str, operation: str) -> None:
    channel = {"SNSTopicArn": "arn:aws:sns:us-east-1:000000000000:done", "RoleArn": "arn:aws:iam::000000000000:role/r"}
    arguments = started_with(operation, collection, video) | {"NotificationChannel": channel}
    assert getattr(client, operation)(**arguments)["JobId"]


@pytest.mark.parametrize("operation", ["get_face_detection", "get_face_search"])
def test_a_job_that_is_not_there_is_not_found(client: Client, operation: str) -> None:
    assert code_of(refusal(client, operation, {"JobId": uuid.uuid4().hex})) == _NOT_FOUND


def test_what_is_no_video_fails_its_job_in_words(client: Client, upload: Upload) -> None:
    job_id = client.start_face_detection(Video=upload("videos/text.mp4", b"<html>not found</html>"))["JobId"]
    answer = ended(client, "get_face_detection", job_id)
    assert answer["JobStatus"] == "FAILED"
    assert answer["StatusMessage"]


@pytest.mark.ours
def test_a_job_of_a_server_that_was_killed_ends_after_the_next_start(
    portrait: Image.Image, models_dir: Path, tmp_path: Path
) -> None:
    settings = {"FACELINE_MODELS_DIR": str(models_dir), "FACELINE_LEASE_S": "1", "FACELINE_FOLLOW_PER_SECOND": "10"}
    with Up(tmp_path / "data", **settings) as up:
        client = service_of(up.ready()).client()
        where = uploader(up)("videos/long.mp4", moving(portrait, 3.0))
        job_id = client.start_face_detection(Video=where, ClientRequestToken="once")["JobId"]
        wait_until(lambda: (up.data / "state.sqlite").exists() and begun(up), "the beginning of the job")
        up.kill()
        client.close()
    with Up(tmp_path / "data", **settings) as up:
        client = service_of(up.ready()).client()
        assert client.start_face_detection(Video=where, ClientRequestToken="once")["JobId"] == job_id
        answer = ended(client, "get_face_detection", job_id)
        times = [found["Timestamp"] for found in answer["Faces"]]
        assert (answer["JobStatus"], times) == ("SUCCEEDED", list(range(0, 3000, 100)))
        client.close()


def begun(up: Up) -> bool:
    with sqlite3.connect(up.data / "state.sqlite") as connection:
        return bool(connection.execute("SELECT 1 FROM video_jobs WHERE attempt = 1").fetchall())


@pytest.mark.ours  # AWS would be paid for it
def test_the_reference_clips_are_matched_with_whom_they_show(
    client: Client, collection: str, upload: Upload, test_data: Path
) -> None:
    folder = test_data / "cse546"
    with (folder / "video_identities.csv").open(newline="") as rows:
        labels = {row["video"]: row["label"] for row in csv.DictReader(rows)}
    for video, label in labels.items():
        (frame, *_) = sorted((folder / "frames").glob(f"{Path(video).stem}_f*.jpg"))
        image = {"Bytes": frame.read_bytes()}
        client.index_faces(CollectionId=collection, Image=image, ExternalImageId=label, MaxFaces=1)
    jobs = {}
    for video in labels:
        where = upload(f"videos/{video}", (folder / "test_case_1" / video).read_bytes())
        jobs[video] = client.start_face_search(Video=where, CollectionId=collection)["JobId"]
    for video, job_id in jobs.items():
        answer = ended(client, "get_face_search", job_id)
        assert answer["JobStatus"] == "SUCCEEDED"
        matches = [match for found in answer["Persons"] for match in found.get("FaceMatches", [])]
        names = Counter(match["Face"]["ExternalImageId"] for match in matches)
        assert names.most_common(1)[0][0] == labels[video], (video, names)
