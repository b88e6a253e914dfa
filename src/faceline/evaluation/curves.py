"""The receiver operating characteristic."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceline.evaluation.comparisons import Comparisons

_POINTS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """false_match, true_accept: float64 (n,), 0–1, ascending: what part of strangers and of same pairs is accepted.

    From one stranger in all pairs to as many as are listed; empty without strangers.
    """

    false_match: NDArray[np.float64]
    true_accept: NDArray[np.float64]


def curve_of(comparisons: Comparisons) -> Curve:
    """At most 200 points, evenly spread over the logarithm of the false-match rate."""
    same, different = comparisons.same.scores, comparisons.different.scores
    if not len(same) or not len(different):
        return Curve(np.empty(0), np.empty(0))
    ranks = np.unique(np.geomspace(1, len(different), _POINTS).round().astype(np.int64))
    thresholds = different[::-1][ranks - 1]
    accepted = 1 - np.searchsorted(same, thresholds, side="left") / len(same)
    return Curve(ranks / comparisons.compared, accepted)
