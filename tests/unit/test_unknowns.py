"""How strangers are grouped, and which faces of uploaded photos are kept for that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from faceline.app import App
from faceline.gallery.enrolment import Photo
from faceline.gallery.ports import NewFace
from faceline.gallery.unknowns import best_of, group
from faceline.similarity import Calibration, Rule, Scorer
from faceline.types import FaceRecord, Quality
from made import MODEL, Workflow, mixed, open_app, photo, record, vector

SCORER = Scorer(MODEL, Calibration((0.0, 0.5, 1.0), (-0.3, -3.0, -6.0)))
RULE = Rule(strangers_named=0.02, min_similarity=80)
COLLECTION = "my-face-collection"


def faces(strangers: int, each: int, apart: float = 0.75) -> list[FaceRecord]:
    """Of each stranger so many photos, mixed among the others; the higher `apart`, the more alike."""
    return [
        record(f"{who}-{n}", None, mixed(vector(who), vector(1000 + who * each + n), apart))
        for n in range(each)
        for who in range(strangers)
    ]


def test_photos_of_one_stranger_are_one_group_and_the_largest_comes_first() -> None:
    found = group([*faces(4, 3), record("4-x", None, vector(2))], SCORER, RULE, 1)
    assert sorted(face.face_id for face in found[0].faces) == ["2-0", "2-1", "2-2", "4-x"]
    assert [len(each.faces) for each in found] == [4, 3, 3, 3]
    assert all(len({face.face_id.split("-")[0] for face in each.faces}) == 1 for each in found[1:])


def test_a_group_is_joined_only_while_the_mean_of_its_pairs_is_high_enough() -> None:
    """A chain of faces, each like the next: the first and the last are strangers."""
    rule = Rule(strangers_named=0.0007, min_similarity=80)
    chain = [record(str(n), None, mixed(vector(1), vector(2), 1 - n / 6)) for n in range(7)]
    scores = np.array([[a.embedding.values @ b.embedding.values for a in chain] for b in chain])
    floor = SCORER.calibration.score_at(rule.threshold(7))
    assert (np.diag(scores, 1) > floor).all()
    assert scores[0, 6] < floor
    found = group(chain, SCORER, rule, 1)
    assert len(found) > 1
    rows = [[int(face.face_id) for face in each.faces] for each in found]
    for a in rows:
        for b in rows:
            mean = scores[np.ix_(a, b)].mean()
            assert mean >= floor if a == b else mean < floor


def test_among_more_people_faces_must_be_more_alike() -> None:
    some = faces(1, 2, 0.63)
    assert len(group(some, SCORER, RULE, 1)) == 1
    assert len(group(some, SCORER, RULE, 10_000)) == 2


def test_two_faces_of_one_photo_are_never_one_group() -> None:
    """The one that is more like the group's other faces stays; so of sisters who are on all photos."""
    apart = (0.95, 0.9, 0.85, 0.6)
    some = [record(str(n), None, mixed(vector(1), vector(10 + n), part)) for n, part in enumerate(apart)]
    assert len(group(some, SCORER, RULE, 1)) == 1
    one_photo = [*some[:2], *(replace(face, source="party.jpg") for face in reversed(some[2:]))]
    found = group(one_photo, SCORER, RULE, 1)
    assert [[face.face_id for face in each.faces] for each in found] == [["0", "1", "2"], ["3"]]
    sisters = [record(f"{who}-{n}", None, mixed(vector(1), vector(20 + who), 0.75)) for n in range(3) for who in (0, 1)]
    both = [replace(face, source=face.face_id[2:]) for face in sisters]
    assert [len(each.faces) for each in group(sisters, SCORER, RULE, 1)] == [6]
    assert [len(each.faces) for each in group(both, SCORER, RULE, 1)] == [3, 3]
    assert all(len({face.source for face in each.faces}) == 3 for each in group(both, SCORER, RULE, 1))


def test_faces_of_another_model_are_left_out() -> None:
    other = record("x", None, np.ones(3, dtype=np.float32), model="another")
    assert [len(each.faces) for each in group([other, *faces(1, 2)], SCORER, RULE, 1)] == [2]
    assert group([other], SCORER, RULE, 1) == []


def test_the_best_faces_are_the_large_and_sharp_ones() -> None:
    small, blurred, good = (
        replace(face, quality=Quality(50.0, sharpness, size, ()))
        for face, sharpness, size in zip(faces(1, 3), (80.0, 10.0, 80.0), (40.0, 100.0, 100.0), strict=True)
    )
    assert best_of([small, blurred, good], 2) == [good, blurred]


def test_unknown_faces_are_kept_only_when_a_setting_says_so(tmp_path: Path, made_app: App) -> None:
    Workflow(made_app).process("input/one.png", photo(1, 5))
    assert made_app.unknown_faces.all(COLLECTION) == []
    with open_app(tmp_path / "other", keep_unknown_faces=True) as app:
        app.enroll(_enrolled(photo(1, 1)))
        workflow = Workflow(app)
        workflow.process("input/two.png", photo(2, 1))
        (kept,) = app.unknown_faces.all(COLLECTION)
        assert np.array_equal(kept.embedding.values, vector(2))
        assert (kept.source, kept.person) == ("face-input-bucket/input/two.png", None)
        crop = app.unknown_faces.crop(COLLECTION, kept.face_id)
        assert crop is not None
        assert crop.jpeg[:2] == b"\xff\xd8"


def test_they_go_with_their_photo_and_with_new_bytes_under_its_name(tmp_path: Path) -> None:
    with open_app(tmp_path / "data", keep_unknown_faces=True) as app:
        workflow = Workflow(app)
        workflow.process("input/one.png", photo(1, 5))
        workflow.process("input/one.png", photo(1, 6))
        (kept,) = app.unknown_faces.all(COLLECTION)
        assert np.array_equal(kept.embedding.values, vector(6))
        app.delete_object("face-input-bucket", "input/one.png")
        assert app.unknown_faces.all(COLLECTION) == []


def test_they_go_after_so_many_days(tmp_path: Path) -> None:
    with open_app(tmp_path / "data", keep_unknown_faces=True, unknown_faces_days=2) as app:
        app.enroller()
        for days in (1, 3):
            seen_at = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")
            face = record(f"{days} days ago", None, vector(days))
            app.unknown_faces.replace(COLLECTION, face.source, [_new(replace(face, created_at=seen_at))], 10)
        assert [each.best.face_id for each in app.reviews.groups(COLLECTION)] == ["1 days ago"]


def _enrolled(data: bytes) -> Photo:
    return Photo(data, "Ada", "ada.png")


def _new(face: FaceRecord) -> NewFace:
    return NewFace(face)
