"""Scores, similarities and the rule, against naive code and numbers worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceline.errors import ModelMismatchError
from faceline.similarity import (
    MAX_SIMILARITY,
    Calibration,
    Cohort,
    Rule,
    Scorer,
    pair_scores,
    rate_at_similarity,
    similarity_at_rate,
)
from faceline.types import Decision, Vector

# One power of ten a point: a score of s is reached by one pair of strangers in 10**s.
PLAIN = Calibration((math.log10(2), 1.0, 2.0, 4.0), (-math.log10(2), -1.0, -2.0, -4.0))
RULE = Rule(strangers_named=0.01, min_similarity=80.0, ambiguity=1.0)


def unit_rows(n: int, dimensions: int = 16, seed: int = 0) -> Vector:
    rows = np.random.default_rng(seed).normal(size=(n, dimensions)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


COHORT = Cohort(unit_rows(300, seed=9), 30)


@pytest.mark.parametrize(
    ("rate", "similarity"), [(0.5, 0), (1e-2, 50), (1e-3, 80), (1e-4, 90), (1e-5, 99), (1e-6, 99.9)]
)
def test_similarities_are_those_of_the_stated_rates(rate: float, similarity: float) -> None:
    assert similarity_at_rate(rate) == pytest.approx(similarity)
    assert rate_at_similarity(similarity) == pytest.approx(rate)
    assert PLAIN.similarity(-math.log10(rate)) == pytest.approx(similarity)
    assert PLAIN.score_at(similarity) == pytest.approx(-math.log10(rate))


def test_between_the_knots_the_similarity_is_linear_in_the_logarithm_of_the_rate() -> None:
    assert PLAIN.similarity(2.5) == pytest.approx(65)
    assert PLAIN.similarity(3.5) == pytest.approx(85)


def test_strangers_below_the_median_are_zero_and_nothing_different_is_above_the_highest() -> None:
    assert PLAIN.similarity(-100.0) == 0
    assert PLAIN.similarity(100.0) == MAX_SIMILARITY


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=20))
def test_a_higher_score_is_never_less_similar(scores: list[float]) -> None:
    similarities = PLAIN.similarity(np.array(sorted(scores), dtype=np.float32))
    assert (np.diff(similarities) >= 0).all()


@given(st.floats(0.5, 99.98))
def test_the_score_of_a_similarity_has_that_similarity(similarity: float) -> None:
    assert PLAIN.similarity(PLAIN.score_at(similarity)) == pytest.approx(similarity, abs=1e-6)


def test_equal_embeddings_have_one_hundred_and_others_less() -> None:
    scorer = Scorer("made", PLAIN)
    a, b = unit_rows(2)
    assert scorer.similarity_of(a, a.copy()) == 100
    assert scorer.similarity_of(a, a + np.float32(1e-3) * b) <= MAX_SIMILARITY


def test_embeddings_of_another_model_are_refused() -> None:
    scorer = Scorer("made", PLAIN)
    scorer.check("made")
    with pytest.raises(ModelMismatchError, match=r"other .* made"):
        scorer.check("other")


def test_without_a_cohort_the_score_is_the_cosine() -> None:
    scorer = Scorer("made", PLAIN)
    a, b = unit_rows(5), unit_rows(7, seed=1)
    np.testing.assert_allclose(pair_scores(scorer.normalise(a), scorer.normalise(b)), a @ b.T, atol=1e-6)


def test_the_score_does_not_depend_on_the_order_of_the_two() -> None:
    a, b = COHORT.normalise(unit_rows(5)), COHORT.normalise(unit_rows(7, seed=1))
    np.testing.assert_allclose(pair_scores(a, b), pair_scores(b, a).T, atol=1e-4)


def test_the_cohort_normalises_as_the_formula_says() -> None:
    x, y = unit_rows(2, seed=3)
    parts = []
    for side in (x, y):
        highest = sorted((float(side @ other) for other in COHORT.vectors), reverse=True)[: COHORT.top]
        parts.append((float(x @ y) - float(np.mean(highest))) / float(np.std(highest)))
    score = pair_scores(COHORT.normalise(x[None]), COHORT.normalise(y[None]))[0, 0]
    assert score == pytest.approx(sum(parts) / 2, abs=1e-4)


def test_more_rows_than_a_block_are_normalised_alike() -> None:
    rows = unit_rows(2100, dimensions=4)
    cohort = Cohort(unit_rows(20, dimensions=4, seed=5), 5)
    whole, last = cohort.normalise(rows), cohort.normalise(rows[-1:])
    assert len(whole.gain) == 2100
    np.testing.assert_allclose([whole.gain[-1], whole.offset[-1]], [last.gain[0], last.offset[0]], rtol=1e-4)


def test_no_rows_are_normalised_to_no_rows() -> None:
    assert COHORT.normalise(np.empty((0, 16), dtype=np.float32)).gain.shape == (0,)


def test_the_threshold_grows_with_the_people_and_starts_at_the_least_asked() -> None:
    assert [RULE.threshold(people) for people in (0, 1, 10, 100, 1000)] == [80, 80, 80, 90, 99]


@given(st.integers(10, 50_000))
def test_all_people_together_take_about_as_many_strangers_as_the_rule_allows(people: int) -> None:
    # Thresholds are rounded to hundredths, which is a seventh of a rate where the scale is steepest.
    assert rate_at_similarity(RULE.threshold(people)) * people <= RULE.strangers_named * 1.15


@pytest.mark.parametrize(
    ("log_rates", "people", "decision"),
    [
        ([], 0, Decision.UNKNOWN),
        ([-2.9], 1, Decision.UNKNOWN),
        ([-3.1], 1, Decision.MATCH),
        ([-3.1], 100, Decision.UNKNOWN),
        ([-5.0, -4.5], 2, Decision.AMBIGUOUS),
        ([-5.5, -4.4], 2, Decision.MATCH),
        ([-3.1, -2.9], 2, Decision.MATCH),
    ],
)
def test_the_rule_decides_by_threshold_and_distance(log_rates: list[float], people: int, decision: Decision) -> None:
    assert RULE.decide(np.array(log_rates), people) is decision
