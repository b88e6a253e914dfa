"""All that a deployment keeps as text, for those who look for what must not be in it: items, objects, dead letters, and
what faces are called at Amazon Rekognition.

Of pictures and clips only the keys: their bytes would be a download of everything. Names within them, as of their
metadata, go with the picture.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from faceline.aws.clients import Clients, said
from faceline.aws.face_snapshot import from_bytes
from faceline.aws.items import from_item
from faceline.aws.rekognition_api import Rekognition
from faceline.aws.rekognition_names import name_of
from faceline.errors import InputError, NotFoundError, StorageError
from faceline.ports import DeadLetter, ObjectInfo, ObjectStore

_MAX_BYTES = 200_000_000
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif"}
_CLIPS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".3gp", ".wmv", ".flv"}
_SNAPSHOT = ".faces"


@dataclass(frozen=True, slots=True)
class Content:
    """As of `pipelines.verifying.Content`. raw: bytes of something else than text."""

    where: str
    text: str
    raw: bool = False
    unread: bool = False


def of_table(clients: Clients, table: str) -> Iterator[Content]:
    """Every attribute of every item, and the texts of JSON in them. Reads, and pays for, the whole table."""
    with said(f"the table {table}"):
        pages = clients.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        for page in pages:
            for item in page["Items"]:
                for text in _texts(from_item(item)):
                    yield Content(f"table {table}", text)


def of_bucket(objects: ObjectStore, bucket: str, most_bytes: Mapping[str, int]) -> Iterator[Content]:
    """Every key, and what is in every object that is no picture. Raises NotFoundError when there is no bucket.

    objects: a store that knows every key, also what faceline refuses. most_bytes: by key, of objects that are read
    though they have more than 200 MB.
    """
    for info in objects.list(bucket):
        place = f"{bucket}/{info.key}"
        yield Content(place, place)
        yield from _of_object(objects, info, max(_MAX_BYTES, most_bytes.get(info.key, 0)))


def of_faces(api: Rekognition) -> Iterator[Content]:
    """What every face that Amazon Rekognition has of the collection is called there."""
    where = f"Amazon Rekognition, collection {api.collection}"
    for face in api.faces():
        yield Content(where, face["FaceId"])
        yield Content(where, name_of(face.get("ExternalImageId", "")))


def of_letters(queue: str, letters: Sequence[DeadLetter], unseen: str) -> Iterator[Content]:
    """unseen: why others are not among these."""
    if unseen:
        yield Content(f"dead letters of {queue}: {unseen}", "", unread=True)
    for letter in letters:
        yield from of_letter(queue, letter)


def of_letter(queue: str, letter: DeadLetter) -> Iterator[Content]:
    yield from (Content(f"dead letters of {queue}", text) for text in _texts([letter.body, letter.reason]))


def _of_object(objects: ObjectStore, info: ObjectInfo, max_bytes: int) -> Iterator[Content]:
    place = f"{info.bucket}/{info.key}"
    ending = PurePosixPath(info.key).suffix.lower()
    if ending in _PICTURES | _CLIPS:
        return
    try:
        data = objects.get(info.bucket, info.key, max_bytes)[1]
    except NotFoundError:  # gone meanwhile
        return
    except InputError as error:
        yield Content(str(error), "", unread=True)
        return
    if ending == _SNAPSHOT:
        yield from _of_snapshot(place, data)
        return
    try:
        texts = list(_texts(data.decode()))
    except UnicodeDecodeError:
        yield Content(place, data.decode("utf-8", "replace"), raw=True)
    else:
        yield from (Content(place, text) for text in texts)


def _of_snapshot(place: str, data: bytes) -> Iterator[Content]:
    try:
        snapshot = from_bytes(data)
    except StorageError:  # an empty one, which stands in the place of one that had removed faces, or a damaged one
        yield Content(place, data.decode("utf-8", "replace"), raw=True)
        return
    for row in range(len(snapshot)):
        yield from (Content(place, text) for text in _texts(snapshot.faces[row].decode()))
    yield from (Content(place, face_id) for _, face_id in snapshot.gone)


def _texts(value: Any) -> Iterator[str]:
    """All texts in it, keys too, and those of JSON documents and of lines of them within."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
            waiting += _documents(each)
        elif isinstance(each, bytes):
            yield each.decode("utf-8", "replace")
        elif isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set):
            waiting += each


def _documents(text: str) -> Iterable[Any]:
    if text.lstrip()[:1] not in ("{", "["):
        return []
    found = []
    for part in (text, *text.splitlines()):
        with suppress(ValueError, RecursionError):
            found.append(json.loads(part))
            if part == text:
                break
    return found
