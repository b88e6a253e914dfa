"""A face that fills its picture is found, and measured, as in the whole photo."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import faceline
from faceline.types import Face


@pytest.fixture
def opened(tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> faceline.Faceline:
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(models_dir))
    return faceline.open(tmp_path / "data")


def closeup(portrait: Image.Image, face: Face, inside: float) -> tuple[Image.Image, NDArray[np.float64]]:
    """The face cut out, `inside` of its box's sides left off; and where the part's corner is."""
    box = face.box
    left, top = round(box.left + inside * box.width), round(box.top + inside * box.height)
    right, bottom = round(box.right - inside * box.width), round(box.bottom - inside * box.height)
    return portrait.crop((left, top, right, bottom)), np.array([left, top], dtype=np.float64)


@pytest.mark.parametrize("inside", [0.0, 0.05, 0.1])
def test_the_landmarks_of_a_cut_out_face_are_where_they_were(
    opened: faceline.Faceline, portrait: Image.Image, inside: float
) -> None:
    (whole,) = opened.detect(np.asarray(portrait))
    cut, corner = closeup(portrait, whole, inside)
    (face,) = opened.detect(np.asarray(cut))
    away = np.abs(face.landmarks.as_array() + corner - whole.landmarks.as_array()).max()
    assert away < 0.05 * whole.box.width


def test_a_cut_out_face_is_the_same_person(opened: faceline.Faceline, portrait: Image.Image) -> None:
    (whole,) = opened.detect(np.asarray(portrait))
    cut, _ = closeup(portrait, whole, 0.1)
    assert opened.compare(np.asarray(portrait), np.asarray(cut)).similarity > 99


def test_a_large_cut_out_face_is_found_in_its_own_pixels(opened: faceline.Faceline, portrait: Image.Image) -> None:
    (whole,) = opened.detect(np.asarray(portrait))
    cut, _ = closeup(portrait, whole, 0.05)
    large = cut.resize((cut.width * 12, cut.height * 12), Image.Resampling.BICUBIC)
    (face,) = opened.detect(np.asarray(large))
    assert 0.9 < face.box.width / (12 * whole.box.width) < 1.1
