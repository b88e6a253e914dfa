"""What every store of what was seen must do. A subclass gives the fixtures `activity` and `stored`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from faceline.activity import Activity, ActivityQuery, Entry, Figures, Kind, SeenEmotion, SeenFace
from faceline.erasure import Forgets, Gone
from faceline.errors import NotFoundError, UsageError
from faceline.types import BoxInParts

Stored = Callable[[], bytes]
BOX = BoxInParts(0.25, 0.1, 0.5, 0.75)
ANNA = SeenFace("matched", "Anna Möller", "face-anna-1", 97.5, 99.25, BOX, (SeenEmotion("happy", 88.5),))
BEN = SeenFace("matched", "Ben", "face-ben-22", 81.0, 99.0, BoxInParts(-0.1, 0.0, 0.2, 1.25))
STRANGER = SeenFace("unknown", None, None, 12.0, 98.0, BOX)
PHOTO = Entry(
    kind=Kind.PHOTO,
    time="2026-01-01T12:00:00.250+00:00",
    uploaded_at="2026-01-01T11:59:59.125+00:00",
    bucket="photos",
    key="input/2026/party.jpg",
    collection="people",
    width=1280,
    height=720,
    faces=(ANNA, STRANGER),
    waited_ms=1125.0,
    took_ms=60.5,
)
EMPTY = replace(PHOTO, key="input/sky.jpg", faces=())
BROKEN = replace(EMPTY, key="input/broken.jpg", error="not an image", width=None, height=None)
CLIP = replace(
    PHOTO,
    kind=Kind.CLIP,
    bucket="clips",
    key="party.mp4",
    faces=(replace(BEN, box=None, first_s=1.5, last_s=9.25),),
    time="2026-01-02T12:00:00.000+00:00",
    uploaded_at="2026-01-02T11:00:00.000+00:00",
)
CAMERA = Entry(
    kind=Kind.CAMERA,
    time="2026-01-03T12:00:00.000+00:00",
    uploaded_at="2026-01-03T12:00:00.000+00:00",
    camera="door",
    collection="people",
    faces=(replace(ANNA, box=None),),
)
PICTURE = b"\xff\xd8" + bytes(range(200)) * 30


class Store(Activity, Figures, Forgets, Protocol):
    def expire(self, collection: str, before: str) -> int: ...

    def expire_strangers(self, before: str) -> int: ...


def keys(entries: object) -> list[str]:
    return [entry.key or str(entry.camera) for entry in entries]  # type: ignore[attr-defined]


class ActivityContract:
    @pytest.fixture
    def activity(self) -> Store:
        raise NotImplementedError

    @pytest.fixture
    def stored(self) -> Stored:
        raise NotImplementedError

    @pytest.fixture
    def filled(self, activity: Store) -> Store:
        for entry in (PHOTO, EMPTY, BROKEN, CLIP):
            activity.put(entry)
        activity.put(CAMERA, PICTURE)
        return activity

    def test_entries_come_back_as_they_were_newest_first(self, filled: Store) -> None:
        found = filled.page(ActivityQuery())
        given = [replace(CAMERA, picture=True), CLIP, BROKEN, EMPTY, PHOTO]
        assert [replace(entry, position=0) for entry in found] == given
        assert [entry.position for entry in found] == sorted((entry.position for entry in found), reverse=True)
        assert filled.get(found[1].position) == found[1]

    def test_only_what_has_no_object_has_a_picture_of_its_own(self, filled: Store) -> None:
        camera, clip = filled.page(ActivityQuery(limit=2))
        assert filled.picture(camera.position) == PICTURE
        assert filled.picture(clip.position) is None
        assert filled.picture(10_000) is None

    def test_an_entry_that_is_not_there_is_told(self, filled: Store) -> None:
        with pytest.raises(NotFoundError, match="no entry 10000"):
            filled.get(10_000)

    def test_an_object_has_one_entry_the_newest(self, filled: Store) -> None:
        position = filled.put(replace(PHOTO, faces=(BEN,)))
        assert position == filled.newest()
        found = filled.page(ActivityQuery(bucket="photos"))
        assert keys(found) == [PHOTO.key, BROKEN.key, EMPTY.key]
        assert found[0].faces == (BEN,)
        assert filled.page(ActivityQuery(status="unknown")) == []

    def test_a_camera_has_an_entry_for_each_appearance(self, filled: Store) -> None:
        filled.put(CAMERA)
        assert len(filled.page(ActivityQuery(camera="door"))) == 2

    def test_nothing_was_newest_before_the_first_and_the_last_stays_newest_when_it_is_gone(
        self, activity: Store
    ) -> None:
        assert activity.newest() == 0
        position = activity.put(PHOTO)
        assert activity.drop(PHOTO.bucket, PHOTO.key) == 1
        assert activity.newest() == position
        assert activity.put(PHOTO) > position

    def test_a_dropped_object_is_found_by_nothing(self, filled: Store) -> None:
        assert filled.drop("photos", "input/other.jpg") == 0
        assert filled.drop(PHOTO.bucket, PHOTO.key) == 1
        assert PHOTO.key not in keys(filled.page(ActivityQuery()))
        assert filled.page(ActivityQuery(status="unknown")) == []

    def test_a_renamed_object_keeps_its_place(self, filled: Store) -> None:
        before = filled.page(ActivityQuery())
        assert filled.rename(PHOTO.bucket, PHOTO.key, "input/kept-1.jpg") == 1
        assert filled.page(ActivityQuery()) == [*before[:-1], replace(before[-1], key="input/kept-1.jpg")]
        assert filled.rename(PHOTO.bucket, PHOTO.key, "input/kept-2.jpg") == 0

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            (ActivityQuery(kind=Kind.CLIP), ["party.mp4"]),
            (ActivityQuery(person="Anna Möller"), ["door", PHOTO.key]),
            (ActivityQuery(person="Anna"), []),
            (ActivityQuery(status="unknown"), [PHOTO.key]),
            (ActivityQuery(status="none"), [EMPTY.key]),
            (ActivityQuery(status="error"), [BROKEN.key]),
            (ActivityQuery(bucket="photos"), [BROKEN.key, EMPTY.key, PHOTO.key]),
            (ActivityQuery(camera="door"), ["door"]),
            (ActivityQuery(min_similarity=97.5), ["door", PHOTO.key]),
            (ActivityQuery(max_similarity=81), ["party.mp4", PHOTO.key]),
            (ActivityQuery(since=CLIP.uploaded_at), ["door", "party.mp4"]),
            (ActivityQuery(until=CLIP.uploaded_at, status="matched"), [PHOTO.key]),
            (ActivityQuery(since="2026-01-02", until="2026-01-03T00:00:00Z"), ["party.mp4"]),
            (ActivityQuery(person="Anna Möller", camera="door"), ["door"]),
            (ActivityQuery(person="Anna Möller", bucket="clips"), []),
            (ActivityQuery(kind=Kind.PHOTO, status="none", bucket="photos"), [EMPTY.key]),
        ],
    )
    def test_every_condition_holds(self, filled: Store, query: ActivityQuery, found: list[str]) -> None:
        assert keys(filled.page(query)) == found

    def test_conditions_on_faces_are_of_one_face(self, filled: Store) -> None:
        assert filled.page(ActivityQuery(person="Anna Möller", max_similarity=50)) == []
        assert filled.page(ActivityQuery(status="unknown", min_similarity=50)) == []

    def test_an_entry_with_two_faces_that_match_comes_once(self, activity: Store) -> None:
        activity.put(replace(PHOTO, faces=(STRANGER, STRANGER, STRANGER)))
        activity.put(replace(EMPTY, faces=(STRANGER,)))
        assert keys(activity.page(ActivityQuery(status="unknown", limit=2))) == [EMPTY.key, PHOTO.key]

    def test_pages_go_on_before_and_after_a_position(self, filled: Store) -> None:
        newest = filled.page(ActivityQuery(limit=2))
        older = filled.page(ActivityQuery(limit=2, before=newest[-1].position))
        assert keys(older) == [BROKEN.key, EMPTY.key]
        assert keys(filled.page(ActivityQuery(limit=2, after=older[-1].position))) == [BROKEN.key, "party.mp4"]
        assert filled.page(ActivityQuery(after=filled.newest())) == []

    def test_a_damaged_clip_has_faces_and_an_error(self, activity: Store) -> None:
        activity.put(replace(CLIP, error="ends early"))
        assert keys(activity.page(ActivityQuery(status="error"))) == ["party.mp4"]
        assert keys(activity.page(ActivityQuery(person="Ben"))) == ["party.mp4"]
        (step,) = activity.traffic("2026-01-02", "2026-01-03", 86_400)
        assert (step.entries, step.errors, step.matched) == (1, 1, 1)

    @pytest.mark.parametrize("query", [ActivityQuery(since="yesterday"), ActivityQuery(until="31.12.")])
    def test_a_time_that_is_none_is_told(self, filled: Store, query: ActivityQuery) -> None:
        with pytest.raises(UsageError, match="is not a time"):
            filled.page(query)

    def test_traffic_has_every_step_also_the_empty_ones(self, filled: Store) -> None:
        steps = filled.traffic("2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z", 43_200)
        assert [step.start[:13] for step in steps] == [
            f"2026-01-0{day}T{hour}" for day in (1, 2, 3) for hour in ("00", "12")
        ]
        assert [step.entries for step in steps] == [0, 3, 0, 1, 0, 1]
        first = steps[1]
        assert (first.errors, first.matched, first.unknown, first.ambiguous, first.detected) == (1, 1, 1, 0, 0)

    @pytest.mark.parametrize("step_s", [0, 1])
    def test_traffic_in_too_many_steps_is_refused(self, activity: Store, step_s: int) -> None:
        with pytest.raises(UsageError, match="ask for longer ones"):
            activity.traffic("2026-01-01", "2026-01-04", step_s)

    def test_similarities_are_of_matched_faces(self, filled: Store) -> None:
        filled.put(replace(EMPTY, faces=(replace(BEN, similarity=100.0), replace(BEN, similarity=0.0))))
        counts = filled.similarities("2026-01-01", "2026-01-04")
        assert {5 * n: count for n, count in enumerate(counts) if count} == {0: 1, 80: 1, 95: 3}
        assert len(counts) == 20

    def test_people_are_counted_by_entries(self, filled: Store) -> None:
        filled.put(replace(EMPTY, faces=(BEN, BEN, BEN)))
        filled.put(replace(BROKEN, faces=(ANNA,), error=None))
        assert filled.people("2026-01-01", "2026-01-04", 5) == [("Anna Möller", 3), ("Ben", 2)]
        assert filled.people("2026-01-02", "2026-01-04", 1) == [("Anna Möller", 1)]

    def test_latencies_are_of_what_was_worked_on(self, activity: Store) -> None:
        for n in range(1, 101):
            activity.put(replace(PHOTO, key=f"input/{n}.jpg", waited_ms=None if n > 50 else n * 10.0, took_ms=n))
        activity.put(CAMERA)
        found = activity.latencies("2026-01-01")
        assert (found.count, found.took_p50_ms, found.took_p99_ms, found.waited_p50_ms) == (100, 50.5, 99.0, 255.0)
        none = activity.latencies("2026-01-02")
        assert (none.count, none.took_p50_ms, none.waited_p99_ms) == (0, None, None)

    def test_who_is_forgotten_is_in_no_entry_and_no_file(self, filled: Store, stored: Stored) -> None:
        assert filled.forget(gone()) == 2
        camera, *_, photo = filled.page(ActivityQuery())
        forgotten = SeenFace("forgotten", None, None, None, ANNA.confidence, BOX)
        assert photo.faces == (forgotten, STRANGER)
        assert (camera.faces, camera.picture) == ((replace(forgotten, box=None),), False)
        assert filled.page(ActivityQuery(person="Anna Möller")) == []
        assert len(filled.page(ActivityQuery(status="forgotten"))) == 2
        left = stored()
        assert not [what for what in ("Anna Möller".encode(), b"face-anna-1", PICTURE[:64], b"happy") if what in left]
        assert b"Ben" in left

    def test_a_picture_that_shows_others_too_stays(self, activity: Store) -> None:
        position = activity.put(replace(CAMERA, faces=(ANNA, BEN)), PICTURE)
        activity.forget(gone())
        assert activity.picture(position) == PICTURE

    def test_who_is_forgotten_in_one_collection_stays_in_others(self, filled: Store) -> None:
        filled.put(replace(EMPTY, collection="guests", faces=(replace(ANNA, face_id="face-guest"),)))
        assert filled.forget(replace(gone(), everywhere=False)) == 2
        assert keys(filled.page(ActivityQuery(person="Anna Möller"))) == [EMPTY.key]

    def test_who_was_renamed_is_forgotten_by_their_faces(self, filled: Store, stored: Stored) -> None:
        renamed = Gone("Anna Berg", ("people",), everywhere=True, face_ids=frozenset({"face-anna-1"}))
        assert filled.forget(renamed) == 2
        assert "Anna Möller".encode() not in stored()

    def test_an_entry_whose_key_says_who_is_forgotten_goes(self, filled: Store, stored: Stored) -> None:
        filled.put(replace(EMPTY, key="input/anna_möller-at-sea.jpg"))
        assert filled.forget(gone()) == 3
        assert b"at-sea" not in stored()

    def test_old_entries_of_a_collection_expire_from_the_files_too(self, filled: Store, stored: Stored) -> None:
        filled.put(replace(EMPTY, key="input/guests.jpg", collection="guests"))
        filled.put(replace(EMPTY, key="input/detected.jpg", collection=None))
        assert filled.expire("people", CAMERA.time) == 4
        assert keys(filled.page(ActivityQuery())) == ["input/detected.jpg", "input/guests.jpg", "door"]
        assert filled.expire("", CAMERA.time) == 1
        left = stored()
        assert b"party.mp4" not in left
        assert b"detected.jpg" not in left

    def test_pictures_of_strangers_before_cameras_expire_and_their_entries_stay(
        self, activity: Store, stored: Stored
    ) -> None:
        known = activity.put(CAMERA, PICTURE)
        stranger = replace(ANNA, status="unknown", person=None, face_id=None, box=None)
        old = activity.put(replace(CAMERA, faces=(stranger,)), PICTURE[::-1])
        assert activity.expire_strangers(CAMERA.time) == 0
        assert activity.expire_strangers("2026-01-03T12:00:00.001+00:00") == 1
        assert activity.picture(known) == PICTURE
        assert activity.picture(old) is None
        assert not activity.get(old).picture
        assert PICTURE[::-1][:40] not in stored()


def gone() -> Gone:
    return Gone("Anna Möller", ("people",), everywhere=True, face_ids=frozenset({"face-anna-1"}))
