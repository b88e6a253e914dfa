"""The review's queue, marks and strangers over made photos, and what commands say of them."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from commands import Cli
from faceline.app import App
from faceline.errors import InputError, NoFaceError, NotFoundError, UsageError
from faceline.gallery.review import Answer, Kind, Suspect, pair_of
from made import Workflow, new_face, open_app, photo, vector

STAFF = "my-face-collection"
MATCHING = "faceline-matching"


@pytest.fixture
def app(made_app: App) -> App:
    made_app.enroller()
    made_app.face_records.add(
        STAFF, [new_face(each, name, vector(n)) for n, (each, name) in enumerate((("a1", "Ada"), ("g1", "Grace")))]
    )
    return made_app


def report(customer: str, *matches: tuple[str, float, str]) -> dict[str, Any]:
    """matches: customer, similarity, face id."""
    return {
        "Source": f"faceline-images/images/{customer}_0001.jpg",
        "CustomerID": customer,
        "Matches": [
            {"Similarity": similarity, "Face": {"FaceId": face_id}, "CustomerId": other}
            for other, similarity, face_id in matches
        ],
    }


def put_report(app: App, name: str, document: object) -> None:
    app.objects.make_bucket("faceline-matches")
    app.objects.put("faceline-matches", f"output/{name}.json", json.dumps(document).encode())


def enrol_customers(app: App, *names: str) -> None:
    app.collections.create(MATCHING, app.engines.model)
    app.face_records.add(MATCHING, [new_face(f"face of {each}", each, vector(n)) for n, each in enumerate(names)])


def test_matching_reports_fill_the_queue_of_the_matching_collection(app: App) -> None:
    enrol_customers(app, "ada", "eve", "bob")
    put_report(app, "1", report("ada", ("eve", 91.0, "face of eve"), ("eve", 97.0, "face of eve"), ("bob", 60.0, "x")))
    put_report(app, "2", report("eve", ("ada", 95.0, "face of ada")))
    put_report(app, "3", report("bob"))
    put_report(app, "4", ["somebody else's file"])
    assert app.reviews.load_reports() == (2, 3)
    first, second = app.reviews.open(MATCHING, 10)
    assert first.suspect is not None
    assert (first.pair, first.suspect.similarity, first.suspect.pairs) == (pair_of(Kind.PEOPLE, "ada", "eve"), 97.0, 3)
    assert first.suspect.faces == (None, "face of eve")
    assert second.pair == pair_of(Kind.PEOPLE, "ada", "bob")
    assert app.reviews.load_reports() == (0, 3)


def test_where_nothing_was_matched_yet_no_report_fills_it(app: App) -> None:
    assert app.reviews.load_reports() == (0, 0)


def test_a_report_that_was_just_written_fills_it_as_well(app: App) -> None:
    enrol_customers(app, "ada", "eve")
    for similarity in (91.0, 97.0, 95.0):
        app.reviews.reported(report("ada", ("eve", similarity, "face of eve")))
    (found,) = app.reviews.open(MATCHING, 10)
    assert found.suspect is not None
    assert found.suspect.similarity == 97.0


def test_customers_that_were_settled_apart_are_told_so(app: App) -> None:
    enrol_customers(app, "ada", "eve")
    assert not app.reviews.settled_apart(MATCHING, "eve", "ada")
    pair = app.reviews.pair(MATCHING, "ada", "eve")
    app.reviews.decide(MATCHING, pair, Answer.SAME, "an admin")
    assert app.reviews.settled(MATCHING, "eve", "ada")
    assert not app.reviews.settled_apart(MATCHING, "eve", "ada")
    app.reviews.decide(MATCHING, pair, Answer.DIFFERENT, "an admin")
    assert app.reviews.settled_apart(MATCHING, "eve", "ada")


def test_a_scan_is_loaded_with_both_kinds_of_pairs(app: App) -> None:
    app.face_records.add(STAFF, [new_face("a2", "Ada", vector(9))])
    shown = [{"face_id": each, "source": "x.jpg"} for each in ("g1", "a1", "a2")]
    scan = {
        "two_names": [{"names": ["Grace", "Ada"], "similarity": 98.5, "pairs": 2, "faces": shown[:2]}],
        "two_people": [
            {
                "name": "Ada",
                "groups": [{"example": shown[1], "similarity": None}, {"example": shown[2], "similarity": 7}],
            }
        ],
    }
    assert app.reviews.load_scan(STAFF, json.dumps(scan), "scan.json") == (2, 0)
    names, faces = sorted(app.reviews.open(STAFF, 10), key=lambda each: each.pair.kind, reverse=True)
    assert names.suspect is not None
    assert faces.suspect is not None
    assert (names.pair, names.suspect.faces) == (pair_of(Kind.PEOPLE, "Ada", "Grace"), ("a1", "g1"))
    assert (faces.pair, faces.suspect.person) == (pair_of(Kind.FACES, "a1", "a2"), "Ada")
    for other in ("[]", "{}", "not JSON", '{"two_names": [{}], "two_people": []}'):
        with pytest.raises(InputError, match=r"scan\.json is no scan: .*faceline review scan --out"):
            app.reviews.load_scan(STAFF, other, "scan.json")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "got `array`"),
        ('{"two_names":' + "[" * 100_000, "is no scan"),
        ('{"x":' + "[" * 100_000, "nested too deeply"),
        (f'{{"two_names": [{{"names": ["A", "B"], "similarity": 1{"0" * 400}}}]}}', "out of range"),
        ('{"two_names": [{"names": ["A", "B"], "similarity": 101}]}', "<= 100"),
        ('{"two_names": [{"names": ["A", "B"], "similarity": NaN}]}', "malformed"),
        ('{"two_names": [{"names": ["A", 1]}]}', "Expected `str`"),
        ('{"two_names": [], "two_people": [], "collection": "others"}', "load it with --collection others"),
    ],
)
def test_a_file_that_is_no_scan_of_the_collection_is_refused_in_words(
    text: str, reason: str, app: App, cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "scan.json").write_text(text)
    result = cli("--data", app.settings.data, "review", "load", tmp_path / "scan.json")
    assert (result.code, result.out) == (1, "")
    assert reason in result.err
    assert "Traceback" not in result.err


def test_pairs_that_were_loaded_before_are_counted(app: App, cli: Cli, tmp_path: Path) -> None:
    faces = [{"face_id": "a1"}, {"face_id": "g1"}]
    pair = {"names": ["Ada", "Grace"], "similarity": 98.5, "pairs": 2, "faces": faces}
    document = {"two_names": [pair], "two_people": [], "collection": STAFF}
    (tmp_path / "scan.json").write_text(json.dumps(document))
    first, second = (cli("--data", app.settings.data, "review", "load", tmp_path / "scan.json") for _ in range(2))
    assert (first.out.startswith("1 new pair to review"), first.err) == (True, "")
    assert second.out.startswith("0 new pairs to review")
    assert "1 pair passed over as not new: in the queue already" in second.err


def test_what_is_no_match_in_a_report_is_passed_over_and_logged(app: App, caplog: pytest.LogCaptureFixture) -> None:
    enrol_customers(app, "ada", "eve")
    good = report("ada", ("eve", 91.0, "face of eve"))
    wrong = [1, {}, *(report("ada", ("eve", s, "x"))["Matches"][0] for s in (float("nan"), float("inf"), 10**400))]
    put_report(app, "1", good | {"Matches": [*wrong, *good["Matches"]]})
    put_report(app, "2", good | {"CustomerID": 7})
    with caplog.at_level(logging.WARNING, "faceline"):
        assert app.reviews.load_reports()[0] == 1
    assert [vars(each).get("passed_over") for each in caplog.records] == [5, None]


def test_a_pair_is_of_two_known_names_or_two_faces(app: App) -> None:
    assert app.reviews.pair(STAFF, "Grace", "Ada") == pair_of(Kind.PEOPLE, "Ada", "Grace")
    assert app.reviews.pair(STAFF, "g1", "a1") == pair_of(Kind.FACES, "a1", "g1")
    with pytest.raises(NotFoundError, match="knows no Eve"):
        app.reviews.pair(STAFF, "Ada", "Eve")
    with pytest.raises(UsageError, match="Ada was given twice"):
        app.reviews.pair(STAFF, "Ada", "Ada")


def test_of_a_photo_of_several_people_the_one_most_like_the_person_is_marked(app: App) -> None:
    marked = app.reviews.mark_photo(STAFF, "Grace", photo(3, 0), "three.png", "an admin")
    assert (marked.similarity, marked.mark.source) == (100.0, "three.png")
    assert (app.reviews.marks(STAFF)[0].embedding.values == vector(1)).all()
    assert (marked.own_faces, marked.misnamed) == (1, 1)  # it is Grace: her own photo is no longer named so
    with pytest.raises(NoFaceError, match=r"nobody\.png: no face was found"):
        app.reviews.mark_photo(STAFF, "Grace", photo(0), "nobody.png", "an admin")
    with pytest.raises(NotFoundError, match=r"nobody in collection .* is called Eve"):
        app.reviews.mark_photo(STAFF, "Eve", photo(1), "one.png", "an admin")
    with pytest.raises(NotFoundError, match="has no face zzz"):
        app.reviews.mark_face(STAFF, "Grace", "zzz", "an admin")


def test_a_stranger_seen_often_is_named_once(tmp_path: Path) -> None:
    with open_app(tmp_path / "data", keep_unknown_faces=True) as app:
        workflow = Workflow(app)
        for n in range(7):
            workflow.process(f"input/{n}.png", photo(1, 5, n))
        workflow.process("input/other.png", photo(1, 9))
        groups = app.reviews.groups(STAFF)
        assert [len(each.faces) for each in groups] == [7, 1]
        with pytest.raises(UsageError, match="nobody can be called so"):
            app.reviews.name_group(STAFF, groups[0].group_id, " ")
        with pytest.raises(NotFoundError, match="no group has a face whose id begins with 'zzz'"):
            app.reviews.name_group(STAFF, "zzz", "Ada")
        named = app.reviews.name_group(STAFF, groups[0].faces[3].face_id, "Ada")
        assert (named.enrolled, named.removed) == (5, 7)
        assert [len(each.faces) for each in app.reviews.groups(STAFF)] == [1]
        assert app.reviews.now_known(STAFF, groups[0]) == "Ada"
        assert all(app.face_records.crop(STAFF, each.face_id) for each in app.face_records.find(STAFF, person="Ada"))
        workflow.process("input/again.png", photo(1, 5, 50))
        assert [row.person for row in workflow.rows("input/again.png")] == ["Ada"]


def test_what_a_person_is_told_at_the_terminal(app: App, cli: Cli) -> None:
    app.reviews.put(STAFF, [Suspect(pair_of(Kind.PEOPLE, "Ada", "Grace"), 98.5, "scan", ("a1", "g1"), 4)])
    listed = cli("--data", app.settings.data, "review", "list")
    assert listed.code == 0
    assert "One person under two names?" in listed.out
    (row,) = cli("--data", app.settings.data, "review", "list", "--json").json
    assert (row["a"], row["b"], row["similarity"], row["verdict"]) == ("Ada", "Grace", 98.5, None)
    decided = cli(
        "--data", app.settings.data, "review", "decide", "Grace", "Ada", "same", "--by", "Bea", "--note", "yes"
    )
    assert decided.out.startswith("Ada and Grace: the same person, says Bea at 20")
    assert "faceline review merge Grace Ada --into Grace" in decided.err
    assert "nothing to review" in cli("--data", app.settings.data, "review", "list").err
    merged = cli("--data", app.settings.data, "review", "merge", "Grace", "Ada", "--into", "Ada", "--by", "Bea")
    assert merged.out == "Grace is Ada now, with 1 face. Results of before still say Grace.\n"
    undone = cli("--data", app.settings.data, "review", "undo")
    assert undone.out.startswith("Undone: Grace merged into Ada, by Bea at 20")
    bad = cli("--data", app.settings.data, "review", "merge", "Grace", "Ada", "--into", "Eve")
    assert (bad.code, "neither 'Grace' nor 'Ada'" in bad.err) == (2, True)


def test_a_person_is_renamed_at_the_terminal(app: App, cli: Cli) -> None:
    renamed = cli("--data", app.settings.data, "review", "rename", "Grace", "Grace Hopper", "--by", "Bea")
    assert renamed.out == "Grace is called Grace Hopper now, with 1 face. Results of before still say Grace.\n"
    assert app.reviews.aliases(STAFF, "Grace Hopper") == {"Grace"}
    taken = cli("--data", app.settings.data, "review", "rename", "Grace Hopper", "Ada")
    assert (taken.code, "merge Grace Hopper into them" in taken.err) == (1, True)
    undone = cli("--data", app.settings.data, "review", "undo")
    assert undone.out.startswith("Undone: Grace renamed Grace Hopper, by Bea at 20")
