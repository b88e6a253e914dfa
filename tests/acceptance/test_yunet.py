"""YuNet with its real weights on the reference photos, beside the built-in detector."""

import csv
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from faceline.config import load
from faceline.engine.detector import Detections
from faceline.engine.landmarks import WithOnet
from faceline.engine.mtcnn import Mtcnn
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.engine.yunet import Yunet
from faceline.geometry import iou
from faceline.loading import model_store
from faceline.types import Frame


@pytest.fixture(scope="module")
def yunet_file(test_data: Path) -> Path:
    return test_data / "models" / "face_detection_yunet_2026may.onnx"


@pytest.fixture(scope="module", params=["any size", "640×640"])
def yunet(yunet_file: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Yunet:
    if request.param == "any size":
        return Yunet(Model(yunet_file))
    path = tmp_path_factory.mktemp("fixed") / "yunet640.onnx"
    model = onnx.load(yunet_file)
    for dimension in list(model.graph.input[0].type.tensor_type.shape.dim)[2:]:
        dimension.dim_value = 640
    onnx.save(model, path)
    return Yunet(Model(path))


@pytest.fixture(scope="module")
def onet(models_dir: Path) -> Model:
    return Model(model_store(load().with_(models_dir=models_dir)).path("mtcnn-onet"))


def _detect(detector: Yunet | Mtcnn | WithOnet, photo: Image.Image, min_face_px: float) -> Detections:
    pixels = np.ascontiguousarray(photo.convert("RGB"))
    frame = Frame(pixels, pixels.shape[1], pixels.shape[0])
    return detector.detect(frame, Pyramid(frame), min_face_px)


def _middle(found: Detections, photo: Image.Image) -> int:
    """Which box is around the photo's middle; its index."""
    x, y = photo.width / 2, photo.height / 2
    b = found.boxes
    inside = np.flatnonzero((b[:, 0] < x) & (x < b[:, 2]) & (b[:, 1] < y) & (y < b[:, 3]))
    assert len(inside)
    return int(inside[found.confidences[inside].argmax()])


@pytest.mark.parametrize("min_face_px", [20, 40])
def test_every_labelled_face_of_the_group_photos_is_found(yunet: Yunet, test_data: Path, min_face_px: int) -> None:
    folder = test_data / "photos" / "dlib"
    labelled: dict[str, list[list[float]]] = {}
    with (folder / "face_boxes.csv").open() as stream:
        for row in csv.DictReader(stream):
            x, y, width, height = (float(row[key]) for key in ("left", "top", "width", "height"))
            labelled.setdefault(row["file"], []).append([x, y, x + width, y + height])
    for name, boxes in labelled.items():
        found = _detect(yunet, Image.open(folder / "examples" / "faces" / name), min_face_px)
        assert iou(np.array(boxes), found.boxes).max(axis=1, initial=0).min() > 0.3, name


def test_faces_of_lfw_are_found_for_sure_at_every_size(yunet: Yunet, test_data: Path) -> None:
    for path in sorted((test_data / "lfw" / "images").rglob("*_0001.jpg"))[::60]:
        photo = Image.open(path)
        for factor in (0.5, 1, 4, 10):
            resized = photo.resize((round(250 * factor), round(250 * factor)))
            found = _detect(yunet, resized, 40)
            assert found.confidences[_middle(found, resized)] > 0.9, (path.name, factor)


def test_points_are_where_the_built_in_detector_sees_them(yunet: Yunet, test_data: Path, models_dir: Path) -> None:
    store = model_store(load().with_(models_dir=models_dir))
    built_in = Mtcnn(*(Model(store.path(f"mtcnn-{name}")) for name in ("pnet", "rnet", "onet")))
    distances = []
    for path in sorted((test_data / "lfw" / "images").rglob("*_0001.jpg"))[::60]:
        photo = Image.open(path)
        ours, theirs = (_detect(detector, photo, 40) for detector in (yunet, built_in))
        i, j = _middle(ours, photo), _middle(theirs, photo)
        side = theirs.boxes[j, 2] - theirs.boxes[j, 0]
        distances.append(np.linalg.norm(ours.landmarks[i] - theirs.landmarks[j], axis=1) / side)
    # Eyes or mouth corners in the wrong order would be a third of the side away.
    assert np.median(distances, axis=0).max() < 0.06


def test_photos_of_cars_and_of_nothing_show_no_faces(yunet: Yunet, test_data: Path) -> None:
    for name in ("dlib/examples/mmod_cars_test_image.jpg", "face-api.js/test/images/white.png"):
        assert len(_detect(yunet, Image.open(test_data / "photos" / name), 20).boxes) == 0


def _roll(found: Detections, photo: Image.Image) -> float:
    """Degrees against the clock from one eye to the other, of the face in the middle."""
    (x1, y1), (x2, y2) = found.landmarks[_middle(found, photo)][:2]
    return float(np.degrees(np.arctan2(y1 - y2, x2 - x1)))


@pytest.mark.parametrize("degrees", [-30, 15, 30])
def test_points_turn_with_a_tilted_head_when_onet_sets_them(
    yunet: Yunet, onet: Model, test_data: Path, degrees: int
) -> None:
    """YuNet's own points hardly turn: they are off by 17° at a tilt of 20°."""
    off = []
    for path in sorted((test_data / "lfw" / "images").rglob("*_0001.jpg"))[::60]:
        photo = Image.open(path)
        tilted = photo.rotate(degrees, Image.Resampling.BICUBIC)
        upright, turned = (_roll(_detect(WithOnet(yunet, onet), p, 40), p) for p in (photo, tilted))
        off.append(abs(turned - upright - degrees))
    assert np.median(off) < 3
    assert max(off) < 15


def test_onet_refuses_dogs_and_keeps_every_labelled_face(yunet: Yunet, onet: Model, test_data: Path) -> None:
    folder = test_data / "photos" / "dlib" / "examples" / "faces"
    both = WithOnet(yunet, onet)
    assert len(_detect(both, Image.open(folder / "dogs.jpg"), 20).boxes) == 0
    assert len(_detect(both, Image.open(folder / "2007_007763.jpg"), 20).boxes) >= 7
