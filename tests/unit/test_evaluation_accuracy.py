"""Accuracy at thresholds chosen on other people."""

import numpy as np
import pytest

from faceline.evaluation.accuracy import best_threshold, cross_validate, made_folds
from faceline.evaluation.comparisons import Comparisons, Folds, histogram_of, sorted_pairs

FALLBACK = 7.0


def made(
    same: list[tuple[float, int]], different: list[tuple[float, int, int]], folds: list[int], lost: int = 0
) -> Comparisons:
    """same: score and person. different: score and both people. folds: of each person."""
    fold_of = np.array(folds, dtype=np.int16)
    s, mine = np.array([x[0] for x in same], dtype=np.float32), np.array([x[1] for x in same], dtype=np.int32)
    d = np.array([x[0] for x in different], dtype=np.float32)
    a, b = (np.array([x[i] for x in different], dtype=np.int32) for i in (1, 2))
    return Comparisons(
        sorted_pairs(s, mine, mine, np.stack([fold_of[mine]] * 2)),
        sorted_pairs(d, a, b, np.stack([fold_of[a], fold_of[b]])),
        len(d),
        lost,
        len(folds),
        None,
        histogram_of(s, d),
    )


def threshold(same: list[float], different: list[float], balanced: bool = False) -> float:
    comparisons = made([(s, 0) for s in same], [(d, 0, 1) for d in different], [0, 1])
    return best_threshold(comparisons.same.scores, comparisons.different.scores, comparisons, balanced, FALLBACK)


def accuracy(comparisons: Comparisons, balanced: bool = False) -> float:
    found = cross_validate(comparisons, balanced, FALLBACK).estimate
    assert found is not None
    return found.value


def test_the_threshold_is_in_the_middle_of_the_gap() -> None:
    assert threshold([5.0, 6.0], [1.0, 3.0]) == 4.0
    assert threshold([1.0, 5.0, 6.0], [2.0, 3.0]) == 4.0


def test_balanced_the_rarer_kind_weighs_more() -> None:
    same, different = [1.0, 5.0], [0.0] * 50 + [2.0] * 40 + [4.0]
    assert threshold(same, different) == 4.5
    assert threshold([1.0, 1.1, 1.2, 5.0], [0.0] * 50 + [2.0] * 10, balanced=True) == 0.5


def test_without_one_kind_of_pairs_the_fallback_is_the_threshold() -> None:
    assert threshold([], [1.0]) == FALLBACK
    assert threshold([1.0], []) == FALLBACK


def test_missed_same_pairs_do_not_pull_the_threshold_down() -> None:
    assert threshold([-np.inf, 5.0], [1.0]) == 3.0


def test_every_pair_is_judged_by_the_other_folds() -> None:
    """Fold 0 alone would choose 1.5 and be right; folds 1 and 2 put the threshold at 4, so its pair of 2.0 is wrong."""
    same = [(2.0, 0), (5.0, 2), (5.0, 4)]
    different = [(1.0, 0, 1), (3.0, 2, 3), (3.0, 2, 3), (3.0, 4, 5), (3.0, 4, 5)]
    comparisons = made(same, different, [0, 0, 1, 1, 2, 2])
    assert accuracy(comparisons) == pytest.approx(7 / 8)


def test_a_pair_across_folds_is_judged_without_either_of_them() -> None:
    """All of the three pairs across folds are judged by the one fold left, whose threshold is 4."""
    same = [(5.0, 0), (5.0, 1), (5.0, 2)]
    inside = [(3.0, 0, 3), (3.0, 1, 4), (3.0, 2, 5)]
    folds = [0, 1, 2, 0, 1, 2]
    assert accuracy(made(same, [*inside, (3.5, 0, 1), (3.9, 1, 2)], folds)) == 1.0
    assert accuracy(made(same, [*inside, (3.5, 0, 1), (4.1, 1, 2)], folds)) == pytest.approx(7 / 8)


def test_lost_pairs_are_told_wrong() -> None:
    same, different = [(5.0, 0), (-np.inf, 1), (5.0, 2)], [(1.0, 0, 3), (1.0, 1, 4), (1.0, 2, 5)]
    assert accuracy(made(same, different, [0, 1, 2, 0, 1, 2], lost=2)) == pytest.approx(5 / 8)


def test_balanced_both_kinds_weigh_half() -> None:
    same = [(5.0, 0), (5.0, 1), (-np.inf, 2), (5.0, 2)]
    different = [(1.0, 0, 3), (1.0, 1, 4), (1.0, 2, 5)]
    assert accuracy(made(same, different, [0, 1, 2, 0, 1, 2]), balanced=True) == pytest.approx(1 - 0.25 / 2)


def test_with_one_kind_of_pairs_there_is_no_accuracy() -> None:
    assert cross_validate(made([(5.0, 0)], [], [0]), False, FALLBACK).estimate is None
    assert cross_validate(made([], [(5.0, 0, 1)], [0, 1]), False, FALLBACK).estimate is None


def test_where_no_other_people_are_left_the_fallback_decides() -> None:
    assert accuracy(made([(8.0, 0)], [(1.0, 0, 1)], [0, 1])) == 1.0
    assert accuracy(made([(6.0, 0)], [(1.0, 0, 1)], [0, 1])) == 0.5


def sizes(folds: Folds) -> list[int]:
    return sorted(np.bincount(folds).tolist())


def test_made_folds_are_ten_of_about_the_same_size_and_the_same_every_time() -> None:
    assert sizes(made_folds(104)) == [10] * 6 + [11] * 4
    assert sizes(made_folds(3)) == [1, 1, 1]
    np.testing.assert_array_equal(made_folds(104), made_folds(104))
