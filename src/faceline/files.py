"""Paths that may be anything: missing, unreadable, endless, or a folder with such things in it."""

import errno
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faceline.errors import InputError

MAX_TEXT_BYTES = 50_000_000  # of a manifest, a file of pairs, a settings file


def is_folder(path: Path) -> bool:
    """False also where the system cannot say: reading the path as a file then tells why."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether it is a regular file; False also where the system cannot say."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def check_regular(path: Path, max_bytes: int) -> None:
    """Raises OSError, whose text says what to do, for what is no regular file or is larger than `max_bytes`."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        check_folder(path)
        raise OSError("is a directory; name a file")
    if not stat.S_ISREG(status.st_mode):
        raise OSError("is not a regular file; copy what it gives into one and name that")
    if status.st_size > max_bytes:
        raise OSError(f"has {status.st_size:,} bytes, at most {max_bytes:,} are taken; name a smaller file")


def check_folder(path: Path) -> None:
    """Raises PermissionError when this user cannot look into the folder."""
    if not os.access(path, os.R_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "permission denied; make the folder readable for this user", str(path))


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """A small text file. Raises OSError like `check_regular`, ValueError for other encodings and impossible names."""
    check_regular(path, MAX_TEXT_BYTES)
    return path.read_text(encoding=encoding)


def walk(folder: Path, wanted: Callable[[Path], bool]) -> Iterator[Path]:
    """The wanted files in a folder and its folders; links to folders are not followed, hidden folders not entered, nor
    faceline's own data directories.

    Among them, so that reading them says why: folders that cannot be listed, files that cannot be examined.
    """
    unreadable: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=lambda error: unreadable.append(Path(error.filename))):
        folders[:] = [name for name in folders if not name.startswith(".") and not _holds_data(Path(parent) / name)]
        found = (Path(parent) / name for name in names)
        yield from (path for path in found if wanted(path) and _is_file_or_unknown(path))
    yield from unreadable


def _holds_data(folder: Path) -> bool:
    return is_file(folder / "schema") and is_folder(folder / "buckets")


def _is_file_or_unknown(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ELOOP)  # of links that lead nowhere


def json_objects(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of JSON Lines with the numbers of their lines, from 1; blank ones are passed over.

    Raises InputError, naming `path` and the line.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: line {number} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}: line {number} must be an object")
        yield number, row


def as_pattern(name: str) -> str:
    """What finds the file of this name and no other, where names are taken for patterns, as DuckDB does."""
    return re.sub(r"[\[*?]", r"[\g<0>]", name)
