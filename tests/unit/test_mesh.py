"""The mesh with made networks: where points land in the picture, and when there is no answer."""

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from faceline.engine.mesh import Mesh
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.types import Frame, MeshFace

Floats = NDArray[Any]

# As Amazon Rekognition's API reference lists them under Landmark.
_LISTED = (
    "eyeLeft eyeRight nose mouthLeft mouthRight leftEyeBrowLeft leftEyeBrowRight leftEyeBrowUp rightEyeBrowLeft "
    "rightEyeBrowRight rightEyeBrowUp leftEyeLeft leftEyeRight leftEyeUp leftEyeDown rightEyeLeft rightEyeRight "
    "rightEyeUp rightEyeDown noseLeft noseRight mouthUp mouthDown leftPupil rightPupil upperJawlineLeft "
    "midJawlineLeft chinBottom midJawlineRight upperJawlineRight"
)
NAMES = frozenset(_LISTED.split())

# Where a made face has what the tests look at, in pixels of the crop; the rest of it is in the middle.
_LEFT = {33: (50, 80), 133: (80, 80), 105: (60, 60), 127: (30, 80), 64: (84, 110), 82: (90, 130), 87: (90, 140)}
_RIGHT = {263: (142, 80), 362: (112, 80), 334: (132, 60), 356: (162, 80), 294: (108, 110), 312: (102, 130)}
_RIGHT |= {317: (102, 140)}
_MIDDLE = {0: (96, 125), 13: (96, 130), 14: (96, 140), 17: (96, 146), 152: (96, 170)}
_FIVE = np.array([[-30, -20], [30, -20], [0, 10], [-20, 40], [20, 40]], dtype=np.float64)


class _MadeMesh:
    """Sees the same face in every crop; a mirrored one shows it the same, for the face is symmetrical."""

    def __init__(self, presence: float = 1.0, gap_px: float = 10.0, shift_px: float = 0.0) -> None:
        self.presence, self.gap_px, self.shift_px = presence, gap_px, shift_px
        self.images: Floats = np.empty((0, 192, 192, 3), np.uint8)

    def run(self, feeds: dict[str, Floats]) -> dict[str, Floats]:
        self.images = feeds["image"]
        points = np.full((len(self.images), 468, 3), 96, np.float32)
        for index, (x, y) in (_LEFT | _RIGHT | _MIDDLE).items():
            points[:, index, :2] = x, y + (self.gap_px - 10 if index in (14, 17, 87, 317) else 0)
        points[:, :, 0] += self.shift_px  # a network's bias to one side, which the mirror image undoes
        return {"points": points, "presence": np.full(len(self.images), self.presence, np.float32)}


class _MadeIris:
    """Lids `lid_px` apart, the pupil nearer to the left edge."""

    def __init__(self, lid_px: float = 8.0) -> None:
        self.lid_px = lid_px

    def run(self, feeds: dict[str, Floats]) -> dict[str, Floats]:
        count = len(feeds["image"])
        contour = np.full((count, 71, 3), 32, np.float32)
        contour[:, 0, 0], contour[:, 8, 0] = 16, 48
        contour[:, 1:8, 1], contour[:, 9:16, 1] = 32 + self.lid_px / 2, 32 - self.lid_px / 2
        iris = np.full((count, 5, 3), 32, np.float32)
        iris[:, 0, 0] = 20
        return {"contour": contour, "iris": iris}


def _places() -> Frame:
    """Each pixel of it says where it is: red is x, green is y."""
    y, x = np.mgrid[0:256, 0:256].astype(np.uint8)
    return Frame(np.ascontiguousarray(np.stack([x, y, np.zeros_like(x)], axis=-1)), 256, 256)


def _turned(degrees: float, centre: tuple[float, float] = (128, 128), size: float = 1.0) -> tuple[Floats, Floats]:
    """The box and five landmarks of a face that is turned clockwise."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    box = np.array([-50, -60, 50, 60]) * size + np.tile(centre, 2)
    return box, _FIVE * size @ turn.T + centre


def _describe(
    mesh: _MadeMesh, iris: _MadeIris | None = None, turn: float = 0, size: float = 1, scale: float = 1
) -> MeshFace:
    box, five = _turned(turn, size=size)
    made = Mesh(cast(Model, mesh), cast(Model, iris) if iris else None)
    found = made.describe(Pyramid(_places()), box[None], five[None], scale)[0]
    assert found is not None
    return found


@pytest.mark.parametrize("turn", [0, 30, -75, 180])
def test_points_lie_in_the_picture_where_the_crop_shows_them(turn: float) -> None:
    network = _MadeMesh()
    points = _describe(network, turn=turn).points
    for name, (x, y) in {
        "chinBottom": _MIDDLE[152],
        "leftEyeBrowUp": _LEFT[105],
        "upperJawlineRight": _RIGHT[356],
    }.items():
        assert points[name] == pytest.approx(network.images[0, y, x, :2], abs=1.5)


def test_eyes_are_level_in_the_crop() -> None:
    network = _MadeMesh()
    _describe(network, turn=40)
    x_of_rows = network.images[0, 60:130, 96, :2].astype(float)  # down the middle of the face
    step = x_of_rows[-1] - x_of_rows[0]
    assert np.degrees(np.arctan2(-step[0], step[1])) == pytest.approx(40, abs=2)


def test_all_names_of_the_api_are_there_and_the_detectors_points_stay_its_own() -> None:
    face = _describe(_MadeMesh(), _MadeIris())
    assert set(face.points) == NAMES
    five = [face.points[name] for name in ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")]
    assert np.allclose(five, _turned(0)[1])


def test_a_bias_to_one_side_is_undone_by_the_mirror_image() -> None:
    assert _describe(_MadeMesh(shift_px=6)).points == _describe(_MadeMesh()).points


def test_points_are_given_in_full_size_pixels() -> None:
    small, full = (_describe(_MadeMesh(), _MadeIris(), scale=scale).points for scale in (1, 4))
    for name in NAMES:
        assert full[name] == pytest.approx([4 * v for v in small[name]], abs=0.3)


def test_the_right_eye_is_mirrored_so_that_both_look_outward() -> None:
    points = _describe(_MadeMesh(), _MadeIris()).points
    assert points["leftPupil"][0] < (points["leftEyeLeft"][0] + points["leftEyeRight"][0]) / 2
    assert points["rightPupil"][0] > (points["rightEyeLeft"][0] + points["rightEyeRight"][0]) / 2
    assert points["leftEyeUp"][1] < points["leftEyeDown"][1]


def test_without_the_iris_network_there_are_no_pupils() -> None:
    face = _describe(_MadeMesh())
    assert NAMES - set(face.points) == {"leftPupil", "rightPupil"}
    assert face.mouth_open is not None


def test_where_the_mesh_sees_no_face_nothing_is_invented() -> None:
    box, five = _turned(0)
    mesh = Mesh(cast(Model, _MadeMesh(presence=0.49)), cast(Model, _MadeIris()))
    assert mesh.describe(Pyramid(_places()), box[None], five[None]) == [None]


def test_no_faces_give_no_answers_and_many_give_one_each() -> None:
    box, five = _turned(0)
    mesh = Mesh(cast(Model, _MadeMesh(presence=0.9)))
    assert mesh.describe(Pyramid(_places()), np.empty((0, 4)), np.empty((0, 5, 2))) == []
    found = mesh.describe(Pyramid(_places()), np.tile(box, (37, 1)), np.tile(five, (37, 1, 1)))
    assert [face and face.presence for face in found] == [90.0] * 37


def test_lips_apart_are_an_open_mouth() -> None:
    traits = {
        "wide": _describe(_MadeMesh(gap_px=16), _MadeIris(lid_px=11)),
        "shut": _describe(_MadeMesh(gap_px=0), _MadeIris(lid_px=1)),
    }
    assert [face.mouth_open and face.mouth_open.value for face in traits.values()] == [True, False]
    for face in traits.values():
        assert face.mouth_open and 90 < face.mouth_open.confidence <= 100


def test_a_doubtful_mouth_has_little_confidence() -> None:
    doubtful = [_describe(_MadeMesh(gap_px=gap)).mouth_open for gap in (2.5, 3.0)]
    assert all(trait and 50 <= trait.confidence < 75 for trait in doubtful)


@pytest.mark.parametrize("case", ["small", "turned away"])
def test_small_and_turned_faces_have_points_but_no_word_on_the_mouth(case: str) -> None:
    box, five = _turned(0, size=0.3 if case == "small" else 1)
    if case == "turned away":
        five[2, 0] += 28
    face = Mesh(cast(Model, _MadeMesh()), cast(Model, _MadeIris())).describe(Pyramid(_places()), box[None], five[None])[
        0
    ]
    assert face is not None
    assert face.mouth_open is None
    assert set(face.points) == NAMES


def test_degenerate_boxes_and_landmarks_do_not_crash() -> None:
    mesh = Mesh(cast(Model, _MadeMesh()), cast(Model, _MadeIris()))
    boxes = np.array([[10, 10, 10, 10], [-500, -500, -400, -380], [0, 0, 256, 256]], dtype=np.float64)
    five = np.array([np.zeros((5, 2)), _FIVE - 450, np.full((5, 2), 7.0)])
    found = mesh.describe(Pyramid(_places()), boxes, five)
    assert all(np.isfinite(list(face.points.values())).all() for face in found if face)
    assert len(found) == 3
