"""Where the parts of a face are, and whether its mouth is open.

Kartynnik et al., arXiv 1907.06724 (468 points of a face); Ablavatski et al., arXiv 2006.11341 (lids and iris of an
eye). Points go by the names that Amazon Rekognition's Landmark type gives them; left and right are the image's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from faceline.engine.pose import head_pose
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.types import MeshFace, Point, Trait

Floats = NDArray[np.float64]

_SIDE, _EYE_SIDE = 192, 64
_MIN_PRESENCE = 0.5
# Beyond this turn, in degrees, and below this side of the box, in the pyramid's pixels, the mouth is not judged: it
# foreshortens, and too few such photos were labelled.
_MAX_YAW, _MIN_SIDE_PX = 30.0, 40.0

# The crop's side in longer sides of the detector's box, and how far its centre lies below the box's, in distances from
# eyes to mouth. Picked so that a crop and its mirror image agree best (docs/decisions/0012).
_GROWN, _LOWERED = 1.25, 0.1
_EYE_GROWN = 1.9  # in distances between an eye's corners

# Indices of the mesh, those on the image's left beside those on its right.
_PAIRS = (
    (46, 276), (70, 300), (105, 334), (107, 336), (55, 285),  # brow: outer end, middle, inner end
    (33, 263), (133, 362), (159, 386), (145, 374),  # eye: outer, inner corner, upper, lower lid
    (64, 294),  # wing of the nose
    (61, 291), (82, 312), (87, 317),  # mouth: corner, inner rim of upper, of lower lip
    (127, 356), (172, 397),  # jaw: at the eyes' height, at the mouth's
)  # fmt: skip
_MIDDLE = (0, 13, 14, 17, 152)  # mouth: rims of the upper, of the lower lip; chin
_USED = (*(a for a, _ in _PAIRS), *(b for _, b in _PAIRS), *_MIDDLE)
_MIRRORED = (*(b for _, b in _PAIRS), *(a for a, _ in _PAIRS), *_MIDDLE)

# Each point is the mean of these.
_NAMED: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "leftEyeBrowLeft": (46, 70),
        "leftEyeBrowUp": (105,),
        "leftEyeBrowRight": (107, 55),
        "rightEyeBrowLeft": (336, 285),
        "rightEyeBrowUp": (334,),
        "rightEyeBrowRight": (276, 300),
        "leftEyeLeft": (33,),
        "leftEyeRight": (133,),
        "leftEyeUp": (159,),
        "leftEyeDown": (145,),
        "rightEyeLeft": (362,),
        "rightEyeRight": (263,),
        "rightEyeUp": (386,),
        "rightEyeDown": (374,),
        "noseLeft": (64,),
        "noseRight": (294,),
        "mouthUp": (0,),
        "mouthDown": (17,),
        "upperJawlineLeft": (127,),
        "midJawlineLeft": (172,),
        "chinBottom": (152,),
        "midJawlineRight": (397,),
        "upperJawlineRight": (356,),
    }
)
_DETECTED = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")
# The same lids in the iris network's contour, which follows a closing eye; the mesh does not.
_LEFT_LIDS: Mapping[str, int] = MappingProxyType({"leftEyeUp": 12, "leftEyeDown": 4})
_RIGHT_LIDS: Mapping[str, int] = MappingProxyType({"rightEyeUp": 12, "rightEyeDown": 4})
_MOUTH_FIT = (4.43, 5.74)  # factor and addend
_SHUT = 0.05  # keeps the logarithm of a shut mouth's gap finite


class Mesh:
    """model_landmarks: uint8 (n, 192, 192, 3) named `image` → `points` (n, 468, 3), `presence` (n,).

    model_iris: uint8 (n, 64, 64, 3) named `image` → `contour` (n, 71, 3), `iris` (n, 5, 3); None: no pupils.
    """

    def __init__(self, model_landmarks: Model, model_iris: Model | None = None) -> None:
        self._landmarks, self._iris = model_landmarks, model_iris

    def describe(
        self, pyramid: Pyramid, boxes_xyxy: Floats, landmarks: Floats, scale: float = 1.0
    ) -> list[MeshFace | None]:
        """One answer a face, None where the mesh sees no face.

        boxes_xyxy: (n, 4), landmarks: (n, 5, 2) in the pyramid's level 0. scale: what the points are multiplied with,
        a frame's `scale` for full-size pixels.
        """
        # One face at a time: larger batches leave the CPU's cache and take half as long again for each.
        return [self._face(pyramid, *face, scale) for face in zip(boxes_xyxy, landmarks, strict=True)]

    def _face(self, pyramid: Pyramid, box_xyxy: Floats, landmarks: Floats, scale: float) -> MeshFace | None:
        mesh, presence = self._mesh(pyramid, _face_crop(box_xyxy, landmarks))
        if presence < _MIN_PRESENCE:
            return None
        eyes = self._eyes(pyramid, mesh)
        return MeshFace(
            points=_named(mesh, eyes, landmarks, scale),
            presence=round(presence * 100, 2),
            mouth_open=_mouth_open(mesh) if _can_be_judged(box_xyxy, landmarks) else None,
        )

    def _mesh(self, pyramid: Pyramid, crop: Floats) -> tuple[Mapping[int, Floats], float]:
        """Points (2,) by index, and presence 0–1: each the mean of what the crop and its mirror image give."""
        image = pyramid.warped(crop, _SIDE)
        output = self._landmarks.run({"image": np.stack([image, image[:, ::-1]])})
        plain, mirrored = output["points"][:, :, :2].astype(np.float64)
        back = mirrored[list(_MIRRORED)] * [-1, 1] + [_SIDE, 0]
        placed = _placed((plain[list(_USED)] + back) / 2, crop)
        return dict(zip(_USED, placed, strict=True)), float(output["presence"].mean())

    def _eyes(self, pyramid: Pyramid, mesh: Mapping[int, Floats]) -> tuple["_Eye", "_Eye"] | None:
        """The left and the right eye; None without the iris network."""
        if self._iris is None:
            return None
        crops = [_eye_crop(mesh[33], mesh[133]), _eye_crop(mesh[362], mesh[263])]
        left, right = (pyramid.warped(crop, _EYE_SIDE) for crop in crops)
        # The network knows eyes whose outer corner is at the left.
        output = self._iris.run({"image": np.stack([left, right[:, ::-1]])})
        points = np.concatenate([output["contour"], output["iris"]], axis=1)[:, :, :2].astype(np.float64)
        points[1] = points[1] * [-1, 1] + [_EYE_SIDE, 0]
        first, second = (_placed(rows, crop) for rows, crop in zip(points, crops, strict=True))
        return _Eye(first[:71], first[71]), _Eye(second[:71], second[71])


@dataclass(frozen=True, slots=True, eq=False)
class _Eye:
    """contour: (71, 2); pupil: (2,); in the pyramid's level 0."""

    contour: Floats
    pupil: Floats


def _face_crop(box_xyxy: Floats, landmarks: Floats) -> Floats:
    """Output to input, (2, 3): a square about the face with its eyes level."""
    across = landmarks[1] - landmarks[0]
    down = np.array([-across[1], across[0]]) / max(float(np.hypot(*across)), 1e-6)
    height = float(np.hypot(*(landmarks[3:].mean(axis=0) - landmarks[:2].mean(axis=0))))
    centre = (box_xyxy[:2] + box_xyxy[2:]) / 2 + down * (_LOWERED * height)
    return _crop(centre, _GROWN * float((box_xyxy[2:] - box_xyxy[:2]).max()), across, _SIDE)


def _eye_crop(left_corner: Floats, right_corner: Floats) -> Floats:
    across = right_corner - left_corner
    return _crop((left_corner + right_corner) / 2, _EYE_GROWN * float(np.hypot(*across)), across, _EYE_SIDE)


def _crop(centre: Floats, side: float, across: Floats, pixels: int) -> Floats:
    """Output to input, (2, 3): a square of `side` about `centre`, its upper edge along `across`, as `pixels` a side."""
    angle = float(np.arctan2(across[1], across[0]))
    shrink = max(side, 1.0) / pixels
    linear = shrink * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([linear, centre - linear @ np.full(2, pixels / 2)])


def _placed(points: Floats, crop: Floats) -> Floats:
    placed: Floats = points @ crop[:, :2].T + crop[:, 2]
    return placed


def _named(
    mesh: Mapping[int, Floats], eyes: tuple[_Eye, _Eye] | None, landmarks: Floats, scale: float
) -> dict[str, Point]:
    named = dict(zip(_DETECTED, landmarks, strict=True))
    named |= {name: np.mean([mesh[i] for i in indices], axis=0) for name, indices in _NAMED.items()}
    if eyes:
        left, right = eyes
        named |= {name: left.contour[i] for name, i in _LEFT_LIDS.items()}
        named |= {name: right.contour[i] for name, i in _RIGHT_LIDS.items()}
        named |= {"leftPupil": left.pupil, "rightPupil": right.pupil}
    return {name: (round(float(x) * scale, 1), round(float(y) * scale, 1)) for name, (x, y) in named.items()}


def _can_be_judged(box_xyxy: Floats, landmarks: Floats) -> bool:
    large = float((box_xyxy[2:] - box_xyxy[:2]).max()) >= _MIN_SIDE_PX
    return large and abs(head_pose(landmarks.astype(np.float32)).yaw) <= _MAX_YAW


def _mouth_open(mesh: Mapping[int, Floats]) -> Trait:
    """Whether the lips are apart, by a logistic regression on photos labelled by eye (docs/decisions/0012)."""
    logit = _MOUTH_FIT[0] * np.log(_lips_apart(mesh) + _SHUT) + _MOUTH_FIT[1]
    probability = float(1 / (1 + np.exp(-logit)))
    return Trait(probability >= 0.5, round(max(probability, 1 - probability) * 100, 2))


def _lips_apart(mesh: Mapping[int, Floats]) -> float:
    """Mean gap between the lips' inner rims over the thickness of both lips."""
    gap, upper, lower = (
        float(np.mean([np.hypot(*(mesh[a] - mesh[b])) for a, b in pairs]))
        for pairs in (((13, 14), (82, 87), (312, 317)), ((0, 13),), ((14, 17),))
    )
    return gap / max(upper + lower, 1e-6)
