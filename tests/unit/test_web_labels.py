"""Faces that have a label only, over HTTP: listed, looked at, made people, forgotten."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from asgi import Answer, Client
from faceline.app import App
from faceline.gallery.ports import Crop, NewFace
from made import Workflow, open_app, photo, record, vector

STAFF = "my-face-collection"
API = f"/api/v1/collections/{STAFF}"
CROP = Crop(b"a JPEG", ((1.0, 2.0),) * 5)


class Labels:
    """Asks for what is below a collection."""

    def __init__(self, app: App) -> None:
        self.app, self.client = app, Client(app)
        app.collections.create(STAFF, app.engines.model)

    def ask(self, method: str, path: str, body: Any = None, **query: str | int) -> Answer:
        data = b"" if body is None else json.dumps(body).encode()
        return self.client.ask(method, f"{API}/{path}", chunks=[data], query=urlencode(query).encode())

    def put(self, face_id: str, label: str | None, person: str | None = None, number: int = 1, **other: Any) -> None:
        """As IndexFaces does."""
        made = replace(record(face_id, person, vector(number)), external_image_id=label, **other)
        self.app.face_records.add(STAFF, [NewFace(made, CROP)])

    def listed(self, **query: str | int) -> list[tuple[str, int]]:
        return [(each["label"], each["faces"]) for each in self.ask("GET", "labels", **query).json["items"]]

    def people(self) -> list[tuple[str, int]]:
        return [(each["name"], each["faces"]) for each in self.ask("GET", "people").json["items"]]

    def audit(self) -> list[tuple[str, int | None]]:
        return [(entry.action, entry.count) for entry in self.app.erasure.audit.entries()]

    def who(self, number: int) -> str | None:
        """Whom a photo of this person is named."""
        candidates, _ = self.app.collection(STAFF).search(record("x", None, vector(number)).embedding, 1)
        return candidates[0].name if candidates else None


@pytest.fixture
def labels(made_app: App) -> Labels:
    return Labels(made_app)


class TestLooking:
    def test_only_faces_with_a_label_that_are_nobodys_are_listed(self, labels: Labels) -> None:
        for face_id, label, person in (("a", "emp-2", None), ("b", "emp-1", None), ("c", "emp-2", None)):
            labels.put(face_id, label, person)
        labels.put("d", None)
        labels.put("e", "emp-3", "Ada")
        answer = labels.ask("GET", "labels").json
        assert (answer["total"], answer["next"], answer["consent_required"]) == (2, None, False)
        assert labels.listed() == [("emp-1", 1), ("emp-2", 2)]

    def test_the_best_face_is_the_largest_usable_one(self, labels: Labels) -> None:
        base = record("x", None, vector(1)).quality
        labels.put("large", "emp", quality=replace(base, size_px=90.0, reasons=()))
        labels.put("small", "emp", quality=replace(base, size_px=50.0, reasons=()))
        labels.put("dark", "emp", quality=replace(base, size_px=300.0, reasons=("too dark",)))
        assert labels.ask("GET", "labels").json["items"][0]["best_face_id"] == "large"

    def test_pages_go_on_behind_the_last_label(self, labels: Labels) -> None:
        for number in range(5):
            labels.put(f"f{number}", f"emp {number}")
        first = labels.ask("GET", "labels", limit=2).json
        assert (first["next"], first["total"]) == ("emp 1", 5)
        assert labels.listed(after=first["next"], limit=2) == [("emp 2", 1), ("emp 3", 1)]
        assert labels.ask("GET", "labels", after="emp 3", limit=2).json["next"] is None

    def test_a_part_of_the_label_is_enough_in_any_case(self, labels: Labels) -> None:
        for number, label in enumerate(("Ada_Lovelace", "Adam", "Bob")):
            labels.put(f"f{number}", label)
        page = labels.ask("GET", "labels", q="ADA", limit=1).json
        assert (page["total"], page["next"]) == (2, "Ada_Lovelace")
        assert labels.listed(q="ada", after="Ada_Lovelace") == [("Adam", 1)]
        assert labels.listed(q="a love") == [("Ada_Lovelace", 1)]

    def test_a_labels_faces_come_in_pages_and_have_pictures(self, labels: Labels) -> None:
        for face_id in ("c", "a", "b"):
            labels.put(face_id, "emp/1 é")
        labels.put("d", "emp/1 é", "Ada")
        page = labels.ask("GET", "labels/faces", label="emp/1 é", limit=2).json
        assert [(each["face_id"], each["has_crop"]) for each in page["items"]] == [("c", True), ("a", True)]
        rest = labels.ask("GET", "labels/faces", label="emp/1 é", after=page["next"]).json
        assert ([each["face_id"] for each in rest["items"]], rest["next"]) == (["b"], None)

    def test_what_is_not_there_is_not_found(self, labels: Labels) -> None:
        labels.put("a", "emp", "Ada")
        assert labels.ask("GET", "labels/faces", label="emp").is_problem(404, "labelled emp and nobody's")
        assert labels.ask("POST", "labels/person", {"label": "emp", "name": "Eve"}).is_problem(404, "labelled emp")
        assert labels.ask("DELETE", "labels", label="emp").is_problem(404, "labelled emp")
        nowhere = labels.client.ask("GET", "/api/v1/collections/nowhere/labels")
        assert nowhere.is_problem(404, "no collection nowhere")


class TestMakingPeople:
    def test_a_label_becomes_a_person_of_its_name_and_that_is_taken_back(self, labels: Labels) -> None:
        labels.put("a", "Ada")
        labels.put("b", "Ada", number=2)
        done = labels.ask("POST", "labels/person", {"label": "Ada", "name": "Ada"}).json
        assert (done["person"]["name"], done["person"]["faces"]) == ("Ada", 2)
        assert (done["change"]["action"], done["change"]["names"]) == ("person", ["Ada", "Ada"])
        assert (labels.listed(), labels.people()) == ([], [("Ada", 2)])
        assert labels.audit()[-1] == ("person of label", 2)
        assert labels.ask("POST", "undo", {"entry": done["change"]["entry"]}).status == 200
        assert (labels.listed(), labels.people()) == ([("Ada", 2)], [])

    def test_another_name_is_what_they_are_recognised_as_and_the_label_stays(self, labels: Labels) -> None:
        labels.put("a", "emp-1")
        assert labels.who(1) == "emp-1"
        assert labels.ask("POST", "labels/person", {"label": "emp-1", "name": "Ada"}).status == 200
        assert labels.who(1) == "Ada"
        (face,) = labels.app.face_records.find(STAFF, face_ids=["a"])
        assert (face.person, face.external_image_id) == ("Ada", "emp-1")
        assert labels.ask("GET", "people/Ada").json["earlier_names"] == ["emp-1"]

    def test_somebody_who_is_there_gets_them_and_others_keep_theirs(self, labels: Labels) -> None:
        for face_id, person in (("a", None), ("b", "Bob"), ("c", "Ada")):
            labels.put(face_id, "emp" if face_id != "c" else None, person)
        assert labels.ask("POST", "labels/person", {"label": "emp", "name": "Ada"}).json["person"]["faces"] == 2
        assert labels.people() == [("Ada", 2), ("Bob", 1)]
        labels.ask("POST", "undo", {})
        assert (labels.people(), labels.listed()) == ([("Ada", 1), ("Bob", 1)], [("emp", 1)])

    def test_the_label_of_somebody_goes_to_nobody_else(self, labels: Labels) -> None:
        labels.put("a", "Ada")
        labels.put("b", None, "Ada")
        refused = labels.ask("POST", "labels/person", {"label": "Ada", "name": "Bob"})
        assert refused.is_problem(409, "give them to Ada, then rename")
        assert labels.ask("POST", "labels/person", {"label": "Ada", "name": "Ada"}).json["person"]["faces"] == 2

    def test_what_was_said_of_the_label_holds_for_the_person(self, labels: Labels) -> None:
        labels.put("a", "emp")
        labels.app.consents.note(STAFF, "emp", "form 7")
        labels.ask("POST", "labels/person", {"label": "emp", "name": "Ada"})
        assert labels.ask("GET", "people/Ada").json["consents"] == ["form 7"]

    def test_names_that_nobody_can_have_are_refused(self, labels: Labels) -> None:
        labels.put("a", "emp")
        assert labels.ask("POST", "labels/person", {"label": "emp", "name": " "}).is_problem(400, "blank")


def test_consent_to_the_label_or_to_the_person_is_needed_where_it_is_required(tmp_path: Any) -> None:
    with open_app(tmp_path / "data", consent_required=True) as app:
        labels = Labels(app)
        for face_id in ("one", "two", "three"):
            labels.put(face_id, face_id)
        assert labels.ask("POST", "labels/person", {"label": "one", "name": "Ada"}).is_problem(400, "no consent")
        with_it = {"label": "one", "name": "Ada", "consent": "form 7"}
        assert labels.ask("POST", "labels/person", with_it).status == 200
        assert labels.ask("GET", "people/Ada").json["consents"] == ["form 7"]
        app.consents.note(STAFF, "two", "form 8")
        assert labels.ask("POST", "labels/person", {"label": "two", "name": "Bob"}).status == 200


class TestForgetting:
    def test_a_label_is_forgotten_with_its_faces(self, labels: Labels) -> None:
        labels.put("a", "emp")
        labels.put("b", "other")
        done = labels.ask("DELETE", "labels", label="emp", everywhere="true").json
        assert done["receipt"]["removed"][f"faces in {STAFF}"] == 1
        assert labels.listed() == [("other", 1)]
        assert not labels.app.erasure.left_of("emp")

    def test_a_person_made_of_a_label_is_forgotten_by_both(self, labels: Labels) -> None:
        workflow = Workflow(labels.app)
        labels.put("a", "emp-1", number=3)
        workflow.process("input/before.png", photo(1, 3))
        assert _said(workflow) == ["emp-1"]
        labels.ask("POST", "labels/person", {"label": "emp-1", "name": "Ada"})
        workflow.process("input/after.png", photo(1, 3, 1))
        assert _said(workflow) == ["Ada", "emp-1"]
        done = labels.app.forget("Ada")
        assert done.removed == {STAFF: 1}
        assert _said(workflow) == []
        assert not labels.app.erasure.left_of("emp-1")
        assert not labels.app.erasure.left_of("Ada")

    def test_others_of_that_label_stay_when_the_person_is_forgotten(self, labels: Labels) -> None:
        labels.put("a", "family")
        labels.put("b", "family", "Bob")
        labels.ask("POST", "labels/person", {"label": "family", "name": "Ada"})
        labels.app.forget("Ada", STAFF)
        assert labels.people() == [("Bob", 1)]


def _said(workflow: Workflow) -> Sequence[str]:
    keys = ("input/after.png", "input/before.png")
    return [row.person for key in keys for row in workflow.rows(key) if row.person]
