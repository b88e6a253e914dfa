"""Time from the start of a process to its first embedding, and how much memory it takes."""

from collections.abc import Sequence
from pathlib import Path

from processes import FACELINE, Answer, Competitor, ask
from reporting import Bar, bars, median, number, spread, table

MIN_FACE = 40
_REPETITIONS = 5
_NOTES = f"""
Each figure is from fresh processes: one that does not count (it fills the file cache and, where need be, builds the
models), then {_REPETITIONS}; the median, with the lowest and the highest. Time: from the start of the interpreter until
the first photo, one of LFW, is embedded. Peak memory: the largest resident set of that process, and of one that went on
through more photos. Smallest face {MIN_FACE} px, one thread, faceline's precision as it chooses it.
"""


def startup(lfw: Sequence[Path], crowd: Path, peers: Sequence[Competitor]) -> str:
    rows, reached = [], []
    for competitor in (FACELINE.with_settings(min_face_px=str(MIN_FACE)), *peers):
        colds = [_start(competitor, lfw[:1]) for _ in range(_REPETITIONS + 1)][1:]
        seconds = [answer["at"] - answer["started"] for answer in colds]
        first = median([answer["peak_mb"] for answer in colds])
        longer = _start(competitor, lfw)["peak_mb"]
        crowded = _start(competitor, [crowd])["peak_mb"]
        rows.append([competitor.name, spread(seconds), *map(number, (first, longer, crowded))])
        if competitor.name == FACELINE.name:
            reached.append(Bar("cold start to the first embedding", median(seconds), 0.6, False, "s"))
            reached.append(Bar("peak memory, worst of the three", max(first, longer, crowded), 250, False, "MB"))
    head = ("", "cold start, s", "peak after one photo, MB", f"after {len(lfw)} LFW photos, MB", "after one 720p, MB")
    return "\n".join([_NOTES, table(head, rows), "", bars(reached)])


def _start(competitor: Competitor, photos: Sequence[Path]) -> Answer:
    return ask(competitor, task="start", photos=[str(photo) for photo in photos], min_face=MIN_FACE)
