"""The data directory: who may read it, which faceline wrote it, and who is working in it."""

import json
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from faceline import __version__
from faceline.config import url_of
from faceline.errors import ConflictError, NotFoundError, StorageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

SCHEMA = 1
_KEY_CHARACTERS = 20  # a shorter key could be guessed; ours have 43
_LOCKED_BYTE = 1 << 30  # Windows locks bytes against reading: one far behind the text


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """Where everything is. Only `open_directory` makes it."""

    path: Path

    @property
    def state(self) -> Path:
        """The database of queues, receipts, records and the index of objects."""
        return self.path / "state.sqlite"

    @property
    def gallery(self) -> Path:
        """The database of collections and face records."""
        return self.path / "gallery.sqlite"

    @property
    def buckets(self) -> Path:
        return self.path / "buckets"


def open_directory(path: Path) -> DataDirectory:
    """Makes the directory (for this user only) with what it needs, or checks the one that is there.

    Raises StorageError when something else is in its place, when it cannot be written, or comes from a newer faceline.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(path):
            _check_schema(path / "schema")
            (path / "buckets").mkdir(exist_ok=True)
            _make_admin_key(path / "admin.key")
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageError(f"{error.filename} is a file, a directory is needed; choose another with --data") from error
    except OSError as error:
        raise StorageError(
            f"cannot use the data directory {path}: {error.strerror}; "
            "choose one with --data that this user can write, on a disk with free space"
        ) from error
    return DataDirectory(path)


def read_admin_key(path: Path) -> str:
    """The key of the data directory `path`; NotFoundError when faceline never started there, StorageError when bad."""
    try:
        key = (path / "admin.key").read_text(encoding="ascii", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(
            f"{path} has no admin.key; start `faceline up` there first, or name another --data"
        ) from error
    except OSError as error:
        raise StorageError(
            f"cannot read {path / 'admin.key'}: {error.strerror}; run as the user who made it"
        ) from error
    if len(key) < _KEY_CHARACTERS or not key.isascii():
        raise StorageError(
            f"{path / 'admin.key'} holds no key; delete it and start `faceline up`, which makes a new one"
        )
    return key


class UpLock:
    """Held by the one `faceline up` of a data directory; the system frees it when the process ends, however it ends."""

    def __init__(self, directory: DataDirectory) -> None:
        self._path = directory.path / "up.lock"
        self._descriptor: int | None = None

    def acquire(self, port: int, host: str = "127.0.0.1") -> None:
        """Raises ConflictError that names the process which holds it. port, host: where this one listens."""
        descriptor = _open_lock(self._path)
        if not _lock(descriptor, wait=False):
            os.close(descriptor)
            raise self._conflict()
        started = datetime.now(UTC).isoformat(timespec="seconds")
        os.truncate(descriptor, 0)
        document = {"pid": os.getpid(), "port": port, "host": host, "started": started}
        os.write(descriptor, json.dumps(document).encode())
        self._descriptor = descriptor

    def check(self) -> None:
        """Raises ConflictError, as `acquire` would, while some process holds it."""
        if self.held():
            raise self._conflict()

    def held(self) -> bool:
        """Whether some process holds it now."""
        descriptor = _open_lock(self._path)
        try:
            return not _lock(descriptor, wait=False)
        finally:
            os.close(descriptor)

    def url(self) -> str | None:
        """Where the process that holds it is found on this machine; None when none does, or it is just starting."""
        if not self.held():
            return None
        try:
            first = json.loads(self._path.read_text(encoding="utf-8"))
            return url_of(first.get("host", "127.0.0.1"), int(first["port"]))
        except (ValueError, KeyError):
            return None

    def release(self) -> None:
        """Frees it; does nothing when it is not held."""
        if self._descriptor is not None:
            os.truncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def _conflict(self) -> ConflictError:
        return ConflictError(
            f"{self._holder()}; stop it, choose another --data, or help it with `faceline up --worker`"
        )

    def _holder(self) -> str:
        where = f"in {self._path.parent}"
        try:
            first = json.loads(self._path.read_text(encoding="utf-8"))
            who = f"process {first['pid']}, port {first['port']}, since {first['started']}"
        except (ValueError, KeyError):  # it locked the file a moment ago and has not written yet
            return f"another faceline up is starting {where}"
        return f"faceline up runs {where} already ({who})"


def _check_schema(file: Path) -> None:
    # The databases carry schemas of their own; this number is for the directory's layout.
    if not file.exists():
        file.write_text(f"{SCHEMA}\nwritten by faceline {__version__}\n", encoding="utf-8")
        return
    number, _, writer = file.read_text(encoding="utf-8", errors="replace").partition("\n")
    if not re.fullmatch("[0-9]{1,9}", number):
        raise StorageError(
            f"{file} should hold a number and holds {number[:40]!r}; is {file.parent} a faceline directory?"
        )
    if int(number) > SCHEMA:
        raise StorageError(
            f"{file.parent} has layout {number}, {writer.strip() or 'written by a newer faceline'}; this is faceline "
            f"{__version__} and knows layouts up to {SCHEMA}: install that version or a newer one"
        )


def _make_admin_key(file: Path) -> None:
    if file.exists() and file.stat().st_size:
        return
    partial = file.with_name("admin.key.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(secrets.token_urlsafe(32) + "\n")
        opened.flush()
        os.fsync(descriptor)
    partial.replace(file)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time prepares the directory, so that two that start together agree on one key."""
    descriptor = _open_lock(path / "open.lock")
    try:
        _lock(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def _open_lock(file: Path) -> int:
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(f"cannot write {file}: {error.strerror}; choose a writable directory with --data") from error


def _lock(descriptor: int, wait: bool) -> bool:
    """Locks the file until its descriptor is closed; False when another holds it."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        raise StorageError(f"cannot lock a file there: {error.strerror}; put --data on a local disk") from error
    return True
