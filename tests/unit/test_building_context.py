"""The folder that a container image for Lambda is built from."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from faceline import lambdas
from faceline.building.image_context import write_context
from faceline.building.requirements import HANDLERS, VIDEO
from faceline.config import Settings
from faceline.errors import UsageError
from small_models import small_models


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_models(tmp_path_factory.mktemp("small-models"))


@pytest.fixture
def context(models_dir: Path, tmp_path: Path) -> Path:
    write_context(tmp_path / "context", Settings(models_dir=models_dir), "3.13")
    return tmp_path / "context"


def test_all_that_the_image_copies_is_in_its_context(context: Path) -> None:
    ignored = (context / ".dockerignore").read_text().split()
    for words in _instructions(context, "COPY"):
        for source in [] if words[0].startswith("--from=") else words[:-1]:
            assert (context / source).exists()
            assert f"!{source}" in ignored
    assert ignored[0] == "*"


def test_the_image_runs_a_handler_that_there_is_as_nobody(context: Path) -> None:
    [[command]], [[user]] = (_instructions(context, each) for each in ("CMD", "USER"))
    module, _, handler = json.loads(command)[0].rpartition(".")
    assert module == "faceline.lambdas"
    assert callable(getattr(lambdas, handler))
    assert user.partition(":")[0] not in ("0", "root")
    assert not _instructions(context, "HEALTHCHECK")


def test_the_image_is_of_one_slim_python(context: Path) -> None:
    assert _instructions(context, "ARG") == [["PYTHON=3.13"]]
    assert [words[0] for words in _instructions(context, "FROM")] == ["python:${PYTHON}-slim"] * 2


def test_the_images_packages_are_pinned(context: Path) -> None:
    lines = (context / "requirements.txt").read_text().splitlines()
    assert [line.partition("==")[0] for line in lines] == [*HANDLERS, *VIDEO]


def test_the_images_modules_compile_with_its_command(context: Path) -> None:
    [compiled] = [words for words in _instructions(context, "RUN") if "compileall" in words]
    subprocess.run([sys.executable, *compiled[1:]], cwd=context, check=True)
    assert list((context / "faceline/__pycache__").glob("lambdas.*.pyc"))


def _instructions(context: Path, name: str) -> list[list[str]]:
    lines = (context / "Dockerfile").read_text().splitlines()
    found = [line.removeprefix(name).strip() for line in lines if line.startswith(f"{name} ")]
    return [[line] if line.startswith("[") else line.split() for line in found]


def test_a_context_is_written_again_in_place(context: Path, models_dir: Path) -> None:
    (context / "faceline/left_from_before.py").write_text("")
    names = write_context(context, Settings(models_dir=models_dir), "3.13")
    assert names == sorted(path.name for path in context.iterdir())
    assert not (context / "faceline/left_from_before.py").exists()


@pytest.mark.parametrize("name", ["thesis.tex", "faceline/mine.py", "models/mine.onnx", "Dockerfile"])
def test_a_folder_that_this_command_did_not_make_is_left_alone(models_dir: Path, tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(UsageError, match=f"has '{mine.relative_to(tmp_path).parts[0]}' in it and no .faceline-build"):
        write_context(tmp_path, Settings(models_dir=models_dir), "3.13")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    assert mine.read_text() == "mine"


def test_what_lies_beside_a_context_is_left_when_it_is_written_again(context: Path, models_dir: Path) -> None:
    (context / "notes.txt").write_text("mine")
    assert "notes.txt" not in write_context(context, Settings(models_dir=models_dir), "3.13")
    assert (context / "notes.txt").read_text() == "mine"
