"""People over HTTP: found, enrolled, renamed, merged, split, forgotten; and strangers named."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from asgi import KNOWN, Answer, Client
from faceline.activity import Entry, Kind, SeenFace
from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.gallery.names import user_id_of
from faceline.gallery.ports import Crop, NewFace
from faceline.types import Landmarks, Quality
from made import mixed, new_face, open_app, photo, record, vector

STAFF = "my-face-collection"
API = f"/api/v1/collections/{STAFF}"
CROP = Crop(b"a JPEG", ((1.0, 2.0),) * 5)


class People:
    """Asks for what is below a collection."""

    def __init__(self, app: App) -> None:
        self.app, self.client = app, Client(app)
        app.collections.create(STAFF, app.engines.model)

    def ask(self, method: str, path: str, body: Any = None, **query: str | int) -> Answer:
        """path: below the collection. body: bytes, or what becomes JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        place = path if path.startswith("/api") else f"{API}/{path}"
        return self.client.ask(method, place, chunks=[data], query=urlencode(query).encode())

    def enrol(self, name: str, person: int, salt: int = 0, **query: str) -> dict[str, Any]:
        answer = self.ask("POST", "faces", photo(1, person, salt), name=name, **query)
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    def names(self, **query: str | int) -> list[str]:
        return [each["name"] for each in self.ask("GET", "people", **query).json["items"]]

    def faces(self, name: str) -> list[str]:
        listed = self.ask("GET", f"people/{user_id_of(name)}/faces").json
        return [each["face_id"] for each in listed["items"]]

    def audit(self) -> list[tuple[str, str]]:
        return [(entry.action, entry.actor) for entry in self.app.erasure.audit.entries()]


@pytest.fixture
def people(made_app: App) -> People:
    return People(made_app)


FAR_BELOW = "LTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ"  # -99999999999999999999999999999


class TestFinding:
    def test_names_come_in_order_whatever_their_case(self, people: People) -> None:
        for number, name in enumerate(("bea", "Ada", "carl", "Bob")):
            people.enrol(name, number)
        assert people.names() == ["Ada", "bea", "Bob", "carl"]
        assert people.names(sort="newest") == ["Bob", "carl", "Ada", "bea"]

    @pytest.mark.parametrize("sort", ["name", "newest"])
    def test_pages_go_on_where_the_last_ended_even_if_that_person_is_gone(self, people: People, sort: str) -> None:
        for number, name in enumerate(("Ada", "ada", "Bea", "Zoë")):
            people.enrol(name, number)
        everybody = people.names(sort=sort)
        first = people.ask("GET", "people", sort=sort, limit=2).json
        assert first["total"] == 4
        people.app.forget(first["items"][-1]["name"], STAFF)
        assert people.names(sort=sort, limit=2, after=first["next"]) == everybody[2:]

    def test_a_part_of_the_name_is_enough_in_any_case_and_with_a_space_for_an_underscore(self, people: People) -> None:
        for number, name in enumerate(("Zoë_Kravitz", "Zoe", "Ada Lovelace")):
            people.enrol(name, number)
        assert people.names(q="ZOË kr") == ["Zoë_Kravitz"]
        assert people.names(q="o") == ["Ada Lovelace", "Zoe", "Zoë_Kravitz"]
        page = people.ask("GET", "people", q="o", limit=2).json
        assert (page["total"], people.names(q="o", after=page["next"])) == (3, ["Zoë_Kravitz"])
        assert people.names(q="%") == []

    def test_the_best_face_is_the_largest_usable_one_with_a_crop(self, people: People) -> None:
        def of(face_id: str, size_px: float, reasons: tuple[str, ...] = (), crop: Crop | None = CROP) -> NewFace:
            base = record(face_id, "Ada", vector(1))
            return NewFace(replace(base, quality=replace(base.quality, size_px=size_px, reasons=reasons)), crop)

        faces = [of("small", 50), of("large", 90), of("dark", 200, ("too dark",)), of("bare", 300, (), None)]
        people.app.face_records.add(STAFF, faces)
        (ada,) = people.ask("GET", "people").json["items"]
        assert (ada["best_face_id"], ada["faces"]) == ("large", 4)
        crop = people.ask("GET", "faces/large/crop")
        assert (crop.body, crop.headers["content-type"]) == (b"a JPEG", "image/jpeg")
        assert crop.headers["cache-control"].startswith("private")
        assert people.ask("GET", "faces/bare/crop").is_problem(404, "no crop")

    @pytest.mark.parametrize("after", ["=", "é", "AA", "////", FAR_BELOW])
    def test_a_place_that_no_page_gave_is_refused(self, people: People, after: str) -> None:
        assert people.ask("GET", "people", sort="newest", after=after).is_problem(400, "after")

    def test_who_is_not_there_is_not_found(self, people: People) -> None:
        for path in ("people/Eve", "people/Eve/faces", "people/Eve/alike"):
            assert people.ask("GET", path).is_problem(404, "Eve")
        assert people.ask("GET", "/api/v1/collections/nowhere/people").is_problem(404, "no collection nowhere")
        assert people.ask("GET", "/api/v1/receipts/er-1").is_problem(404, "er-1")


class TestEnrolling:
    def test_a_photo_makes_a_person_and_says_how_good_it_is(self, people: People) -> None:
        done = people.enrol("Ada", 1, source="C:\\photos\\Ada_1.png")
        assert (done["enrolled"], done["already"], done["reason"]) == (True, False, None)
        assert (done["faces_in_photo"], done["width"], done["height"]) == (1, 64, 48)
        assert re.fullmatch(r"Ada_1\.png \([0-9a-f]{8}\)", done["face"]["source"])
        assert done["quality"]["level"] in ("good", "fair")
        assert (done["person"]["name"], done["person"]["faces"]) == ("Ada", 1)
        assert 0 < done["box"]["width"] < 1
        assert done["resembles"] is None
        assert people.ask("GET", f"faces/{done['face']['face_id']}/crop").body.startswith(b"\xff\xd8")

    def test_a_kept_face_is_judged_as_when_it_came(self, people: People) -> None:
        face = people.enrol("Ada", 1)
        (kept,) = people.ask("GET", "people/Ada/faces").json["items"]
        assert (kept["quality"]["level"], kept["photo"]) == (face["quality"]["level"], None)
        turned = Landmarks((4.0, 16.0), (16.0, 16.0), (4.0, 21.0), (5.0, 26.0), (14.0, 26.0))
        usable = replace(record("turned", "Ada", vector(1)), landmarks=turned, quality=Quality(60.0, 70.0, 90.0))
        people.app.objects.put("face-input-bucket", "input/a.png", photo(1, 1))
        stored = replace(usable, source="face-input-bucket/input/a.png")
        people.app.face_records.add(STAFF, [NewFace(stored)])
        item = people.ask("GET", "people/Ada/faces").json["items"][-1]
        assert (item["quality"]["level"], item["quality"]["remarks"]) == ("fair", ["turned to the side"])
        assert item["photo"] == "face-input-bucket/input/a.png"

    def test_a_photo_without_a_face_is_refused_in_words(self, people: People) -> None:
        answer = people.ask("POST", "faces", photo(0), name="Ada").json
        assert (answer["enrolled"], answer["reason"], answer["faces_in_photo"]) == (False, "no face", 0)
        assert "shows a face" in answer["advice"]
        assert people.names() == []
        assert "image" in people.ask("POST", "faces", b"text", name="Ada").json["reason"]

    def test_the_same_photo_is_not_enrolled_twice(self, people: People) -> None:
        people.enrol("Ada", 1, source="a.png")
        again = people.enrol("Ada", 1, source="a.png")
        assert (again["enrolled"], again["already"], again["person"]["faces"]) == (False, True, 1)
        other = people.enrol("Bob", 1, source="a.png")
        assert other["reason"].startswith("duplicate: the same photo is enrolled as Ada")
        assert people.names() == ["Ada"]

    def test_a_face_like_somebody_else_is_warned_of(self, people: People) -> None:
        people.enrol("Ada", 1)
        done = people.enrol("Bob", 1, salt=1)
        assert done["resembles"]["person"]["name"] == "Ada"
        assert (done["resembles"]["alike"], done["resembles"]["similarity"]) == (True, 100.0)
        assert not people.enrol("Eve", 7)["resembles"]["alike"]

    def test_a_face_unlike_the_persons_others_is_warned_of(self, people: People) -> None:
        people.enrol("Ada", 1)
        alike = people.ask("POST", "people/Ada/faces", photo(1, 1, 1)).json
        assert (alike["unlike"], alike["person"]["faces"]) == (False, 2)
        assert alike["own_similarity"] > 99
        assert people.ask("POST", "people/Ada/faces", photo(1, 5)).json["unlike"]

    def test_a_name_that_nobody_can_have_is_refused(self, people: People) -> None:
        assert people.ask("POST", "faces", photo(), name=" ").is_problem(400, "blank")
        assert people.ask("POST", "people", {"name": "a\nb"}).is_problem(400, "control characters")
        assert people.ask("POST", "faces", photo()).is_problem(400, "name")

    def test_only_the_settings_collection_is_made_by_enrolling(self, people: People) -> None:
        people.app.drop_collection(STAFF)
        assert people.enrol("Ada", 1)["enrolled"]
        other = people.ask("POST", "/api/v1/collections/others/faces", photo(), name="Ada")
        assert other.is_problem(404, "others")

    def test_a_consent_is_asked_for_where_it_is_required(self, tmp_path: Path) -> None:
        with open_app(tmp_path / "data", consent_required=True) as app:
            people = People(app)
            refused = people.enrol("Ada", 1)
            assert refused["reason"].startswith("no consent")
            assert people.ask("GET", "people").json["consent_required"]
            assert people.enrol("Ada", 1, consent="form 7")["enrolled"]
            assert people.ask("GET", "people/Ada").json["consents"] == ["form 7"]

    def test_somebody_may_be_made_before_their_first_face(self, people: People) -> None:
        made = people.ask("POST", "people", {"name": "Ada Lovelace"})
        assert (made.status, made.json["faces"], made.json["user_id"]) == (201, 0, user_id_of("Ada Lovelace"))
        assert people.ask("POST", "people", {"name": "Ada Lovelace"}).is_problem(409, "already")
        assert people.ask("POST", f"people/{made.json['user_id']}/faces", photo()).json["enrolled"]


class TestChanging:
    @pytest.fixture(autouse=True)
    def _enrolled(self, people: People) -> None:
        for number, name in enumerate(("Ada", "Bob", "Bob")):
            people.enrol(name, number, salt=number)

    def test_a_renamed_person_keeps_their_faces_and_is_found_by_either_name(self, people: People) -> None:
        before = people.faces("Bob")
        done = people.ask("POST", "people/Bob/rename", {"name": "Robert Tables"}).json
        assert (done["change"]["action"], done["change"]["by"]) == ("rename", "page:admin")
        assert (done["person"]["name"], done["person"]["user_id"]) == ("Robert Tables", user_id_of("Robert Tables"))
        assert (people.names(), people.faces("Robert Tables")) == (["Ada", "Robert Tables"], before)
        assert people.ask("GET", f"people/{done['person']['user_id']}").json["earlier_names"] == ["Bob"]
        assert ("rename", "page:admin") in people.audit()
        (name,) = [each.name for each in people.app.collection(STAFF).search(_embedding(2), 1)[0]]
        assert name == "Robert Tables"

    def test_an_old_address_leads_to_whom_they_became(self, people: People) -> None:
        people.ask("POST", "people/Bob/rename", {"name": "Robert Tables"})
        people.ask("POST", f"people/{user_id_of('Robert Tables')}/merge", {"into": "Ada"})
        for name in ("Bob", "Robert Tables", "Ada"):
            assert people.ask("GET", f"people/{user_id_of(name)}/now").json["name"] == "Ada"
        assert people.ask("GET", "people/Eve/now").is_problem(404, "Eve")
        people.app.forget("Ada", STAFF)
        assert people.ask("GET", "people/Bob/now").is_problem(404)

    def test_who_was_seen_under_an_earlier_name_is_found_by_the_new_one(self, people: People) -> None:
        for name in ("Ada", "Bob", "Ada"):
            seen = SeenFace("matched", name, None, 99.0, 99.0, None)
            now = "2026-01-31T12:00:00Z"
            people.app.activity.put(Entry(Kind.CAMERA, now, now, camera="door", collection=STAFF, faces=(seen,)))
        people.ask("POST", "people/Ada/rename", {"name": "Eve"})
        found = people.ask("GET", "/api/v1/activity", person="Eve", status="matched").json["items"]
        assert [each["faces"][0]["person"] for each in found] == ["Ada", "Ada"]
        assert found[0]["position"] > found[1]["position"]
        people.enrol("Ada", 7)  # somebody else now
        assert people.ask("GET", "/api/v1/activity", person="Eve").json["items"] == []

    def test_what_would_go_is_told_before_and_what_went_under_all_names_after(self, people: People) -> None:
        app = people.app
        for name in ("Bob", "Robert"):
            key = f"enroll/{name}/a.png"
            app.objects.put("face-input-bucket", key, photo(1, 1, len(name)))
            if name == "Bob":
                people.ask("POST", "people/Bob/rename", {"name": "Robert"})
        told = people.ask("GET", "people/Robert/belongings", everywhere="true").json
        assert (told["faces"], told["alone"], told["among_others"]) == (2, 2, 0)
        assert sorted(told["photos"]) == [f"face-input-bucket/enroll/{name}/a.png" for name in ("Bob", "Robert")]
        assert people.ask("GET", "people/Robert/belongings").json["alone"] == 0
        done = people.ask("DELETE", "people/Robert", everywhere="true").json
        assert sorted(done["deleted"]) == sorted(told["photos"])
        assert (done["removed"]["objects"], done["removed"][f"faces in {STAFF}"]) == (2, 2)
        (earlier,) = done["earlier"]
        assert (earlier["removed"]["objects"], done["receipt"]["removed"]["objects"]) == (1, 1)
        assert earlier == people.ask("GET", f"/api/v1/receipts/{earlier['receipt']}").json

    def test_nobody_is_renamed_to_who_is_there_already(self, people: People) -> None:
        assert people.ask("POST", "people/Bob/rename", {"name": "Ada"}).is_problem(409, "merge Bob into them")
        assert people.ask("POST", "people/Bob/rename", {"name": "Bob"}).is_problem(400, "so already")
        assert people.ask("POST", "people/Eve/rename", {"name": "Eva"}).is_problem(404, "Eve")

    def test_merged_people_are_one_until_it_is_taken_back(self, people: People) -> None:
        done = people.ask("POST", "people/Bob/merge", {"into": "Ada"}).json
        assert (done["change"]["names"], done["person"]["faces"]) == (["Bob", "Ada"], 3)
        assert people.names() == ["Ada"]
        entry = done["change"]["entry"]
        assert people.ask("POST", "undo", {"entry": entry - 1}).is_problem(409)
        assert people.ask("POST", "undo", {"entry": entry}).json["action"] == "merge"
        assert (people.names(), len(people.faces("Bob"))) == (["Ada", "Bob"], 2)
        assert people.ask("POST", "undo", {}).is_problem(404, "nothing was decided")

    def test_some_faces_become_somebody_elses(self, people: People) -> None:
        faces = people.faces("Bob")
        done = people.ask("POST", "people/Bob/split", {"face_ids": faces[:1], "name": "Carl"}).json
        assert (done["person"]["name"], done["person"]["faces"]) == ("Carl", 1)
        assert (people.faces("Bob"), people.faces("Carl")) == (faces[1:], faces[:1])
        all_of_them = {"face_ids": faces[1:], "name": "Carl"}
        assert people.ask("POST", "people/Bob/split", all_of_them).is_problem(400, "leave at least one")

    def test_the_journal_comes_in_pages_the_latest_first(self, people: People) -> None:
        for name, new in (("Ada", "Eve"), ("Eve", "Ada"), ("Bob", "Rob")):
            people.ask("POST", f"people/{name}/rename", {"name": new})
        first = people.ask("GET", "history", limit=2).json
        rest = people.ask("GET", "history", limit=2, after=first["next"]).json
        assert [each["names"] for each in first["items"] + rest["items"]] == [
            ["Bob", "Rob"],
            ["Eve", "Ada"],
            ["Ada", "Eve"],
        ]
        assert rest["next"] is None
        assert people.ask("GET", "people/Ada").json["earlier_names"] == ["Eve"]

    def test_who_is_most_alike_is_suggested(self, people: People) -> None:
        like = mixed(vector(0), vector(9), 0.8)
        people.app.face_records.add(STAFF, [new_face("e", "Eve", like)])
        found = people.ask("GET", "people/Ada/alike").json["items"]
        assert found[0]["person"]["name"] == "Eve"
        assert found[0]["similarity"] > found[1]["similarity"]

    def test_a_face_is_deleted_and_the_person_with_the_last_one(self, people: People) -> None:
        (face,) = people.faces("Ada")
        assert people.ask("DELETE", f"faces/{face}").status == 204
        assert people.names() == ["Bob"]
        assert people.ask("DELETE", f"faces/{face}").is_problem(404, face)
        assert ("delete face", "page:admin") in people.audit()

    def test_a_forgotten_person_is_gone_under_all_names_and_a_receipt_stays(self, people: People) -> None:
        people.ask("POST", "people/Bob/rename", {"name": "Robert"})
        done = people.ask("DELETE", "people/Robert", everywhere="true").json
        assert people.names() == ["Ada"]
        assert done["receipt"]["removed"][f"faces in {STAFF}"] == 2
        again = people.ask("GET", f"/api/v1/receipts/{done['receipt']['receipt']}").json
        assert again == done["receipt"]
        assert ("forget", "page:admin") in people.audit()
        assert people.ask("GET", "history").json["items"] == []
        assert not people.app.erasure.left_of("Bob")
        assert not people.app.erasure.left_of("Robert")

    def test_a_page_of_faces_tells_where_the_next_begins(self, people: People) -> None:
        first = people.ask("GET", "people/Bob/faces", limit=1).json
        rest = people.ask("GET", "people/Bob/faces", limit=1, after=first["next"]).json
        assert [each["face_id"] for each in first["items"] + rest["items"]] == people.faces("Bob")
        assert rest["next"] is None
        assert first["items"][0]["has_crop"]


class TestStrangers:
    @pytest.fixture(autouse=True)
    def _seen(self, people: People) -> None:
        for number, person in enumerate((7, 7, 8)):
            self._see(people, number, person)

    def _see(self, people: People, number: int, person: int) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        face = replace(record(f"stranger-{number}", None, vector(person)), created_at=now, source=f"{number}.jpg")
        people.app.unknown_faces.replace(STAFF, face.source, [NewFace(face, CROP)], 100)

    def test_groups_come_the_largest_first_with_their_faces(self, people: People) -> None:
        found = people.ask("GET", "unknowns", limit=1).json
        assert (found["total"], found["kept"]) == (2, False)
        (largest,) = found["items"]
        assert (largest["faces"], len(largest["sources"]), largest["known"]) == (2, 2, None)
        assert largest["similarity"] > 99
        (other,) = people.ask("GET", "unknowns", limit=1, after=found["next"]).json["items"]
        assert (other["faces"], other["similarity"]) == (1, None)
        crop = people.ask("GET", f"unknowns/faces/{largest['face_ids'][0]}/crop")
        assert (crop.status, crop.body) == (200, b"a JPEG")

    def test_a_named_group_is_enrolled_and_unknown_no_longer(self, people: People) -> None:
        done = people.ask("POST", "unknowns/stranger-0/name", {"name": "Eve"}).json
        assert (done["person"]["name"], done["enrolled"], done["removed"]) == ("Eve", 2, 2)
        assert people.ask("GET", "unknowns").json["total"] == 1
        assert ("enroll", "page:admin") in people.audit()
        assert people.ask("GET", "unknowns").json["items"][0]["face_ids"] == ["stranger-2"]
        assert people.ask("POST", "unknowns/stranger-0/name", {"name": "Eve"}).is_problem(404)

    def test_who_comes_again_joins_their_group(self, people: People) -> None:
        assert [each["faces"] for each in people.ask("GET", "unknowns").json["items"]] == [2, 1]
        self._see(people, 3, 8)
        assert [each["faces"] for each in people.ask("GET", "unknowns").json["items"]] == [2, 2]
        people.app.unknown_faces.remove(STAFF, ["stranger-1"])
        assert [each["faces"] for each in people.ask("GET", "unknowns").json["items"]] == [2, 1]

    def test_a_dropped_group_is_gone(self, people: People) -> None:
        assert people.ask("DELETE", "unknowns/stranger-2").json == {"removed": 1}
        assert people.ask("GET", "unknowns").json["total"] == 1
        assert people.names() == []


@pytest.mark.parametrize("name", [".", ".."])
def test_who_is_called_by_dots_is_reached_by_their_user_id(people: People, name: str) -> None:
    user_id = people.enrol(name, 1)["person"]["user_id"]
    assert user_id not in (".", "..")
    assert people.ask("GET", f"people/{user_id}").json["name"] == name
    assert people.ask("DELETE", f"people/{user_id}").status == 200
    assert people.names() == []


@pytest.mark.parametrize("source", ["a\n\x1b[31m", "a\x07", "a\rb"])
def test_a_source_with_control_characters_is_refused(people: People, source: str) -> None:
    answer = people.ask("POST", "faces", photo(1, 1), name="Ada", source=source)
    assert answer.is_problem(400, "source has control characters")
    assert people.names() == []


def test_who_may_only_read_changes_nobody(people: People) -> None:
    people.enrol("Ada", 1)
    key = {**KNOWN, "authorization": f"Bearer {_key(people.app, 'read')}"}
    assert people.client.ask("GET", f"{API}/people", key).status == 200
    for method, path in (("POST", "people/Ada/rename"), ("DELETE", "people/Ada"), ("POST", "faces")):
        assert people.client.ask(method, f"{API}/{path}", key).is_problem(403, "scope")
    key = {**KNOWN, "authorization": f"Bearer {_key(people.app, 'enroll')}"}
    assert people.client.ask("DELETE", f"{API}/people/Ada", key).is_problem(403, "admin")
    assert people.names() == ["Ada"]


def _embedding(person: int) -> Any:
    return record("x", None, vector(person)).embedding


def _key(app: App, scope: str) -> str:
    return app.api_keys.create(scope, ApiScope(scope))
