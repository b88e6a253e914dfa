"""Photos with names become face records, or are refused with a reason; a stopped run can be repeated."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceline.app import App
from faceline.gallery.enrolment import Photo, refusal_of
from faceline.gallery.sources import Labelled
from faceline.types import BoundingBox, FaceRecord, Frame
from made import MODEL, face, open_app, photo

LARGE, SMALL = BoundingBox(10, 10, 40, 40), BoundingBox(60, 10, 20, 20)
WIDTH, HEIGHT = 200, 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def written(folder: Path, photos: dict[str, bytes]) -> list[Labelled]:
    for name, data in photos.items():
        (folder / name).write_bytes(data)
    return [Labelled(folder / name, name.partition(".")[0]) for name in photos]


def enrolled(app: App) -> list[FaceRecord]:
    return list(app.face_records.find(app.settings.collection))


def test_photos_are_enrolled_under_their_names_with_where_they_came_from(made_app: App, folder: Path) -> None:
    items = written(folder, {f"person {n}.png": photo(person=n) for n in range(5)})
    done = made_app.enroller().enroll(items, workers=2)
    assert (done.enrolled, done.already, done.refused) == (5, 0, ())
    assert [(r.person, r.external_image_id, r.source) for r in enrolled(made_app)] == [
        (item.name, item.name, str(item.path)) for item in items
    ]
    assert {record.embedding.model for record in enrolled(made_app)} == {MODEL}


def test_every_refusal_names_the_photo_and_the_reason(made_app: App, folder: Path) -> None:
    (folder / "a folder").mkdir()
    items = written(
        folder,
        {
            "Ada.png": photo(person=1),
            "Sea.png": photo(faces=0),
            "Text.png": b"<html>",
            "Empty.png": b"",
            "Again.png": photo(person=1),
        },
    )
    items += [Labelled(folder / "missing.png", "Missing"), Labelled(folder / "a folder", "Folder")]
    done = made_app.enroller().enroll(items, workers=3)
    assert done.enrolled == 1
    reasons = {Path(refusal.source).name: refusal.reason for refusal in done.refused}
    assert reasons["Sea.png"] == "no face"
    assert "HTML" in reasons["Text.png"]
    assert "empty" in reasons["Empty.png"]
    assert reasons["Again.png"] == f"duplicate: the same photo is enrolled as Ada from {folder / 'Ada.png'}"
    assert set(reasons) == {"Sea.png", "Text.png", "Empty.png", "Again.png", "missing.png", "a folder"}
    assert not any(str(folder) in reason for name, reason in reasons.items() if name != "Again.png")


def test_a_run_that_is_repeated_passes_over_what_is_in_already(made_app: App, folder: Path) -> None:
    items = written(folder, {f"person {n}.png": photo(person=n) for n in range(4)})
    made_app.enroller().enroll(items[:3])
    done = made_app.enroller().enroll(items, workers=2)
    assert (done.enrolled, done.already, done.refused) == (1, 3, ())
    assert len(enrolled(made_app)) == 4


def test_progress_counts_every_photo_whatever_becomes_of_it(made_app: App, folder: Path) -> None:
    items = written(folder, {"Ada.png": photo(), "Sea.png": photo(faces=0), "Text.png": b"text"})
    counts: list[int] = []
    made_app.enroller().enroll(items, 2, counts.append)
    assert sum(counts) == 3
    made_app.enroller().enroll(items, 2, counts.append)
    assert sum(counts) == 6


def test_a_photo_in_memory_is_enrolled_once(made_app: App) -> None:
    enroller = made_app.enroller()
    ada = Photo(photo(), "Ada", "a camera")
    assert enroller.enroll_photo(ada).face is not None
    again = enroller.enroll_photo(ada)
    assert (again.face, again.refusal) == (None, None)
    assert "duplicate" in str(enroller.enroll_photo(Photo(photo(), "Grace", "a camera")).refusal)
    assert "duplicate" in str(enroller.enroll_photo(Photo(photo(), "Ada", "another camera")).refusal)


def test_a_frame_is_enrolled_by_its_pixels(made_app: App) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(photo(person=4))))
    frame = Frame(np.ascontiguousarray(pixels), 64, 48, "camera")
    assert made_app.enroller().enroll_photo(Photo(frame, "Ada", "camera")).face is not None
    assert made_app.collection().identify([face(enrolled(made_app)[0].embedding.values)])[0].name == "Ada"


def test_a_kept_crop_shows_the_face_with_its_margin_and_its_landmarks(made_app: App) -> None:
    made_app.enroller().enroll_photo(Photo(photo(), "Ada", "a camera"))
    (record,) = enrolled(made_app)
    crop = made_app.face_records.crop(made_app.settings.collection, record.face_id)
    assert crop is not None
    with Image.open(io.BytesIO(crop.jpeg)) as picture:
        assert picture.format == "JPEG"
        width, height = picture.size
    assert len(crop.landmarks) == 5
    assert all(0 <= x <= width and 0 <= y <= height for x, y in crop.landmarks)


def test_crops_are_not_kept_when_they_are_not_wanted(tmp_path: Path) -> None:
    with open_app(tmp_path, keep_crops=False) as app:
        app.enroller().enroll_photo(Photo(photo(), "Ada", "a camera"))
        assert app.face_records.crop(app.settings.collection, enrolled(app)[0].face_id) is None


class TestRefusals:
    def test_no_face(self) -> None:
        assert refusal_of([], WIDTH, HEIGHT) == "no face"

    def test_a_face_of_poor_quality_with_all_reasons(self) -> None:
        poor = face(box=LARGE, reasons=("too dark", "turned away"))
        assert refusal_of([poor], WIDTH, HEIGHT) == "poor quality: too dark, turned away"

    def test_two_faces_of_about_one_size(self) -> None:
        second = BoundingBox(100, 10, 36, 36)
        assert "several faces (2)" in str(refusal_of([face(box=LARGE), face(box=second)], WIDTH, HEIGHT))

    def test_small_faces_behind_are_no_reason(self) -> None:
        assert refusal_of([face(box=LARGE), face(box=SMALL), face(box=SMALL)], WIDTH, HEIGHT) is None

    def test_a_second_face_that_could_not_be_used_is_no_reason(self) -> None:
        second = face(box=BoundingBox(100, 10, 38, 38), reasons=("blurred",))
        assert refusal_of([face(box=LARGE), second], WIDTH, HEIGHT) is None

    def test_a_second_face_that_the_edge_cuts_off_is_no_reason(self) -> None:
        cut_off = face(box=BoundingBox(WIDTH - 30, 10, 40, 40))
        assert refusal_of([face(box=LARGE), cut_off], WIDTH, HEIGHT) is None


def test_a_photo_that_another_process_enrolled_meanwhile_is_not_enrolled_twice(made_app: App) -> None:
    first, second = made_app.enroller(), made_app.enroller()
    ada, also_ada = Photo(photo(), "Ada", "a camera"), Photo(photo(), "Ada", "a camera")
    grace = Photo(photo(), "Grace", "another camera")
    examined = [enroller._examine(p) for enroller, p in ((first, ada), (second, also_ada), (second, grace))]
    outcomes = [made_app.enroller()._store([outcome])[0] for outcome in examined]
    assert outcomes[0].face is not None
    assert (outcomes[1].face, outcomes[1].refusal) == (None, None)
    assert "duplicate" in str(outcomes[2].refusal)
    assert len(made_app.face_records.find("my-face-collection")) == 1


@pytest.mark.parametrize("name", ["", "  ", "a\x1b[2J", "x" * 256])
def test_a_name_that_nobody_can_have_is_refused(made_app: App, name: str) -> None:
    assert "bad name" in str(made_app.enroller().enroll_photo(Photo(photo(), name, "a camera")).refusal)
