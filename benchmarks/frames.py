"""Frames over queues: seconds from POST to answer, and how many are right, with and without kills. Prints Markdown.

    python benchmarks/frames.py --data ../shared/data [--requests 100]

A data directory that knows the second frame of each clip; the other 24 frames in turn, sent by `faceline frames send`.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from reporting import Bar, bars, machine, number, table

_PEOPLE = {0: "Trump", 1: "Biden", 2: "Bean", 4: "Depp", 5: "Diesel", 6: "Floki", 7: "Freeman", 8: "Obama"}
_KILL_EVERY_S = (1.0, 4.0)
_KILLED = {"FACELINE_LEASE_S": "1"}
_NOTES = """
{requests} frames of 1280 × 720 a row. In flight: sent and not yet answered. Seconds from the start of the POST to
the arrival of the answer at a client that is told by server-sent events. Killed: two `up --worker` beside an
`up --front`, one of them killed -9 every {low:g} to {high:g} s and started again at once; leases of 1 s.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the test data")
    parser.add_argument("--requests", type=int, default=100, help="frames for each row; 100 unless set")
    given = parser.parse_args()
    print("# Frames over queues\n")
    print(machine())
    print(_NOTES.format(requests=given.requests, low=_KILL_EVERY_S[0], high=_KILL_EVERY_S[1]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames = prepared(folder, given.data / "cse546" / "frames", given.requests)
        measured = [(f"{n}", answered_by_one(folder, frames, n)) for n in (1, 2, 8)]
        measured.append(("2, killed", answered_by_killed(folder, frames)))
    rows = [[what, *row(answers)] for what, answers in measured]
    print(table(("in flight", "median s", "p95 s", "slowest s", "answered", "right"), rows), end="\n\n")
    two, killed = measured[1][1], measured[-1][1]
    print(
        bars(
            [
                Bar("p95 from POST to answer, 2 in flight", float(np.percentile(seconds(two), 95)), 1.0, False, "s"),
                Bar("right, 2 in flight", right(two) / given.requests * 100, 100, True, "%"),
                Bar("right, workers killed", right(killed) / given.requests * 100, 100, True, "%"),
            ]
        )
    )


def prepared(folder: Path, frames: Path, count: int) -> list[Path]:
    """Enrols, and gives the frames to send, each in a folder named as the person in it."""
    for clip, person in _PEOPLE.items():
        for n, frame in enumerate(sorted(frames.glob(f"test_{clip}[._]*"))):
            target = folder / ("known" if n == 1 else "probes") / person
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(frame, target)
    subprocess.run([*_command(folder, "enroll"), str(folder / "known")], check=True, stdout=subprocess.DEVNULL)
    probes = sorted((folder / "probes").rglob("*.jpg"))
    return [probes[n % len(probes)] for n in range(count)]


def answered_by_one(folder: Path, frames: list[Path], in_flight: int) -> list[dict[str, Any]]:
    with started(folder, "--port", "0"):
        send(folder, frames[:10], in_flight)  # not counted
        return send(folder, frames, in_flight)


def answered_by_killed(folder: Path, frames: list[Path]) -> list[dict[str, Any]]:
    done, moments = threading.Event(), random.Random(1)

    def keep_killing() -> None:
        workers = [stack.enter_context(started(folder, "--worker")) for _ in range(2)]
        while not done.wait(moments.uniform(*_KILL_EVERY_S)):
            victim = moments.randrange(2)
            workers[victim].kill()
            workers[victim] = stack.enter_context(started(folder, "--worker", ready=False))

    with ExitStack() as stack, started(folder, "--front", "--port", "0"):
        killer = threading.Thread(target=keep_killing)
        killer.start()
        try:
            return send(folder, frames, 2)
        finally:
            done.set()
            killer.join()


@contextmanager
def started(folder: Path, *arguments: str, ready: bool = True) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / "log").open("ab") as log:
        command = [*_command(folder, "up"), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=os.environ | _KILLED)
    try:
        assert process.stdout is not None
        if ready and not process.stdout.readline():
            raise SystemExit(f"faceline up did not start: {(folder / 'log').read_text()}")
        yield process
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def send(folder: Path, frames: list[Path], in_flight: int) -> list[dict[str, Any]]:
    """A row for each frame, as `faceline frames send --json` gives them."""
    command = [*_command(folder, "frames", "send"), "--in-flight", str(in_flight), "--json", *map(str, frames)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def row(answers: list[dict[str, Any]]) -> list[str]:
    taken = seconds(answers)
    figures: list[Callable[[list[float]], Any]] = [np.median, lambda values: np.percentile(values, 95), max]
    return [*(number(float(figure(taken))) for figure in figures), str(len(taken)), str(right(answers))]


def seconds(answers: list[dict[str, Any]]) -> list[float]:
    return [answer["seconds"] for answer in answers if answer["seconds"] is not None]


def right(answers: list[dict[str, Any]]) -> int:
    return sum(answer["result"] == Path(answer["source"]).parent.name for answer in answers)


def _command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "faceline", "-q", "--data", str(folder / "data"), *words]


if __name__ == "__main__":
    main()
