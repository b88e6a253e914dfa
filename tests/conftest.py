"""What all tests share: built models, a real face, the reference photos."""

import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from commands import Cli
from faceline.app import App
from faceline.aws.clients import Clients
from faceline.config import load
from faceline.loading import model_store
from made import open_app
from ministack import environment, ministack, program
from sqs import shared

_NOBODY = 65534


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--aws", action="store_true", help="run tests/conformance against AWS with your own credentials")


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The built models, in FACELINE_MODELS_DIR or the user's cache; a fresh machine builds them here, once."""
    store = model_store(load())
    store.build()
    return store.directory


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """uint8 (512, 512, 3) RGB: one large face."""
    from skimage import data  # noqa: PLC0415 (slow to import, and most tests need no face)

    photo: NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]
    return photo


@pytest.fixture(scope="session")
def astronaut_jpeg(astronaut: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(astronaut).save(stream, "JPEG", quality=95)
    return stream.getvalue()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The reference photos. A test without them is skipped, but fails in CI, where skipping would look like passing."""
    folder = os.environ.get("FACELINE_TEST_DATA")
    if folder:
        return Path(folder)
    if os.environ.get("FACELINE_NO_SKIPS"):
        pytest.fail("FACELINE_TEST_DATA does not name the reference photos; in CI this is a failure")
    pytest.skip("FACELINE_TEST_DATA does not name the reference photos")


@pytest.fixture(scope="session")
def ministack_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where an AWS on loopback listens. A test without one is skipped, but fails in CI."""
    found = program()
    if not found:
        if os.environ.get("FACELINE_NO_SKIPS"):
            pytest.fail("FACELINE_MINISTACK does not name the program ministack; in CI this is a failure")
        pytest.skip("FACELINE_MINISTACK does not name the program ministack")
    with ministack(found, tmp_path_factory.mktemp("ministack")) as url:
        yield url


@pytest.fixture
def aws(ministack_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """boto3 in this process, and in those that it starts, uses `ministack_url`."""
    for name, value in environment(ministack_url).items():
        monkeypatch.setenv(name, value)
    return ministack_url


@pytest.fixture(scope="module")
def clients(ministack_url: str) -> Iterator[Clients]:
    """Of `ministack_url`. Made once a module: a client takes as long as a whole case."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(ministack_url).items():
            patch.setenv(name, value)
        yield Clients("path")


@pytest.fixture(scope="module")
def stores(clients: Clients) -> tuple[str, str]:
    """A state table and a work bucket that the queues of a module share."""
    return shared(clients)


@pytest.fixture
def made_app(tmp_path: Path) -> Iterator[App]:
    """The embedded profile on a new data directory, with an analyzer that sees what `made.photo` says."""
    with open_app(tmp_path / "data") as app:
        yield app


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """`cli("detect", photo)` runs `faceline detect PHOTO` in the folder `tmp_path`, without the user's settings."""
    for name in [name for name in os.environ if name.startswith("FACELINE_") and name != "FACELINE_MODELS_DIR"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


@pytest.fixture
def humble(tmp_path: Path) -> Iterator[Path]:
    """A folder of a user who may not read and write everything; root is that user until the test ends."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory() as folder:  # root's own temporary folders are closed to others
        os.chown(folder, _NOBODY, _NOBODY)
        os.setegid(_NOBODY)
        os.seteuid(_NOBODY)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)
            os.setegid(0)
