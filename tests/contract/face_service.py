"""What any engine behind `FaceService` must do."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pytest

from faceline.config import Settings
from faceline.engine.analyzer import Sighting, Wanted
from faceline.errors import InputError, NoFaceError
from faceline.faces import FaceService, Picture
from faceline.gallery.enrolment import Photo
from faceline.gallery.names import user_id_of
from faceline.gallery.newface import Origin, image_id_of
from faceline.gallery.ports import FaceRecords
from faceline.images import decode
from faceline.loading import image_limits
from faceline.types import Decision, Embedding, Face, FaceRecord, Frame, Pixels
from made import BUCKET, MODEL, MadeAnalyzer, mixed, photo, vector

COLLECTION = "my-face-collection"
ADA, EVE = 1, 40
POOR = 9


class Keeper(Protocol):
    """What of an app is used here."""

    @property
    def settings(self) -> Settings: ...

    @property
    def face_records(self) -> FaceRecords: ...


class MixedAnalyzer(MadeAnalyzer):
    """Of a made photo the third number says how much the person looks like somebody else; POOR has poor photos."""

    def load(self, name: str) -> None:
        """There is no network to load."""

    def sight(self, frame: Frame, wanted: Wanted) -> list[Sighting]:
        person, salt = int(frame.pixels[0, 1, 0]), int(frame.pixels[0, 2, 0])
        faces = self.analyze([frame], wanted)[0]
        return [Sighting(face, np.array([[[person + n, salt, 0]]], np.uint8)) for n, face in enumerate(faces)]

    def embed_chips(self, chips: Sequence[Pixels]) -> list[Embedding]:
        return [Embedding(values_of(int(chip[0, 0, 0]), int(chip[0, 0, 1])), MODEL) for chip in chips]

    def _faces(self, frame: Frame, wanted: Wanted) -> list[Face]:
        person, salt = int(frame.pixels[0, 1, 0]), int(frame.pixels[0, 2, 0])
        reasons = ("blurred",) if person == POOR else ()
        return [
            replace(
                face,
                embedding=Embedding(values_of(person + n, salt), MODEL),
                quality=replace(face.quality, reasons=reasons),
            )
            for n, face in enumerate(super()._faces(frame, wanted))
        ]


def values_of(person: int, salt: int) -> Any:
    return mixed(vector(person), vector(person + 100), 1 - salt / 100)


def picture(app: Keeper, data: bytes, key: str = "images/Ada_1.jpg") -> Picture:
    """Stored where an engine may look for it."""
    return Picture(data, decode(data, key, image_limits(app.settings)), f"{BUCKET}/{key}")


def origin(data: bytes, key: str = "images/Ada_1.jpg", person: str = "Ada") -> Origin:
    source = f"{BUCKET}/{key}"
    return Origin(image_id_of(data, source), source, person, key.rpartition("/")[2])


class FaceServiceContract:
    """Subclasses give `app`, whose settings and face records are used, and `faces`, the engine over COLLECTION with
    made faces.
    """

    def index(self, app: Keeper, faces: FaceService, data: bytes, name: str) -> FaceRecord:
        key = f"images/{name}"
        return faces.index(picture(app, data, key), origin(data, key, name.partition("_")[0]))

    def similar(self, faces: FaceService, record: FaceRecord, least: float = 50.0) -> set[str]:
        found = faces.search(record, None, least)
        return {match.face_id for match in found} - {record.face_id}

    def test_faces_are_found_with_their_places(self, app: Keeper, faces: FaceService) -> None:
        (face,) = faces.detect(picture(app, photo(person=ADA)))
        assert (face.box.left, face.box.top, face.box.width, face.box.height) == pytest.approx((1, 2, 40, 40), abs=0.1)
        assert face.confidence == 99.5
        assert face.landmarks.as_array() == pytest.approx(
            MadeAnalyzer().analyze([picture(app, photo()).frame])[0][0].landmarks.as_array(), abs=0.1
        )

    def test_a_picture_without_a_face_has_none(self, app: Keeper, faces: FaceService) -> None:
        assert faces.detect(picture(app, photo(faces=0))) == []

    def test_nobody_is_known_before_somebody_is_enrolled(self, app: Keeper, faces: FaceService) -> None:
        seen = picture(app, photo(person=ADA))
        (who,) = faces.identify(seen, faces.detect(seen))
        assert (who.decision, who.name, who.candidates) == (Decision.UNKNOWN, None, ())

    @pytest.mark.parametrize("name", ["Ada", "Ada Lovelace", "Élodie: Ö, d'Arc", "李小龙", "100%_of.us-", ":41"])
    def test_who_was_enrolled_is_recognised_by_name(self, app: Keeper, faces: FaceService, name: str) -> None:
        assert faces.enroll(Photo(photo(person=ADA), name, f"{BUCKET}/enroll/a.png")).refusal is None
        seen = picture(app, photo(person=ADA, salt=3), "input/party.png")
        (who,) = faces.identify(seen, faces.detect(seen))
        (record,) = app.face_records.find(COLLECTION)
        assert (who.decision, who.name) == (Decision.MATCH, name)
        assert who.similarity > 99
        assert who.candidates[0].face_id == record.face_id
        assert (record.person, record.source) == (name, f"{BUCKET}/enroll/a.png")

    def test_somebody_else_is_unknown(self, app: Keeper, faces: FaceService) -> None:
        faces.enroll(Photo(photo(person=ADA), "Ada", f"{BUCKET}/enroll/Ada.png"))
        seen = picture(app, photo(person=EVE), "input/party.png")
        (who,) = faces.identify(seen, faces.detect(seen))
        assert (who.decision, who.name) == (Decision.UNKNOWN, None)
        assert who.threshold == faces.threshold()

    def test_one_face_under_two_names_is_ambiguous(self, app: Keeper, faces: FaceService) -> None:
        for n, name in enumerate(("Ada", "Eve")):
            faces.enroll(Photo(photo(person=ADA, salt=n), name, f"{BUCKET}/enroll/{name}.png"))
        seen = picture(app, photo(person=ADA, salt=3), "input/party.png")
        (who,) = faces.identify(seen, faces.detect(seen))
        assert (who.decision, who.name) == (Decision.AMBIGUOUS, None)
        assert {candidate.name for candidate in who.candidates} == {"Ada", "Eve"}

    def test_enrolling_the_same_photo_again_adds_nothing(self, app: Keeper, faces: FaceService) -> None:
        again = Photo(photo(person=ADA), "Ada", f"{BUCKET}/enroll/Ada.png")
        first, second = faces.enroll(again), faces.enroll(again)
        assert first.face is not None
        assert (second.face, second.refusal) == (None, None)
        assert len(app.face_records.find(COLLECTION)) == 1

    def test_a_photo_that_is_enrolled_as_somebody_else_is_refused(self, app: Keeper, faces: FaceService) -> None:
        faces.enroll(Photo(photo(person=ADA), "Ada", f"{BUCKET}/enroll/Ada.png"))
        refused = faces.enroll(Photo(photo(person=ADA), "Eve", f"{BUCKET}/enroll/Eve.png"))
        assert refused.refusal == f"duplicate: the same photo is enrolled as Ada from {BUCKET}/enroll/Ada.png"

    @pytest.mark.parametrize(
        ("data", "name", "refusal"),
        [
            (photo(faces=0), "Ada", "no face"),
            (b"<html>", "Ada", "not an image"),
            (photo(), "", "bad name: a name must not be blank"),
        ],
    )
    def test_what_cannot_be_enrolled_is_refused_with_the_reason(
        self, app: Keeper, faces: FaceService, data: bytes, name: str, refusal: str
    ) -> None:
        outcome = faces.enroll(Photo(data, name, f"{BUCKET}/enroll/a.png"))
        assert refusal in str(outcome.refusal)
        assert app.face_records.find(COLLECTION) == []

    def test_an_indexed_face_is_found_by_later_ones(self, app: Keeper, faces: FaceService) -> None:
        first = self.index(app, faces, photo(person=ADA), "Ada_1.jpg")
        second = self.index(app, faces, photo(person=ADA, salt=1), "Eve_1.jpg")
        third = self.index(app, faces, photo(person=EVE), "Ida_1.jpg")
        assert self.similar(faces, second) == {first.face_id}
        assert self.similar(faces, first) == {second.face_id}
        assert self.similar(faces, third) == set()
        assert [record.face_id for record in app.face_records.find(COLLECTION)] == [
            first.face_id,
            second.face_id,
            third.face_id,
        ]

    def test_indexing_the_same_picture_again_gives_the_record_that_is_there(
        self, app: Keeper, faces: FaceService
    ) -> None:
        first = self.index(app, faces, photo(person=ADA), "Ada_1.jpg")
        assert self.index(app, faces, photo(person=ADA), "Ada_1.jpg").face_id == first.face_id
        assert self.similar(faces, first) == set()

    def test_equal_pictures_of_two_objects_are_two_faces(self, app: Keeper, faces: FaceService) -> None:
        first = self.index(app, faces, photo(person=ADA), "a/Ada_1.jpg")
        second = self.index(app, faces, photo(person=ADA), "b/Ada_1.jpg")
        assert first.external_image_id == second.external_image_id == "Ada_1.jpg"
        assert (first.source, second.source) == (f"{BUCKET}/images/a/Ada_1.jpg", f"{BUCKET}/images/b/Ada_1.jpg")
        assert self.similar(faces, second) == {first.face_id}

    @pytest.mark.parametrize("data", [photo(faces=0), photo(person=POOR)])
    def test_a_picture_without_a_good_face_is_not_indexed(self, app: Keeper, faces: FaceService, data: bytes) -> None:
        with pytest.raises(NoFaceError, match=r"images/Ada_1\.jpg: (no face|poor quality: )"):
            self.index(app, faces, data, "Ada_1.jpg")
        assert app.face_records.find(COLLECTION) == []

    def test_nobody_is_called_so_that_another_ones_user_id_is_theirs(self, app: Keeper, faces: FaceService) -> None:
        self.index(app, faces, photo(person=ADA), "Ada Ö_1.jpg")
        taken = user_id_of("Ada Ö")
        data = photo(person=EVE)
        with pytest.raises(InputError, match="another one's user id is spelt so"):
            faces.index(picture(app, data), replace(origin(data), person=taken))
        assert len(app.face_records.find(COLLECTION)) == 1

    def test_a_face_that_is_being_deleted_can_still_be_searched_for(self, app: Keeper, faces: FaceService) -> None:
        first = self.index(app, faces, photo(person=ADA), "Ada_1.jpg")
        second = self.index(app, faces, photo(person=ADA, salt=1), "Eve_1.jpg")
        with faces.deleting(first.source, [first]):
            assert [record.face_id for record in app.face_records.find(COLLECTION)] == [second.face_id]
            assert second.face_id in self.similar(faces, first)
        assert self.similar(faces, second) == set()

    def test_deleting_nothing_changes_nothing(self, app: Keeper, faces: FaceService) -> None:
        record = self.index(app, faces, photo(person=ADA), "Ada_1.jpg")
        with faces.deleting(record.source, []):
            pass
        assert [each.face_id for each in app.face_records.find(COLLECTION)] == [record.face_id]
