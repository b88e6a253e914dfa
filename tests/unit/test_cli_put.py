"""`faceline put --wait` with made photos: what it prints for each, whatever becomes of it."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import Cli
from faceline.app import App
from faceline.local.directory import UpLock
from faceline.types import Frame
from made import BUCKET, MadeAnalyzer, open_app, photo

FAILING = 13  # the number of faces of a photo that the made engine cannot bear


@pytest.fixture(autouse=True)
def _made_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(frame: Frame) -> None:
        if frame.pixels[0, 0, 0] == FAILING:
            raise RuntimeError("the engine broke")

    monkeypatch.setattr("faceline.engines.open_analyzer", lambda *_: MadeAnalyzer(fail))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for name, data in {"a.png": photo(), "b.png": photo(faces=2, person=5), "text.png": b"<html>"}.items():
        (tmp_path / "photos" / name).write_bytes(data)
    return tmp_path / "photos"


@pytest.fixture
def app(tmp_path: Path, cli: Cli) -> Iterator[App]:
    with open_app(tmp_path / "faceline-data") as app:
        yield app


def rows_by_name(document: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {Path(row["source"]).name: row for row in document}


def test_each_photo_has_a_row_with_what_was_done(cli: Cli, folder: Path) -> None:
    result = cli("put", folder, "--wait", "--json")
    rows = rows_by_name(result.json)
    assert result.code == 1
    assert rows["a.png"]["result"] == {"status": "done", "faces": 1, "processed": "processed/a.json"}
    assert rows["b.png"]["result"]["faces"] == 2
    assert "HTML" in rows["text.png"]["error"]
    assert (rows["a.png"]["error"], rows["b.png"]["error"]) == (None, None)
    assert result.err.count("HTML") >= 1


def test_without_waiting_the_photo_is_queued(cli: Cli, folder: Path, app: App) -> None:
    result = cli("put", folder / "a.png", "--json")
    assert (result.code, "result" in result.json[0]) == (0, False)
    assert app.queue.depth()["visible"] == 1
    cli("put", folder / "a.png")
    assert app.queue.depth()["visible"] == 1


def test_folders_keep_their_inner_paths_under_the_prefix(cli: Cli, folder: Path, app: App) -> None:
    (folder / "2026" / "01").mkdir(parents=True)
    (folder / "2026" / "01" / "c.png").write_bytes(photo())
    (folder / "notes.txt").write_text("no photo")
    cli("put", folder, folder / "a.png", "--bucket", "uploads", "--prefix", "x/")
    assert [info.key for info in app.objects.list("uploads")] == ["x/2026/01/c.png", "x/a.png", "x/b.png", "x/text.png"]


def test_a_photo_that_the_engine_cannot_bear_is_given_up_and_said_so(
    cli: Cli, folder: Path, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACELINE_MAX_RECEIVES", "1")
    (folder / "bad.png").write_bytes(photo(faces=FAILING))
    for _ in range(2):  # the second time it is dead already
        result = cli("put", folder / "bad.png", "--wait", "--json")
        assert result.code == 1
        assert "dead-letters" in result.json[0]["error"]
        assert result.json[0]["result"]["status"] == "dead"
        assert "RuntimeError: the engine broke" in result.json[0]["result"]["reason"]
    (letter,) = cli("dead-letters", "list", "--json").json
    assert set(letter) == {"queue", "message_id", "body", "receive_count", "reason", "died_at"}
    assert "RuntimeError: the engine broke" in letter["reason"]
    assert "bad.png" in cli("dead-letters", "list").out
    assert cli("dead-letters", "redrive", "absent", "--json").json == {"redriven": 0}
    assert cli("dead-letters", "redrive", letter["message_id"], "--json").json == {"redriven": 1}
    assert app.queue.depth()["visible"] == 1


def test_a_dead_letter_is_sent_again_or_deleted_after_a_question(cli: Cli, app: App) -> None:
    for body in ("first", "second"):
        app.queue.send(f"{body}, which is no notification")
    for message in app.queue.receive(2):
        app.queue.bury(message, "why")
    first, second = (letter.message_id for letter in app.queue.list())
    assert "1 message is back in its queue." in cli("dead-letters", "redrive", first).out
    assert cli("dead-letters", "discard", second, "--json").code == 2
    refused = cli("dead-letters", "discard", app.queue.name, second, "--yes")
    assert refused.code == 2
    assert f"there is no dead letter '{app.queue.name}'" in refused.err
    assert app.queue.depth()["dead"] == 1
    assert "1 dead letter is deleted." in cli("dead-letters", "discard", second, "--yes").out
    assert app.queue.depth() == {"visible": 1, "in_flight": 0, "dead": 0}
    assert not any(b"second, which" in path.read_bytes() for path in app.settings.data.glob("state.sqlite*"))


def test_a_photo_is_found_among_many_dead_letters(cli: Cli, folder: Path, app: App) -> None:
    for number in range(150):
        app.queue.send(f"no notification {number}")
        app.queue.bury(app.queue.receive()[0], "poison")
    info = app.objects.put(BUCKET, "input/a.png", (folder / "a.png").read_bytes())
    app.watcher().announce(info)
    (message,) = app.queue.receive()
    app.queue.bury(message, "made")
    result = cli("put", folder / "a.png", "--wait", "--json")
    assert (result.code, result.json[0]["result"]) == (1, {"status": "dead", "reason": "made"})


def test_while_an_up_runs_the_work_is_left_to_it(cli: Cli, folder: Path, app: App) -> None:
    """The one here only holds the lock and completes the receipt by itself."""
    lock, seen = UpLock(app.directory), []

    def work() -> None:
        messages = app.queue.receive(wait_s=60)
        seen.append(messages[0].body)
        event = f"{BUCKET}/input/a.png@{app.objects.head(BUCKET, 'input/a.png').etag}"
        claim = app.receipts.claim(event, 60)
        app.receipts.complete(event, claim.token, json.dumps({"status": "done", "by": "up"}))
        app.queue.acknowledge(messages[0])

    lock.acquire(port=1)
    worker = threading.Thread(target=work)
    worker.start()
    result = cli("put", folder / "a.png", "--wait", "--json")
    worker.join()
    lock.release()
    assert (result.code, result.json[0]["result"]) == (0, {"status": "done", "by": "up"})
    assert "a.png" in seen[0]


def test_an_event_written_by_put_is_one_that_s3_could_send(cli: Cli, folder: Path, app: App) -> None:
    cli("put", folder / "a.png")
    body = json.loads(app.queue.receive()[0].body)
    assert body["Records"][0]["s3"]["object"]["key"] == "input/a.png"
    assert body["Records"][0]["eventName"] == "ObjectCreated:Put"
