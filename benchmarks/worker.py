"""What the workers share. A worker is a process with one engine in it; it runs in that engine's interpreter.

Standard library only, so that it adds nothing to what is measured. One job comes as JSON on standard input: `task`
(one of TASKS), `photos` (paths), `min_face` (pixels), `repetitions`, `options`. The answer is the last line of standard
output.
"""

import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

Box = tuple[float, float, float, float]  # left, top, width, height
Job = dict[str, Any]


class Engine(Protocol):
    """One of the things compared. uncounted_s: CPU seconds so far that are the benchmark's own, not the engine's."""

    @property
    def packages(self) -> tuple[str, ...]: ...

    @property
    def uncounted_s(self) -> float: ...

    def analyze(self, photo: str) -> list[Box]:
        """Decodes, detects, aligns and embeds all faces of a photo."""

    def detect(self, photo: str) -> list[Box]:
        """Decodes and detects."""


class VideoEngine(Protocol):
    """One that goes through clips."""

    @property
    def uncounted_s(self) -> float: ...

    def follow(self, clip: str, per_second: float) -> int:
        """Decodes so many frames a second, detects and embeds; how many faces or appearances there were."""


def serve(open_engine: Callable[[Job], Engine]) -> None:
    job = json.load(sys.stdin)
    engine = open_engine(job)
    answer = TASKS[job["task"]](engine, job)
    answer["versions"] = {name: version(name) for name in engine.packages}
    print(json.dumps(answer))


def cpu(engine: Engine, job: Job) -> Job:
    """User and system CPU milliseconds a photo, of all threads, for each repetition after one that does not count."""
    photos = job["photos"]
    faces = sum(len(engine.analyze(photo)) for photo in photos)
    milliseconds = []
    for _ in range(job["repetitions"]):
        start = time.process_time() - engine.uncounted_s
        for photo in photos:
            engine.analyze(photo)
        milliseconds.append((time.process_time() - engine.uncounted_s - start) * 1000 / len(photos))
    return {"milliseconds": milliseconds, "faces": faces}


def detect(engine: Engine, job: Job) -> Job:
    """The boxes of each photo."""
    return {"boxes": [engine.detect(photo) for photo in job["photos"]]}


def start(engine: Engine, job: Job) -> Job:
    """When the first photo's embeddings were there, by the machine's monotonic clock; peak memory then and later."""
    first, *others = job["photos"]
    faces = len(engine.analyze(first))
    at, first_peak = time.monotonic(), peak_mb()
    for photo in others:
        engine.analyze(photo)
    return {"at": at, "faces": faces, "first_peak_mb": first_peak, "peak_mb": peak_mb()}


def peak_mb() -> float:
    """Largest resident memory of this process so far.

    Linux counts the parent's memory into ru_maxrss of a process that it started, VmHWM only this process's own.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        found = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(found.split()[1]) / 1024
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1024**2


def resident_mb() -> float:
    """Resident memory of this process now; 0 where the system has no /proc."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0.0
    found = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(found.split()[1]) / 1024


def video(engine: VideoEngine, job: Job) -> Job:
    """Seconds on the clock, and of CPU with those of finished child processes, to follow a clip, each repetition."""
    clip, rate = job["clip"], job["per_second"]
    engine.follow(clip, rate)
    clock, processor, faces = [], [], 0
    for _ in range(job["repetitions"]):
        started, spent = time.monotonic(), _cpu_s() - engine.uncounted_s
        faces = engine.follow(clip, rate)
        clock.append(time.monotonic() - started)
        processor.append(_cpu_s() - engine.uncounted_s - spent)
    return {"clock_s": clock, "cpu_s": processor, "faces": faces, "peak_mb": peak_mb()}


def soak(engine: VideoEngine, job: Job) -> Job:
    """Resident memory after each time that a clip was followed."""
    resident = []
    for _ in range(job["repetitions"]):
        engine.follow(job["clip"], job["per_second"])
        resident.append(resident_mb())
    return {"resident_mb": resident}


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


TASKS: dict[str, Callable[[Any, Job], Job]] = {
    "cpu": cpu,
    "detect": detect,
    "start": start,
    "video": video,
    "soak": soak,
}
