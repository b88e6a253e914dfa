"""The handlers, in processes of the real runtime interface client, over AWS on loopback."""

import base64
import io
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from aws_functions import counted, leading_to, logged, ok, queue, received, rows, sample, start
from aws_made import Made, make
from runtime_api import Function

NAME = "Eileen"


@pytest.fixture(scope="module")
def made(ministack_url: str) -> Iterator[Made]:
    with leading_to(ministack_url):
        yield make(topic=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACELINE_MODELS_DIR", str(models_dir))
        yield tmp_path_factory.mktemp("functions")


@pytest.fixture(scope="module")
def enrolled(made: Made, folder: Path, astronaut_jpeg: bytes) -> None:
    """The astronaut, through the function."""
    with start(made, "enrolment", folder) as function:
        made.send(
            made.settings.aws_names.enroll, made.put(made.settings.input_bucket, f"enroll/{NAME}/1.jpg", astronaut_jpeg)
        )
        batch = made.batch(made.settings.aws_names.enroll)
        assert ok(function.invoke(batch)) == {"batchItemFailures": []}
    assert queue(made, made.settings.aws_names.enroll).depth() == {"visible": 0, "in_flight": 0, "dead": 0}


@pytest.fixture(scope="module")
def ingestion(made: Made, folder: Path, enrolled: None) -> Iterator[Function]:
    with start(made, "image_ingestion", folder) as function:
        yield function


def jpeg(pixels: NDArray[np.uint8], quality: int = 95) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


@pytest.fixture(scope="module")
def empty_jpeg() -> bytes:
    return jpeg(np.full((200, 300, 3), 128, np.uint8))


def test_a_batch_of_photos_is_recognised_and_its_poison_buried(
    made: Made, ingestion: Function, astronaut_jpeg: bytes, empty_jpeg: bytes, folder: Path
) -> None:
    photos, bucket = made.settings.aws_names.photos, made.settings.input_bucket
    made.send(photos, made.put(bucket, "input/in space/a+b.jpg", astronaut_jpeg))
    made.send(photos, made.put(bucket, "input/nobody.jpg", empty_jpeg))
    made.send(photos, made.put(bucket, "input/damaged.jpg", b"no picture"))
    made.send(photos, "rubbish")
    made.send(photos, sample("test_event"))
    before = counted(folder, "image_ingestion", "photos")
    batch = made.batch(photos)
    assert len(batch["Records"]) == 5
    assert ok(ingestion.invoke(batch)) == {"batchItemFailures": []}

    assert rows(made, "input/in space/a+b.jpg") == [("matched", NAME)]
    assert made.read(bucket, "processed/in space/a+b.json")["faces"][0]["name"] == NAME
    assert rows(made, "input/nobody.jpg") == []
    assert rows(made, "input/damaged.jpg") == [("error", None)]
    assert queue(made, photos).depth() == {"visible": 0, "in_flight": 0, "dead": 1}
    (letter,) = queue(made, photos).list()
    assert letter.body == "rubbish"
    assert "not JSON" in letter.reason
    assert counted(folder, "image_ingestion", "photos") - before == 3
    assert counted(folder, "image_ingestion", "dead_letters") >= 1
    queue(made, photos).discard()


def test_a_line_of_a_photo_says_whose_request_and_which_function_it_was(
    made: Made, ingestion: Function, astronaut_jpeg: bytes, folder: Path
) -> None:
    event = made.put(made.settings.input_bucket, "input/logged.jpg", astronaut_jpeg)
    ok(ingestion.invoke(event))
    lines = [line for line in logged(folder, "image_ingestion") if line.get("key") == "input/logged.jpg"]
    (line,) = (line for line in lines if line["message"] == "photo done")
    assert line["request_id"] == event["Records"][0]["responseElements"]["x-amz-request-id"]
    assert line["function_name"] == "image_ingestion"
    assert line["logger"] == "faceline.pipelines.images"
    assert {
        "time",
        "level",
        "bucket",
        "latency_ms",
        "status",
        "faces",
        "function_request_id",
        "cold_start",
    } <= line.keys()
    assert NAME not in (folder / "image_ingestion.log").read_text(encoding="utf-8")


def test_an_event_that_is_repeated_changes_nothing(
    made: Made, ingestion: Function, astronaut_jpeg: bytes, folder: Path
) -> None:
    event = made.put(made.settings.input_bucket, "input/twice.jpg", astronaut_jpeg)
    first = ok(ingestion.invoke(event))
    written = made.read(made.settings.input_bucket, "processed/twice.json")
    before = counted(folder, "image_ingestion", "photos")
    assert ok(ingestion.invoke(event)) == first
    assert counted(folder, "image_ingestion", "photos") == before
    assert made.read(made.settings.input_bucket, "processed/twice.json") == written


def test_bytes_that_come_back_under_a_key_are_worked_on_again(
    made: Made, ingestion: Function, astronaut_jpeg: bytes, empty_jpeg: bytes
) -> None:
    bucket, key = made.settings.input_bucket, "input/back.jpg"
    for data, sequencer, expected in (
        (astronaut_jpeg, "0A", [("matched", NAME)]),
        (empty_jpeg, "0B", []),
        (astronaut_jpeg, "0C", [("matched", NAME)]),
    ):
        made.put(bucket, key, data)
        ok(ingestion.invoke(made.created(bucket, key, sequencer)))
        assert rows(made, key) == expected


def test_an_event_comes_in_every_envelope(made: Made, ingestion: Function, astronaut_jpeg: bytes) -> None:
    bucket, photos = made.settings.input_bucket, made.settings.aws_names.photos
    in_sns = json.loads(sample("sns_envelope")) | {
        "Message": json.dumps(made.put(bucket, "input/sns.jpg", astronaut_jpeg))
    }
    made.send(photos, in_sns)
    assert ok(ingestion.invoke(made.batch(photos))) == {"batchItemFailures": []}
    from_sns = {
        "EventSource": "aws:sns",
        "Sns": in_sns | {"Message": json.dumps(made.put(bucket, "input/direct sns.jpg", astronaut_jpeg))},
    }
    ok(ingestion.invoke({"Records": [from_sns]}))
    made.put(bucket, "input/100% bridge.jpg", astronaut_jpeg)
    bridge = json.loads(sample("eventbridge_object_created"))
    bridge["detail"] |= {"bucket": {"name": bucket}, "object": {"key": "input/100% bridge.jpg", "etag": "e", "size": 1}}
    ok(ingestion.invoke(bridge))
    for key in ("input/sns.jpg", "input/direct sns.jpg", "input/100% bridge.jpg"):
        assert rows(made, key) == [("matched", NAME)]


def test_a_direct_event_that_cannot_be_used_raises_for_lambda_to_tell_its_destination(ingestion: Function) -> None:
    answer = ingestion.invoke({"hello": "world"})
    assert answer.failed
    assert answer.payload["errorType"] == "InputError"
    assert "no list Records" in answer.payload["errorMessage"]


def test_messages_without_time_left_are_given_back_at_once(
    made: Made, ingestion: Function, astronaut_jpeg: bytes
) -> None:
    photos, bucket = made.settings.aws_names.photos, made.settings.input_bucket
    made.send(photos, made.put(bucket, "input/late.jpg", astronaut_jpeg))
    batch = made.batch(photos)
    answer = ok(ingestion.invoke(batch, timeout_s=0.9))
    assert answer == {"batchItemFailures": [{"itemIdentifier": batch["Records"][0]["messageId"]}]}
    again = made.batch(photos)  # hidden for a minute if it had not been given back
    assert ok(ingestion.invoke(again)) == {"batchItemFailures": []}
    assert rows(made, "input/late.jpg") == [("matched", NAME)]


def test_what_fails_each_time_dies_with_its_last_error_and_is_done_after_the_redrive(
    made: Made, ingestion: Function, folder: Path, astronaut_jpeg: bytes
) -> None:
    photos = made.settings.aws_names.photos
    made.send(photos, made.put(made.settings.input_bucket, "input/denied.jpg", astronaut_jpeg))
    (folder / "broken").mkdir()
    with start(
        made, "image_ingestion", folder / "broken", FACELINE_AWS_RESULTS_TABLE="no-such-table", FACELINE_LEASE_S="3"
    ) as function:
        for delivery in range(1, made.settings.max_receives + 1):
            batch = made.batch(photos, wait_s=10)
            failures = ok(function.invoke(batch))["batchItemFailures"]
            assert len(failures) == (1 if delivery < made.settings.max_receives else 0)
    (letter,) = queue(made, photos).list()
    assert "no-such-table" in letter.reason
    assert "no such table" in letter.reason
    assert counted(folder / "broken", "image_ingestion", "errors") == made.settings.max_receives
    assert queue(made, photos).redrive() == 1
    assert ok(ingestion.invoke(made.batch(photos))) == {"batchItemFailures": []}
    assert rows(made, "input/denied.jpg") == [("matched", NAME)]


def test_a_match_is_reported_and_told_once(made: Made, folder: Path, astronaut: NDArray[np.uint8]) -> None:
    s = made.settings
    heard = subscribed(made)
    with start(made, "match_faces", folder) as function:
        for number, customer in enumerate(("ada", "bea"), start=1):
            made.send(
                s.names.matching,
                made.put(s.names.images, f"images/{customer}_{number:04}.jpg", jpeg(astronaut, 90 + number)),
            )
            batch = made.batch(s.names.matching)
            assert ok(function.invoke(batch)) == {"batchItemFailures": []}
            assert ok(function.invoke(batch))["batchItemFailures"] != []  # delivered twice, the lease is over
    report = made.read(s.names.matches, "output/bea_0002.jpg.json")
    assert json.dumps(report).count("ada") > 0
    wakes = made.batch(s.aws_names.notify)
    assert len(wakes["Records"]) == 1
    with start(made, "notify", folder) as function:
        settle(made, function, wakes)
        assert ok(function.invoke({"source": "aws.events", "detail-type": "Scheduled Event"})) == {"tried": 0}
    (told,) = received(made, heard)
    assert "bea" in json.loads(told)["Message"]
    assert queue(made, s.aws_names.notify).depth() == {"visible": 0, "in_flight": 0, "dead": 0}
    names = {
        name
        for handler in ("match_faces", "notify")
        for name in ("ada ", "bea ")
        if name in (folder / f"{handler}.log").read_text(encoding="utf-8")
    }
    assert names == set()


def test_a_notice_that_cannot_be_told_yet_gives_its_message_back(made: Made, folder: Path, tmp_path: Path) -> None:
    s = made.settings
    made.send(s.aws_names.notify, {"notice": "msg_nobody-knows"})
    made.send(s.aws_names.notify, {"what": 1})
    with start(made, "notify", tmp_path) as function:
        assert ok(function.invoke(made.batch(s.aws_names.notify))) == {"batchItemFailures": []}
    (letter,) = queue(made, s.aws_names.notify).list()
    assert "names no notice" in letter.reason
    queue(made, s.aws_names.notify).discard()


def test_frames_are_answered_by_name(
    made: Made, folder: Path, enrolled: None, astronaut_jpeg: bytes, empty_jpeg: bytes
) -> None:
    s = made.settings
    with start(made, "frame_detection", folder) as function:
        for request_id, data in (("1", astronaut_jpeg), ("2", empty_jpeg)):
            frame = {"request_id": request_id, "filename": "a.jpg", "content": base64.b64encode(data).decode()}
            assert ok(function.invoke(gateway("function_url", frame))) == {
                "statusCode": 200,
                "body": "Face detection completed",
            }
            assert ok(function.invoke(gateway("gateway_v1", frame)))["statusCode"] == 200  # the same frame again
        bare = {"request_id": "3", "filename": "a.jpg", "content": base64.b64encode(astronaut_jpeg).decode()}
        assert ok(function.invoke([bare, {}]))[1]["statusCode"] == 400
        refused = ok(function.invoke(json.loads(sample("function_url"))))
        assert refused["statusCode"] == 400
        assert "error" in json.loads(refused["body"])
    with start(made, "frame_recognition", folder) as function:
        made.send(s.names.requests, "rubbish")
        batch = made.batch(s.names.requests)
        assert len(batch["Records"]) == 3
        assert ok(function.invoke(batch)) == {"batchItemFailures": []}
        others: list[Any] = [{}, None, [], "x", made.created(s.input_bucket, f"enroll/{NAME}/1.jpg")]
        for other in others:
            assert function.invoke(other).payload["errorType"] == "InputError"
    assert len(queue(made, s.names.requests).list()) == 1
    answers = sorted(
        (json.loads(body) for body in received(made, s.names.responses)), key=lambda each: str(each["request_id"])
    )
    assert answers == [
        {"request_id": "1", "result": NAME},
        {"request_id": "2", "result": "No-Face"},
        {"request_id": "3", "result": NAME},
    ]


def test_a_client_is_told_of_our_failures_in_json(made: Made, tmp_path: Path, folder: Path) -> None:
    with start(made, "frame_detection", tmp_path, FACELINE_AWS_STATE_TABLE="no-such-table") as function:
        answer = ok(function.invoke(json.loads(sample("function_url"))))
    assert answer["statusCode"] == 500
    document = json.loads(answer["body"])
    assert "no-such-table" in document["error"]
    assert "Traceback" not in document["error"]
    lines = [line for line in logged(tmp_path, "frame_detection") if line.get("message") == "frame failed"]
    assert [line["request_id"] for line in lines] == [document["request_id"]]


def test_a_clip_is_staged_and_recognised(
    made: Made, folder: Path, enrolled: None, tmp_path: Path, astronaut: NDArray[np.uint8]
) -> None:
    from clips import passing_by, write_clip  # noqa: PLC0415 (needs PyAV)

    s = made.settings
    clip = write_clip(tmp_path / "space.mp4", passing_by(Image.fromarray(astronaut[:300, 100:400]), 20)).read_bytes()
    made.send(s.aws_names.clips, made.put(s.names.input, "space.mp4", clip))
    with start(made, "video_splitting", folder) as function:
        batch = made.batch(s.aws_names.clips)
        assert len(ok(function.invoke(batch, 60))["batchItemFailures"]) == 1  # there is no function to call
    assert any("face-recognition" in str(line.get("exception")) for line in logged(folder, "video_splitting"))
    staged = made.created(s.names.stage, "space/frames.json")
    with start(made, "video_recognition", folder) as function:
        call = {"bucket_name": s.names.stage, "image_file_name": "space/frames.json"}
        assert ok(function.invoke(call, 60)) == {"statusCode": 200, "body": NAME}
        assert ok(function.invoke(staged, 60)) == {"statusCode": 200, "body": NAME}
        assert ok(function.invoke(made.created(s.names.stage, "space/output-01.jpg"))) == []
        failed = json.loads(sample("failed_invocation")) | {"requestPayload": call}
        assert ok(function.invoke(failed, 60))["statusCode"] == 200
        nested = {"requestPayload": {"requestPayload": call}}  # no report of Lambda's, however deep it goes on
        assert function.invoke(nested).payload["errorType"] == "InputError"
        gone = ok(function.invoke({"bucket_name": s.names.stage, "image_file_name": "gone.jpg"}))
        assert gone["statusCode"] == 400
        poison = function.invoke({"bucket": "x"})
        assert poison.failed
        assert "image_file_name" in poison.payload["errorMessage"]
    (folder / "nowhere").mkdir()
    with start(
        made, "video_recognition", folder / "nowhere", FACELINE_VIDEO_OUTPUT_BUCKET="no-such-bucket"
    ) as function:
        answer = function.invoke(call, 60)
    assert (answer.failed, answer.payload["errorType"]) == (True, "StorageError")  # Lambda repeats it, then tells why
    assert "there is no bucket no-such-bucket" in answer.payload["errorMessage"]


def gateway(name: str, frame: dict[str, str]) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(sample(name))
    body = json.dumps(frame)
    event["body"] = base64.b64encode(body.encode()).decode() if event["isBase64Encoded"] else body
    return event


def subscribed(made: Made) -> str:
    """A queue that hears the topic."""
    name = f"heard-{uuid.uuid4().hex[:8]}"
    url = made.clients.sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = made.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    made.clients.sns.subscribe(TopicArn=made.settings.aws_topic, Protocol="sqs", Endpoint=attributes["QueueArn"])
    return name


def settle(made: Made, function: Function, batch: dict[str, Any]) -> None:
    """The index of what is due may lag behind: until the message is acknowledged."""
    deadline = time.monotonic() + 20
    while ok(function.invoke(batch))["batchItemFailures"]:
        assert time.monotonic() < deadline
        batch = made.batch(made.settings.aws_names.notify)
