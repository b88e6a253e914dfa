"""From cosines to a similarity that means a false-match rate, and from similarities to a decision. Pure functions.

The score of two faces is their cosine, normalised by how each of them compares with a cohort of other people: adaptive
symmetric score normalisation (AS-norm), known from speaker verification (Matějka et al., Interspeech 2017; Cumani et
al., Interspeech 2011). The similarity is read off a calibration: 0 is the median pair of strangers, 50 one pair of
strangers in 100, 80 in 1,000, 90 in 10,000, 99 in 100,000, 99.9 in a million, linear in log10 of the rate between.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from faceline.errors import ModelMismatchError
from faceline.types import Decision, Vector

Scores = NDArray[np.float32]

MAX_SIMILARITY = 99.99  # of embeddings that differ; equal ones have 100
_LOG_RATES = np.array([-7.0, -6.0, -5.0, -4.0, -3.0, -2.0, math.log10(0.5)])
_SIMILARITIES = np.array([99.99, 99.9, 99.0, 90.0, 80.0, 50.0, 0.0])
_BLOCK = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Normalised:
    """Embeddings of one model with what their cohort says of each.

    vectors: float32 (n, d), rows of unit length, or shorter for means of several photos. gain, offset: float32 (n,);
    the score of x and y is cosine · (gain_x + gain_y) − offset_x − offset_y.
    """

    vectors: Vector
    gain: Scores
    offset: Scores


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """vectors: float32 (m, d), rows of unit length, of nobody in particular. top: how many nearest ones count."""

    vectors: Vector
    top: int

    def normalise(self, vectors: Vector) -> Normalised:
        """vectors: float32 (n, d), rows as `Normalised` has them."""
        parts = [self._statistics(vectors[i : i + _BLOCK]) for i in range(0, len(vectors), _BLOCK)]
        empty = np.empty((2, 0), dtype=np.float32)
        mean, deviation = np.concatenate([empty, *parts], axis=1)
        return Normalised(vectors, 0.5 / deviation, 0.5 * mean / deviation)

    def _statistics(self, vectors: Vector) -> Scores:
        """(2, n): mean and deviation of the highest `top` cosines."""
        cosines = vectors @ self.vectors.T
        highest = np.partition(cosines, -self.top, axis=1)[:, -self.top :]
        return np.stack([highest.mean(axis=1), np.maximum(highest.std(axis=1), 1e-4)]).astype(np.float32)


@dataclass(frozen=True)
class Calibration:
    """Score → false-match rate. scores: ascending. log_rates: log10 of the rate of strangers at or above each score.

    measured: whether the rates were measured on labelled photos; False means a provisional scale around the maker's
    threshold. Beyond the ends the last slope goes on.
    """

    scores: tuple[float, ...]
    log_rates: tuple[float, ...]
    measured: bool = True

    def log_rate(self, scores: Scores | float) -> NDArray[np.float64]:
        """log10 of the false-match rate at these scores."""
        x, y = self._x, self._y
        s = np.asarray(scores, dtype=np.float64)
        beyond = y[-1] + (s - x[-1]) * (y[-1] - y[-2]) / (x[-1] - x[-2])
        rates: NDArray[np.float64] = np.where(s > x[-1], beyond, np.interp(s, x, y))
        return rates

    def similarity(self, scores: Scores | float) -> NDArray[np.float64]:
        """0–99.99."""
        similarities: NDArray[np.float64] = np.interp(self.log_rate(scores), _LOG_RATES, _SIMILARITIES)
        return similarities

    def score_at(self, similarity: float) -> float:
        """The lowest score that has this similarity."""
        log_rate = float(np.interp(similarity, _SIMILARITIES[::-1], _LOG_RATES[::-1]))
        x, y = self._x, self._y
        if log_rate < y[-1]:
            return float(x[-1] + (log_rate - y[-1]) * (x[-1] - x[-2]) / (y[-1] - y[-2]))
        return float(np.interp(-log_rate, -y, x))

    @cached_property
    def _x(self) -> NDArray[np.float64]:
        return np.array(self.scores)

    @cached_property
    def _y(self) -> NDArray[np.float64]:
        return np.array(self.log_rates)


@dataclass(frozen=True, slots=True)
class Scorer:
    """How embeddings of one model are compared. cohort: None compares plain cosines."""

    model: str
    calibration: Calibration
    cohort: Cohort | None = None

    def normalise(self, vectors: Vector) -> Normalised:
        """vectors: float32 (n, d), rows of unit length."""
        if self.cohort is not None:
            return self.cohort.normalise(vectors)
        half = np.full(len(vectors), 0.5, dtype=np.float32)
        return Normalised(vectors, half, np.zeros_like(half))

    def check(self, model: str) -> None:
        """Raises ModelMismatchError unless embeddings of `model` are what this scorer compares."""
        if model != self.model:
            raise ModelMismatchError(
                f"an embedding of {model} cannot be compared with one of {self.model}; "
                "embed both photos with the same model"
            )

    def similarity_of(self, a: Vector, b: Vector) -> float:
        """Of two embeddings (d,): 0–99.99, or 100 when they are equal."""
        if np.array_equal(a, b):
            return 100.0
        score = pair_scores(self.normalise(a[None]), self.normalise(b[None]))[0, 0]
        return round(float(self.calibration.similarity(score)), 2)


def pair_scores(a: Normalised, b: Normalised) -> Scores:
    """float32 (n, m): the score of each of a with each of b."""
    scores: Scores = a.vectors @ b.vectors.T
    scores *= a.gain[:, None] + b.gain[None]
    scores -= a.offset[:, None] + b.offset[None]
    return scores


def similarity_at_rate(rate: float) -> float:
    """The similarity that one pair of strangers in 1/rate reaches."""
    return float(np.interp(math.log10(rate), _LOG_RATES, _SIMILARITIES))


def rate_at_similarity(similarity: float) -> float:
    """The part of pairs of strangers that reach this similarity."""
    return float(10 ** np.interp(similarity, _SIMILARITIES[::-1], _LOG_RATES[::-1]))


def scale() -> list[tuple[float, float]]:
    """What similarities mean: ascending similarities, each with the part of pairs of strangers that reach it.

    Between them the logarithm of the part is linear.
    """
    return [(similarity, rate_at_similarity(similarity)) for similarity in _SIMILARITIES[::-1].tolist()]


def strangers_as_alike(similarity: float) -> str:
    """How many pairs of strangers reach this similarity, in words: `1 in 10,000 pairs of strangers`."""
    if similarity >= MAX_SIMILARITY:
        return "fewer than 1 in 10 million pairs of strangers"
    one_in = 1 / rate_at_similarity(similarity)
    digits = max(len(str(int(one_in))) - 2, 0)
    return f"1 in {round(one_in, -digits):,.0f} pairs of strangers"


@dataclass(frozen=True, slots=True)
class Rule:
    """When a face gets a name.

    strangers_named: the part of strangers that may get any name, whatever the number of people enrolled: each of n
    people may take strangers_named / n. min_similarity: needed however small the gallery. ambiguity: how many powers
    of ten in false-match rate the best person must be ahead of the second.
    """

    strangers_named: float = 0.005
    min_similarity: float = 80.0
    ambiguity: float = 1.0

    def threshold(self, people: int) -> float:
        """The similarity that a match needs with so many people enrolled, as far as similarities tell rates apart."""
        return round(float(np.interp(self._needed(people), _LOG_RATES, _SIMILARITIES)), 2)

    def decide(self, log_rates: NDArray[np.float64], people: int) -> Decision:
        """log_rates: log10 of the false-match rate of the best candidates' scores, one a person, best first."""
        needed = self._needed(people)
        if len(log_rates) == 0 or log_rates[0] > needed:
            return Decision.UNKNOWN
        if len(log_rates) > 1 and log_rates[1] <= needed and log_rates[1] - log_rates[0] < self.ambiguity:
            return Decision.AMBIGUOUS
        return Decision.MATCH

    def _needed(self, people: int) -> float:
        """log10 of the false-match rate that one person's score may have at most."""
        shared = math.log10(self.strangers_named / max(people, 1))
        return min(shared, math.log10(rate_at_similarity(self.min_similarity)))
