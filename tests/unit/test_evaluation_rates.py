"""Rates and intervals on scores made by hand, where the answer can be counted."""

import numpy as np
import pytest

from faceline.evaluation.comparisons import Comparisons, Photos, compare_all, histogram_of, sorted_pairs
from faceline.evaluation.curves import curve_of
from faceline.evaluation.rates import Estimate, estimate, false_matches, threshold_above, true_accepts
from faceline.similarity import Calibration, Scorer

# A score of s is reached by one pair of strangers in 10**s.
PLAIN = Calibration((0.30103, 1.0, 2.0, 4.0), (-0.30103, -1.0, -2.0, -4.0))
SCORER = Scorer("made", PLAIN)


def made(same: list[float], different: list[float], lost: int = 0) -> Comparisons:
    """Every pair between people of its own."""
    s, d = np.array(same, dtype=np.float32), np.array(different, dtype=np.float32)
    whose = np.arange(len(s) + 2 * len(d), dtype=np.int32)
    mine, first, second = whose[: len(s)], whose[len(s) :: 2], whose[len(s) + 1 :: 2]
    folds = np.zeros((2, len(whose)), dtype=np.int16)
    return Comparisons(
        sorted_pairs(s, mine, mine, folds[:, : len(s)]),
        sorted_pairs(d, first, second, folds[:, : len(d)]),
        len(d),
        lost,
        len(whose),
        None,
        histogram_of(s, d),
    )


def everybody(comparisons: Comparisons) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.ones(comparisons.people)


def test_the_accepted_part_is_counted_above_the_allowed_strangers() -> None:
    # 1,000 strangers at 0.000, 0.001 … 0.999: above the 11th highest, 0.989, there are ten, that is one in a hundred.
    comparisons = made([0.5, 0.9, 0.9895, 0.995, 2.0], [i / 1000 for i in range(1000)])
    assert true_accepts(comparisons, (1e-2, 1e-1))(everybody(comparisons)) == pytest.approx([3 / 5, 4 / 5])


def test_a_missed_photo_makes_its_same_pair_one_that_is_not_accepted() -> None:
    comparisons = made([-np.inf, 2.0], [i / 1000 for i in range(1000)])
    assert true_accepts(comparisons, (1e-2,))(everybody(comparisons)) == [0.5]


def test_rates_with_fewer_than_ten_expected_strangers_are_not_given() -> None:
    assert estimate(true_accepts(made([2.0], [0.0] * 999)), 1999, draws=2)[0] is None
    assert estimate(true_accepts(made([2.0], [0.0] * 1000)), 2001, draws=2)[0] is not None


def test_without_same_pairs_there_is_no_accepted_part() -> None:
    comparisons = made([], [0.0] * 1000)
    assert estimate(true_accepts(comparisons), comparisons.people, draws=2) == [None] * 4


def test_strangers_that_tie_at_the_threshold_are_not_accepted() -> None:
    assert threshold_above(np.array([1, 2, 2, 2], dtype=np.float32), np.ones(4), 1) == 2
    assert threshold_above(np.array([1, 2, 3, 4], dtype=np.float32), np.ones(4), 1) == 3
    assert threshold_above(np.array([1, 2], dtype=np.float32), np.ones(2), 5) == -np.inf


def test_a_stranger_that_is_there_twice_counts_twice() -> None:
    assert threshold_above(np.array([1, 2, 3, 4], dtype=np.float32), np.array([1.0, 1, 1, 2]), 2) == 3


def test_measured_false_matches_are_the_strangers_that_reach_the_similarity() -> None:
    comparisons = made([], [0.0] * 980 + [2.0] * 15 + [2.5] * 5)
    assert false_matches(comparisons, PLAIN, (50,))(everybody(comparisons)) == pytest.approx([0.02])
    assert np.isnan(false_matches(comparisons, PLAIN, (80,))(everybody(comparisons))[0])


def test_the_interval_is_the_same_for_the_same_seed_and_contains_the_value() -> None:
    comparisons = made([i / 100 for i in range(200)], [i / 1000 for i in range(1000)])
    statistic = true_accepts(comparisons, (1e-1,))
    first, again, other = (estimate(statistic, comparisons.people, draws=50, seed=s)[0] for s in (1, 1, 2))
    assert first == again
    assert first != other
    assert isinstance(first, Estimate)
    assert first.ci95 is not None
    assert first.ci95[0] < first.value < first.ci95[1]


def test_intervals_are_wide_when_few_people_have_all_the_pairs() -> None:
    """20 same pairs of two people say little more than two pairs would."""
    many = made([1.0] * 10 + [0.0] * 10, [i / 2000 for i in range(1000)])
    person = np.repeat(np.array([1, 0], dtype=np.int32), 10)
    few = Comparisons(
        sorted_pairs(many.same.scores, person, person, many.same.folds),
        many.different,
        1000,
        0,
        many.people,
        None,
        many.histogram,
    )

    def width(comparisons: Comparisons) -> float:
        found = estimate(true_accepts(comparisons, (1e-2,)), comparisons.people)[0]
        assert found is not None
        assert found.ci95 is not None
        return found.ci95[1] - found.ci95[0]

    assert width(few) > 1.5 * width(many)


def clustered(people: int, each: int, dimensions: int = 12, seed: int = 0) -> Photos:
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(people, dimensions)), each, axis=0)
    rows = centres + 0.4 * rng.normal(size=centres.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    whose = np.repeat(np.arange(people, dtype=np.int32), each)
    return Photos(rows.astype(np.float32), whose, np.empty(0, dtype=np.int32), people)


@pytest.mark.parametrize("listed", [2_000_000, 30_000])
def test_all_pairs_are_those_of_brute_force(listed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.evaluation.comparisons._LISTED", listed)
    photos = clustered(200, 3)
    comparisons = compare_all(photos, SCORER, np.zeros(200, dtype=np.int16))
    cosines = photos.embeddings @ photos.embeddings.T
    above = np.triu(np.ones_like(cosines, dtype=np.bool_), 1)
    same = photos.people[:, None] == photos.people[None]
    np.testing.assert_allclose(comparisons.same.scores, np.sort(cosines[above & same]), atol=1e-6)
    strangers = np.sort(cosines[above & ~same])
    assert comparisons.compared == len(strangers)
    assert comparisons.complete == (listed == 2_000_000)
    shown = comparisons.different.scores
    np.testing.assert_allclose(shown, strangers[-len(shown) :], atol=1e-6)
    assert comparisons.histogram.different.sum() == len(strangers)
    times = np.random.default_rng(0).integers(3, size=200).astype(np.float64)
    weights = times[photos.people][:, None] * times[photos.people][None]
    assert comparisons.strangers_weight(times) == pytest.approx(weights[above & ~same].sum())


def test_rates_are_the_same_when_only_the_nearest_strangers_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    photos, folds = clustered(200, 3), np.zeros(200, dtype=np.int16)
    whole = compare_all(photos, SCORER, folds)
    monkeypatch.setattr("faceline.evaluation.comparisons._LISTED", 20_000)
    part = compare_all(photos, SCORER, folds)
    assert not part.complete
    assert estimate(true_accepts(part), 200, draws=20) == estimate(true_accepts(whole), 200, draws=20)


def test_pairs_of_missed_photos_are_counted_as_lost() -> None:
    photos = clustered(3, 2)
    missed = Photos(photos.embeddings, photos.people, np.array([0, 2], dtype=np.int32), 3)
    comparisons = compare_all(missed, SCORER, np.zeros(3, dtype=np.int16))
    # 3 + 2 + 3 photos: 7 pairs of the same person, 4 of them missed; 21 of different people, 12 compared.
    assert len(comparisons.same.scores) == 7
    assert np.isneginf(comparisons.same.scores).sum() == 4
    assert (comparisons.compared, comparisons.lost) == (12, 9)


def test_the_curve_rises_from_one_stranger_to_all() -> None:
    curve = curve_of(made([0.1, 0.5, 2.0], [i / 1000 for i in range(1000)]))
    assert (curve.false_match[0], curve.false_match[-1]) == (0.001, 1.0)
    assert (curve.true_accept[0], curve.true_accept[-1]) == (pytest.approx(1 / 3), 1.0)
    assert (np.diff(curve.true_accept) >= 0).all()


def test_the_curve_is_empty_without_strangers() -> None:
    assert len(curve_of(made([1.0], [])).false_match) == 0
