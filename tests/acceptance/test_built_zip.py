"""The zip that `faceline build lambda` makes, started by its own bootstrap, with nothing else to import from."""

import os
import platform
import sys
import zipfile
from pathlib import Path

import pytest

from aws_functions import ok, rows
from aws_made import make
from commands import Cli
from runtime_api import running

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCH = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]


@pytest.fixture
def task(cli: Cli, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The zip for this Python, unpacked where no /var/task is."""
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(models_dir))
    built = cli("build", "lambda", "--zip", "faceline.zip", "--python", PYTHON, "--arch", ARCH, "--json")
    assert built.code == 0, built.json
    with zipfile.ZipFile(tmp_path / "faceline.zip") as archive:
        archive.extractall(tmp_path / "task")
    return tmp_path / "task"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """PATH with a Python that has nothing installed but what its own folder has."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / f"python{PYTHON}").symlink_to(Path(sys.executable).resolve())
    return os.pathsep.join([str(tmp_path / "bin"), "/usr/bin", "/bin"])


def test_the_zips_bootstrap_sees_faces_where_the_template_names_another_place_for_models(
    aws: str, task: Path, path: str, tmp_path: Path, astronaut_jpeg: bytes
) -> None:
    made = make()
    event = made.put(made.settings.input_bucket, "input/astronaut.jpg", astronaut_jpeg)
    led = {"PATH": path, "PYTHONPATH": "", "FACELINE_MODELS_DIR": "/var/task/models", "FACELINE_THREADS": "1"}
    command = ("/bin/sh", str(task / "bootstrap"))
    with running("faceline.lambdas.image_ingestion", made.environment | led, tmp_path, command=command) as function:
        ok(function.invoke(event))
    assert rows(made, "input/astronaut.jpg") == [("unknown", None)]
    assert "not all could be opened" not in (tmp_path / "function.log").read_text()
