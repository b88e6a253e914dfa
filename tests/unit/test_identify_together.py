"""Who a followed face is, by a vote of several of its frames; the calibration of films: 80 at cosine 0.5."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from faceline.errors import ModelMismatchError
from faceline.gallery.collection import Collection
from faceline.local.database import Database
from faceline.local.face_records import SqliteFaceRecords
from faceline.local.gallery import GALLERY, SqliteCollections
from faceline.similarity import Rule
from faceline.types import Decision, Embedding, Face, Vector
from films import SCORER
from made import MODEL, face, mixed, new_face, vector

STAFF = "staff"


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqliteFaceRecords]:
    database = Database(tmp_path / "gallery.sqlite", GALLERY)
    SqliteCollections(database).create(STAFF, MODEL)
    yield SqliteFaceRecords(database)
    database.close()


def staff(records: SqliteFaceRecords, people: int = 3) -> Collection:
    records.add(STAFF, [new_face(f"face {n}", f"person {n}", vector(n)) for n in range(people)])
    return Collection(STAFF, records, SCORER, Rule(strangers_named=0.005, min_similarity=80))


def near(to: Vector, cosine: float, seed: int) -> Face:
    other = vector(seed) - (vector(seed) @ to) * to
    values = cosine * to + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)
    return face(values.astype(np.float32))


def test_one_face_alone_is_identified_as_by_identify(records: SqliteFaceRecords) -> None:
    collection, probe = staff(records), near(vector(1), 0.8, 50)
    alone, together = collection.identify([probe])[0], collection.identify_together([(probe, 0.3)], probe)
    assert (together.decision, together.name) == (Decision.MATCH, "person 1")
    assert together.similarity == pytest.approx(alone.similarity, abs=0.02)
    assert together.threshold == alone.threshold
    assert [c.name for c in together.candidates] == [c.name for c in alone.candidates]
    assert together.face is probe


def test_one_frame_that_looks_like_somebody_names_nobody(records: SqliteFaceRecords) -> None:
    collection, best = staff(records), face()
    lucky = (near(vector(1), 0.8, 50), 1.0)
    assert collection.identify_together([lucky], best).decision is Decision.MATCH
    others = [(face(vector(900 + n)), 1.0) for n in range(4)]
    assert collection.identify_together([lucky, *others], best).decision is Decision.UNKNOWN


def test_one_poor_frame_does_not_hide_who_the_good_ones_show(records: SqliteFaceRecords) -> None:
    good = [(near(vector(2), 0.8, 50 + n), 0.8) for n in range(4)]
    found = staff(records).identify_together([*good, (face(vector(950)), 0.05)], face())
    assert (found.decision, found.name) == (Decision.MATCH, "person 2")


def test_frames_count_by_their_weights(records: SqliteFaceRecords) -> None:
    collection = staff(records)
    one, two = near(vector(1), 0.9, 50), near(vector(2), 0.9, 51)
    assert collection.identify_together([(one, 1.0), (two, 0.01)], one).candidates[0].name == "person 1"
    assert collection.identify_together([(one, 0.01), (two, 1.0)], one).candidates[0].name == "person 2"


def test_two_people_who_are_both_like_it_are_ambiguous(records: SqliteFaceRecords) -> None:
    between = face(mixed(vector(1), vector(2), 0.5))
    found = staff(records).identify_together([(between, 1.0), (between, 0.5)], between)
    assert (found.decision, found.name) == (Decision.AMBIGUOUS, None)
    assert {candidate.name for candidate in found.candidates[:2]} == {"person 1", "person 2"}


def test_an_empty_collection_knows_nobody(records: SqliteFaceRecords) -> None:
    probe = face(vector(1))
    found = staff(records, people=0).identify_together([(probe, 1.0)], probe)
    assert (found.decision, found.name, found.similarity, found.candidates) == (Decision.UNKNOWN, None, 0.0, ())


def test_in_a_large_gallery_a_person_far_down_in_one_frame_is_still_found(records: SqliteFaceRecords) -> None:
    collection = staff(records, people=300)
    good = [(near(vector(7), 0.85, 5000 + n), 0.9) for n in range(3)]
    far = next(face(vector(n)) for n in range(6000, 6100) if _place_of("person 7", collection, vector(n)) > 100)
    found = collection.identify_together([*good, (far, 0.1)], good[0][0])
    assert (found.decision, found.name) == (Decision.MATCH, "person 7")


def test_no_more_candidates_are_given_than_asked_for(records: SqliteFaceRecords) -> None:
    probe = face(vector(1))
    assert len(staff(records).identify_together([(probe, 1.0)], probe, limit=1).candidates) == 1


def test_an_equal_embedding_has_100(records: SqliteFaceRecords) -> None:
    probe = face(vector(1))
    assert staff(records).identify_together([(probe, 1.0)], probe).similarity == 100.0


def test_faces_without_embeddings_and_of_other_models_are_refused(records: SqliteFaceRecords) -> None:
    collection, plain = staff(records), face()
    with pytest.raises(ValueError, match="embeddings"):
        collection.identify_together([(plain, 1.0)], plain)
    foreign = type(plain)(
        plain.box, plain.landmarks, 99, plain.pose, plain.quality, Embedding(vector(1), "another-model")
    )
    with pytest.raises(ModelMismatchError):
        collection.identify_together([(foreign, 1.0)], foreign)


def _place_of(name: str, collection: Collection, values: Vector) -> int:
    candidates, _ = collection.search(Embedding(values, MODEL), limit=300)
    return [candidate.name for candidate in candidates].index(name)
