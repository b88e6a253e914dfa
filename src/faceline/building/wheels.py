"""Wheels for another machine than this one, unpacked into a folder by pip, with the user's own index settings."""

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from faceline.building.target import Target
from faceline.errors import ArtefactError


def unpack_wheels(into: Path, target: Target, wanted: Iterable[str], constraints: Iterable[str]) -> None:
    """Puts the wanted packages and what they need into a folder. wanted, constraints: as pip writes them.

    No package's own code runs: wheels only. Raises ArtefactError when pip is missing or cannot have them, with the
    first of its errors. pip: https://pip.pypa.io/en/stable/cli/pip_install/
    """
    if importlib.util.find_spec("pip") is None:
        raise ArtefactError(f"wheels are fetched with pip, and this Python ({sys.executable}) has none; add pip to it")
    with tempfile.TemporaryDirectory(prefix="faceline-") as folder:
        limits, list_ = Path(folder) / "constraints.txt", Path(folder) / "requirements.txt"
        limits.write_text("\n".join(constraints), encoding="utf-8")
        list_.write_text("\n".join(wanted), encoding="utf-8")
        command = [*_pip(into, target), f"--constraint={limits}", f"--requirement={list_}"]
        # The working directory is ours: a user's may hold a pip.py.
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ArtefactError(
            f"the packages for Python {target.python} on {target.arch} cannot be had; pip says: "
            f"{_first_error(done.stderr)}. Check the network and pip's index settings (`pip config list`)"
        )


def _pip(into: Path, target: Target) -> list[str]:
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}"]
    options += [f"--platform={tag}" for tag in target.platforms]
    quiet = ["--no-compile", "--no-input", "--quiet", "--disable-pip-version-check", "--progress-bar=off"]
    return [sys.executable, "-m", "pip", "install", f"--target={into}", *options, *quiet]


def _first_error(stderr: str) -> str:
    """The one that names the package; those after it only say that there is no way."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines[-1:] or ["nothing"])[0].rstrip(".")
