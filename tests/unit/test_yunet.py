"""The YuNet detector around made networks: their outputs say where faces are, so that nothing is recognised here."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.engine.yunet import Yunet
from faceline.errors import ModelError
from faceline.models.importers.graph import FLOAT, Graph, Port
from faceline.types import Frame

_RED = (255, 0, 0)


class MadeYunet(Model):
    """Sees a face at every cell of 8×8 pixels with red in it: a box of `side` px around its corner, points at it."""

    def __init__(self, side: float = 40.0, fixed: int | str = "width", doubtful: bool = False) -> None:
        self.path = Path("made.onnx")
        self.seen: list[tuple[int, ...]] = []
        self._side, self._fixed, self._doubtful = side, fixed, doubtful

    @property
    def inputs(self) -> dict[str, tuple[str, Any]]:
        return {"input": ("tensor(float)", [1, 3, self._fixed, self._fixed])}

    def run(self, feeds: Any) -> dict[str, NDArray[Any]]:
        picture = feeds["input"]
        self.seen.append(picture.shape[2:])
        outputs: dict[str, NDArray[Any]] = {}
        for stride in (8, 16, 32):
            n = picture.shape[2] // stride * (picture.shape[3] // stride)
            for kind, length in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items():
                outputs[f"{kind}_{stride}"] = np.zeros((1, n, length), np.float32)
        blue, green, red = picture[0]
        is_red = (red == 255) & (green == 0) & (blue == 0)
        cells = is_red.reshape(len(red) // 8, 8, -1, 8).any(axis=(1, 3)).ravel()
        outputs["cls_8"][0, cells] = 0.25 if self._doubtful else 1
        outputs["obj_8"][0, cells] = 0.81
        outputs["bbox_8"][0, cells, 2:] = np.log(self._side / 8)
        outputs["kps_8"][0, cells] = np.arange(10)
        return outputs


def _frame(width: int, height: int, *faces: tuple[int, int]) -> Frame:
    """faces: corners of spots that are red, and too small to stay red in a picture of a quarter."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    for x, y in faces:
        pixels[y : y + 3, x : x + 3] = _RED
    return Frame(pixels, width, height)


def _detect(model: Model, frame: Frame, min_face_px: float = 24) -> Any:
    return Yunet(model).detect(frame, Pyramid(frame), min_face_px)


def test_boxes_points_and_scores_are_decoded_as_the_network_means_them() -> None:
    found = _detect(MadeYunet(), _frame(160, 120, (64, 48)))
    np.testing.assert_allclose(found.boxes, [[44, 28, 84, 68]], atol=1e-4)
    expected = np.array([64, 48]) + 8 * np.arange(10).reshape(5, 2)
    np.testing.assert_allclose(found.landmarks, [expected])
    np.testing.assert_allclose(found.confidences, [1 - (1 - 0.9) ** 2], atol=1e-6)


def test_what_the_network_doubts_is_no_face() -> None:
    assert len(_detect(MadeYunet(doubtful=True), _frame(160, 120, (64, 48))).boxes) == 0


def test_a_picture_without_faces_gives_empty_arrays() -> None:
    found = _detect(MadeYunet(), _frame(160, 120))
    assert (found.boxes.shape, found.landmarks.shape, found.confidences.shape) == ((0, 4), (0, 5, 2), (0,))


def test_faces_much_smaller_than_asked_for_are_left_out() -> None:
    assert len(_detect(MadeYunet(side=20), _frame(160, 120, (64, 48))).boxes) == 1
    assert len(_detect(MadeYunet(side=14), _frame(160, 120, (64, 48))).boxes) == 0


def test_a_picture_is_shrunk_until_the_smallest_face_wanted_is_just_seen() -> None:
    model = MadeYunet()
    _detect(model, _frame(640, 480), min_face_px=96)
    assert model.seen[1:] == [(128, 160)]


def test_boxes_of_a_shrunk_picture_are_in_its_own_pixels() -> None:
    frame = _frame(480, 320)
    frame.pixels[160:192, 224:256] = _RED
    found = _detect(MadeYunet(), frame, min_face_px=96)
    np.testing.assert_allclose(found.boxes, [[144, 80, 304, 240]], atol=1e-3)


def test_large_faces_are_looked_for_again_in_smaller_pictures() -> None:
    model = MadeYunet()
    _detect(model, _frame(1200, 900))
    assert model.seen[1:] == [(928, 1216), (256, 320)]


def test_a_network_of_one_size_gets_parts_that_overlap_and_finds_every_face_once() -> None:
    model = MadeYunet(fixed=640)
    faces = [(x, y) for x in range(80, 1400, 152) for y in range(80, 720, 152)]
    found = _detect(model, _frame(1440, 800, *faces))
    assert set(model.seen) == {(640, 640)}
    away = np.abs((found.boxes[:, None, :2] + 20) - np.array(faces)).max(axis=2)
    assert away.shape == (len(faces), len(faces))
    assert away.min(axis=0).max() <= 8
    assert away.min(axis=1).max() <= 8


def test_huge_pictures_are_searched_in_parts_of_bounded_size() -> None:
    model = MadeYunet()
    _detect(model, _frame(5000, 2600))
    assert max(max(size) for size in model.seen) <= 1280


def test_pictures_smaller_than_a_cell_and_very_long_ones_give_no_faces() -> None:
    for size in [(1, 1), (11, 13), (3, 900), (20_000, 20)]:
        assert len(_detect(MadeYunet(), _frame(*size), min_face_px=12).boxes) == 0


def test_a_model_that_is_no_yunet_is_refused(tmp_path: Path) -> None:
    graph = Graph()
    graph.add("Relu", ["input"], "output")
    shape: list[int | str] = [1, 3, "height", "width"]
    ports: list[Port] = [("input", FLOAT, shape), ("output", FLOAT, shape)]
    path = tmp_path / "other.onnx"
    path.write_bytes(graph.model(ports[:1], ports[1:], "").SerializeToString())
    with pytest.raises(ModelError, match=r"other\.onnx is no YuNet"):
        Yunet(Model(path))


@pytest.mark.parametrize("fixed", [100, 641])
def test_a_fixed_size_that_its_strides_do_not_divide_is_refused(fixed: int) -> None:
    with pytest.raises(ModelError, match="is no YuNet"):
        Yunet(MadeYunet(fixed=fixed))
