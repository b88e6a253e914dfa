"""Workflow 2 without HTTP: what a frame's answer is, what the queues carry, and that a request_id has one answer."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceline.app import App
from faceline.erasure import Gone
from faceline.errors import InputError, NotFoundError, SettingError, StorageError
from faceline.images import encode_jpeg
from faceline.pipelines.frame_messages import MAX_MESSAGE_BYTES, deduplication_id, face_message, face_request
from faceline.pipelines.frames import FrameDetection, FrameRecognition
from faceline.types import BoundingBox, Frame
from made import face
from seen import answers, content, frame, open_seeing, picture, work

DONE = {"statusCode": 200, "body": "Face detection completed"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with open_seeing(tmp_path / "data", max_image_bytes=20_000) as app:
        yield app


@pytest.fixture
def detection(app: App) -> FrameDetection:
    return app.frames.detection()


@pytest.fixture
def recognition(app: App) -> FrameRecognition:
    return app.frames.recognition()


def error(answer: Any) -> tuple[int, str]:
    document = json.loads(answer["body"])
    assert set(document) == {"error"}
    return answer["statusCode"], document["error"]


def gateway(body: object, **more: object) -> dict[str, Any]:
    """An event of a Lambda function URL."""
    return {"version": "2.0", "requestContext": {"http": {"method": "POST"}}, "body": body, **more}


class TestDetection:
    def test_a_frame_puts_its_face_into_the_request_queue(self, app: App, detection: FrameDetection) -> None:
        assert detection.handle(frame("request 1")) == DONE
        (message,) = app.frames.requests.receive()
        sent = json.loads(message.body)
        assert (sent["request_id"], sent["filename"], set(sent)) == (
            "request 1",
            "a.jpg",
            {"request_id", "filename", "face"},
        )
        assert base64.b64decode(sent["face"]).startswith(b"\xff\xd8\xff")
        assert answers(app) == []

    def test_a_frame_without_a_face_is_answered_at_once(self, app: App, detection: FrameDetection) -> None:
        assert detection.handle(frame("1", "black")) == DONE
        assert answers(app) == [("1", "No-Face")]
        assert app.frames.requests.depth()["visible"] == 0

    @pytest.mark.parametrize(
        "event",
        [
            frame(),
            gateway(json.dumps(frame())),
            gateway(base64.b64encode(json.dumps(frame()).encode()).decode(), isBase64Encoded=True),
            {"httpMethod": "POST", "body": json.dumps(frame())},
            gateway(frame()),
        ],
        ids=["bare", "function URL", "in base64", "API Gateway 1", "body not as text"],
    )
    def test_every_form_of_an_event_is_taken(self, app: App, detection: FrameDetection, event: object) -> None:
        assert detection.handle(event) == DONE
        assert app.frames.requests.depth()["visible"] == 1
        assert detection.handle_json(json.dumps(event).encode()) == DONE

    def test_a_batch_has_an_answer_for_each_frame(self, app: App, detection: FrameDetection) -> None:
        good, bad, nobody = detection.handle([frame("1"), {"request_id": "2"}, frame("3", "black")])
        assert (good, nobody) == (DONE, DONE)
        assert error(bad)[0] == 400
        assert answers(app) == [("3", "No-Face")]
        answer: Any = detection.handle(gateway(json.dumps([frame("4"), 5])))
        assert [each["statusCode"] for each in json.loads(answer["body"])] == [200, 400]

    @pytest.mark.parametrize(
        ("event", "words"),
        [
            ({}, ["request_id", "content", "filename"]),
            (frame(content=None), ["missing: content;"]),
            (frame(request_id=""), ["missing: request_id;"]),
            ({"request_id": "1", "content": content("red")}, ["missing: filename;"]),
            (frame(request_id=7), ["not a text: request_id"]),
            (frame(content=["a"]), ["not a text: content"]),
            (frame(request_id="x" * 10_000), ["request_id", "10,000", "1,024"]),
            (frame(request_id="\ud800"), ["request_id", "Unicode"]),
            (frame(filename="x" * 1025), ["filename", "1,025"]),
            (frame(content="not base64!"), ["content", "base64"]),
            (frame(content="QUJ"), ["content", "base64"]),
            (frame(content="ÄÖÜ"), ["content", "base64"]),
            (frame(content=base64.b64encode(b"text").decode()), ["a.jpg"]),
            (frame(content=base64.b64encode(picture("red")[:-60]).decode()), ["a.jpg"]),
            (gateway(None), ["no body"]),
            ({"requestContext": {}}, ["no body"]),
            (gateway(""), ["no body"]),
            (gateway("  "), ["empty"]),
            (gateway("{"), ["JSON"]),
            (gateway("not base64!", isBase64Encoded=True), ["body", "base64"]),
            (gateway(base64.b64encode(b'"\xff"').decode(), isBase64Encoded=True), ["JSON"]),
            (gateway("[" * 100_000), ["JSON"]),
            (gateway('{"a":' * 100_000), ["JSON"]),
            (gateway('"text"'), ["JSON object"]),
            ([{}] * 1001, ["1,001", "1,000"]),
            (gateway(json.dumps([{}] * 1001)), ["1,001", "1,000"]),
            ("text", ["JSON object"]),
            (None, ["JSON object"]),
        ],
    )
    def test_what_cannot_be_used_is_named(
        self, app: App, detection: FrameDetection, event: object, words: list[str]
    ) -> None:
        status, message = error(detection.handle(event))
        assert status == 400
        assert all(word in message for word in words), message
        assert app.frames.requests.depth()["visible"] == 0
        assert answers(app) == []

    def test_a_frame_over_a_limit_is_too_large(self, detection: FrameDetection) -> None:
        status, message = error(detection.handle(frame(content="A" * 28_000)))
        assert (status, "20,000" in message) == (413, True)
        pixels = base64.b64encode(picture("red", (30_001, 1), "PNG")).decode()
        assert error(detection.handle(frame(content=pixels)))[0] == 413

    @pytest.mark.parametrize("broken", ["{}\n{}", "data:image/jpeg;base64,{}{}"])
    def test_base64_may_have_line_breaks_or_come_as_a_data_url(self, detection: FrameDetection, broken: str) -> None:
        text = content("red")
        assert detection.handle(frame(content=broken.format(text[:40], text[40:]))) == DONE

    @pytest.mark.parametrize("colour", ["red", "black"])
    def test_a_queue_that_refuses_is_a_bad_gateway(
        self, app: App, detection: FrameDetection, monkeypatch: pytest.MonkeyPatch, colour: str
    ) -> None:
        def refuse(*_: object) -> str:
            raise StorageError("the disk is full")

        for queue in (app.frames.requests, app.frames.responses):
            monkeypatch.setattr(queue, "send", refuse)
        status, message = error(detection.handle(frame("1", colour)))
        assert (status, "disk is full" in message) == (502, True)
        monkeypatch.undo()
        assert detection.handle(frame("1", colour)) == DONE

    @pytest.mark.parametrize(
        ("given", "kept"), [("a/b/c.jpg", "c.jpg"), ("C:\\d\\e.png", "e.png"), ("f/", "f"), ("//", "frame")]
    )
    def test_the_last_part_of_a_path_is_the_filename(
        self, app: App, detection: FrameDetection, given: str, kept: str
    ) -> None:
        detection.handle(frame(filename=given))
        assert json.loads(app.frames.requests.receive()[0].body)["filename"] == kept


class TestOneAnswer:
    def test_a_request_id_again_gives_no_second_answer(self, app: App, detection: FrameDetection) -> None:
        for _ in range(2):
            assert detection.handle(frame("1", "red")) == DONE
            work(app)
        assert answers(app) == [("1", "Ada")]
        for message in app.frames.responses.receive(limit=10):
            app.frames.responses.acknowledge(message)
        detection.handle(frame("1", "red"))
        detection.handle(frame("1", "black"))
        work(app)
        assert answers(app) == []

    def test_of_two_frames_with_one_request_id_only_one_is_answered(self, app: App, detection: FrameDetection) -> None:
        detection.handle(frame("1", "black"))
        detection.handle(frame("1", "red"))
        work(app)
        assert answers(app) == [("1", "No-Face")]

    def test_many_at_once_with_one_request_id_give_one_answer(self, app: App, detection: FrameDetection) -> None:
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(detection.handle, [frame("1")] * 24)) == [DONE] * 24
            for _ in pool.map(lambda _: work(app), range(8)):
                pass
        assert answers(app) == [("1", "Ada")]

    def test_a_worker_that_dies_between_its_steps_repeats_harmlessly(
        self, app: App, detection: FrameDetection, recognition: FrameRecognition
    ) -> None:
        detection.handle(frame("1"))
        (message,) = app.frames.requests.receive()
        recognition.take(message.body)  # answered, and killed before the acknowledgement
        app.frames.requests.release(message)
        work(app)
        assert answers(app) == [("1", "Ada")]

    @pytest.mark.parametrize("request_id", ["nul\0", "Zoë 🙂", "x" * 1024, " ", "'; DROP TABLE sent"])
    def test_the_answer_carries_the_request_id_as_it_came(
        self, app: App, detection: FrameDetection, request_id: str
    ) -> None:
        assert detection.handle(frame(request_id)) == DONE
        work(app)
        assert answers(app) == [(request_id, "Ada")]

    @given(st.lists(st.text(), min_size=2, max_size=5, unique=True))
    def test_different_request_ids_are_told_apart(self, ids: list[str]) -> None:
        assert len({deduplication_id(each) for each in ids}) == len(ids)
        assert {len(deduplication_id(each)) for each in ids} == {64}


class TestRecognition:
    @pytest.mark.parametrize(
        ("colour", "name"), [("red", "Ada"), ("blue", "Zoë"), ("yellow", "Unknown"), ("black", "No-Face")]
    )
    def test_a_face_gets_its_name(self, app: App, recognition: FrameRecognition, colour: str, name: str) -> None:
        recognition.take(json.dumps({"request_id": "1", "filename": "a.jpg", "face": content(colour)}))
        assert answers(app) == [("1", name)]

    def test_the_nearest_is_named_always_when_that_is_set(self, tmp_path: Path) -> None:
        with open_seeing(tmp_path / "legacy", nearest_wins=True) as app:
            app.frames.detection().handle(frame("1", "yellow"))
            work(app)
            ((_, name),) = answers(app)
            assert name in ("Ada", "Zoë", "Grace")

    @pytest.mark.parametrize("collection", ["", "nobody-is-here"])
    @pytest.mark.parametrize("nearest_wins", [False, True])
    def test_where_nobody_is_enrolled_everybody_is_unknown(
        self, tmp_path: Path, collection: str, nearest_wins: bool
    ) -> None:
        with open_seeing(tmp_path / "other", collection=collection, nearest_wins=nearest_wins) as app:
            app.frames.detection().handle(frame())
            work(app)
            assert answers(app) == [("1", "Unknown")]

    def test_a_foreign_message_is_understood(self, app: App, recognition: FrameRecognition) -> None:
        recognition.take(json.dumps({"request_id": "1", "face_image": content("blue")}))
        assert answers(app) == [("1", "Zoë")]

    @pytest.mark.parametrize("crop", [{}, {"face": None}, {"face": 7}, {"face": "no base64!"}, {"face": "QUJD"}])
    def test_who_waits_for_a_face_that_cannot_be_read_is_answered(
        self, app: App, recognition: FrameRecognition, crop: dict[str, Any]
    ) -> None:
        recognition.take(json.dumps({"request_id": "1", "filename": "a.jpg"} | crop))
        assert answers(app) == [("1", "No-Face")]

    @pytest.mark.parametrize("body", ["", "text", "[]", "{}", '{"request_id": 7}', '{"request_id": ""}', "[" * 50_000])
    def test_a_message_that_names_nobody_to_answer_is_buried(self, app: App, body: str) -> None:
        with pytest.raises(InputError):
            face_request(body)
        app.frames.requests.send(body)
        work(app)
        (letter,) = app.frames.requests.list()
        assert (letter.body, answers(app)) == (body, [])

    def test_a_batch_is_embedded_together(self, app: App, recognition: FrameRecognition) -> None:
        bodies = [json.dumps({"request_id": c, "face": content(c)}) for c in ("red", "black", "blue")]
        records = [{"messageId": str(n), "body": body} for n, body in enumerate(bodies)]
        records.insert(1, {"messageId": "poison", "body": "text"})
        assert recognition.handle({"Records": records}) == {"batchItemFailures": [{"itemIdentifier": "poison"}]}
        assert answers(app) == [("red", "Ada"), ("black", "No-Face"), ("blue", "Zoë")]
        assert recognition.analyzer.batches == [2]  # type: ignore[attr-defined]

    def test_a_batch_that_fails_half_way_is_delivered_again_and_answered_once(
        self, app: App, recognition: FrameRecognition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send, sent = app.frames.responses.send, []

        def once(body: str, deduplication_id: str | None = None) -> str:
            sent.append(body)
            if len(sent) == 2:
                raise StorageError("the disk is full")
            return send(body, deduplication_id)

        monkeypatch.setattr(app.frames.responses, "send", once)
        records = [
            {"messageId": str(n), "body": json.dumps({"request_id": str(n), "face": content("red")})} for n in range(3)
        ]
        failed = recognition.handle({"Records": records})["batchItemFailures"]
        assert {each["itemIdentifier"] for each in failed} >= {"1", "2"}
        assert recognition.handle({"Records": records}) == {"batchItemFailures": []}
        assert answers(app) == [("0", "Ada"), ("1", "Ada"), ("2", "Ada")]


class TestMessages:
    def test_a_message_stays_below_the_limit_whatever_the_picture(self) -> None:
        noise = np.random.default_rng(1).integers(0, 256, (2000, 2000, 3), dtype=np.uint8)
        frame = Frame(noise, 2000, 2000, "noise")
        body = face_message("\0" * 1024, "🙂" * 1024, frame, face(box=BoundingBox(0, 0, 2000, 2000)))
        assert len(body) < MAX_MESSAGE_BYTES
        assert len(body) > MAX_MESSAGE_BYTES / 4  # not smaller than it must be

    def test_a_crop_of_a_usual_size_is_of_high_quality(self) -> None:
        grey = np.random.default_rng(1).normal(128, 8, (400, 400, 3)).clip(0, 255).astype(np.uint8)
        body = face_message("1", "a", Frame(grey, 400, 400, "grey"), face(box=BoundingBox(0, 0, 400, 400)))
        sent = base64.b64decode(json.loads(body)["face"])
        assert sent == encode_jpeg(grey, 92)


class TestQueues:
    def test_only_the_two_queues_are_known(self, app: App) -> None:
        assert app.frames.queue("faceline-req-queue") is app.frames.requests
        assert app.frames.queue("faceline-resp-queue") is app.frames.responses
        with pytest.raises(NotFoundError, match="faceline-req-queue"):
            app.frames.queue("face-input-queue")

    @pytest.mark.parametrize(
        "settings",
        [
            {"frames_request_queue": "same", "frames_response_queue": "same"},
            {"frames_request_queue": "face-input-queue"},
            {"frames_response_queue": "video-splitting"},
        ],
    )
    def test_queues_that_cannot_be_told_apart_are_refused(self, tmp_path: Path, settings: dict[str, str]) -> None:
        with open_seeing(tmp_path / "other", **settings) as app, pytest.raises(SettingError, match="must differ"):
            app.frames  # noqa: B018 (opening it is the test)

    def test_looking_at_an_answer_often_does_not_take_it_away(self, app: App) -> None:
        app.frames.responses.send("answer")
        for _ in range(50):
            (message,) = app.frames.responses.receive()
            app.frames.responses.release(message)
        assert app.frames.responses.depth()["dead"] == 0


@pytest.mark.parametrize("body", ["hello", "[1]", "{}", '{"result": "Ada"}', '{"request_id": 1, "result": "Ada"}'])
def test_what_others_sent_into_the_response_queue_keeps_nobody_from_being_forgotten(app: App, body: str) -> None:
    responses = app.queue_of(app.settings.names.responses)
    responses.send(body)
    responses.send('{"request_id": "1", "result": "Ada"}')
    app.frames.forget(Gone("Ada", (), everywhere=True))
    assert '{"request_id": "1", "result": "Unknown"}' in [message.body for message in responses.receive(10)]
