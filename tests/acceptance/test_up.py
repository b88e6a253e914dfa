"""`faceline up` as a program: dropped, put and uploaded photos, other processes beside it, and how it ends."""

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from acceptance.conftest import jpeg, varied
from commands import Up, run, wait_until
from faceline.app import App
from faceline.config import load

BUCKET = "face-input-bucket"


@pytest.fixture(autouse=True)
def _models(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(models_dir))


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with Up(tmp_path / "data") as up:
        yield up.ready()


def drop(data: Path, key: str, content: bytes) -> None:
    """As a person drops a file: written elsewhere or in place, without a word to anybody."""
    path = data / "buckets" / BUCKET / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def processed(up: Up, key: str) -> dict[str, Any] | None:
    status, body = up.ask("GET", f"/buckets/{BUCKET}/processed/{key}")
    document: dict[str, Any] | None = json.loads(body) if status == 200 else None
    return document


def records_of(up: Up, image: str) -> list[dict[str, Any]]:
    """Waits for them: the photo has a face."""
    wait_until(lambda: up.records(f"?image={image}"), f"a record of {image}")
    return up.records(f"?image={image}")


def put(up: Up, key: str, content: bytes) -> None:
    status, body = up.ask("PUT", f"/buckets/{BUCKET}/{key}", content)
    assert status == 201, body


def test_a_dropped_photo_gives_its_document_and_its_records(up: Up, portrait: Image.Image) -> None:
    assert str(up.data.resolve()) in up.out
    drop(up.data, "input/2026/ada.jpg", jpeg(portrait))
    wait_until(lambda: processed(up, "2026/ada.json"), "the result")
    document = processed(up, "2026/ada.json")
    assert document is not None
    (row,) = records_of(up, "ada.jpg")
    assert (row["key"], row["status"]) == ("input/2026/ada.jpg", "unknown")
    assert document["faces"][0]["box"] == row["bounding_box"]
    assert (up.data / "buckets" / BUCKET / "processed" / "2026" / "ada.json").is_file()


def test_an_uploaded_photo_gives_the_same_and_only_with_the_key(up: Up, portrait: Image.Image) -> None:
    path = f"/buckets/{BUCKET}/input/ada.jpg"
    assert up.ask("PUT", path, jpeg(portrait), key="a guess")[0] == 401
    assert up.ask("GET", "/records", key="")[0] == 401
    put(up, "input/ada.jpg", jpeg(portrait))
    put(up, "input/ada.jpg", jpeg(portrait))
    (row,) = records_of(up, "ada.jpg")
    wait_until(lambda: sum(up.queue().values()) == 0, "the end of the work")
    assert up.records() == [row]
    assert up.ask("DELETE", f"/buckets/{BUCKET}/processed/ada.json")[0] == 204
    assert processed(up, "ada.json") is None


def test_who_is_dropped_into_enroll_is_known_from_then_on(up: Up, portrait: Image.Image) -> None:
    drop(up.data, "enroll/Ada Lovelace/1.jpg", jpeg(portrait))
    with App(load().with_(data=up.data)) as app:
        wait_until(lambda: app.face_records.find("my-face-collection"), "the enrolment")
    put(up, "input/another.jpg", varied(portrait, 3))
    (row,) = records_of(up, "another.jpg")
    assert (row["status"], row["person"]) == ("matched", "Ada Lovelace")


def test_what_the_command_line_changes_beside_it_holds_at_once(up: Up, photos: Path, portrait: Image.Image) -> None:
    assert run(photos, "--data", up.data, "enroll", "ada.jpg", "--name", "Ada").code == 0
    put(up, "input/1.jpg", varied(portrait, 1))
    assert [row["person"] for row in records_of(up, "1.jpg")] == ["Ada"]
    waited = run(photos, "--data", up.data, "put", "another.jpg", "--wait", "--json")
    assert waited.json[0]["result"]["status"] == "done"
    assert run(photos, "--data", up.data, "forget", "Ada").code == 0
    put(up, "input/2.jpg", varied(portrait, 2))
    assert [row["person"] for row in records_of(up, "2.jpg")] == [None]
    assert run(photos, "--data", up.data, "collections", "drop", "my-face-collection", "--yes").code == 0
    put(up, "enroll/Grace.jpg", jpeg(portrait))
    wait_until(lambda: sum(up.queue().values()) == 0, "the enrolment")
    put(up, "input/3.jpg", varied(portrait, 3))
    assert [row["person"] for row in records_of(up, "3.jpg")] == ["Grace"]


def test_a_second_one_is_refused_by_naming_the_first_but_may_help_it(up: Up) -> None:
    for port in (str(up.port), "0"):
        second = run(up.data.parent, "--data", up.data, "up", "--port", port)
        assert second.code == 1
        assert f"process {up.process.pid}, port {up.port}" in second.err
        assert "--worker" in second.err
    with Up(up.data, "--worker") as helper:
        helper.ready()
        assert "http" not in helper.out
        assert helper.stop() == 0
    assert up.ask("GET", "/healthz")[0] == 200


def test_a_port_that_is_taken_is_named(up: Up, tmp_path: Path) -> None:
    result = run(tmp_path, "--data", tmp_path / "other", "up", "--port", up.port)
    assert result.code == 1
    assert f"port {up.port}" in result.err
    assert "Traceback" not in result.err


def test_a_helper_does_the_work_too(tmp_path: Path, photos: Path) -> None:
    with Up(tmp_path / "data", "--worker") as helper:
        helper.ready()
        assert run(photos, "--data", helper.data, "put", "ada.jpg").code == 0
        with App(load().with_(data=helper.data)) as app:
            wait_until(lambda: app.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}, "the work")
            assert [info.key for info in app.objects.list(BUCKET, "processed/")] == ["processed/ada.json"]
        assert helper.stop() == 0


def test_photos_that_came_while_it_was_down_are_found_at_the_start(tmp_path: Path, portrait: Image.Image) -> None:
    data = tmp_path / "data"
    for number in range(3):
        drop(data, f"input/{number}.jpg", varied(portrait, number))
    with Up(data) as up:
        up.ready()
        wait_until(lambda: len(up.records()) == 3, "the work")
        assert up.stop() == 0
    drop(data, "input/3.jpg", varied(portrait, 3))
    with Up(data) as up:
        up.ready()
        wait_until(lambda: len(up.records()) == 4, "the work on the new one")
        assert [row["image_id"] for row in up.records()].count("0.jpg") == 1


@pytest.mark.parametrize("moment", ["at once", "while it works"])
def test_when_told_to_stop_it_finishes_what_it_holds_and_loses_nothing(
    tmp_path: Path, portrait: Image.Image, moment: str
) -> None:
    data = tmp_path / "data"
    for number in range(12):
        drop(data, f"input/{number}.jpg", varied(portrait, number))
    with Up(data) as up:
        up.ready()
        if moment == "while it works":
            wait_until(up.records, "the first record")
        started = time.monotonic()
        assert up.stop() == 0
        assert time.monotonic() - started < 20
        assert "Traceback" not in up.err
    with App(load().with_(data=data)) as app:
        assert app.queue.depth()["in_flight"] == 0
        assert not app.up_lock().held()
    with Up(data) as up:
        up.ready()
        wait_until(lambda: len(up.records()) == 12, "the rest of the work")
        wait_until(lambda: sum(up.queue().values()) == 0, "the end of the work")


def test_a_slow_upload_does_not_keep_it_from_stopping(up: Up) -> None:
    with socket.create_connection(("127.0.0.1", up.port)) as connection:
        connection.sendall(upload_head(up, 1000) + b"the beginning")
        wait_until(lambda: up.ask("GET", "/healthz")[0] == 200)
        started = time.monotonic()
        assert up.stop() == 0
        assert time.monotonic() - started < 20


def test_an_upload_that_breaks_off_is_no_failure(up: Up, portrait: Image.Image) -> None:
    with socket.create_connection(("127.0.0.1", up.port)) as connection:
        connection.sendall(upload_head(up, 1000) + b"the beginning")
    put(up, "input/ada.jpg", jpeg(portrait))
    records_of(up, "ada.jpg")
    assert up.ask("GET", f"/buckets/{BUCKET}/input/slow.jpg")[0] == 404
    assert up.stop() == 0
    assert "Traceback" not in up.err


def test_names_of_other_machines_are_refused(up: Up) -> None:
    with socket.create_connection(("127.0.0.1", up.port)) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: faces.example.com\r\nConnection: close\r\n\r\n")
        assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 421")


def test_the_data_directory_is_for_its_user_only(up: Up) -> None:
    assert up.data.stat().st_mode & 0o777 == 0o700
    assert (up.data / "admin.key").stat().st_mode & 0o777 == 0o600
    assert (up.data / "gallery.sqlite").stat().st_mode & 0o077 == 0


def test_a_folder_that_is_moved_in_is_taken_up_whole(up: Up, tmp_path: Path, portrait: Image.Image) -> None:
    (tmp_path / "holiday").mkdir()
    for number in range(3):
        (tmp_path / "holiday" / f"{number}.jpg").write_bytes(varied(portrait, number))
    shutil.move(tmp_path / "holiday", up.data / "buckets" / BUCKET / "input" / "holiday")
    wait_until(lambda: len(up.records()) == 3, "the work")
    results = [up.data / "buckets" / BUCKET / "processed" / "holiday" / f"{number}.json" for number in range(3)]
    wait_until(lambda: all(result.is_file() for result in results), "the results")


def upload_head(up: Up, length: int) -> bytes:
    key = (up.data / "admin.key").read_text().strip()
    return (
        f"PUT /buckets/{BUCKET}/input/slow.jpg HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()
