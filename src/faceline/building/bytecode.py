"""Compiled beforehand: a function's folder cannot be written to, so that every cold start would compile all again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from faceline.building.target import Target
from faceline.errors import ArtefactError


def compiler(target: Target) -> str | None:
    """A Python of the target's version: this one, or one on the PATH. None where there is none."""
    if target.python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(f"python{target.python}")
    return found if found and _is(found, target) else None


def _is(python: str, target: Target) -> bool:
    """Whether it is that version and starts at all: pyenv has names on the PATH for Pythons that are switched off."""
    told = subprocess.run([python, "-V"], capture_output=True, text=True, check=False)  # noqa: S603
    return told.returncode == 0 and told.stdout.startswith(f"Python {target.python}.")


def compile_all(root: Path, python: str) -> None:
    """Puts `__pycache__` beside all modules of a folder. Raises ArtefactError when one cannot be compiled.

    By hash and unchecked (PEP 552): the files' times do not matter, and nothing is read twice at a start.
    """
    options = ["-q", "-j1", "--invalidation-mode=unchecked-hash", f"-s{root}", "-p/var/task", "."]
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"}  # the order of constant sets
    command = [python, "-s", "-m", "compileall", *options]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ArtefactError(f"{python} cannot compile the packages: {(done.stdout or done.stderr).strip()[-500:]}")
