"""What is asked of the gender network, and what is made of its answers, with a made network."""

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from faceline.engine.gender import GENDER_32, Gender
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.types import Frame, GenderGuess

Floats = NDArray[Any]


class _Made:
    """Answers with `female` for each crop and with `mirrored` for its mirror image; keeps what it was shown."""

    def __init__(self, female: float, mirrored: float | None = None) -> None:
        answers = [female] * 3 + [female if mirrored is None else mirrored] * 3
        self.female = np.array(answers, dtype=np.float32)
        self.images: list[NDArray[np.uint8]] = []

    def run(self, feeds: dict[str, Floats]) -> dict[str, Floats]:
        self.images.append(feeds["image"])
        return {"probability": np.stack([self.female, 1 - self.female], axis=1)}


def _pyramid() -> Pyramid:
    """Each pixel says where it is: red is x, green is y."""
    y, x = np.mgrid[0:256, 0:256].astype(np.uint8)
    return Pyramid(Frame(np.ascontiguousarray(np.stack([x, y, np.zeros_like(x)], axis=-1)), 256, 256))


def _five(scale: float = 2.0, left: float = 60.0, top: float = 80.0) -> Floats:
    """Landmarks of a face whose chip begins at (left, top) and has `scale` pixels of the picture in each of its own."""
    return np.array(GENDER_32.points) * scale + [left, top]


def _guess(made: _Made, five: Floats | None = None) -> GenderGuess | None:
    return Gender(cast(Model, made)).classify(_pyramid(), (_five() if five is None else five)[None])[0]


def test_the_network_sees_the_aligned_face_at_three_sizes_and_all_mirrored() -> None:
    made = _Made(0.9)
    _guess(made)
    crops, mirrored = made.images[0][:3], made.images[0][3:]
    assert crops.shape == (3, 32, 32, 3)
    assert np.array_equal(crops[:, :, ::-1], mirrored)
    for crop, size in zip(crops, (0.92, 1.0, 1.08), strict=True):
        place = (np.array([10.5, 4.5]) - 16) / size + 16
        assert crop[4, 10, :2] == pytest.approx([60 + 2 * place[0], 80 + 2 * place[1]], abs=1.5)


def test_the_chips_eyes_lie_where_dlib_cuts_them_with_a_padding_of_a_fifth() -> None:
    # dlib's mean face, 0–1, has the eyes' middles near (0.23, 0.21) and (0.77, 0.21).
    eyes = (np.array(GENDER_32.points[:2]) / 32 * 1.4) - 0.2
    assert eyes == pytest.approx(np.array([[0.23, 0.21], [0.77, 0.21]]), abs=0.01)


@pytest.mark.parametrize(("probability", "female"), [(0.99, True), (0.01, False)])
def test_the_likelier_label_is_given(probability: float, female: bool) -> None:
    guess = _guess(_Made(probability))
    assert guess
    assert guess.female is female
    assert 95 < guess.confidence < 99  # less sure than the network, which is too sure


def test_a_face_and_its_mirror_image_that_disagree_give_little_confidence() -> None:
    guess = _guess(_Made(0.95, 0.2))
    assert guess
    assert guess.female
    assert 50 < guess.confidence < 80


def test_a_network_that_is_quite_sure_gives_finite_confidence() -> None:
    assert _guess(_Made(1.0)) == GenderGuess(True, 100.0)
    assert _guess(_Made(0.0)) == GenderGuess(False, 100.0)


def test_a_face_of_few_pixels_gets_no_answer_and_is_not_shown_to_the_network() -> None:
    made = _Made(0.9)
    assert _guess(made, _five(scale=0.6)) is None
    assert made.images == []
    assert _guess(made, _five(scale=1.0)) is not None


def test_landmarks_that_coincide_or_lie_outside_do_not_crash() -> None:
    assert _guess(_Made(0.9), np.full((5, 2), 7.0)) is None
    assert _guess(_Made(0.9), _five(left=-900, top=5000)) is not None


def test_no_faces_give_no_answers_and_many_give_one_each() -> None:
    gender = Gender(cast(Model, _Made(0.9)))
    assert gender.classify(_pyramid(), np.empty((0, 5, 2))) == []
    five = np.stack([_five(), _five(scale=0.3), _five(left=20)])
    assert [guess and guess.female for guess in gender.classify(_pyramid(), five)] == [True, None, True]
