"""`faceline models pull | add | remove | list | verify`, with made networks."""

import json
from pathlib import Path

import pytest

from commands import Cli
from faceline.models import packs
from faceline.models.added import read_registry
from faceline.models.spaces import BUILTIN
from networks import added, embedder, yunet


@pytest.fixture
def cli(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A models folder of its own, which has nothing yet."""
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(tmp_path / "models"))
    (tmp_path / "made.onnx").write_bytes(embedder().SerializeToString())
    (tmp_path / "yunet.onnx").write_bytes(yunet().SerializeToString())
    return cli


ADD = ("models", "add", "made.onnx", "--name", "mine", "--template", "arcface-112", "--license", "MIT")


def test_an_embedder_is_added_listed_verified_and_removed(cli: Cli, tmp_path: Path) -> None:
    result = cli(*ADD, "--json")
    assert result.code == 0
    (told,) = result.json
    assert (told["model"], told["kind"]) == ("mine", "embedder")
    assert told["id"].startswith("mine-")
    listed = {row["model"]: row for row in cli("models", "list", "--json").json["models"]}
    assert listed["mine"]["built"] is True
    assert listed["mine"]["calibrated"] is False
    assert listed["mine"]["from"] == "made.onnx"
    assert (listed["dlib-resnet.fp32"]["built"], listed["dlib-resnet.fp32"]["calibrated"]) == (False, True)
    assert listed["mtcnn-onet"]["calibrated"] is None
    assert listed["sface"]["from"] == "faceline models pull recommended"
    assert listed["facenet"]["licence"] == "MIT, not for commercial use"
    verified = cli("models", "verify", "--json")
    assert verified.code == 1  # the built-in ones are not built
    assert [row["ok"] for row in verified.json if row["model"] == "mine"] == [True]
    assert cli("models", "remove", "mine").out == "mine is removed.\n"
    assert read_registry(tmp_path / "models").models == {}


def test_options_become_the_form(cli: Cli, tmp_path: Path) -> None:
    options = ("--channels", "bgr", "--mean", "1,2,3", "--scale", "0.5", "--threshold", "0.4", "--mirrored")
    assert cli(*ADD, *options, "--into", "elsewhere").code == 0
    form = read_registry(tmp_path / "elsewhere").models["mine"].form
    assert form
    assert (form.channels, form.mean, form.scale) == ("bgr", (1.0, 2.0, 3.0), (0.5,))
    assert (form.threshold, form.mirrored) == (0.4, True)


def test_a_detector_is_added_without_a_name(cli: Cli) -> None:
    result = cli("models", "add", "yunet.onnx", "--license", "MIT")
    assert result.code == 0
    assert "detector=yunet uses it" in result.out.replace("\n", " ")


def test_terms_that_forbid_commercial_use_must_be_accepted(cli: Cli, tmp_path: Path) -> None:
    refused = cli(*ADD, "--non-commercial")
    assert refused.code == 2
    assert "mine is not for commercial use (licence: MIT); if your use is within these terms, add --accept-license" in (
        refused.err
    )
    assert not (tmp_path / "models").exists()
    assert cli(*ADD, "--non-commercial", "--accept-license").code == 0
    assert not read_registry(tmp_path / "models").models["mine"].commercial
    refused = cli("models", "pull", "facenet")
    assert refused.code == 2
    assert "trained on VGGFace2" in refused.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--mean", "1,2"), "--mean 1,2: expected one number, or three"),
        (("--mean", "nan"), "--mean nan: expected one number, or three"),
        (("--scale", "x"), "--scale x: expected one number, or three"),
        (("--scale", "0"), "--scale 0 makes all pictures the same"),
        (("--threshold", "36.3"), "--threshold 36.3 is no cosine between 0 and 1"),
        (("--kind", "detector"), "made.onnx is no detector"),
        (("--name", "mtcnn-pnet"), "comes with faceline"),
        (("--template", "dlib-150"), "choose another template"),
    ],
)
def test_options_that_cannot_be_meant_are_told(
    options: tuple[str, str], message: str, cli: Cli, tmp_path: Path
) -> None:
    result = cli(*ADD, *options)
    assert result.code in (1, 2)
    assert message in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "models" / "added").exists()


def test_a_pack_that_is_none_is_refused_by_naming_the_packs(cli: Cli) -> None:
    result = cli("models", "pull", "buffalo_l")
    assert (result.code, result.out) == (2, "")
    assert "there is no pack 'buffalo_l'; there are builtin, recommended, facenet" in result.err


def test_a_pull_without_a_network_says_what_to_do(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = packs.Row("mine", "http://127.0.0.1:9/x/made.onnx", "0" * 64, 10, "MIT", True, "")
    monkeypatch.setattr("faceline.cli.models.PACKS", {"recommended": (row,)})
    monkeypatch.setattr("faceline.models.download._ATTEMPTS", 1)
    result = cli("models", "pull", "recommended", "--json")
    assert result.code == 1
    error = json.loads(result.out)["error"]
    assert "http://127.0.0.1:9/x/made.onnx cannot be downloaded: ConnectError" in error
    assert f"put it to {tmp_path / 'models' / 'downloads' / 'made.onnx'}, and run the command again" in error


def test_evaluate_installs_from_folders_only(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("path_a,path_b,same\n")
    result = cli("evaluate", "pairs.csv", "--install")
    assert result.code == 2
    assert "pairs.csv is no folder Name/photo.jpg" in result.err


def test_removing_keeps_the_built_in_models(cli: Cli, tmp_path: Path) -> None:
    added(tmp_path / "models")
    result = cli("models", "remove", BUILTIN.name)
    assert result.code == 2
    assert "no model 'dlib-resnet' was pulled or added" in result.err
    assert "there are: mine" in result.err
