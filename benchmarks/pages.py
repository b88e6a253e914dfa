"""The pages with 10,000 people and 100,000 results: when they are painted, and what `up` takes. Prints Markdown.

    python benchmarks/pages.py [--repeats 9]

Needs the extra `test` and Chromium. A peer to compare with is missing: none of them has a page that runs without a
database server or containers of its own.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from reporting import Bar, bars, machine, median, number, spread, table

from commands import Up
from crowded import COLLECTION, ENTRIES, PEOPLE, crowd, name
from visitor import Visit, chromium, visit

_PAGES = {
    "Live": ("/", ".entry-open"),
    "People": ("/people", "main a[href^='/person']"),
    "Review": ("/review", "#panel-pairs .empty"),
    "Statistics": ("/review?tab=statistics", "#panel-statistics svg"),
    "Health": ("/health", "main table >> visible=true"),
}
_REQUESTS = {
    "newest 50 entries": "/api/v1/activity",
    "entries of one person": f"/api/v1/activity?person={quote(name(4321))}",
    "strangers at 40 or more": "/api/v1/activity?status=unknown&min_similarity=40",
    "people, by name": f"/api/v1/collections/{COLLECTION}/people",
    "people with 77 in the name": f"/api/v1/collections/{COLLECTION}/people?q=77",
    "a week of statistics": "/api/v1/statistics",
    "health": "/api/v1/health",
    "metrics": "/metrics",
}
_PAINT = """() => performance.getEntriesByName("first-contentful-paint")[0].startTime"""
_NOTES = """
{people:,} people with a face each, {entries:,} photos of a week with a face each; `faceline up` and Chromium on
the same machine, nothing else. First paint as the browser reports it, content: until the last thing that the page
fetches first is there; milliseconds since the address was entered, median of {repeats} visits and both ends.
Requests: one after the other, each on a connection of its own.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9, help="visits of each page; 9 unless set")
    repeats = parser.parse_args().repeats
    print("# The page\n")
    print(machine())
    print(_NOTES.format(people=PEOPLE, entries=ENTRIES, repeats=repeats))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        crowd(data)
        with Up(data) as up:
            painted = _painted(up.ready(), repeats)
            print(table(("page", "first paint ms", "content ms"), [(p, *map(spread, ms)) for p, ms in painted.items()]))
            print()
            answered = {what: [_asked_ms(up, path) for _ in range(5 * repeats)] for what, path in _REQUESTS.items()}
            print(table(("request", "ms"), [(what, spread(ms)) for what, ms in answered.items()]), end="\n\n")
            before, after = _memory_mb(up, repeats)
    print(f"Memory of `up`: {number(before)} MB after these, {number(after)} MB after {100 * repeats} requests more.\n")
    slowest = max(median(first) for first, _ in painted.values())
    print(bars([Bar("first paint of the slowest page", slowest, 1000.0, False, "ms")]))


def _painted(up: Up, repeats: int) -> dict[str, tuple[list[float], list[float]]]:
    with chromium() as browser, visit(browser, up.url, up.key) as visitor:
        return {page: _visits(visitor, *where, repeats) for page, where in _PAGES.items()}


def _visits(visitor: Visit, path: str, content: str, repeats: int) -> tuple[list[float], list[float]]:
    """First paint and content, in milliseconds; the first visit, which fills caches, does not count."""
    first: list[float] = []
    filled: list[float] = []
    for _ in range(repeats + 1):
        page = visitor.go(path)
        page.wait_for_selector(content)
        filled.append(page.evaluate("() => performance.now()"))
        first.append(page.evaluate(_PAINT))
    return first[1:], filled[1:]


def _asked_ms(up: Up, path: str) -> float:
    started = time.perf_counter()
    status, body = up.ask("GET", path)
    if status != 200:
        raise RuntimeError(f"{path}: {status} {body!r}")
    return 1000 * (time.perf_counter() - started)


def _memory_mb(up: Up, repeats: int) -> tuple[float, float]:
    before = _resident_mb(up)
    for _ in range(100 * repeats // len(_REQUESTS)):
        for path in _REQUESTS.values():
            _asked_ms(up, path)
    return before, _resident_mb(up)


def _resident_mb(up: Up) -> float:
    status = Path(f"/proc/{up.process.pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


if __name__ == "__main__":
    main()
