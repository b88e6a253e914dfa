"""What the persons of a gallery must do. A subclass gives the fixtures `collections`, `records`, `people`, `elsewhere`
and `stored`.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.face_records import Stored
from faceline.errors import ConflictError, NotFoundError, QuotaError
from faceline.gallery.names import user_id_of
from faceline.gallery.ports import Collections, FaceQuery, FaceRecords, NewFace, People
from made import MODEL, new_face, record, vector

STAFF = "staff"
ADA, GRACE = "Ada", "Grace Hopper"
ADA_ID, GRACE_ID = user_id_of(ADA), user_id_of(GRACE)
FREE = 100  # people or faces: more than a test makes

operation = st.one_of(
    st.tuples(st.just("add"), st.sampled_from([None, ADA, GRACE])),
    st.tuples(st.sampled_from(["remove", "associate", "disassociate"]), st.integers(0, 30)),
    st.tuples(st.just("page"), st.integers(1, 4)),
)


def faces(*ids: str, person: str | None = None) -> list[NewFace]:
    """Without labels."""
    return [NewFace(replace(record(each, person, vector(1)), external_image_id=None)) for each in ids]


def persons(records: FaceRecords) -> dict[str, str | None]:
    return {found.face_id: found.person for found in records.find(STAFF)}


class PeopleContract:
    @pytest.fixture
    def collections(self) -> Collections:
        raise NotImplementedError

    @pytest.fixture
    def records(self) -> FaceRecords:
        """Of the same storage as `collections`."""
        raise NotImplementedError

    @pytest.fixture
    def people(self) -> People:
        """Of the same storage as `collections`."""
        raise NotImplementedError

    @pytest.fixture
    def elsewhere(self) -> People:
        """The same storage as another process sees it."""
        raise NotImplementedError

    @pytest.fixture
    def stored(self) -> Stored:
        """Gives all bytes that the storage keeps anywhere."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _staff(self, collections: Collections) -> None:
        collections.create(STAFF, MODEL)

    def test_somebody_is_known_before_they_have_a_face(self, collections: Collections, people: People) -> None:
        people.create(STAFF, GRACE, FREE)
        grace = people.get(STAFF, GRACE_ID)
        assert (grace.name, grace.user_id, grace.faces) == (GRACE, GRACE_ID, 0)
        assert grace.position > 0
        assert (collections.get(STAFF).users, collections.get(STAFF).people) == (1, 0)

    def test_whoever_a_face_names_is_one_of_the_people(
        self, collections: Collections, records: FaceRecords, people: People
    ) -> None:
        records.add(STAFF, faces("1", "2", person=GRACE) + faces("3"))
        assert people.get(STAFF, GRACE_ID).faces == 2
        assert [person.name for person in people.page(STAFF, 0, 10)] == [GRACE]
        assert collections.get(STAFF).users == 1

    def test_a_face_that_is_not_stored_makes_nobody(self, records: FaceRecords, people: People) -> None:
        records.add(STAFF, faces("1", person=ADA))
        records.add(STAFF, faces("1", person=GRACE))
        assert [person.name for person in people.page(STAFF, 0, 10)] == [ADA]

    def test_a_face_of_somebody_known_makes_nobody_new(self, records: FaceRecords, people: People) -> None:
        people.create(STAFF, ADA, FREE)
        position = people.get(STAFF, ADA_ID).position
        records.add(STAFF, faces("1", person=ADA))
        assert (people.get(STAFF, ADA_ID).faces, people.get(STAFF, ADA_ID).position) == (1, position)

    def test_nobody_is_made_twice(self, records: FaceRecords, people: People) -> None:
        records.add(STAFF, faces("1", person=GRACE))
        for name in (GRACE, GRACE_ID):
            with pytest.raises(ConflictError, match=f"{GRACE} is in collection {STAFF} already .*{GRACE_ID}"):
                people.create(STAFF, name, FREE)
        assert len(people.page(STAFF, 0, 10)) == 1

    @pytest.mark.parametrize("name", [".", ".."])
    def test_who_is_called_by_dots_is_found_by_them_and_by_the_id_made_of_them(self, people: People, name: str) -> None:
        people.create(STAFF, name, FREE)
        assert people.get(STAFF, name) == people.get(STAFF, user_id_of(name))
        assert people.get(STAFF, name).user_id == user_id_of(name) != name
        people.delete(STAFF, name)
        assert len(people.page(STAFF, 0, 10)) == 0

    def test_a_collection_has_no_more_people_than_it_may_have(self, people: People) -> None:
        for n in range(3):
            people.create(STAFF, f"person {n}", limit=3)
        with pytest.raises(QuotaError, match=f"{STAFF} would have 4 people and may have 3"):
            people.create(STAFF, ADA, limit=3)
        assert len(people.page(STAFF, 0, 10)) == 3
        people.delete(STAFF, user_id_of("person 1"))
        people.create(STAFF, ADA, limit=3)

    def test_people_come_in_pages(self, records: FaceRecords, people: People) -> None:
        people.create(STAFF, "Zoë", FREE)
        records.add(STAFF, faces("1", person=GRACE) + faces("2", "3", person=ADA))
        people.create(STAFF, "Bea", FREE)
        whole = people.page(STAFF, 0, 10)
        assert [(each.name, each.faces) for each in whole] == [("Zoë", 0), (GRACE, 1), (ADA, 2), ("Bea", 0)]
        assert [each.position for each in whole] == sorted({each.position for each in whole})
        assert people.page(STAFF, 0, 2) == whole[:2]
        assert people.page(STAFF, whole[1].position, 2) == whole[2:]
        assert list(people.page(STAFF, whole[-1].position, 2)) == []

    def test_somebody_new_has_a_higher_position_than_anybody_before(self, people: People) -> None:
        people.create(STAFF, ADA, FREE)
        people.create(STAFF, GRACE, FREE)
        before = people.get(STAFF, GRACE_ID).position
        people.delete(STAFF, GRACE_ID)
        people.create(STAFF, GRACE, FREE)
        assert people.get(STAFF, GRACE_ID).position > before

    def test_each_collection_has_its_own(self, collections: Collections, records: FaceRecords, people: People) -> None:
        collections.create("guests", MODEL)
        people.create(STAFF, ADA, FREE)
        people.create("guests", ADA, FREE)
        records.add("guests", faces("1"))
        assert list(people.associate(STAFF, ADA_ID, ["1"], FREE)) == []
        assert list(people.associate("guests", ADA_ID, ["1"], FREE)) == ["1"]
        assert list(people.disassociate(STAFF, ADA_ID, ["1"])) == []
        people.delete(STAFF, ADA_ID)
        assert people.get("guests", ADA_ID).faces == 1

    @pytest.mark.parametrize("collection", ["nobodys", STAFF])
    def test_an_absent_collection_or_person_is_named(self, people: People, collection: str) -> None:
        with pytest.raises(NotFoundError, match=collection):
            people.get(collection, "x")
        with pytest.raises(NotFoundError, match=collection):
            people.delete(collection, "x")
        with pytest.raises(NotFoundError, match=collection):
            people.associate(collection, "x", ["1"], FREE)
        with pytest.raises(NotFoundError, match=collection):
            people.disassociate(collection, "x", ["1"])
        if collection != STAFF:
            with pytest.raises(NotFoundError, match=collection):
                people.page(collection, 0, 1)
            with pytest.raises(NotFoundError, match=collection):
                people.create(collection, ADA, FREE)

    def test_only_faces_that_are_nobodys_can_be_associated(self, records: FaceRecords, people: People) -> None:
        records.add(STAFF, faces("1", "2") + faces("3", person=GRACE) + faces("4", person=ADA))
        assert set(people.associate(STAFF, ADA_ID, ["3", "2", "1", "1", "4", "absent"], FREE)) == {"1", "2"}
        assert persons(records) == {"1": ADA, "2": ADA, "3": GRACE, "4": ADA}
        assert people.get(STAFF, ADA_ID).faces == 3
        assert list(people.associate(STAFF, ADA_ID, ["1", "2"], FREE)) == []
        assert list(people.associate(STAFF, ADA_ID, [], FREE)) == []

    def test_a_person_has_no_more_faces_than_they_may_have(self, records: FaceRecords, people: People) -> None:
        records.add(STAFF, faces("1", "2", "3") + faces("4", person=ADA))
        with pytest.raises(QuotaError, match=r"Ada has 1 faces .* may have 3"):
            people.associate(STAFF, ADA_ID, ["1", "2", "3"], limit=3)
        assert people.get(STAFF, ADA_ID).faces == 1
        assert len(people.associate(STAFF, ADA_ID, ["1", "2", "4"], limit=3)) == 2
        assert list(people.associate(STAFF, ADA_ID, ["1", "2"], limit=1)) == []

    def test_only_their_own_faces_can_be_taken_from_somebody(self, records: FaceRecords, people: People) -> None:
        records.add(STAFF, faces("1", "2", person=ADA) + faces("3", person=GRACE) + faces("4"))
        assert list(people.disassociate(STAFF, ADA_ID, ["4", "3", "1", "absent"])) == ["1"]
        assert persons(records) == {"1": None, "2": ADA, "3": GRACE, "4": None}
        assert list(people.disassociate(STAFF, ADA_ID, ["2"])) == ["2"]
        assert people.get(STAFF, ADA_ID).faces == 0

    def test_the_faces_of_a_deleted_person_stay_and_are_nobodys(self, records: FaceRecords, people: People) -> None:
        records.add(STAFF, faces("1", "2", person=ADA) + faces("3", person=GRACE))
        people.delete(STAFF, ADA_ID)
        assert persons(records) == {"1": None, "2": None, "3": GRACE}
        with pytest.raises(NotFoundError, match=ADA_ID):
            people.get(STAFF, ADA_ID)
        people.create(STAFF, ADA, FREE)
        assert people.get(STAFF, ADA_ID).faces == 0

    def test_a_person_goes_with_their_last_face(self, records: FaceRecords, people: People) -> None:
        records.add(STAFF, faces("1", "2", person=ADA) + faces("3"))
        people.create(STAFF, GRACE, FREE)
        records.remove(STAFF, ["1", "3"])
        assert people.get(STAFF, ADA_ID).faces == 1
        records.remove(STAFF, ["2"])
        assert [person.name for person in people.page(STAFF, 0, 10)] == [GRACE]

    def test_faces_of_somebody_stay_where_only_those_of_nobody_are_deleted(
        self, records: FaceRecords, people: People
    ) -> None:
        records.add(STAFF, faces("one", "two"))
        people.create(STAFF, ADA, FREE)
        people.associate(STAFF, ADA_ID, ["one"], FREE)
        assert records.remove(STAFF, ["one", "two"], of_nobody=True) == 1
        assert persons(records) == {"one": ADA}
        assert people.get(STAFF, ADA_ID).faces == 1

    def test_a_collection_that_is_made_again_knows_nobody(
        self, collections: Collections, records: FaceRecords, people: People
    ) -> None:
        records.add(STAFF, faces("1", person=ADA))
        people.create(STAFF, GRACE, FREE)
        collections.drop(STAFF)
        collections.create(STAFF, MODEL)
        assert list(people.page(STAFF, 0, 10)) == []

    def test_whoever_follows_learns_whose_a_face_became(self, records: FaceRecords, people: People) -> None:
        records.add(STAFF, faces("1", "2", "3"))
        people.create(STAFF, ADA, FREE)
        told: dict[str, str | None] = {}
        generation = 0
        for step in ("associate", "disassociate", "delete", "nothing"):
            if step == "associate":
                people.associate(STAFF, ADA_ID, ["1", "2"], FREE)
            elif step == "disassociate":
                people.disassociate(STAFF, ADA_ID, ["2"])
            elif step == "delete":
                people.delete(STAFF, ADA_ID)
            while (changes := records.changes(STAFF, generation, 2)).generation != generation:
                told |= {added.face_id: added.person for added in changes.added}
                assert not changes.removed
                generation = changes.generation
            assert told == persons(records)
        assert set(told.values()) == {None}

    def test_a_face_keeps_its_place_when_its_person_changes(self, records: FaceRecords, people: People) -> None:
        records.add(STAFF, faces("1", "2", "3"))
        people.create(STAFF, ADA, FREE)
        before = [(position, found.face_id) for position, found in records.page(STAFF, 0, 10, FaceQuery())]
        people.associate(STAFF, ADA_ID, ["2", "1"], FREE)
        people.disassociate(STAFF, ADA_ID, ["1"])
        assert [(position, found.face_id) for position, found in records.page(STAFF, 0, 10, FaceQuery())] == before
        assert [found.face_id for found in records.find(STAFF)] == ["1", "2", "3"]

    def test_a_face_that_two_processes_want_goes_to_one_person(
        self, records: FaceRecords, people: People, elsewhere: People
    ) -> None:
        ids = [str(n) for n in range(40)]
        records.add(STAFF, faces(*ids))
        people.create(STAFF, ADA, FREE)
        elsewhere.create(STAFF, GRACE, FREE)
        start = Barrier(2, timeout=30)

        def associate(here: People, user_id: str) -> list[Sequence[str]]:
            start.wait()
            return [here.associate(STAFF, user_id, [each], FREE) for each in ids]

        with ThreadPoolExecutor(2) as pool:
            won = [pool.submit(associate, people, ADA_ID), pool.submit(associate, elsewhere, GRACE_ID)]
            for here, there in zip(*(each.result() for each in won), strict=True):
                assert len(here) + len(there) == 1
        names = [name for name, future in zip((ADA, GRACE), won, strict=True) for got in future.result() if got]
        assert sorted(str(name) for name in persons(records).values()) == sorted(names)

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(steps=st.lists(operation, max_size=25))
    def test_pages_neither_repeat_a_face_nor_miss_one_that_was_there_throughout(
        self,
        collections: Collections,
        records: FaceRecords,
        people: People,
        steps: list[tuple[str, int | str | None]],
    ) -> None:
        collection = uuid4().hex
        collections.create(collection, MODEL)
        for name in (ADA, GRACE):
            records.add(collection, [new_face(f"{name} in {collection}", name, vector(1))])
        there = [found.face_id for found in records.find(collection)]
        throughout, seen, after = set(there), list[str](), 0
        for kind, value in [*steps, ("page", 100)]:
            if kind == "add":
                there.append(uuid4().hex)
                records.add(collection, [new_face(there[-1], None if value is None else str(value), vector(1))])
            elif kind == "page":
                assert isinstance(value, int)
                page = records.page(collection, after, value, FaceQuery())
                seen += [found.face_id for _, found in page]
                after = page[-1][0] if page else after
            elif there[2:]:
                assert isinstance(value, int)
                face_id = there[value % len(there[2:]) + 2] if kind == "remove" else there[value % len(there)]
                if kind == "remove":
                    records.remove(collection, [face_id])
                    there.remove(face_id)
                elif kind == "associate":
                    people.associate(collection, ADA_ID, [face_id], FREE)
                else:
                    people.disassociate(collection, ADA_ID, [face_id])
        assert len(seen) == len(set(seen))
        assert throughout <= set(seen)
        assert set(there) <= set(seen)  # the last page came after every change

    @pytest.mark.parametrize("way", ["delete", "disassociate", "remove", "drop"])
    def test_a_name_that_is_taken_away_is_nowhere_in_the_storage(
        self, collections: Collections, records: FaceRecords, people: People, stored: Stored, way: str
    ) -> None:
        """Names and user ids: of some people among many, each with a face that was theirs from the start or later."""
        names = [f"née {n * 7919:05} person" for n in range(120)]
        for n, name in enumerate(names):
            records.add(STAFF, faces(str(n), person=name if n % 2 else None))
            if not n % 2:
                people.create(STAFF, name, 200)
                people.associate(STAFF, user_id_of(name), [str(n)], FREE)
        doomed = range(120) if way == "drop" else [n for n in range(120) if n % 3]
        for n in doomed:
            user_id = user_id_of(names[n])
            if way == "disassociate":
                assert list(people.disassociate(STAFF, user_id, [str(n)])) == [str(n)]
            if way in {"delete", "disassociate"}:
                people.delete(STAFF, user_id)
            if way == "remove":
                records.remove(STAFF, [str(n)])
        if way == "drop":
            collections.drop(STAFF)
        left = stored()
        for n, name in enumerate(names):
            assert (name.encode() in left) == (n not in doomed)
            assert (user_id_of(name).encode() in left) == (n not in doomed)

    def test_a_short_name_and_one_within_another_name_are_taken_away_alone(
        self, records: FaceRecords, people: People, stored: Stored
    ) -> None:
        for n, name in enumerate(("Ξξ", "Marianne of old", "Anne", "Marianne")):
            records.add(STAFF, faces(str(n), person=name))
        for name in ("Ξξ", "Anne", "Marianne of old"):
            people.delete(STAFF, user_id_of(name))
        assert [person.name for person in people.page(STAFF, 0, 10)] == ["Marianne"]
        left = stored()
        assert "Ξξ".encode() not in left
        assert b"of old" not in left
        assert left.count(b"Anne") == 0
        assert b"Marianne" in left
