"""Face records as items of the state table, and their keys.

An item has what FaceRecord has in `face` (JSON) and the embedding in `vector` (little-endian float32). `person`,
`label` and `image_id` stand by themselves once more, shortened to what an index can have as its key. `mark` is drawn
for each change: two tables may both have a generation, but not with the same mark. Crops are items of other partitions,
so that a collection has more room for faces:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html#LSI.ItemCollections.SizeLimit
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np

from faceline.aws.items import Item, to_item
from faceline.errors import InputError, StorageError
from faceline.gallery.ports import Crop, NewFace
from faceline.types import BoundingBox, Embedding, FaceRecord, Landmarks, Quality

FACE, GONE, NAME, USER, META = "face#", "gone#", "name#", "user#", "meta"
_PART_BYTES = 350_000  # of a crop: an item may have 400 KB
_MAX_CROP_BYTES = 3_000_000  # a transaction may have 4 MB
_KEY_BYTES = 1000  # a sort key may have 1,024
_TEXTS = ("image_id", "person", "label", "source", "model", "created_at")


def partition(collection: str) -> str:
    """The partition key of everything but crops."""
    return f"collection#{collection}"


def face_key(face_id: str) -> str | None:
    """The sort key of a face's item; None for what cannot be a face's id."""
    key = f"{FACE}{face_id}"
    return key if _fits(key) else None


def gone_key(generation: int) -> str:
    return f"{GONE}{generation:015d}"


def name_key(name: str) -> str:
    """Of how many faces have a name, which may be longer than a key."""
    return NAME + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def user_key(user_id: str) -> str:
    return USER + user_id


def index_key(text: str) -> str:
    """A text as the key of an index: itself, or a hash where it is empty, too long or no UTF-8."""
    return (
        text if text and _fits(text) else "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    )


def face_item(collection: str, number: int, face: NewFace) -> Item:
    """number: the face's position, and its generation. Raises InputError for an id that is no key."""
    record = face.record
    key = face_key(record.face_id)
    if key is None:
        raise InputError(f"{record.face_id[:60]!r}… cannot be a face's id; use up to 900 letters, such as a UUID")
    values = {
        "pk": partition(collection),
        "sk": key,
        "generation": number,
        "position": number,
        "mark": new_mark(),
        "person": None if record.person is None else index_key(record.person),
        "label": None if record.external_image_id is None else index_key(record.external_image_id),
        "image_id": index_key(record.image_id),
        "crop_parts": len(_parts(face.crop)) or None,
        "face": body_of(record),
        "vector": np.ascontiguousarray(record.embedding.values, dtype="<f4").tobytes(),
    }
    return to_item(values)


def new_mark() -> str:
    return secrets.token_hex(8)


def mark_of(item: Item) -> str:
    """Of a face, or of what stays of one; empty where it was written without."""
    return str(item.get("mark", {}).get("S", ""))


def body_of(record: FaceRecord) -> str:
    """JSON of everything but the embedding's values."""
    box, quality = record.box, record.quality
    body = {
        "face_id": record.face_id,
        "image_id": record.image_id,
        "person": record.person,
        "label": record.external_image_id,
        "source": record.source,
        "box": [box.left, box.top, box.width, box.height],
        "landmarks": record.landmarks.as_array().astype(float).round(2).tolist(),
        "confidence": record.confidence,
        "quality": [quality.brightness, quality.sharpness, quality.size_px, list(quality.reasons)],
        "model": record.embedding.model,
        "created_at": record.created_at,
        "image_size": record.image_size,
    }
    return json.dumps(body, separators=(",", ":"))


def record_of(item: Item) -> FaceRecord:
    """Raises StorageError for a damaged one."""
    return face_record(item["face"]["S"], item["vector"]["B"])


def face_record(body: str | bytes, vector: bytes) -> FaceRecord:
    """body: as of `body_of`. vector: little-endian float32. Raises StorageError for a damaged one."""
    try:
        said = _checked(json.loads(body))
        brightness, sharpness, size_px, reasons = said["quality"]
        return FaceRecord(
            face_id=said["face_id"],
            image_id=said["image_id"],
            person=said["person"],
            external_image_id=said["label"],
            source=said["source"],
            box=BoundingBox(*said["box"]),
            landmarks=Landmarks(*[(x, y) for x, y in said["landmarks"]]),
            confidence=said["confidence"],
            quality=Quality(brightness, sharpness, size_px, tuple(reasons)),
            embedding=Embedding(np.frombuffer(vector, dtype="<f4").astype(np.float32), said["model"]),
            created_at=said["created_at"],
            image_size=None if said["image_size"] is None else (said["image_size"][0], said["image_size"][1]),
        )
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise StorageError(f"a face record is damaged ({error}): {body[:80]!r}; restore the table") from error


def _checked(said: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError where something else stands for a text: it would be a key of what is kept in memory."""
    if not isinstance(said["face_id"], str) or not all(isinstance(said[name], str | None) for name in _TEXTS):
        raise ValueError("what should be a text is none")
    return said


def crop_items(collection: str, face: NewFace) -> list[Item]:
    """None where there is no crop. Raises InputError for one that no transaction takes."""
    parts = _parts(face.crop)
    if face.crop is None:
        return []
    if len(face.crop.jpeg) > _MAX_CROP_BYTES:
        raise InputError(
            f"the crop of face {face.record.face_id} has {len(face.crop.jpeg):,} bytes and may have "
            f"{_MAX_CROP_BYTES:,}; send a smaller photo, or keep no crops"
        )
    landmarks = json.dumps(face.crop.landmarks)
    keys = crop_keys(collection, face.record.face_id, len(parts))
    return [key | to_item({"jpeg": part, "landmarks": landmarks}) for key, part in zip(keys, parts, strict=True)]


def crop_keys(collection: str, face_id: str, parts: int) -> list[Item]:
    return [to_item({"pk": crop_partition(collection, face_id), "sk": f"part#{n:02d}"}) for n in range(parts)]


def crop_partition(collection: str, face_id: str) -> str:
    return f"crop#{collection}#{face_id}"


def crop_of(items: Sequence[Item]) -> Crop:
    """items: all parts, in order."""
    jpeg = b"".join(item["jpeg"]["B"] for item in items)
    return Crop(jpeg, tuple((x, y) for x, y in json.loads(items[0]["landmarks"]["S"])))


def _parts(crop: Crop | None) -> list[bytes]:
    if crop is None:
        return []
    return [crop.jpeg[at : at + _PART_BYTES] for at in range(0, max(len(crop.jpeg), 1), _PART_BYTES)]


def _fits(text: str) -> bool:
    try:
        return len(text.encode()) <= _KEY_BYTES
    except UnicodeEncodeError:  # a lone surrogate
        return False
