"""The key file: key pairs in the AWS shared-credentials format, so that AWS clients read the same file.

People edit it too. So it is read again whenever it changed, and changed by cutting out and appending whole sections.
"""

import logging
import os
import secrets
import stat
import string
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from faceline.access_keys import AccessKey, KeyScope
from faceline.errors import ConflictError, NotFoundError, StorageError, UsageError
from faceline.local.directory import locked
from faceline.local.key_file import KeyFile, is_name, is_pattern, parse, section_of

_LOG = logging.getLogger(__name__)
_MAX_BYTES = 1_000_000
_SETTLED_NS = 2_000_000_000  # the coarsest clock that a file system stamps files with
_ID_LETTERS = string.ascii_uppercase + "234567"
_DEFAULT = "default"
_REGION = "us-east-1"
_HEAD = "# The keys of the Rekognition API. AWS clients read this file; `faceline keys` lists and changes them.\n"
_ALL_REVOKED = (
    "# All keys are revoked. `faceline keys create NAME` makes one; so does `faceline up` without this file.\n"
)


class Credentials:
    """Implements `access_keys.AccessKeys` over one file. Threads and processes may share it.

    All verbs raise StorageError when the file cannot be read or written; those that people call also when something in
    it is damaged. `find` goes without the damaged sections and logs them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] | None = None
        self._keys: dict[str, AccessKey] = {}
        self._warned: frozenset[str] = frozenset()

    def find(self, access_key_id: str) -> AccessKey | None:
        with self._lock:
            self._refresh()
            return self._keys.get(access_key_id)

    def list(self) -> Sequence[AccessKey]:
        return self._sound().keys

    def get(self, name: str) -> AccessKey:
        """The key of this name or access key id; NotFoundError when there is none."""
        return _found(self._read(), name, self.path)

    def ensure_default(self, region: str = _REGION) -> None:
        """Makes the file with a first key, `default`, which may do everything; leaves one that is there as it is."""
        with locked(self.path.parent):
            if not self.path.exists():
                self._write(_HEAD + section_of(_new_key(_DEFAULT, KeyScope.ALL, ("*",)), region))

    def create(self, name: str, scope: KeyScope, collections: Sequence[str]) -> AccessKey:
        _check(name, collections)
        with locked(self.path.parent):
            file = self._sound()
            if any(name in (key.name, key.access_key_id) for key in file.keys):
                raise ConflictError(f"there is a key {name!r} already; revoke it first, or choose another name")
            key = _new_key(name, scope, tuple(dict.fromkeys(collections)))
            text = file.text.replace(_ALL_REVOKED, "") or _HEAD
            self._write(f"{text.rstrip()}\n{section_of(key, file.region or _REGION)}")
        return key

    def revoke(self, name: str) -> AccessKey:
        """As the port says. Damage elsewhere in the file is no hindrance."""
        with locked(self.path.parent):
            file = self._read()
            key = _found(file, name, self.path)
            text = file.without(key)
            self._write(text if parse(text).sections else f"{text.rstrip()}\n{_ALL_REVOKED}".lstrip())
        return key

    def _sound(self) -> KeyFile:
        file = self._read()
        _raise_damage(file, self.path)
        return file

    def _refresh(self) -> None:
        status = self._status()
        stamp = _stamp(status)
        if stamp is not None and stamp == self._stamp:
            return
        file = self._read()
        self._keys = {key.access_key_id: key for key in file.keys}
        # Two changes within one tick of the file system's clock look like one: a fresh file is read again.
        self._stamp = stamp if stamp is not None and time.time_ns() - max(stamp[2:]) > _SETTLED_NS else None
        warnings = {f"{self.path}: {problem}; mend or delete that, nobody can use it" for problem in file.problems}
        if status is not None and status.st_mode & 0o077 and sys.platform != "win32":
            warnings.add(f"{self.path} can be read by other users of this machine; run chmod 600 on it")
        self._warn(frozenset(warnings))

    def _warn(self, warnings: frozenset[str]) -> None:
        """Each once, and again when it was mended in between."""
        for warning in sorted(warnings - self._warned):
            _LOG.warning("%s", warning)
        self._warned = warnings

    def _status(self) -> os.stat_result | None:
        try:
            return self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(self.path, error.strerror) from error

    def _read(self) -> KeyFile:
        status = self._status()
        if status is None:
            return parse("")
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
            raise _unreadable(self.path, f"it is no file of at most {_MAX_BYTES:,} bytes")
        try:
            # Bytes that are not UTF-8 go through as they are, so that the sections around them keep working.
            return parse(self.path.read_bytes().decode("utf-8", "surrogateescape"))
        except FileNotFoundError:
            return parse("")
        except OSError as error:
            raise _unreadable(self.path, error.strerror) from error

    def _write(self, text: str) -> None:
        place = self.path.resolve()  # a link stays one
        partial = place.with_name(f"{place.name}.partial")
        try:
            partial.unlink(missing_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(text.encode("utf-8", "surrogateescape"))
                opened.flush()
                os.fsync(descriptor)
            partial.replace(place)
            _sync(place.parent)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise StorageError(
                f"cannot write {self.path}: {error.strerror}; run as the user who owns its directory, "
                "with free space on the disk"
            ) from error


def _sync(folder: Path) -> None:
    """Makes a revocation survive a power cut, where the system can."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _stamp(status: os.stat_result | None) -> tuple[int, ...] | None:
    """What differs when the file does: inode, size, times in ns; None without a file."""
    return status and (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _found(file: KeyFile, name: str, path: Path) -> AccessKey:
    key = next((key for key in file.keys if name in (key.name, key.access_key_id)), None)
    if key is None:
        _raise_damage(file, path)
        raise NotFoundError(f"there is no key {name!r}; `faceline keys` lists them")
    return key


def _raise_damage(file: KeyFile, path: Path) -> None:
    if file.problems:
        raise StorageError(f"{path}: {'; '.join(file.problems)}: mend or delete that, the other keys work")


def _check(name: str, collections: Sequence[str]) -> None:
    if not is_name(name):
        raise UsageError(
            f"{name!r} cannot name a key: use up to 64 letters, digits, dots, hyphens and underscores, and not DEFAULT"
        )
    bad = next((pattern for pattern in collections if not is_pattern(pattern)), None)
    if bad is not None or not collections:
        raise UsageError(
            f"{bad or ''!r} names no collection: use letters, digits, dots, hyphens, underscores, and * for any of them"
        )


def _new_key(name: str, scope: KeyScope, collections: tuple[str, ...]) -> AccessKey:
    """20 characters and 40, of which 17 and 40 are random (85 and 240 bits), shaped like those of AWS."""
    access_key_id = "FLK" + "".join(secrets.choice(_ID_LETTERS) for _ in range(17))
    return AccessKey(name, access_key_id, secrets.token_urlsafe(30), scope, collections)


def _unreadable(path: Path, reason: str | None) -> StorageError:
    return StorageError(f"cannot read {path}: {reason}; run as the user who made it, or put the key file back")
