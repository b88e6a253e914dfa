"""Accuracy at a threshold that was chosen on other people."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceline.evaluation.comparisons import Comparisons, Folds
from faceline.evaluation.rates import Estimate, Times, estimate
from faceline.similarity import Scores

FOLDS = 10


@dataclass(frozen=True, slots=True)
class Accuracy:
    """estimate: the part told right, cross-validated; None where there is only one kind of pair. threshold: the score
    that tells most pairs right when it is chosen on all of them."""

    estimate: Estimate | None
    threshold: float


def made_folds(people: int, seed: int = 0) -> Folds:
    """int16 (people,): the fold of each person, ten of about the same size (fewer for fewer people)."""
    numbers = np.arange(people, dtype=np.int16) % FOLDS
    return np.random.default_rng(seed).permutation(numbers)


def cross_validate(comparisons: Comparisons, balanced: bool, fallback: float) -> Accuracy:
    """Every pair is judged at the threshold that is best for the pairs that touch neither of its two people's folds.

    balanced: same and different pairs weigh half each; otherwise every pair weighs the same. fallback: the threshold
    where the other folds do not have both kinds of pairs. A pair with a missed photo counts as told wrong.
    """
    same, different = comparisons.same, comparisons.different
    threshold = best_threshold(same.scores, different.scores, comparisons, balanced, fallback)
    lost = comparisons.lost
    if not len(same.scores) or not comparisons.compared + lost:
        return Accuracy(None, threshold)
    wrong_same, wrong_different = _wrong(comparisons, balanced, fallback)
    first, second = different.first[wrong_different], different.second[wrong_different]

    def right(times: Times) -> list[float]:
        errors = float(times[same.first[wrong_same]].sum()), float(times[first] @ times[second]) + lost
        totals = float(times[same.first].sum()), comparisons.strangers_weight(times) + lost
        if balanced:
            return [1 - sum(e / t for e, t in zip(errors, totals, strict=True)) / 2 if min(totals) else math.nan]
        return [1 - sum(errors) / sum(totals) if sum(totals) else math.nan]

    return Accuracy(estimate(right, comparisons.people)[0], threshold)


def best_threshold(same: Scores, different: Scores, comparisons: Comparisons, balanced: bool, fallback: float) -> float:
    """The score from which to say `same` so that least is told wrong; in the middle of the gap where it lies.

    same, different: ascending, from `comparisons`, whose unlisted pairs are below every threshold considered.
    """
    if not len(same) or not len(different):
        return fallback
    lowest = -np.inf if comparisons.complete else different[0]
    candidates = np.append(np.unique(same[np.isfinite(same) & (same >= lowest)]), np.inf)
    unlisted = comparisons.compared / len(comparisons.different.scores)
    missed = np.searchsorted(same, candidates)
    matched = len(different) - np.searchsorted(different, candidates)
    weight = len(same) / (len(different) * unlisted) if balanced else 1.0
    best = float(candidates[np.argmin(missed + weight * matched)])
    below = np.concatenate(
        [same[: np.searchsorted(same, best)][-1:], different[: np.searchsorted(different, best)][-1:]]
    )
    below = below[np.isfinite(below)]
    if not len(below):
        return best
    if best == np.inf:
        return float(np.nextafter(below.max(), np.inf))
    return (best + float(below.max())) / 2


def _wrong(comparisons: Comparisons, balanced: bool, fallback: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the same and of the different pairs are told wrong."""
    same, different = comparisons.same, comparisons.different
    wrong_same = np.zeros(len(same.scores), dtype=np.bool_)
    wrong_different = np.zeros(len(different.scores), dtype=np.bool_)
    cells, of_same, of_different = _cells(same.folds, different.folds)
    for number, cell in enumerate(cells):
        apart = np.asarray(~np.isin(cells, cell).any(axis=1))
        threshold = best_threshold(
            same.scores[apart[of_same]], different.scores[apart[of_different]], comparisons, balanced, fallback
        )
        wrong_same |= (of_same == number) & (same.scores < threshold)
        wrong_different |= (of_different == number) & (different.scores >= threshold)
    return wrong_same, wrong_different


def _cells(same: Folds, different: Folds) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.intp]]:
    """The pairs of folds that occur, (c, 2), and which of them each same and each different pair is in."""
    first, second = np.concatenate([same, different], axis=1).astype(np.int64)
    codes, cell_of = np.unique(np.minimum(first, second) << 32 | np.maximum(first, second), return_inverse=True)
    cells = np.stack([codes >> 32, codes & 0xFFFFFFFF], axis=1)
    return cells, cell_of[: same.shape[1]], cell_of[same.shape[1] :]
