"""Inputs, settings and files that nobody means well: each is refused by name; nothing hangs or ends in a traceback."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from commands import Cli, environment, run
from faceline.cli.output import note, print_table, print_text
from faceline.config import load
from faceline.errors import InputError, SettingError, StorageError
from faceline.evaluation.pairs import read_pairs
from faceline.gallery.sources import expand
from faceline.images import ImageLimits, image_paths, read
from faceline.local.directory import open_directory, read_admin_key
from made import MadeAnalyzer, photo

LONG = "x" * 300 + ".jpg"


@pytest.fixture(autouse=True)
def _made_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("faceline.engines.open_analyzer", lambda *_: MadeAnalyzer())
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """people/Ada/a.png, and people/Bob, which cannot be listed, for root either."""
    for name in ("Ada", "Bob"):
        (tmp_path / "people" / name).mkdir(parents=True)
    (tmp_path / "people" / "Ada" / "a.png").write_bytes(photo())
    real, access = os.scandir, os.access

    def scandir(path: str) -> object:
        if str(path).endswith("Bob"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("Bob") and access(path, mode))
    return tmp_path / "people"


def test_two_uploads_with_one_key_are_refused_and_nothing_is_uploaded(cli: Cli, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "photo.png").write_bytes(photo())
    result = cli("put", "a/photo.png", "b/photo.png", "--json")
    assert result.code == 2
    assert all(word in result.json["error"] for word in ("a/photo.png", "b/photo.png", "--prefix"))
    assert not list(tmp_path.rglob("faceline-data/buckets/*"))
    assert len(cli("put", "a/photo.png", "a/photo.png", "--json").json) == 1


def test_only_regular_files_within_the_limit_are_uploaded(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "large.jpg").write_bytes(bytes(2000))
    monkeypatch.setenv("FACELINE_MAX_UPLOAD_BYTES", "1000")
    result = cli("put", "pipe.jpg", "/dev/zero", "large.jpg", "absent.jpg", LONG, "--json")
    assert result.code == 1
    told = ["not a regular file", "not a regular file", "2,000 bytes", "check the name", "name too long"]
    for row, words in zip(result.json, told, strict=True):
        assert words in row["error"].lower()
        assert row["source"] in row["error"]


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_manifests_pairs_and_settings_must_be_regular_files(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for read_it in (expand, read_pairs):
        with pytest.raises(InputError, match=rf"{name}.*regular file"):
            read_it(tmp_path / name)
    with pytest.raises(SettingError, match=rf"{name}.*regular file"):
        load(tmp_path / name, {})


def test_a_manifest_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "m.csv").open("wb") as file:
        file.truncate(50_000_001)
    with pytest.raises(InputError, match=r"m\.csv.*50,000,001 bytes"):
        expand(tmp_path / "m.csv")


@pytest.mark.parametrize("command", ["detect", "identify", "enroll", "put", "compare", "evaluate"])
def test_a_name_that_is_too_long_is_an_error_of_that_input(cli: Cli, command: str) -> None:
    result = cli(command, LONG, *([LONG] if command == "compare" else []))
    assert result.code in (1, 2)
    assert "xxx.jpg" in result.err + result.out


def test_a_folder_that_cannot_be_listed_is_told_and_the_others_are_done(cli: Cli, unreadable: Path) -> None:
    found = cli("detect", unreadable, "--json")
    assert [bool(d["error"]) for d in found.json] == [False, True]
    assert "Bob: permission denied" in found.json[1]["error"]
    assert found.code == 1
    done = cli("enroll", unreadable, "--json")
    assert (done.code, done.json["enrolled"]) == (1, 1)
    assert "Bob" in json.dumps(done.json["refused"])
    row = cli("put", unreadable, "--json").json[1]
    assert "permission denied" in row["error"]


def test_nothing_hidden_and_nothing_without_end_is_found_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.png").write_bytes(photo())
    (tmp_path / "b.png").write_bytes(photo())
    (tmp_path / "link.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    assert image_paths([tmp_path]) == [tmp_path / "b.png"]


def test_a_field_that_is_too_large_is_told_with_its_line(tmp_path: Path) -> None:
    large = "x" * 200_000
    (tmp_path / "m.csv").write_text(f"path,name\na.jpg,{large}\n")
    with pytest.raises(InputError, match=r"m\.csv: line 2"):
        expand(tmp_path / "m.csv")
    (tmp_path / "p.csv").write_text(f"path_a,path_b,same\n{large},b,1\n")
    with pytest.raises(InputError, match=r"p\.csv: line 2"):
        read_pairs(tmp_path / "p.csv")


def test_a_pair_that_is_cut_off_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("same,path_a,path_b\n1\n")
    with pytest.raises(InputError, match="line 2"):
        read_pairs(tmp_path / "p.csv")


def test_json_that_is_nested_too_deep_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("[" * 200_000 + "\n")
    with pytest.raises(InputError, match=r"m\.jsonl: line 1"):
        expand(tmp_path / "m.jsonl")


def test_records_are_asked_for_in_a_number_that_fits(cli: Cli, tmp_path: Path) -> None:
    open_directory(tmp_path / "faceline-data")
    assert cli("records", "--limit", "100001").code == 2
    assert cli("records", "--limit", "100000").code == 0


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("FACELINE_MAX_IMAGE_BYTES", "9" * 30, "whole number above 0 to"),
        ("FACELINE_MAX_IMAGE_PIXELS", str(2**35), "whole number"),
        ("FACELINE_MAX_IMAGE_SIDE_PX", str(2**21), "to 1048576"),
        ("FACELINE_LEASE_S", "inf", "number above 0 to 86400"),
        ("FACELINE_SETTLE_S", "nan", "number above 0 to 86400"),
        ("FACELINE_MIN_SIMILARITY", "nan", "number from 0 to 100"),
        ("FACELINE_MIN_FACE_PX", "5", "whole number from 12 to 2000"),
        ("FACELINE_STRANGERS_NAMED", "1", "number above 0 below 1"),
        ("FACELINE_ROTATIONS", "perhaps", "true or false"),
        ("FACELINE_PRECISION", "fp8", "one of auto, fp32, int8"),
        ("FACELINE_DATA", "~nobody-of-this-name/x", "whole path"),
        ("FACELINE_MIN_FACE_XP", "40", "min_face_px"),
    ],
)
def test_a_bad_variable_is_told_with_its_value_and_what_it_may_be(variable: str, value: str, told: str) -> None:
    with pytest.raises(SettingError, match=told) as raised:
        load(environment={variable: value})
    assert str(raised.value).startswith(f"{variable}={value}: ")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", "²".encode(), b"9" * 5000])
def test_a_schema_of_other_bytes_is_a_storage_error(tmp_path: Path, content: bytes) -> None:
    open_directory(tmp_path / "data")
    (tmp_path / "data" / "schema").write_bytes(content)
    with pytest.raises(StorageError, match="should hold a number"):
        open_directory(tmp_path / "data")


@pytest.mark.parametrize("content", [b"\n", b"short", b"\xff\xfe" * 30])
def test_a_key_that_anybody_could_guess_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "admin.key").write_bytes(content)
    with pytest.raises(StorageError, match=r"admin\.key.*delete it"):
        read_admin_key(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
def test_a_full_disk_under_the_output_is_one_line_and_a_failure(tmp_path: Path) -> None:
    open_directory(tmp_path / "faceline-data")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "faceline", "records", "--json"],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("faceline: cannot write the output: No space left")
    assert done.stderr.count("\n") == 1


def test_help_whose_reader_went_away_is_no_failure(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "faceline", "--help"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (0, b"")


def test_an_interrupted_command_says_that_it_stopped(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("faceline.cli.people.expand", interrupt)
    result = cli("enroll", "a.jpg")
    assert (result.code, result.err) == (130, "stopped\n")


def test_what_a_terminal_would_obey_is_shown_instead(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b[31m\x07\x9b\x7f\r.jpg"
    print_table(("photo",), [(evil,)])
    print_text(f"one\n{evil}")
    note(evil)
    out, err = capsys.readouterr()
    shown = r"a\x1b[31m\x07\x9b\x7f\x0d.jpg"
    assert shown in out
    assert f"one\n{shown}\n" in out
    assert err == f"{shown}\n"


@pytest.mark.parametrize("command", ["detect", "identify", "compare", "enroll", "put", "evaluate"])
def test_an_empty_path_is_wrong_use(cli: Cli, command: str) -> None:
    result = cli(command, "", *(["a.jpg"] if command == "compare" else []), "--json")
    assert result.code == 2
    assert "empty" in result.json["error"]


def test_an_empty_name_is_wrong_use(cli: Cli) -> None:
    result = cli("enroll", "a.jpg", "--name", "", "--json")
    assert (result.code, "--name" in result.json["error"]) == (2, True)


def test_wrong_use_is_told_as_json_where_json_is_wanted(cli: Cli) -> None:
    result = cli("records", "--limit", "many", "--json")
    assert result.code == 2
    assert "--limit" in result.json["error"]
    assert "--limit" in result.err
    assert cli("--nonsense", "--json").json["error"]
    assert cli("detect", "--nonsense").out == ""
    assert cli("detect", "--nonsense", "--", "--json").out == ""


def test_an_endless_device_is_no_image() -> None:
    limits = ImageLimits(1000, 1000, 1000, 1000)
    with pytest.raises(InputError, match="not a regular file"):
        read(Path("/dev/zero"), limits)


def test_a_bad_setting_is_one_line_for_programs_too(tmp_path: Path) -> None:
    result = run(tmp_path, "records", "--json", FACELINE_PORT="http")
    assert (result.code, "FACELINE_PORT=http" in result.json["error"]) == (2, True)
