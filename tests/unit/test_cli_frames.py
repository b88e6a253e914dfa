"""`faceline frames send` against a server in this process: its results, and servers that fail or go away."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from commands import Cli, wait_until
from faceline.app import App
from faceline.cli.frame_client import FrameClient, UnansweredError
from faceline.errors import FacelineError, InputError, StorageError
from made import new_face, vector
from seen import open_seeing, picture
from served import KEY, serving

QUEUE = "faceline-resp-queue"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with open_seeing(tmp_path / "data") as app:
        yield app


@pytest.fixture
def url(app: App) -> Iterator[str]:
    with serving(app) as url, working(app):
        yield url


@contextmanager
def working(app: App) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=app.frames.workers()[0].run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def pictures(folder: Path, *colours: str) -> list[Path]:
    paths = [folder / f"{n} {colour}.jpg" for n, colour in enumerate(colours)]
    for path, colour in zip(paths, colours, strict=True):
        path.write_bytes(picture(colour))
    return paths


def test_the_results_are_a_list(cli: Cli, url: str, app: App, tmp_path: Path) -> None:
    paths = pictures(tmp_path, "red", "blue", "yellow", "black")
    result = cli("frames", "send", *paths, tmp_path / "missing.jpg", "--url", url, "--key", KEY, "--json")
    assert result.code == 1
    assert [row["result"] for row in result.json] == ["Ada", "Zoë", "Unknown", "No-Face", None]
    assert [set(row) for row in result.json] == [{"source", "request_id", "result", "seconds", "error"}] * 5
    assert [row["source"] for row in result.json[:4]] == [str(path) for path in paths]
    assert "missing.jpg" in result.json[4]["error"]
    assert app.frames.responses.depth() == {"visible": 0, "in_flight": 0, "dead": 0}


def test_the_table_of_answers_is_quoted_as_csv_wants_it(cli: Cli, url: str, app: App, tmp_path: Path) -> None:
    app.face_records.add("my-face-collection", [new_face("face 4", 'Doe, "Jo"', vector(4))])
    folder = tmp_path / "pictures"
    folder.mkdir()
    pictures(folder, "yellow", "red")
    result = cli("frames", "send", folder, "--url", url, "--key", KEY, "--csv", tmp_path / "out.csv")
    assert result.code == 0, result.err
    expected = 'Image,Results\n0 yellow.jpg,"Doe, ""Jo"""\n1 red.jpg,Ada\n'
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == expected


def test_a_csv_that_cannot_be_written_is_told_before_anything_is_sent(
    cli: Cli, url: str, app: App, tmp_path: Path
) -> None:
    (path,) = pictures(tmp_path, "black")
    result = cli("frames", "send", path, "--url", url, "--key", KEY, "--csv", tmp_path / "no" / "folder.csv")
    assert (result.code, "folder.csv" in result.err) == (1, True)
    assert app.frames.responses.after(0) == []


def test_messages_of_others_stay_whatever_is_in_them(url: str, app: App) -> None:
    bodies = ["text", "[]", "7", '{"request_id": ["a"], "result": 1}', '{"request_id": "other", "result": "Ada"}']
    with FrameClient(url, KEY, QUEUE, 10) as client:
        for body in [*bodies, "[" * 50_000]:
            app.frames.responses.send(body)
        assert client.ask("a.jpg", picture("red")).result == "Ada"
    assert [message.body for message in app.frames.responses.after(0)] == [*bodies, "[" * 50_000]


def test_a_server_that_was_away_is_asked_again_and_its_answer_is_found(app: App) -> None:
    first = ExitStack()
    url = first.enter_context(serving(app))
    with first, FrameClient(url, KEY, QUEUE, 20) as client, ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.ask, "a.jpg", picture("red"))
        wait_until(lambda: app.frames.requests.depth()["visible"])
        first.close()
        app.frames.workers()[0].drain()  # answered while nobody could be told
        with serving(app, port=int(url.rpartition(":")[2])):
            assert asking.result(20).result == "Ada"
    assert app.frames.responses.after(0) == []


def test_a_queue_that_refuses_is_asked_again(url: str, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    send, failures = app.frames.requests.send, [1, 2]

    def fail_twice(body: str, deduplication_id: str | None = None) -> str:
        if failures:
            failures.pop()
            raise StorageError("the disk is full")
        return send(body, deduplication_id)

    monkeypatch.setattr(app.frames.requests, "send", fail_twice)
    with FrameClient(url, KEY, QUEUE, 20) as client:
        assert client.ask("a.jpg", picture("red")).result == "Ada"
    with FrameClient(url, KEY, QUEUE, 0.3) as client:
        failures.extend(range(100))
        with pytest.raises(UnansweredError, match="disk is full"):
            client.ask("a.jpg", picture("red"))


def test_what_goes_wrong_is_told(app: App) -> None:
    with serving(app) as url:
        with FrameClient(url, KEY, QUEUE, 0.3) as client:
            with pytest.raises(InputError, match=r"a\.jpg"):
                client.ask("a.jpg", b"text")
            with pytest.raises(UnansweredError, match=r"within 0\.3 s"):
                client.ask("a.jpg", picture("red"))
        with FrameClient(url, "a guess", QUEUE, 5) as client, pytest.raises(FacelineError, match=r"admin\.key"):
            client.ask("a.jpg", picture("red"))
        with FrameClient(url, KEY, "no-such-queue", 5) as client, pytest.raises(FacelineError, match="no-such-queue"):
            client.ask("a.jpg", picture("red"))
    with pytest.raises(FacelineError, match="no server"), FrameClient(url, KEY, QUEUE, 5):
        pass
