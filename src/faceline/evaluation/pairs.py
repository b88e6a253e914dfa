"""A file of pairs to verify, and which photos in it show one person."""

import csv
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceline.errors import InputError
from faceline.files import is_file, read_text
from faceline.gallery.sources import label_of

_COLUMNS = ("path_a", "path_b", "same")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos, whether they show the same person, and the fold that the file puts the pair in, if any."""

    path_a: Path
    path_b: Path
    same: bool
    fold: str | None = None


def read_pairs(path: Path) -> list[Pair]:
    """The rows of a CSV with the columns path_a, path_b, same (0 or 1) and perhaps fold; paths relative to the file.

    Raises InputError naming the line when the file is not that, or a photo it names is not there.
    """
    try:
        text = read_text(path, "utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot read the pairs ({error}); give a CSV with {', '.join(_COLUMNS)}") from error
    reader = csv.DictReader(text.splitlines())
    try:
        absent = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if absent:
            columns = ", ".join(_COLUMNS)
            raise InputError(f"{path}: line 1 lacks the column {absent[0]}; the columns are {columns}[, fold]")
        pairs = [_pair(path, reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num + 1} is not CSV ({error}); check its quotes") from error
    if not pairs:
        raise InputError(f"{path}: no pairs after line 1; give one pair a line")
    return pairs


def people_of(pairs: Sequence[Pair]) -> dict[Path, int]:
    """A number for the person on each photo, 0 and up.

    Photos that a chain of `same` pairs joins are one person. So are those of one folder, or failing that of one folder
    and one label (`Ada_0001.jpg`, `Ada_0002.jpg`), where no pair of the file says otherwise.
    """
    groupings: tuple[Callable[[Path], Hashable], ...] = (
        lambda photo: photo.parent,
        lambda photo: (photo.parent, label_of(photo.name)),
    )
    for key in groupings:
        people = _joined(pairs, key)
        if all(pair.same or people[pair.path_a] != people[pair.path_b] for pair in pairs):
            return people
    return _joined(pairs, lambda photo: photo)


def _pair(path: Path, line: int, row: dict[str, str]) -> Pair:
    where = f"{path}: line {line}"
    if row["same"] not in ("0", "1"):
        raise InputError(f"{where}: same must be 0 or 1, not {row['same']!r}")
    fold = row.get("fold")
    if "fold" in row and not fold:
        raise InputError(f"{where}: the fold is empty; give one on every line, or leave the column out")
    photos = [_photo(where, path.parent, row[column]) for column in ("path_a", "path_b")]
    return Pair(photos[0], photos[1], row["same"] == "1", fold)


def _photo(where: str, folder: Path, name: str) -> Path:
    photo = folder / (name or "")
    if not name or not is_file(photo):
        raise InputError(f"{where}: there is no photo {photo}; paths are relative to the CSV")
    return photo


def _joined(pairs: Sequence[Pair], key: Callable[[Path], Hashable]) -> dict[Path, int]:
    """Union-find: photos with one key, and photos joined by `same` pairs."""
    parent: dict[Hashable, Hashable] = {}

    def root(node: Hashable) -> Hashable:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    photos = list(dict.fromkeys(photo for pair in pairs for photo in (pair.path_a, pair.path_b)))
    for pair in pairs:
        if pair.same:
            parent[root(key(pair.path_a))] = root(key(pair.path_b))
    numbers: dict[Hashable, int] = {}
    return {photo: numbers.setdefault(root(key(photo)), len(numbers)) for photo in photos}
