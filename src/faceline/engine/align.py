"""Chips: what an embedding model sees of a face, cut as the model expects it.

Most models were trained on aligned faces: turned, moved and scaled so that five landmarks lie where a template says.
FaceNet was trained on detectors' boxes as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image

from faceline.engine.pyramid import Pyramid
from faceline.geometry import similarity_transform
from faceline.types import Pixels, Vector


@dataclass(frozen=True, slots=True)
class Template:
    """points: where the five landmarks go, in pixels of a chip of `side` × `side`; none: the box fills the chip."""

    name: str
    side: int
    points: tuple[tuple[float, float], ...]


# Mean positions of MTCNN's landmarks in chips that dlib's own shape predictor cut (dlib's get_face_chip, padding 0.25).
DLIB_150 = Template(
    "dlib-150", 150, ((47.97, 45.93), (102.10, 46.02), (75.06, 78.95), (51.30, 105.59), (98.27, 105.71))
)
# Deng et al., ArcFace (arXiv 1801.07698): the points published in insightface's `face_align.py`; OpenCV's
# FaceRecognizerSF aligns to the same.
ARCFACE_112 = Template(
    "arcface-112",
    112,
    ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)),
)
# As facenet-pytorch's `extract_face` cuts with its defaults: margin 0, 160 pixels, not square, not aligned.
BOX_160 = Template("box-160", 160, ())

TEMPLATES: Mapping[str, Template] = MappingProxyType({t.name: t for t in (DLIB_150, ARCFACE_112, BOX_160)})


def cut(pyramid: Pyramid, box_xyxy: Vector, landmarks: Vector, template: Template) -> Pixels:
    """uint8 (side, side, 3). box_xyxy: (4,), landmarks: (5, 2), both in the pyramid's level 0."""
    if template.points:
        return chip(pyramid, landmarks, template)
    return box_chip(pyramid, box_xyxy, template.side)


def chip(pyramid: Pyramid, landmarks: Vector, template: Template) -> Pixels:
    """uint8 (side, side, 3). landmarks: (5, 2) in the pyramid's level 0; outside the picture the chip is black."""
    target = np.array(template.points, dtype=np.float64)
    output_to_input = similarity_transform(target, np.asarray(landmarks, dtype=np.float64))
    return pyramid.warped(output_to_input, template.side)


def box_chip(pyramid: Pyramid, box_xyxy: Vector, side: int) -> Pixels:
    """uint8 (side, side, 3): the part of the picture inside the box, its corners cut to whole pixels, stretched.

    The whole of it is averaged, as Pillow does it: taken from a smaller level, galleries made by facenet-pytorch would
    be off by more.
    """
    limits = (pyramid.width, pyramid.height)
    x1, y1 = (min(max(int(v), 0), limit - 1) for v, limit in zip(box_xyxy[:2], limits, strict=True))
    x2, y2 = (min(int(v), limit) for v, limit in zip(box_xyxy[2:], limits, strict=True))
    part = pyramid.level(0).crop((x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)))
    return np.asarray(part.resize((side, side), Image.Resampling.BILINEAR))
