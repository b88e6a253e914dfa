"""Exact search over normalised embeddings in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from faceline.similarity import Normalised, Scores
from faceline.types import Vector

_FIRST_ROWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """keys: best first. scores: float32, descending."""

    keys: tuple[str, ...]
    scores: Scores


class VectorIndex:
    """Keys with their normalised embeddings, contiguous, so that a search is one matrix product.

    A row whose gain is NaN has yet to be normalised (`unscored`) before it may be searched. Not locked: its owner
    (`Collection`) sees to it that nobody searches while somebody changes it. Memory: 4·d + 12 bytes a row and up to as
    much again while it grows.
    """

    def __init__(self, dimensions: int) -> None:
        self._keys: list[str] = []
        self._rows: dict[str, int] = {}
        self._vectors = np.zeros((_FIRST_ROWS, dimensions), dtype=np.float32)
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
                self._vectors[row], self._first[row] = self._vectors[last], self._first[last]
                self._gain[row], self._offset[row] = self._gain[last], self._offset[last]
            self._vectors[last] = 0
            self._first[last] = self._gain[last] = self._offset[last] = 0

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
        scores = self._vectors[:n] @ probe.vectors[0]
        scores *= self._gain[:n] + probe.gain[0]
        scores -= self._offset[:n]
        scores -= probe.offset[0]
        best = _highest(scores, limit, min_score)
        return Hits(tuple(self._keys[i] for i in best), scores[best])

    def scores(self, probe: Normalised, keys: Sequence[str]) -> Scores:
        """The scores of the named rows."""
        rows = self._rows_of(keys)
        cosines = self._vectors[rows] @ probe.vectors[0]
        scores: Scores = cosines * (self._gain[rows] + probe.gain[0]) - self._offset[rows] - probe.offset[0]
        return scores

    def _rows_of(self, keys: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        return np.array([self._rows[key] for key in keys], dtype=np.intp)

    def _reserve(self, rows: int) -> None:
        if rows <= len(self._vectors):
            return
        size = max(rows, 2 * len(self._vectors))
        n = len(self._keys)
        for name in ("_vectors", "_first", "_gain", "_offset"):
            old = getattr(self, name)
            new = np.zeros((size, *old.shape[1:]), dtype=np.float32)
            new[:n] = old[:n]
            setattr(self, name, new)
            old[:n] = 0  # its memory goes back to the process, and a face that is removed later must not be in it


def _highest(scores: Scores, limit: int, min_score: float) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Row numbers of the highest scores, none below the minimum, descending; equal scores in row order."""
    if limit < len(scores):
        min_score = max(min_score, float(np.partition(scores, -limit)[-limit]))
    rows = np.flatnonzero(scores >= min_score)
    order = np.lexsort((rows, -scores[rows]))
    return rows[order][:limit]
