"""Whether a data directory that came from elsewhere can be worked with: everything in it opens, nothing is damaged."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from faceline.errors import InputError, StorageError
from faceline.local.audit import FOLDER
from faceline.local.database import Database, Step, migrate
from faceline.local.directory import open_directory, read_admin_key
from faceline.local.erasures import KEY, LIST, Erasures
from faceline.local.gallery import GALLERY
from faceline.local.schema import STATE

_FILES = ("schema", "admin.key", KEY, LIST, "credentials", "state.sqlite", "gallery.sqlite")
_FOLDERS = ("buckets", FOLDER, "lake")
_COLUMNS = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"


def check_sound(directory: Path, origin: Path) -> None:
    """Makes what is missing, as the first start does. origin: what the directory came from, for messages.

    Raises InputError when something in it is damaged, or comes from a newer faceline.
    """
    try:
        _check_kinds(directory)
        opened = open_directory(directory)
        read_admin_key(directory)
        erasures = Erasures(directory)
        if erasures.exists():
            _ = erasures.keyed
        erasures.all()
        for path, steps in ((opened.state, STATE), (opened.gallery, GALLERY)):
            _check_database(path, steps)
    except (StorageError, OSError, sqlite3.Error, LookupError, TypeError, ValueError) as error:
        said = str(error).replace(f"{directory}/", "").replace(str(directory), "it")
        raise InputError(f"{origin} holds what cannot be used: {said}") from error


def _check_kinds(directory: Path) -> None:
    for names, is_right, kind in ((_FILES, Path.is_file, "file"), (_FOLDERS, Path.is_dir, "folder")):
        for name in names:
            path = directory / name
            if path.is_symlink() or (path.exists() and not is_right(path)):
                raise StorageError(f"{name} is no {kind}")


def _check_database(path: Path, steps: Sequence[Step]) -> None:
    with closing(Database(path, steps)) as database:
        problem = str(database.rows("PRAGMA quick_check(1)")[0][0])
        if problem != "ok":
            raise StorageError(f"{path} is damaged: {problem}")
        missing = _columns(steps) - set(database.rows(_COLUMNS))
        if missing:
            table, column = min(missing)
            raise StorageError(f"{path} lacks the column {column} of the table {table}")


def _columns(steps: Sequence[Step]) -> set[tuple[str, str]]:
    """What a new file has."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, steps)
        return set(connection.execute(_COLUMNS))
