"""Collections on AWS under many writers, killed processes and removals; ministack answers for DynamoDB and S3."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from faceline.aws import face_table
from faceline.aws.consents import DynamoConsents
from faceline.aws.face_snapshot import from_bytes
from faceline.aws.snapshots import Snapshots
from faceline.aws.writing import transact
from faceline.erasure import Gone
from faceline.errors import ConflictError, InputError, NotFoundError, QuotaError, StorageError
from faceline.gallery.collection import Collection
from faceline.gallery.concealed import concealed
from faceline.gallery.names import user_id_of
from faceline.gallery.ports import Crop, FaceQuery, NewFace
from faceline.similarity import Rule
from faceline.types import BoundingBox, Embedding, FaceRecord
from gallery_on_aws import KEY, SCORER, SMALL, STAFF, Place, followed, made_place, people, restored
from made import MODEL, face, new_face, record, vector


class KilledError(BaseException):
    """The process ends here: nothing after it runs but what Python itself unwinds."""


@pytest.fixture
def place(aws: str) -> Place:
    made = made_place(aws)
    made.collections().create(STAFF, MODEL)
    return made


@pytest.fixture
def requests(place: Place) -> Iterator[list[str]]:
    """The names of the operations that are called from here on."""
    called: list[str] = []

    def note(model: Any, **_: Any) -> None:
        called.append(model.name)

    clients = (place.clients.dynamodb, place.clients.s3)
    for client in clients:
        client.meta.events.register("before-call", note, unique_id="requests")
    yield called
    for client in clients:
        client.meta.events.unregister("before-call", unique_id="requests")


def ids(found: Sequence[FaceRecord]) -> list[str]:
    return [each.face_id for each in found]


def killed_after(monkeypatch: pytest.MonkeyPatch, transactions: int) -> None:
    """Before the next transaction but so many."""
    done = [0]

    def counted(*arguments: Any) -> list[int]:
        done[0] += 1
        if done[0] > transactions:
            raise KilledError
        return transact(*arguments)

    monkeypatch.setattr(face_table, "transact", counted)


@contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> Iterator[None]:
    """Between the making of the next snapshot and its writing."""
    write = Snapshots.write

    def late(self: Snapshots, *arguments: Any) -> bool:
        monkeypatch.setattr(Snapshots, "write", write)
        happens()
        return write(self, *arguments)

    monkeypatch.setattr(Snapshots, "write", late)
    yield
    monkeypatch.setattr(Snapshots, "write", write)


def assert_counts_are_true(place: Place) -> None:
    found = place.records().find(STAFF)
    info = place.collections().get(STAFF)
    identities = {each.identity for each in found} - {None}
    anonymous = sum(each.identity is None for each in found)
    assert (info.faces, info.people) == (len(found), len(identities) + anonymous)
    assert info.users == len({each.person for each in found} - {None})


class TestManyWriters:
    def test_eight_threads_that_add_at_once_lose_nothing(self, place: Place) -> None:
        numbers = [list(range(first, first + 5)) for first in range(0, 40, 5)]

        def add(some: list[int]) -> None:
            records = place.records()
            for n in some:
                records.add(STAFF, people([n]))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(add, numbers))
        assert sorted(ids(place.records().find(STAFF))) == sorted(f"face {n}" for n in range(40))
        assert followed(place.records()) == {f"face {n}" for n in range(40)}
        assert_counts_are_true(place)

    def test_fifty_writers_at_once_all_come_through(self, place: Place) -> None:
        with ThreadPoolExecutor(50) as threads:
            list(threads.map(lambda n: place.records().add(STAFF, people([n])), range(50)))
        assert place.collections().get(STAFF).faces == 50

    def test_positions_and_generations_never_repeat(self, place: Place) -> None:
        def churn(first: int) -> None:
            records = place.records()
            for n in range(first, first + 4):
                records.add(STAFF, people([n]))
                records.remove(STAFF, [f"face {n}"])
                records.add(STAFF, people([n]))

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(churn, range(0, 16, 4)))
        generations = [int(item["generation"]["N"]) for item in place.items() if "generation" in item]
        assert sorted(generations) == sorted(set(generations))
        assert len(generations) == 32
        positions = [position for position, _ in place.records().page(STAFF, 0, 100, FaceQuery())]
        assert len(set(positions)) == 16
        assert max(generations) == 48

    def test_one_face_that_many_add_is_stored_once(self, place: Place) -> None:
        faces = [NewFace(replace(record(f"face {n}", "Ada", vector(1)), image_id="one photo")) for n in range(8)]
        with ThreadPoolExecutor(8) as threads:
            twins = list(threads.map(lambda each: place.records().add(STAFF, [each]), faces))
        (stored,) = place.records().find(STAFF)
        assert sorted(len(each) for each in twins) == [0, *[1] * 7]
        assert {twin.face_id for each in twins for twin in each.values()} == {stored.face_id}

    def test_who_never_comes_first_is_told_so(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(face_table, "_PATIENCE_S", 0.05)
        monkeypatch.setattr(face_table, "transact", lambda *_: [0])
        with pytest.raises(StorageError, match="staff was changed by others all the time"):
            place.records().add(STAFF, people([1]))


class TestKilledProcesses:
    def test_what_a_killed_process_did_not_add_is_added_when_it_is_added_again(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            killed_after(patched, 1)
            with pytest.raises(KilledError):
                place.records().add(STAFF, people(range(40)))
        stored = place.records().find(STAFF)
        assert 0 < len(stored) < 40
        assert_counts_are_true(place)
        twins = place.records().add(STAFF, people(range(40)))
        assert sorted(twins) == sorted(ids(stored))
        assert place.collections().get(STAFF).faces == 40
        assert_counts_are_true(place)

    def test_a_killed_removal_leaves_whole_faces_and_true_counts(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place.records().add(STAFF, people(range(40)))
        with monkeypatch.context() as patched:
            killed_after(patched, 1)
            with pytest.raises(KilledError):
                place.records().remove(STAFF, [f"face {n}" for n in range(40)])
        left = place.records().find(STAFF)
        assert 0 < len(left) < 40
        assert followed(place.records()) == set(ids(left))
        assert_counts_are_true(place)
        assert place.records().remove(STAFF, [f"face {n}" for n in range(40)]) == len(left)

    @pytest.mark.parametrize("way", ["drop", "create"])
    def test_a_killed_drop_is_finished_by_whoever_drops_or_makes_the_collection(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        place.records().add(STAFF, people(range(30)))
        with monkeypatch.context() as patched:
            killed_after(patched, 2)
            with pytest.raises(KilledError):
                place.collections().drop(STAFF)
        assert list(place.collections().list()) == []
        with pytest.raises(NotFoundError, match=STAFF):
            place.records().add(STAFF, people([31]))
        if way == "drop":
            place.collections().drop(STAFF)
        else:
            assert place.collections().create(STAFF, "another-model").faces == 0
        assert list(place.records().find(STAFF)) == []
        assert b"person" not in b"".join(str(item).encode() for item in place.items() if "gone" not in item)

    @pytest.mark.parametrize("way", ["the same removal", "a new reader"])
    def test_a_removal_that_was_killed_before_it_emptied_the_snapshot_is_finished(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        place.records().add(STAFF, people(range(6)))
        assert len(followed(place.records(SMALL))) == 6

        def killed(*_: object) -> None:
            raise KilledError

        with monkeypatch.context() as patched:
            patched.setattr(Snapshots, "clear", killed)
            with pytest.raises(KilledError):
                place.records(SMALL).remove(STAFF, ["face 2"])
        assert vector(2).tobytes() in place.objects()[KEY]
        if way == "a new reader":
            assert len(followed(place.records(SMALL))) == 5
        else:
            assert place.records(SMALL).remove(STAFF, ["face 2"]) == 0
        assert vector(2).tobytes() not in place.objects()[KEY]


class TestSteps:
    def test_a_name_that_is_refused_late_in_a_long_add_leaves_nothing(self, place: Place) -> None:
        place.records().add(STAFF, [new_face("first", "Ada Lovelace", vector(100))])
        refused = new_face("face 40", user_id_of("Ada Lovelace"), vector(40))
        with pytest.raises(ConflictError, match="use another name"):
            place.records().add(STAFF, [*people(range(40)), refused])
        assert ids(place.records().find(STAFF)) == ["first"]
        assert place.records().changes(STAFF, 0, 10).generation == 1

    def test_what_was_added_is_taken_back_when_others_make_the_rest_impossible(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = list[int]()

        def others_are_quick(*arguments: Any) -> list[int]:
            refused = transact(*arguments)
            done.append(1)
            if len(done) == 1:
                place.records().add(STAFF, people(range(100, 105)))
            return refused

        monkeypatch.setattr(face_table, "transact", others_are_quick)
        with pytest.raises(QuotaError, match="may have 40"):
            place.records().add(STAFF, people(range(40)), limit=40)
        assert ids(place.records().find(STAFF)) == [f"face {n}" for n in range(100, 105)]
        assert_counts_are_true(place)

    def test_ninety_faces_of_one_person_are_one_step(self, place: Place, requests: list[str]) -> None:
        photo = [NewFace(replace(record(f"face {n}", "Ada", vector(n)), image_id="photo")) for n in range(90)]
        faces = [NewFace(replace(each.record, box=BoundingBox(n, 0, 9, 9))) for n, each in enumerate(photo)]
        place.records().add(STAFF, faces)
        assert requests.count("TransactWriteItems") == 1

    def test_a_crop_that_is_larger_than_an_item_comes_back_whole(self, place: Place) -> None:
        crop = Crop(bytes(range(256)) * 4000, ((1.0, 2.0),) * 5)
        place.records().add(STAFF, [replace(people([1])[0], crop=crop)])
        assert place.records().crop(STAFF, "face 1") == crop
        place.records().remove(STAFF, ["face 1"])
        assert place.records().crop(STAFF, "face 1") is None
        assert not [item for item in place.items() if "jpeg" in item]

    def test_a_crop_that_no_transaction_takes_is_refused(self, place: Place) -> None:
        crop = Crop(b"\xff" * 3_000_001, ((1.0, 2.0),) * 5)
        with pytest.raises(InputError, match="crop of face face 1 has 3,000,001 bytes"):
            place.records().add(STAFF, [replace(people([1])[0], crop=crop)])

    def test_an_id_that_is_no_key_is_refused(self, place: Place) -> None:
        with pytest.raises(InputError, match="cannot be a face's id"):
            place.records().add(STAFF, [new_face("x" * 1001, "Ada", vector(1))])

    @pytest.mark.parametrize("text", ["", "ä" * 900, "a\nb"])
    def test_names_and_images_that_no_index_has_as_keys_are_found(self, place: Place, text: str) -> None:
        odd = replace(record("odd", None, vector(1)), external_image_id=text, image_id=text)
        place.records().add(STAFF, [NewFace(odd), *people([2])])
        assert ids(place.records().find(STAFF, image_id=text)) == ["odd"]
        assert ids(place.records().find(STAFF, person=text)) == ["odd"]
        assert place.records().find(STAFF)[0].external_image_id == text
        assert list(place.records().add(STAFF, [NewFace(replace(odd, face_id="twin"))])) == ["twin"]


class TestSnapshots:
    @pytest.mark.parametrize("limit", [1, 3, 100])
    def test_a_snapshot_and_what_came_after_are_all_changes(self, place: Place, limit: int) -> None:
        records = place.records(SMALL)
        for n in range(12):
            records.add(STAFF, people([n]))
            if n % 4 == 3:
                records.remove(STAFF, [f"face {n - 2}"])
            if n % 5 == 4:
                assert followed(place.records(SMALL), limit) == followed(place.records())
        assert followed(place.records(SMALL), limit) == set(ids(records.find(STAFF)))
        snapshot = place.snapshots(SMALL).read(STAFF, 100).snapshot
        assert snapshot
        assert len(snapshot) >= 8
        told = {each.face_id: each for each in snapshot.page(0, 100).added}
        for each in records.find(STAFF):
            if each.face_id in told:
                assert told[each.face_id].embedding.values.tobytes() == each.embedding.values.tobytes()
                assert (told[each.face_id].box, told[each.face_id].person) == (each.box, each.person)

    def test_a_snapshot_goes_on_from_the_one_before(self, place: Place, requests: list[str]) -> None:
        place.records().add(STAFF, people(range(20)))
        first = place.snapshots(SMALL).read(STAFF, 100)
        assert (first.etag, first.snapshot) == (None, None)
        followed(place.records(SMALL))
        place.records().add(STAFF, people(range(20, 40)))
        followed(place.records(SMALL))
        second = place.snapshots(SMALL).read(STAFF, 100).snapshot
        assert second
        assert (second.generation, len(second)) == (40, 40)
        requests.clear()
        assert len(followed(place.records(SMALL))) == 40
        assert requests == ["GetItem", "GetObject", "Query", "Query"]

    def test_a_face_that_came_again_is_there_once(self, place: Place) -> None:
        records = place.records(SMALL)
        records.add(STAFF, people(range(6)))
        snapshot = place.snapshots(SMALL)
        followed(place.records(SMALL))
        before = snapshot.read(STAFF, 100).snapshot
        assert before
        records.remove(STAFF, ["face 2"])
        records.add(STAFF, [new_face("face 2", "somebody else", vector(22))])
        later = before.then(
            face_table.FaceTable(place.clients, place.table).after(STAFF, "by_generation", "generation", 6)
        )
        found = later.page(0, 100)
        assert sorted(ids(found.added)) == [f"face {n}" for n in range(6)]
        assert [each.person for each in found.added if each.face_id == "face 2"] == ["somebody else"]
        assert (list(found.removed), found.generation) == (["face 2"], 8)

    def test_an_older_snapshot_never_replaces_a_newer_one(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        place.records().add(STAFF, people(range(6)))

        def others_are_quick() -> None:
            place.records().add(STAFF, people(range(6, 12)))
            followed(place.records(SMALL))

        with meanwhile(monkeypatch, others_are_quick):
            assert len(followed(place.records(SMALL))) == 12
        newer = place.snapshots(SMALL).read(STAFF, 100).snapshot
        assert newer
        assert newer.generation == 12

    def test_after_a_removal_nothing_of_the_face_is_kept_anywhere(self, place: Place) -> None:
        place.records().add(STAFF, people(range(6)))
        followed(place.records(SMALL))
        assert vector(3).tobytes() in place.objects()[KEY]
        place.records(SMALL).remove(STAFF, ["face 3"])
        assert vector(3).tobytes() not in place.stored()
        assert b"person 3" not in place.stored()
        followed(place.records(SMALL))
        assert vector(4).tobytes() in place.objects()[KEY]
        assert vector(3).tobytes() not in place.stored()

    @pytest.mark.parametrize("way", ["remove", "drop"])
    def test_a_snapshot_that_was_begun_before_a_removal_is_not_written_after_it(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        place.records().add(STAFF, people(range(6)))

        def removal() -> None:
            if way == "remove":
                place.records(SMALL).remove(STAFF, ["face 3"])
            else:
                place.collections(SMALL).drop(STAFF)

        with meanwhile(monkeypatch, removal):
            reader = place.records(SMALL)
            assert "face 3" not in followed(reader)
        assert vector(3).tobytes() not in place.stored()

    def test_a_dropped_collection_leaves_nothing_in_the_bucket(self, place: Place) -> None:
        place.records().add(STAFF, people(range(6)))
        followed(place.records(SMALL))
        place.collections(SMALL).drop(STAFF)
        assert all(len(data) < 100 for data in place.objects().values())

    @pytest.mark.parametrize("damage", [b"", b"no zip", b"faceline faces 2\n and so on"])
    def test_a_damaged_snapshot_is_replaced_from_the_table(
        self, place: Place, caplog: pytest.LogCaptureFixture, damage: bytes
    ) -> None:
        place.records().add(STAFF, people(range(6)))
        place.clients.s3.put_object(Bucket=place.bucket, Key=KEY, Body=damage)
        with caplog.at_level(logging.WARNING):
            assert len(followed(place.records(SMALL))) == 6
        assert "the snapshot of collection staff is not used" in caplog.text
        assert vector(3).tobytes() in place.objects()[KEY]

    def test_a_cut_off_snapshot_is_damaged(self, place: Place) -> None:
        place.records().add(STAFF, people(range(6)))
        followed(place.records(SMALL))
        data = place.objects()[KEY]
        assert len(from_bytes(data)) == 6
        for size in (len(data) // 2, len(data) - 30):
            with pytest.raises(StorageError, match="the snapshot is damaged"):
                from_bytes(data[:size])

    def test_who_may_not_write_snapshots_reads_all_the_same(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        place.records().add(STAFF, people(range(6)))

        def forbidden(*_: object) -> bool:
            raise StorageError("its role may not do that")

        monkeypatch.setattr(Snapshots, "write", forbidden)
        assert len(followed(place.records(SMALL))) == 6
        assert "no snapshot of collection staff was written: its role may not" in caplog.text

    def test_a_snapshot_from_before_the_moment_of_a_restore_is_used(self, place: Place, requests: list[str]) -> None:
        place.records().add(STAFF, people(range(6)))
        followed(place.records(SMALL))
        then = place.items()
        place.records().add(STAFF, people([6]))
        restored(place, then)
        requests.clear()
        assert len(followed(place.records(SMALL))) == 6
        assert requests == ["GetItem", "GetObject", "Query", "Query"]

    def test_a_small_collection_needs_no_snapshot(self, place: Place, requests: list[str]) -> None:
        place.records().add(STAFF, people(range(6)))
        requests.clear()
        assert len(followed(place.records())) == 6
        assert requests == ["GetItem", "Query", "Query"]
        assert place.objects() == {}

    def test_a_warm_search_asks_once(self, place: Place, requests: list[str]) -> None:
        place.records().add(STAFF, people(range(3)))
        there = Collection(STAFF, place.records(), SCORER, Rule())
        assert there.identify([face(vector(1))])[0].name == "person 1"
        requests.clear()
        assert there.search(Embedding(vector(2), MODEL))[0][0].name == "person 2"
        assert requests == ["Query"]

    def test_threads_that_begin_at_once_all_learn_everything(self, place: Place) -> None:
        place.records().add(STAFF, people(range(20)))
        records = place.records(SMALL)
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda _: followed(records, 3), range(8)))
        assert found == [{f"face {n}" for n in range(20)}] * 8


class TestForgetting:
    def test_what_stays_of_the_faces_of_somebody_forgotten_says_no_ids(self, place: Place) -> None:
        place.records().add(STAFF, people(range(6)))
        there = Collection(STAFF, place.records(SMALL), SCORER, Rule())
        assert there.faces() == 6
        records = place.records(SMALL)
        records.remove(STAFF, ["face 3"])
        gone = Gone("person 3", (STAFF,), True, frozenset({"face 3"}))
        assert records.forget(gone) == 1
        assert b"face 3" not in place.stored()
        assert concealed("face 3").encode() in place.stored()
        assert there.faces() == 5
        assert followed(place.records(SMALL)) == {f"face {n}" for n in (0, 1, 2, 4, 5)}
        assert records.forget(gone) == 0

    def test_consents_are_told_oldest_first(self, place: Place) -> None:
        consents = DynamoConsents(place.clients, place.table)
        for reference in ("form 2", "form 1", "form 2"):
            consents.note(STAFF, "Ada", reference)
        consents.note(STAFF, "Ada Lovelace", "form 3")
        assert list(consents.of(STAFF, "Ada")) == ["form 2", "form 1"]
        assert list(consents.of("guests", "Ada")) == []

    def test_consents_of_somebody_forgotten_are_nowhere(self, place: Place) -> None:
        consents = DynamoConsents(place.clients, place.table)
        consents.note(STAFF, "Ada", "form 1")
        consents.note(STAFF, "Grace", "form 2")
        assert consents.forget(Gone("Ada", (STAFF, "guests"), False)) == 1
        assert b"form 1" not in place.stored()
        assert list(consents.of(STAFF, "Grace")) == ["form 2"]
