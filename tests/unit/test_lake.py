"""Results as tables: from JSON, from Parquet copies, and what happens to the copies when the JSON changes."""

import json
import os
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from faceline.analytics.documents import Report, line_of
from faceline.analytics.lake import Compacted
from faceline.app import App
from faceline.erasure import Gone
from faceline.errors import InputError
from made import BUCKET, Workflow, open_app, photo
from reports import LONG_AGO_NS, MATCHES, match, put, report, rows

ADA_GONE = Gone("ada", ("faceline-matching",), everywhere=True)
STATS = "FROM matchingstats ORDER BY ALL"


def compacted(app: App) -> Compacted:
    return next(done for done in app.lake.compact() if done.table == "reports")


def parts(app: App) -> list[Path]:
    return app.lake.parts("reports").paths()


def files(app: App) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in app.lake.root.rglob("*") if path.is_file()}


# Tables and columns


def test_the_columns_are_those_that_the_athena_table_has(made_app: App) -> None:
    box = 'BoundingBox STRUCT(Width DOUBLE, Height DOUBLE, "Left" DOUBLE, Top DOUBLE)'
    face = f"Face STRUCT(FaceId VARCHAR, {box}, ImageId VARCHAR, ExternalImageId VARCHAR, Confidence DOUBLE)"
    struct = f'STRUCT("Similarity" DOUBLE, {face}, CustomerId VARCHAR)[]'
    columns = "SELECT column_name, column_type FROM (DESCRIBE {})"
    assert rows(made_app, columns.format("face_match_output")) == [
        ["source", "VARCHAR"],
        ["customerid", "VARCHAR"],
        ["matches", struct],
    ]
    assert rows(made_app, columns.format("matchingstats")) == [
        ["customerid", "VARCHAR"],
        ["similarity", "DOUBLE"],
        ["suspect_match", "VARCHAR"],
    ]


def test_a_report_is_a_row_and_each_match_is_one_of_matchingstats(made_app: App) -> None:
    ada = report("ada", match("bob", 91.5), match("Zoë 'Q'", 50.25))
    put(made_app, ada)
    put(made_app, report("nobody"))
    ((source, customer, matches),) = rows(made_app, "FROM face_match_output WHERE customerid = 'ada'")
    assert (source, customer, matches) == (ada["Source"], "ada", ada["Matches"])
    assert rows(made_app, STATS) == [["ada", 50.25, "Zoë 'Q'"], ["ada", 91.5, "bob"]]
    told = rows(made_app, "SELECT customerid, matches, reported_at, document FROM reports ORDER BY 1")
    assert told[0] == ["ada", 2, "2023-11-14T22:13:20", f"{MATCHES}/output/ada_0001.jpg.json"]
    assert told[1][:2] == ["nobody", 0]


def test_photos_are_rows_of_processed_and_faces_of_processed_faces(made_app: App) -> None:
    flow = Workflow(made_app)
    flow.put("enroll/ada.png", photo())
    flow.worker.drain()
    flow.put("input/2026/two.png", photo(faces=2))
    flow.put("input/none.png", photo(faces=0))
    flow.put("input/text.png", b"<html>")
    flow.worker.drain()
    told = rows(made_app, "SELECT key, faces, width IS NULL, error IS NULL, document FROM processed ORDER BY key")
    assert told == [
        ["input/2026/two.png", 2, False, True, f"{BUCKET}/processed/2026/two.json"],
        ["input/none.png", 0, False, True, f"{BUCKET}/processed/none.json"],
        ["input/text.png", 0, True, False, f"{BUCKET}/processed/text.json"],
    ]
    document = json.loads(made_app.objects.get(BUCKET, "processed/2026/two.json", 10**6)[1])
    found = rows(
        made_app, "SELECT face_number, name, similarity, box, landmarks, quality, candidates FROM processed_faces"
    )
    columns = ("name", "similarity", "box", "landmarks", "quality", "candidates")
    assert found == [[n, *(face[c] for c in columns)] for n, face in enumerate(document["faces"])]
    assert found[0][1] == "ada"
    written = rows(made_app, "SELECT epoch(processed_at) FROM processed WHERE key = 'input/2026/two.png'")[0][0]
    assert written == pytest.approx(_unix(document["processed_at"]))


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_records_are_rows_under_both_names(made_app: App) -> None:
    flow = Workflow(made_app)
    flow.put("input/two.png", photo(faces=2))
    flow.worker.drain()
    (first, second) = rows(made_app, "FROM records ORDER BY face_number")
    assert rows(made_app, "FROM FACERECOGNITIONRESULTS ORDER BY face_number") == [first, second]
    (record, _) = next(iter(made_app.records.pages()))
    assert (first[0], first[5], first[7:]) == (
        "two.png",
        record.bounding_box,
        [record.bucket, record.key, record.etag, record.status, 0, None],
    )
    assert _unix(f"{first[1]}+00:00") == _unix(record.timestamp)


def test_all_records_come_in_pages(made_app: App) -> None:
    flow = Workflow(made_app)
    for number in range(5):
        flow.put(f"input/{number}.png", photo(faces=2, salt=number))
    flow.worker.drain()
    pages = list(made_app.records.pages(3))
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    keys = [(record.key, record.face_number) for page in pages for record in page]
    assert keys == [(f"input/{n}.png", face) for n in range(5) for face in (0, 1)]


def test_a_new_data_directory_has_every_table_and_no_row(made_app: App) -> None:
    for (name,) in rows(made_app, "SHOW TABLES"):
        assert rows(made_app, f"SELECT count(*) FROM {name}") == [[0]]


# What is no result


HOSTILE = {
    b"": "input data was truncated",
    b"[]": "expected `object`",
    b'{"Source": 1}': "`\\$.Source`",
    b'{"Source": "a", "CustomerID": "b"}': "Matches",
    b'{"Source": "a", "CustomerID": "b", "Matches": [{"Similarity": "90"}]}': "Similarity",
    b'{"Source": "a", "CustomerID": "b", "Matches": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}": "",
    b'{"Source": "\xff", "CustomerID": "b", "Matches": []}': "",
    b'{"Source": "\\ud800", "CustomerID": "b", "Matches": []}': "",
}


@pytest.mark.parametrize(("text", "reason"), HOSTILE.items(), ids=range(len(HOSTILE)))
def test_what_is_no_report_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=f"(?i){reason}"):
        line_of(Report, text)


def test_bad_files_are_left_out_and_told(made_app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.analytics.sources._MAX_BYTES", 1000)
    put(made_app, report("ada", match("bob", 91.5)))
    put(made_app, b"{", "output/cut.json")
    put(made_app, report("huge", *[match("bob", 60.0)] * 20))
    put(made_app, b"not looked at", "output/readme.txt")
    folder = made_app.objects.root / MATCHES / "output"
    (tmp_path / "outside.json").write_text(json.dumps(report("outside")))
    (folder / "link.json").symlink_to(tmp_path / "outside.json")
    os.mkfifo(folder / "pipe.json")
    answer = made_app.lake.query("FROM unreadable ORDER BY key")
    assert [row[:2] for row in answer.table.rows] == [
        [MATCHES, f"output/{name}.json"] for name in ("cut", "huge_0001.jpg", "link", "pipe")
    ]
    reasons = [row[2] for row in answer.table.rows]
    for reason, word in zip(reasons, ("truncated", "1,000 are read", "links", "neither a file"), strict=True):
        assert word in reason
    counted = made_app.lake.query("SELECT customerid FROM face_match_output")
    assert (counted.table.rows, counted.unreadable) == ([["ada"]], 4)


def test_nothing_in_a_document_is_taken_for_sql(made_app: App) -> None:
    name = "'); DROP TABLE lake.reports; --\x00\n\\"
    put(made_app, report("ada", match(name, 91.5)))
    put(made_app, report("bob"), 'output/it\'s "odd" [*]?.json')
    assert rows(made_app, STATS) == [["ada", 91.5, name]]
    assert compacted(made_app).added == 2
    assert rows(made_app, STATS) == [["ada", 91.5, name]]
    assert made_app.lake.query("FROM reports").read == 0


# Parquet


def test_copies_are_read_instead_of_json(made_app: App) -> None:
    put(made_app, report("ada", match("bob", 91.5)))
    put(made_app, report("nobody"))
    whole = "FROM face_match_output ORDER BY customerid"
    before = made_app.lake.query(whole)
    done = compacted(made_app)
    assert (done.added, done.dropped, done.parts) == (2, 0, 1)
    after = made_app.lake.query(whole)
    assert (before.read, after.read) == (2, 0)
    assert before.table == after.table
    assert done.size_bytes == parts(made_app)[0].stat().st_size


def test_only_the_own_copies_are_read_whatever_the_folder_is_called(tmp_path: Path) -> None:
    for folder, customer in (("a1", "other"), ("a[1]", "ada"), ("key=a*", "bob")):
        with open_app(tmp_path / folder / "data") as app:
            put(app, report(customer))
            assert compacted(app).added == 1
            assert rows(app, "SELECT customerid FROM face_match_output") == [[customer]]
            assert app.lake.query("FROM face_match_output").read == 0


def test_a_second_compaction_copies_only_what_is_new(made_app: App) -> None:
    put(made_app, report("ada", match("bob", 91.5)))
    compacted(made_app)
    first = files(made_app)
    assert compacted(made_app).added == 0
    assert files(made_app) == first
    put(made_app, report("cleo", match("dora", 77.5)))
    assert compacted(made_app).added == 1
    assert first["open.lock"] == b""
    assert {name for name in first if name != "parts.json"} < set(files(made_app))
    assert rows(made_app, STATS) == [["ada", 91.5, "bob"], ["cleo", 77.5, "dora"]]


def test_json_that_changed_counts_and_its_copy_does_not(made_app: App) -> None:
    put(made_app, report("ada", match("bob", 91.5)))
    compacted(made_app)
    put(made_app, report("ada", match("cleo", 60.5)))
    assert rows(made_app, STATS) == [["ada", 60.5, "cleo"]]
    done = compacted(made_app)
    assert (done.added, done.dropped, done.parts) == (1, 1, 1)
    assert rows(made_app, STATS) == [["ada", 60.5, "cleo"]]
    assert not any(b"bob" in data for data in files(made_app).values())


def test_json_that_is_gone_takes_its_copy_with_it(made_app: App) -> None:
    key = put(made_app, report("ada", match("bob", 91.5)))
    put(made_app, report("cleo", match("dora", 77.5)))
    compacted(made_app)
    made_app.objects.delete(MATCHES, key)
    assert rows(made_app, STATS) == [["cleo", 77.5, "dora"]]
    assert made_app.lake.tidy() == 1
    assert made_app.lake.query(STATS).read == 0
    made_app.objects.delete(MATCHES, "output/cleo_0001.jpg.json")
    assert compacted(made_app) == Compacted("reports", 0, 1, 0, 0)
    assert parts(made_app) == []


def test_a_file_that_was_just_written_is_not_copied_yet(made_app: App) -> None:
    made_app.objects.put(MATCHES, "output/ada_0001.jpg.json", json.dumps(report("ada")).encode())
    assert compacted(made_app).added == 0
    assert made_app.lake.query("FROM reports").read == 1


def test_another_bucket_in_the_settings_has_other_reports(made_app: App) -> None:
    put(made_app, report("ada"))
    compacted(made_app)
    with open_app(made_app.directory.path, matching_output_bucket="others") as app:
        key = "output/ada_0001.jpg.json"
        app.objects.put("others", key, b"{}")
        status = (made_app.objects.root / MATCHES / key).stat()
        os.utime(app.objects.root / "others" / key, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert rows(app, "FROM reports") == []


def test_many_small_parts_become_one(made_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.analytics.compaction._MOST_PARTS", 2)
    for number in range(3):
        put(made_app, report("ada", match("bob", 60.0 + number), number=number))
        done = compacted(made_app)
    assert done.parts == 1
    assert len(list(made_app.lake.parts("reports").folder.glob("*.parquet"))) == 1
    assert [row[1] for row in rows(made_app, STATS)] == [60.0, 61.0, 62.0]


def test_large_amounts_are_copied_in_several_parts(made_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.analytics.compaction._PART_ROWS", 4)
    monkeypatch.setattr("faceline.analytics.sources._BATCH", 3)
    for number in range(13):
        put(made_app, report("ada", match("bob", 60.0 + number), number=number))
    done = compacted(made_app)
    assert (done.added, done.parts) == (13, 3)
    answer = made_app.lake.query(STATS)
    assert (answer.read, [row[1] for row in answer.table.rows]) == (0, [60.0 + n for n in range(13)])


def test_a_compaction_that_dies_leaves_the_old_copies(made_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    put(made_app, report("ada", match("bob", 91.5)))
    compacted(made_app)
    put(made_app, report("cleo", match("dora", 77.5)))

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("faceline.analytics.parts.Parts.keep", die)
        made_app.lake.compact()
    assert len(list(made_app.lake.parts("reports").folder.glob("*.parquet"))) == 2
    assert rows(made_app, STATS) == [["ada", 91.5, "bob"], ["cleo", 77.5, "dora"]]
    assert made_app.lake.query(STATS).read == 1
    compacted(made_app)
    assert sorted(path.name for path in made_app.lake.parts("reports").folder.glob("*.parquet")) == sorted(
        path.name for path in parts(made_app)
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99, "parts": ["x"]}', '{"version": 1, "parts": 7}'])
def test_a_damaged_list_of_parts_means_copying_again(text: str, made_app: App) -> None:
    put(made_app, report("ada", match("bob", 91.5)))
    compacted(made_app)
    (made_app.lake.parts("reports").folder / "parts.json").write_text(text)
    assert rows(made_app, STATS) == [["ada", 91.5, "bob"]]
    assert compacted(made_app).added == 1
    assert len(list(made_app.lake.parts("reports").folder.glob("*.parquet"))) == 1


def test_copies_are_for_their_owner_only(made_app: App) -> None:
    put(made_app, report("ada"))
    compacted(made_app)
    assert {path.stat().st_mode & 0o077 for path in (made_app.lake.root, *parts(made_app))} == {0}


# Erasure


def test_a_forgotten_person_is_in_no_copy(made_app: App) -> None:
    put(made_app, report("ada", match("bob", 91.5)))
    put(made_app, report("cleo", match("ada", 90.5), match("dora", 77.5)))
    put(made_app, report("emil", match("dora", 55.5)))
    compacted(made_app)
    assert made_app.lake.forget(ADA_GONE) == 2
    kept = rows(made_app, "SELECT customerid FROM reports ORDER BY 1")
    assert kept == [["ada"], ["cleo"], ["emil"]]  # the JSON is for its own store to clean
    assert made_app.lake.query("FROM reports").read == 2
    assert not any(b"ada" in data or b"bob" in data for data in files(made_app).values())
    assert len(parts(made_app)) == 1


@pytest.mark.parametrize(
    "gone",
    [
        replace(ADA_GONE, name='Zoë "Q" \\ Ω'),
        replace(ADA_GONE, name="x", face_ids=frozenset({"face-1"})),
        replace(ADA_GONE, name="x", image_ids=frozenset({"image-1"})),
        replace(ADA_GONE, name="x", external_image_ids=frozenset({"zoë.the-first_0001.jpg"})),
        replace(ADA_GONE, name="x", sources=frozenset({"faceline-images/images/ada_0001.jpg"})),
        replace(ADA_GONE, name="ADA"),
        replace(ADA_GONE, name="Zoë the_First"),
        replace(ADA_GONE, name="x", face_ids=frozenset({f"face-{n}" for n in range(250)})),
    ],
)
def test_names_ids_and_sources_are_found_however_they_are_written(gone: Gone, made_app: App) -> None:
    put(made_app, report("ada", match('Zoë "Q" \\ Ω', 91.5), match("zoë.the-first", 91.5)))
    put(made_app, report("emil"))
    compacted(made_app)
    assert made_app.lake.forget(gone) == 1
    assert made_app.lake.query("FROM reports").read == 1


def test_forgetting_somebody_takes_out_copies_of_json_that_was_cleaned_first(made_app: App) -> None:
    put(made_app, report("cleo", match("anonymous", 90.5)))
    compacted(made_app)
    put(made_app, report("cleo"))
    assert made_app.lake.forget(ADA_GONE) == 1
    assert parts(made_app) == []
    assert not any(b"anonymous" in data for data in files(made_app).values())


def test_without_copies_nothing_is_to_be_forgotten(made_app: App) -> None:
    put(made_app, report("ada"))
    assert made_app.lake.forget(ADA_GONE) == 0
    assert not made_app.lake.root.exists()


def test_without_duckdb_all_copies_go(made_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    put(made_app, report("ada"))
    compacted(made_app)
    monkeypatch.setitem(sys.modules, "faceline.analytics.tables", None)
    made_app.lake.forget(ADA_GONE)
    assert list(made_app.lake.root.rglob("*.parquet")) == []


def test_forgetting_a_person_cleans_the_copies_as_well(made_app: App) -> None:
    flow = Workflow(made_app)
    flow.put("enroll/ada.png", photo())
    flow.worker.drain()
    flow.put("input/photo.png", photo(salt=1))
    flow.worker.drain()
    written = made_app.objects.root / BUCKET / "processed" / "photo.json"
    os.utime(written, ns=(LONG_AGO_NS, LONG_AGO_NS))
    made_app.lake.compact()
    copies = "SELECT count(*) FROM processed_faces WHERE name = 'ada'"
    assert (rows(made_app, copies), made_app.lake.query(copies).read) == ([[1]], 0)
    made_app.forget("ada")
    assert made_app.lake.parts("processed").paths() == []
    assert rows(made_app, copies) == [[0]]
