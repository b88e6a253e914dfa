"""A detection → a face record to be stored."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from faceline.gallery.ports import Crop, NewFace
from faceline.images import crop_with_margin, encode_jpeg
from faceline.types import Face, FaceRecord, Frame

SENT = "IndexFaces"  # the source of images that came in a request and lie nowhere


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a face comes from and whose it is said to be; the fields of `types.FaceRecord`."""

    image_id: str
    source: str
    person: str | None
    external_image_id: str | None


def image_id_of(content: bytes, label: str | None = None) -> str:
    """The same for the same bytes, wherever they lie; with a label, for the same bytes under that label."""
    digest = hashlib.sha256(content)
    if label is not None:
        digest.update(b"\0label\0" + label.encode())
    return digest.hexdigest()[:32]


def new_face(frame: Frame, face: Face, origin: Origin, keep_crop: bool) -> NewFace:
    """face: one of `frame`, with its embedding."""
    assert face.embedding is not None
    record = FaceRecord(
        face_id=str(uuid.uuid4()),
        image_id=origin.image_id,
        person=origin.person,
        external_image_id=origin.external_image_id,
        source=origin.source,
        box=face.box,
        landmarks=face.landmarks,
        confidence=face.confidence,
        quality=face.quality,
        embedding=face.embedding,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        image_size=(frame.width, frame.height),
    )
    return NewFace(record, _crop(frame, face) if keep_crop else None)


def _crop(frame: Frame, face: Face) -> Crop:
    pixels, landmarks = crop_with_margin(frame, face.box, face.landmarks)
    points = tuple((round(float(x), 2), round(float(y), 2)) for x, y in landmarks)
    return Crop(encode_jpeg(pixels), points)
