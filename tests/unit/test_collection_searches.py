"""Faces and people by similarity, against brute force, while faces come, go and change hands."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceline.gallery.collection import Collection
from faceline.gallery.ports import Changes
from faceline.gallery.search import VectorIndex
from faceline.gallery.shelves import Shelves
from faceline.similarity import Calibration, Cohort, Normalised, Rule, Scorer, pair_scores
from faceline.types import Embedding, FaceRecord, Vector
from made import MODEL, face, record

DIMENSIONS = 6
ROUNDED = 0.011  # a last digit, where two ways of adding up fall on either side of its middle
NAMES = [None, "Ada", "Grace", "Hedy"]


def unit(seed: int) -> Vector:
    values = np.random.default_rng(seed).normal(size=DIMENSIONS)
    unit: Vector = (values / np.linalg.norm(values)).astype(np.float32)
    return unit


SCORER = Scorer(
    MODEL,
    Calibration((-2.0, 0.0, 1.0, 2.0, 3.0), (-0.3, -1.0, -2.5, -4.0, -6.0)),
    Cohort(np.stack([unit(n) for n in range(10_000, 10_080)]), top=12),
)
RULE = Rule(strangers_named=0.05, min_similarity=50)
PROBES = [unit(n) for n in (0, 1, 500, 501)]


@dataclass
class Log:
    """Stands in for the storage, as far as a collection asks: what changed, in pages of three."""

    generation: int = 0
    added: dict[str, tuple[int, FaceRecord]] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)

    def put(self, face_id: str, values: Vector, person: str | None = None, label: str | None = None) -> None:
        self.generation += 1
        one = replace(record(face_id, person, values), external_image_id=label)
        self.added[face_id] = (self.generation, one)

    def give(self, face_id: str, person: str | None) -> None:
        self.generation += 1
        self.added[face_id] = (self.generation, replace(self.added[face_id][1], person=person))

    def remove(self, face_id: str) -> None:
        self.generation += 1
        self.removed[face_id] = self.generation
        del self.added[face_id]

    def changes(self, _collection: str, since: int, _limit: int) -> Changes:
        rows = sorted((each for each in self.added.values() if each[0] > since), key=lambda each: each[0])[:3]
        reached = rows[-1][0] if len(rows) == 3 else self.generation
        gone = [face_id for face_id, at in self.removed.items() if since < at <= reached]
        return Changes(reached, [one for _, one in rows], gone)

    def records(self) -> list[FaceRecord]:
        return [one for _, one in self.added.values()]


def collection_of(log: Log, person_score: str = "mean") -> Collection:
    return Collection("staff", log, SCORER, RULE, person_score)  # type: ignore[arg-type]


def embedded(values: Vector) -> Embedding:
    return Embedding(values, MODEL)


def templates(records: Sequence[FaceRecord], names: dict[str, str | None], person_score: str) -> dict[str, Vector]:
    """names: of each face id. By name the rows (n, d) that stand for it."""
    rows: dict[str, list[Vector]] = {}
    for one in records:
        name = names[one.face_id]
        if name is not None:
            rows.setdefault(name, []).append(one.embedding.values)
    if person_score == "best":
        return {name: np.stack(vectors) for name, vectors in rows.items()}
    return {name: mean(np.stack(vectors))[None] for name, vectors in rows.items()}


def mean(vectors: Vector) -> Vector:
    values = vectors.mean(axis=0)
    shortened: Vector = values / np.sqrt(np.linalg.norm(values))
    return vectors[0] if np.array_equal(vectors, np.tile(vectors[0], (len(vectors), 1))) else shortened


def score(probes: Vector, rows: Vector) -> float:
    return float(pair_scores(SCORER.normalise(probes), SCORER.normalise(rows)).max())


def similarity(probes: Vector, rows: Vector) -> float:
    """Of the most similar pair; 100 for equal ones."""
    if any(np.array_equal(probe, row) for probe in probes for row in rows):
        return 100.0
    return float(SCORER.calibration.similarity(score(probes, rows)))


def assert_best(found: dict[str, float], expected: dict[str, float], limit: int, least: float) -> None:
    """found: in the order in which it came."""
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert all(each >= least for each in found.values())
    for name, each in found.items():
        assert each == pytest.approx(expected[name], abs=ROUNDED)
    certain = sum(each >= least + ROUNDED for each in expected.values())
    assert min(limit, certain) <= len(found) <= limit
    if len(found) < len(expected):
        others = [each for name, each in expected.items() if name not in found]
        assert max(others) < max(least, min(found.values(), default=0) if len(found) == limit else least) + ROUNDED


def check_identities(collection: Collection, records: Sequence[FaceRecord], person_score: str) -> None:
    known = templates(records, {one.face_id: one.identity for one in records}, person_score)
    anonymous = sum(one.identity is None for one in records)
    assert collection.people() == len(known) + anonymous
    assert collection.faces() == len(records)
    for probe in PROBES:
        expected = {name: score(probe[None], rows) for name, rows in known.items()}
        candidates, log_rates = collection.search(embedded(probe), 2)
        best = sorted(expected.values(), reverse=True)[:2]
        np.testing.assert_allclose(log_rates, SCORER.calibration.log_rate(np.array(best)), atol=1e-4)
        np.testing.assert_allclose([expected[each.name] for each in candidates], best, atol=1e-4)
        for each in candidates:
            theirs = [one for one in records if one.identity == each.name]
            nearest = max(float(one.embedding.values @ probe) for one in theirs)
            told = next(one for one in theirs if one.face_id == each.face_id).embedding.values
            assert float(told @ probe) == pytest.approx(nearest, abs=1e-5)
            plain = 100.0 if np.array_equal(told, probe) else SCORER.calibration.similarity(expected[each.name])
            assert each.similarity == pytest.approx(float(plain), abs=ROUNDED)
        decision = RULE.decide(SCORER.calibration.log_rate(np.array(best)), len(known) + anonymous)
        assert collection.identify([face(probe)])[0].decision is decision


def check_faces(collection: Collection, records: Sequence[FaceRecord]) -> None:
    for probe in PROBES:
        expected = {one.face_id: SCORER.similarity_of(probe, one.embedding.values) for one in records}
        for limit, least in ((100, 0.0), (3, 0.0), (100, 40.0), (2, 70.0), (5, 100.0)):
            found = collection.search_faces(embedded(probe), limit, least)
            assert_best({each.face_id: each.similarity for each in found}, expected, limit, least)
    for one in records:
        read = collection.embedding_of(one.face_id)
        assert read is not None
        assert np.array_equal(read.values, one.embedding.values)


def check_people(collection: Collection, records: Sequence[FaceRecord], person_score: str) -> None:
    known = templates(records, {one.face_id: one.person for one in records}, person_score)
    for probe in PROBES:
        expected = {name: similarity(probe[None], rows) for name, rows in known.items()}
        for limit, least in ((10, 0.0), (1, 0.0), (10, 50.0)):
            found = collection.search_people(embedded(probe), limit, least)
            assert_best({each.name: each.similarity for each in found}, expected, limit, least)
    for person, rows in known.items():
        expected = {name: similarity(rows, others) for name, others in known.items() if name != person}
        found = collection.people_like(person, 2, 10.0)
        assert_best({each.name: each.similarity for each in found}, expected, 2, 10.0)
        told = collection.similarities_to(person, [embedded(probe) for probe in PROBES])
        assert told == pytest.approx([similarity(probe[None], rows) for probe in PROBES], abs=ROUNDED)
    for name in set(filter(None, NAMES)) - known.keys():
        assert collection.people_like(name, 5, 0.0) == []
        assert collection.similarities_to(name, [embedded(PROBES[0])]) is None


CHANGE = st.tuples(
    st.sampled_from(["put", "put", "put", "give", "remove", "ask"]),
    st.integers(0, 11),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
)


@pytest.mark.parametrize("person_score", ["mean", "best"])
@given(changes=st.lists(CHANGE, max_size=40), distinct=st.sampled_from([4, 50]))
@settings(max_examples=40, deadline=None)
def test_after_any_changes_every_answer_is_that_of_brute_force(
    person_score: str, changes: list[tuple[str, int, str | None, str | None]], distinct: int
) -> None:
    """distinct: so many different vectors; few of them make equal faces."""
    log = Log()
    collection = collection_of(log, person_score)
    for step, (what, number, person, label) in enumerate(changes):
        face_id = f"face {number}"
        if what == "ask":
            collection.search_faces(embedded(PROBES[0]), 3, 0.0)
            collection.search(embedded(PROBES[0]))
        elif what == "put" and face_id not in log.added:
            log.put(face_id, unit(step % distinct), person, label)
        elif what == "give" and face_id in log.added:
            log.give(face_id, person)
        elif what == "remove" and face_id in log.added:
            log.remove(face_id)
    check_identities(collection, log.records(), person_score)
    check_faces(collection, log.records())
    check_people(collection, log.records(), person_score)


@pytest.mark.parametrize("person_score", ["mean", "best"])
def test_one_person_with_very_many_faces_hides_nobody(person_score: str) -> None:
    log = Log()
    near = [unit(0) + 0.01 * unit(n) for n in range(1, 200)]
    for n, values in enumerate(near):
        log.put(f"Ada {n}", (values / np.linalg.norm(values)).astype(np.float32), "Ada")
    for n, name in enumerate(("Grace", "Hedy")):
        log.put(name, unit(700 + n), name)
    collection = collection_of(log, person_score)
    assert collection.search(embedded(unit(0)))[0][0].name == "Ada"
    assert {each.name for each in collection.search(embedded(unit(0)), 3)[0]} == {"Ada", "Grace", "Hedy"}
    assert {each.name for each in collection.search_people(embedded(unit(0)), 3, 0.0)} == {"Ada", "Grace", "Hedy"}
    assert {each.name for each in collection.people_like("Ada", 2, 0.0)} == {"Grace", "Hedy"}


def test_a_label_is_identified_but_is_no_person() -> None:
    log = Log()
    log.put("1", unit(1), label="Ada")
    collection = collection_of(log)
    assert [each.name for each in collection.search(embedded(unit(1)))[0]] == ["Ada"]
    assert collection.search_people(embedded(unit(1)), 5, 0.0) == []
    assert collection.similarities_to("Ada", [embedded(unit(1))]) is None


@pytest.mark.parametrize("person_score", ["mean", "best"])
def test_a_label_of_the_same_text_does_not_touch_the_persons_template(person_score: str) -> None:
    log = Log()
    log.put("1", unit(1), person="Ada")
    log.put("2", unit(2), label="Ada")
    collection = collection_of(log, person_score)
    assert collection.similarities_to("Ada", [embedded(unit(1))]) == [100.0]
    [found] = collection.search_people(embedded(unit(2)), 5, 0.0)
    assert found.similarity == pytest.approx(SCORER.similarity_of(unit(1), unit(2)), abs=ROUNDED)
    assert collection.people() == 1


def test_an_anonymous_face_is_somebody_whom_nothing_names() -> None:
    log = Log()
    log.put("1", unit(1))
    log.put("2", unit(1))
    collection = collection_of(log)
    assert (collection.people(), collection.faces()) == (2, 2)
    assert collection.threshold() == RULE.threshold(2)
    assert collection.identify([face(unit(1))])[0].candidates == ()
    assert [each.similarity for each in collection.search_faces(embedded(unit(1)), 5, 100.0)] == [100.0, 100.0]


def test_a_face_that_is_given_to_another_person_moves() -> None:
    log = Log()
    log.put("1", unit(1))
    collection = collection_of(log)
    for person in ("Ada", "Grace", None):
        log.give("1", person)
        named = [each.name for each in collection.search_people(embedded(unit(1)), 5, 0.0)]
        assert named == ([person] if person else [])
        assert (collection.faces(), collection.people()) == (1, 1)


def test_asking_about_no_embeddings_or_an_unknown_face_gives_nothing() -> None:
    log = Log()
    collection = collection_of(log)
    assert collection.search_faces(embedded(unit(1)), 5, 0.0) == []
    assert collection.search_people(embedded(unit(1)), 5, 0.0) == []
    log.put("1", unit(1), "Ada")
    assert collection.similarities_to("Ada", []) == []
    assert collection.embedding_of("2") is None
    assert collection.search_faces(embedded(unit(1)), 0, 0.0) == []


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each normalisation from now on had."""
    rows: list[int] = []
    normalise = Cohort.normalise

    def counting(cohort: Cohort, vectors: Vector) -> Normalised:
        rows.append(len(vectors))
        return normalise(cohort, vectors)

    monkeypatch.setattr(Cohort, "normalise", counting)
    return rows


def test_the_only_face_of_a_person_is_normalised_and_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    log, rows = Log(), counted(monkeypatch)
    for n in range(30):
        log.put(str(n), unit(n), f"person {n}")
    collection = collection_of(log)
    collection.refresh()
    assert sum(rows) == 30
    assert sum(len(index) for index in indexes(collection)) == 30
    log.put("again", unit(99), "person 7")
    collection.refresh()
    assert sum(rows) == 30 + 2  # the new face, and the template that two faces have
    log.remove("again")
    collection.refresh()
    collection.search_faces(embedded(unit(1)), 5, 0.0)
    assert sum(rows) == 30 + 2 + 1  # the probe


def test_identifying_does_not_wait_for_rows_that_only_face_searches_need(monkeypatch: pytest.MonkeyPatch) -> None:
    log, rows = Log(), counted(monkeypatch)
    for n in range(30):
        log.put(str(n), unit(n), f"person {n % 3}")
    collection = collection_of(log)
    collection.search(embedded(unit(1)))
    assert sum(rows) == 3 + 1


@pytest.mark.parametrize("person_score", ["mean", "best"])
def test_after_removal_nothing_of_a_vector_or_template_is_in_memory(person_score: str) -> None:
    log = Log()
    for n in range(60):
        log.put(str(n), unit(n), person=f"person {n % 20}" if n % 2 else None, label=f"person {n % 7}")
    collection = collection_of(log, person_score)
    collection.refresh()
    for n in range(0, 60, 3):
        log.give(str(n), "Ada")
    collection.refresh()
    for n in range(60):
        log.remove(str(n))
    collection.refresh()
    assert (collection.faces(), collection.people()) == (0, 0)
    for index in indexes(collection):
        assert len(index) == 0
        assert not index._vectors[:60].any()


def indexes(collection: Collection) -> Iterator[VectorIndex]:
    for shelves in vars(collection._enrolled).values():
        if isinstance(shelves, Shelves):
            yield from shelves._shelves.values()


def test_threads_ask_while_faces_come_and_go() -> None:
    log, lock, wrong = Log(), threading.Lock(), list[object]()
    log.put("stays", unit(0), "Ada")
    collection = collection_of(log)

    class Locked:
        def changes(self, name: str, since: int, limit: int) -> Changes:
            with lock:
                return log.changes(name, since, limit)

    collection._records = Locked()  # type: ignore[assignment]
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            faces = collection.search_faces(embedded(unit(0)), 1, 100.0)
            people = collection.search_people(embedded(unit(0)), 1, 100.0)
            if [each.face_id for each in faces] != ["stays"] or [each.name for each in people] != ["Ada"]:
                wrong.append((faces, people))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(1, 120):
        with lock:
            log.put(str(n), unit(n), f"person {n % 9}")
            if n > 20:
                log.remove(str(n - 20))
    done.set()
    for thread in threads:
        thread.join(timeout=30)
    assert wrong == []
    assert collection.faces() == 21
