"""Frames → faces: detect, align, embed, describe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from faceline.engine.align import DLIB_150, Template, chip, cut
from faceline.engine.closeup import detect_upright
from faceline.engine.detector import Detections, Detector
from faceline.engine.embed import Embedder
from faceline.engine.networks import AttributeNetwork, AttributeNetworks
from faceline.engine.pose import head_pose
from faceline.engine.pyramid import Pyramid
from faceline.engine.quality import assess
from faceline.geometry import largest_first
from faceline.types import BoundingBox, Embedding, Emotion, Face, Frame, GenderGuess, Landmarks, MeshFace, Pixels

_SURE = 0.95
_Further = tuple[tuple[Emotion, ...] | None, MeshFace | None, GenderGuess | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to compute. min_face_px: the smallest side looked for, in full-size pixels.

    rotations: where no face is found for sure, look again with the picture turned by 90, 180 and 270 degrees.
    mesh: thirty points and whether the mouth is open. gender: what a network labels the face as. most_faces: how many
    are described, the largest; None: all.
    """

    min_face_px: int = 40
    rotations: bool = False
    embeddings: bool = True
    emotions: bool = False
    mesh: bool = False
    gender: bool = False
    most_faces: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A detection with what is cut from its frame, before embedding.

    chip: uint8 (side, side, 3) RGB, cut to the analyzer's template.
    """

    face: Face
    chip: Pixels


class Analyzer:
    """Shared by threads at will: it keeps no state between calls.

    model: the id that the embeddings carry.
    """

    def __init__(
        self, detector: Detector, embedder: Embedder, template: Template, model: str, networks: AttributeNetworks
    ) -> None:
        self.model = model
        self._detector, self._embedder, self._template, self._networks = detector, embedder, template, networks

    def analyze(self, frames: Sequence[Frame], wanted: Wanted | None = None) -> list[list[Face]]:
        """The faces of each frame, largest first (ties by nearness to the centre), in full-size pixels."""
        wanted = wanted or Wanted()
        sightings = [self.sight(frame, wanted) for frame in frames]
        if wanted.embeddings:
            return self._embedded(sightings)
        return [[s.face for s in frame] for frame in sightings]

    def load(self, name: AttributeNetwork) -> None:
        """Loads a network that describes faces, fetching it where it is missing. Raises ModelError."""
        self._networks.load(name)

    def embed_chips(self, chips: Sequence[Pixels]) -> list[Embedding]:
        """chips: uint8 (side, side, 3) RGB each, cut to the template."""
        if not chips:
            return []
        return [Embedding(values, self.model) for values in self._embedder.embed(np.stack(chips))]

    def sight(self, frame: Frame, wanted: Wanted) -> list[Sighting]:
        """The faces of one frame, as `analyze` orders them, without embeddings, which `embed_chips` makes."""
        pyramid = Pyramid(frame)
        found = _largest(self._detect(frame, pyramid, wanted), wanted.most_faces)
        described = [self._describe(frame, pyramid, found, i) for i in range(len(found.boxes))]
        further = self._attributed(frame, pyramid, found, wanted)
        sightings = [
            Sighting(replace(sighting.face, emotions=emotions, mesh=mesh, gender=gender), sighting.chip)
            for sighting, (emotions, mesh, gender) in zip(described, further, strict=True)
        ]
        order = largest_first([s.face for s in sightings], frame.width, frame.height)
        by_face = {id(s.face): s for s in sightings}
        return [by_face[id(face)] for face in order]

    def _detect(self, frame: Frame, pyramid: Pyramid, wanted: Wanted) -> Detections:
        min_face_px = wanted.min_face_px / frame.scale
        found = detect_upright(self._detector, frame, pyramid, min_face_px)
        if not wanted.rotations or (found.confidences > _SURE).any():
            return found
        # A face that lies on its side is sometimes found, badly: the surest of the four ways up is the right one.
        turned = [self._detect_turned(frame, turn, min_face_px) for turn in (1, 2, 3)]
        return max([found, *turned], key=lambda detections: float(detections.confidences.sum()))

    def _detect_turned(self, frame: Frame, turn: int, min_face_px: float) -> Detections:
        pixels = np.ascontiguousarray(np.rot90(frame.pixels, turn))
        turned = Frame(pixels, pixels.shape[1], pixels.shape[0], frame.source)
        found = detect_upright(self._detector, turned, Pyramid(turned), min_face_px)
        return _turned_back(found, turn, frame.pixels.shape[1], frame.pixels.shape[0])

    def _attributed(self, frame: Frame, pyramid: Pyramid, found: Detections, wanted: Wanted) -> Iterator[_Further]:
        """What else is wanted of each face."""
        emotions: Sequence[tuple[Emotion, ...] | None] = [None] * len(found.boxes)
        mesh: Sequence[MeshFace | None] = [None] * len(found.boxes)
        gender: Sequence[GenderGuess | None] = [None] * len(found.boxes)
        boxes, landmarks = found.boxes.astype(np.float64), found.landmarks.astype(np.float64)
        if wanted.emotions:
            emotions = self._networks.emotions().classify(pyramid, found.boxes.astype(np.float32))
        if wanted.mesh:
            mesh = self._networks.mesh().describe(pyramid, boxes, landmarks, frame.scale)
        if wanted.gender:
            gender = self._networks.gender().classify(pyramid, landmarks)
        return zip(emotions, mesh, gender, strict=True)

    def _describe(self, frame: Frame, pyramid: Pyramid, found: Detections, i: int) -> Sighting:
        landmarks = found.landmarks[i].astype(np.float32)
        seen = cut(pyramid, found.boxes[i], landmarks, self._template)
        # Quality means the same whatever the model, so it is always judged on the same part of the face.
        aligned = seen if self._template is DLIB_150 else chip(pyramid, landmarks, DLIB_150)
        x1, y1, x2, y2 = (float(v) * frame.scale for v in found.boxes[i])
        box = BoundingBox(round(x1, 1), round(y1, 1), round(x2 - x1, 1), round(y2 - y1, 1))
        points = np.round(found.landmarks[i] * frame.scale, 1)
        pose = head_pose(points)
        confidence = round(float(found.confidences[i]) * 100, 2)
        quality = assess(aligned, box, (frame.width, frame.height), pose, confidence)
        return Sighting(Face(box, Landmarks.from_array(points), confidence, pose, quality), seen)

    def _embedded(self, sightings: list[list[Sighting]]) -> list[list[Face]]:
        embeddings = iter(self.embed_chips([s.chip for frame in sightings for s in frame]))
        return [[replace(s.face, embedding=next(embeddings)) for s in frame] for frame in sightings]


def _largest(found: Detections, most: int | None) -> Detections:
    if most is None or len(found.boxes) <= most:
        return found
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    rows = np.sort(np.argsort(-sides.prod(axis=1), kind="stable")[:most])
    return Detections(found.boxes[rows], found.landmarks[rows], found.confidences[rows])


def _turned_back(found: Detections, turn: int, width: int, height: int) -> Detections:
    """Detections of a picture that np.rot90 turned `turn` times, in the coordinates of the one before."""
    corners = found.boxes.reshape(-1, 2, 2)
    boxes = _points_back(corners, turn, width, height)
    ordered = np.concatenate([boxes.min(axis=1), boxes.max(axis=1)], axis=1)
    return Detections(ordered, _points_back(found.landmarks, turn, width, height), found.confidences)


def _points_back(points: np.ndarray, turn: int, width: int, height: int) -> np.ndarray:
    x, y = points[..., 0], points[..., 1]
    back = {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[turn]
    return np.stack(back, axis=-1)
