"""A collection as open files, and back: JSON lines, Parquet, JPEG, and a README.json that says what they are.

README.json      format and version, collection, model, dimensions, counts, which calibration its similarities have
people.jsonl     name, user_id, in the order in which they became known
faces.jsonl      a face record a line, oldest first, with the crop's landmarks
faces.parquet    face_id, person, vector (float32, as computed)
crops/<id>.jpg   as kept, where they were
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from faceline import __version__
from faceline.errors import ConflictError, ImageLimitError, InputError
from faceline.files import check_regular, is_folder, json_objects
from faceline.gallery.names import problem_of
from faceline.gallery.ports import Crop, NewFace
from faceline.images import ImageLimits, decode
from faceline.interchange import checked
from faceline.interchange.parquet import opened, read_vectors, write_vectors
from faceline.types import BoundingBox, Embedding, FaceRecord, Landmarks, Quality, Vector

FORMAT, VERSION = "faceline-collection", 1
_FACE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # it names a file
_MAX_TEXT_BYTES = 2_000_000_000
_MAX_ABOUT_BYTES = 5_000_000
_MAX_DIMENSIONS = 100_000
_CROPS = ImageLimits(max_bytes=5_000_000, max_pixels=4_000_000, max_side_px=4_000)  # ours have 400 pixels a side
_MAX_CALIBRATION_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class Exported:
    """What a folder of open files holds. people: names; faces: oldest first. calibration: the collection's own."""

    collection: str
    model: str
    dimensions: int
    people: Sequence[str]
    faces: Sequence[NewFace]
    calibration: bytes | None = None


def write_folder(
    folder: Path,
    exported: Exported,
    user_ids: Sequence[str],
    calibration: dict[str, Any],
    progress: Callable[[int], None],
) -> None:
    """Whole or not at all. user_ids: of the people. calibration: for people to read. progress: called with 1 for each
    face. Raises ConflictError when the folder exists or cannot be made, MissingExtraError without DuckDB.
    """
    opened().close()  # told now when it is missing
    with _made(folder) as partial:
        (partial / "crops").mkdir()
        records = [face.record for face in exported.faces]
        both = zip(exported.people, user_ids, strict=True)
        _write_lines(partial / "people.jsonl", [{"name": name, "user_id": user_id} for name, user_id in both])
        _write_lines(partial / "faces.jsonl", [_document(face) for face in exported.faces])
        for face in exported.faces:
            if face.crop:
                (partial / "crops" / _crop_name(face.record.face_id)).write_bytes(face.crop.jpeg)
            progress(1)
        if records:
            write_vectors(partial / "faces.parquet", records)
        if exported.calibration:
            (partial / "calibration.npz").write_bytes(exported.calibration)
        about = _about(exported, calibration)
        (partial / "README.json").write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def is_exported(folder: Path) -> bool:
    """Whether it says that it is a folder of open files."""
    if not is_folder(folder) or not (folder / "README.json").is_file():
        return False
    try:
        return bool(_read_about(folder).get("format") == FORMAT)
    except InputError:
        return False


def read_folder(folder: Path) -> Exported:
    """Raises InputError naming the file and line for what is not as `write_folder` writes it, MissingExtraError."""
    about = _read_about(folder)
    if about.get("format") != FORMAT or about.get("version") != VERSION:
        said = f"is not of format {FORMAT} {VERSION}; export the collection again, with this faceline"
        raise InputError(f"{folder / 'README.json'} {said}")
    try:
        collection, model = (checked.text(about[key], key) for key in ("collection", "model"))
        dimensions = checked.whole(about["dimensions"], "dimensions", 0, _MAX_DIMENSIONS)
    except (KeyError, ValueError) as error:
        said = f"lacks collection, model or dimensions ({error})"
        raise InputError(f"{folder / 'README.json'} {said}; export the collection again") from error
    rows = list(_lines(folder, "faces.jsonl"))
    vectors = read_vectors(_inside(folder, "faces.parquet"), dimensions) if rows else {}
    _check_once(folder, rows)
    faces = [_face(folder, line, row, vectors, model) for line, row in rows]
    people = [_person(folder, line, row) for line, row in _lines(folder, "people.jsonl")]
    calibration = None
    if (folder / "calibration.npz").is_file():
        calibration = _read(folder, "calibration.npz", _MAX_CALIBRATION_BYTES)
    return Exported(collection, model, dimensions, people, faces, calibration)


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """A folder beside it, which takes its name when the block ends well and goes when it does not."""
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    if folder.exists() or folder.is_symlink():
        raise ConflictError(f"{folder} exists; name another folder, or move it away")
    try:
        partial.mkdir(mode=0o700, parents=True)
        yield partial
        partial.rename(folder)
    except OSError as error:
        raise ConflictError(f"{folder} cannot be written ({error.strerror}); name another folder") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _about(exported: Exported, calibration: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "collection": exported.collection,
        "model": exported.model,
        "dimensions": exported.dimensions,
        "people": len(exported.people),
        "faces": len(exported.faces),
        "crops": sum(face.crop is not None for face in exported.faces),
        "calibration": calibration,
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "faceline": __version__,
    }


def _write_lines(path: Path, documents: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)


def _document(face: NewFace) -> dict[str, Any]:
    r, q = face.record, face.record.quality
    return {
        "face_id": r.face_id,
        "image_id": r.image_id,
        "person": r.person,
        "external_image_id": r.external_image_id,
        "source": r.source,
        "box": [r.box.left, r.box.top, r.box.width, r.box.height],
        "landmarks": r.landmarks.as_array().round(2).tolist(),
        "confidence": r.confidence,
        "quality": {
            "brightness": q.brightness,
            "sharpness": q.sharpness,
            "size_px": q.size_px,
            "reasons": list(q.reasons),
        },
        "created_at": r.created_at,
        "image_size": list(r.image_size) if r.image_size else None,
        "crop": f"crops/{_crop_name(r.face_id)}" if face.crop else None,
        "crop_landmarks": [list(point) for point in face.crop.landmarks] if face.crop else None,
    }


def _crop_name(face_id: str) -> str:
    """Raises InputError for an id that cannot name a file."""
    if not _FACE_ID.fullmatch(face_id):
        raise InputError(f"the face id {face_id!a} cannot name a file; delete that face, or enrol it again")
    return f"{face_id}.jpg"


def _face(folder: Path, line: int, row: dict[str, Any], vectors: dict[str, Vector], model: str) -> NewFace:
    where = f"{folder / 'faces.jsonl'}: line {line}"
    try:
        record = _record(row, vectors, model)
        points = row["crop_landmarks"]
        landmarks = None if points is None else checked.landmarks(points, "crop_landmarks")
    except (KeyError, TypeError, ValueError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{where} is no face as exported: {reason}; export it again") from error
    for name in (record.person, record.external_image_id):
        problem = problem_of(name) if name is not None else None
        if problem:
            raise InputError(f"{where} has a name that cannot be used: {problem}")
    return NewFace(record, None if landmarks is None else Crop(_jpeg(folder, record.face_id), landmarks))


def _record(row: dict[str, Any], vectors: dict[str, Vector], model: str) -> FaceRecord:
    """Raises KeyError, TypeError and ValueError for what is missing or of another kind."""
    face_id = checked.text(row["face_id"], "face_id")
    if not _FACE_ID.fullmatch(face_id):
        raise ValueError(f"the face id {face_id!a} cannot name a file")
    if face_id not in vectors:
        raise ValueError(f"faces.parquet has no embedding of {face_id}")
    left, top, width, height = checked.numbers(row["box"], "box", 4)
    points = checked.landmarks(row["landmarks"], "landmarks")
    return FaceRecord(
        face_id=face_id,
        image_id=checked.text(row["image_id"], "image_id"),
        person=row["person"],
        external_image_id=row["external_image_id"],
        source=checked.text(row["source"], "source"),
        box=BoundingBox(
            checked.coordinate(left, "box"),
            checked.coordinate(top, "box"),
            checked.side(width, "the box's width"),
            checked.side(height, "the box's height"),
        ),
        landmarks=Landmarks.from_array(np.array(points, dtype=np.float32)),
        confidence=checked.number(row["confidence"], "confidence", 0, 100),
        quality=_quality(row["quality"]),
        embedding=Embedding(vectors[face_id], model),
        created_at=checked.moment(row["created_at"], "created_at"),
        image_size=checked.image_size(row["image_size"]),
    )


def _quality(row: Any) -> Quality:
    """Raises KeyError, TypeError and ValueError like `_record`."""
    brightness, sharpness = (checked.number(row[key], key, 0, 100) for key in ("brightness", "sharpness"))
    if not isinstance(row["reasons"], list):
        raise TypeError("the quality's reasons must be a list")
    reasons = tuple(checked.text(reason, "a reason of the quality") for reason in row["reasons"])
    return Quality(brightness, sharpness, checked.side(row["size_px"], "size_px"), reasons)


def _check_once(folder: Path, rows: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Raises InputError for a face id that two lines have."""
    seen: dict[str, int] = {}
    for line, row in rows:
        first = seen.setdefault(str(row.get("face_id")), line)
        if first != line:
            path = folder / "faces.jsonl"
            raise InputError(f"{path}: line {line} has the face id of line {first}; export the collection again")


def _jpeg(folder: Path, face_id: str) -> bytes:
    """A crop. Raises InputError for what is no JPEG, cannot be decoded, or is far larger than crops are."""
    path = folder / "crops" / _crop_name(face_id)
    content = _read(folder, f"crops/{path.name}", _CROPS.max_bytes)
    if not content.startswith(b"\xff\xd8\xff"):
        raise InputError(f"{path} is no JPEG; export the collection again")
    try:
        decode(content, str(path), _CROPS)
    except ImageLimitError as error:
        most = f"{_CROPS.max_pixels:,} pixels or {_CROPS.max_side_px:,} a side"
        raise InputError(f"{path} is no crop as exported: it has more than {most}; export it again") from error
    return content


def _person(folder: Path, line: int, row: dict[str, Any]) -> str:
    name = row.get("name")
    problem = problem_of(name)
    if problem:
        raise InputError(f"{folder / 'people.jsonl'}: line {line} has a name that cannot be used: {problem}")
    return str(name)


def _read_about(folder: Path) -> dict[str, Any]:
    content = _read(folder, "README.json", _MAX_ABOUT_BYTES)
    try:
        about = json.loads(content, parse_constant=checked.no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{folder / 'README.json'} is not JSON ({error})") from error
    return about if isinstance(about, dict) else {}


def _lines(folder: Path, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    path = folder / name
    try:
        text = _read(folder, name, _MAX_TEXT_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 ({error})") from error
    return json_objects(path, text)


def _read(folder: Path, name: str, max_bytes: int) -> bytes:
    path = _inside(folder, name)
    try:
        check_regular(path, max_bytes)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); export the collection again") from error


def _inside(folder: Path, name: str) -> Path:
    """Raises InputError for a link that leads out: a folder from elsewhere gives no other files of yours."""
    path = folder / name
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise InputError(f"{path} is a link that leads out of {folder}; copy the file there")
    return path
