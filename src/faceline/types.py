"""The words of the field as frozen types, with their units and shapes.

Coordinates are pixels of the *full-size, upright* image (after EXIF rotation), x to the right, y down, origin at the
top left corner of the top left pixel. Confidences and similarities are 0–100. Angles are degrees.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Vector = NDArray[np.float32]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Decoded pixels, perhaps at reduced scale.

    pixels: uint8 (height, width, 3), RGB, C-contiguous.
    width, height: of the full-size upright image, in pixels; `pixels` may be smaller.
    source: what the reader would call this input (a path, an object key), for messages.
    """

    pixels: Pixels
    width: int
    height: int
    source: str = "image"

    @property
    def scale(self) -> float:
        """Full-size pixels per pixel of `pixels`; 1.0 when nothing was reduced."""
        return self.width / int(self.pixels.shape[1])


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """A rectangle in full-size upright pixels; may reach outside the image."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Five points (x, y): eyes, nose tip, mouth corners; left and right as seen in the image."""

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    nose: tuple[float, float]
    mouth_left: tuple[float, float]
    mouth_right: tuple[float, float]

    @classmethod
    def from_array(cls, points: NDArray[np.floating]) -> "Landmarks":
        """From an array (5, 2) in the order of the fields."""
        rows = [(float(x), float(y)) for x, y in points]
        return cls(*rows)

    def as_array(self) -> Vector:
        """float32 (5, 2) in the order of the fields."""
        return np.array([self.left_eye, self.right_eye, self.nose, self.mouth_left, self.mouth_right], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class BoxInParts:
    """A bounding box in parts of the upright picture's sides; may reach outside of 0 to 1."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def of(cls, box: BoundingBox, width_px: int, height_px: int) -> "BoxInParts":
        """Of a picture that is so large; five digits are a pixel of any."""
        left, width = round(box.left / width_px, 5), round(box.width / width_px, 5)
        return cls(left, round(box.top / height_px, 5), width, round(box.height / height_px, 5))


@dataclass(frozen=True, slots=True)
class Pose:
    """Degrees. roll: clockwise in the image plane; yaw: towards the image's right; pitch: up."""

    roll: float
    yaw: float
    pitch: float


@dataclass(frozen=True, slots=True)
class Quality:
    """brightness, sharpness: 0–100. size_px: the shorter side of the box. reasons: why the face is not usable."""

    brightness: float
    sharpness: float
    size_px: float
    reasons: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Trait:
    """confidence: 50–100, how often such an answer was right among labelled faces."""

    value: bool
    confidence: float


@dataclass(frozen=True, slots=True)
class MeshFace:
    """points: by Amazon Rekognition's names for them. presence: 0–100, how sure the mesh is of a face.

    mouth_open: whether the lips are apart, as in a smile that shows teeth; None for a face turned by more than 30
    degrees, or smaller than 40 pixels of the picture that was searched.
    """

    points: Mapping[str, Point]
    presence: float
    mouth_open: Trait | None


@dataclass(frozen=True, slots=True)
class GenderGuess:
    """The label that a network trained on photos labelled female or male gives to a face; not a fact about the person.

    confidence: 50–100, how often such a label agreed with the first name (docs/decisions/0013).
    """

    female: bool
    confidence: float


@dataclass(frozen=True, slots=True)
class Emotion:
    """type: angry, disgust, fear, happy, sad, surprise or neutral. confidence: 0–100; all seven sum to 100."""

    type: str
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """values: float32 (d,), unit length. model: the id of weights, template and views; see `models.catalogue`."""

    values: Vector
    model: str


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One detection in one image.

    emotions: most confident first; None when not asked for. mesh, gender: None when not asked for, or where the network
    has nothing to say.
    """

    box: BoundingBox
    landmarks: Landmarks
    confidence: float
    pose: Pose
    quality: Quality
    embedding: Embedding | None = None
    emotions: tuple[Emotion, ...] | None = None
    mesh: MeshFace | None = None
    gender: GenderGuess | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FaceRecord:
    """An enrolled face. `person` is whom it was enrolled as or associated with; `source` is where the photo came from.

    created_at: UTC ISO 8601. external_image_id: the caller's label, kept as given. image_size: width and height of the
    full-size upright photo in pixels; None for records from before it was kept.
    """

    face_id: str
    image_id: str
    person: str | None
    external_image_id: str | None
    source: str
    box: BoundingBox
    landmarks: Landmarks
    confidence: float
    quality: Quality
    embedding: Embedding
    created_at: str
    image_size: tuple[int, int] | None = None

    @property
    def identity(self) -> str | None:
        """Whom the face stands for: its person, else the caller's label; None for an anonymous face."""
        return self.person if self.person is not None else self.external_image_id


@dataclass(frozen=True, slots=True)
class FaceMatch:
    """An enrolled face and how similar the probe is to it, 0–100 calibrated."""

    face_id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person of the gallery and how similar the probe is to them, 0–100 calibrated."""

    name: str
    similarity: float
    face_id: str | None = None


class Decision(StrEnum):
    MATCH = "match"
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """Who a face is, by the collection's rule.

    name: set for a match only. similarity: of the best candidate, 0 for an empty gallery. candidates: best first.
    threshold: the similarity that a match needed, given the gallery's size.
    """

    face: Face
    decision: Decision
    name: str | None
    similarity: float
    threshold: float
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """One face followed through a clip, and who it is.

    who: decided over several of its frames; its face is the best one seen. first_s, last_s, best_frame_s: since the
    clip's start. frames: how many of the sampled frames show it. crop: the best frame around the face, uint8 (height,
    width, 3) RGB. number: from 1, in order of appearing.
    """

    number: int
    who: Identification
    first_s: float
    last_s: float
    best_frame_s: float
    frames: int
    crop: Pixels


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two faces compared. `calibrated`: False when the model has no measured calibration (a provisional similarity)."""

    similarity: float
    same: bool
    model: str
    calibrated: bool
    box_a: BoundingBox
    box_b: BoundingBox


@dataclass(frozen=True, slots=True)
class Refusal:
    """An input that was not enrolled, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an enrolment did. already: inputs that an earlier run had enrolled from the same place."""

    enrolled: int = 0
    already: int = 0
    refused: tuple[Refusal, ...] = field(default_factory=tuple)
