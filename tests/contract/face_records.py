"""What every gallery must do. A subclass gives the fixtures `collections`, `records`, `elsewhere` and `stored`."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from faceline.errors import ConflictError, ModelMismatchError, NotFoundError, QuotaError
from faceline.gallery.collection import Collection
from faceline.gallery.names import user_id_of
from faceline.gallery.ports import Collections, Crop, FaceQuery, FaceRecords, NewFace
from faceline.similarity import Calibration, Rule, Scorer
from faceline.types import FaceRecord
from made import MODEL, face, new_face, record, vector

STAFF = "staff"
SCORER = Scorer(MODEL, Calibration((0.0, 0.5, 1.0), (-0.3, -3.0, -6.0)))
Stored = Callable[[], bytes]


def as_told(record: FaceRecord) -> tuple[object, ...]:
    """What can be compared of a face record: all of it, the vector as bytes."""
    same = (record.face_id, record.image_id, record.person, record.external_image_id, record.source, record.box)
    points = record.landmarks.as_array().round(1).tolist()
    vector = (record.embedding.model, record.embedding.values.tobytes())
    return (*same, points, record.confidence, record.quality, vector, record.created_at, record.image_size)


def follow(records: FaceRecords, since: int = 0, limit: int = 100) -> tuple[int, set[str]]:
    """The generation and the face ids that somebody knows who applies all changes."""
    known: set[str] = set()
    while True:
        changes = records.changes(STAFF, since, limit)
        if changes.generation == since:
            return since, known
        assert len(changes.added) <= limit
        known = (known - set(changes.removed)) | {added.face_id for added in changes.added}
        since = changes.generation


def labelled(face_id: str, person: str | None, label: str | None) -> NewFace:
    return NewFace(replace(record(face_id, person, vector(1)), external_image_id=label))


def ids_of(found: Sequence[FaceRecord]) -> list[str]:
    return [each.face_id for each in found]


class GalleryContract:
    @pytest.fixture
    def collections(self) -> Collections:
        raise NotImplementedError

    @pytest.fixture
    def records(self) -> FaceRecords:
        """Of the same storage as `collections`."""
        raise NotImplementedError

    @pytest.fixture
    def elsewhere(self) -> FaceRecords:
        """The same storage as another process sees it."""
        raise NotImplementedError

    @pytest.fixture
    def stored(self) -> Stored:
        """Gives all bytes that the storage keeps anywhere."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _staff(self, collections: Collections) -> None:
        collections.create(STAFF, MODEL)

    def test_a_collection_is_made_once(self, collections: Collections) -> None:
        made = collections.create("guests", MODEL)
        assert (made.name, made.model, made.faces, made.people) == ("guests", MODEL, 0, 0)
        assert collections.create("guests", MODEL) == made == collections.get("guests")

    def test_a_collection_is_pinned_to_its_model(self, collections: Collections) -> None:
        with pytest.raises(ModelMismatchError, match=f"{STAFF} was built with .*other-model"):
            collections.create(STAFF, "other-model")
        assert collections.get(STAFF).model == MODEL

    def test_collections_are_listed_by_name_with_their_faces_and_people(
        self, collections: Collections, records: FaceRecords
    ) -> None:
        collections.create("guests", MODEL)
        records.add(STAFF, [new_face("1", "Ada", vector(1)), new_face("2", "Ada", vector(2))])
        records.add(STAFF, [new_face("3", "Grace", vector(3)), new_face("4", None, vector(4))])
        records.add("guests", [labelled("5", None, "Ada"), labelled("6", "Ada", None), labelled("7", None, "Grace")])
        counts = [(info.name, info.faces, info.people, info.users) for info in collections.list()]
        assert counts == [("guests", 3, 2, 1), (STAFF, 4, 3, 2)]
        assert [collections.get(info.name) for info in collections.list()] == collections.list()

    def test_an_anonymous_face_counts_as_somebody_of_its_own(
        self, collections: Collections, records: FaceRecords
    ) -> None:
        records.add(STAFF, [labelled("1", None, None), labelled("2", None, None)])
        assert (collections.get(STAFF).people, collections.get(STAFF).users) == (2, 0)

    def test_a_collections_model_is_told(self, collections: Collections) -> None:
        collections.create("guests", "other-model")
        assert (collections.model(STAFF), collections.model("guests")) == (MODEL, "other-model")
        with pytest.raises(NotFoundError, match="nobodys"):
            collections.model("nobodys")

    def test_an_absent_collection_is_named(self, collections: Collections, records: FaceRecords) -> None:
        with pytest.raises(NotFoundError, match="nobodys"):
            collections.get("nobodys")
        with pytest.raises(NotFoundError, match="nobodys"):
            collections.drop("nobodys")
        with pytest.raises(NotFoundError, match="nobodys"):
            records.add("nobodys", [new_face("1", "Ada", vector(1))])
        assert list(records.find("nobodys")) == []
        assert records.changes("nobodys", 0, 10).generation == 0
        assert records.remove("nobodys", ["1"]) == 0

    def test_face_records_come_back_as_they_were_oldest_first(self, records: FaceRecords) -> None:
        faces = [record(str(n), name, vector(n)) for n, name in enumerate(("Zoë", None, "Ada' OR 1=1 --"))]
        faces[1] = replace(faces[1], image_size=(4000, 3000))
        records.add(STAFF, [NewFace(each) for each in faces[:2]])
        records.add(STAFF, [NewFace(faces[2])])
        assert [as_told(found) for found in records.find(STAFF)] == [as_told(each) for each in faces]

    def test_faces_are_found_by_person_and_by_image(self, records: FaceRecords) -> None:
        records.add(STAFF, [new_face(str(n), name, vector(n)) for n, name in enumerate(("Ada", "Grace", "Ada"))])
        assert [found.face_id for found in records.find(STAFF, person="Ada")] == ["0", "2"]
        assert [found.face_id for found in records.find(STAFF, image_id="image of 1")] == ["1"]
        assert list(records.find(STAFF, person="Grace", image_id="image of 0")) == []
        assert list(records.find(STAFF, person="")) == []

    def test_whoever_is_asked_for_is_found_by_label_too(self, records: FaceRecords) -> None:
        records.add(STAFF, [labelled("1", None, "Ada"), labelled("2", "Ada", None), labelled("3", "Ada", "Ada")])
        records.add(STAFF, [labelled("4", "Grace", "Ada"), labelled("5", "Grace", None), labelled("6", None, None)])
        assert ids_of(records.find(STAFF, person="Ada")) == ["1", "2", "3", "4"]
        assert ids_of(records.find(STAFF, person="Grace")) == ["4", "5"]
        assert ids_of(records.find(STAFF, person="Ada", image_id="image of 3")) == ["3"]

    def test_faces_are_found_by_id_oldest_first(self, collections: Collections, records: FaceRecords) -> None:
        collections.create("guests", MODEL)
        records.add("guests", [new_face("other", "Ada", vector(1))])
        records.add(STAFF, [new_face(str(n), "Ada", vector(n)) for n in range(5)])
        assert ids_of(records.find(STAFF, face_ids=["3", "other", "absent", "1", "1", "'\ud800"])) == ["1", "3"]
        assert ids_of(records.find(STAFF, face_ids=["3", "1"], image_id="image of 3")) == ["3"]
        assert ids_of(records.find(STAFF, face_ids=["3", "1"], person="Grace")) == []
        assert ids_of(records.find(STAFF, face_ids=[])) == []

    def test_any_number_of_ids_may_be_asked_for(self, records: FaceRecords) -> None:
        records.add(STAFF, [new_face(str(n), "Ada", vector(n)) for n in range(5)])
        many = [f"absent {n}" for n in range(300_000)]
        assert ids_of(records.find(STAFF, face_ids=["4", *many, "2"])) == ["2", "4"]
        query = FaceQuery(face_ids=["4", *many, "2"])
        assert [found.face_id for _, found in records.page(STAFF, 0, 1, query)] == ["2"]

    def test_pages_follow_one_another(self, records: FaceRecords) -> None:
        faces = [new_face(str(n), "Ada" if n % 2 else "Grace", vector(n)) for n in range(7)]
        records.add(STAFF, faces[:4])
        records.add(STAFF, faces[4:])
        first = records.page(STAFF, 0, 3, FaceQuery())
        positions = [position for position, _ in first]
        assert positions == sorted(positions)
        assert positions[0] > 0
        second = records.page(STAFF, positions[-1], 3, FaceQuery())
        third = records.page(STAFF, second[-1][0], 3, FaceQuery())
        assert [as_told(each) for _, each in (*first, *second, *third)] == [as_told(face.record) for face in faces]
        assert list(records.page(STAFF, third[-1][0], 3, FaceQuery())) == []
        assert list(records.page("nobodys", 0, 3, FaceQuery())) == []

    def test_pages_may_be_of_one_person_and_of_some_faces(self, records: FaceRecords) -> None:
        records.add(STAFF, [labelled(str(n), "Ada" if n % 2 else None, "Ada") for n in range(7)])
        for query, ids in (
            (FaceQuery(person="Ada"), ["1", "3", "5"]),
            (FaceQuery(face_ids=["6", "3", "1", "absent"]), ["1", "3", "6"]),
            (FaceQuery(person="Ada", face_ids=["6", "3", "1"]), ["1", "3"]),
            (FaceQuery(face_ids=[]), []),
            (FaceQuery(person="Grace"), []),
        ):
            whole = records.page(STAFF, 0, 10, query)
            assert [found.face_id for _, found in whole] == ids
            assert [found.face_id for _, found in records.page(STAFF, 0, 2, query)] == ids[:2]
            if ids:
                later = records.page(STAFF, whole[0][0], 10, query)
                assert [(at, found.face_id) for at, found in later] == [(at, found.face_id) for at, found in whole[1:]]

    def test_a_newer_face_has_a_higher_position_than_any_before_it(self, records: FaceRecords) -> None:
        records.add(STAFF, [new_face("1", "Ada", vector(1)), new_face("2", "Ada", vector(2))])
        last = records.page(STAFF, 0, 10, FaceQuery())[-1][0]
        records.remove(STAFF, ["1", "2"])
        records.add(STAFF, [new_face("2", "Ada", vector(2))])
        assert records.page(STAFF, 0, 10, FaceQuery())[0][0] > last

    def test_a_collection_takes_no_more_faces_than_it_may_have(
        self, collections: Collections, records: FaceRecords
    ) -> None:
        faces = [new_face(str(n), f"person {n}", vector(n)) for n in range(5)]
        records.add(STAFF, faces[:2], limit=3)
        before = records.changes(STAFF, 0, 10).generation
        with pytest.raises(QuotaError, match=f"{STAFF} would have 4 faces and may have 3"):
            records.add(STAFF, faces[1:4], limit=3)
        assert (collections.get(STAFF).faces, collections.get(STAFF).users) == (2, 2)
        assert records.changes(STAFF, 0, 10).generation == before
        assert list(records.add(STAFF, faces[:3], limit=3)) == ["0", "1"]
        assert list(records.add(STAFF, faces[:3], limit=1)) == ["0", "1", "2"]
        records.remove(STAFF, ["0"])
        assert records.add(STAFF, faces[3:4], limit=3) == {}
        assert records.add(STAFF, faces[4:]) == {}

    def test_a_name_that_is_written_as_anothers_user_id_is_refused(
        self, collections: Collections, records: FaceRecords
    ) -> None:
        records.add(STAFF, [new_face("1", "Ada Lovelace", vector(1))])
        with pytest.raises(ConflictError, match=r"Ada Lovelace is in collection staff .*use another name"):
            records.add(
                STAFF, [new_face("2", "Grace", vector(2)), new_face("3", user_id_of("Ada Lovelace"), vector(3))]
            )
        assert ids_of(records.find(STAFF)) == ["1"]
        assert collections.get(STAFF).users == 1

    def test_a_face_that_is_there_already_is_left_as_it_is(self, records: FaceRecords) -> None:
        records.add(STAFF, [new_face("1", "Ada", vector(1))])
        records.add(STAFF, [new_face("1", "Grace", vector(9)), new_face("2", "Grace", vector(2))])
        assert [found.person for found in records.find(STAFF)] == ["Ada", "Grace"]

    def test_faces_of_another_model_are_refused_and_none_of_the_others_is_stored(self, records: FaceRecords) -> None:
        other = NewFace(record("2", "Grace", vector(2), model="other-model"))
        with pytest.raises(ModelMismatchError, match="other-model"):
            records.add(STAFF, [new_face("1", "Ada", vector(1)), other])
        assert list(records.find(STAFF)) == []
        assert records.changes(STAFF, 0, 10).generation == 0

    def test_a_crop_is_kept_with_its_landmarks(self, records: FaceRecords) -> None:
        crop = Crop(b"\xff\xd8 a picture", tuple((1.5 * n, 2.25 * n) for n in range(5)))
        records.add(STAFF, [replace(new_face("1", "Ada", vector(1)), crop=crop), new_face("2", "Ada", vector(2))])
        assert records.crop(STAFF, "1") == crop
        assert records.crop(STAFF, "2") is None
        assert records.crop("guests", "1") is None
        records.remove(STAFF, ["1"])
        assert records.crop(STAFF, "1") is None

    def test_removing_says_how_many_there_were(self, collections: Collections, records: FaceRecords) -> None:
        collections.create("guests", MODEL)
        records.add(STAFF, [new_face(str(n), "Ada", vector(n)) for n in range(3)])
        assert records.remove("guests", ["0"]) == 0
        assert records.remove(STAFF, ["0", "2", "absent"]) == 2
        assert records.remove(STAFF, ["0", "2"]) == 0
        assert records.remove(STAFF, []) == 0
        assert [found.face_id for found in records.find(STAFF)] == ["1"]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
    def test_changes_come_in_pages_to_whoever_follows(self, records: FaceRecords, limit: int) -> None:
        records.add(STAFF, [new_face(str(n), "Ada", vector(n)) for n in range(7)])
        records.remove(STAFF, ["0", "3"])
        records.add(STAFF, [new_face("7", "Ada", vector(7))])
        records.remove(STAFF, ["6", "7"])
        generation, known = follow(records, limit=limit)
        assert known == {"1", "2", "4", "5"}
        assert records.changes(STAFF, generation, limit).generation == generation

    def test_following_from_any_point_on_arrives_at_the_same(self, records: FaceRecords) -> None:
        """Whoever knew the faces up to a generation learns of every later add and remove, in any page size."""
        points: list[tuple[int, set[str]]] = []
        for n in range(6):
            records.add(STAFF, [new_face(str(n), "Ada", vector(n))])
            if n % 2:
                records.remove(STAFF, [str(n - 1)])
            points.append(follow(records))
        newest, known = points[-1]
        for since, before in points:
            for limit in (1, 2, 100):
                generation, had = since, set(before)
                while (changes := records.changes(STAFF, generation, limit)).generation != generation:
                    had = (had - set(changes.removed)) | {added.face_id for added in changes.added}
                    generation = changes.generation
                assert (generation, had) == (newest, known)

    def test_another_process_follows_adds_and_removes(self, records: FaceRecords, elsewhere: FaceRecords) -> None:
        there = Collection(STAFF, elsewhere, SCORER, Rule())
        records.add(STAFF, [new_face("1", "Ada", vector(1)), new_face("2", "Grace", vector(2))])
        assert there.identify([face(vector(1))])[0].name == "Ada"
        records.remove(STAFF, ["1"])
        assert there.identify([face(vector(1))])[0].name is None
        assert there.people() == 1
        elsewhere.add(STAFF, [new_face("3", "Ada", vector(3))])
        here = Collection(STAFF, records, SCORER, Rule())
        assert [here.identify([face(vector(n))])[0].name for n in (1, 2, 3)] == [None, "Grace", "Ada"]

    def test_a_collection_that_is_dropped_and_made_again_is_noticed_by_who_had_the_old_one(
        self, collections: Collections, records: FaceRecords, elsewhere: FaceRecords
    ) -> None:
        there = Collection(STAFF, elsewhere, SCORER, Rule())
        records.add(STAFF, [new_face("1", "Ada", vector(1))])
        assert there.identify([face(vector(1))])[0].name == "Ada"
        collections.drop(STAFF)
        collections.create(STAFF, MODEL)
        records.add(STAFF, [new_face("2", "Grace", vector(2))])
        assert [there.identify([face(vector(n))])[0].name for n in (1, 2)] == [None, "Grace"]

    def test_after_dropping_the_name_may_have_another_model(
        self, collections: Collections, records: FaceRecords
    ) -> None:
        records.add(STAFF, [new_face("1", "Ada", vector(1))])
        collections.drop(STAFF)
        assert list(records.find(STAFF)) == []
        assert [info.name for info in collections.list()] == []
        assert collections.create(STAFF, "other-model").faces == 0

    @pytest.mark.parametrize("way", ["remove", "drop"])
    def test_what_is_deleted_is_nowhere_in_the_storage(
        self, collections: Collections, records: FaceRecords, elsewhere: FaceRecords, stored: Stored, way: str
    ) -> None:
        """Vectors, crops and names: of some faces among many, while another process has the collection open."""
        rng = np.random.default_rng(7)
        crops = {str(n): rng.bytes(int(rng.integers(200, 9000))) for n in range(120)}
        faces = [
            NewFace(record(n, f"person of {crop[:8].hex()}", vector(int(n))), Crop(crop, ((1.0, 2.0),) * 5))
            for n, crop in crops.items()
        ]
        for n in range(0, 120, 40):
            records.add(STAFF, faces[n : n + 40])
            assert len(elsewhere.find(STAFF)) == n + 40
        if way == "drop":
            doomed = faces
            collections.drop(STAFF)
        else:
            doomed = [faces[n] for n in sorted(rng.permutation(120)[:70])]
            for start in (0, 35):
                ids = [each.record.face_id for each in doomed[start : start + 35]]
                assert records.remove(STAFF, ids) == 35
        left, kept = stored(), [each for each in faces if each not in doomed]
        for each in doomed:
            assert each.crop is not None
            assert each.record.embedding.values.tobytes() not in left
            assert each.record.embedding.values[:32].tobytes() not in left
            assert not any(each.crop.jpeg[at : at + 64] in left for at in range(0, len(each.crop.jpeg) - 64, 64))
            assert str(each.record.person).encode() not in left
        assert all(each.record.embedding.values.tobytes() in left for each in kept)

    def test_faces_deleted_one_by_one_among_others_leave_nothing(self, records: FaceRecords, stored: Stored) -> None:
        rng = np.random.default_rng(11)
        names = [f"{n:03} {rng.bytes(int(rng.integers(4, 100))).hex()}" for n in range(200)]
        for start in range(0, 200, 8):
            records.add(STAFF, [new_face(f"face {n}", names[n], vector(n)) for n in rng.permutation(8) + start])
        for n in (int(each) for each in rng.permutation(200)[:60]):
            assert records.remove(STAFF, [f"face {n}"]) == 1
            left = stored()
            assert names[n].encode() not in left
            assert not [at for at in range(0, 128, 16) if vector(n)[at : at + 16].tobytes() in left]

    def test_what_is_deleted_here_and_known_elsewhere_stays_there(
        self, collections: Collections, records: FaceRecords
    ) -> None:
        collections.create("guests", MODEL)
        for collection in (STAFF, "guests"):
            records.add(collection, [new_face(f"{collection} {n}", f"person {n}", vector(n)) for n in range(30)])
        before = [as_told(found) for found in records.find("guests")]
        for n in range(30):
            records.remove(STAFF, [f"{STAFF} {n}"])
        assert [as_told(found) for found in records.find("guests")] == before
        assert list(records.find(STAFF)) == []
