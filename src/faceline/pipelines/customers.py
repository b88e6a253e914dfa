"""Whose image it is: by a list that the user keeps beside the images, by a pattern, else by the image's name."""

import csv
import re
import threading
from collections.abc import Iterable
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from faceline.errors import InputError, NotFoundError, SettingError
from faceline.ports import ObjectStore

_parser: Any = import_module("re._parser")  # what a pattern consists of; Python says it nowhere else
_MAX_MANIFEST_BYTES = 500_000_000
_NAME_LENGTH = 255  # of a key's last part, at most (object_keys.py)
_MAX_WAYS = _NAME_LENGTH**3  # about a second for the worst of names
_Row = tuple[str, str | None]  # a customer and the reference to their consent


def image_id_of_key(key: str) -> str:
    """What an image is called: the last part of its key."""
    return PurePosixPath(key).name


class Customers:
    """manifest: the key of a CSV in `bucket` with the columns image, customer and, if there is one, consent; empty:
    none. It is read again when it changed. pattern: a regular expression, searched in the image's name; its first
    group, or the whole of what it finds, is the customer; empty: none. Where neither says anything it is what stands
    before the last underscore.

    Thread-safe. Raises SettingError for a pattern that is no regular expression, or that could try a name in too many
    ways: whoever uploads chooses names, and nothing else runs while `re` searches.
    """

    def __init__(self, objects: ObjectStore, bucket: str, manifest: str = "", pattern: str = "") -> None:
        self.manifest = manifest
        self._objects, self._bucket = objects, bucket
        self._pattern = _compiled(pattern) if pattern else None
        self._lock = threading.Lock()
        self._etag, self._listed = "", dict[str, _Row]()

    def of(self, key: str) -> str:
        """The customer of the image under this key, which the manifest may name by its whole key or its last part.

        Raises SettingError when the manifest is not there or cannot be read: what it would have said is not known.
        """
        return self._customer(key, self._row(key))

    def of_all(self, keys: Iterable[str]) -> dict[str, str]:
        """The customers of these images, by key, but for the manifest, which may lie among them. Raises as `of`."""
        rows = self._rows() if self.manifest else {}
        images = [key for key in keys if key != self.manifest]
        return {key: self._customer(key, rows.get(key) or rows.get(image_id_of_key(key))) for key in images}

    def _customer(self, key: str, listed: _Row | None) -> str:
        if listed:
            return listed[0]
        image_id = image_id_of_key(key)
        found = self._pattern.search(image_id) if self._pattern else None
        if found:
            return found[1] if found.re.groups and found[1] is not None else found[0]
        return image_id.rsplit("_", 1)[0]

    def consent_of(self, key: str) -> str | None:
        """The reference to the customer's consent that the manifest gives. Raises SettingError as `of` does."""
        listed = self._row(key)
        return listed[1] if listed else None

    def _row(self, key: str) -> _Row | None:
        listed = self._rows() if self.manifest else {}
        return listed.get(key) or listed.get(image_id_of_key(key))

    def _rows(self) -> dict[str, _Row]:
        place = f"{self._bucket}/{self.manifest}"
        try:
            with self._lock:
                if self._objects.head(self._bucket, self.manifest).etag != self._etag:
                    info, data = self._objects.get(self._bucket, self.manifest, _MAX_MANIFEST_BYTES)
                    self._listed, self._etag = _read(data), info.etag
                return self._listed
        except NotFoundError as error:
            raise SettingError(f"matching_manifest: there is no {place}; put it there, or unset it") from error
        except (InputError, ValueError, csv.Error) as error:
            raise SettingError(f"matching_manifest: {place} cannot be read: {error}") from error


def _read(data: bytes) -> dict[str, _Row]:
    rows = csv.DictReader(data.decode("utf-8-sig").splitlines(), strict=True)
    if not {"image", "customer"} <= set(rows.fieldnames or ()):
        raise ValueError(f"its first line must name the columns image and customer, has {rows.fieldnames}")
    listed: dict[str, _Row] = {}
    for row in rows:
        if not row["image"] or not row["customer"]:
            raise ValueError(f"line {rows.line_num} needs an image and a customer")
        said = row["customer"], row.get("consent") or None
        if listed.setdefault(row["image"], said)[0] != said[0]:
            raise ValueError(f"line {rows.line_num} gives {row['image']} another customer than a line before")
    return listed


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
        ways = _ways(_parser.parse(pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise SettingError(
            f"matching_customer = {pattern}: not a regular expression ({error}); "
            "write one that finds the customer in an image's name, such as ^([A-Z]+)-"
        ) from error
    if ways > _MAX_WAYS:
        raise SettingError(
            f"matching_customer = {pattern}: there are names that it would be tried on for hours; write at most three "
            "of *, + and {m,n}, none within what is repeated, and end it behind the customer, such as ^([A-Z]+)-"
        )
    return compiled


def _ways(items: Iterable[tuple[Any, Any]]) -> int:
    """In how many ways a parsed pattern could be laid over a name: an upper bound of how often `re` tries again.

    items: as `re._parser` has them, (operation, arguments). More than _MAX_WAYS is told as one more.
    """
    ways = 1
    for operation, arguments in items:
        ways = min(ways * _ways_of(str(operation), arguments), _MAX_WAYS + 1)
    return ways


def _ways_of(operation: str, arguments: Any) -> int:
    match operation:
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most = (min(int(count), _NAME_LENGTH) for count in arguments[:2])
            return int((most - least + 1) * _ways(arguments[2]) ** most)
        case "BRANCH":
            return sum(map(_ways, arguments[1]))
        case "GROUPREF_EXISTS":
            return sum(_ways(each or ()) for each in arguments[1:])
        case "SUBPATTERN" | "ASSERT" | "ASSERT_NOT":
            return _ways(arguments[-1])
        case "ATOMIC_GROUP":
            return _ways(arguments)
    return 1
