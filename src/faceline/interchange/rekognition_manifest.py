"""A list of what was indexed into an Amazon Rekognition collection, with the photos found on this machine.

Rekognition gives out no photos and no embeddings, so that a collection moves by being indexed again: each line names a
photo, as `s3://bucket/key` or as a path, its ExternalImageId and perhaps its UserId.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faceline.errors import InputError
from faceline.files import check_regular, is_file, json_objects, read_text
from faceline.interchange.arrivals import Arrival

_PHOTO = ("uri", "s3uri", "s3_uri", "path")
_PERSON = ("userid", "user_id", "externalimageid", "external_image_id")
_S3 = "s3://"


def arrivals(manifest: Path, root: Path, max_bytes: int) -> list[Arrival]:
    """The manifest's photos, in its order.

    manifest: CSV with a header, or JSON lines; a column uri, S3Uri or path, and UserId or ExternalImageId or both; the
    UserId is the person where there is one, else the ExternalImageId. root: where `s3://bucket/key` lies as
    `bucket/key` or as `key`, and paths as they are. Raises InputError naming the line.
    """
    found = [_arrival(manifest, root, line, row, max_bytes) for line, row in _rows(manifest)]
    if not found:
        raise InputError(f"{manifest} names no photos; give one a line")
    return found


def _arrival(manifest: Path, root: Path, line: int, row: Mapping[str, Any], max_bytes: int) -> Arrival:
    values = {str(key).strip().lower(): value for key, value in row.items() if value not in (None, "")}
    photo = next((str(values[key]) for key in _PHOTO if key in values), None)
    name = next((str(values[key]) for key in _PERSON if key in values), None)
    if photo is None or name is None:
        raise InputError(f"{manifest}: line {line} needs uri or path, and UserId or ExternalImageId, has {dict(row)}")
    consent = values.get("consent")
    return Arrival(name, photo, lambda: _read(root, photo, max_bytes), str(consent) if consent else None)


def _read(root: Path, photo: str, max_bytes: int) -> bytes:
    path = _located(root, photo)
    try:
        check_regular(path, max_bytes)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error})") from error


def _located(root: Path, photo: str) -> Path:
    """Raises InputError for one that is not below the root: a list from elsewhere names no other files of yours."""
    inner = photo.removeprefix(_S3)
    places = [inner, inner.partition("/")[2]] if photo.startswith(_S3) else [photo]
    for place in filter(None, places):
        path = root / place
        if is_file(path):
            if not path.resolve().is_relative_to(root.resolve()):
                raise InputError(f"{photo} lies outside of {root}; copy it there")
            return path
    raise InputError(f"there is no {' or '.join(place for place in places if place)} in {root}; copy the bucket there")


def _rows(manifest: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        text = read_text(manifest, "utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{manifest}: cannot read the manifest ({error})") from error
    if manifest.suffix.lower() == ".csv":
        reader = csv.DictReader(text.splitlines())
        try:
            yield from ((reader.line_num, row) for row in reader)
        except csv.Error as error:
            where = f"{manifest}: line {reader.line_num + 1}"
            raise InputError(f"{where} is not CSV ({error}); check its quotes") from error
        return
    yield from json_objects(manifest, text)
