"""One against all, on embeddings where everybody's nearest can be seen."""

import numpy as np
import pytest

from faceline.evaluation.comparisons import Ints, Photos
from faceline.evaluation.people import (
    Probes,
    Searches,
    find,
    found_first,
    identified,
    named,
    outcomes,
    search_first_photos,
)
from faceline.similarity import Calibration, Rule, Scorer
from faceline.types import Vector

PLAIN = Calibration((0.30103, 1.0, 2.0, 4.0), (-0.30103, -1.0, -2.0, -4.0))
SCORER = Scorer("made", PLAIN)


def ints(*numbers: int) -> Ints:
    return np.array(numbers, dtype=np.int32)


def directions(*degrees: float) -> Vector:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def probes(person: list[int], best: list[float], right: list[bool], second: float = -9.0) -> Probes:
    scores = np.array(best, dtype=np.float32)
    return Probes(ints(*person), scores, np.full_like(scores, second), np.array(right, dtype=np.bool_))


def test_first_photos_are_the_gallery_others_known_and_single_ones_unknown() -> None:
    # Person 0 at 0°, person 1 at 90°, a stranger at 80°; the last photo of person 0 looks like person 1.
    photos = Photos(directions(0, 5, 85, 90, 92, 80), ints(0, 0, 0, 1, 1, 2), ints(), 3)
    searches = search_first_photos(photos, SCORER)
    assert searches is not None
    assert searches.enrolled == 2
    assert searches.known.person.tolist() == [0, 0, 1]
    assert searches.known.right.tolist() == [True, False, True]
    np.testing.assert_allclose(searches.known.best, np.cos(np.radians([5, 5, 2])), atol=1e-6)
    np.testing.assert_allclose(searches.known.second, np.cos(np.radians([85, 85, 92])), atol=1e-6)
    np.testing.assert_allclose(searches.unknown.best, [np.cos(np.radians(10))], atol=1e-6)
    assert found_first(searches)(np.ones(3)) == pytest.approx([2 / 3])


def test_missed_photos_of_enrolled_people_are_found_nowhere_and_others_do_not_count() -> None:
    photos = Photos(directions(0, 5, 90), ints(0, 0, 1), ints(0, 1, 2), 3)
    searches = search_first_photos(photos, SCORER)
    assert searches is not None
    assert searches.enrolled == 2
    assert searches.known.right.tolist() == [True, False, False]
    assert len(searches.unknown.person) == 0


def test_when_nobody_has_two_photos_there_is_no_search() -> None:
    assert search_first_photos(Photos(directions(0, 90), ints(0, 1), ints(), 2), SCORER) is None


def test_the_best_row_of_a_person_counts() -> None:
    gallery = SCORER.normalise(directions(0, 60, 90, 30))
    found = find(directions(32), ints(4), gallery, ints(4, 9, 9, 4), SCORER)
    assert found.right.tolist() == [True]
    np.testing.assert_allclose([found.best[0], found.second[0]], np.cos(np.radians([2, 28])), atol=1e-6)


def test_with_one_person_enrolled_there_is_no_second() -> None:
    found = find(directions(10), ints(0), SCORER.normalise(directions(0)), ints(0), SCORER)
    assert found.second.tolist() == [-np.inf]


def test_the_identified_part_is_right_and_above_the_allowed_strangers() -> None:
    strangers = probes(list(range(100, 1100)), [i / 1000 for i in range(1000)], [False] * 1000)
    known = probes([0, 1, 2, 3], [2.0, 2.0, 0.9895, 0.5], [True, False, True, True])
    searches = Searches(known, strangers, 4, 1100)
    assert identified(searches, (0.01, 0.6))(np.ones(1100)) == pytest.approx([2 / 4, 3 / 4])
    assert np.isnan(identified(searches, (0.009,))(np.ones(1100))[0])
    assert identified(searches, (0.009,), min_expected=0)(np.ones(1100)) == [0.25]


def test_the_rule_names_confuses_and_refuses() -> None:
    known = probes([0, 1, 2, 3], [5.0, 5.0, 1.0, 5.0], [True, False, True, True])
    known.second[3] = 4.9
    strangers = probes([4, 5], [5.0, 2.0], [False, False])
    searches = Searches(known, strangers, 3, 6)
    assert outcomes(searches, PLAIN, Rule())(np.ones(6)) == [0.5, 0.25, 0.25, 0.25, 0.25]
    answer = named(searches, PLAIN, Rule())
    assert answer.threshold == Rule().threshold(3)
    assert answer.strangers_named is not None
    assert answer.strangers_named.value == 0.5
