"""What the JSON in the buckets must look like to become a row, and that row's type in DuckDB.

Keys that are not named here are left out, absent ones are null. A document that lacks what makes it one of ours, or has
something of another type in it, raises `InputError` with the reason.
"""

import types
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from faceline.errors import InputError

Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Shape = str | dict[str, Any] | list[Any]
_TYPES = {str: "VARCHAR", float: "DOUBLE", int: "BIGINT", bool: "BOOLEAN"}


class Box(msgspec.Struct):
    """Pixels."""

    left: float
    top: float
    width: float
    height: float


class Emotion(msgspec.Struct):
    type: str
    confidence: float


class Candidate(msgspec.Struct):
    name: str | None
    similarity: float | None = None
    face_id: str | None = None


class Pose(msgspec.Struct):
    roll: float | None = None
    yaw: float | None = None
    pitch: float | None = None


class Quality(msgspec.Struct):
    brightness: float | None = None
    sharpness: float | None = None
    size_px: float | None = None
    usable: bool | None = None
    reasons: list[str] = []


class Face(msgspec.Struct):
    box: Box
    confidence: float | None = None
    landmarks: list[list[float]] = []
    pose: Pose | None = None
    quality: Quality | None = None
    emotions: list[Emotion] | None = None
    decision: str | None = None
    name: str | None = None
    similarity: float | None = None
    threshold: float | None = None
    candidates: list[Candidate] = []


class File(msgspec.Struct):
    bucket: str
    key: str
    name: str | None = None
    etag: str | None = None
    size: Whole | None = None
    time: str | None = None
    width: Whole | None = None
    height: Whole | None = None


class Processed(msgspec.Struct):
    """`processed/….json`, of one photo."""

    file: File
    faces: list[Face]
    processed_at: str | None = None
    collection: str | None = None
    model: str | None = None
    error: str | None = None


class Appearance(msgspec.Struct):
    number: Whole
    decision: str | None = None
    name: str | None = None
    similarity: float | None = None
    first_s: float | None = None
    last_s: float | None = None
    best_frame_s: float | None = None
    best_frame: str | None = None
    box: Box | None = None
    frames: Whole | None = None
    threshold: float | None = None
    candidates: list[Candidate] = []


class Video(msgspec.Struct):
    bucket: str | None = None
    key: str | None = None
    duration_s: float | None = None
    width: Whole | None = None
    height: Whole | None = None
    fps: float | None = None


class Clip(msgspec.Struct):
    """`<stem>.json` of the clips' output bucket."""

    source: str
    mode: str
    names: list[str]
    processed_at: str | None = None
    collection: str | None = None
    model: str | None = None
    calibrated: bool | None = None
    video: Video | None = None
    sampled_frames: Whole | None = None
    appearances: list[Appearance] = []
    error: str | None = None


class Ratios(msgspec.Struct):
    """Parts of the image's width and height."""

    Width: float
    Height: float
    Left: float
    Top: float


class MatchedFace(msgspec.Struct):
    FaceId: str | None = None
    BoundingBox: Ratios | None = None
    ImageId: str | None = None
    ExternalImageId: str | None = None
    Confidence: float | None = None


class Match(msgspec.Struct):
    Similarity: float
    Face: MatchedFace | None = None
    CustomerId: str | None = None


class Report(msgspec.Struct):
    """`output/<image_id>.json`, of one image that was matched."""

    Source: str
    CustomerID: str
    Matches: list[Match]


class RecordRow(msgspec.Struct):
    """A row of `FaceRecognitionResults`."""

    image_id: str
    timestamp: str
    face_id: str | None
    person: str | None
    confidence: float
    bounding_box: Box | None
    emotions: list[Emotion] | None
    bucket: str
    key: str
    etag: str
    status: str
    face_number: Whole
    error: str | None


def line_of(kind: type[msgspec.Struct], text: bytes) -> str:
    """The document as one line of JSON with just the keys of `kind`. Raises InputError for what is none."""
    try:
        return msgspec.json.encode(msgspec.json.decode(text, type=kind)).decode()
    except msgspec.DecodeError as error:  # a ValidationError too
        raise InputError(f"not a result of faceline's: {error}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not a result of faceline's: {type(error).__name__}") from error


def shape_of(kind: Any) -> Shape:
    """The type in the notation of DuckDB's `from_json`."""
    kind = _bare(kind)
    if kind in _TYPES:
        return _TYPES[kind]
    if get_origin(kind) is list:
        return [shape_of(get_args(kind)[0])]
    hints = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    return {name: shape_of(hint) for name, hint in hints.items()}


def _bare(kind: Any) -> Any:
    """Without `| None` and without bounds."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (types.UnionType, Union):
        return _bare(next(each for each in get_args(kind) if each is not type(None)))
    return kind
