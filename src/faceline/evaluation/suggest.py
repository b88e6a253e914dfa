"""The similarity to ask for when only so many strangers may pass, and what it costs."""

import math
from dataclasses import dataclass

from faceline.evaluation.comparisons import Comparisons
from faceline.evaluation.rates import MIN_EXPECTED, Estimate, estimate, score_thresholds, true_accepts
from faceline.similarity import Calibration, similarity_at_rate


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a false-match rate asks for.

    rate: the part of pairs of strangers that may reach the similarity (FMR). similarity: measured on these photos with
    its 95 % interval, or the one that the calibration in use has at this rate where the pairs are too few.
    needed_pairs: of strangers, to measure it; pairs: how many there were. true_accepts: what part of same pairs reaches
    it, None where it is not measured. strangers_named: the part of strangers that are like somebody among
    `gallery_size` people (FPIR), 1 − (1 − rate)^n, since the comparisons with n people are taken for independent.
    """

    rate: float
    gallery_size: int
    similarity: Estimate
    measured: bool
    pairs: int
    needed_pairs: int
    true_accepts: Estimate | None

    @property
    def strangers_named(self) -> float:
        return -math.expm1(self.gallery_size * math.log1p(-self.rate))


def suggest(comparisons: Comparisons, calibration: Calibration, rate: float, gallery_size: int) -> Suggestion:
    """rate: 0–1, of pairs of strangers. gallery_size: how many people are enrolled."""
    needed = math.ceil(MIN_EXPECTED / rate)
    measured = comparisons.compared >= needed
    if measured:
        scores = score_thresholds(comparisons, [rate])
        found = estimate(lambda times: calibration.similarity(scores(times)[0])[None].tolist(), comparisons.people)[0]
        accepted = estimate(true_accepts(comparisons, [rate]), comparisons.people)[0]
        assert found is not None
        return Suggestion(rate, gallery_size, found, True, comparisons.compared, needed, accepted)
    claimed = Estimate(similarity_at_rate(rate), None)
    return Suggestion(rate, gallery_size, claimed, False, comparisons.compared, needed, None)
