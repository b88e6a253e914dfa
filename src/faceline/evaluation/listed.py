"""Comparisons of the pairs that a file names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceline.evaluation.comparisons import Comparisons, Folds, Ints, Pairs, histogram_of, rows_of, sorted_pairs
from faceline.evaluation.embedded import EmbeddedPhotos
from faceline.evaluation.pairs import Pair
from faceline.similarity import Normalised, Scorer, Scores


def compare_listed(
    pairs: Sequence[Pair], photos: EmbeddedPhotos, people: Mapping[Path, int], folds: Folds, scorer: Scorer
) -> Comparisons:
    """people: the person's number of each photo. folds: int16 (2, n), those of each pair's first and second person."""
    row_of = {Path(path): row for row, path in enumerate(photos.paths)}
    rows = np.array([[row_of.get(p.path_a, -1), row_of.get(p.path_b, -1)] for p in pairs], dtype=np.intp).T
    whose = np.array([[people[p.path_a], people[p.path_b]] for p in pairs], dtype=np.int32).T
    found, same = (rows >= 0).all(axis=0), np.array([p.same for p in pairs])
    scores = np.full(len(pairs), -np.inf, dtype=np.float32)
    if found.any():
        embeddings = scorer.normalise(photos.embeddings)
        scores[found] = scores_of_rows(embeddings, rows[0, found], rows[1, found])
    genuine, strangers = (_some(scores, whose, folds, kind) for kind in (same, ~same & found))
    count = max(people.values()) + 1
    histogram = histogram_of(genuine.scores, strangers.scores)
    lost = int((~same & ~found).sum())
    return Comparisons(genuine, strangers, len(strangers.scores), lost, count, None, histogram)


def scores_of_rows(embeddings: Normalised, first: NDArray[np.intp], second: NDArray[np.intp]) -> Scores:
    """float32 (n,): the score of row first[i] with row second[i]."""
    a, b = rows_of(embeddings, first), rows_of(embeddings, second)
    cosines = np.einsum("nd,nd->n", a.vectors, b.vectors)
    scores: Scores = cosines * (a.gain + b.gain) - a.offset - b.offset
    return scores


def _some(scores: Scores, whose: Ints, folds: Folds, chosen: NDArray[np.bool_]) -> Pairs:
    return sorted_pairs(scores[chosen], whose[0, chosen], whose[1, chosen], folds[:, chosen])
