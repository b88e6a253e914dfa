"""The engine with its real models on the public-domain portrait, and on crowds where the shared photos are."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceline import portrait
from faceline.config import load
from faceline.engine import mtcnn
from faceline.engine.analyzer import Analyzer, Wanted
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model, available_provider
from faceline.errors import ModelError, SettingError
from faceline.images import ImageLimits, decode
from faceline.loading import model_store, open_analyzer
from faceline.types import Face, Frame, Pixels


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return open_analyzer(load().with_(attributes=("emotions",)))


@pytest.fixture(scope="module")
def photo() -> Frame:
    return decode(portrait.portrait(), "portrait.jpg", ImageLimits())


def _frame(pixels: Pixels) -> Frame:
    return Frame(np.ascontiguousarray(pixels), pixels.shape[1], pixels.shape[0])


def _only(analyzer: Analyzer, frame: Frame, wanted: Wanted | None = None) -> Face:
    faces = analyzer.analyze([frame], wanted)[0]
    assert len(faces) == 1
    return faces[0]


def _cosine(a: Face, b: Face) -> float:
    assert a.embedding is not None
    assert b.embedding is not None
    return float(a.embedding.values @ b.embedding.values)


def test_the_portrait_has_one_usable_smiling_frontal_face(analyzer: Analyzer, photo: Frame) -> None:
    face = _only(analyzer, photo, Wanted(emotions=True))
    assert face.confidence > 99
    assert face.quality.usable
    assert 170 < face.box.left < 200
    assert 60 < face.box.top < 90
    assert abs(face.pose.roll) < 12
    assert abs(face.pose.yaw) < 30
    assert face.emotions is not None
    assert face.emotions[0].type == "happy"
    assert sum(e.confidence for e in face.emotions) == pytest.approx(100, abs=0.1)


def test_landmarks_lie_inside_the_box_in_their_order(analyzer: Analyzer, photo: Frame) -> None:
    face = _only(analyzer, photo)
    points = face.landmarks
    assert points.left_eye[0] < points.nose[0] < points.right_eye[0]
    assert points.left_eye[1] < points.nose[1] < points.mouth_left[1]
    assert face.box.left < points.left_eye[0] < points.right_eye[0] < face.box.right


def test_embeddings_have_unit_length_and_name_their_model(analyzer: Analyzer, photo: Frame) -> None:
    face = _only(analyzer, photo)
    assert face.embedding is not None
    assert face.embedding.values.dtype == np.float32
    assert float(np.linalg.norm(face.embedding.values)) == pytest.approx(1, abs=1e-5)
    assert face.embedding.model == analyzer.model


def test_what_is_not_asked_for_is_absent(analyzer: Analyzer, photo: Frame) -> None:
    face = _only(analyzer, photo, Wanted(embeddings=False))
    assert face.embedding is None
    assert face.emotions is None


def test_boxes_of_a_reduced_frame_are_in_full_size_pixels(analyzer: Analyzer, photo: Frame) -> None:
    full = _only(analyzer, photo)
    half = np.asarray(Image.fromarray(photo.pixels).reduce(2))
    reduced = _only(analyzer, Frame(half, photo.width, photo.height))
    assert reduced.box.left == pytest.approx(full.box.left, abs=8)
    assert reduced.box.width == pytest.approx(full.box.width, rel=0.12)
    assert _cosine(full, reduced) > 0.95


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_photo_is_found_with_rotations_and_its_box_turns_with_it(
    analyzer: Analyzer, photo: Frame, turns: int
) -> None:
    upright = _only(analyzer, photo)
    turned = _frame(np.rot90(photo.pixels, turns))
    face = _only(analyzer, turned, Wanted(rotations=True))
    x, y = upright.box.center
    size = photo.width
    expected = {1: (y, size - x), 2: (size - x, size - y), 3: (size - y, x)}[turns]
    assert face.box.center == pytest.approx(expected, abs=12)
    assert _cosine(upright, face) > 0.95


def test_a_mirrored_face_has_nearly_the_same_embedding_and_the_opposite_yaw(analyzer: Analyzer, photo: Frame) -> None:
    face, mirrored = _only(analyzer, photo), _only(analyzer, _frame(photo.pixels[:, ::-1]))
    assert _cosine(face, mirrored) > 0.97
    assert mirrored.pose.yaw == pytest.approx(-face.pose.yaw, abs=8)


def test_frames_of_one_batch_answer_as_single_ones(analyzer: Analyzer, photo: Frame) -> None:
    blank = _frame(np.full((300, 400, 3), 127, dtype=np.uint8))
    other = _frame(photo.pixels[20:400, 60:400])
    batch = analyzer.analyze([photo, blank, other])
    assert [len(faces) for faces in batch] == [1, 0, 1]
    assert _cosine(batch[0][0], _only(analyzer, photo)) > 0.9999
    assert _cosine(batch[2][0], _only(analyzer, other)) > 0.9999


def test_no_frames_and_frames_too_small_for_a_face_give_no_faces(analyzer: Analyzer) -> None:
    assert analyzer.analyze([]) == []
    for shape in [(1, 1, 3), (11, 11, 3), (12, 12, 3), (13, 900, 3), (20, 20000, 3)]:
        assert analyzer.analyze([_frame(np.zeros(shape, dtype=np.uint8))], Wanted(min_face_px=12)) == [[]]


def test_threads_share_an_analyzer(analyzer: Analyzer, photo: Frame) -> None:
    with ThreadPoolExecutor(8) as pool:
        faces = list(pool.map(lambda _: _only(analyzer, photo), range(16)))
    assert min(_cosine(faces[0], face) for face in faces) > 0.99999
    assert len({face.box for face in faces}) == 1


@pytest.mark.parametrize("size", [(97, 131), (240, 320), (641, 480), (1100, 70)])
def test_strips_of_the_proposal_network_equal_one_run(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(model_store(load()).path("mtcnn-pnet"))
    detector = mtcnn.Mtcnn(model, model, model)
    image = np.random.default_rng(5).integers(0, 256, (*size, 3), dtype=np.uint8)
    whole = model.run({"image": image[None]})
    monkeypatch.setattr(mtcnn, "_TILE_PIXELS", 2_000)
    probability, regression = detector._cells(image)
    np.testing.assert_allclose(probability, whole["probability"][0], atol=1e-5)
    np.testing.assert_allclose(regression, whole["regression"][0], atol=1e-5)


def test_noise_does_not_blow_up_the_candidates(analyzer: Analyzer) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    assert len(analyzer.analyze([_frame(noise)], Wanted(min_face_px=20))[0]) < 5


@pytest.mark.parametrize("quality", ["dark", "blurred", "small"])
def test_a_bad_face_says_why_it_is_not_usable(analyzer: Analyzer, photo: Frame, quality: str) -> None:
    image = Image.fromarray(photo.pixels)
    changed = {
        "dark": image.point([int(v * 0.12) for v in range(256)] * 3),
        "blurred": image.resize((90, 90)).resize((512, 512), Image.Resampling.BICUBIC),
        "small": image.resize((150, 150)),
    }[quality]
    face = _only(analyzer, _frame(np.asarray(changed)), Wanted(min_face_px=20))
    expected = {"dark": "too dark", "blurred": "blurred", "small": "too small"}[quality]
    assert expected in face.quality.reasons


def test_the_level_of_a_pyramid_is_half_of_the_one_before() -> None:
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    pyramid = Pyramid(_frame(pixels))
    assert pyramid.level(1).size == (4, 3)
    assert pyramid.crop((0, 0, 8, 6), 4).shape == (4, 4, 3)


def test_a_provider_that_is_not_installed_is_a_setting_error() -> None:
    assert available_provider("auto") in {"cpu", "cuda", "directml"}
    with pytest.raises(SettingError, match="provider='directml' is not in this ONNX Runtime"):
        available_provider("directml")


def test_a_file_that_is_no_model_is_a_model_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError, match="faceline models build"):
        Model(path)
