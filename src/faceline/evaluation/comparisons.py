"""The scores of pairs of photos, with whose photos they are."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceline.similarity import Normalised, Scorer, Scores, pair_scores
from faceline.types import Vector

Ints = NDArray[np.int32]
Folds = NDArray[np.int16]

_ROWS = 512
_LISTED = 2_000_000
_LEAST_SHARE = 0.05  # of the pairs of strangers; the highest rate reported is 0.01
_SAMPLE = 1_500
_BINS = 160


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """Photos whose faces were found, in the order of their paths, and those that were missed.

    embeddings: float32 (n, d). people: int32 (n,), persons' numbers from 0. missed: int32 (m,), whose photo each
    missed one is. count: how many people there are.
    """

    embeddings: Vector
    people: Ints
    missed: Ints
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """scores: float32 (n,), ascending. first, second: int32 (n,), the persons' numbers. folds: int16 (2, n), theirs."""

    scores: Scores
    first: Ints
    second: Ints
    folds: Folds


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """edges: (b + 1,), scores. same, different: (b,), how many pairs of each kind."""

    edges: NDArray[np.float64]
    same: NDArray[np.int64]
    different: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """Pairs of the same person and of different people.

    same: every pair, with a score of −inf where a photo was missed. different: the compared pairs; of more than two
    million only the nearest, at least 5 %. compared: how many pairs of different people were compared, listed or not.
    lost: how many were not, because a photo was missed. photos_of: int (people,), found photos of each person where all
    pairs were compared, None where a file named them. people: how many.
    """

    same: Pairs
    different: Pairs
    compared: int
    lost: int
    people: int
    photos_of: NDArray[np.int64] | None
    histogram: Histogram

    @property
    def complete(self) -> bool:
        """Whether all compared pairs are listed."""
        return len(self.different.scores) == self.compared

    def strangers_weight(self, times: NDArray[np.float64]) -> float:
        """How many pairs of different people there are when person p is there times[p] times."""
        if self.photos_of is None:
            return float(times[self.different.first] @ times[self.different.second])
        photos = times * self.photos_of
        return float((photos.sum() ** 2 - (photos**2).sum()) / 2)


def sorted_pairs(scores: Scores, first: Ints, second: Ints, folds: Folds) -> Pairs:
    """Pairs in ascending order of score; folds: int16 (2, n)."""
    order = np.argsort(scores, kind="stable")
    return Pairs(scores[order], first[order], second[order], folds[:, order])


def compare_all(photos: Photos, scorer: Scorer, fold_of: Folds) -> Comparisons:
    """Every photo with every other, some rows at a time. fold_of: int16 (people,)."""
    embeddings = scorer.normalise(photos.embeddings)
    photos_of = np.bincount(photos.people, minlength=photos.count)
    compared = int(len(photos.people) ** 2 - (photos_of**2).sum()) // 2
    cut = _cut(embeddings, photos.people, max(_LISTED, _LEAST_SHARE * compared) / max(compared, 1))
    edges = _edges(embeddings)
    counts = np.zeros((2, _BINS), dtype=np.int64)
    none = _lost_pairs(np.zeros(0, dtype=np.int64))
    kept = ([none], [none])
    for scores, first, second in _blocks(embeddings, photos.people):
        same = first == second
        for kind, rows in enumerate((same, ~same)):
            counts[kind] += np.histogram(np.clip(scores[rows], edges[0], edges[-1]), edges)[0]
        listed = ~same & (scores >= cut)
        for part, rows in zip(kept, (same, listed), strict=True):
            part.append((scores[rows], first[rows], second[rows]))
    found, everybody = photos_of, photos_of + np.bincount(photos.missed, minlength=photos.count)
    kept[0].append(_lost_pairs(everybody * (everybody - 1) // 2 - found * (found - 1) // 2))
    lost = int(everybody.sum() ** 2 - (everybody**2).sum()) // 2 - compared
    same_pairs, different = (_joined(part, fold_of) for part in kept)
    histogram = Histogram(edges, counts[0], counts[1])
    return Comparisons(same_pairs, different, compared, lost, photos.count, photos_of, histogram)


def histogram_of(same: Scores, different: Scores) -> Histogram:
    """Of scores that are all at hand; those of −inf are left out."""
    same = same[np.isfinite(same)]
    both = np.concatenate([same, different])
    low, high = (float(both.min()), float(both.max())) if len(both) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    return Histogram(edges, np.histogram(same, edges)[0], np.histogram(different, edges)[0])


def rows_of(embeddings: Normalised, rows: slice | NDArray[np.intp]) -> Normalised:
    """Some of the rows."""
    return Normalised(embeddings.vectors[rows], embeddings.gain[rows], embeddings.offset[rows])


def _blocks(embeddings: Normalised, people: Ints) -> Iterator[tuple[Scores, Ints, Ints]]:
    """Scores and persons of every unordered pair of rows, some rows at a time."""
    for start in range(0, len(people), _ROWS):
        block = slice(start, start + _ROWS)
        scores = pair_scores(rows_of(embeddings, block), rows_of(embeddings, slice(start, None)))
        row, column = np.triu_indices(len(scores), 1, scores.shape[1])
        yield scores[row, column], people[block][row], people[start:][column]


def _sample(embeddings: Normalised) -> NDArray[np.intp]:
    n = len(embeddings.gain)
    return np.random.default_rng(0).permutation(n)[:_SAMPLE]


def _cut(embeddings: Normalised, people: Ints, share: float) -> float:
    """The score from which pairs of strangers are listed, so that about this share of them is."""
    if share >= 1:
        return -np.inf
    rows = _sample(embeddings)
    some = rows_of(embeddings, rows)
    strangers = np.triu(people[rows][:, None] != people[rows][None], 1)
    return float(np.quantile(pair_scores(some, some)[strangers], 1 - share))


def _edges(embeddings: Normalised) -> NDArray[np.float64]:
    some = rows_of(embeddings, _sample(embeddings))
    scores = pair_scores(some, some)
    if not scores.size:
        return np.linspace(0, 1, _BINS + 1)
    return np.linspace(float(scores.min()), float(scores.max()) + 1e-3, _BINS + 1)


def _lost_pairs(lost: NDArray[np.int64]) -> tuple[Scores, Ints, Ints]:
    people = np.repeat(np.arange(len(lost), dtype=np.int32), lost)
    return np.full(len(people), -np.inf, dtype=np.float32), people, people


def _joined(parts: list[tuple[Scores, Ints, Ints]], fold_of: Folds) -> Pairs:
    scores, first, second = (np.concatenate(column) for column in zip(*parts, strict=True))
    return sorted_pairs(scores, first, second, np.stack([fold_of[first], fold_of[second]]))
