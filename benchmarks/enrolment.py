"""Bulk enrolment of a tree of photos into a fresh data directory, with default settings. Prints Markdown.

python benchmarks/enrolment.py --data ../shared/data [--photos N]
"""

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from reporting import Bar, bars, machine, number, table
from worker import peak_mb, resident_mb

from faceline.app import App
from faceline.config import load
from faceline.gallery.sources import expand
from faceline.loading import worker_count
from faceline.types import Enrolment

_PARTS = (0.1, 0.25, 0.5, 0.75, 1.0)
_FLAT = 1.25  # how much more memory at the end than after a tenth still counts as flat


@dataclass
class Watch:
    """Resident memory as the photos go by."""

    photos: int
    done: int = 0
    readings: dict[float, float] = field(default_factory=dict)

    def advance(self, photos: int) -> None:
        self.done += photos
        for part in _PARTS:
            if part not in self.readings and self.done >= part * self.photos:
                self.readings[part] = resident_mb()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the test data")
    parser.add_argument("--photos", type=int, help="only so many of LFW's; default: all")
    given = parser.parse_args()
    items = expand(given.data / "lfw/images")[: given.photos]
    watch = Watch(len(items))
    print("# Bulk enrolment\n")
    print(machine())
    with tempfile.TemporaryDirectory() as folder, App(load().with_(data=Path(folder))) as app:
        workers = worker_count(app.settings)
        opening = time.perf_counter()
        enroller = app.enroller()
        start = time.perf_counter()
        done = enroller.enroll(items, workers, watch.advance)
        seconds = time.perf_counter() - start
        people = app.collection().people()
    print(f"\n{len(items)} LFW photos by {workers} workers through the Enroller, opened in {start - opening:.2f} s.")
    print(f"\n{report(done, people, seconds, watch)}")


def report(done: Enrolment, people: int, seconds: float, watch: Watch) -> str:
    rate = watch.photos / seconds
    figures = [["photos/s", number(rate)], ["enrolled", str(done.enrolled)], ["people", str(people)]]
    reasons = Counter(_kind(refusal.reason) for refusal in done.refused)
    figures += [[f"refused: {reason}", str(count)] for reason, count in reasons.most_common()]
    memory = [[f"{part:.0%}", number(mb)] for part, mb in watch.readings.items()]
    first, last = watch.readings[_PARTS[0]], watch.readings[_PARTS[-1]]
    reached = [
        Bar("photos/s", rate, 90, True),
        Bar("memory at the end by that after a tenth", last / first if first else 0.0, _FLAT, False, "x"),
    ]
    parts = [table(("", ""), figures), table(("enrolled", "resident, MB"), memory), f"Peak: {number(peak_mb())} MB."]
    return "\n\n".join([*parts, bars(reached)])


def _kind(reason: str) -> str:
    """A refusal's reason without what is particular to one photo."""
    for kind in ("several faces", "duplicate"):
        if reason.startswith(kind):
            return kind
    return reason


if __name__ == "__main__":
    main()
