"""Which of two labels, female or male, a network gives a face.

Antipov, Berrani, Dugelay: Minimalistic CNN-based ensemble model for gender prediction from face images, Pattern
Recognition Letters 70 (2016); dlib's network of that kind. It learned from photos that somebody had labelled with one
of two words, and says which word such a labeller would have given. It knows nothing of the person.
"""

import numpy as np
from numpy.typing import NDArray

from faceline.engine.align import DLIB_150, Template, chip
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.geometry import similarity_transform
from faceline.types import GenderGuess

Floats = NDArray[np.float64]

_SIDE = 32


def _template(size: float) -> Template:
    """A chip as dlib cuts it, with a padding of 0.2 where those of 150 pixels have 0.25, its face `size` times that."""
    places = (np.array(DLIB_150.points) / 100 - 0.25 + 0.2) / 1.4
    points = ((places - 0.5) * size + 0.5) * _SIDE
    return Template(f"mtcnn5-{_SIDE}", _SIDE, tuple((float(x), float(y)) for x, y in points))


GENDER_32 = _template(1.0)
# One crop's answer moves with every pixel that the landmarks are off: three crops and their mirror images are asked.
_CROPS = (_template(0.92), GENDER_32, _template(1.08))
_MIN_SHRINK = 0.7  # pixels of the pyramid behind one of the chip, about 25 a face
_FACTOR = 0.83  # of the log odds, fitted on photos labelled by first names (docs/decisions/0013)
_LEAST = 1e-9  # keeps the logarithm of a probability finite


class Gender:
    """model: uint8 (n, 32, 32, 3) RGB named `image` → float32 (n, 2) named `probability`: female, male."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def classify(self, pyramid: Pyramid, landmarks: Floats) -> list[GenderGuess | None]:
        """One answer a face, None for one too small to say. landmarks: (n, 5, 2) in the pyramid's level 0."""
        # One face at a time: a larger batch gains nothing and a crowd would take memory.
        return [self._guess(pyramid, five) for five in landmarks]

    def _guess(self, pyramid: Pyramid, five: Floats) -> GenderGuess | None:
        if _shrink(five) < _MIN_SHRINK:
            return None
        chips = np.stack([chip(pyramid, five.astype(np.float32), template) for template in _CROPS])
        probabilities = self._model.run({"image": np.concatenate([chips, chips[:, :, ::-1]])})["probability"]
        odds = np.log(np.clip(probabilities.astype(np.float64), _LEAST, 1))
        return _calibrated(float((odds[:, 0] - odds[:, 1]).mean()))


def _shrink(five: Floats) -> float:
    """Pixels of the pyramid's level 0 behind one pixel of the chip."""
    output_to_input = similarity_transform(np.array(GENDER_32.points), np.asarray(five, dtype=np.float64))
    return float(np.hypot(output_to_input[0, 0], output_to_input[1, 0]))


def _calibrated(log_odds: float) -> GenderGuess:
    confidence = 100 / (1 + np.exp(-_FACTOR * abs(log_odds)))
    return GenderGuess(female=log_odds > 0, confidence=round(float(confidence), 2))
