"""What counter-examples do to a collection's answers, with the calibration of `test_collection`."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceline.gallery.collection import Collection
from faceline.gallery.negatives import REFUTING_SIMILARITY, Mark
from faceline.local.database import Database
from faceline.local.face_records import SqliteFaceRecords
from faceline.local.gallery import GALLERY, SqliteCollections
from faceline.local.negatives import SqliteNegatives
from faceline.similarity import Calibration, Rule, Scorer
from faceline.types import Embedding, Vector
from made import MODEL, face, mixed, new_face, vector

SCORER = Scorer(MODEL, Calibration((0.0, 0.5, 1.0), (-0.3, -3.0, -6.0)))
STAFF = "staff"
ADA = vector(1)
LIKE_ADA = mixed(ADA, vector(2), 0.6)  # somebody who is taken for Ada: cosine 0.83


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "gallery.sqlite", GALLERY)
    SqliteCollections(database).create(STAFF, MODEL)
    SqliteFaceRecords(database).add(STAFF, [new_face("a", "Ada", ADA), new_face("g", "Grace", vector(3))])
    yield database
    database.close()


@pytest.fixture(params=["mean", "best"])
def collection(database: Database, request: pytest.FixtureRequest) -> Collection:
    rule = Rule(strangers_named=0.001, min_similarity=80)
    return Collection(STAFF, SqliteFaceRecords(database), SCORER, rule, request.param, SqliteNegatives(database))


def mark(values: Vector, person: str = "Ada", mark_id: str = "1", model: str = MODEL) -> Mark:
    return Mark(mark_id, person, Embedding(values, model), "party.jpg", "image", "an admin", "2026-01-31T12:00:00")


def name_of(collection: Collection, values: Vector) -> str | None:
    return collection.identify([face(values)])[0].name


def test_a_face_marked_as_not_ada_is_no_longer_named_so_nor_a_candidate(
    database: Database, collection: Collection
) -> None:
    assert name_of(collection, LIKE_ADA) == "Ada"
    SqliteNegatives(database).add(STAFF, mark(LIKE_ADA))
    (found,) = collection.identify([face(LIKE_ADA)])
    assert found.name is None
    assert [candidate.name for candidate in found.candidates] == ["Grace"]
    assert [candidate.name for candidate in collection.search(face(LIKE_ADA).embedding, 1)[0]] == ["Grace"]  # type: ignore[arg-type]


def test_other_photos_of_whom_the_mark_shows_are_not_named_either(database: Database, collection: Collection) -> None:
    another = mixed(LIKE_ADA, vector(4), 0.8)
    assert name_of(collection, another) == "Ada"
    SqliteNegatives(database).add(STAFF, mark(LIKE_ADA))
    assert name_of(collection, another) is None


def test_ada_keeps_her_name_where_she_is_more_like_herself(database: Database, collection: Collection) -> None:
    SqliteNegatives(database).add(STAFF, mark(LIKE_ADA))
    own = mixed(ADA, vector(5), 0.7)
    assert own @ LIKE_ADA < own @ ADA
    assert name_of(collection, own) == "Ada"
    assert name_of(collection, ADA) == "Ada"


def test_a_counter_example_that_is_hardly_alike_speaks_against_nobody(
    database: Database, collection: Collection
) -> None:
    probe = mixed(ADA, vector(6), 0.5)
    far = mixed(probe, vector(7), 0.45)
    assert SCORER.similarity_of(probe, far) < REFUTING_SIMILARITY
    SqliteNegatives(database).add(STAFF, mark(far))
    assert name_of(collection, probe) == "Ada"


def test_a_mark_is_about_one_person_only(database: Database, collection: Collection) -> None:
    SqliteNegatives(database).add(STAFF, mark(LIKE_ADA, "Grace"))
    assert name_of(collection, LIKE_ADA) == "Ada"


def test_marks_of_another_model_count_for_nothing(database: Database, collection: Collection) -> None:
    SqliteNegatives(database).add(STAFF, mark(np.ones(7, dtype=np.float32), model="another"))
    assert name_of(collection, LIKE_ADA) == "Ada"


def test_a_mark_that_is_taken_away_gives_the_name_back(database: Database, collection: Collection) -> None:
    negatives = SqliteNegatives(database)
    negatives.add(STAFF, mark(LIKE_ADA))
    assert name_of(collection, LIKE_ADA) is None
    negatives.remove(STAFF, "1")
    assert name_of(collection, LIKE_ADA) == "Ada"


def test_faces_of_one_track_are_weighed_together(database: Database, collection: Collection) -> None:
    track = [(face(mixed(LIKE_ADA, vector(20 + n), 0.8)), 1.0) for n in range(4)]
    assert collection.identify_together(track, track[0][0]).name == "Ada"
    SqliteNegatives(database).add(STAFF, mark(LIKE_ADA))
    assert collection.identify_together(track, track[0][0]).name is None
    own = [(face(mixed(ADA, vector(30 + n), 0.8)), 1.0) for n in range(4)]
    assert collection.identify_together([*own, track[0]], own[0][0]).name == "Ada"


def test_searches_for_people_respect_it_and_searches_for_faces_do_not(
    database: Database, collection: Collection
) -> None:
    SqliteNegatives(database).add(STAFF, mark(LIKE_ADA))
    embedding = Embedding(LIKE_ADA, MODEL)
    assert [found.face_id for found in collection.search_faces(embedding, 5, 80)] == ["a"]
    assert collection.search_people(embedding, 5, 80) == []
    assert [found.name for found in collection.search_people(Embedding(ADA, MODEL), 5, 80)] == ["Ada"]


def test_people_who_are_like_somebody_are_told_without_whom_a_mark_speaks_against(
    database: Database, collection: Collection
) -> None:
    SqliteFaceRecords(database).add(STAFF, [new_face("x", "Xenia", LIKE_ADA)])
    assert [found.name for found in collection.people_like("Xenia", 5, 80)] == ["Ada"]
    SqliteNegatives(database).add(STAFF, mark(LIKE_ADA))
    assert collection.people_like("Xenia", 5, 80) == []
    assert [found.name for found in collection.people_like("Ada", 5, 80)] == ["Xenia"]


def test_an_equal_face_of_the_person_is_refuted_too(database: Database, collection: Collection) -> None:
    """Else a photo that is enrolled wrongly and marked would name itself."""
    SqliteNegatives(database).add(STAFF, replace(mark(ADA), face_id=None))
    assert name_of(collection, ADA) is None
    assert collection.search_people(Embedding(ADA, MODEL), 5, 80) == []
