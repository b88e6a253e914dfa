"""Which box goes on from which, by geometry only."""

import pytest

from faceline.tracking import Motion, between, distance, pairings, reach
from faceline.types import BoundingBox


def box(x: float, y: float = 100.0, size: float = 50.0) -> BoundingBox:
    return BoundingBox(x, y, size, size)


def paired(motions: list[Motion], boxes: list[BoundingBox], time_s: float) -> dict[int, int]:
    return {pairing.box: pairing.motion for pairing in pairings(motions, boxes, time_s)}


def test_a_face_that_moved_by_most_of_its_size_goes_on_although_the_boxes_do_not_overlap() -> None:
    assert paired([Motion(box(100), 0.0)], [box(148, 125)], 0.2) == {0: 0}


def test_a_face_far_away_is_another_one() -> None:
    assert paired([Motion(box(100), 0.0)], [box(400)], 0.2) == {}


def test_a_face_of_another_size_in_the_same_place_is_another_one() -> None:
    assert paired([Motion(box(100, 100, 40), 0.0)], [box(60, 60, 120)], 0.2) == {}


def test_more_time_allows_more_distance_up_to_a_bound() -> None:
    assert reach(0.0) < reach(0.2) < reach(0.5)
    assert reach(1.0) == reach(100.0)


def test_two_faces_that_cross_are_told_apart_by_how_they_moved() -> None:
    right = Motion(box(100), 0.0).seen(box(130), 0.2)
    left = Motion(box(200), 0.0).seen(box(170), 0.2)
    assert paired([right, left], [box(140), box(160)], 0.4) == {0: 1, 1: 0}


def test_each_box_and_each_motion_is_used_once_and_the_nearest_go_first() -> None:
    motions = [Motion(box(100), 0.0), Motion(box(130), 0.0)]
    assert paired(motions, [box(105)], 0.2) == {0: 0}
    assert paired(motions, [box(126), box(140)], 0.2) == {0: 1, 1: 0}


def test_the_face_seen_later_goes_before_one_that_left_this_place() -> None:
    assert paired([Motion(box(100), 0.0), Motion(box(110), 0.8)], [box(100)], 1.0) == {0: 1}


def test_a_motion_goes_on_for_half_a_second_only() -> None:
    moving = Motion(box(100), 0.0, (100.0, 0.0))
    assert moving.at(0.2).left == pytest.approx(120)
    assert moving.at(10.0).left == pytest.approx(150)
    assert moving.at(-1.0).left == pytest.approx(100)


def test_a_face_that_comes_back_later_has_no_velocity() -> None:
    assert Motion(box(100), 0.0).seen(box(400), 3.0).velocity is None


def test_distance_is_in_sizes_of_the_face() -> None:
    assert distance(box(100), box(100)) == 0
    assert distance(box(100), box(150)) == pytest.approx(1.0)
    assert distance(box(100, size=100), box(200, size=100)) == pytest.approx(1.0)


def test_empty_boxes_are_no_error() -> None:
    assert distance(box(100, size=0), box(100, size=0)) == 0


def test_between_two_sightings_the_box_moves_on_a_straight_line() -> None:
    a, b = Motion(box(100), 1.0), Motion(box(200, 100, 70), 2.0)
    assert between(a, b, 1.5) == BoundingBox(150.0, 100.0, 60.0, 60.0)
    assert between(a, b, 9.0) == b.box
    assert between(a, a, 1.0) == a.box
