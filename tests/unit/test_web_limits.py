"""Over HTTP: nobody keeps others out with large heads, bodies that stop coming, or many requests at once."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile

import httpx
import pytest

from asgi import KNOWN, Client
from commands import wait_until
from faceline.api_keys import ApiScope
from faceline.gallery.enrolment import Photo
from faceline.types import Frame
from made import BUCKET, MadeAnalyzer, open_app, photo
from served import KEY, serving
from served import client as client_of

PATH = f"/buckets/{BUCKET}"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with open_app(tmp_path / "data") as app:
        app.objects.make_bucket(BUCKET)
        yield Client(app)


@pytest.fixture
def url(client: Client) -> Iterator[str]:
    with serving(client.app) as url:
        yield url


def sent(url: str, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10)
    connection.sendall(data)
    return connection


def to_its_end(connection: socket.socket) -> bytes:
    answer = b""
    with connection:
        while part := connection.recv(65_536):
            answer += part
    return answer


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.web.protocol._LAST_S", 0.1)


@pytest.mark.usefixtures("_hurried")
class TestConnections:
    HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"

    @pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["open", "complete"])
    @pytest.mark.parametrize("start", [HEAD + b"X-A: ", b"GET /healthz?"], ids=["header", "address"])
    def test_a_head_that_is_too_large_is_refused(self, url: str, start: bytes, end: bytes) -> None:
        answer = to_its_end(sent(url, start + b"a" * 70_000 + end))
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert b"at most 65536 bytes" in answer

    def test_many_small_headers_are_too_much_together(self, url: str) -> None:
        assert to_its_end(sent(url, self.HEAD + b"X-A: aaaa\r\n" * 7_000)).startswith(b"HTTP/1.1 431 ")

    def test_a_large_head_and_the_requests_after_it_are_answered(self, url: str) -> None:
        large = self.HEAD + b"X-A: " + b"a" * 60_000 + b"\r\n"
        last = b"Connection: close\r\n\r\n"
        answer = to_its_end(sent(url, (large + b"\r\n") * 3 + large + last))
        assert answer.count(b"HTTP/1.1 200 ") == 4

    def test_a_body_is_no_part_of_the_head(self, url: str) -> None:
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=url, headers=headers, trust_env=False) as http:
            for size in (300_000, 1, 200_000):
                put = http.put(f"{PATH}/input/a.png", content=b"x" * size)
                assert (put.status_code, put.json()["size"]) == (201, size)

    @pytest.mark.parametrize("start", [b"", b"\r\n", HEAD], ids=["none", "empty", "half"])
    def test_who_does_not_go_on_is_cut_off(self, client: Client, start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("faceline.web.protocol._HEAD_S", 0.3)
        with serving(client.app) as url:
            started = time.monotonic()
            assert to_its_end(sent(url, start)) == b""
            assert time.monotonic() - started < 3

    def test_an_answer_may_take_longer_than_a_head(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("faceline.web.protocol._HEAD_S", 0.2)
        path = "/queues/faceline-resp-queue/messages?wait_s=0.8"
        with serving(client.app) as url:
            assert httpx.get(url + path, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False).json() == []


BODIES = (
    ("PUT", f"{PATH}/input/a.png", ""),
    ("POST", "/api/v1/detect", ""),
    ("POST", "/api/v1/compare", "multipart/form-data; boundary=X"),
    ("POST", "/api/v1/collections/my-face-collection/people", "application/json"),
    ("POST", "/frames", "application/json"),
    ("POST", "/queues/faceline-req-queue/messages", ""),
    ("POST", "/login", ""),
)


def begun(url: str, method: str, path: str, kind: str = "", key: str = KEY) -> socket.socket:
    """An upload of which ten bytes are there."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    return sent(url, f"{head}Content-Type: {kind}\r\nContent-Length: 1000\r\n\r\n--X\r\nConte".encode())


class TestUploads:
    @pytest.mark.parametrize(("method", "path", "kind"), BODIES, ids=lambda text: text)
    def test_a_body_that_stops_coming_is_given_up(
        self, url: str, method: str, path: str, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("faceline.web.uploads._SILENCE_S", 0.3)
        answer = to_its_end(begun(url, method, path, kind))
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer.lower()

    def test_a_body_that_comes_too_slowly_is_given_up(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("faceline.web.uploads._SILENCE_S", 1.0)
        started, connection = time.monotonic(), begun(url, "POST", "/api/v1/detect")
        for _ in range(2):
            time.sleep(0.4)
            connection.sendall(b"x")
        assert to_its_end(connection).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - started < 1.7  # not a second after the last byte

    @pytest.mark.parametrize(("method", "path", "kind"), BODIES[:-1], ids=lambda text: text)
    def test_only_so_many_are_taken_in_at_once(
        self, client: Client, method: str, path: str, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("faceline.web.uploads._MOST", 1)
        with serving(client.app) as url:
            first = begun(url, "POST", "/api/v1/detect")
            time.sleep(0.2)
            refused = to_its_end(begun(url, method, path, kind))
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 5" in refused.lower()
            first.close()
            time.sleep(0.2)
            headers = {"Authorization": f"Bearer {KEY}"}
            assert httpx.post(f"{url}/api/v1/detect", content=photo(), headers=headers, trust_env=False).is_success

    def test_one_key_leaves_room_for_others(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("faceline.web.uploads._MOST_OF_ONE", 1)
        key = client.app.api_keys.create("reader", ApiScope.READ)
        with serving(client.app) as url, begun(url, "POST", "/api/v1/detect", key=key):
            time.sleep(0.2)
            assert to_its_end(begun(url, "POST", "/api/v1/detect", key=key)).startswith(b"HTTP/1.1 503 ")
            headers = {"Authorization": f"Bearer {KEY}"}
            assert httpx.post(f"{url}/api/v1/detect", content=photo(), headers=headers, trust_env=False).is_success

    def test_what_is_large_waits_on_disk(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        on_disk = []
        real = SpooledTemporaryFile.rollover

        def rollover(file: "SpooledTemporaryFile[bytes]") -> None:
            on_disk.append(file)
            real(file)

        monkeypatch.setattr(SpooledTemporaryFile, "rollover", rollover)
        start = b'--X\r\nContent-Disposition: form-data; name="%b"; filename="x"\r\n\r\n'
        form = b"".join(start % name + b"x" * 100_000 + b"\r\n" for name in (b"a", b"b")) + b"--X--\r\n"
        kind = {"content-type": "multipart/form-data; boundary=X"}
        client.ask("POST", "/api/v1/compare", KNOWN | kind, [form[n : n + 9_000] for n in range(0, len(form), 9_000)])
        client.ask("PUT", f"{PATH}/input/a.png", chunks=[b"x" * 100_000])
        assert len(on_disk) == 3


class Held(MadeAnalyzer):
    """Holds photos with salt 1 until it is told to go on."""

    def __init__(self) -> None:
        super().__init__(self._hold)
        self.going = threading.Event()
        self.seen: list[int] = []

    def _hold(self, frame: Frame) -> None:
        self.seen.append(int(frame.pixels[0, 2, 0]))
        if self.seen[-1] == 1:
            assert self.going.wait(30)


class TestLanes:
    """One core, one that waits for it."""

    @pytest.fixture
    def analyzer(self) -> Iterator[Held]:
        held = Held()
        yield held
        held.going.set()

    @pytest.fixture
    def url(self, tmp_path: Path, analyzer: Held, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        monkeypatch.setattr("faceline.web.lanes._WAITING_PER_CORE", 1)
        with open_app(tmp_path / "data", analyzer, workers=1) as app:
            app.objects.put(BUCKET, "input/a.png", photo())
            app.enroll(Photo(photo(person=3), "Ada", "ada.png"))
            analyzer.seen.clear()
            with serving(app) as url:
                yield url
                analyzer.going.set()

    def detecting(self, url: str, salt: int) -> socket.socket:
        head = f"POST /api/v1/detect HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
        body = photo(salt=salt)
        return sent(url, f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    def test_who_finds_no_room_to_wait_is_told_to_come_again(self, url: str, analyzer: Held) -> None:
        with client_of(url) as http:
            first = self.detecting(url, salt=1)
            wait_until(lambda: analyzer.seen == [1])
            second = self.detecting(url, salt=2)
            time.sleep(0.2)
            refused = http.post("/api/v1/detect", content=photo())
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
            assert refused.headers["content-type"] == "application/problem+json"
            analyzer.going.set()
            assert all(to_its_end(each).startswith(b"HTTP/1.1 200 ") for each in (first, second))
            assert http.post("/api/v1/detect", content=photo()).is_success

    def test_enrolling_and_pictures_do_not_wait_for_those_who_only_look(self, url: str, analyzer: Held) -> None:
        with client_of(url) as http:
            first = self.detecting(url, salt=1)
            wait_until(lambda: analyzer.seen == [1])
            assert http.get(f"/api/v1/pictures/{BUCKET}/input/a.png", timeout=5).is_success
            people = "/api/v1/collections/my-face-collection/people"
            user_id = http.post(people, json={"name": "Grace"}).raise_for_status().json()["user_id"]
            assert http.post(f"{people}/{user_id}/faces", content=photo(), timeout=5).is_success
            analyzer.going.set()
            assert to_its_end(first).startswith(b"HTTP/1.1 200 ")

    def test_nothing_is_done_for_a_client_that_left_while_it_waited(self, url: str, analyzer: Held) -> None:
        with client_of(url) as http:
            first = self.detecting(url, salt=1)
            wait_until(lambda: analyzer.seen == [1])
            second = self.detecting(url, salt=2)
            time.sleep(0.2)
            second.close()
            time.sleep(0.2)
            analyzer.going.set()
            assert to_its_end(first).startswith(b"HTTP/1.1 200 ")
            assert http.post("/api/v1/detect", content=photo(salt=3)).is_success
            assert analyzer.seen == [1, 3]


STREAMS = {
    "/api/v1/activity/events": "streams._MOST_CLIENTS",
    "/queues/faceline-resp-queue/events": "queues._MOST_SUBSCRIBERS",
}


def streaming(url: str, path: str, key: str = KEY) -> socket.socket:
    return sent(url, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n".encode())


def statuses(connections: list[socket.socket]) -> list[int]:
    return sorted(int(each.recv(65_536).split(b" ")[1]) for each in connections)


@pytest.mark.parametrize("path", STREAMS)
class TestStreams:
    def test_those_that_come_at_the_same_time_are_counted(
        self, client: Client, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(f"faceline.web.{STREAMS[path]}", 3)
        with serving(client.app) as url:
            connections = [streaming(url, path) for _ in range(9)]
            assert statuses(connections) == [200] * 3 + [503] * 6
            for each in connections:
                each.close()
            wait_until(lambda: is_served(url, path))

    def test_one_key_cannot_keep_admin_out(self, client: Client, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        module = STREAMS[path].partition(".")[0]
        monkeypatch.setattr(f"faceline.web.{module}._MOST_OF_ONE", 2)
        key = client.app.api_keys.create("reader", ApiScope.READ)
        with serving(client.app) as url:
            connections = [streaming(url, path, key) for _ in range(5)]
            assert statuses(connections) == [200] * 2 + [503] * 3
            connections += [streaming(url, path) for _ in range(3)]
            assert statuses(connections[-3:]) == [200] * 3
            for each in connections:
                each.close()


def is_served(url: str, path: str) -> bool:
    with streaming(url, path) as connection:
        return statuses([connection]) == [200]
