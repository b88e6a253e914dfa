"""Buckets as directories: `<root>/<bucket>/<key>`, every object one ordinary file that people may drop in or take out.

A folder stays when its last object is deleted, so that people can go on dropping files into it.
"""

import errno
import hashlib
import io
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from faceline.errors import ConflictError, InputError, NotFoundError, ObjectKeyError, StorageError
from faceline.local.folders import Entry, Folder, Stamp, stamp_of, walk
from faceline.local.index import ObjectIndex
from faceline.object_keys import TEMP_PREFIX, check_bucket, check_key
from faceline.ports import ObjectInfo

_PIECE_BYTES = 1 << 18
_log = logging.getLogger("faceline.local.objects")
_CHUNK = 1 << 20
# A file written within one tick of the clock before it was read may change again under the same stamp.
_CLOCK_TICK_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """A name met in a bucket. refusal: why it is not an object; empty for an object."""

    key: str
    stamp: Stamp
    refusal: str = ""


class Objects:
    """Implements `ports.ObjectStore`. `put` makes the bucket when there is none.

    Raises ConflictError when a key would have to be a file and a folder at once, StorageError when the disk refuses,
    InputError when the stream to be stored breaks off.
    """

    def __init__(self, root: Path, index: ObjectIndex) -> None:
        self.root, self.index = root, index

    def put(self, bucket: str, key: str, data: bytes | BinaryIO) -> ObjectInfo:
        *folders, name = check_key(key)
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        try:
            with _reported(bucket, key), walk(self.root, (check_bucket(bucket), *folders), create=True) as folder:
                etag, status = _write(folder, name, stream)
        except NotFoundError as error:  # else whoever worked on an upload would take that for gone
            raise StorageError(f"cannot write {bucket}/{key}: its folder is being taken away; try again") from error
        self.index.remember(bucket, key, stamp_of(status), etag)
        return _info(bucket, key, etag, status)

    def get(self, bucket: str, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes]:
        with self._opened(bucket, key) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(max_bytes + 1) if size <= max_bytes else b""
            if size > max_bytes or len(data) > max_bytes:
                raise InputError(f"{bucket}/{key} has {size:,} bytes, at most {max_bytes:,} are read here")
            status = os.fstat(file.fileno())
        # Of the bytes that are returned, whatever happened to the file meanwhile.
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return _info(bucket, key, etag, status), data

    def head(self, bucket: str, key: str) -> ObjectInfo:
        with self._opened(bucket, key) as file:
            status = os.fstat(file.fileno())
            etag = self.index.etag(bucket, key, stamp_of(status)) or self._examine(bucket, key, file)
            return _info(bucket, key, etag, status)

    def stream(self, bucket: str, key: str, start: int = 0) -> Iterator[bytes]:
        with self._opened(bucket, key) as file:
            file.seek(start)
            while piece := file.read(_PIECE_BYTES):
                yield piece

    def delete(self, bucket: str, key: str) -> None:
        *folders, name = check_key(key)
        check_bucket(bucket)
        try:
            with _reported(bucket, key), walk(self.root, (bucket, *folders)) as folder:
                if not Entry(name, folder.status(name)).is_folder:
                    folder.unlink(name)
                    folder.sync()
        except (NotFoundError, ConflictError):
            _log.debug("nothing to delete", extra={"bucket": bucket, "key": key})
        self.index.forget(bucket, key)

    def make_bucket(self, bucket: str, prefix: str = "") -> None:
        """Makes the bucket's folder, with the folders of `prefix` in it; what is there already is left as it is."""
        parts = check_key(prefix.rstrip("/")) if prefix else ()
        with _reported(bucket, prefix), walk(self.root, (check_bucket(bucket), *parts), create=True):
            return

    def scan(self, bucket: str, prefix: str = "") -> Iterator[Found]:
        """Every name under `prefix`, by key, without reading any file; NotFoundError when there is no bucket."""
        return self._below(bucket, self._entries(bucket), prefix)

    def look(self, bucket: str, key: str) -> Iterator[Found]:
        """The object `key`, or everything below it when it is a folder, without reading any file."""
        *folders, name = check_key(key)
        with _reported(bucket, key), walk(self.root, (check_bucket(bucket), *folders)) as folder:
            entry = Entry(name, folder.status(name))
        return self._below(bucket, [(key, entry)], "")

    def sweep(self, older_than_s: float = 3600) -> int:
        """Deletes what writers that died left behind, in all buckets; returns how many files."""
        swept = 0
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder) / name
                if name.startswith(TEMP_PREFIX) and _age_s(path) > older_than_s:
                    with _reported(folder, name):
                        path.unlink(missing_ok=True)
                    swept += 1
        return swept

    def _below(self, bucket: str, entries: list[tuple[str, Entry]], prefix: str) -> Iterator[Found]:
        # No recursion and no folder kept open: a key may be 500 folders deep.
        waiting = entries[::-1]
        while waiting:
            key, entry = waiting.pop()
            refusal = _refusal(entry, key)
            if entry.is_folder and not refusal:
                try:
                    waiting += self._entries(bucket, key)[::-1] if _may_hold(key, prefix) else []
                except StorageError as error:
                    yield Found(key, stamp_of(entry.status), str(error))
                except (NotFoundError, ConflictError, ObjectKeyError):
                    continue  # it was moved away since it was listed, or something else stands in its place
            elif key.startswith(prefix) and not entry.name.startswith(TEMP_PREFIX):
                yield Found(key, stamp_of(entry.status), refusal)

    def _entries(self, bucket: str, key: str = "") -> list[tuple[str, Entry]]:
        parts = check_key(key) if key else ()
        with _reported(bucket, key), walk(self.root, (check_bucket(bucket), *parts)) as folder:
            return [(f"{key}/{entry.name}" if key else entry.name, entry) for entry in folder.entries()]

    @contextmanager
    def _opened(self, bucket: str, key: str) -> Iterator[io.BufferedReader]:
        *folders, name = check_key(key)
        check_bucket(bucket)
        with _reported(bucket, key):
            try:
                with walk(self.root, (bucket, *folders)) as folder:
                    descriptor = folder.read(name)
            except ConflictError as error:
                raise NotFoundError(f"there is no object {bucket}/{key}") from error
            with os.fdopen(descriptor, "rb") as file:
                yield file

    def _examine(self, bucket: str, key: str, file: io.BufferedReader) -> str:
        before, started_ns = stamp_of(os.fstat(file.fileno())), time.time_ns()
        etag = hashlib.file_digest(file, _md5).hexdigest()
        settled = stamp_of(os.fstat(file.fileno())) == before and started_ns - before.mtime_ns > _CLOCK_TICK_NS
        if settled:
            self.index.remember(bucket, key, before, etag)
        return etag

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Links, and names that no key may have, are left out; NotFoundError when there is no bucket."""
        for found in self.scan(bucket, prefix):
            if found.refusal:
                continue
            try:
                yield self.head(bucket, found.key)
            except NotFoundError:
                continue  # deleted since the scan


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


def _write(folder: Folder, name: str, stream: BinaryIO) -> tuple[str, os.stat_result]:
    """Writes a file beside its place, syncs it and moves it there; returns its etag."""
    temporary, descriptor = folder.create_temporary()
    digest = _md5()
    try:
        with os.fdopen(descriptor, "wb") as file:
            for chunk in _chunks(stream):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(descriptor)
            status = os.fstat(descriptor)
        folder.rename(temporary, name)
    except BaseException as error:
        with suppress(FileNotFoundError):  # it was renamed, and what failed is the sync after that
            folder.unlink(temporary)
        if isinstance(error, IsADirectoryError):
            raise ConflictError(
                f"{folder.placed(name)} is a folder; delete what is below it and the folder first"
            ) from error
        raise
    return digest.hexdigest(), status


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while True:
        try:
            chunk = stream.read(_CHUNK)
        except OSError as error:  # the sender's trouble, not the disk's
            raise InputError(f"the bytes to be stored stopped coming: {error}") from error
        if not chunk:
            return
        yield chunk


def _may_hold(folder: str, prefix: str) -> bool:
    return f"{folder}/".startswith(prefix) or prefix.startswith(f"{folder}/")


def _refusal(entry: Entry, key: str) -> str:
    if entry.is_link:
        return "links inside buckets are refused; put the file itself there"
    if not entry.is_file and not entry.is_folder:
        return "it is neither a file nor a folder"
    try:
        check_key(key)
    except ObjectKeyError as error:
        return str(error)
    return ""


def _info(bucket: str, key: str, etag: str, status: os.stat_result) -> ObjectInfo:
    modified_at = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="milliseconds")
    return ObjectInfo(bucket=bucket, key=key, etag=etag, size=status.st_size, modified_at=modified_at)


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0


@contextmanager
def _reported(bucket: str, key: str) -> Iterator[None]:
    """The system's errors about one object in faceline's words."""
    place = f"{bucket}/{key}" if key else bucket
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no {place}") from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise ObjectKeyError(f"{place!r} is refused: {error.strerror}") from error
        advice = "free some space" if error.errno == errno.ENOSPC else "check its permissions and the disk"
        raise StorageError(f"cannot use {place}: {error.strerror}; {advice}") from error
