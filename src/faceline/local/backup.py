"""A whole data directory as one `.tar.gz`, made while others work on it, and put back.

The first member, `backup.json`, says when and by what it was made. The databases are copied through SQLite's backup API
(https://www.sqlite.org/backup.html) before the objects, which are only ever replaced as a whole: an object that the
databases do not know yet is announced again after a restore, as if it had just arrived.
"""

import gzip
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faceline import __version__
from faceline.erasure import utc
from faceline.errors import ConflictError, InputError, StorageError
from faceline.local.database import said
from faceline.local.soundness import check_sound
from faceline.object_keys import TEMP_PREFIX

_ABOUT = "backup.json"
_LEFT_OUT = ("-wal", "-shm", "-journal", ".bak", ".partial", ".lock")
_LEVEL = 1  # photos and vectors are as small as they get
_CHUNK = 1 << 20
# What tarfile, gzip and json raise for bytes that somebody made up.
_MADE_UP = (ValueError, ArithmeticError, LookupError, RecursionError)
_UNREADABLE = (OSError, EOFError, tarfile.TarError, zlib.error, *_MADE_UP)


def back_up(directory: Path, target: Path) -> dict[str, Any]:
    """Writes the file for this user only, all or nothing; returns what `backup.json` says, with `files` and `bytes`.

    Raises ConflictError when it exists, StorageError when it cannot be written.
    """
    if target.exists():
        raise ConflictError(f"{target} is there already; name another file, or delete it")
    about = {"faceline": __version__, "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"), "format": 1}
    partial = target.with_name(f".{target.name}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=_LEVEL, format=tarfile.PAX_FORMAT) as archive:
                _add_bytes(archive, _ABOUT, json.dumps(about).encode())
                files, size = _add_all(archive, directory, partial.parent, target)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror}; free some space, or write elsewhere") from error
    finally:
        partial.unlink(missing_ok=True)
    return about | {"files": files, "bytes": size}


def read_about(file: Path) -> dict[str, Any]:
    """What `backup.json` says, `created_at` in UTC.

    Raises InputError when the file is no backup of ours that this faceline reads.
    """
    try:
        with tarfile.open(file, "r:gz") as archive:
            first = archive.next()
            opened = archive.extractfile(first) if first and first.name == _ABOUT else None
            about = json.loads(opened.read(100_000)) if opened else {}
    except _UNREADABLE as error:
        raise InputError(f"{file} cannot be read as a backup: {error}") from error
    if not isinstance(about, dict) or about.get("format") != 1:
        raise InputError(f"{file} is no backup that faceline {__version__} reads; `faceline backup` makes them")
    try:
        return about | {"created_at": utc(str(about.get("created_at")))}
    except ValueError as error:
        raise InputError(f"{file} does not say when it was made; take a backup that `faceline backup` made") from error


def put_back(file: Path, directory: Path, prepare: Callable[[Path], None]) -> None:
    """Unpacks a backup beside `directory`, checks it and has it prepared there, and only then puts it in its place.

    Raises ConflictError when something is in that place, InputError for what is no backup or is damaged, StorageError
    when there is no room for it. Nothing is left then.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConflictError(
            f"{directory} is not empty; move it away and name it with --erasures, so that who was forgotten since the "
            "backup stays forgotten"
        )
    read_about(file)
    needed = _unpacked_bytes(file)
    with _made(directory.parent):
        _check_room(file, needed, directory.parent)
        staging = Path(tempfile.mkdtemp(prefix=f".{directory.name}.restoring-", dir=directory.parent))
        try:
            _unpack(file, staging)
            check_sound(staging, file)
            prepare(staging)
            if directory.exists():
                directory.rmdir()
            staging.replace(directory)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """The folder is there; those that had to be made for it go again when the block fails."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException as error:
        with suppress(OSError):
            for each in missing:
                each.rmdir()
        if isinstance(error, OSError):
            raise StorageError(f"cannot write {folder}: {error.strerror}; restore elsewhere with --data") from error
        raise


def _unpacked_bytes(file: Path) -> int:
    """Reads all of it, to the checksum and length behind the archive, which tarfile alone does not look at."""
    total = 0
    try:
        with gzip.open(file) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                if not (member.isreg() or member.isdir()) or member.size < 0:
                    raise InputError(f"{file} cannot be unpacked: {member.name!a} in it is no file and no folder")
                total += member.size
            while stream.read(_CHUNK):
                pass
    except _UNREADABLE as error:
        raise InputError(f"{file} cannot be unpacked, it is damaged: {error}; take another copy of it") from error
    return total


def _check_room(file: Path, needed: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        sizes = f"{needed / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free in {folder}"
        raise StorageError(f"{file} unpacked has {sizes}; free some space, or restore elsewhere with --data")


def _unpack(file: Path, staging: Path) -> None:
    try:
        with tarfile.open(file, "r:gz") as archive:
            archive.extractall(staging, filter="data")
        (staging / _ABOUT).unlink()
    except _UNREADABLE as error:
        raise InputError(f"{file} cannot be unpacked into {staging.parent}: {error}") from error


def _add_all(archive: tarfile.TarFile, directory: Path, scratch: Path, target: Path) -> tuple[int, int]:
    files = size = 0
    for path in _databases(directory):
        with tempfile.TemporaryDirectory(dir=scratch, prefix=".faceline-backup-") as folder:
            copy = Path(folder) / path.name
            _copy_database(path, copy)
            archive.add(copy, path.name)
            files, size = files + 1, size + copy.stat().st_size
    for path in _others(directory, target):
        try:
            files, size = files + 1, size + _add_file(archive, path, path.relative_to(directory).as_posix())
        except FileNotFoundError:  # deleted meanwhile
            files -= 1
    return files, size


def _databases(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.sqlite"))


def _others(directory: Path, target: Path) -> Iterator[Path]:
    buckets = directory / "buckets"
    for folder, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            inside = buckets in path.parents  # there every name is somebody's
            skipped = name.startswith(TEMP_PREFIX) if inside else name.endswith(_LEFT_OUT)
            database = path.parent == directory and path.suffix == ".sqlite"
            ours = path.parent == target.parent and target.name in name
            if not skipped and not database and not ours and path.is_file() and not path.is_symlink():
                yield path


def _add_file(archive: tarfile.TarFile, path: Path, name: str) -> int:
    """The bytes of one file, however it is replaced or deleted meanwhile."""
    with path.open("rb") as file:
        info = archive.gettarinfo(arcname=name, fileobj=file)
        if info.islnk():  # a second name of a file: each is kept as a file of its own
            info.type, info.size = tarfile.REGTYPE, os.fstat(file.fileno()).st_size
        archive.addfile(info, file)
        return int(info.size)


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o600
    archive.addfile(info, io.BytesIO(data))


def _copy_database(path: Path, copy: Path) -> None:
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT, 0o600))
    with said(path), closing(sqlite3.connect(path, timeout=10)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
