"""Rates with 95 % intervals: what part of the same pairs is recognised where strangers match how often.

Pairs that share a person are not independent, so the intervals come from drawing people, not pairs, with replacement
(a two-sample bootstrap over subjects; Bolle, Ratha, Pankanti 2004, "Error analysis of pattern recognition systems: the
subsets bootstrap"). A person drawn twice counts as two people: their own pairs weigh twice, those with a stranger drawn
three times six times.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceline.evaluation.comparisons import Comparisons
from faceline.similarity import Calibration, Scores, rate_at_similarity

Times = NDArray[np.float64]
Statistic = Callable[[Times], list[float]]
FALSE_MATCH_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
CLAIMED_SIMILARITIES = (50, 80, 90, 99)
MIN_EXPECTED = 10  # a rate measured on fewer strangers than this says nothing
DRAWS = 200


@dataclass(frozen=True, slots=True)
class Estimate:
    """value: 0–1. ci95: its 95 % interval, None where the people drawn allow none."""

    value: float
    ci95: tuple[float, float] | None


def estimate(statistic: Statistic, people: int, draws: int = DRAWS, seed: int = 0) -> list[Estimate | None]:
    """What `statistic` says of everybody once, with intervals from people drawn anew; None where it says NaN.

    statistic: from how many times each of the people is there, float64 (people,), to its values.
    """
    values = statistic(np.ones(people))
    rng = np.random.default_rng(seed)
    drawn = [statistic(_drawn(people, rng)) for _ in range(draws)]
    columns = np.array(drawn, dtype=np.float64).reshape(draws, len(values)).T
    return [
        None if np.isnan(value) else Estimate(float(value), _interval(column[~np.isnan(column)]))
        for value, column in zip(values, columns, strict=True)
    ]


def true_accepts(comparisons: Comparisons, rates: Sequence[float] = FALSE_MATCH_RATES) -> Statistic:
    """TAR: the part of the same pairs that scores above all but these parts of the strangers.

    NaN where fewer than ten strangers are expected to match.
    """
    same = comparisons.same
    enough = [rate * comparisons.compared >= MIN_EXPECTED for rate in rates]

    def statistic(times: Times) -> list[float]:
        weights = times[same.first]
        thresholds = _thresholds(comparisons, rates, times)
        above = np.append(np.cumsum(weights[::-1])[::-1], 0.0)
        starts = np.searchsorted(same.scores, thresholds, side="right")
        return [
            float(above[start] / above[0]) if good and above[0] else np.nan
            for start, good in zip(starts, enough, strict=True)
        ]

    return statistic


def false_matches(
    comparisons: Comparisons, calibration: Calibration, similarities: Sequence[float] = CLAIMED_SIMILARITIES
) -> Statistic:
    """The part of strangers that really reaches these similarities; NaN where fewer than ten are expected to."""
    strangers = comparisons.different
    starts = [int(np.searchsorted(strangers.scores, calibration.score_at(s))) for s in similarities]
    # Where not even the lowest listed score is below the asked one, some that reach it may not be listed.
    known = [
        rate_at_similarity(s) * comparisons.compared >= MIN_EXPECTED and (start > 0 or comparisons.complete)
        for s, start in zip(similarities, starts, strict=True)
    ]
    tail = slice(min(starts), None)

    def statistic(times: Times) -> list[float]:
        total = comparisons.strangers_weight(times)
        weights = times[strangers.first[tail]] * times[strangers.second[tail]]
        above = np.append(np.cumsum(weights[::-1])[::-1], 0.0)
        return [
            float(above[start - min(starts)] / total) if good and total else np.nan
            for start, good in zip(starts, known, strict=True)
        ]

    return statistic


def score_thresholds(comparisons: Comparisons, rates: Sequence[float]) -> Statistic:
    """The least scores above which these parts of the strangers lie."""
    return lambda times: _thresholds(comparisons, rates, times)


def threshold_above(scores: Scores, weights: Times, allowed: float) -> float:
    """The least score such that strangers *above* it weigh at most `allowed`; −inf when all of them do.

    scores: ascending.
    """
    above = np.cumsum(weights[::-1])
    rank = int(np.searchsorted(above, allowed * (1 + 1e-9), side="right"))
    return float(scores[::-1][rank]) if rank < len(scores) else -np.inf


def _thresholds(comparisons: Comparisons, rates: Sequence[float], times: Times) -> list[float]:
    strangers = comparisons.different
    # Only the nearest can decide: four times as many as the highest rate needs, since a draw can change their weight.
    tail = slice(-max(int(4 * max(rates) * comparisons.compared), 1), None)
    scores = strangers.scores[tail]
    weights = times[strangers.first[tail]] * times[strangers.second[tail]]
    total = comparisons.strangers_weight(times)
    found = [threshold_above(scores, weights, rate * total) for rate in rates]
    lowest = float(scores[0]) if len(scores) < comparisons.compared and len(scores) else -np.inf
    return [max(t, lowest) for t in found]


def _drawn(people: int, rng: np.random.Generator) -> Times:
    return np.bincount(rng.integers(people, size=people), minlength=people).astype(np.float64)


def _interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    if len(values) < 2:
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
