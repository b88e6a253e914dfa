"""Who a face is by the collection's rule, with made vectors and a calibration that is easy to reckon with.

The calibration: a cosine of 0.5 is reached by one stranger in 1,000 (similarity 80), 0.75 by one in 31,623, 1.0 by one
in a million. With n people a name needs the score that one stranger in n / strangers_named reaches.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from faceline.errors import ModelMismatchError
from faceline.gallery.collection import Collection
from faceline.local.database import Database
from faceline.local.face_records import SqliteFaceRecords
from faceline.local.gallery import GALLERY, SqliteCollections
from faceline.similarity import Calibration, Rule, Scorer
from faceline.types import Decision, Embedding, Identification, Vector
from made import MODEL, face, mixed, new_face, vector

SCORER = Scorer(MODEL, Calibration((0.0, 0.5, 1.0), (-0.3, -3.0, -6.0)))
STAFF = "staff"


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqliteFaceRecords]:
    database = Database(tmp_path / "gallery.sqlite", GALLERY)
    SqliteCollections(database).create(STAFF, MODEL)
    yield SqliteFaceRecords(database)
    database.close()


def staff(records: SqliteFaceRecords, person_score: str = "mean", rule: Rule | None = None) -> Collection:
    return Collection(STAFF, records, SCORER, rule or Rule(strangers_named=0.001, min_similarity=80), person_score)


def enrol(records: SqliteFaceRecords, person: str, *vectors: Vector) -> None:
    records.add(STAFF, [new_face(f"{person} {n}", person, values) for n, values in enumerate(vectors)])


def who(collection: Collection, values: Vector) -> Identification:
    return collection.identify([face(values)])[0]


def at_cosine(cosine: float, to: Vector, seed: int = 99) -> Vector:
    """Of unit length, at this cosine to a vector."""
    other = vector(seed) - (vector(seed) @ to) * to
    other /= np.linalg.norm(other)
    values: Vector = (cosine * to + np.sqrt(1 - cosine**2) * other).astype(np.float32)
    return values


def test_an_empty_collection_knows_nobody(records: SqliteFaceRecords) -> None:
    found = who(staff(records), vector(1))
    assert (found.decision, found.name, found.similarity, found.candidates) == (Decision.UNKNOWN, None, 0.0, ())
    assert staff(records).people() == 0


@pytest.mark.parametrize("person_score", ["mean", "best"])
def test_the_enrolled_face_itself_is_100_and_another_of_the_person_less(
    records: SqliteFaceRecords, person_score: str
) -> None:
    enrol(records, "Ada", vector(1))
    collection = staff(records, person_score)
    assert (who(collection, vector(1)).name, who(collection, vector(1)).similarity) == ("Ada", 100.0)
    near = who(collection, at_cosine(0.9, vector(1)))
    assert (near.decision, near.name) == (Decision.MATCH, "Ada")
    assert 90 < near.similarity < 100
    assert near.candidates[0].face_id == "Ada 0"


def test_a_face_below_the_threshold_is_unknown_but_its_candidates_are_told(records: SqliteFaceRecords) -> None:
    enrol(records, "Ada", vector(1))
    found = who(staff(records), at_cosine(0.45, vector(1)))
    assert (found.decision, found.name) == (Decision.UNKNOWN, None)
    assert [candidate.name for candidate in found.candidates] == ["Ada"]
    assert 50 < found.similarity < found.threshold == 80


def test_a_name_needs_more_the_more_people_there_are(records: SqliteFaceRecords) -> None:
    enrol(records, "Ada", vector(1))
    probe = at_cosine(0.55, vector(1))
    collection = staff(records)
    assert who(collection, probe).decision is Decision.MATCH
    for n in range(100, 160):
        enrol(records, f"person {n}", vector(n))
    found = who(collection, probe)
    assert (found.decision, found.candidates[0].name) == (Decision.UNKNOWN, "Ada")
    assert found.threshold > 80
    assert collection.threshold() == found.threshold


def test_two_people_too_close_to_one_another_are_ambiguous(records: SqliteFaceRecords) -> None:
    between = mixed(vector(1), vector(2), 0.5)
    enrol(records, "Ada", vector(1))
    enrol(records, "Twin", vector(2))
    found = who(staff(records), between)
    assert (found.decision, found.name) == (Decision.AMBIGUOUS, None)
    assert {candidate.name for candidate in found.candidates} == {"Ada", "Twin"}


def test_a_second_person_far_enough_behind_does_not_matter(records: SqliteFaceRecords) -> None:
    enrol(records, "Ada", vector(1))
    enrol(records, "Twin", vector(2))
    assert who(staff(records), mixed(vector(1), vector(2), 0.65)).name == "Ada"


def test_how_far_ahead_the_best_must_be_is_a_setting(records: SqliteFaceRecords) -> None:
    enrol(records, "Ada", vector(1))
    enrol(records, "Twin", vector(2))
    between = mixed(vector(1), vector(2), 0.505)
    assert who(staff(records, rule=Rule(0.001, 80, ambiguity=1.0)), between).decision is Decision.AMBIGUOUS
    assert who(staff(records, rule=Rule(0.001, 80, ambiguity=0.0)), between).name == "Ada"


def test_two_photos_of_one_person_are_never_ambiguous(records: SqliteFaceRecords) -> None:
    enrol(records, "Ada", vector(1), at_cosine(0.95, vector(1)))
    for person_score in ("mean", "best"):
        assert who(staff(records, person_score), at_cosine(0.97, vector(1))).name == "Ada"


def test_best_takes_the_nearest_photo_and_mean_what_they_have_in_common(records: SqliteFaceRecords) -> None:
    enrol(records, "Ada", vector(1), vector(2), vector(3))
    probe = at_cosine(0.7, vector(1))
    assert who(staff(records, "best"), probe).name == "Ada"
    assert who(staff(records, "mean"), probe).decision is Decision.UNKNOWN
    common = mixed(mixed(vector(1), vector(2), 0.5), vector(3), 2 / 3)
    assert who(staff(records, "mean"), common).similarity > who(staff(records, "best"), common).similarity


@pytest.mark.parametrize("person_score", ["mean", "best"])
def test_adding_and_removing_photos_changes_the_answer_at_once(records: SqliteFaceRecords, person_score: str) -> None:
    collection = staff(records, person_score)
    enrol(records, "Ada", vector(1))
    assert who(collection, vector(2)).decision is Decision.UNKNOWN
    enrol(records, "Grace", vector(2))
    assert who(collection, vector(2)).name == "Grace"
    records.remove(STAFF, ["Grace 0"])
    assert who(collection, vector(2)).decision is Decision.UNKNOWN
    assert [candidate.name for candidate in who(collection, vector(2)).candidates] == ["Ada"]
    records.remove(STAFF, ["Ada 0"])
    assert (collection.people(), who(collection, vector(1)).candidates) == (0, ())
    enrol(records, "Ada again", vector(1))
    assert who(collection, vector(1)).name == "Ada again"


def test_no_more_candidates_come_than_were_asked_for_best_first(records: SqliteFaceRecords) -> None:
    for n in range(20):
        enrol(records, f"person {n}", vector(n))
    collection = staff(records)
    assert len(collection.identify([face(vector(3))], limit=1)[0].candidates) == 1
    candidates = collection.identify([face(vector(3))], limit=7)[0].candidates
    assert len(candidates) == 7
    assert candidates[0].name == "person 3"
    assert [c.similarity for c in candidates] == sorted((c.similarity for c in candidates), reverse=True)


def test_faces_without_a_person_are_not_searched(records: SqliteFaceRecords) -> None:
    records.add(STAFF, [new_face("1", None, vector(1))])
    assert who(staff(records), vector(1)).candidates == ()


def test_every_face_of_a_photo_gets_an_answer_in_order(records: SqliteFaceRecords) -> None:
    enrol(records, "Ada", vector(1))
    faces = [face(vector(5)), face(vector(1)), face(vector(6))]
    found = staff(records).identify(faces)
    assert [each.face for each in found] == faces
    assert [each.name for each in found] == [None, "Ada", None]
    assert staff(records).identify([]) == []


def test_embeddings_of_another_model_are_never_compared(tmp_path: Path, records: SqliteFaceRecords) -> None:
    enrol(records, "Ada", vector(1))
    other = Collection(STAFF, records, Scorer("other-model", SCORER.calibration), Rule())
    with pytest.raises(ModelMismatchError, match="other-model"):
        who(other, vector(1))
    with pytest.raises(ValueError, match="embeddings"):
        staff(records).identify([face(None)])


def test_foreign_embeddings_are_refused_by_every_search(records: SqliteFaceRecords) -> None:
    enrol(records, "Ada", vector(1))
    collection, foreign = staff(records), Embedding(vector(1), "other-model")
    for ask in (
        lambda: collection.search(foreign),
        lambda: collection.search_faces(foreign, 5, 0),
        lambda: collection.search_people(foreign, 5, 0),
        lambda: collection.similarities_to("Ada", [foreign]),
        lambda: collection.similarities_to("nobody", [foreign]),
    ):
        with pytest.raises(ModelMismatchError, match="other-model"):
            ask()
