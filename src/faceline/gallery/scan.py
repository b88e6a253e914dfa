"""All pairs of faces: which two names have faces that are alike. Exact, in blocks, in bounded memory.

Every score is computed, but only those that may be wanted are looked at again: in double precision, so that neither
blocks nor threads nor the BLAS library change an answer.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from faceline.similarity import Normalised, pair_scores

Numbers = NDArray[np.int32]
Doubles = NDArray[np.float64]

_SCORED = 8192  # pairs scored at once in double precision: 16 MiB with 128 dimensions
_ROUNDING = 1e-5  # of float32, over the products that make a score


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Pairs of names, each with the two of their faces that are most alike.

    names: int32 (m, 2), the lesser number first. rows: int32 (m, 2), the face of each. scores: float64 (m,).
    """

    names: Numbers
    rows: Numbers
    scores: Doubles

    def __len__(self) -> int:
        return len(self.scores)


NONE = Alike(np.empty((0, 2), np.int32), np.empty((0, 2), np.int32), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """How far a scan is. blocks: rows of blocks done. kept: the best of them. complete_from: no pair of names with a
    score from here on is missing; the wanted score itself until there are more pairs of names than are kept.
    """

    blocks: int
    kept: Alike
    complete_from: float


class AllPairs:
    """The pairs of faces of different names with at least a score, of each two names the two faces most alike.

    embeddings: n rows. owner: int32 (n,), the number of each face's name. most: pairs of names kept, the best. block:
    rows and columns compared at once. Memory beside the embeddings: 12·block² bytes a thread, 24 bytes for each pair
    kept, and up to as much again for each block in a row of blocks.
    """

    def __init__(self, embeddings: Normalised, owner: Numbers, min_score: float, most: int, block: int = 512) -> None:
        self._embeddings, self._owner = embeddings, owner
        self._most, self._block = most, block
        spread = float(np.abs(embeddings.gain).max(initial=0) + np.abs(embeddings.offset).max(initial=0))
        self._rounding = 2 * spread * _ROUNDING
        self.start = Progress(0, NONE, min_score)

    @property
    def blocks(self) -> int:
        """How many rows of blocks there are."""
        return -(-len(self._owner) // self._block)

    def pairs_in(self, row: int) -> int:
        """How many pairs of faces a row of blocks compares, those of one name included."""
        left = len(self._owner) - row * self._block
        rows = min(self._block, left)
        return rows * (rows - 1) // 2 + rows * (left - rows)

    def run(self, progress: Progress, threads: int, done: Callable[[Progress], None]) -> Progress:
        """From where an earlier run was to the end. done: told after each row of blocks."""
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
            for row in range(progress.blocks, self.blocks):
                progress = self._row(row, progress, pool)
                done(progress)
        return progress

    def _row(self, row: int, progress: Progress, pool: ThreadPoolExecutor) -> Progress:
        from_score = progress.complete_from
        parts = pool.map(lambda column: self._alike(row, column, from_score), range(row, self.blocks))
        kept, lowest = _best([progress.kept, *parts], self._most)
        return Progress(row + 1, kept, max(from_score, lowest))

    def _alike(self, row: int, column: int, min_score: float) -> Alike:
        """Of one block of scores."""
        at, across = (slice(n * self._block, (n + 1) * self._block) for n in (row, column))
        scores = pair_scores(part_of(self._embeddings, at), part_of(self._embeddings, across))
        found = np.flatnonzero(scores >= np.float32(min_score - self._rounding))
        i, j = found // scores.shape[1] + at.start, found % scores.shape[1] + across.start
        wanted = (i < j) & (self._owner[i] != self._owner[j])
        i, j = i[wanted], j[wanted]
        exact = self._exact(i, j)
        reached = exact >= min_score
        alike = _ordered(self._owner, i[reached], j[reached], exact[reached])
        return _best([alike], self._most)[0]

    def _exact(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> Doubles:
        parts = [self._some_exact(i[n : n + _SCORED], j[n : n + _SCORED]) for n in range(0, len(i), _SCORED)]
        return np.concatenate([np.empty(0), *parts])

    def _some_exact(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> Doubles:
        x, y = _doubles(part_of(self._embeddings, i)), _doubles(part_of(self._embeddings, j))
        scores: Doubles = np.einsum("ij,ij->i", x[0], y[0]) * (x[1] + y[1]) - x[2] - y[2]
        return scores


def exact_scores(a: Normalised, b: Normalised) -> Doubles:
    """float64 (n, m): as `similarity.pair_scores`, in double precision."""
    (x, gain_x, offset_x), (y, gain_y, offset_y) = _doubles(a), _doubles(b)
    scores: Doubles = (x @ y.T) * (gain_x[:, None] + gain_y) - offset_x[:, None] - offset_y
    return scores


def part_of(embeddings: Normalised, rows: slice | Sequence[int] | NDArray[np.integer]) -> Normalised:
    """Some of the rows."""
    return Normalised(embeddings.vectors[rows], embeddings.gain[rows], embeddings.offset[rows])


def _doubles(embeddings: Normalised) -> tuple[Doubles, Doubles, Doubles]:
    """Vectors, gain, offset."""
    vectors, gain, offset = embeddings.vectors, embeddings.gain, embeddings.offset
    return vectors.astype(np.float64), gain.astype(np.float64), offset.astype(np.float64)


def _ordered(owner: Numbers, i: NDArray[np.intp], j: NDArray[np.intp], scores: Doubles) -> Alike:
    """Each pair with the lesser name first."""
    rows = np.stack([i, j], axis=1).astype(np.int32)
    names = owner[rows]
    turned = names[:, 0] > names[:, 1]
    names[turned], rows[turned] = names[turned, ::-1], rows[turned, ::-1]
    return Alike(names, rows, scores)


def _best(parts: Iterable[Alike], most: int) -> tuple[Alike, float]:
    """Each pair of names once, with its best faces; of more than `most` the best, and the lowest score among them.

    Equal scores go by the numbers of names and rows, so that the order of parts does not matter.
    """
    found = [part for part in parts if len(part)]
    if not found:
        return NONE, -np.inf
    names, rows = np.concatenate([p.names for p in found]), np.concatenate([p.rows for p in found])
    scores = np.concatenate([p.scores for p in found])
    order = np.lexsort((rows[:, 1], rows[:, 0], -scores, names[:, 1], names[:, 0]))
    sorted_names = names[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (sorted_names[1:] != sorted_names[:-1]).any(axis=1)
    chosen = order[first]
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    lowest = float(scores[chosen[most - 1]]) if len(chosen) > most else -np.inf
    chosen = chosen[:most]
    return Alike(names[chosen], rows[chosen], scores[chosen]), lowest
