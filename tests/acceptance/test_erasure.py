"""Erasure on real photos: everything is used, then somebody is forgotten, also when the process is killed meanwhile."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import Up, environment, run, wait_until
from faceline.app import App
from faceline.config import Settings
from faceline.ports import RecordQuery

NAME, OTHER = "Abdullah Gul", "Adrien Brody"


def _photos(test_data: Path, name: str) -> list[Path]:
    return sorted((test_data / "lfw" / "images" / name.replace(" ", "_")).glob("*.jpg"))


def _put(up: Up, bucket: str, key: str, data: bytes) -> None:
    path = up.data / "buckets" / bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _bytes(data: Path) -> bytes:
    return b"\0".join(path.read_bytes() for path in data.rglob("*") if path.is_file())


@pytest.fixture
def lived(test_data: Path, tmp_path: Path) -> Iterator[tuple[Path, list[bytes]]]:
    """A data directory in which two people were enrolled, uploaded, recognised, matched and told of; and what of the
    first must not be in it any more."""
    data = tmp_path / "data"
    for name in (NAME, OTHER):
        known = run(
            tmp_path, "--data", data, "enroll", *_photos(test_data, name)[:3], "--name", name, "--consent", "F1"
        )
        assert known.code in (0, 1), known.err
    (tmp_path / "faceline.toml").write_text('[[notify]]\nname = "log"\nkind = "log"\n', encoding="utf-8")
    with Up(data) as up:
        mine, others = _photos(test_data, NAME), _photos(test_data, OTHER)
        for number, path in enumerate(mine[3:6]):
            _put(up, "face-input-bucket", f"input/abdullah_gul_{number}.jpg", path.read_bytes())
        _put(up, "face-input-bucket", f"enroll/{NAME}/9.jpg", mine[6].read_bytes())
        _put(up, "face-input-bucket", "input/brody.jpg", others[3].read_bytes())
        for customer, path in ((NAME, mine[7]), ("Other Name", mine[8]), (OTHER, others[4])):
            _put(up, "faceline-images", f"images/{customer}_1.jpg", path.read_bytes())
        with App(Settings(data=data)) as app:
            wait_until(lambda: len(app.records.query(RecordQuery())) >= 4, "recognising")
            wait_until(lambda: len(list((data / "buckets" / "faceline-matches").rglob("*.json"))) == 3, "matching")
            wait_until(lambda: sum(q.depth()["visible"] + q.depth()["in_flight"] for q in app.queues()) == 0, "work")
    with App(Settings(data=data)) as app:
        words = [NAME.encode(), b"abdullah_gul", b"Abdullah+Gul", b"Abdullah%20Gul"]
        for collection in ("my-face-collection", "faceline-matching"):
            for record in app.face_records.find(collection, person=NAME):
                crop = app.face_records.crop(collection, record.face_id)
                values = record.embedding.values
                halves = values.astype("<f2").tobytes()
                int8 = (values / abs(values).max() * 127).round().astype("i1").tobytes()
                words += [record.face_id.encode(), record.image_id.encode(), values.astype("<f4").tobytes()[64:128]]
                words += [halves[32:96], int8[16:80], *([crop.jpeg[-300:-200], crop.jpeg[700:800]] if crop else [])]
    found = _bytes(data)
    assert sum(word in found for word in words) > len(words) / 2
    yield data, words


def _check(data: Path, words: list[bytes]) -> None:
    after = _bytes(data)
    assert [word for word in words if word in after] == []
    proved = run(data.parent, "--data", data, "verify-erasure", NAME, "--json")
    assert proved.code == 0, proved.out
    assert proved.json["left"] == []
    assert proved.json["receipts"]
    with App(Settings(data=data)) as app:
        assert {row.person for row in app.records.query(RecordQuery())} - {None} == {OTHER}
    reports = {report.stem for report in (data / "buckets" / "faceline-matches").rglob("*.json")}
    assert reports == {"Other Name_1.jpg", f"{OTHER}_1.jpg"}


def test_of_somebody_who_was_forgotten_nothing_is_left(lived: tuple[Path, list[bytes]]) -> None:
    data, words = lived
    asked = run(data.parent, "--data", data, "verify-erasure", NAME)
    assert asked.code == 1, asked.out
    done = run(data.parent, "--data", data, "forget", NAME, "--group-photos", "keep", "--json")
    assert done.code == 0, done.err
    assert done.json["receipt"]
    assert len(done.json["uploads"]) + len(done.json["kept"]) == 5
    _check(data, words)
    assert run(data.parent, "--data", data, "forget", NAME).code == 2


def test_an_erasure_that_was_killed_is_finished_by_repeating_it(lived: tuple[Path, list[bytes]]) -> None:
    data, words = lived
    command = [sys.executable, "-m", "faceline", "--data", str(data), "forget", NAME, "--group-photos", "keep"]
    chance, killed = random.Random(7), 0
    for _ in range(12):
        process = subprocess.Popen(command, cwd=data.parent, env=environment(), stderr=subprocess.DEVNULL)
        while process.poll() is None and not list(data.glob("erasing.*")):
            time.sleep(0.002)
        time.sleep(chance.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if not list(data.glob("erasing.*")):
            break
    assert killed
    last = run(data.parent, "--data", data, "forget", NAME, "--group-photos", "keep")
    assert last.code in (0, 2), last.err  # 2: it had ended before it was killed
    _check(data, words)


def test_while_up_runs_a_photo_that_was_deleted_does_not_come_back(lived: tuple[Path, list[bytes]]) -> None:
    data, words = lived
    with Up(data):
        done = run(data.parent, "--data", data, "forget", NAME, "--group-photos", "keep", "--json")
        assert done.code == 0, done.err
        time.sleep(1.5)  # a few looks of the watcher
    _check(data, words)
