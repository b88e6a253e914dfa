"""Which photos to enrol under which names, from a photo, a tree, a flat folder or a manifest."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from faceline.errors import InputError, UsageError
from faceline.files import is_folder, json_objects, read_text
from faceline.images import images_in

_NUMBERED = re.compile(r"[ _-]\d+$")
_MANIFESTS = {".csv", ".jsonl"}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A photo and whom it shows. consent: a reference to the person's consent."""

    path: Path
    name: str
    consent: str | None = None


def label_of(file_name: str) -> str:
    """`Ada_Lovelace_0001.jpg` → `Ada_Lovelace`; `john_doe.jpg` → `john_doe`."""
    stem = Path(file_name).stem
    return _NUMBERED.sub("", stem) or stem


def expand(path: Path, name: str | None = None) -> list[Labelled]:
    """All photos that `path` stands for, with their names; `name` overrides what the paths say.

    A folder's sub-folders are people; photos directly in it are labelled by their file names. A manifest is a CSV with
    the columns path and name, or JSON lines with those keys, paths relative to it; a column consent may stand beside.
    Raises UsageError when there is nothing to enrol, InputError when the manifest cannot be read.
    """
    if is_folder(path):
        found = [Labelled(p, name or _label_in(path, p)) for p in images_in(path)]
    elif path.suffix.lower() in _MANIFESTS:
        found = list(_manifest(path))
    else:
        found = [Labelled(path, name or label_of(path.name))]
    if not found:
        raise UsageError(f"{path} has no photos; give a photo, a folder Name/photo.jpg, or a manifest")
    return found


def _label_in(folder: Path, photo: Path) -> str:
    parts = photo.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else label_of(photo.name)


def _manifest(path: Path) -> Iterator[Labelled]:
    try:
        text = read_text(path, "utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot read the manifest ({error})") from error
    rows: Iterator[Mapping[str, object]] = (
        _csv_rows(path, text) if path.suffix.lower() == ".csv" else (row for _, row in json_objects(path, text))
    )
    for number, row in enumerate(rows, start=1):
        photo, person = row.get("path"), row.get("name")
        if not photo or not person:
            raise InputError(f"{path}: entry {number} needs a path and a name, has {row}")
        consent = row.get("consent")
        yield Labelled(path.parent / str(photo), str(person), str(consent) if consent else None)


def _csv_rows(path: Path, text: str) -> Iterator[dict[str, str]]:
    reader = csv.DictReader(text.splitlines())
    try:
        yield from reader
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num + 1} is not CSV ({error}); check its quotes") from error
