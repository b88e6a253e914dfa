"""Frames and queues over real HTTP: statuses, receiving, waiting, being told, and clients that go away."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from faceline.app import App
from faceline.errors import StorageError
from seen import answers, frame, open_seeing, work
from served import KEY, client, serving

REQUESTS, RESPONSES = "/queues/faceline-req-queue", "/queues/faceline-resp-queue"
LIMIT = 200_000


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with open_seeing(tmp_path / "data", max_upload_bytes=LIMIT) as app:
        yield app


@pytest.fixture
def url(app: App) -> Iterator[str]:
    with serving(app) as url:
        yield url


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with client(url) as http:
        yield http


def received(http: httpx.Client, **parameters: Any) -> list[dict[str, Any]]:
    answer = http.get(f"{RESPONSES}/messages", params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def is_problem(answer: httpx.Response, status: int, *words: str) -> bool:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code == status and all(word in answer.json()["detail"] for word in words)


class Told:
    """A subscriber in a thread. ready: once it is subscribed."""

    def __init__(self, http: httpx.Client, path: str = RESPONSES, last_id: str | None = None) -> None:
        self.events: list[tuple[str, dict[str, str]]] = []
        self.last_id = last_id
        self._http, self._path, self._ready = http, path, threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(10)

    def wait(self, count: int) -> list[str]:
        """The bodies, once there are so many."""
        deadline = time.monotonic() + 10
        while len(self.events) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return [event["body"] for _, event in self.events]

    def join(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        with (
            suppress(httpx.TransportError),
            self._http.stream("GET", f"{self._path}/events", headers=headers) as stream,
        ):
            assert stream.headers["content-type"].startswith("text/event-stream")
            self._ready.set()
            for line in stream.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = value
                elif name == "data":
                    self.events.append((self.last_id or "", json.loads(value)))


class TestFrames:
    def test_a_frame_is_taken_and_answered_over_the_queue(self, http: httpx.Client, app: App) -> None:
        answer = http.post("/frames", json=frame("1", "blue"))
        assert (answer.status_code, answer.text) == (200, "Face detection completed")
        assert answer.headers["content-type"].startswith("text/plain")
        work(app)
        (message,) = received(http)
        assert json.loads(message["body"]) == {"request_id": "1", "result": "Zoë"}
        assert set(message) == {"message_id", "receipt_handle", "body", "receive_count"}

    @pytest.mark.parametrize(
        ("body", "status", "word"),
        [
            (b"", 400, "empty"),
            (b"{", 400, "JSON"),
            (b"\xff\xfe", 400, "JSON"),
            (b"[" * 100_000, 400, "JSON"),
            (b'{"request_id": "1"}', 400, "content, filename"),
            (b'{"request_id": 1e9, "content": "a", "filename": "b"}', 400, "request_id"),
            (b"x" * (LIMIT + 1), 413, str(LIMIT)),
        ],
        ids=["nothing", "a part", "no Unicode", "deep", "missing", "a number", "giant"],
    )
    def test_errors_are_told_as_json(self, http: httpx.Client, body: bytes, status: int, word: str) -> None:
        answer = http.post("/frames", content=body)
        assert (answer.status_code, set(answer.json())) == (status, {"error"})
        assert word in answer.json()["error"]

    def test_a_giant_body_of_unknown_length_is_not_read_to_its_end(self, http: httpx.Client) -> None:
        sent: list[int] = []

        def chunks() -> Iterator[bytes]:
            for n in range(2000):
                sent.append(n)
                yield b"x" * 100_000

        with suppress(httpx.TransportError):  # when the connection is closed before the answer is read
            assert http.post("/frames", content=chunks()).status_code == 413
        assert len(sent) < 2000

    def test_batches_and_events_are_taken_too(self, http: httpx.Client, app: App) -> None:
        answer = http.post("/frames", json=[frame("1", "black"), {}])
        assert [each["statusCode"] for each in answer.json()] == [200, 400]
        answer = http.post("/frames", json={"body": json.dumps(frame("2", "black")), "isBase64Encoded": False})
        assert answer.text == "Face detection completed"
        assert answers(app) == [("1", "No-Face"), ("2", "No-Face")]

    def test_a_queue_that_refuses_is_a_bad_gateway(
        self, http: httpx.Client, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> str:
            raise StorageError("the disk is full")

        monkeypatch.setattr(app.frames.requests, "send", refuse)
        answer = http.post("/frames", json=frame())
        assert answer.status_code == 502
        assert "disk is full" in answer.json()["error"]

    def test_one_request_id_sent_many_times_at_once_has_one_answer(self, http: httpx.Client, app: App) -> None:
        with ThreadPoolExecutor(8) as pool:
            statuses = [a.status_code for a in pool.map(lambda _: http.post("/frames", json=frame("1")), range(24))]
        assert statuses == [200] * 24
        work(app)
        assert answers(app) == [("1", "Ada")]

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/frames"),
            ("GET", RESPONSES),
            ("GET", f"{RESPONSES}/messages"),
            ("POST", f"{RESPONSES}/messages"),
            ("DELETE", f"{RESPONSES}/messages/1"),
            ("POST", f"{RESPONSES}/messages/1/visibility"),
            ("GET", f"{RESPONSES}/events"),
        ],
    )
    def test_without_the_key_nothing_is_told(self, url: str, method: str, path: str) -> None:
        with client(url, "a guess") as stranger:
            assert is_problem(stranger.request(method, path), 401)


class TestMessages:
    def test_a_received_message_is_hidden_and_deleted_by_its_handle(self, http: httpx.Client, app: App) -> None:
        app.frames.responses.send("one")
        app.frames.responses.send("two")
        (first,) = received(http)
        assert http.get(RESPONSES).json() == {"name": "faceline-resp-queue", "visible": 1, "in_flight": 1, "dead": 0}
        path = f"{RESPONSES}/messages/{first['receipt_handle']}"
        assert http.delete(path).status_code == 204
        assert is_problem(http.delete(path), 404)
        assert [message["body"] for message in received(http, max=10)] == ["two"]

    def test_what_is_not_deleted_comes_back_after_its_visibility_timeout(self, http: httpx.Client, app: App) -> None:
        app.frames.responses.send("one")
        assert received(http, visibility_timeout_s=0.2)
        assert received(http) == []
        (again,) = received(http, wait_s=10)
        assert again["receive_count"] == 2

    def test_a_visibility_timeout_of_zero_only_looks(self, http: httpx.Client, app: App) -> None:
        app.frames.responses.send("one")
        for _ in range(8):
            (message,) = received(http, visibility_timeout_s=0)
        assert http.delete(f"{RESPONSES}/messages/{message['receipt_handle']}").status_code == 204

    def test_a_message_is_given_back_or_held_longer(self, http: httpx.Client, app: App) -> None:
        app.frames.responses.send("one")
        (message,) = received(http, visibility_timeout_s=0.3)
        path = f"{RESPONSES}/messages/{message['receipt_handle']}/visibility"
        assert http.post(path, params={"visibility_timeout_s": 60}).status_code == 204
        time.sleep(0.4)
        assert received(http) == []
        assert http.post(path, params={"visibility_timeout_s": 0}).status_code == 204
        assert len(received(http)) == 1
        assert is_problem(http.post(path, params={"visibility_timeout_s": 0}), 404)

    def test_a_message_is_sent_once_by_its_deduplication_id(self, http: httpx.Client) -> None:
        first = http.post(f"{RESPONSES}/messages", params={"deduplication_id": "1"}, content="Zoë\0")
        again = http.post(f"{RESPONSES}/messages", params={"deduplication_id": "1"}, content="other")
        assert (first.status_code, again.json()) == (201, first.json())
        assert [message["body"] for message in received(http, max=10)] == ["Zoë\0"]

    def test_a_message_over_the_limit_or_not_text_is_refused(self, http: httpx.Client) -> None:
        path = f"{REQUESTS}/messages"
        assert http.post(path, content=b"x" * 262_144).status_code == 201
        assert is_problem(http.post(path, content=b"x" * 262_145), 413, "262144")
        assert is_problem(http.post(path, content=b"\xff"), 400, "UTF-8")

    @pytest.mark.parametrize("name", ["face-input-queue", "rekognition-video", "nothing", "a%2Fb", "%00", "x" * 5000])
    @pytest.mark.parametrize("rest", ["", "/messages", "/events"])
    def test_other_queues_are_not_found(self, http: httpx.Client, name: str, rest: str) -> None:
        assert is_problem(http.get(f"/queues/{name}{rest}"), 404)

    @pytest.mark.parametrize(
        "query",
        [
            *("max=0", "max=11", "max=1.5", "max=", "max=-1", "max=%D9%A1"),
            *("wait_s=21", "wait_s=nan", "wait_s=1e1", "wait_s=-1", "visibility_timeout_s=43201", "limit=1"),
        ],
    )
    def test_bad_parameters_are_named(self, http: httpx.Client, query: str) -> None:
        assert is_problem(http.get(f"{RESPONSES}/messages?{query}"), 400, query.partition("=")[0])

    @pytest.mark.parametrize("handle", ["nothing", "no.thing", "%00", "x" * 5000])
    def test_handles_of_nothing_are_not_found(self, http: httpx.Client, handle: str) -> None:
        assert is_problem(http.delete(f"{RESPONSES}/messages/{handle}"), 404)
        path = f"{RESPONSES}/messages/{handle}/visibility"
        assert is_problem(http.post(path, params={"visibility_timeout_s": 1}), 404)
        assert is_problem(http.post(path), 400, "visibility_timeout_s")


class TestWaiting:
    def test_a_poll_waits_for_a_message(self, http: httpx.Client, app: App) -> None:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(received, http, wait_s=20)
            time.sleep(0.2)
            app.frames.responses.send("at last")
            started = time.monotonic()
            (message,) = waiting.result(10)
        assert message["body"] == "at last"
        assert time.monotonic() - started < 5

    def test_a_poll_ends_with_nothing_when_its_time_is_over(self, http: httpx.Client) -> None:
        started = time.monotonic()
        assert received(http, wait_s=0.3) == []
        assert 0.3 <= time.monotonic() - started < 5

    def test_many_polls_wait_without_a_thread_each_and_each_message_goes_to_one(
        self, http: httpx.Client, app: App, url: str
    ) -> None:
        request = (
            f"GET {RESPONSES}/messages?wait_s=20 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        )
        connections = [connected(url, request) for _ in range(120)]
        time.sleep(0.5)
        threads = threading.active_count()
        assert threads < 60
        for n in range(120):
            app.frames.responses.send(f"message {n}")
        bodies = [json.loads(body_of(connection))[0]["body"] for connection in connections]
        assert sorted(bodies) == sorted(f"message {n}" for n in range(120))
        assert http.get("/healthz").status_code == 200

    def test_a_client_that_goes_away_while_it_waits_loses_nothing(self, http: httpx.Client, app: App, url: str) -> None:
        request = (
            f"GET {RESPONSES}/messages?wait_s=20 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        )
        connection = connected(url, request)
        time.sleep(0.2)
        connection.close()
        time.sleep(0.2)
        app.frames.responses.send("one")
        time.sleep(0.2)
        assert [message["body"] for message in received(http)] == ["one"]

    def test_stopping_the_server_ends_the_polls_and_the_subscriptions(self, app: App) -> None:
        with ThreadPoolExecutor(1) as pool:
            with serving(app) as url:
                http = client(url)
                told = Told(http)
                waiting = pool.submit(received, http, wait_s=20)
                time.sleep(0.2)
                started = time.monotonic()
            assert time.monotonic() - started < 2.5  # less than what uvicorn grants those that do not end
            assert waiting.result(10) == []
            told.join()
            http.close()


class TestEvents:
    def test_subscribers_are_told_and_pollers_still_find_it(self, app: App) -> None:
        with serving(app) as url, client(url) as http:
            app.frames.responses.send("before")
            subscribers = [Told(http) for _ in range(3)]
            for body in ("one", "two"):
                app.frames.responses.send(body)
            assert [told.wait(2) for told in subscribers] == [["one", "two"]] * 3
            assert len(received(http, max=10)) == 3
            told = subscribers[0].events[0][1]
            assert set(told) == {"message_id", "body"}
            assert http.delete(f"{RESPONSES}/messages/{told['message_id']}").status_code == 204
            assert http.get(RESPONSES).json()["in_flight"] == 2

    def test_a_subscriber_goes_on_where_it_stopped(self, app: App) -> None:
        with serving(app) as url, client(url) as http:
            first = Told(http)
            for body in ("one", "two", "three"):
                app.frames.responses.send(body)
            first.wait(3)
            again = Told(http, last_id=first.events[0][0])
            assert again.wait(2) == ["two", "three"]

    def test_a_subscriber_that_was_told_of_nothing_knows_where_to_go_on(self, app: App) -> None:
        app.frames.responses.send("before")
        with serving(app) as url, client(url) as http:
            first = Told(http)
            time.sleep(0.2)
        app.frames.responses.send("while it was away")
        with serving(app) as url, client(url) as http:
            assert Told(http, last_id=first.last_id).wait(1) == ["while it was away"]

    def test_many_subscribers_hold_no_thread_each_and_all_are_told(self, app: App) -> None:
        request = f"GET {RESPONSES}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        with serving(app) as url, client(url) as http:
            connections = [connected(url, request) for _ in range(150)]
            for connection in connections:
                assert b"200" in connection.recv(4096)
            assert threading.active_count() < 60
            app.frames.responses.send("for all")
            for connection in connections:
                text = b""
                while b"for all" not in text:
                    part = connection.recv(4096)
                    assert part
                    text += part
                connection.close()
            assert len(received(http)) == 1

    @pytest.mark.parametrize("last_id", ["nothing", "-1", "9" * 40, "٣"])
    def test_a_strange_last_id_counts_as_none(self, app: App, last_id: str) -> None:
        app.frames.responses.send("before")
        request = (
            f"GET {RESPONSES}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
            f"Last-Event-ID: {last_id}\r\n\r\n"
        )
        with serving(app) as url:
            connection = connected(url, request)
            assert b"200" in connection.recv(4096)
            app.frames.responses.send("after")
            text = b""
            while b"after" not in text:
                text += connection.recv(4096)
            assert b"before" not in text
            connection.close()


def connected(url: str, request: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=30)
    connection.sendall(request.encode())
    return connection


def body_of(connection: socket.socket) -> bytes:
    text = b""
    while not text.endswith(b"]"):
        part = connection.recv(4096)
        assert part, text
        text += part
    connection.close()
    return text.partition(b"\r\n\r\n")[2]
