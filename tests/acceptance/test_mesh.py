"""The mesh with its real networks on the public-domain portrait: a woman who smiles, seen a little from the side."""

import numpy as np
import pytest
from PIL import Image

from faceline import portrait
from faceline.config import load
from faceline.engine.mesh import Mesh
from faceline.engine.mtcnn import Mtcnn
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.images import ImageLimits, decode
from faceline.loading import model_store
from faceline.types import Frame, MeshFace


def _model(name: str) -> Model:
    return Model(model_store(load()).path(name))


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return Mesh(_model("face-mesh"), _model("iris"))


@pytest.fixture(scope="module")
def detector() -> Mtcnn:
    return Mtcnn(_model("mtcnn-pnet"), _model("mtcnn-rnet"), _model("mtcnn-onet"))


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(decode(portrait.portrait(), "portrait.jpg", ImageLimits()).pixels)


def _described(mesh: Mesh, detector: Mtcnn, picture: Image.Image) -> MeshFace:
    pixels = np.ascontiguousarray(picture)
    frame = Frame(pixels, pixels.shape[1], pixels.shape[0])
    pyramid = Pyramid(frame)
    found = detector.detect(frame, pyramid, 40)
    best = found.confidences.argmax()
    face = mesh.describe(pyramid, found.boxes[best][None], found.landmarks[best][None])[0]
    assert face is not None
    return face


def _distances_px(a: MeshFace, b: dict[str, tuple[float, float]]) -> dict[str, float]:
    return {name: float(np.hypot(*np.subtract(a.points[name], b[name]))) for name in a.points}


def test_the_parts_of_the_portraits_face_are_where_they_belong(
    mesh: Mesh, detector: Mtcnn, picture: Image.Image
) -> None:
    face = _described(mesh, detector, picture)
    assert face.presence > 99
    assert len(face.points) == 30
    x = {name: point[0] for name, point in face.points.items()}
    y = {name: point[1] for name, point in face.points.items()}
    across = "upperJawlineLeft leftEyeBrowLeft leftEyeLeft leftPupil leftEyeRight rightEyeLeft rightPupil rightEyeRight"
    assert [x[name] for name in across.split()] == sorted(x[name] for name in across.split())
    down = "leftEyeBrowUp leftEyeUp leftPupil leftEyeDown noseLeft mouthUp mouthDown chinBottom"
    assert [y[name] for name in down.split()] == sorted(y[name] for name in down.split())
    eyes = {"leftPupil": face.points["eyeLeft"], "rightPupil": face.points["eyeRight"]}
    assert all(np.hypot(*np.subtract(face.points[name], point)) < 4 for name, point in eyes.items())


def test_the_portraits_smile_shows_teeth(mesh: Mesh, detector: Mtcnn, picture: Image.Image) -> None:
    face = _described(mesh, detector, picture)
    assert face.mouth_open
    assert face.mouth_open.value
    assert face.mouth_open.confidence > 90


def test_the_points_of_a_turned_photo_are_the_turned_points(mesh: Mesh, detector: Mtcnn, picture: Image.Image) -> None:
    upright = _described(mesh, detector, picture)
    turned = _described(mesh, detector, picture.rotate(-30, Image.Resampling.BICUBIC))
    cos, sin = np.cos(np.radians(30)), np.sin(np.radians(30))
    middle = picture.width / 2
    expected = {
        name: (middle + cos * (x - middle) - sin * (y - middle), middle + sin * (x - middle) + cos * (y - middle))
        for name, (x, y) in upright.points.items()
    }
    distances = _distances_px(turned, expected)
    assert max(distances.values()) < 8  # of a face 110 pixels wide
    assert np.mean(list(distances.values())) < 3


def test_a_wall_has_no_face_even_where_the_detector_is_sure(mesh: Mesh) -> None:
    pixels = np.random.default_rng(1).integers(90, 110, (300, 300, 3), dtype=np.uint8)
    five = np.array([[[120, 120], [180, 120], [150, 150], [130, 180], [170, 180]]], dtype=np.float64)
    box = np.array([[100, 90, 200, 220]], dtype=np.float64)
    assert mesh.describe(Pyramid(Frame(pixels, 300, 300)), box, five) == [None]
