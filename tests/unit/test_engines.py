"""Analyzers by model: one detector for all, templates by space, detectors by setting."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faceline import loading
from faceline.app import App
from faceline.config import Settings
from faceline.engine.align import ARCFACE_112, BOX_160, DLIB_150, TEMPLATES, cut
from faceline.engine.analyzer import Wanted
from faceline.engine.landmarks import WithOnet
from faceline.engine.mtcnn import Mtcnn
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.engines import Engines
from faceline.errors import MissingExtraError, ModelError
from faceline.models.added import TemplateName
from faceline.models.adding import Adder, Asked, Terms
from faceline.models.spaces import BUILTIN
from faceline.types import Frame
from networks import added, yunet

Pixels = NDArray[np.uint8]


@pytest.fixture
def folder(models_dir: Path, tmp_path: Path) -> Path:
    """A models folder of its own with the built-in models, to which others can be added."""
    for file in models_dir.iterdir():
        if file.is_file():
            (tmp_path / file.name).symlink_to(file)
    return tmp_path


def settings(folder: Path, **changes: Any) -> Settings:
    return Settings(models_dir=folder, data=folder / "data", precision="fp32", **changes)


def frame(pixels: Pixels) -> Frame:
    return Frame(pixels, pixels.shape[1], pixels.shape[0])


def test_all_models_share_one_detector(folder: Path, astronaut: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    space = added(folder)
    loaded: list[str] = []
    monkeypatch.setattr(loading, "Model", _counting(loaded))
    engines = Engines(settings(folder))
    faces = {m: engines.analyzer(m).analyze([frame(astronaut)])[0][0] for m in (BUILTIN.model, space.model)}
    assert sorted(loaded) == ["dlib-resnet.fp32", "mine", "mtcnn-onet", "mtcnn-pnet", "mtcnn-rnet"]
    for model, face in faces.items():
        assert face.embedding
        assert face.embedding.model == model
        assert np.linalg.norm(face.embedding.values) == pytest.approx(1)
    a, b = faces.values()
    # The same face, whatever embeds it: also its quality.
    assert (a.box, a.landmarks, a.quality) == (b.box, b.landmarks, b.quality)
    assert [len(f.embedding.values) for f in (a, b) if f.embedding] == [128, 32]


def _counting(loaded: list[str]) -> Any:
    real = Model

    def made(path: Path, *rest: Any) -> Any:
        loaded.append(path.stem)
        return real(path, *rest)

    return made


def test_the_setting_model_makes_new_collections_and_old_ones_keep_theirs(folder: Path) -> None:
    space = added(folder)
    with App(settings(folder)) as app:
        app.create_collection("old", {})
    with App(settings(folder, model="mine")) as app:
        app.create_collection("new", {})
        assert app.collections.models() == {"old": BUILTIN.model, "new": space.model}
        assert app.analyzer("old").model == BUILTIN.model
        assert app.analyzer("new").model == app.analyzer().model == space.model
        assert app.scorer("old").calibration.measured
        assert not app.scorer("new").calibration.measured


def test_a_model_that_is_not_here_is_told_when_it_is_needed(folder: Path) -> None:
    engines = Engines(settings(folder, model="sface"))
    with pytest.raises(ModelError, match="no embedder 'sface'"):
        _ = engines.model
    for ask in (engines.analyzer, engines.scorer):
        with pytest.raises(ModelError, match=r"no model sface-0ba9fbfa\+arcface-112 in"):
            ask("sface-0ba9fbfa+arcface-112")


@pytest.mark.parametrize("detector", ["mtcnn", "haar"])
def test_the_setting_detector_finds_the_face(detector: str, folder: Path, astronaut: Pixels) -> None:
    analyzer = loading.open_analyzer(settings(folder, detector=detector))
    (face,) = analyzer.analyze([frame(astronaut)], Wanted(embeddings=False))[0]
    assert face.landmarks.left_eye == pytest.approx((205, 101), abs=4)
    assert 150 < face.box.left < 195
    assert face.confidence > 95


def test_points_come_from_onet_for_all_but_mtcnn(folder: Path) -> None:
    Adder(folder, lambda *_: (0, "")).add(yunet().SerializeToString(), "made", Asked(), Terms("MIT"))
    kinds = {name: loading.Networks(settings(folder, detector=name)).detector() for name in ("mtcnn", "yunet", "haar")}
    assert [type(kind) for kind in kinds.values()] == [Mtcnn, WithOnet, WithOnet]


@pytest.mark.parametrize("detector", ["yunet", "opencv-yunet"])
def test_a_yunet_must_be_here(detector: str, folder: Path) -> None:
    with pytest.raises(ModelError, match=r"no model yunet in .*faceline models list"):
        loading.open_analyzer(settings(folder, detector=detector))


def test_opencv_that_cannot_use_the_file_says_so(folder: Path) -> None:
    from faceline.engine.opencv import FaceDetectorYN  # noqa: PLC0415

    (folder / "garbage.onnx").write_bytes(b"garbage")
    with pytest.raises(ModelError, match=r"OpenCV cannot use .*garbage\.onnx as a YuNet"):
        FaceDetectorYN(folder / "garbage.onnx")


def test_without_opencv_the_error_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'opencv-python-headless<5'"):
        loading.open_analyzer(settings(folder, detector="haar"))


# Chips


def test_templates_are_called_by_their_names_and_have_their_sides() -> None:
    names = TemplateName.__args__  # type: ignore[attr-defined]
    assert set(TEMPLATES) == set(names)
    assert all(name.endswith(f"-{template.side}") for name, template in TEMPLATES.items())


@pytest.mark.parametrize("template", [DLIB_150, ARCFACE_112])
def test_aligned_chips_show_the_landmarks_where_the_template_has_them(template: Any) -> None:
    points = np.array(template.points) * 2 + [40, 30]
    pixels = np.zeros((400, 400, 3), np.uint8)
    for x, y in points.astype(int):
        pixels[y - 2 : y + 3, x - 2 : x + 3] = 255
    seen = cut(Pyramid(frame(pixels)), np.zeros(4, np.float32), points.astype(np.float32), template)
    assert seen.shape == (template.side, template.side, 3)
    for x, y in np.array(template.points).astype(int):
        assert seen[y - 1 : y + 2, x - 1 : x + 2].max() > 200


@pytest.mark.parametrize("box", [(-5.0, -9.5, 30.9, 20.2), (10.0, 10.0, 10.2, 10.2), (99.7, 59.9, 120.0, 90.0)])
def test_boxes_beyond_the_picture_and_empty_ones_are_cut_to_what_there_is(box: tuple[float, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (60, 100, 3), dtype=np.uint8)
    seen = cut(Pyramid(frame(pixels)), np.array(box, np.float32), np.zeros((5, 2), np.float32), BOX_160)
    assert seen.shape == (160, 160, 3)
    assert seen.any()
