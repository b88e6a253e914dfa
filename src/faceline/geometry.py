"""Pure functions on boxes and landmarks.

Arrays named `boxes_xyxy` are (n, 4) with rows x1 y1 x2 y2, x to the right and y down; width is x2 − x1, without the
extra pixel that some older code adds. Any unit does, as long as it is the same in all arguments. No function changes
its arguments; empty arrays are (0, 4) and give empty results.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faceline.types import BoundingBox, Face

Floats = NDArray[np.floating]

ABOUT_AS_LARGE = 0.5  # the part of the largest face's visible area from which two faces count as equally large
_NMS_BLOCK = 64  # boxes compared with all others at once: little memory, and most others are gone by the next block


def iou(boxes_xyxy_a: Floats, boxes_xyxy_b: Floats) -> NDArray[np.float64]:
    """Intersection over union, float64 (n, m) in 0–1, of (n, 4) with (m, 4); 0 where both boxes are empty."""
    a, b = _rows(boxes_xyxy_a)[:, None], _rows(boxes_xyxy_b)[None]
    inter = _intersections(a, b)
    union = _areas(a) + _areas(b) - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def nms(boxes_xyxy: Floats, scores: Floats, threshold: float, by_minimum_area: bool = False) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: indices of the kept boxes, best score first; equal scores keep their order.

    scores: (n,). A box goes when its overlap with a better kept one exceeds `threshold` (0–1); the overlap is
    intersection over union, or over the smaller of both areas with `by_minimum_area`.
    """
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    boxes = _rows(boxes_xyxy)[order]
    columns = np.ascontiguousarray(np.column_stack([boxes, _areas(boxes)]).T)
    kept = [order[:0]]
    while len(order):
        over = _overlaps(columns[:, :_NMS_BLOCK], columns, threshold, by_minimum_area)
        n = len(over)
        alive = np.ones(n, dtype=np.bool_)
        for row in range(n):
            if alive[row]:
                alive[row + 1 :] &= ~over[row, row + 1 : n]
        kept.append(order[:n][alive])
        # Most boxes go early: what a kept box of this block covers is never looked at again.
        rest = n + np.flatnonzero(~over[alive, n:].any(axis=0))
        columns, order = columns[:, rest], order[rest]
    return np.concatenate(kept)


def square(boxes_xyxy: Floats) -> NDArray[np.float64]:
    """float64 (n, 4): the smallest squares around the boxes with the same centres."""
    boxes = _rows(boxes_xyxy)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True, initial=0) / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def largest_first(faces: Sequence[Face], width: float, height: float) -> list[Face]:
    """The face that the picture is of, then the others by visible area, largest first.

    Faces with at least half the visible area of the largest are about as large: the picture is of the one among them
    that is nearest to its centre. width, height: of the full-size picture, in the pixels of the boxes.
    """
    ordered = sorted(faces, key=lambda face: -visible_area(face.box, width, height))
    if not ordered:
        return []
    enough = visible_area(ordered[0].box, width, height) * ABOUT_AS_LARGE
    rivals = [face for face in ordered if visible_area(face.box, width, height) >= enough]
    principal = min(rivals, key=lambda face: math.dist(face.box.center, (width / 2, height / 2)))
    return [principal, *(face for face in ordered if face is not principal)]


def visible_area(box: BoundingBox, width: float, height: float) -> float:
    """The box's area inside the picture, in square pixels."""
    across = min(box.right, width) - max(box.left, 0)
    down = min(box.bottom, height) - max(box.top, 0)
    return max(across, 0.0) * max(down, 0.0)


def margin_box(box: BoundingBox, margin: float, width: int, height: int) -> tuple[int, int, int, int]:
    """Whole pixels x1, y1, x2, y2 of `box` grown on each side by `margin` of its own width or height.

    Clipped to the picture of `width` × `height` pixels, and at least one pixel large even for a box outside of it.
    """
    x1, x2 = _clipped(box.left - margin * box.width, box.right + margin * box.width, width)
    y1, y2 = _clipped(box.top - margin * box.height, box.bottom + margin * box.height, height)
    return x1, y1, x2, y2


def similarity_transform(source_points: Floats, target_points: Floats) -> NDArray[np.float64]:
    """float64 (2, 3): turn, scale and move that take `source_points` (n, 2) nearest to `target_points` (n, 2).

    Least squares after Umeyama 1991 (IEEE PAMI 13(4), eq. 39–43), never a reflection. A point (x, y) goes to
    `matrix @ (x, y, 1)`. When all source points coincide, or there is only one, the result only moves.
    """
    source, target = np.asarray(source_points, np.float64), np.asarray(target_points, np.float64)
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    source, target = source - source_mean, target - target_mean
    variance = float((source**2).sum())
    if variance <= 0:
        return np.column_stack([np.eye(2), target_mean - source_mean])
    left, sizes, right = np.linalg.svd(target.T @ source)
    signs = np.array([1.0, 1.0 if np.linalg.det(left) * np.linalg.det(right) >= 0 else -1.0])
    linear = (sizes * signs).sum() / variance * (left * signs) @ right
    return np.column_stack([linear, target_mean - linear @ source_mean])


def _overlaps(
    a: NDArray[np.float64], b: NDArray[np.float64], threshold: float, by_minimum_area: bool
) -> NDArray[np.bool_]:
    """(n, m): whether the boxes overlap by more than `threshold`. a, b: (5, n), (5, m), rows x1 y1 x2 y2 and area."""
    shared = np.minimum(a[2][:, None], b[2])
    shared -= np.maximum(a[0][:, None], b[0])
    np.maximum(shared, 0, out=shared)
    height = np.minimum(a[3][:, None], b[3])
    height -= np.maximum(a[1][:, None], b[1])
    np.maximum(height, 0, out=height)
    shared *= height
    # Multiplied out: an empty box must not divide by zero.
    if by_minimum_area:
        return np.asarray(shared > threshold * np.minimum(a[4][:, None], b[4]))
    return np.asarray(shared > threshold * (a[4][:, None] + b[4] - shared))


def _rows(boxes_xyxy: Floats) -> NDArray[np.float64]:
    return np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def _intersections(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    sides = np.maximum(sides, 0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def _clipped(low: float, high: float, size: int) -> tuple[int, int]:
    first = min(max(math.floor(low), 0), size - 1)
    return first, min(max(math.ceil(high), first + 1), size)
