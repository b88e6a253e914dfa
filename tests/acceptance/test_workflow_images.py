"""Workflow 1 from the command line, on embedded storage and with the real models: photos in, people out."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from acceptance.conftest import varied
from commands import Cli

ROW = {
    *("image_id", "timestamp", "face_id", "person", "confidence", "bounding_box", "emotions"),
    *("bucket", "key", "etag", "status", "face_number", "error"),
}


def records(cli: Cli, *options: object) -> list[dict[str, Any]]:
    result = cli("records", *options, "--json")
    assert result.code == 0, result.err
    rows: list[dict[str, Any]] = result.json
    return rows


def processed(folder: Path, key: str) -> dict[str, Any]:
    path = folder / "faceline-data" / "buckets" / "face-input-bucket" / "processed" / key
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def test_a_photo_goes_in_and_the_person_in_it_comes_out(cli: Cli, photos: Path, tmp_path: Path) -> None:
    assert cli("enroll", photos / "ada.jpg", "--name", "Ada").code == 0
    put = cli("put", photos / "another.jpg", "--wait", "--json")
    assert put.code == 0
    (row,) = put.json
    assert {name: row[name] for name in ("bucket", "key", "error")} == {
        "bucket": "face-input-bucket",
        "key": "input/another.jpg",
        "error": None,
    }
    assert row["result"] == {"status": "done", "faces": 1, "processed": "processed/another.json"}
    (record,) = records(cli)
    assert set(record) == ROW
    assert (record["image_id"], record["person"], record["status"]) == ("another.jpg", "Ada", "matched")
    assert (record["etag"], record["face_number"]) == (row["etag"], 0)
    (known,) = cli("collections", "show", "my-face-collection", "--json").json
    assert record["face_id"] == known["face_id"]
    assert datetime.fromisoformat(record["timestamp"]).utcoffset() is not None
    document = processed(tmp_path, "another.json")
    (face,) = document["faces"]
    assert (face["name"], face["similarity"], face["box"]) == ("Ada", record["confidence"], record["bounding_box"])
    assert (document["file"]["width"], document["file"]["etag"]) == (300, row["etag"])


def test_every_kind_of_photo_ends_in_a_result(cli: Cli, photos: Path, tmp_path: Path) -> None:
    put = cli("put", photos, "--wait", "--json")
    assert put.code == 1
    statuses = {Path(row["source"]).name: row["result"]["status"] for row in put.json}
    assert statuses == dict.fromkeys(statuses, "done") | {"text.jpg": "error"}
    assert "text.jpg" in put.err
    counts = {name: len(records(cli, "--image", name)) for name in statuses}
    assert counts == {"ada.jpg": 1, "another.jpg": 1, "dark.png": counts["dark.png"], "nobody.png": 0} | {
        "text.jpg": 1,
        "two.png": 2,
    }
    (failed,) = records(cli, "--status", "error")
    assert (failed["key"], failed["bounding_box"]) == ("input/text.jpg", None)
    assert processed(tmp_path, "text.json")["error"] == failed["error"]
    assert processed(tmp_path, "nobody.json")["faces"] == []
    assert cli("dead-letters", "list", "--json").json == []


def test_the_same_photo_put_twice_has_one_set_of_records(cli: Cli, photos: Path) -> None:
    for _ in range(2):
        assert cli("put", photos / "ada.jpg", "--wait", "--json").json[0]["result"]["faces"] == 1
    assert len(records(cli)) == 1
    cli("put", photos / "ada.jpg", "--prefix", "input/again/", "--wait")
    assert [row["key"] for row in records(cli)] == ["input/ada.jpg", "input/again/ada.jpg"]


def test_bytes_that_come_back_under_their_key_are_processed_again(cli: Cli, photos: Path) -> None:
    one, two = (photos / name for name in ("ada.jpg", "two.png"))
    (photos / "changing").mkdir()
    for source, faces in ((one, 1), (two, 2), (one, 1), (two, 2), (one, 1)):
        (photos / "changing" / "photo.jpg").write_bytes(source.read_bytes())
        assert cli("put", photos / "changing", "--wait", "--json").json[0]["result"]["faces"] == faces
        assert len(records(cli)) == faces


def test_a_labelled_photo_under_enroll_makes_a_person_known(cli: Cli, photos: Path) -> None:
    (photos / "Ada_Lovelace_0001.jpg").write_bytes((photos / "ada.jpg").read_bytes())
    put = cli("put", photos / "Ada_Lovelace_0001.jpg", "--prefix", "enroll/", "--wait", "--json")
    assert put.json[0]["result"] == {"status": "enrolled"}
    refused = cli("put", photos / "nobody.png", "--prefix", "enroll/", "--wait", "--json")
    assert (refused.code, refused.json[0]["result"]) == (1, {"status": "refused", "reason": "no face"})
    assert refused.json[0]["error"].endswith("nobody.png: no face")
    cli("put", photos / "another.jpg", "--wait")
    assert [row["person"] for row in records(cli)] == ["Ada_Lovelace"]


def test_records_are_found_by_photo_person_time_and_status(cli: Cli, photos: Path) -> None:
    cli("enroll", photos / "ada.jpg", "--name", "Ada")
    for name in ("another.jpg", "two.png"):
        cli("put", photos / name, "--wait")
    everything = records(cli)
    first, last = everything[0]["timestamp"], everything[-1]["timestamp"]
    assert len(everything) == 3
    assert [row["image_id"] for row in records(cli, "--image", "input/two.png")] == ["two.png"] * 2
    assert {row["person"] for row in records(cli, "--person", "Ada")} == {"Ada"}
    assert records(cli, "--person", everything[0]["face_id"]) == records(cli, "--person", "Ada")
    assert records(cli, "--since", last) == [row for row in everything if row["timestamp"] == last]
    assert records(cli, "--until", last) == [row for row in everything if row["timestamp"] < last]
    assert records(cli, "--since", first, "--status", "matched", "--limit", "1") == everything[-1:]


@pytest.mark.parametrize("kept", [1, 3])
def test_emotions_are_recorded_when_the_setting_asks_for_them(
    cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setenv("FACELINE_ATTRIBUTES", "emotions")
    monkeypatch.setenv("FACELINE_EMOTIONS_KEPT", str(kept))
    cli("put", photos / "ada.jpg", "--wait")
    (row,) = records(cli)
    assert len(row["emotions"]) == kept
    assert row["emotions"][0]["type"] == "happy"


def test_a_photo_stored_elsewhere_starts_nothing(cli: Cli, photos: Path) -> None:
    put = cli("put", photos / "ada.jpg", "--bucket", "holiday-photos", "--wait", "--json")
    assert (put.code, put.json[0]["result"]) == (0, None)
    cli("put", photos / "ada.jpg", "--prefix", "elsewhere/", "--wait")
    assert records(cli) == []


def test_many_photos_at_once(cli: Cli, portrait: Image.Image, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(12):
        (tmp_path / "many" / f"{number}.jpg").write_bytes(varied(portrait, number))
    cli("enroll", tmp_path / "many" / "0.jpg", "--name", "Ada")
    put = cli("put", tmp_path / "many", "--wait", "--json")
    assert put.code == 0
    assert [row["result"]["status"] for row in put.json] == ["done"] * 12
    assert [row["person"] for row in records(cli)] == ["Ada"] * 12


class TestRealPhotos:
    """With the reference photos only."""

    def test_known_people_are_named_and_strangers_are_not(self, cli: Cli, test_data: Path) -> None:
        examples = test_data / "photos" / "ageitgey" / "examples" / "knn_examples"
        assert cli("enroll", examples / "train").code in (0, 1)
        result = cli("identify", examples / "test", "--json")
        named = {
            Path(document["source"]).stem: sorted(face["name"] for face in document["faces"] if face["name"])
            for document in result.json
        }
        assert named["obama1"] == ["obama"]
        assert named["kit_with_rose"] == ["kit_harington", "rose_leslie"]
        assert named["obama_and_biden"] == ["biden", "obama"]
        assert named["johnsnow_test1"] == ["kit_harington"]

    def test_every_awkward_file_ends_in_a_result_or_in_one_clear_error(self, cli: Cli, test_data: Path) -> None:
        folders = (test_data / "edge", test_data / "photos" / "compreface" / "formats")
        files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
        assert len(files) > 40
        result = cli("detect", *files, "--json")
        assert result.code == 1
        assert "Traceback" not in result.err
        assert [document["source"] for document in result.json] == [str(path) for path in files]
        for document in result.json:
            if document["error"]:
                assert document["error"].startswith(f"{document['source']}: ")
            else:
                assert document["width"] > 0
