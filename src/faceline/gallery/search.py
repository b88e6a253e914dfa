"""Exact search over normalised embeddings in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceline.similarity import Normalised, Scores

_FIRST_ROWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """keys: best first. scores: float32, descending."""

    keys: tuple[str, ...]
    scores: Scores


class VectorIndex:
    """Keys with their normalised embeddings, contiguous, so that a search is one matrix product.

    Not locked: its owner (`Collection`) sees to it that nobody searches while somebody changes it. Memory: 4·d + 8
    bytes a row and up to as much again while it grows.
    """

    def __init__(self, dimensions: int) -> None:
        self._keys: list[str] = []
        self._rows: dict[str, int] = {}
        self._vectors = np.empty((_FIRST_ROWS, dimensions), dtype=np.float32)
        self._gain = np.empty(_FIRST_ROWS, dtype=np.float32)
        self._offset = np.empty(_FIRST_ROWS, dtype=np.float32)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def put(self, keys: Sequence[str], embeddings: Normalised) -> None:
        """Adds rows, or replaces those whose key is there."""
        self._reserve(len(self._keys) + len(keys))
        for i, key in enumerate(keys):
            row = self._rows.get(key)
            if row is None:
                row = self._rows[key] = len(self._keys)
                self._keys.append(key)
            self._vectors[row] = embeddings.vectors[i]
            self._gain[row], self._offset[row] = embeddings.gain[i], embeddings.offset[i]

    def remove(self, keys: Sequence[str]) -> None:
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
                self._vectors[row] = self._vectors[last]
                self._gain[row], self._offset[row] = self._gain[last], self._offset[last]
            self._vectors[last] = 0
            self._gain[last] = self._offset[last] = 0

    def search(self, probe: Normalised, limit: int) -> Hits:
        """The `limit` best rows for one probe (a Normalised of one row)."""
        n = len(self._keys)
        if n == 0 or limit == 0:
            return Hits((), np.empty(0, dtype=np.float32))
        scores = self._vectors[:n] @ probe.vectors[0]
        scores *= self._gain[:n] + probe.gain[0]
        scores -= self._offset[:n]
        scores -= probe.offset[0]
        best = _highest(scores, limit)
        return Hits(tuple(self._keys[i] for i in best), scores[best])

    def scores(self, probe: Normalised, keys: Sequence[str]) -> Scores:
        """The scores of the named rows."""
        rows = [self._rows[key] for key in keys]
        cosines = self._vectors[rows] @ probe.vectors[0]
        scores: Scores = cosines * (self._gain[rows] + probe.gain[0]) - self._offset[rows] - probe.offset[0]
        return scores

    def _reserve(self, rows: int) -> None:
        if rows <= len(self._vectors):
            return
        size = max(rows, 2 * len(self._vectors))
        n = len(self._keys)
        for name in ("_vectors", "_gain", "_offset"):
            old = getattr(self, name)
            new = np.zeros((size, *old.shape[1:]), dtype=np.float32)
            new[:n] = old[:n]
            setattr(self, name, new)


def _highest(scores: Scores, limit: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Row numbers of the highest scores, descending; equal scores in row order."""
    if limit < len(scores):
        threshold = np.partition(scores, -limit)[-limit]
        rows = np.flatnonzero(scores >= threshold)
    else:
        rows = np.arange(len(scores))
    order = np.lexsort((rows, -scores[rows]))
    return rows[order][:limit]
