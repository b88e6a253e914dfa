"""Faces followed through made films: what keeps a person one appearance, and what keeps two apart."""

import numpy as np
import pytest

from faceline.pipelines.following import FollowRule
from faceline.pipelines.shots import weight_of
from faceline.types import BoundingBox, Pose
from films import Actor, Film, video_frame
from made import face


def test_a_face_that_walks_is_one_track_with_its_times_and_frames() -> None:
    film = Film()
    numbers = [film.show(Actor(1, 50 + 40 * i)) for i in range(10)]
    assert numbers == [[1]] * 10
    (track,) = film.follower.finish()
    assert (track.number, track.first_s, track.frames) == (1, 0.0, 10)
    assert track.last_s == pytest.approx(1.8)
    assert track.crop.shape[2] == 3


def test_a_track_is_embedded_a_few_times_not_in_each_frame() -> None:
    film = Film()
    for i in range(100):
        film.show(Actor(1, 50 + i))
    (track,) = film.follower.finish()
    assert film.embedded <= 16
    assert 1 <= len(track.embedded) <= 5
    weights = [weight for _, weight in track.embedded]
    assert weights == sorted(weights, reverse=True)
    assert all(shot.embedding is not None for shot, _ in track.embedded)


def test_two_faces_that_cross_stay_themselves() -> None:
    film = Film()
    for i in range(11):
        assert film.show(Actor(1, 100 + 30 * i), Actor(2, 400 - 30 * i, 215)) == [1, 2]


def test_somebody_who_was_hidden_for_a_moment_is_the_same_appearance() -> None:
    film = Film()
    film.show(Actor(1, 100))
    film.pause(2.0)
    assert film.show(Actor(1, 400, 80, 90)) == [1]
    (track,) = film.follower.finish()
    assert track.frames == 2


def test_somebody_who_comes_back_after_the_gap_is_another_appearance() -> None:
    film = Film(FollowRule(gap_s=2.0))
    film.show(Actor(1, 100))
    film.pause(3.0)
    assert film.show(Actor(1, 100)) == [2]
    assert [track.number for track in film.follower.finish()] == [1, 2]


def test_a_stranger_who_comes_where_somebody_left_is_another_appearance() -> None:
    film = Film()
    film.show(Actor(1, 100))
    film.pause(0.4)
    assert film.show(Actor(2, 100)) == [2]


def test_a_stranger_who_takes_the_place_from_one_frame_to_the_next_is_another_appearance() -> None:
    film = Film()
    for _ in range(5):
        film.show(Actor(1, 100))
    assert [film.show(Actor(2, 105)) for _ in range(3)] == [[2]] * 3
    assert {track.number: track.frames for track in film.follower.finish()} == {1: 5, 2: 3}


def test_a_stranger_who_looks_alike_is_noticed_when_embedded_again() -> None:
    film = Film()
    for _ in range(20):
        film.show(Actor(1, 100))
    chip = Actor(1, 0).chip()
    numbers = []
    for i in range(20):
        sighting = Actor(2, 100).sighting()
        likeness = chip.copy()
        likeness[0, 0] = 2, 0, 0
        numbers += film.follower.add(video_frame(4.0 + 0.2 * i), [type(sighting)(sighting.face, likeness)])
    assert numbers[-1] == 2
    strangers = next(track for track in film.follower.finish() if track.number == 2)
    values = [shot.embedding.values for shot, _ in strangers.embedded if shot.embedding is not None]
    assert all(np.array_equal(each, values[0]) for each in values)


def test_a_turned_head_in_its_place_goes_on() -> None:
    film = Film()
    film.show(Actor(1, 100))
    assert film.show(Actor(1, 110, turned=1)) == [1]


def test_after_a_cut_a_place_says_nothing() -> None:
    film = Film()
    for _ in range(3):
        film.show(Actor(1, 100), scene=1)
    assert film.show(Actor(2, 100), scene=2) == [2]
    assert film.show(Actor(2, 100), scene=2) == [2]


def test_after_a_cut_a_face_that_is_known_goes_on_elsewhere() -> None:
    film = Film()
    film.show(Actor(1, 100), Actor(2, 400), scene=1)
    assert film.show(Actor(2, 90, 50, 150), scene=2) == [2]
    assert film.show(Actor(1, 300), Actor(2, 100), scene=1) == [1, 2]


def test_who_left_before_a_cut_does_not_get_the_place_of_a_face_that_is_hard_to_tell() -> None:
    film = Film()
    film.show(Actor(1, 100), scene=1)
    film.show(Actor(2, 100, reasons=("turned away",)), scene=2)
    assert film.show(Actor(2, 100, turned=3, reasons=("turned away",)), scene=2) == [2]


def test_faces_too_poor_to_compare_are_never_joined_by_likeness() -> None:
    film = Film()
    film.show(Actor(1, 100, reasons=("blurred",)))
    film.pause(0.4)
    assert film.show(Actor(1, 500, reasons=("blurred",))) == [2]


def test_a_track_that_was_too_poor_to_tell_is_joined_once_a_good_shot_comes() -> None:
    film = Film()
    film.show(Actor(1, 100))
    film.pause(0.4)
    assert film.show(Actor(1, 500, reasons=("blurred",))) == [2]
    assert film.show(Actor(1, 505)) == [1]
    assert film.follower.joined(2) == 1
    (track,) = film.follower.finish()
    assert (track.number, track.first_s, track.frames) == (1, 0.0, 3)


def test_two_faces_of_one_frame_are_never_one_track() -> None:
    film = Film()
    for _ in range(10):
        assert film.show(Actor(1, 100), Actor(1, 400)) == [1, 2]
    film.pause(1.0)
    assert film.show(Actor(1, 250)) in ([1], [2])
    assert len(film.follower.finish()) == 2


def test_at_one_frame_a_second_a_person_who_walks_about_is_one_appearance() -> None:
    film = Film(per_second=1.0)
    places = [(50, 60), (400, 90), (120, 40), (300, 150)]
    assert [film.show(Actor(1, x, size=size)) for x, size in places] == [[1]] * 4


def test_at_one_frame_a_second_two_people_who_change_places_stay_themselves() -> None:
    film = Film(per_second=1.0)
    film.show(Actor(1, 100), Actor(2, 400))
    assert film.show(Actor(2, 100), Actor(1, 400)) == [2, 1]


def test_noise_of_a_single_frame_is_no_appearance() -> None:
    film = Film()
    film.show(Actor(1, 100), Actor(9, 500, confidence=90.0, reasons=("blurred",)))
    film.show(Actor(1, 100))
    assert [track.number for track in film.follower.living()] == [1]
    assert [track.number for track in film.follower.finish()] == [1]


def test_what_is_never_sure_is_noise_however_long_it_lasts() -> None:
    film = Film()
    for _ in range(10):
        film.show(Actor(9, 500, confidence=87.0, reasons=("doubtful face",)))
    assert film.follower.finish() == []


def test_one_frame_is_enough_for_a_sure_face() -> None:
    film = Film()
    film.show(Actor(1, 100))
    assert len(film.follower.finish()) == 1


def test_tracks_end_once_and_the_living_are_those_that_may_come_back() -> None:
    film = Film(FollowRule(gap_s=1.0))
    film.show(Actor(1, 100), Actor(2, 400))
    film.show(Actor(2, 400))
    assert [track.number for track in film.follower.living()] == [1, 2]
    assert film.follower.ended() == []
    for _ in range(6):
        film.show(Actor(2, 400))
    assert [track.number for track in film.follower.living()] == [2]
    assert [track.number for track in film.follower.ended()] == [1]
    assert film.follower.ended() == []
    assert [track.number for track in film.follower.finish()] == [2]
    assert film.follower.finish() == []


def test_the_best_shot_is_the_one_that_says_most() -> None:
    film = Film()
    film.show(Actor(1, 100, size=42))
    film.show(Actor(1, 100, size=55))
    film.show(Actor(1, 100, size=48, reasons=("blurred",)))
    (track,) = film.follower.finish()
    assert track.best.box == BoundingBox(100, 200, 55, 55)
    assert track.best_s == pytest.approx(0.2)


def test_a_first_usable_face_is_embedded_at_once() -> None:
    film = Film()
    film.show(Actor(1, 100, reasons=("blurred",)))
    film.show(Actor(1, 100))
    (track,) = film.follower.finish()
    assert [shot.quality.usable for shot, _ in track.embedded] == [True, False]


def test_what_is_kept_does_not_grow_with_time() -> None:
    film = Film(FollowRule(gap_s=1.0))
    for i in range(300):
        film.show(Actor(1, 100, turned=i % 7), *([Actor(2 + i % 90, 400)] if i % 3 == 0 else []))
        film.follower.ended()
    assert len(film.follower.living()) <= 4
    assert max(len(track.embedded) for track in film.follower.living()) <= 5


@pytest.mark.parametrize("reason", ["too small", "blurred", "turned away"])
def test_a_face_that_is_not_usable_weighs_little_but_something(reason: str) -> None:
    poor, good = weight_of(face(reasons=(reason,))), weight_of(face())
    assert 0 < poor < good / 10


def test_a_face_seen_from_the_front_weighs_more() -> None:
    front = face()
    side = type(front)(front.box, front.landmarks, front.confidence, Pose(0, 50, 0), front.quality)
    assert weight_of(side) < weight_of(front)
