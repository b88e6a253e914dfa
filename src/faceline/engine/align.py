"""Aligned chips: the face turned, moved and scaled so that its landmarks lie where the embedding model expects them."""

from dataclasses import dataclass

import numpy as np

from faceline.engine.pyramid import Pyramid
from faceline.geometry import similarity_transform
from faceline.types import Pixels, Vector


@dataclass(frozen=True, slots=True)
class Template:
    """points: where the five landmarks go, in pixels of a chip of `side` × `side`."""

    name: str
    side: int
    points: tuple[tuple[float, float], ...]


# Mean positions of MTCNN's landmarks in chips that dlib's own shape predictor cut (dlib's get_face_chip, padding 0.25).
DLIB_150 = Template(
    "mtcnn5-150", 150, ((47.97, 45.93), (102.10, 46.02), (75.06, 78.95), (51.30, 105.59), (98.27, 105.71))
)


def chip(pyramid: Pyramid, landmarks: Vector, template: Template) -> Pixels:
    """uint8 (side, side, 3). landmarks: (5, 2) in the pyramid's level 0; outside the picture the chip is black."""
    target = np.array(template.points, dtype=np.float64)
    output_to_input = similarity_transform(target, np.asarray(landmarks, dtype=np.float64))
    return pyramid.warped(output_to_input, template.side)
