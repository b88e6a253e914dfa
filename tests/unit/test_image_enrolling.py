"""Photos under `enroll/`: whose they are, what is refused, and what becomes of the people."""

import pytest

from faceline.app import App
from faceline.errors import ModelError
from made import BUCKET, Workflow, photo

ADA, GRACE = 1, 2


@pytest.fixture
def flow(made_app: App) -> Workflow:
    return Workflow(made_app)


@pytest.mark.parametrize(
    ("key", "person"),
    [
        ("john_doe.png", "john_doe"),
        ("Ada_Lovelace_0001.png", "Ada_Lovelace"),
        ("Ada Lovelace/IMG_2041.png", "Ada Lovelace"),
        ("Zoë/2026/a.png", "Zoë"),
    ],
)
def test_the_label_is_the_file_name_or_the_folder(flow: Workflow, key: str, person: str) -> None:
    assert flow.process(f"enroll/{key}", photo()) == {"status": "enrolled"}
    (record,) = flow.app.face_records.find(flow.app.settings.collection)
    assert (record.person, record.external_image_id) == (person, person)
    assert record.source == f"{BUCKET}/enroll/{key}"
    assert flow.rows() == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [(photo(faces=0), "no face"), (b"<html>", "HTML"), (b"", "empty")],
    ids=["no face", "html", "none"],
)
def test_what_cannot_be_enrolled_is_refused_with_a_reason(flow: Workflow, data: bytes, reason: str) -> None:
    result = flow.process("enroll/Ada.png", data)
    assert result["status"] == "refused"
    assert reason in result["reason"]
    assert flow.app.face_records.find(flow.app.settings.collection) == []


def test_the_same_photo_under_another_name_is_refused(flow: Workflow) -> None:
    flow.process("enroll/Ada.png", photo())
    result = flow.process("enroll/Grace.png", photo())
    assert result["status"] == "refused"
    assert "duplicate" in result["reason"]


def test_who_is_enrolled_is_known_in_the_next_photo_and_not_after_being_forgotten(flow: Workflow) -> None:
    flow.process("enroll/Ada.png", photo(person=ADA))
    flow.process("input/a.png", photo(person=ADA))
    records = flow.app.face_records
    records.remove("my-face-collection", [r.face_id for r in records.find("my-face-collection", person="Ada")])
    flow.process("input/b.png", photo(person=ADA))
    assert [row.status for row in flow.rows()] == ["matched", "unknown"]


def test_a_person_who_was_forgotten_can_be_enrolled_again(flow: Workflow) -> None:
    flow.process("enroll/Ada.png", photo(person=ADA))
    records = flow.app.face_records
    records.remove("my-face-collection", [r.face_id for r in records.find("my-face-collection")])
    flow.app.objects.delete(BUCKET, "enroll/Ada.png")
    assert flow.process("enroll/Ada.png", photo(person=ADA)) == {"status": "enrolled"}
    assert len(records.find("my-face-collection")) == 1


def test_a_collection_that_was_dropped_meanwhile_is_made_again(flow: Workflow) -> None:
    flow.process("enroll/Ada.png", photo(person=ADA))
    flow.app.collections.drop("my-face-collection")
    assert flow.process("enroll/Grace.png", photo(person=GRACE)) == {"status": "enrolled"}
    assert [record.person for record in flow.app.face_records.find("my-face-collection")] == ["Grace"]


def test_a_collection_of_another_model_is_refused_at_the_start(made_app: App) -> None:
    made_app.collections.create("my-face-collection", "another-model")
    with pytest.raises(ModelError, match="another-model"):
        made_app.worker()
