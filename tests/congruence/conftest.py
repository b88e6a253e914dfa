"""What the comparisons share: the peers' interpreter, the foreign weight files, face crops.

FACELINE_PEERS_PYTHON names an interpreter that has dlib, torch, facenet-pytorch and ai-edge-litert. Without it the
comparisons are skipped on a developer's machine; in CI, where a skipped comparison would look like a passed one, they
fail. The same holds for weights that cannot be fetched.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from faceline.errors import ModelError
from faceline.models.catalogue import CATALOGUE
from faceline.models.fetch import fetch

Arrays = dict[str, NDArray[Any]]
AskPeer = Callable[..., Arrays]

_SCRIPTS = Path(__file__).parent / "peers"
_ASTRONAUT_FACE = (168, 60, 280, 172)
_LFW_FACE = (77, 77, 173, 173)


def _missing(reason: str) -> None:
    if os.environ.get("FACELINE_NO_SKIPS"):
        pytest.fail(f"{reason}; in CI this is a failure")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def ask_peer(tmp_path_factory: pytest.TempPathFactory) -> AskPeer:
    """Runs a script of `peers/`: ask(script, arrays, further arguments before the two files) → its arrays."""
    interpreter = os.environ.get("FACELINE_PEERS_PYTHON")
    if not interpreter:
        _missing("FACELINE_PEERS_PYTHON does not name the peers' interpreter")

    def ask(script: str, arrays: Arrays, *arguments: Path) -> Arrays:
        folder = tmp_path_factory.mktemp(script)
        given, result = folder / "given.npz", folder / "result.npz"
        with given.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
        command = [str(interpreter), str(_SCRIPTS / f"{script}.py"), *map(str, arguments), str(given), str(result)]
        done = subprocess.run(command, env=_without_ours(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with np.load(result) as archive:
            return dict(archive)

    return ask


def _without_ours() -> dict[str, str]:
    """The peers' interpreter must not see this environment's packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


@pytest.fixture(scope="session")
def weight_files() -> dict[str, bytes]:
    """Row name → the foreign weight file."""
    files: dict[str, bytes] = {}
    for distribution in dict.fromkeys(row.distribution for row in CATALOGUE):
        try:
            files |= fetch([row for row in CATALOGUE if row.distribution == distribution])
        except ModelError as error:
            _missing(str(error))
    return files


@pytest.fixture(scope="session")
def faces() -> list[Image.Image]:
    """RGB crops around real faces: an astronaut's, and 24 of LFW where FACELINE_TEST_DATA has it."""
    from skimage import data  # noqa: PLC0415 - heavy, and only these tests need it

    photo_of_astronaut: NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]
    crops = [Image.fromarray(photo_of_astronaut).crop(_ASTRONAUT_FACE)]
    images = Path(os.environ.get("FACELINE_TEST_DATA", "/nonexistent")) / "lfw" / "images"
    photos = sorted(images.rglob("*.jpg"))
    for photo in photos[:: max(1, len(photos) // 24)][:24]:
        with Image.open(photo) as image:
            crops.append(image.convert("RGB").crop(_LFW_FACE))
    return crops


@pytest.fixture(scope="session")
def chips(faces: list[Image.Image]) -> NDArray[np.uint8]:
    """uint8 (n, 150, 150, 3) RGB."""
    return np.stack([np.asarray(face.resize((150, 150))) for face in faces])
