"""Logs, and the id that follows one photo through everything."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asgi import KNOWN, Client
from faceline import telemetry
from faceline.app import App
from faceline.events import ObjectCreated, from_json, request_id_of, to_json
from faceline.notices import PERSON_SEEN, Notice
from faceline.pipelines.receipted import Receipted
from faceline.telemetry import following, request_id
from made import BUCKET, MadeAnalyzer, open_app, photo

EVENT = ObjectCreated(BUCKET, "input/a.png", "etag", 7, "2026-01-31T12:00:00.000+00:00")


class Logs:
    """What was logged as JSON."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def lines(self, message: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [line for line in found if message in (None, line["message"])]

    def one(self, message: str) -> dict[str, Any]:
        (line,) = self.lines(message)
        return line


@pytest.fixture
def logs() -> Iterator[Logs]:
    loggers, stream = [logging.getLogger(name) for name in ("faceline", "uvicorn")], io.StringIO()
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    telemetry.configure("json", logging.DEBUG, stream)
    yield Logs(stream)
    for logger, state in zip(loggers, before, strict=True):
        logger.handlers[:], logger.level, logger.propagate = state


@pytest.fixture
def client(made_app: App) -> Client:
    """Uploads start work, as in `faceline up`."""
    return Client(made_app, announce=made_app.watcher().announce)


def test_a_line_says_the_request_that_is_followed(logs: Logs) -> None:
    log = logging.getLogger("faceline.some.module")
    with following("abc-1"):
        log.info("within", extra={"key": "input/a.png"})
    log.info("after")
    within = logs.one("within")
    assert (within["request_id"], within["key"], within["logger"]) == ("abc-1", "input/a.png", "faceline.some.module")
    assert "request_id" not in logs.one("after")


def test_a_lines_own_request_id_stays(logs: Logs) -> None:
    with following("of the upload"):
        logging.getLogger("faceline.frames").info("frame taken", extra={"request_id": "of the frame"})
    assert logs.one("frame taken")["request_id"] == "of the frame"


@pytest.mark.parametrize("given", ["abc-1", "Root=1-67891233-abcdef", "a" * 128, "urn:x:1/2+3@4~5_6"])
def test_safe_ids_are_used_as_they_are(given: str) -> None:
    with following(given) as used:
        assert given == used == request_id()
    assert request_id() == ""


@pytest.mark.parametrize("given", ["", "a" * 129, "two words", "line\nbreak", 'quo"te', "Zoë", "abc\n"])
def test_other_ids_are_replaced(given: str) -> None:
    with following(given) as used:
        assert used != given
        assert len(used) == 32


def test_one_photo_is_followed_from_its_upload_to_its_result(client: Client, logs: Logs) -> None:
    answer = client.ask("PUT", f"/buckets/{BUCKET}/input/a.png", {**KNOWN, "x-request-id": "photo-1"}, [photo()])
    client.app.worker().drain()
    assert (answer.status, answer.headers["x-request-id"]) == (201, "photo-1")
    http, done = logs.one("http"), logs.one("photo done")
    assert http["request_id"] == done["request_id"] == "photo-1"
    assert {name: http[name] for name in ("level", "method", "route", "status", "caller")} == {
        "level": "info",
        "method": "PUT",
        "route": "/buckets/{bucket}/{key:path}",
        "status": 201,
        "caller": "admin",
    }
    assert (done["bucket"], done["key"], done["status"]) == (BUCKET, "input/a.png", "done")
    assert http["latency_ms"] > 0 < done["latency_ms"]


def test_requests_without_an_id_get_one_each(client: Client, logs: Logs) -> None:
    first, second = client.ask("GET", "/records"), client.ask("GET", "/records")
    ids = [answer.headers["x-request-id"] for answer in (first, second)]
    assert [line["request_id"] for line in logs.lines("http")] == ids
    assert ids[0] != ids[1]


def test_a_problem_says_the_requests_id(client: Client) -> None:
    answer = client.ask("GET", "/nowhere", {**KNOWN, "x-request-id": "lost-1"})
    assert answer.json["instance"] == "urn:faceline:request:lost-1"
    refused = client.ask("GET", "/records", {"x-request-id": "lost-2"})
    assert (refused.status, refused.json["instance"]) == (401, "urn:faceline:request:lost-2")


def test_whatever_breaks_is_a_problem_and_a_line_with_the_id(
    client: Client, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(query: object) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr(client.app.records, "query", breaks)
    answer = client.ask("GET", "/records", {**KNOWN, "x-request-id": "broken-1"})
    assert answer.is_problem(500, "log")
    assert b"secret" not in answer.body
    assert answer.headers["x-request-id"] == "broken-1"
    assert "secret words" in logs.one("a request failed")["exception"]
    assert (logs.one("http")["status"], logs.one("http")["request_id"]) == (500, "broken-1")


def test_the_access_log_has_neither_names_nor_keys(client: Client, logs: Logs) -> None:
    client.ask("GET", f"/buckets/{BUCKET}/enroll/Ada/a.png")
    client.ask("GET", "/nowhere/Ada")
    client.ask("GET", "/records", query=b"person=Ada")
    text = json.dumps(logs.lines("http"))
    assert len(logs.lines("http")) == 3
    assert "Ada" not in text
    assert KNOWN["authorization"] not in text


def test_pages_and_what_watches_us_are_told_only_when_debugging(client: Client, logs: Logs) -> None:
    for path in ("/healthz", "/metrics", "/health", "/static/base.css", "/api/v1/health"):
        assert client.ask("GET", path).status == 200
    assert {line["level"] for line in logs.lines("http")} == {"debug"}


def test_a_file_that_was_dropped_gets_an_id_of_its_own(made_app: App, logs: Logs) -> None:
    for name in ("a", "b"):
        made_app.watcher().announce(made_app.objects.put(BUCKET, f"input/{name}.png", photo()))
    made_app.worker().drain()
    ids = {line["request_id"] for line in logs.lines("photo done")}
    assert len(ids) == 2


def test_a_failing_photo_says_its_request_each_time(tmp_path: Path, logs: Logs) -> None:
    def breaks(frame: object) -> None:
        raise RuntimeError("the machine is on fire")

    with open_app(tmp_path / "data", MadeAnalyzer(breaks)) as app:
        with following("photo-2"):
            app.watcher().announce(app.objects.put(BUCKET, "input/a.png", photo()))
        app.worker().take(app.queue.receive()[0])
    assert logs.one("message failed")["request_id"] == "photo-2"


def test_each_event_of_a_message_says_its_own_request(made_app: App) -> None:
    bodies = [json.loads(to_json(ObjectCreated(BUCKET, key, "e", 1, "t", request_id=key))) for key in ("a", "b")]
    seen: list[tuple[str, str]] = []

    def handle(event: ObjectCreated) -> dict[str, Any]:
        seen.append((event.key, request_id()))
        return {}

    Receipted(made_app.receipts, handle).take(json.dumps({"Records": [body["Records"][0] for body in bodies]}))
    assert seen == [("a", "a"), ("b", "b")]


def test_an_event_says_the_request_where_s3_says_it() -> None:
    (event,) = from_json(to_json(ObjectCreated(BUCKET, "a", "e", 1, "t", request_id="r-1")))
    assert event.request_id == "r-1"
    body = json.loads(to_json(event))
    assert body["Records"][0]["responseElements"] == {"x-amz-request-id": "r-1"}
    assert "responseElements" not in json.loads(to_json(EVENT))["Records"][0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (to_json(ObjectCreated(BUCKET, "a", "e", 1, "t", request_id="r-1")), "r-1"),
        ('{"bucket_name": "b", "image_file_name": "k", "request_id": "r-2"}', "r-2"),
        (to_json(EVENT), ""),
        ('{"Records": [{"responseElements": {"x-amz-request-id": 7}}]}', ""),
        ('{"Records": [{"responseElements": []}]}', ""),
        ('{"Records": []}', ""),
        ('{"Records": "none"}', ""),
        ("[]", ""),
        ("not JSON", ""),
    ],
)
def test_the_request_of_any_message_can_be_asked(body: str, said: str) -> None:
    assert request_id_of(body) == said


def test_a_clip_is_followed_to_its_recognition(made_app: App) -> None:
    with following("clip-1"):
        made_app.videos.splitter().invoke({"bucket_name": "stage", "image_file_name": "clip/frames.json"})
    (message,) = made_app.queue_of("face-recognition").receive()
    assert request_id_of(message.body) == "clip-1"


def test_a_notice_is_logged_with_the_request_that_it_comes_from(tmp_path: Path, logs: Logs) -> None:
    target = {"name": "log", "kind": "log"}
    with open_app(tmp_path / "data") as app:
        settings = app.settings.with_(notify=[target])
        with App(settings) as telling, following("photo-3"):
            telling.notices.put(Notice("id", PERSON_SEEN, "2026-01-31T12:00:00.000+00:00", "b/k", "Ada", ("Ada",)))
    line = logs.one("to be told")
    assert (line["request_id"], line["targets"], line["kind"]) == ("photo-3", 1, "person.seen")
    assert "Ada" not in json.dumps(line)


def test_uvicorns_lines_are_written_as_ours(logs: Logs) -> None:
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert logs.one("Invalid HTTP request received.")["logger"] == "uvicorn.error"


def test_the_lines_in_the_docs_are_as_ours(client: Client, logs: Logs) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "monitor.md"
    shown = re.findall(r"^\{.*\}$", page.read_text(encoding="utf-8"), re.MULTILINE)
    client.ask("PUT", f"/buckets/{BUCKET}/input/a.jpg", {**KNOWN, "x-request-id": "photo-1"}, [photo()])
    client.app.worker().drain()
    said = {line["message"]: line for line in logs.lines()}
    for example in map(json.loads, shown):
        ours, varying = said[example["message"]], ("time", "latency_ms")
        assert list(example) == list(ours)
        assert [example[name] for name in example if name not in varying] == [
            ours[name] for name in ours if name not in varying
        ]
    assert len(shown) == 2
