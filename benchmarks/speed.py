"""CPU time a photo, faceline beside its peers at the same smallest face."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import FACELINE, Competitor, ask
from reporting import Bar, bars, median, number, spread, table, times_less

# The smallest face that each can look for: a doubling of the picture halves face_recognition's.
SMALLEST = {"face_recognition": (80, 40), "facenet-pytorch": (40, 20)}
_BARS = {"int8": 6.0, "fp32": 3.5}
_NOTES = """
CPU time (user + system, all threads of a process held to one thread) of decode, detect, align and embed; the median of
the repetitions after one that does not count, with the lowest and the highest. "x less" is the peer's time by ours.
faceline embeds every face twice, as it is and mirrored; the peers once. face_recognition's dlib is the wheel of
dlib-bin, **which has no BLAS**: a dlib built with one embeds faster. facenet-pytorch has random recognition weights
(the same cost), and the time of its stand-in for torchvision's non-maximum suppression is not counted.
"""


@dataclass(frozen=True, slots=True)
class Photos:
    """A set of photos to time: on how many repetitions, and whether the bars are about it."""

    name: str
    paths: Sequence[Path]
    repetitions: int
    barred: bool = False


def speed(sets: Sequence[Photos], peers: Sequence[Competitor]) -> str:
    rows, reached = [], []
    for photos in sets:
        ours = {m: _faceline(photos, m) for m in sorted({m for p in peers for m in SMALLEST[p.name]}, reverse=True)}
        for peer in peers:
            for min_face in SMALLEST[peer.name]:
                theirs = _time(peer, photos, min_face)
                rows.append(_row(photos, min_face, peer.name, ours[min_face], theirs))
                reached += _bars(photos, min_face, peer.name, ours[min_face], theirs) if photos.barred else []
    head = ("photos", "min face", "peer", "faceline fp32, ms", "int8, ms", "peer, ms", "fp32 x less", "int8 x less")
    return "\n".join([_NOTES, table((*head, "faces, faceline / peer"), rows), "", bars(reached)])


def _faceline(photos: Photos, min_face: int) -> dict[str, Any]:
    settings = {"min_face_px": str(min_face)}
    return {p: _time(FACELINE.with_settings(precision=p, **settings), photos, min_face) for p in ("fp32", "int8")}


def _time(competitor: Competitor, photos: Photos, min_face: int) -> dict[str, Any]:
    paths = [str(path) for path in photos.paths]
    return ask(competitor, task="cpu", photos=paths, min_face=min_face, repetitions=photos.repetitions)


def _row(photos: Photos, min_face: int, peer: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    times = [ours["fp32"]["milliseconds"], ours["int8"]["milliseconds"], theirs["milliseconds"]]
    ratios = [f"**{number(_ratio(ours[p], theirs))}**" for p in ("fp32", "int8")]
    faces = f"{ours['int8']['faces']} / {theirs['faces']}"
    return [photos.name, str(min_face), peer, *map(spread, times), *ratios, faces]


def _bars(photos: Photos, min_face: int, peer: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[Bar]:
    where = f"{photos.name}, min face {min_face}: CPU less than {peer}"
    return [Bar(f"{where}, {p}", _ratio(ours[p], theirs), limit, True, "x") for p, limit in _BARS.items()]


def _ratio(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    return times_less(median(ours["milliseconds"]), median(theirs["milliseconds"]))
