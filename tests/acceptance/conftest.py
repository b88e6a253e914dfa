"""Photos made of one real face, and the built models for every program that a test starts."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from commands import Cli

Pixels = NDArray[np.uint8]


@pytest.fixture
def cli(cli: Cli, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(models_dir))
    return cli


@pytest.fixture(scope="session")
def portrait(astronaut: Pixels) -> Image.Image:
    """Small, so that examining it is quick."""
    return Image.fromarray(astronaut).crop((80, 0, 380, 300))


@pytest.fixture
def photos(tmp_path: Path, portrait: Image.Image) -> Path:
    """A folder: ada.jpg, another.jpg of the same person, nobody.png, two.png with two faces, dark.png, text.jpg."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "ada.jpg").write_bytes(jpeg(portrait))
    (folder / "another.jpg").write_bytes(varied(portrait, 3))
    Image.new("RGB", (300, 200), (120, 150, 120)).save(folder / "nobody.png")
    both = Image.new("RGB", (600, 300))
    both.paste(portrait, (0, 0))
    both.paste(ImageOps.mirror(portrait), (300, 0))
    both.save(folder / "two.png")
    ImageEnhance.Brightness(portrait).enhance(0.12).save(folder / "dark.png")
    (folder / "text.jpg").write_text("<html>not found</html>")
    return folder


def jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=92)
    return stream.getvalue()


def varied(image: Image.Image, number: int) -> bytes:
    """The same face in another photo: turned a little, brighter or darker, mirrored every other time."""
    turned = image.rotate(number % 7 - 3, Image.Resampling.BICUBIC)
    lit = ImageEnhance.Brightness(turned).enhance(0.8 + 0.02 * (number % 20))
    return jpeg(ImageOps.mirror(lit) if number % 2 else lit)


def linked(models: Path, folder: Path) -> Path:
    """A models folder with the built models, to which others can be added."""
    for file in models.iterdir():
        if file.is_file():
            (folder / file.name).symlink_to(file)
    return folder
