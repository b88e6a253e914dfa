"""`faceline watch` as a program: cameras that are served here, with a real face before them."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from commands import Cli, environment, run, wait_until
from faceline.activity import ActivityQuery
from faceline.app import App
from faceline.config import Settings
from streams import HttpCamera, RtspCamera, Scene, face_of, walking

HAMILTON = "photos/ageitgey/examples/short_hamilton_clip.mp4"


class Program:
    """`faceline watch …` in a folder, its output as it comes."""

    def __init__(self, folder: Path, models_dir: Path, *arguments: object) -> None:
        self._out, self._err = folder / "watch.out", folder / "watch.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "faceline", "watch", *map(str, arguments)],
                cwd=folder,
                env=environment(FACELINE_MODELS_DIR=str(models_dir)),
                stdout=out,
                stderr=err,
            )

    @property
    def events(self) -> list[dict[str, Any]]:
        """What is there by now; every line must be whole."""
        return [json.loads(line) for line in self._out.read_text().splitlines()]

    @property
    def err(self) -> str:
        return self._err.read_text()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(10)


@contextmanager
def watching(folder: Path, models_dir: Path, *arguments: object) -> Iterator[Program]:
    program = Program(folder, models_dir, *arguments)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.process.kill()
        program.process.wait(10)


@pytest.fixture
def walk(astronaut: NDArray[np.uint8]) -> Any:
    return walking(face_of(astronaut))


@pytest.fixture
def known(tmp_path: Path, models_dir: Path, astronaut_jpeg: bytes) -> Path:
    """A folder in whose collection Ada is."""
    (tmp_path / "ada.jpg").write_bytes(astronaut_jpeg)
    done = run(tmp_path, "enroll", "ada.jpg", "--name", "Ada", FACELINE_MODELS_DIR=str(models_dir))
    assert done.code == 0, done.err
    return tmp_path


def test_three_cameras_tell_once_who_is_there_over_a_loss_and_end_with_a_summary(
    known: Path, models_dir: Path, walk: Any
) -> None:
    with RtspCamera(Scene(walk), "me", "hush") as rtsp, HttpCamera(Scene(walk)) as http:
        (known / "cameras.toml").write_text(f'door = "{rtsp.url("me:hush@")}"\nhall = "{http.url("video.ts")}"\n')
        arguments = ("--cameras", "cameras.toml", "--json", "--snapshots", "seen", http.url("video.mjpg"))
        with watching(known, models_dir, *arguments) as program:
            wait_until(lambda: len(program.events) == 3, "three events")
            rtsp.switch_off()
            wait_until(lambda: "a camera is lost" in program.err, "the loss")
            rtsp.switch_on()
            wait_until(lambda: "a camera is back" in program.err, "the return")
            time.sleep(1.5)
            assert program.stop() == 0
    names = {"door", "hall", f"127.0.0.1:{http.port}/video.mjpg"}
    assert {event["camera"] for event in program.events if event["name"] == "Ada"} == names
    assert len(program.events) == 3
    assert len(list((known / "seen").glob("*.jpg"))) == 3
    assert "hush" not in program.err
    summary = [line for line in program.err.splitlines() if "looked at" in line]
    assert len(summary) == 3
    assert "lost 1 time, 1 appearance" in summary[1]


def test_what_is_sent_late_or_fast_is_never_looked_at_late(known: Path, models_dir: Path, walk: Any) -> None:
    fast = Scene(walk, fps=15, speed=6.0)
    with RtspCamera(fast) as rtsp, watching(known, models_dir, rtsp.url(), "--fps", "60") as program:
        wait_until(lambda: len(fast.sent) > 270, "three seconds")
        assert program.stop() == 0
    (summary,) = [line for line in program.err.splitlines() if "looked at" in line]
    most_s = float(summary.split("at most ")[1].split(",")[0])
    assert most_s < 2, summary


def test_somebody_who_is_enrolled_meanwhile_is_known(
    tmp_path: Path, models_dir: Path, walk: Any, astronaut_jpeg: bytes
) -> None:
    comes = threading.Event()
    scene = Scene(lambda n: walk(n) if comes.is_set() else np.full((360, 480, 3), 110, np.uint8))
    (tmp_path / "ada.jpg").write_bytes(astronaut_jpeg)
    with HttpCamera(scene) as http, watching(tmp_path, models_dir, http.url("video.mjpg"), "--json") as program:
        wait_until(lambda: "a camera is watched" in program.err, "the connection")
        assert "Nobody is enrolled" in program.err
        done = run(tmp_path, "enroll", "ada.jpg", "--name", "Ada", FACELINE_MODELS_DIR=str(models_dir))
        assert done.code == 0, done.err
        comes.set()
        wait_until(lambda: program.events, "the event")
        program.stop()
    assert [(event["decision"], event["name"]) for event in program.events] == [("match", "Ada")]


def test_a_clip_tells_a_few_appearances_as_lines_for_people(
    tmp_path: Path, models_dir: Path, test_data: Path, cli: Cli
) -> None:
    result = cli("watch", test_data / HAMILTON, "--fast", "--name", "stage")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert 1 <= len(lines) <= 12, result.out
    assert all("  stage  unknown" in line for line in lines)
    assert "0 dropped" in result.err
    with App(Settings(data=tmp_path / "faceline-data")) as app:
        listed = app.activity.page(ActivityQuery(camera="stage", status="unknown"))
        assert len(listed) == len(lines)
        assert all(app.activity.picture(entry.position) for entry in listed)


def test_a_clip_that_cannot_be_read_is_a_line_of_json_too(cli: Cli) -> None:
    result = cli("watch", "none.mp4", "--json")
    assert result.code == 1
    assert result.json == {"camera": "none.mp4", "error": "none.mp4: there is no such file; check the name"}


def test_what_cannot_be_watched_is_told(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "cameras.toml").write_text('door = "rtsp://me:hush@host/"\nyard = 3\n')
    for arguments, code, said in (
        (("watch",), 2, "no camera is named"),
        (("watch", "ftp://me:hush@host/"), 2, "is no camera that can be watched"),
        (("watch", "a.mp4", "--name", "a", "--name", "b"), 2, "1 sources and 2 names"),
        (("watch", "a.mp4", "a.mp4"), 2, "two cameras are called a.mp4"),
        (("watch", "--cameras", "none.toml"), 2, "cannot read the cameras in none.toml"),
        (("watch", "--cameras", "cameras.toml"), 2, "yard is no text"),
        (("watch", "none.mp4"), 1, "there is no such file"),
        (("watch", "--once", "rtsp://me:hush@127.0.0.1:1/"), 1, "refuses the connection"),
    ):
        result = cli(*arguments)
        assert (result.code, said in result.err) == (code, True), result.err
        assert "hush" not in result.out + result.err
