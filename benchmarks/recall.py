"""How many labelled faces are found at a smallest face of 20 px, and what is taken for a face where there is none."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from processes import FACELINE, Competitor, ask
from reporting import Bar, bars, table

Box = tuple[float, float, float, float]  # left, top, width, height

MIN_FACE = 20
_IOU = 0.4
FACELESS = (
    "photos/dlib/examples/faces/dogs.jpg",
    "photos/dlib/examples/mmod_cars_test_image.jpg",
    "photos/face-api.js/test/images/white.png",
)
_NOTES = f"""
The rules. dlib's photos have true boxes: one is found when a detected box has an IoU of at least {_IOU} with it, or has
its centre in it; each detected box stands for one true box at most. LFW: the face is found when a detected box covers
the middle of the photo. Face-free photos: every box is a false one. faceline runs at its default thresholds, as do the
peers.
"""


def recall(data: Path, lfw: Sequence[Path], peers: Sequence[Competitor]) -> str:
    truth = true_boxes(data / "photos/dlib/face_boxes.csv")
    boxed = [data / "photos/dlib/examples/faces" / name for name in truth]
    middles = [_middle(photo) for photo in lfw]
    figures = {}
    for competitor in (FACELINE.with_settings(min_face_px=str(MIN_FACE)), *peers):
        found = [found_boxes(t, d) for t, d in zip(truth.values(), _boxes(competitor, boxed), strict=True)]
        covered = [any(_inside(m, b) for b in boxes) for m, boxes in zip(middles, _boxes(competitor, lfw), strict=True)]
        false = sum(map(len, _boxes(competitor, [data / path for path in FACELESS])))
        figures[competitor.name] = (sum(found), sum(covered), false)
    true = sum(map(len, truth.values()))
    rows = [[n, f"{f} of {true}", f"{c} of {len(lfw)}", str(no)] for n, (f, c, no) in figures.items()]
    head = (f"min face {MIN_FACE}", "dlib's boxes found", "LFW faces found", f"false on {len(FACELESS)} photos")
    return "\n".join([_NOTES, table(head, rows), "", bars(_bars(figures))])


def _bars(figures: dict[str, tuple[int, int, int]]) -> list[Bar]:
    ours = figures[FACELINE.name]
    sets = ("dlib's boxes", "LFW")
    return [
        Bar(f"{where}: found, against {peer}", ours[i], theirs[i], True)
        for peer, theirs in figures.items()
        if peer != FACELINE.name
        for i, where in enumerate(sets)
    ]


def true_boxes(path: Path) -> dict[str, list[Box]]:
    """Photo → its true boxes."""
    boxes = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            box = (float(row["left"]), float(row["top"]), float(row["width"]), float(row["height"]))
            boxes[row["file"]].append(box)
    return dict(boxes)


def found_boxes(truth: Sequence[Box], detected: Sequence[Box]) -> int:
    """How many true boxes are found: pairs that overlap most are matched first, no box twice."""
    pairs = [(iou(t, d), i, j) for i, t in enumerate(truth) for j, d in enumerate(detected) if _matches(t, d)]
    true_left, detected_left = set(range(len(truth))), set(range(len(detected)))
    for _, i, j in sorted(pairs, reverse=True):
        if i in true_left and j in detected_left:
            true_left.remove(i)
            detected_left.remove(j)
    return len(truth) - len(true_left)


def iou(a: Box, b: Box) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def _matches(true: Box, detected: Box) -> bool:
    centre = detected[0] + detected[2] / 2, detected[1] + detected[3] / 2
    return iou(true, detected) >= _IOU or _inside(centre, true)


def _inside(point: tuple[float, float], box: Box) -> bool:
    return box[0] <= point[0] <= box[0] + box[2] and box[1] <= point[1] <= box[1] + box[3]


def _middle(photo: Path) -> tuple[float, float]:
    with Image.open(photo) as image:
        return image.width / 2, image.height / 2


def _boxes(competitor: Competitor, photos: Sequence[Path]) -> list[list[Box]]:
    boxes: list[list[Box]] = ask(competitor, task="detect", photos=[str(p) for p in photos], min_face=MIN_FACE)["boxes"]
    return boxes
