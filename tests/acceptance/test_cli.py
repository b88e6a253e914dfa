"""The command line's contract: names and types of the JSON, exit codes, what goes to which stream."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import faceline
from commands import Cli, Result, run
from faceline.local.directory import open_directory

BOX = {"left": float, "top": float, "width": float, "height": float}
QUALITY = {"brightness": float, "sharpness": float, "size_px": float, "usable": bool, "reasons": list}
FACE = {
    "box": BOX,
    "confidence": float,
    "landmarks": list,
    "pose": {"roll": float, "yaw": float, "pitch": float},
    "quality": QUALITY,
}


def has(document: Any, shape: Any) -> bool:
    """Whether all names of `shape` are there with values of these types; a tuple gives alternatives."""
    if isinstance(shape, dict):
        return isinstance(document, dict) and all(has(document.get(name), kind) for name, kind in shape.items())
    if isinstance(shape, tuple):
        return any(has(document, kind) for kind in shape)
    if shape is None:
        return document is None
    return isinstance(document, int | float if shape is float else shape) and (shape is bool) == isinstance(
        document, bool
    )


def is_clean(result: Result) -> bool:
    """An error for people: no traceback, and it says who speaks."""
    return "Traceback" not in result.err and result.err.strip() != ""


class TestDetect:
    def test_the_document_of_a_photo(self, cli: Cli, photos: Path) -> None:
        result = cli("detect", photos / "ada.jpg", "--json")
        assert result.code == 0
        (document,) = result.json
        assert list(document) == ["source", "kind", "width", "height", "faces", "error"]
        assert document["source"] == str(photos / "ada.jpg")
        assert (document["kind"], document["width"], document["height"]) == ("photo", 300, 300)
        assert document["error"] is None
        (face,) = document["faces"]
        assert has(face, FACE)
        assert set(face) == set(FACE)
        assert 50 < face["confidence"] <= 100
        assert [len(point) for point in face["landmarks"]] == [2] * 5
        assert face["quality"]["usable"]

    def test_emotions_come_when_they_are_asked_for(self, cli: Cli, photos: Path) -> None:
        (document,) = cli("detect", photos / "ada.jpg", "--attributes", "emotions", "--json").json
        emotions = document["faces"][0]["emotions"]
        assert all(has(emotion, {"type": str, "confidence": float}) for emotion in emotions)
        assert emotions[0]["type"] == "happy"
        assert sum(emotion["confidence"] for emotion in emotions) == pytest.approx(100, abs=0.5)

    def test_a_photo_without_a_face_is_a_result(self, cli: Cli, photos: Path) -> None:
        result = cli("detect", photos / "nobody.png", "--json")
        assert (result.code, result.json[0]["faces"], result.json[0]["error"]) == (0, [], None)

    def test_what_fails_is_listed_in_its_place_and_the_others_are_done(self, cli: Cli, photos: Path) -> None:
        paths = [photos / "ada.jpg", photos / "text.jpg", photos / "absent.jpg", photos / "two.png"]
        result = cli("detect", *paths, "--json")
        assert result.code == 1
        assert [document["source"] for document in result.json] == [str(path) for path in paths]
        assert [len(document["faces"]) for document in result.json] == [1, 0, 0, 2]
        for document in result.json[1:3]:
            assert document["error"].startswith(document["source"])
            assert (document["width"], document["height"]) == (None, None)
            assert document["error"] in result.err
        assert is_clean(result)

    def test_a_folder_stands_for_its_photos(self, cli: Cli, photos: Path) -> None:
        result = cli("detect", photos, "--json")
        assert result.code == 1
        assert len(result.json) == 6

    def test_small_faces_are_found_when_they_are_looked_for(
        self, cli: Cli, portrait: Image.Image, tmp_path: Path
    ) -> None:
        portrait.resize((48, 48)).save(tmp_path / "small.png")
        (face,) = cli("detect", tmp_path / "small.png", "--min-face", "12", "--json").json[0]["faces"]
        assert 10 < face["quality"]["size_px"] < 20

    def test_annotated_pictures_are_written(self, cli: Cli, photos: Path, tmp_path: Path) -> None:
        result = cli("detect", photos / "ada.jpg", photos / "two.png", "--draw", tmp_path / "drawn", "--json")
        assert result.code == 0
        assert result.json
        assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["ada.png", "two.png"]

    def test_people_get_a_table(self, cli: Cli, photos: Path) -> None:
        result = cli("detect", photos / "ada.jpg", photos / "nobody.png")
        assert result.code == 0
        assert "no face" in result.out
        assert str(photos / "ada.jpg") in result.out


class TestCompare:
    def test_the_document_of_two_photos(self, cli: Cli, photos: Path) -> None:
        result = cli("compare", photos / "ada.jpg", photos / "another.jpg", "--json")
        assert result.code == 0
        document = result.json
        shape = {"similarity": float, "same": bool, "model": str, "calibrated": bool, "box_a": BOX, "box_b": BOX}
        assert has(document, shape)
        assert set(document) == set(shape)
        assert document["same"]
        assert document["calibrated"]
        assert 90 < document["similarity"] < 100

    def test_a_photo_without_a_face_is_named(self, cli: Cli, photos: Path) -> None:
        result = cli("compare", photos / "ada.jpg", photos / "nobody.png", "--json")
        assert result.code == 1
        assert "nobody.png: no face" in result.json["error"]
        assert is_clean(result)


class TestPeople:
    def test_enrolling_counts_and_says_why_not(self, cli: Cli, photos: Path) -> None:
        result = cli("enroll", photos, "--name", "Ada", "--json")
        assert result.code == 1
        assert (result.json["enrolled"], result.json["already"]) == (2, 0)
        reasons = {Path(entry["source"]).name: entry["reason"] for entry in result.json["refused"]}
        assert all(set(entry) == {"source", "reason"} for entry in result.json["refused"])
        assert reasons["nobody.png"] == "no face"
        assert "several faces" in reasons["two.png"]
        assert "poor quality" in reasons["dark.png"]
        assert "HTML" in reasons["text.jpg"]
        again = cli("enroll", photos / "ada.jpg", "--name", "Ada", "--json")
        assert (again.code, again.json) == (0, {"enrolled": 0, "already": 1, "refused": []})

    def test_identifying_names_a_person_with_similarity_and_candidates(self, cli: Cli, photos: Path) -> None:
        cli("enroll", photos / "ada.jpg", "--name", "Ada Lovelace")
        result = cli("identify", photos / "another.jpg", photos / "nobody.png", "--json")
        assert result.code == 0
        known, nobody = result.json
        assert set(known) == {"source", "kind", "faces", "error"}
        (face,) = known["faces"]
        assert has(face, {"box": BOX, "decision": str, "name": str, "similarity": float, "candidates": list})
        assert (face["decision"], face["name"]) == ("match", "Ada Lovelace")
        assert face["candidates"] == [{"name": "Ada Lovelace", "similarity": face["similarity"]}]
        assert (nobody["faces"], nobody["error"]) == ([], None)

    def test_nobody_enrolled_makes_everybody_unknown(self, cli: Cli, photos: Path) -> None:
        result = cli("identify", photos / "ada.jpg", "--json")
        assert result.code == 0
        face = result.json[0]["faces"][0]
        assert (face["decision"], face["name"], face["candidates"]) == ("unknown", None, [])
        assert "Nobody is enrolled" in result.err

    def test_an_unknown_collection_is_wrong_use_and_the_known_ones_are_told(self, cli: Cli, photos: Path) -> None:
        cli("enroll", photos / "ada.jpg", "-c", "staff")
        result = cli("identify", photos / "ada.jpg", "--collection", "stuff", "--json")
        assert result.code == 2
        assert "staff" in result.json["error"]
        assert is_clean(result)
        shown = cli("collections", "show", "stuff")
        assert shown.code == 2
        assert "stuff" in shown.err

    def test_collections_are_listed_shown_and_dropped(self, cli: Cli, photos: Path) -> None:
        cli("enroll", photos / "ada.jpg", "--name", "Ada", "-c", "staff")
        listed = cli("collections", "--json").json
        shape = {"name": str, "people": int, "faces": int, "threshold": float, "model": str, "created_at": str}
        assert has(listed[0], shape)
        assert cli("collections", "list", "--json").json == listed
        (shown,) = cli("collections", "show", "staff", "--json").json
        assert has(shown, {"person": str, "source": str, "face_id": str, "size_px": float, "created_at": str})
        refused = cli("collections", "drop", "staff", "--json")
        assert (refused.code, "--yes" in refused.json["error"]) == (2, True)
        dropped = cli("collections", "drop", "staff", "--yes", "--json")
        assert (dropped.code, dropped.json) == (0, {"dropped": "staff", "faces": 1})
        assert cli("collections", "list", "--json").json == []

    def test_forgetting_reaches_all_collections_unless_one_is_named(self, cli: Cli, photos: Path) -> None:
        for collection in ("staff", "guests", "family"):
            cli("enroll", photos / "ada.jpg", "--name", "Ada", "-c", collection)
        one = cli("forget", "Ada", "--collection", "guests", "--json")
        assert one.code == 0
        assert (one.json["name"], one.json["removed"]) == ("Ada", {"guests": 1})
        assert one.json["photos"] == [str(photos / "ada.jpg")]
        assert cli("forget", "Ada", "--json").json["removed"] == {"family": 1, "staff": 1}
        gone = cli("forget", "Ada", "--json")
        assert gone.code == 2
        assert "Ada" in gone.json["error"]


class TestModels:
    def test_models_are_listed_and_verified(self, cli: Cli) -> None:
        listed = cli("models", "list", "--json")
        assert listed.code == 0
        shape = {"model": str, "built": bool, "from": str, "licence": str, "training_data": str}
        assert all(has(model, shape) for model in listed.json["models"])
        verified = cli("models", "verify", "--json")
        assert verified.code == 0
        assert [entry["reason"] for entry in verified.json] == [None] * len(verified.json)
        assert all(has(entry, {"model": str, "ok": bool}) for entry in verified.json)

    def test_a_damaged_model_is_found(self, cli: Cli, models_dir: Path, tmp_path: Path) -> None:
        for file in filter(Path.is_file, models_dir.iterdir()):
            (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / "mtcnn-pnet.onnx").write_bytes(b"damaged")
        result = cli("models", "verify", "--into", tmp_path, "--json")
        assert result.code == 1
        assert [entry["model"] for entry in result.json if not entry["ok"]] == ["mtcnn-pnet"]


class TestUse:
    """As programs: exit codes, streams, settings."""

    def test_the_version_is_told(self, cli: Cli) -> None:
        assert cli("--version").out == f"faceline {faceline.__version__}\n"

    def test_json_is_all_that_is_on_standard_output(self, photos: Path, models_dir: Path) -> None:
        settings = {"FACELINE_MODELS_DIR": str(models_dir)}
        for verbosity in ("-v", "-vv", "-q"):
            result = run(photos, verbosity, "put", "ada.jpg", "text.jpg", "--wait", "--json", **settings)
            assert result.code == 1
            assert [row["result"]["status"] for row in result.json] == ["done", "error"]
            assert is_clean(result)

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (["detect", "absent.jpg"], 1, "absent.jpg"),
            (["detect", "text.jpg"], 1, "text.jpg"),
            (["detect", "empty"], 2, "no photos in empty"),
            (["detect"], 2, "photos"),
            (["compare", "ada.jpg"], 2, "photo_b"),
            (["compare", "ada.jpg", "absent.jpg"], 1, "absent.jpg"),
            (["compare", "text.jpg", "ada.jpg"], 1, "text.jpg"),
            (["enroll", "empty"], 2, "no photos"),
            (["put", "absent.jpg"], 1, "absent.jpg"),
            (["put", "empty"], 2, "no photos"),
            (["put", "ada.jpg", "--bucket", "Not A Bucket"], 1, "bucket"),
            (["put", "ada.jpg", "--prefix", "../"], 1, "refused"),
            (["records", "--since", "yesterday"], 2, "yesterday"),
            (["records", "--limit", "0"], 2, "limit"),
            (["detect", "ada.jpg", "--min-face", "3"], 2, "min_face_px"),
            (["detect", "ada.jpg", "--min-face", "large"], 2, "--min-face"),
            (["detect", "ada.jpg", "--attributes", "age"], 2, "attributes"),
            (["detect", "ada.jpg", "--colour"], 2, "--colour"),
            (["detekt", "ada.jpg"], 2, "detekt"),
            (["up", "--port", "70000"], 2, "port"),
            (["--data", "ada.jpg", "records"], 1, "ada.jpg is a file"),
            (["--data", "ada.jpg/below", "enroll", "ada.jpg"], 1, "a directory is needed"),
            (["--config", "absent.toml", "records"], 2, "absent.toml"),
            (["--config", "text.jpg", "records"], 2, "text.jpg"),
            (["forget", "Nobody"], 2, "Nobody"),
            (["collections", "drop", "nobodys", "--yes"], 2, "nobodys"),
            (["dead-letters", "nonsense"], 2, "nonsense"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else None,
    )
    def test_an_error_is_a_line_for_people_and_an_exit_code(
        self, cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
    ) -> None:
        (photos / "empty").mkdir()
        open_directory(photos / "faceline-data")
        monkeypatch.chdir(photos)
        result = cli(*arguments)
        assert (result.code, is_clean(result)) == (code, True), result
        assert words.lower() in result.err.replace("\n", "").lower()

    def test_errors_of_programs_have_no_traceback(self, photos: Path, models_dir: Path) -> None:
        result = run(photos, "compare", "text.jpg", "ada.jpg", "--json", FACELINE_MODELS_DIR=str(models_dir))
        assert (result.code, is_clean(result)) == (1, True)
        assert "HTML" in result.json["error"]
        result = run(photos, "detect", "ada.jpg", FACELINE_MIN_FACE_PX="huge")
        assert (result.code, result.out) == (2, "")
        assert "FACELINE_MIN_FACE_PX=huge" in result.err

    def test_settings_come_from_a_file_the_environment_and_the_call_in_this_order(
        self, cli: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def collections() -> list[str]:
            return [entry["name"] for entry in cli("collections", "--json").json]

        (tmp_path / "faceline.toml").write_text('data = "there"\ncollection = "of-the-file"\nmin_face_px = 30\n')
        cli("enroll", photos / "ada.jpg")
        assert (tmp_path / "there" / "gallery.sqlite").exists()
        assert collections() == ["of-the-file"]
        monkeypatch.setenv("FACELINE_COLLECTION", "of-the-environment")
        cli("enroll", photos / "ada.jpg")
        cli("-c", "of-the-call", "enroll", photos / "ada.jpg")
        cli("-c", "before", "enroll", photos / "ada.jpg", "-c", "after")
        assert collections() == ["after", "of-the-call", "of-the-environment", "of-the-file"]
        (tmp_path / "faceline.toml").write_text("min_faces_px = 30\n")
        result = cli("collections")
        assert (result.code, "min_faces_px" in result.err) == (2, True)

    def test_the_data_directory_may_be_named_before_or_after_the_command(self, cli: Cli, tmp_path: Path) -> None:
        for name in ("one", "two"):
            open_directory(tmp_path / name)
        assert cli("--data", tmp_path / "one", "records", "--json").json == []
        assert cli("records", "--data", tmp_path / "two", "--json").json == []
        assert cli("--data", tmp_path / "never", "records", "--data", tmp_path / "two", "--json").json == []

    @pytest.mark.parametrize(
        "command", ["records", "collections", "collections show staff", "dead-letters list", "forget Ada", "keys"]
    )
    def test_reading_and_deleting_make_no_data_directory(self, cli: Cli, tmp_path: Path, command: str) -> None:
        result = cli("--data", tmp_path / "mistyped", *command.split())
        assert result.code == 2
        assert "there is no faceline data in" in result.err
        assert list(tmp_path.iterdir()) == []

    def test_detecting_leaves_no_data_directory_behind(self, cli: Cli, photos: Path, tmp_path: Path) -> None:
        cli("detect", photos / "ada.jpg", "--json")
        cli("compare", photos / "ada.jpg", photos / "ada.jpg", "--json")
        assert [path.name for path in tmp_path.iterdir()] == ["photos"]

    def test_a_file_name_that_is_not_utf8_is_no_failure(self, photos: Path, models_dir: Path) -> None:
        odd = photos / "odd \udcff.jpg"
        try:
            odd.write_bytes((photos / "ada.jpg").read_bytes())
        except (OSError, UnicodeError):
            return  # this file system has Unicode names only
        settings = {"FACELINE_MODELS_DIR": str(models_dir)}
        result = run(photos, "detect", odd, "--json", **settings)
        assert (result.code, len(result.json[0]["faces"])) == (0, 1)
        assert run(photos, "detect", odd, **settings).code == 0
        result = run(photos, "put", odd, **settings)
        assert (result.code, is_clean(result)) == (1, True)
        assert "not valid Unicode" in result.err
        result = run(photos, "enroll", odd, "ada.jpg", "--json", **settings)
        assert (result.code, result.json["enrolled"]) == (1, 1)
        assert [entry["source"] for entry in result.json["refused"]] == [str(odd)]

    def test_a_terminal_of_another_encoding_gets_json_all_the_same(self, photos: Path, models_dir: Path) -> None:
        (photos / "Zoë 👤.jpg").write_bytes((photos / "nobody.png").read_bytes())
        settings = {"FACELINE_MODELS_DIR": str(models_dir), "PYTHONIOENCODING": "latin-1"}
        assert run(photos, "detect", "Zoë 👤.jpg", "--json", **settings).json[0]["source"] == "Zoë 👤.jpg"
        table = run(photos, "detect", "Zoë 👤.jpg", PYTHONIOENCODING="ascii", FACELINE_MODELS_DIR=str(models_dir))
        assert (table.code, "\\U0001f464" in table.out) == (0, True)


def test_every_json_command_prints_one_document_where_nothing_happened_yet(cli: Cli, tmp_path: Path) -> None:
    open_directory(tmp_path / "faceline-data")
    assert cli("records", "--json").json == []
    assert cli("collections", "--json").json == []
    assert cli("dead-letters", "list", "--json").json == []
    assert cli("dead-letters", "redrive", "--json").json == {"redriven": 0}
    assert json.loads(cli("forget", "Nobody", "--json").out)["error"]
