"""Workflow 2 as its users run it: real processes, real frames, workers that are killed."""

import csv
import json
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from PIL import Image

from acceptance.conftest import jpeg, varied
from commands import Result, Up, run, wait_until

QUEUE = "/queues/faceline-resp-queue"
PEOPLE = {0: "Trump", 1: "Biden", 2: "Bean", 4: "Depp", 5: "Diesel", 6: "Floki", 7: "Freeman", 8: "Obama"}
FRAMES, KILLS = 100, 5
# Short, so that what a killed worker held comes back soon.
SETTINGS = {"FACELINE_LEASE_S": "1", "FACELINE_WORKERS": "1", "FACELINE_THREADS": "1"}


@pytest.fixture(autouse=True)
def _models(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(models_dir))


class Answers:
    """Counts what a subscriber of the response queue is told, by request_id."""

    def __init__(self, up: Up) -> None:
        self.of: Counter[str] = Counter()
        key = (up.data / "admin.key").read_text().strip()
        self._url, self._headers = f"http://127.0.0.1:{up.port}{QUEUE}/events", {"Authorization": f"Bearer {key}"}
        self._ready, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Answers":
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)  # the server has ended the stream

    def _run(self) -> None:
        with httpx.stream("GET", self._url, headers=self._headers, timeout=60, trust_env=False) as stream:
            self._ready.set()
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    self.of[json.loads(json.loads(line[6:])["body"])["request_id"]] += 1


@pytest.fixture
def gallery(tmp_path: Path, test_data: Path) -> Path:
    """A data directory on which the second frame of each clip is enrolled, and `probes/` with the others beside it."""
    for number, name in PEOPLE.items():
        frames = sorted((test_data / "cse546" / "frames").glob(f"test_{number}[._]*"))
        for n, frame in enumerate(frames):
            folder = tmp_path / ("known" if n == 1 else "probes") / name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(frame, folder)
    assert run(tmp_path, "--data", "data", "enroll", "known").code == 0
    return tmp_path / "data"


def probes(folder: Path) -> list[Path]:
    """FRAMES of them, each about four times."""
    found = sorted((folder / "probes").rglob("*.jpg"))
    assert len(found) == 24
    return [found[n % len(found)] for n in range(FRAMES)]


def all_right(rows: list[dict[str, object]]) -> bool:
    return [row["result"] for row in rows] == [Path(str(row["source"])).parent.name for row in rows]


def test_a_hundred_frames_are_answered_rightly_and_once(gallery: Path) -> None:
    with Up(gallery, "--port", "0") as up:
        up.ready()
        with Answers(up) as told:
            result = run(gallery.parent, "--data", "data", "frames", "send", *probes(gallery.parent), "--json")
            wait_until(lambda: len(told.of) == FRAMES)
            up.stop()
    assert result.code == 0, result.err
    assert all_right(result.json)
    assert set(told.of.values()) == {1}  # how soon: benchmarks/frames.py
    assert "Traceback" not in up.err


def test_killed_workers_lose_nothing_and_double_nothing(gallery: Path) -> None:
    moments = random.Random(7)
    with ExitStack() as stack, Up(gallery, "--front", "--port", "0", **SETTINGS) as front:
        front.ready()
        workers = [stack.enter_context(Up(gallery, "--worker", **SETTINGS)) for _ in range(2)]
        told = stack.enter_context(Answers(front))
        results: list[Result] = []
        arguments = [*probes(gallery.parent), "--in-flight", "2", "--json"]
        sender = threading.Thread(
            target=lambda: results.append(run(gallery.parent, "--data", "data", "frames", "send", *arguments))
        )
        sender.start()
        for n in range(KILLS):
            goal = FRAMES * (n + 1) // (KILLS + 1)
            wait_until(lambda goal=goal: len(told.of) >= goal, "the answers")  # type: ignore[misc]
            time.sleep(moments.uniform(0, 0.2))
            victim = moments.randrange(2)
            workers[victim].kill()
            workers[victim] = stack.enter_context(Up(gallery, "--worker", **SETTINGS))
        sender.join()
        wait_until(lambda: front.ask("GET", "/queues/faceline-req-queue")[1].endswith(b'"in_flight":0,"dead":0}'))
        status, body = front.ask("GET", QUEUE)
        front.stop()
    (result,) = results
    assert result.code == 0, result.err
    assert len(result.json) == FRAMES
    assert all_right(result.json)
    assert set(told.of) == {row["request_id"] for row in result.json}
    assert set(told.of.values()) == {1}
    assert (status, json.loads(body)) == (
        200,
        {"name": "faceline-resp-queue", "visible": 0, "in_flight": 0, "dead": 0},
    )


@pytest.fixture
def up(tmp_path: Path, photos: Path) -> Iterator[Up]:
    assert run(photos, "--data", tmp_path / "data", "enroll", "ada.jpg", "--name", "Ada").code == 0
    with Up(tmp_path / "data") as up:
        yield up.ready()


def test_frames_send_prints_writes_and_tells_what_failed(up: Up, photos: Path) -> None:
    up.ask("POST", f"{QUEUE}/messages", b'{"request_id": "of somebody else", "result": "Grace"}')
    files = ("another.jpg", "nobody.png", "two.png", "text.jpg", "missing.jpg")
    result = run(photos, "--data", up.data, "frames", "send", *files, "--csv", "out.csv")
    assert result.code == 1
    assert "faceline: text.jpg: " in result.err
    assert "faceline: missing.jpg: " in result.err
    rows = list(csv.reader((photos / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert rows == [
        ["Image", "Results"],
        ["another.jpg", "Ada"],
        ["nobody.png", "No-Face"],
        ["two.png", "Ada"],
        ["text.jpg", ""],
        ["missing.jpg", ""],
    ]
    assert "Ada" in result.out
    left = json.loads(up.ask("GET", f"{QUEUE}/messages?max=10")[1])
    assert [json.loads(message["body"])["request_id"] for message in left] == ["of somebody else"]


def test_who_is_no_more_known_is_unknown(up: Up, photos: Path) -> None:
    assert run(photos, "--data", up.data, "forget", "Ada").code == 0
    result = run(photos, "--data", up.data, "frames", "send", "another.jpg", "--json")
    assert [row["result"] for row in result.json] == ["Unknown"]


def test_a_front_takes_frames_in_and_a_worker_answers_them(tmp_path: Path, portrait: Image.Image) -> None:
    (tmp_path / "face.jpg").write_bytes(varied(portrait, 1))
    Image.new("RGB", (64, 64)).save(tmp_path / "nobody.png")
    with Up(tmp_path / "data", "--front", "--port", "0") as front:
        front.ready()
        arguments = ("--data", "data", "frames", "send", "face.jpg", "nobody.png", "--timeout-s")
        alone = run(tmp_path, *arguments, "2")
        assert alone.code == 1
        assert "face.jpg: no answer within 2 s" in alone.err
        assert "No-Face" in alone.out
        with Up(tmp_path / "data", "--worker") as worker:
            worker.ready()
            assert run(tmp_path, *arguments, "30").code == 0
        assert front.stop() == 0


def test_the_client_says_where_nobody_is(tmp_path: Path, portrait: Image.Image) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(portrait))
    (tmp_path / "empty").mkdir()
    nowhere = run(tmp_path, "frames", "send", "a.jpg", "--url", "http://127.0.0.1:1", "--key", "k", "--json")
    assert (nowhere.code, "no server" in nowhere.json["error"]) == (1, True)
    assert run(tmp_path, "frames", "send", "a.jpg").code == 2
    assert run(tmp_path, "frames", "send", "empty", "--url", "http://127.0.0.1:1", "--key", "k").code == 2
    bad = run(tmp_path, "frames", "send", "a.jpg", "--url", "http://[", "--key", "k")
    assert (bad.code, "Traceback" in bad.err) == (1, False)
    assert run(tmp_path, "up", "--worker", "--front").code == 2


def test_a_wrong_key_is_told_at_once(up: Up, photos: Path) -> None:
    result = run(photos, "frames", "send", "ada.jpg", "--url", f"http://127.0.0.1:{up.port}", "--key", "a guess")
    assert result.code == 1
    assert "admin.key" in result.err
