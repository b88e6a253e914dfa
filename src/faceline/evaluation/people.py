"""One against all: who is found, who is not, and which strangers get a name."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceline.evaluation.comparisons import Ints, Photos, rows_of
from faceline.evaluation.rates import MIN_EXPECTED, Estimate, Statistic, Times, estimate, threshold_above
from faceline.similarity import Calibration, Normalised, Rule, Scorer, Scores, pair_scores
from faceline.types import Decision, Vector

FALSE_POSITIVE_RATES = (0.01, 0.02, 0.05)
_ROWS = 512


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """person: int32 (n,), whose photo each probe is. best, second: float32 (n,), scores of the two most similar people
    of the gallery, −inf where there is none. right: bool (n,), whether the best one is that person."""

    person: Ints
    best: Scores
    second: Scores
    right: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """known: probes of enrolled people, those with a missed photo as found nowhere. unknown: of people who are not.

    enrolled: how many people the gallery has. people: how many there are in all.
    """

    known: Probes
    unknown: Probes
    enrolled: int
    people: int


@dataclass(frozen=True, slots=True)
class Named:
    """What the shipped rule answers, each a part of the known or the unknown probes, and the similarity it asks for."""

    threshold: float
    strangers_named: Estimate | None
    known_right: Estimate | None
    known_wrong: Estimate | None
    known_unknown: Estimate | None
    known_ambiguous: Estimate | None


def search_first_photos(photos: Photos, scorer: Scorer) -> Searches | None:
    """The first photo of each person with two or more is the gallery; their others are known probes; photos of people
    with one are unknown probes. None when nobody has two.
    """
    have = np.bincount(np.concatenate([photos.people, photos.missed]), minlength=photos.count)
    first = np.zeros(len(photos.people), dtype=np.bool_)
    first[np.unique(photos.people, return_index=True)[1]] = True
    several = have[photos.people] >= 2
    gallery = np.flatnonzero(first & several)
    if not len(gallery):
        return None
    enrolled = photos.people[gallery]
    templates = scorer.normalise(photos.embeddings[gallery])
    known, unknown = (
        find(photos.embeddings[rows], photos.people[rows], templates, enrolled, scorer)
        for rows in (several & ~first, ~several)
    )
    return Searches(_with_missed(known, photos.missed, enrolled), unknown, len(gallery), photos.count)


def find(probes: Vector, people: Ints, gallery: Normalised, gallery_people: Ints, scorer: Scorer) -> Probes:
    """probes: float32 (n, d), photos of `people` (n,). gallery: rows of `gallery_people`, perhaps several a person;
    the best row of a person counts."""
    order = np.argsort(gallery_people, kind="stable")
    names, starts = np.unique(gallery_people[order], return_index=True)
    gallery = rows_of(gallery, order)
    normalised = scorer.normalise(probes)
    found = [np.empty((3, 0))]
    for start in range(0, len(probes), _ROWS):
        scores = pair_scores(rows_of(normalised, slice(start, start + _ROWS)), gallery)
        found.append(_two_best(np.maximum.reduceat(scores, starts, axis=1), names))
    best, second, person = np.concatenate(found, axis=1)
    return Probes(people, best.astype(np.float32), second.astype(np.float32), person == people)


def found_first(searches: Searches) -> Statistic:
    """Rank-1: the part of known probes whose most similar person is the right one."""
    known = searches.known
    return lambda times: [_mean(known.right, times[known.person])]


def identified(
    searches: Searches, rates: Sequence[float] = FALSE_POSITIVE_RATES, min_expected: float = MIN_EXPECTED
) -> Statistic:
    """TPIR: the part of known probes found rightly, with a score above all but so many of the unknown probes (FPIR).

    NaN where fewer than `min_expected` unknown probes are expected to be above. The gallery stays as it is while the
    people on the probes are drawn for the intervals.
    """
    known, unknown = searches.known, searches.unknown
    order = np.argsort(unknown.best, kind="stable")
    scores, strangers = unknown.best[order], unknown.person[order]

    def statistic(times: Times) -> list[float]:
        weights = times[strangers]
        thresholds = [threshold_above(scores, weights, rate * float(weights.sum())) for rate in rates]
        found = [_mean(known.right & (known.best > t), times[known.person]) for t in thresholds]
        return [f if rate * len(scores) >= min_expected else np.nan for f, rate in zip(found, rates, strict=True)]

    return statistic


def outcomes(searches: Searches, calibration: Calibration, rule: Rule) -> Statistic:
    """What `rule` answers with as many people enrolled as there are: the parts that `Named` lists, in its order."""
    known, unknown = searches.known, searches.unknown
    said, said_of_strangers = (_decisions(probes, calibration, rule, searches.enrolled) for probes in (known, unknown))
    match = said == Decision.MATCH
    of_known = (match & known.right, match & ~known.right, said == Decision.UNKNOWN, said == Decision.AMBIGUOUS)
    named_strangers = said_of_strangers == Decision.MATCH

    def statistic(times: Times) -> list[float]:
        weights = times[known.person]
        return [_mean(named_strangers, times[unknown.person]), *(_mean(outcome, weights) for outcome in of_known)]

    return statistic


def named(searches: Searches, calibration: Calibration, rule: Rule) -> Named:
    """What `rule` answers, with intervals."""
    parts = estimate(outcomes(searches, calibration, rule), searches.people)
    return Named(rule.threshold(searches.enrolled), *parts)


def _decisions(probes: Probes, calibration: Calibration, rule: Rule, enrolled: int) -> NDArray[np.str_]:
    log_rates = calibration.log_rate(np.stack([probes.best, probes.second], axis=1))
    return np.array([str(rule.decide(row[: min(enrolled, 2)], enrolled)) for row in log_rates], dtype=np.str_)


def _two_best(scores: Scores, names: Ints) -> NDArray[np.float64]:
    """(3, n): the best and the second best score of each row, and whose the best is."""
    best = scores.argmax(axis=1)
    highest = scores[np.arange(len(scores)), best]
    scores[np.arange(len(scores)), best] = -np.inf
    return np.stack([highest, scores.max(axis=1), names[best]]).astype(np.float64)


def _with_missed(known: Probes, missed: Ints, enrolled: Ints) -> Probes:
    more = missed[np.isin(missed, enrolled)]
    nowhere = np.full(len(more), -np.inf, dtype=np.float32)
    return Probes(
        np.concatenate([known.person, more]),
        np.concatenate([known.best, nowhere]),
        np.concatenate([known.second, nowhere]),
        np.concatenate([known.right, np.zeros(len(more), dtype=np.bool_)]),
    )


def _mean(hits: NDArray[np.bool_], weights: Times) -> float:
    total = float(weights.sum())
    return float(weights[hits].sum()) / total if total else np.nan
