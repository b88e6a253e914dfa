"""What the stores of the review must do. A subclass gives the fixtures `here`, `elsewhere` and `stored`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from contract.face_records import Stored
from faceline.erasure import Forgets, Gone
from faceline.errors import ConflictError, NotFoundError, UsageError
from faceline.gallery.names import user_id_of
from faceline.gallery.negatives import Mark, Negatives
from faceline.gallery.ports import Collections, Crop, FaceRecords, NewFace, People
from faceline.gallery.review import Answer, Counts, Kind, Merging, Suspect, Verdict, Verdicts, pair_of
from faceline.gallery.unknowns import UnknownFaces
from faceline.types import Embedding, Vector
from made import MODEL, new_face, record, vector

STAFF = "staff"
ADA, GRACE, BEA = "Ada Lovelace", "Grace Hopper", "Bea"
NOW = "2026-01-31T12:00:00.000+00:00"


@dataclass(frozen=True)
class Stores:
    """All of one storage."""

    collections: Collections
    records: FaceRecords
    people: People
    verdicts: Verdicts
    merging: Merging
    negatives: Negatives
    unknown: UnknownFaces
    erasure: Forgets

    def enrol(self, person: str | None, *face_ids: str) -> None:
        self.records.add(STAFF, [new_face(each, person, vector(n)) for n, each in enumerate(face_ids)])

    def owners(self) -> dict[str, tuple[str | None, str | None]]:
        """Person and label of each face."""
        return {face.face_id: (face.person, face.external_image_id) for face in self.records.find(STAFF)}

    def names(self) -> list[str]:
        return sorted(person.name for person in self.people.page(STAFF, 0, 100))

    def queue(self) -> list[tuple[str, str]]:
        return [(each.pair.a, each.pair.b) for each in self.verdicts.open(STAFF, 100)]

    def generation(self) -> int:
        return self.records.changes(STAFF, 0, 1000).generation


def people(a: str, b: str, similarity: float = 99.0) -> Suspect:
    return Suspect(pair_of(Kind.PEOPLE, a, b), similarity, "scan")


def verdict(a: str, b: str, answer: Answer, at: str = "") -> Verdict:
    return Verdict(pair_of(Kind.PEOPLE, a, b), answer, "an admin", at=at)


def mark(person: str, values: Vector, face_id: str | None = None, source: str = "party.jpg") -> Mark:
    crop = Crop(bytes(range(256)) * 4, ((1.0, 2.0),) * 5)
    return Mark(
        f"mark {person} {source}", person, Embedding(values, MODEL), source, "image 1", "an admin", NOW, face_id, crop
    )


def seen(face_id: str, at: str = NOW, person: int = 7) -> NewFace:
    crop = Crop(f"picture of {face_id}".encode() * 20, ((1.0, 2.0),) * 5)
    return NewFace(replace(record(face_id, None, vector(person)), created_at=at), crop)


def gone(name: str, **ids: Sequence[str]) -> Gone:
    return Gone(name, (STAFF,), True, **{key: frozenset(each) for key, each in ids.items()})


class ReviewContract:
    @pytest.fixture
    def here(self) -> Stores:
        raise NotImplementedError

    @pytest.fixture
    def elsewhere(self) -> Stores:
        """The same storage as another process sees it."""
        raise NotImplementedError

    @pytest.fixture
    def stored(self) -> Stored:
        """Gives all bytes that the storage keeps anywhere."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _staff(self, here: Stores) -> None:
        here.collections.create(STAFF, MODEL)
        here.enrol(ADA, "a1", "a2")
        here.enrol(GRACE, "g1")
        here.enrol(BEA, "b1")

    # Pairs and verdicts

    def test_the_most_alike_names_are_looked_at_first(self, here: Stores) -> None:
        assert here.verdicts.put(STAFF, [people(ADA, BEA, 91), people(BEA, GRACE, 99), people(ADA, GRACE, 95)]) == 3
        assert here.queue() == [(BEA, GRACE), (ADA, GRACE), (ADA, BEA)]
        assert len(here.verdicts.open(STAFF, 2)) == 2

    def test_the_least_alike_faces_of_a_name_are_looked_at_first(self, here: Stores) -> None:
        here.enrol(ADA, "a3")
        pairs = [Suspect(pair_of(Kind.FACES, a, b), s, "scan", person=ADA) for a, b, s in
                 (("a1", "a2", 40.0), ("a3", "a1", 10.0))]  # fmt: skip
        here.verdicts.put(STAFF, pairs)
        assert here.queue() == [("a1", "a3"), ("a1", "a2")]

    def test_a_pair_found_again_keeps_one_row_with_the_new_similarity(self, here: Stores) -> None:
        here.verdicts.put(STAFF, [people(ADA, GRACE, 91)])
        assert here.verdicts.put(STAFF, [people(GRACE, ADA, 97)]) == 0
        (found,) = here.verdicts.open(STAFF, 10)
        assert found.suspect is not None
        assert (found.suspect.similarity, found.verdict) == (97, None)

    @pytest.mark.parametrize("answer", [Answer.SAME, Answer.DIFFERENT])
    def test_a_settled_pair_never_comes_back(self, here: Stores, elsewhere: Stores, answer: Answer) -> None:
        here.verdicts.put(STAFF, [people(ADA, GRACE)])
        here.verdicts.decide(STAFF, verdict(GRACE, ADA, answer))
        assert elsewhere.queue() == []
        here.enrol(ADA, "a new photo")
        assert elsewhere.verdicts.put(STAFF, [people(ADA, GRACE, 99.9)]) == 0
        assert elsewhere.queue() == []
        (decided,) = elsewhere.verdicts.decided(STAFF, 10)
        assert decided.verdict is not None
        assert (decided.verdict.answer, decided.verdict.by) == (answer, "an admin")

    def test_an_unsure_pair_goes_to_the_end_and_the_oldest_of_them_first(self, here: Stores) -> None:
        here.verdicts.put(STAFF, [people(ADA, GRACE, 99), people(ADA, BEA, 98), people(BEA, GRACE, 90)])
        here.verdicts.decide(STAFF, verdict(ADA, GRACE, Answer.UNSURE, "2026-01-02T00:00:00.000+00:00"))
        here.verdicts.decide(STAFF, verdict(ADA, BEA, Answer.UNSURE, "2026-01-01T00:00:00.000+00:00"))
        assert here.queue() == [(BEA, GRACE), (ADA, BEA), (ADA, GRACE)]

    def test_a_pair_of_somebody_who_is_no_longer_enrolled_is_not_asked_about(self, here: Stores) -> None:
        here.verdicts.put(STAFF, [people(ADA, GRACE)])
        here.records.remove(STAFF, ["g1"])
        assert here.queue() == []

    def test_a_label_is_a_name_as_well(self, here: Stores) -> None:
        here.records.add(STAFF, [NewFace(replace(record("l1", None, vector(9)), external_image_id="visitor"))])
        here.verdicts.put(STAFF, [people(ADA, "visitor")])
        assert here.queue() == [(ADA, "visitor")]

    def test_pairs_come_page_by_page_in_the_same_order(self, here: Stores) -> None:
        here.enrol(ADA, "a3")
        faces = Suspect(pair_of(Kind.FACES, "a1", "a3"), 40.25, "scan", person=ADA)
        here.verdicts.put(STAFF, [people(ADA, GRACE, 99.1), people(ADA, BEA, 99.1), people(BEA, GRACE, 90), faces])
        here.verdicts.decide(STAFF, verdict(BEA, GRACE, Answer.UNSURE))
        (first,) = here.verdicts.open(STAFF, 1)
        two = here.verdicts.open(STAFF, 2, first)
        rest = here.verdicts.open(STAFF, 2, two[-1])
        assert [first, *two, *rest] == here.verdicts.open(STAFF, 10)
        assert here.verdicts.open(STAFF, 2, rest[-1]) == []

    def test_decided_pairs_come_page_by_page_the_latest_first(self, here: Stores) -> None:
        for n, (a, b) in enumerate([(ADA, BEA), (ADA, GRACE), (BEA, GRACE)]):
            here.verdicts.decide(STAFF, verdict(a, b, Answer.SAME, f"2026-01-0{1 + n // 2}T00:00:00.000+00:00"))
        (first,) = here.verdicts.decided(STAFF, 1)
        assert [first, *here.verdicts.decided(STAFF, 9, first)] == here.verdicts.decided(STAFF, 9)
        assert (first.pair.a, first.pair.b) == (BEA, GRACE)

    def test_pairs_are_counted(self, here: Stores) -> None:
        assert here.verdicts.counts(STAFF) == Counts(0, 0, 0)
        here.verdicts.put(STAFF, [people(ADA, GRACE), people(ADA, BEA), people(BEA, GRACE)])
        here.verdicts.decide(STAFF, verdict(ADA, GRACE, Answer.UNSURE))
        here.verdicts.decide(STAFF, verdict(ADA, BEA, Answer.SAME))
        assert here.verdicts.counts(STAFF) == Counts(open=2, unsure=1, decided=1)

    def test_a_change_is_only_undone_while_it_is_the_latest(self, here: Stores) -> None:
        here.verdicts.decide(STAFF, verdict(ADA, BEA, Answer.SAME))
        (first,) = here.merging.history(STAFF, 1)
        here.verdicts.decide(STAFF, verdict(ADA, GRACE, Answer.SAME))
        with pytest.raises(ConflictError, match="somebody decided something else"):
            here.merging.undo(STAFF, first.entry)
        here.merging.undo(STAFF)
        assert here.merging.undo(STAFF, first.entry) == first

    def test_a_verdict_can_be_given_without_a_suspicion_and_changed(self, here: Stores) -> None:
        pair = pair_of(Kind.PEOPLE, ADA, BEA)
        assert here.verdicts.get(STAFF, pair) is None
        here.verdicts.decide(STAFF, Verdict(pair, Answer.SAME, "an admin", "twins?"))
        here.verdicts.decide(STAFF, Verdict(pair, Answer.DIFFERENT, "another", "sisters"))
        found = here.verdicts.get(STAFF, pair)
        assert found and found.verdict and found.suspect is None
        assert (found.verdict.answer, found.verdict.by, found.verdict.note) == (Answer.DIFFERENT, "another", "sisters")

    def test_an_undone_verdict_gives_way_to_the_one_before(self, here: Stores) -> None:
        here.verdicts.put(STAFF, [people(ADA, BEA)])
        here.verdicts.decide(STAFF, verdict(ADA, BEA, Answer.UNSURE))
        here.verdicts.decide(STAFF, verdict(ADA, BEA, Answer.SAME))
        assert here.merging.undo(STAFF).detail == "same"
        (found,) = here.verdicts.open(STAFF, 10)
        assert found.verdict is not None
        assert found.verdict.answer is Answer.UNSURE
        here.merging.undo(STAFF)
        assert [each.verdict for each in here.verdicts.open(STAFF, 10)] == [None]
        with pytest.raises(NotFoundError, match=f"nothing was decided in collection {STAFF}"):
            here.merging.undo(STAFF)

    def test_nothing_of_an_unknown_collection(self, here: Stores) -> None:
        verbs: list[Callable[[], object]] = [
            lambda: here.verdicts.put("nowhere", [people(ADA, BEA)]),
            lambda: here.verdicts.open("nowhere", 1),
            lambda: here.verdicts.decided("nowhere", 1),
            lambda: here.verdicts.counts("nowhere"),
            lambda: here.verdicts.decide("nowhere", verdict(ADA, BEA, Answer.SAME)),
            lambda: here.merging.merge("nowhere", ADA, BEA, "x"),
            lambda: here.merging.undo("nowhere"),
            lambda: here.merging.history("nowhere", 1),
            lambda: here.negatives.add("nowhere", mark(ADA, vector(1))),
        ]
        for verb in verbs:
            with pytest.raises(NotFoundError, match="there is no collection nowhere"):
                verb()

    # Who is who

    def test_merging_gives_all_faces_with_their_labels_to_the_one_who_stays(
        self, here: Stores, elsewhere: Stores
    ) -> None:
        before = elsewhere.generation()
        change = here.merging.merge(STAFF, GRACE, ADA, "an admin")
        assert (change.action, change.names, change.faces, change.by) == ("merge", (GRACE, ADA), 1, "an admin")
        assert here.owners()["g1"] == (ADA, ADA)
        assert here.names() == [ADA, BEA]
        changes = elsewhere.records.changes(STAFF, before, 100)
        assert [(face.face_id, face.person) for face in changes.added] == [("g1", ADA)]

    def test_undoing_a_merge_brings_everything_back(self, here: Stores) -> None:
        here.verdicts.put(STAFF, [people(GRACE, BEA, 88), people(ADA, GRACE)])
        here.verdicts.decide(STAFF, verdict(ADA, BEA, Answer.UNSURE))
        here.negatives.add(STAFF, mark(GRACE, vector(5)))
        owners, names, queue = here.owners(), here.names(), here.queue()
        position = here.people.get(STAFF, user_id_of(GRACE)).position
        here.merging.merge(STAFF, GRACE, ADA, "an admin")
        assert [each.person for each in here.negatives.of(STAFF)] == [ADA]
        assert here.queue() == [(ADA, BEA)]
        assert here.merging.undo(STAFF).action == "merge"
        assert (here.owners(), here.names(), here.queue()) == (owners, names, queue)
        assert here.people.get(STAFF, user_id_of(GRACE)).position == position
        assert [each.person for each in here.negatives.of(STAFF)] == [GRACE]

    def test_what_was_settled_of_somebody_holds_for_whom_they_are_merged_into(self, here: Stores) -> None:
        here.verdicts.decide(STAFF, verdict(GRACE, BEA, Answer.DIFFERENT))
        here.merging.merge(STAFF, GRACE, ADA, "an admin")
        found = here.verdicts.get(STAFF, pair_of(Kind.PEOPLE, ADA, BEA))
        assert found and found.verdict
        assert found.verdict.answer is Answer.DIFFERENT

    def test_the_faces_of_a_suspicion_stay_beside_their_names(self, here: Stores) -> None:
        suspect = Suspect(pair_of(Kind.PEOPLE, BEA, GRACE), 97, "scan", ("b1", "g1"))
        here.verdicts.put(STAFF, [suspect])
        here.merging.merge(STAFF, GRACE, ADA, "an admin")
        (found,) = here.verdicts.open(STAFF, 10)
        assert found.suspect is not None
        assert ((found.pair.a, found.pair.b), found.suspect.faces) == ((ADA, BEA), ("g1", "b1"))

    def test_faces_that_have_only_a_label_are_merged_too(self, here: Stores) -> None:
        here.records.add(STAFF, [NewFace(replace(record("l1", None, vector(9)), external_image_id="visitor"))])
        here.merging.merge(STAFF, "visitor", ADA, "an admin")
        assert here.owners()["l1"] == (None, ADA)
        here.merging.undo(STAFF)
        assert here.owners()["l1"] == (None, "visitor")

    def test_a_person_can_be_merged_into_a_label(self, here: Stores) -> None:
        here.records.add(STAFF, [NewFace(replace(record("l1", None, vector(9)), external_image_id="visitor"))])
        here.merging.merge(STAFF, GRACE, "visitor", "an admin")
        assert here.owners()["g1"] == ("visitor", "visitor")
        assert here.names() == [ADA, BEA, "visitor"]
        here.merging.undo(STAFF)
        assert here.names() == [ADA, BEA, GRACE]

    def test_only_two_who_are_known_are_merged(self, here: Stores) -> None:
        with pytest.raises(NotFoundError, match=f"nobody in collection {STAFF} is called Eve"):
            here.merging.merge(STAFF, "Eve", ADA, "an admin")
        with pytest.raises(UsageError, match=f"{ADA} is one person already"):
            here.merging.merge(STAFF, ADA, ADA, "an admin")
        assert here.merging.history(STAFF, 10) == []

    def test_a_merged_away_name_stays_in_the_journal_only_and_is_told_as_an_alias(
        self, here: Stores, stored: Stored
    ) -> None:
        here.merging.merge(STAFF, GRACE, BEA, "an admin")
        here.merging.merge(STAFF, BEA, ADA, "an admin")
        assert here.merging.aliases(STAFF, ADA) == {GRACE, BEA}
        assert here.merging.aliases(STAFF, GRACE) == frozenset()
        here.erasure.forget(gone(GRACE))
        assert here.merging.aliases(STAFF, ADA) == {BEA}
        assert GRACE.encode() not in stored()
        assert user_id_of(GRACE).encode() not in stored()

    def test_whoever_comes_by_a_merged_name_is_who_it_was_merged_into(self, here: Stores) -> None:
        here.merging.merge(STAFF, GRACE, BEA, "an admin")
        here.merging.merge(STAFF, BEA, ADA, "an admin")
        assert [here.merging.merged_into(STAFF, name) for name in (GRACE, BEA, ADA, "Eve")] == [ADA, ADA, ADA, "Eve"]
        here.merging.undo(STAFF)
        assert here.merging.merged_into(STAFF, GRACE) == BEA
        here.records.add(STAFF, [NewFace(record("g2", GRACE, vector(7)))])
        assert here.merging.merged_into(STAFF, GRACE) == GRACE

    def test_a_renamed_person_keeps_everything_but_the_name(self, here: Stores, stored: Stored) -> None:
        here.verdicts.decide(STAFF, verdict(GRACE, BEA, Answer.DIFFERENT))
        here.negatives.add(STAFF, replace(mark(GRACE, vector(5)), mark_id="mark 1"))
        change = here.merging.rename(STAFF, GRACE, "Eve", "an admin")
        assert (change.action, change.names, change.faces, change.by) == ("rename", (GRACE, "Eve"), 1, "an admin")
        assert here.owners()["g1"] == ("Eve", "Eve")
        assert here.names() == [ADA, BEA, "Eve"]
        assert here.verdicts.get(STAFF, pair_of(Kind.PEOPLE, "Eve", BEA)) is not None
        assert [each.person for each in here.negatives.of(STAFF)] == ["Eve"]
        assert here.merging.aliases(STAFF, "Eve") == {GRACE}
        assert here.merging.merged_into(STAFF, GRACE) == "Eve"
        here.erasure.forget(gone(GRACE))
        assert GRACE.encode() not in stored()
        assert user_id_of(GRACE).encode() not in stored()

    def test_undoing_a_rename_brings_the_name_back_also_when_somebody_came_by_the_new_one(self, here: Stores) -> None:
        owners, position = here.owners(), here.people.get(STAFF, user_id_of(GRACE)).position
        here.merging.rename(STAFF, GRACE, "Eve", "an admin")
        here.enrol("Eve", "e1")
        here.merging.undo(STAFF)
        assert here.owners() == {**owners, "e1": ("Eve", "Eve")}
        assert here.people.get(STAFF, user_id_of(GRACE)).position == position
        assert here.names() == [ADA, BEA, "Eve", GRACE]

    def test_a_renamed_person_is_no_alias_of_themselves_once_the_name_is_theirs_again(self, here: Stores) -> None:
        here.merging.rename(STAFF, GRACE, "Eve", "an admin")
        here.merging.rename(STAFF, "Eve", GRACE, "an admin")
        assert here.merging.aliases(STAFF, GRACE) == {"Eve"}
        assert [here.merging.merged_into(STAFF, name) for name in (GRACE, "Eve")] == [GRACE, GRACE]

    def test_a_name_that_somebody_has_is_given_to_nobody_else(self, here: Stores) -> None:
        here.records.add(STAFF, [NewFace(replace(record("l1", None, vector(9)), external_image_id="visitor"))])
        for taken in (ADA, "visitor", user_id_of(ADA)):
            with pytest.raises(ConflictError, match=ADA if taken != "visitor" else taken):
                here.merging.rename(STAFF, GRACE, taken, "an admin")
        with pytest.raises(NotFoundError, match="Eve"):
            here.merging.rename(STAFF, "Eve", "Eva", "an admin")
        with pytest.raises(UsageError, match="called so already"):
            here.merging.rename(STAFF, GRACE, GRACE, "an admin")
        assert here.owners()["g1"] == (GRACE, GRACE)

    def test_splitting_gives_faces_to_somebody_new_and_settles_the_two(self, here: Stores) -> None:
        change = here.merging.split(STAFF, ADA, ["a2"], "Eve", "an admin")
        assert (change.action, change.faces) == ("split", 1)
        assert (here.owners()["a1"], here.owners()["a2"]) == ((ADA, ADA), ("Eve", "Eve"))
        assert here.names() == [ADA, BEA, "Eve", GRACE]
        found = here.verdicts.get(STAFF, pair_of(Kind.PEOPLE, ADA, "Eve"))
        assert found and found.verdict
        assert found.verdict.answer is Answer.DIFFERENT
        here.merging.undo(STAFF)
        assert here.owners()["a2"] == (ADA, ADA)
        assert here.names() == [ADA, BEA, GRACE]
        assert here.verdicts.get(STAFF, pair_of(Kind.PEOPLE, ADA, "Eve")) is None

    def test_splitting_settles_suspicions_about_the_faces(self, here: Stores) -> None:
        here.enrol(ADA, "a3", "a4")
        pairs = [pair_of(Kind.FACES, "a1", "a2"), pair_of(Kind.FACES, "a3", "a4")]
        here.verdicts.put(STAFF, [Suspect(pair, 20.0, "scan", person=ADA) for pair in pairs])
        here.merging.split(STAFF, ADA, ["a2"], BEA, "an admin")
        assert here.queue() == [("a3", "a4")]
        here.merging.undo(STAFF)
        assert here.queue() == [("a1", "a2"), ("a3", "a4")]

    def test_a_split_must_leave_somebody_and_be_of_their_faces(self, here: Stores) -> None:
        with pytest.raises(UsageError, match=f"{ADA} has 2 faces and 2 of them"):
            here.merging.split(STAFF, ADA, ["a1", "a2"], "Eve", "an admin")
        with pytest.raises(NotFoundError, match=f"{ADA} has no face g1"):
            here.merging.split(STAFF, ADA, ["g1"], "Eve", "an admin")
        with pytest.raises(ConflictError, match=GRACE):
            here.merging.split(STAFF, ADA, ["a1"], user_id_of(GRACE), "an admin")
        assert here.owners()["a1"] == (ADA, ADA)
        assert "Eve" not in here.names()

    def test_undoing_leaves_faces_alone_that_changed_since(self, here: Stores) -> None:
        here.enrol(GRACE, "g2", "g3")
        here.merging.merge(STAFF, GRACE, ADA, "an admin")
        here.records.remove(STAFF, ["g2"])
        here.people.disassociate(STAFF, user_id_of(ADA), ["g3"])
        here.merging.undo(STAFF)
        assert {face_id: who[0] for face_id, who in here.owners().items() if face_id[0] == "g"} == {
            "g1": GRACE,
            "g3": None,
        }

    def test_the_history_tells_the_latest_first(self, here: Stores) -> None:
        here.verdicts.decide(STAFF, verdict(ADA, BEA, Answer.DIFFERENT))
        here.negatives.add(STAFF, mark(ADA, vector(5)))
        here.merging.merge(STAFF, GRACE, ADA, "an admin")
        assert [change.action for change in here.merging.history(STAFF, 10)] == ["merge", "mark", "verdict"]
        assert len(here.merging.history(STAFF, 2)) == 2

    # Counter-examples

    def test_a_mark_is_seen_elsewhere_and_raises_the_generation(self, here: Stores, elsewhere: Stores) -> None:
        before = elsewhere.generation()
        here.negatives.add(STAFF, mark(ADA, vector(5)))
        (found,) = elsewhere.negatives.of(STAFF)
        assert (found.person, found.source, found.embedding.model) == (ADA, "party.jpg", MODEL)
        assert np.array_equal(found.embedding.values, vector(5))
        assert elsewhere.generation() > before
        before = elsewhere.generation()
        here.negatives.remove(STAFF, found.mark_id)
        assert elsewhere.negatives.of(STAFF) == []
        assert elsewhere.generation() > before
        with pytest.raises(NotFoundError, match="no mark"):
            here.negatives.remove(STAFF, found.mark_id)

    def test_a_persons_face_that_is_not_theirs_becomes_nobodys(self, here: Stores) -> None:
        here.negatives.add(STAFF, mark(ADA, vector(1), "a2"))
        assert here.owners()["a2"] == (None, None)
        here.merging.undo(STAFF)
        assert here.owners()["a2"] == (ADA, ADA)
        assert here.negatives.of(STAFF) == []

    def test_a_mark_on_somebody_elses_face_leaves_it_theirs(self, here: Stores) -> None:
        here.negatives.add(STAFF, mark(ADA, vector(0), "g1"))
        assert here.owners()["g1"] == (GRACE, GRACE)
        assert len(here.negatives.of(STAFF)) == 1

    def test_a_mark_does_not_count_once_the_face_is_theirs_and_goes_with_the_face(self, here: Stores) -> None:
        here.negatives.add(STAFF, mark(ADA, vector(0), "g1"))
        here.merging.merge(STAFF, GRACE, ADA, "an admin")
        assert here.negatives.of(STAFF) == []
        here.merging.undo(STAFF)
        assert len(here.negatives.of(STAFF)) == 1
        here.records.remove(STAFF, ["g1"])
        assert here.negatives.of(STAFF) == []

    # Strangers

    def test_unknown_faces_take_the_place_of_those_their_photo_had(self, here: Stores, elsewhere: Stores) -> None:
        here.unknown.replace(STAFF, "one.jpg", [with_source(seen("u1"), "one.jpg")], 10)
        here.unknown.replace(STAFF, "two.jpg", [with_source(seen("u2"), "two.jpg")], 10)
        here.unknown.replace(STAFF, "one.jpg", [with_source(seen("u3"), "one.jpg")], 10)
        found = elsewhere.unknown.all(STAFF)
        assert [face.face_id for face in found] == ["u2", "u3"]
        assert np.array_equal(found[0].embedding.values, vector(7))
        assert elsewhere.unknown.crop(STAFF, "u2") == seen("u2").crop
        assert elsewhere.unknown.crop(STAFF, "u1") is None

    def test_beyond_the_bound_the_oldest_unknown_faces_go(self, here: Stores) -> None:
        for n in range(5):
            face = with_source(seen(f"u{n}", f"2026-01-0{n + 1}T00:00:00.000+00:00"), f"{n}.jpg")
            here.unknown.replace(STAFF, f"{n}.jpg", [face], 3)
        assert [face.face_id for face in here.unknown.all(STAFF)] == ["u2", "u3", "u4"]

    def test_unknown_faces_expire(self, here: Stores) -> None:
        for n in (1, 2):
            face = with_source(seen(f"u{n}", f"2026-01-0{n}T00:00:00.000+00:00"), f"{n}.jpg")
            here.unknown.replace(STAFF, f"{n}.jpg", [face], 10)
        assert here.unknown.expire("2026-01-02T00:00:00.000+00:00") == 1
        assert [face.face_id for face in here.unknown.all(STAFF)] == ["u2"]

    def test_unknown_faces_of_no_collection_are_not_kept(self, here: Stores) -> None:
        here.unknown.replace("nowhere", "one.jpg", [seen("u1")], 10)
        assert here.unknown.all("nowhere") == []

    def test_nothing_is_left_of_removed_unknown_faces(self, here: Stores, stored: Stored) -> None:
        faces = [seen(f"u{n}", person=100 + n) for n in range(40)]
        for face in faces:
            here.unknown.replace(STAFF, face.record.source, [face], 100)
        assert here.unknown.remove(STAFF, [f"u{n}" for n in range(0, 40, 2)]) == 20
        left = stored()
        for n in range(0, 40, 2):
            assert faces[n].record.embedding.values.tobytes() not in left
            assert f"picture of u{n}".encode() * 20 not in left

    # Erasure

    def test_nothing_is_left_of_somebody_who_is_forgotten(self, here: Stores, stored: Stored) -> None:
        here.verdicts.put(STAFF, [people(GRACE, ADA), people(ADA, BEA)])
        here.verdicts.decide(STAFF, verdict(GRACE, BEA, Answer.DIFFERENT))
        here.negatives.add(STAFF, mark(GRACE, vector(51)))
        here.negatives.add(STAFF, mark(ADA, vector(52), "g1", "g1.jpg"))
        here.negatives.add(STAFF, mark(ADA, vector(53), source="kept.jpg"))
        here.merging.merge(STAFF, BEA, GRACE, "an admin")
        here.merging.undo(STAFF)
        here.unknown.replace(STAFF, "g1.jpg", [with_source(seen("u1", person=54), "g1.jpg")], 10)
        assert here.erasure.forget(gone(GRACE, face_ids=["g1"], sources=["g1.jpg"])) > 5
        here.records.remove(STAFF, ["g1"])
        assert [each.source for each in here.negatives.of(STAFF)] == ["kept.jpg"]
        assert here.queue() == [(ADA, BEA)]
        assert all(GRACE not in change.names for change in here.merging.history(STAFF, 10))
        left = stored()
        for trace in (GRACE.encode(), *(vector(n).astype("<f4").tobytes() for n in (51, 52, 54))):
            assert trace not in left
        assert vector(53).astype("<f4").tobytes() in left

    def test_nothing_is_left_of_a_dropped_collection(self, here: Stores, stored: Stored) -> None:
        here.verdicts.put(STAFF, [people(GRACE, ADA)])
        here.negatives.add(STAFF, mark(GRACE, vector(51)))
        here.unknown.replace(STAFF, "one.jpg", [seen("u1", person=54)], 10)
        here.collections.drop(STAFF)
        left = stored()
        for trace in (GRACE.encode(), *(vector(n).astype("<f4").tobytes() for n in (51, 54))):
            assert trace not in left


def with_source(face: NewFace, source: str) -> NewFace:
    return NewFace(replace(face.record, source=source), face.crop)
