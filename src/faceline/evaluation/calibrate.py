"""From labelled embeddings to a calibration: which score strangers reach how often."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceline.evaluation.cohort import invent
from faceline.similarity import Calibration, Cohort, Scores, pair_scores
from faceline.types import Vector

# Down to here the rate is counted; below it a fitted exponential tail takes over.
_COUNTED = (math.log10(0.5), -0.6, -1.0, -1.5, -2.0, -2.5, -3.0, -3.5, -4.0)
_FITTED = (-5.0, -6.0, -7.0)
_TAIL_FROM = -4.0
_MIN_TAIL_PAIRS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """calibration, and for each of its rates the 95 % interval of log10 of the rate really reached at its score.

    The intervals come from resampling people, not pairs, since pairs that share a person are not independent.
    """

    calibration: Calibration
    intervals: tuple[tuple[float, float], ...]
    stranger_pairs: int


@dataclass(frozen=True, slots=True, eq=False)
class StrangerPairs:
    """The scores of all pairs of different people. first, second: the persons' numbers. photos, for resampling."""

    scores: Scores
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    people: int


def cross_fitted_strangers(embeddings: Vector, people: NDArray[np.str_], seed: int = 0) -> StrangerPairs:
    """Scores within each half of the people under a cohort invented from the other half.

    A cohort scores its own people a little apart, so rates counted on them would not hold for others.
    """
    names, numbers = np.unique(people, return_inverse=True)
    half_of_name = np.random.default_rng(seed).permutation(len(names)) % 2
    half = half_of_name[numbers]
    parts = []
    for h in (0, 1):
        own, other = half == h, half != h
        cohort = invent(embeddings[other], people[other], seed=seed)
        parts.append(stranger_pairs(embeddings[own], numbers[own], cohort))
    return StrangerPairs(
        np.concatenate([p.scores for p in parts]),
        np.concatenate([p.first for p in parts]),
        np.concatenate([p.second for p in parts]),
        len(names),
    )


def stranger_pairs(embeddings: Vector, numbers: NDArray[np.intp], cohort: Cohort | None) -> StrangerPairs:
    """numbers: (n,), the person's number of each row. cohort: None compares plain cosines."""
    if cohort is None:
        scores = embeddings @ embeddings.T
    else:
        normalised = cohort.normalise(embeddings)
        scores = pair_scores(normalised, normalised)
    rows, columns = np.nonzero(np.triu(numbers[:, None] != numbers[None], 1))
    return StrangerPairs(scores[rows, columns], numbers[rows], numbers[columns], int(numbers.max()) + 1)


def fit(strangers: StrangerPairs, bootstraps: int = 200, seed: int = 0) -> Fit:
    """A calibration from scores of strangers, with intervals."""
    ordered = np.sort(strangers.scores)
    knots = [float(ordered[round(len(ordered) * (1 - 10**rate)) - 1]) for rate in _COUNTED]
    tail = ordered[ordered > knots[-1]]
    if len(tail) < _MIN_TAIL_PAIRS:
        raise ValueError(f"{len(ordered)} pairs of strangers are too few to calibrate; 300,000 are enough")
    # Above a high threshold excesses are close to exponential (Balkema, de Haan 1974): log10 of the rate is a line.
    step = float((tail - knots[-1]).mean()) * math.log(10)
    scores = (*knots, *(knots[-1] + step * (_TAIL_FROM - rate) for rate in _FITTED))
    calibration = Calibration(scores, (*_COUNTED, *_FITTED))
    return Fit(calibration, _intervals(strangers, calibration, bootstraps, seed), len(ordered))


def _intervals(
    strangers: StrangerPairs, calibration: Calibration, bootstraps: int, seed: int
) -> tuple[tuple[float, float], ...]:
    rng = np.random.default_rng(seed)
    draws = [_resampled_rates(strangers, calibration, rng) for _ in range(bootstraps)]
    low, high = np.quantile(np.array(draws), [0.025, 0.975], axis=0)
    return tuple((round(float(a), 3), round(float(b), 3)) for a, b in zip(low, high, strict=True))


def _resampled_rates(strangers: StrangerPairs, calibration: Calibration, rng: np.random.Generator) -> list[float]:
    """log10 of the rates at the calibration's scores when the people are drawn anew; the tail is fitted anew too."""
    times = np.bincount(rng.integers(strangers.people, size=strangers.people), minlength=strangers.people)
    weights = (times[strangers.first] * times[strangers.second]).astype(np.float64)
    total = weights.sum()
    start = calibration.scores[len(_COUNTED) - 1]
    rates = [
        math.log10(max(float(weights[strangers.scores > score].sum()) / total, 1e-12))
        for score in calibration.scores[: len(_COUNTED)]
    ]
    beyond = strangers.scores > start
    excess = float(np.average(strangers.scores[beyond] - start, weights=weights[beyond] + 1e-12))
    tail = [rates[-1] - (score - start) / (excess * math.log(10)) for score in calibration.scores[len(_COUNTED) :]]
    return rates + tail
