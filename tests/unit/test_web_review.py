"""Review, matching reports, statistics and exports over the native API, on made faces and reports."""

import csv
import io
import json
import os
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import pytest

import reports
from asgi import Answer, Client
from faceline.activity import Entry, SeenFace
from faceline.activity import Kind as Seen
from faceline.app import App
from faceline.gallery.names import user_id_of
from faceline.gallery.ports import NewFace
from faceline.gallery.review import Kind, Suspect, pair_of
from faceline.notices import Notice
from faceline.pipelines import report_pages
from faceline.ports import Record
from made import BUCKET, MODEL, new_face, record, vector

STAFF, MATCHING = "my-face-collection", "faceline-matching"
REVIEW, UNDO = f"/api/v1/collections/{STAFF}/review", f"/api/v1/collections/{STAFF}/undo"
ADA, BEA, GRACE = "Ada Lovelace", "Bea", "Grace Hopper"


@pytest.fixture
def app(made_app: App) -> App:
    made_app.enroller()
    faces = [("a1", ADA, 1), ("a2", ADA, 2), ("b1", BEA, 1), ("g1", GRACE, 3)]
    made_app.face_records.add(STAFF, [new_face(face_id, name, vector(n)) for face_id, name, n in faces])
    return made_app


@pytest.fixture
def client(app: App) -> Client:
    return Client(app)


def ask(client: Client, path: str, **query: object) -> Any:
    answer = client.ask("GET", path, query=urlencode(query).encode())
    assert answer.status == 200, answer.body
    return answer.json


def post(client: Client, path: str, body: object) -> Answer:
    return client.ask("POST", path, chunks=[json.dumps(body).encode()])


def suspect(a: str, b: str, similarity: float) -> Suspect:
    return Suspect(pair_of(Kind.PEOPLE, a, b), similarity, "scan", found_at="2026-01-31T12:00:00.000+00:00")


@pytest.fixture
def pairs(app: App) -> None:
    app.reviews.put(STAFF, [suspect(ADA, BEA, 99.9), suspect(ADA, GRACE, 80.0), suspect(BEA, GRACE, 70.0)])


# Pairs


@pytest.mark.usefixtures("pairs")
def test_pairs_come_with_what_their_similarity_means_page_by_page(client: Client) -> None:
    first = ask(client, f"{REVIEW}/pairs", limit=1)
    (pair,) = first["items"]
    assert (pair["a"], pair["b"], pair["similarity"], pair["found_by"]) == (ADA, BEA, 99.9, "scan")
    assert pair["meaning"] == "1 in 1,000,000 pairs of strangers"
    assert pair["user_ids"] == [user_id_of(ADA), BEA]
    rest = ask(client, f"{REVIEW}/pairs", limit=2, after=first["next"])
    assert [each["similarity"] for each in rest["items"]] == [80.0, 70.0]
    assert rest["next"] is None
    assert ask(client, f"{REVIEW}/counts") == {"open": 3, "unsure": 0, "decided": 0}


@pytest.mark.usefixtures("pairs")
def test_a_verdict_meanwhile_moves_no_other_pair_from_its_page(client: Client) -> None:
    first = ask(client, f"{REVIEW}/pairs", limit=2)
    post(client, f"{REVIEW}/verdicts", {"a": ADA, "b": BEA, "verdict": "same"})
    (last,) = ask(client, f"{REVIEW}/pairs", limit=2, after=first["next"])["items"]
    assert (last["a"], last["b"]) == (BEA, GRACE)


@pytest.mark.parametrize("token", ["x", "Zm9v", "W10", "é", "WyJwZW9wbGUiLCJhIiwiYiIsIngiLCIiXQ"])
def test_what_is_no_next_is_refused(client: Client, token: str) -> None:
    answer = client.ask("GET", f"{REVIEW}/pairs", query=f"after={quote(token)}".encode())
    assert answer.is_problem(400, "after is no `next`")


def test_a_pair_is_shown_with_its_most_alike_faces(client: Client) -> None:
    found = ask(client, f"{REVIEW}/pair", a=BEA, b=ADA, limit=1)
    assert (found["pair"]["a"], found["pair"]["similarity"], found["pair"]["verdict"]) == (ADA, None, None)
    (alike,) = found["most_alike"]
    assert (alike["a"]["face_id"], alike["b"]["face_id"]) == ("a1", "b1")
    assert alike["meaning"] == "fewer than 1 in 10 million pairs of strangers"


def test_a_name_that_is_only_a_label_has_no_faces_to_compare(app: App, client: Client) -> None:
    app.face_records.add(STAFF, [NewFace(replace(record("l1", ADA, vector(9)), external_image_id="visitor"))])
    assert ask(client, f"{REVIEW}/pair", a="visitor", b=BEA)["most_alike"] == []


@pytest.mark.usefixtures("pairs")
def test_a_verdict_is_kept_with_who_gave_it_and_why(client: Client) -> None:
    body = {"a": GRACE, "b": ADA, "verdict": "different", "note": "sisters"}
    kept = post(client, f"{REVIEW}/verdicts", body).json
    assert (kept["pair"]["verdict"], kept["pair"]["decided_by"], kept["pair"]["note"]) == (
        "different",
        "page:admin",
        "sisters",
    )
    (decided,) = ask(client, f"{REVIEW}/pairs", state="decided")["items"]
    assert decided == kept["pair"]
    assert ask(client, f"{REVIEW}/counts") == {"open": 2, "unsure": 0, "decided": 1}


@pytest.mark.usefixtures("pairs")
@pytest.mark.parametrize("note", ["\x1b[31m", "\x07", "\x00", "a\rb"])
def test_a_note_has_lines_but_no_control_characters(client: Client, note: str) -> None:
    body = {"a": GRACE, "b": ADA, "verdict": "different"}
    assert post(client, f"{REVIEW}/verdicts", body | {"note": note}).is_problem(400, "note has control characters")
    assert ask(client, f"{REVIEW}/counts")["decided"] == 0
    kept = post(client, f"{REVIEW}/verdicts", body | {"note": "sisters,\nnot twins"}).json
    assert kept["pair"]["note"] == "sisters,\nnot twins"


@pytest.mark.usefixtures("pairs")
def test_a_verdict_is_undone_while_nothing_else_was_decided(client: Client) -> None:
    first = post(client, f"{REVIEW}/verdicts", {"a": ADA, "b": BEA, "verdict": "same"}).json
    second = post(client, f"{REVIEW}/verdicts", {"a": ADA, "b": GRACE, "verdict": "unsure"}).json
    entries = [each["changes"][0]["entry"] for each in (first, second)]
    assert post(client, UNDO, {"entry": entries[0]}).is_problem(409, "somebody decided something else")
    assert post(client, UNDO, {"entry": entries[1]}).json["detail"] == "unsure"
    assert post(client, UNDO, {"entry": entries[0]}).json["names"] == [ADA, BEA]
    assert ask(client, f"{REVIEW}/counts") == {"open": 3, "unsure": 0, "decided": 0}


@pytest.mark.usefixtures("pairs")
def test_two_names_become_one_with_the_verdict_and_two_again_by_undoing(app: App, client: Client) -> None:
    body = {"a": ADA, "b": BEA, "verdict": "same", "merge_into": ADA}
    kept = post(client, f"{REVIEW}/verdicts", body).json
    assert [each["action"] for each in kept["changes"]] == ["verdict", "merge"]
    assert kept["pair"] is None
    assert app.face_records.find(STAFF, person=BEA) == []
    for change in reversed(kept["changes"]):
        assert post(client, UNDO, {"entry": change["entry"]}).status == 200
    assert len(app.face_records.find(STAFF, person=BEA)) == 1
    assert ask(client, f"{REVIEW}/counts")["open"] == 3


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"a": ADA, "b": BEA, "verdict": "different", "merge_into": ADA}, "for two names with the verdict same"),
        ({"a": ADA, "b": BEA, "verdict": "same", "merge_into": "Eve"}, "neither Ada Lovelace nor Bea"),
        ({"a": "a1", "b": "a2", "verdict": "same", "merge_into": "a1"}, "for two names with the verdict same"),
        ({"a": ADA, "b": ADA, "verdict": "same"}, "was given twice"),
        ({"a": ADA, "b": BEA, "verdict": "maybe"}, "maybe"),
        ({"a": ADA, "b": BEA, "verdict": "same", "merge": True}, "unknown field"),
    ],
)
def test_a_verdict_that_cannot_be_meant_is_refused_and_changes_nothing(
    client: Client, body: dict[str, Any], said: str
) -> None:
    assert post(client, f"{REVIEW}/verdicts", body).is_problem(400, said)
    assert ask(client, f"{REVIEW}/counts") == {"open": 0, "unsure": 0, "decided": 0}


def test_what_is_unknown_is_not_found(client: Client) -> None:
    assert client.ask("GET", "/api/v1/collections/nobody/review/pairs").is_problem(404, "nobody")
    assert client.ask("GET", "/api/v1/collections/nobody/review/counts").is_problem(404, "nobody")
    assert client.ask("GET", f"{REVIEW}/pair", query=b"a=Eve&b=Bea").is_problem(404, "Eve")


def test_a_scan_fills_the_queue(client: Client) -> None:
    names = {"names": [ADA, BEA], "similarity": 99.0, "pairs": 1, "faces": [{"face_id": "a1"}, {"face_id": "b1"}]}
    scan = {"collection": STAFF, "two_names": [names], "two_people": []}
    assert post(client, f"{REVIEW}/load", scan).json == {"collection": STAFF, "new": 1, "read": 1}
    assert ask(client, f"{REVIEW}/pairs")["items"][0]["faces"] == ["a1", "b1"]
    assert post(client, f"{REVIEW}/load", {"two": 1}).is_problem(400, "is no scan")
    assert client.ask("POST", f"{REVIEW}/load", chunks=[b"\xff"]).is_problem(400, "is no scan")


# Matching reports


@pytest.fixture
def matched(app: App) -> None:
    app.collections.create(MATCHING, MODEL)
    faces = [("face-1", "eve", 4), ("face-ada", "ada", 5)]
    for face_id, name, n in faces:
        image, source = f"{name}_0001.jpg", f"faceline-images/images/{name}_0001.jpg"
        made = record(face_id, name, vector(n))
        face = replace(made, source=source, external_image_id=image, image_size=(64, 48))
        app.face_records.add(MATCHING, [NewFace(face)])
    reports.put(app, reports.report("ada", reports.match("eve", 95.0), reports.match("bob", 60.0)))
    reports.put(app, reports.report("bob"))
    reports.put(app, reports.report("eve", reports.match("bob", 85.0)))
    reports.put(app, b"[somebody else's file]", "output/other.json")
    reports.put(app, b"no report", "output/readme.txt")


@pytest.mark.usefixtures("matched")
def test_reports_come_by_name_page_by_page(client: Client) -> None:
    first = ask(client, "/api/v1/match-reports", limit=2)
    assert [each["report"] for each in first["items"]] == ["ada_0001.jpg", "bob_0001.jpg"]
    assert first["items"][0]["source"] == {"bucket": "faceline-images", "key": "images/ada_0001.jpg"}
    assert [first["items"][0][key] for key in ("customer", "matches", "similarity", "best_customer")] == [
        "ada",
        2,
        95.0,
        "eve",
    ]
    assert first["items"][1]["similarity"] is None
    rest = ask(client, "/api/v1/match-reports", limit=2, after=first["next"])
    assert [each["report"] for each in rest["items"]] == ["eve_0001.jpg"]
    assert rest["next"] is None


@pytest.mark.usefixtures("matched")
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"min_similarity": 85}, ["ada_0001.jpg", "eve_0001.jpg"]),
        ({"min_similarity": 0}, ["ada_0001.jpg", "eve_0001.jpg"]),
        ({"customer": "bob"}, ["ada_0001.jpg", "bob_0001.jpg", "eve_0001.jpg"]),
        ({"customer": "bob", "min_similarity": 70}, ["eve_0001.jpg"]),
        ({"customer": "nobody"}, []),
    ],
)
def test_reports_are_filtered_by_whom_they_are_about_and_how_alike(
    client: Client, wanted: dict[str, object], found: list[str]
) -> None:
    assert [each["report"] for each in ask(client, "/api/v1/match-reports", **wanted)["items"]] == found


@pytest.mark.usefixtures("matched")
def test_no_page_reads_more_reports_than_so_many(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_pages, "_READ_AT_MOST", 2)
    first = ask(client, "/api/v1/match-reports", min_similarity=80, customer="bob")
    assert (first["items"], first["next"]) == ([], "bob_0001.jpg")
    rest = ask(client, "/api/v1/match-reports", min_similarity=80, customer="bob", after=first["next"])
    assert [each["report"] for each in rest["items"]] == ["eve_0001.jpg"]


@pytest.mark.usefixtures("matched")
def test_one_report_says_where_its_images_are_and_what_was_decided(app: App, client: Client) -> None:
    app.reviews.put(MATCHING, [Suspect(pair_of(Kind.PEOPLE, "ada", "eve"), 95.0, "reports")])
    post(client, f"/api/v1/collections/{MATCHING}/review/verdicts", {"a": "ada", "b": "eve", "verdict": "unsure"})
    found = ask(client, "/api/v1/match-reports/ada_0001.jpg")
    assert (found["customer"], found["collection"], found["face_id"]) == ("ada", MATCHING, "face-ada")
    assert found["box"] == {"left": 4 / 64, "top": 6 / 48, "width": 20 / 64, "height": 25 / 48}
    eve, bob = found["matches"]
    assert eve["source"] == {"bucket": "faceline-images", "key": "images/eve_0001.jpg"}
    assert eve["box"] == {"left": 0.125, "top": 0.0625, "width": 0.25, "height": 0.5}
    assert (eve["verdict"], bob["verdict"]) == ("unsure", None)


def test_a_report_of_faces_that_are_gone_is_shown_without_pictures(app: App, client: Client) -> None:
    reports.put(app, reports.report("ada", reports.match("eve", 95.0)))
    found = ask(client, "/api/v1/match-reports/ada_0001.jpg")
    assert (found["face_id"], found["box"], found["matches"][0]["source"]) == (None, None, None)
    assert client.ask("GET", "/api/v1/match-reports/eve_0001.jpg").is_problem(404, "there is no report eve_0001.jpg")
    assert client.ask("GET", "/api/v1/match-reports/../x").is_problem(404, "there is no report")


@pytest.mark.parametrize(
    "data",
    [
        b'{"Source": "a", "CustomerID": "b", "Matches": [{"Face": 5}]}',
        b'{"Source": [], "CustomerID": {}, "Matches": []}',
        b'{"Source": "a", "CustomerID": "b\\ud800", "Matches": []}',
        b'{"Source": "a", "CustomerID": "b", "Matches": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"Source": "a", "CustomerID": "b", "Matches": ' + b"[" * 100_000,
    ],
    ids=range(5),
)
def test_a_forged_report_is_none_and_spoils_no_list(app: App, client: Client, data: bytes) -> None:
    app.collections.create(MATCHING, MODEL)
    reports.put(app, reports.report("ada", reports.match("eve", 95.0)))
    reports.put(app, data, "output/odd.json")
    assert client.ask("GET", "/api/v1/match-reports/odd").is_problem(404, "there is no report odd")
    assert [each["report"] for each in ask(client, "/api/v1/match-reports")["items"]] == ["ada_0001.jpg"]
    assert post(client, "/api/v1/match-reports/load", {}).status == 200


@pytest.mark.usefixtures("matched")
def test_all_reports_fill_the_queue_and_new_files_are_seen(app: App, client: Client) -> None:
    dropped = app.objects.root / reports.MATCHES / "output" / "zoe_0001.jpg.json"
    dropped.write_text(json.dumps(reports.report("zoe", reports.match("ada", 99.0))))
    os.utime(dropped, ns=(reports.LONG_AGO_NS, reports.LONG_AGO_NS))  # one just written is read again each time
    assert post(client, "/api/v1/match-reports/load", {}).json == {"collection": MATCHING, "new": 4, "read": 4}
    assert [each["report"] for each in ask(client, "/api/v1/match-reports", customer="zoe")["items"]] == [
        "zoe_0001.jpg"
    ]


# Statistics


def entry(key: str, at: str, *faces: SeenFace, error: str | None = None) -> Entry:
    return Entry(Seen.PHOTO, at, at, BUCKET, key, faces=faces, error=error)


def face(status: str, person: str | None = None, similarity: float | None = None) -> SeenFace:
    return SeenFace(status, person, None, similarity, 99.0, None)


def test_statistics_count_what_was_seen_in_each_step(app: App, client: Client) -> None:
    app.activity.put(entry("1.jpg", "2026-01-31T10:15:00.000+00:00", face("matched", ADA, 97.5), face("unknown")))
    app.activity.put(entry("2.jpg", "2026-01-31T12:15:00.000+00:00", face("matched", ADA, 100.0)))
    app.activity.put(entry("3.jpg", "2026-01-31T12:20:00.000+00:00", error="no photo"))
    app.reviews.put(STAFF, [suspect(ADA, BEA, 99.0)])
    told = Notice("n1", "match.found", "2026-01-31T12:00:00.000+00:00", "a/b", "text", (ADA, BEA), 99.0, None, {})
    app.notices.put(told)
    found = ask(client, "/api/v1/statistics", since="2026-01-31T10:00Z", until="2026-01-31T13:00Z", step=3600)
    assert [(each["entries"], each["matched"], each["unknown"], each["errors"]) for each in found["traffic"]] == [
        (1, 1, 1, 0),
        (0, 0, 0, 0),
        (2, 1, 0, 1),
    ]
    assert found["traffic"][0]["start"] == "2026-01-31T10:00:00.000+00:00"
    assert found["similarities"][-1] == {"at_least": 95, "to": 100, "faces": 2}
    assert [(each["person"], each["entries"]) for each in found["people"]] == [(ADA, 2)]
    assert found["pairs"] == [{"collection": STAFF, "open": 1, "unsure": 0, "decided": 0}]
    assert found["match_notices"] == 0  # told now, not then
    assert ask(client, "/api/v1/statistics")["match_notices"] == 1


@pytest.mark.parametrize(
    ("since", "until", "step_s"),
    [
        ("2026-01-30T00:00:00+00:00", "2026-01-31T00:00:00+00:00", 3600),
        ("2026-01-01T00:00:00+00:00", "2026-01-31T00:00:00+00:00", 86_400),
        ("2020-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00", 22 * 86_400),
    ],
)
def test_there_are_about_a_hundred_steps_at_most(client: Client, since: str, until: str, step_s: int) -> None:
    found = ask(client, "/api/v1/statistics", since=since, until=until)
    assert found["step"] == step_s
    assert len(found["traffic"]) <= 200


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=yesterday", "'yesterday' is not a time"),
        ("since=2026-01-02&until=2026-01-01", "is not before until"),
        ("until=0001-01-02", "no seven days before"),
        ("since=2025-01-01&until=2026-01-01&step=60", "more than 1000"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(client: Client, query: str, said: str) -> None:
    assert client.ask("GET", "/api/v1/statistics", query=query.encode()).is_problem(400, said)


# Exports


def table(answer: Answer) -> list[dict[str, str]]:
    assert answer.status == 200, answer.body
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    return list(csv.DictReader(io.StringIO(answer.body.decode())))


def put_record(app: App, key: str, **changed: Any) -> None:
    row = Record("x", "2026-01-31T12:00:00.000+00:00", None, None, 99.5, None, None, BUCKET, key, "etag", "unknown")
    app.records.replace(BUCKET, key, [replace(row, **changed)])


def test_records_are_exported_with_formulas_defused(app: App, client: Client) -> None:
    box, emotions = {"left": 1.0, "top": 2.0, "width": 3.0, "height": 4.0}, [{"type": "happy", "confidence": 70.04}]
    put_record(app, "a.jpg", person="=1+1", status="matched", bounding_box=box, emotions=emotions)
    put_record(app, "b.jpg", status="error", error="no photo")
    first, second = table(client.ask("GET", "/api/v1/exports/records.csv"))
    assert (first["person"], first["left"], first["height"], first["emotions"]) == ("'=1+1", "1.0", "4.0", "happy 70.0")
    assert (second["key"], second["error"], second["left"]) == ("b.jpg", "no photo", "")
    (only,) = table(client.ask("GET", "/api/v1/exports/records.csv", query=b"status=error"))
    assert only == second
    document = client.ask("GET", "/api/v1/exports/records.json").json
    assert [each["person"] for each in document] == ["=1+1", None]


def test_an_export_of_nothing_is_a_head_or_an_empty_list(client: Client) -> None:
    assert table(client.ask("GET", "/api/v1/exports/records.csv")) == []
    assert client.ask("GET", "/api/v1/exports/records.json").json == []


def test_many_records_are_exported_once_each(app: App, client: Client) -> None:
    rows = [Record("x", "2026-01-31", None, None, 1.0, None, None, BUCKET, "k", "e", "unknown", n) for n in range(1200)]
    app.records.replace(BUCKET, "k", rows)
    assert [int(each["face_number"]) for each in table(client.ask("GET", "/api/v1/exports/records.csv"))] == list(
        range(1200)
    )


@pytest.mark.parametrize("name", ["records.csv", "records.json"])
def test_an_export_with_a_bad_filter_is_refused_before_it_begins(client: Client, name: str) -> None:
    answer = client.ask("GET", f"/api/v1/exports/{name}", query=b"since=yesterday")
    assert answer.is_problem(400, "'yesterday' is not a time")


@pytest.mark.usefixtures("pairs")
def test_pairs_are_exported_each_once(client: Client) -> None:
    post(client, f"{REVIEW}/verdicts", {"a": ADA, "b": BEA, "verdict": "same", "note": "@home"})
    post(client, f"{REVIEW}/verdicts", {"a": ADA, "b": GRACE, "verdict": "unsure"})
    rows = table(client.ask("GET", "/api/v1/exports/review.csv"))
    assert [each["verdict"] for each in rows] == ["", "unsure", "same"]
    assert rows[2]["note"] == "'@home"
    queries = (b"", b"state=open", b"state=decided")
    documents = [client.ask("GET", "/api/v1/exports/review.json", query=query).json for query in queries]
    assert [len(document) for document in documents] == [3, 2, 2]
    assert client.ask("GET", "/api/v1/exports/review.csv", query=b"collection=x").is_problem(404, "x")


@pytest.mark.usefixtures("matched")
def test_matches_are_exported_a_row_each(client: Client) -> None:
    rows = table(client.ask("GET", "/api/v1/exports/match-reports.csv"))
    assert [(each["customer"], each["match"], each["similarity"]) for each in rows] == [
        ("ada", "eve", "95.0"),
        ("ada", "bob", "60.0"),
        ("eve", "bob", "85.0"),
    ]
    assert rows[0]["left"] == "0.125"
    query = b"customer=bob&min_similarity=70"
    (only,) = table(client.ask("GET", "/api/v1/exports/match-reports.csv", query=query))
    assert only["customer"] == "eve"
