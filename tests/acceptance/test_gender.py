"""The gender network on photos: the public-domain portrait, and reference photos where they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from faceline import portrait
from faceline.config import load
from faceline.engine.gender import Gender
from faceline.engine.mtcnn import Mtcnn
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.images import ImageLimits, decode
from faceline.loading import model_store
from faceline.types import Frame, GenderGuess

# First names that say which label the photo would get; all of one letter, so that nobody picked the faces.
_WOMEN = "Sally Salma Samira Sandra Sarah Selma Sharon Sheila Sherry Sheryl Silvia Simona Sophie Stella Sue Sylvia"
_MEN = "Samuel Sanjay Scott Sean Serge Sergei Sergio Simon Solomon Stan Stanley Stefan Stephen Steve Steven Sven"


def _model(name: str) -> Model:
    return Model(model_store(load()).path(name))


@pytest.fixture(scope="module")
def gender() -> Gender:
    return Gender(_model("gender"))


@pytest.fixture(scope="module")
def detector() -> Mtcnn:
    return Mtcnn(_model("mtcnn-pnet"), _model("mtcnn-rnet"), _model("mtcnn-onet"))


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(decode(portrait.portrait(), "portrait.jpg", ImageLimits()).pixels)


def _guess(gender: Gender, detector: Mtcnn, picture: Image.Image, min_face_px: int = 40) -> GenderGuess | None:
    """For the face nearest to the middle."""
    pixels = np.ascontiguousarray(picture)
    frame = Frame(pixels, pixels.shape[1], pixels.shape[0])
    pyramid = Pyramid(frame)
    found = detector.detect(frame, pyramid, min_face_px)
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 - np.array(picture.size) / 2
    nearest = int(np.hypot(middles[:, 0], middles[:, 1]).argmin())
    return gender.classify(pyramid, found.landmarks[nearest][None].astype(np.float64))[0]


@pytest.mark.parametrize("degrees", [0, 20, -35])
def test_the_portraits_face_gets_the_label_female_at_any_tilt(
    gender: Gender, detector: Mtcnn, picture: Image.Image, degrees: int
) -> None:
    guess = _guess(gender, detector, picture.rotate(degrees, Image.Resampling.BICUBIC))
    assert guess
    assert guess.female
    assert guess.confidence > 85


def test_a_mirrored_photo_gets_the_same_label(gender: Gender, detector: Mtcnn, picture: Image.Image) -> None:
    plain, mirrored = (_guess(gender, detector, photo) for photo in (picture, ImageOps.mirror(picture)))
    assert plain
    assert mirrored
    assert plain.female == mirrored.female
    assert plain.confidence == pytest.approx(mirrored.confidence, abs=5)


def test_a_face_of_twenty_pixels_gets_no_answer(gender: Gender, detector: Mtcnn, picture: Image.Image) -> None:
    small = picture.resize((picture.width // 6, picture.height // 6), Image.Resampling.BOX)
    assert _guess(gender, detector, small, 12) is None


@pytest.mark.parametrize(("names", "female"), [(_WOMEN, True), (_MEN, False)])
def test_labels_agree_with_first_names(
    gender: Gender, detector: Mtcnn, test_data: Path, names: str, female: bool
) -> None:
    photos = [
        photo
        for name in names.split()
        for photo in sorted((test_data / "lfw" / "images").glob(f"{name}_*/{name}_*_0001.jpg"))
    ]
    guesses = [_guess(gender, detector, Image.open(photo).convert("RGB")) for photo in photos]
    agree = [guess.female == female for guess in guesses if guess]
    assert len(agree) > 15
    assert np.mean(agree) >= 0.9
