"""Exact search over normalised embeddings in memory.

Most rows are told to be too far without being read whole. A vector is split into its part along a few principal axes,
the head, and the rest, of which only the length is kept: by Cauchy and Schwarz the product of two rests is at most the
product of their lengths. Rows whose score cannot reach what is wanted are passed over; the others are scored exactly.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceline.similarity import Normalised, Scores
from faceline.types import Vector

Rows = NDArray[np.intp]
_FIRST_ROWS = 64
_AXES = 48  # with faceline's embeddings 1 row in 80 then remains to be read at similarity 80
_WORTHWHILE_ROWS = 2_000
_MOST_READ = 0.25  # a larger part of the rows is read faster all in one
_SLACK = 1e-5  # of cosines, for the rounding of float32


def principal_axes(vectors: Vector, count: int = _AXES) -> Vector:
    """float32 (d, count): orthonormal columns, along which vectors (n, d) have most of their length."""
    _, axes = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
    found: Vector = np.ascontiguousarray(axes[:, ::-1][:, :count], dtype=np.float32)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """keys: best first. scores: float32, descending."""

    keys: tuple[str, ...]
    scores: Scores


class VectorIndex:
    """Keys with their normalised embeddings, contiguous, so that a search is one matrix product.

    A row whose gain is NaN has yet to be normalised (`unscored`) before it may be searched. Not locked: its owner
    (`Collection`) sees to it that nobody searches while somebody changes it. Memory: 4·(d + axes) + 16 bytes a row and
    up to as much again while it grows. axes: of `principal_axes`; None reads every row at every search.
    """

    def __init__(self, dimensions: int, axes: Vector | None = None) -> None:
        self._axes = np.zeros((dimensions, 0), dtype=np.float32) if axes is None else axes
        self._keys: list[str] = []
        self._rows: dict[str, int] = {}
        self._vectors = np.zeros((_FIRST_ROWS, dimensions), dtype=np.float32)
        self._heads = np.zeros((_FIRST_ROWS, self._axes.shape[1]), dtype=np.float32)
        self._rests = np.zeros(_FIRST_ROWS, dtype=np.float32)
        self._first = np.zeros(_FIRST_ROWS, dtype=np.float32)  # each vector's first value again, close together
        self._gain = np.zeros(_FIRST_ROWS, dtype=np.float32)
        self._offset = np.zeros(_FIRST_ROWS, dtype=np.float32)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def put(self, keys: Sequence[str], embeddings: Normalised) -> None:
        """Adds rows, or replaces those whose key is there."""
        self._reserve(len(self._keys) + len(keys))
        for key in keys:
            if key not in self._rows:
                self._rows[key] = len(self._keys)
                self._keys.append(key)
        rows = self._rows_of(keys)
        self._vectors[rows], self._first[rows] = embeddings.vectors, embeddings.vectors[:, 0]
        self._heads[rows], self._rests[rows] = self._split(embeddings.vectors)
        self._gain[rows], self._offset[rows] = embeddings.gain, embeddings.offset

    def remove(self, keys: Iterable[str]) -> None:
        """Forgets rows for good: the last row takes the place, and the freed row is overwritten with zeros."""
        for key in keys:
            row = self._rows.pop(key, None)
            if row is None:
                continue
            last = len(self._keys) - 1
            moved = self._keys.pop()
            if moved != key:
                self._keys[row] = moved
                self._rows[moved] = row
                for values in self._columns():
                    values[row] = values[last]
            for values in self._columns():
                values[last] = 0

    def vectors(self, keys: Sequence[str]) -> Vector:
        """float32 (n, d): a copy of the named rows. KeyError for an unknown key."""
        vectors: Vector = self._vectors[self._rows_of(keys)]
        return vectors

    def rows(self, keys: Sequence[str]) -> Normalised:
        """The named rows as they were put. KeyError for an unknown key."""
        rows = self._rows_of(keys)
        return Normalised(self._vectors[rows], self._gain[rows], self._offset[rows])

    def unscored(self) -> list[str]:
        """The keys of rows that were put without being normalised."""
        return [self._keys[row] for row in np.flatnonzero(np.isnan(self._gain[: len(self._keys)]))]

    def equal(self, vector: Vector) -> list[str]:
        """The keys of rows that are equal to a vector (d,), in row order."""
        rows = np.flatnonzero(self._first[: len(self._keys)] == vector[0])
        same = (self._vectors[rows] == vector).all(axis=1)
        return [self._keys[row] for row in rows[same]]

    def search(self, probe: Normalised, limit: int, min_score: float = -np.inf) -> Hits:
        """The `limit` best rows at or above `min_score` for one probe (a Normalised of one row)."""
        n = len(self._keys)
        if n == 0 or limit == 0:
            return Hits((), np.empty(0, dtype=np.float32))
        rows = self._possible(probe, limit, min_score)
        cosines = (self._vectors[:n] if rows is None else self._vectors[rows]) @ probe.vectors[0]
        scores = self._scored(cosines, probe, rows)
        best = _highest(scores, limit, min_score)
        found = best if rows is None else rows[best]
        return Hits(tuple(self._keys[i] for i in found), scores[best])

    def scores(self, probe: Normalised, keys: Sequence[str]) -> Scores:
        """The scores of the named rows."""
        rows = self._rows_of(keys)
        cosines = self._vectors[rows] @ probe.vectors[0]
        scores: Scores = cosines * (self._gain[rows] + probe.gain[0]) - self._offset[rows] - probe.offset[0]
        return scores

    def _possible(self, probe: Normalised, limit: int, min_score: float) -> Rows | None:
        """The rows that may be among the hits, in order; None when it is not worth while to tell them apart."""
        n = len(self._keys)
        if n < _WORTHWHILE_ROWS or not self._heads.shape[1]:
            return None
        head, rest = self._split(probe.vectors)
        cosines = self._heads[:n] @ head[0]
        unsure = self._rests[:n] * rest[0] + _SLACK
        if min_score == -np.inf and limit < n:
            lowest = self._scored(cosines - unsure, probe, None)
            min_score = float(np.partition(lowest, -limit)[-limit])
        rows = np.flatnonzero(self._scored(cosines + unsure, probe, None) >= min_score)
        return rows if len(rows) <= _MOST_READ * n else None

    def _scored(self, cosines: Scores, probe: Normalised, rows: Rows | None) -> Scores:
        """The scores of these cosines with the probe, in place; rows: whose they are, None for all."""
        which = slice(len(self._keys)) if rows is None else rows
        cosines *= self._gain[which] + probe.gain[0]
        cosines -= self._offset[which]
        cosines -= probe.offset[0]
        return cosines

    def _split(self, vectors: Vector) -> tuple[Vector, Scores]:
        """Heads (n, axes) and the lengths of the rests (n,)."""
        heads = vectors @ self._axes
        squares = np.einsum("ij,ij->i", vectors, vectors) - np.einsum("ij,ij->i", heads, heads)
        return heads, np.sqrt(np.maximum(squares, 0))

    def _columns(self) -> tuple[Vector, ...]:
        return self._vectors, self._heads, self._rests, self._first, self._gain, self._offset

    def _rows_of(self, keys: Sequence[str]) -> Rows:
        return np.array([self._rows[key] for key in keys], dtype=np.intp)

    def _reserve(self, rows: int) -> None:
        if rows <= len(self._vectors):
            return
        size = max(rows, 2 * len(self._vectors))
        n = len(self._keys)
        for name in ("_vectors", "_heads", "_rests", "_first", "_gain", "_offset"):
            old = getattr(self, name)
            new = np.zeros((size, *old.shape[1:]), dtype=np.float32)
            new[:n] = old[:n]
            setattr(self, name, new)
            old[:n] = 0  # its memory goes back to the process, and a face that is removed later must not be in it


def _highest(scores: Scores, limit: int, min_score: float) -> Rows:
    """Row numbers of the highest scores, none below the minimum, descending; equal scores in row order."""
    rows = np.flatnonzero(scores >= min_score)
    if limit < len(rows):
        rows = rows[scores[rows] >= np.partition(scores[rows], -limit)[-limit]]
    order = np.lexsort((rows, -scores[rows]))
    return rows[order][:limit]
