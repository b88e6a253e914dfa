"""Directories reached one part at a time, without ever following a link."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from faceline.errors import ConflictError, NotFoundError, ObjectKeyError
from faceline.object_keys import TEMP_PREFIX

# Where the system can open a name relative to an open directory, nobody can swap a parent for a link in between.
# Elsewhere (Windows) each part is looked at just before it is used.
_RELATIVE = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_FOLDER = getattr(os, "O_DIRECTORY", 0) | _NO_FOLLOW | os.O_RDONLY
_READ = os.O_RDONLY | _NO_FOLLOW | _BINARY | getattr(os, "O_NONBLOCK", 0)  # a pipe must not make us wait
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _BINARY


class Stamp(NamedTuple):
    """What tells that a file's bytes are the same as before without reading them. size: bytes."""

    size: int
    mtime_ns: int
    inode: int


def stamp_of(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder. status: of the name itself, not of what a link points to."""

    name: str
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.status.st_mode)


@dataclass(frozen=True, slots=True)
class Folder:
    """An open directory. path: to work with where the system has no descriptors for it. place: below the root, for
    messages, which clients may read.
    """

    path: Path
    descriptor: int | None
    place: str = ""

    def child(self, name: str, create: bool = False) -> "Folder":
        """The folder `name` in this one; the caller closes it.

        Raises NotFoundError when it is absent, ObjectKeyError for a link, ConflictError for a file.
        """
        if create:
            self._make(name)
        self._check_folder(name)
        return open_folder(self.path / name, *self._at(name), self.placed(name))

    def read(self, name: str) -> int:
        """A descriptor of the file `name`; NotFoundError when it is absent or a folder, ObjectKeyError for a link."""
        status = self.status(name)
        if stat.S_ISLNK(status.st_mode):
            raise ObjectKeyError(f"{self.placed(name)} is a link; links inside buckets are refused, put the file there")
        if not stat.S_ISREG(status.st_mode):
            raise NotFoundError(f"{self.placed(name)} is not a file")
        path, at = self._at(name)
        return os.open(path, _READ, dir_fd=at)

    def create_temporary(self) -> tuple[str, int]:
        """The name and descriptor of a new file that listings leave out."""
        name = f"{TEMP_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
        path, at = self._at(name)
        return name, os.open(path, _CREATE, 0o666, dir_fd=at)

    def status(self, name: str) -> os.stat_result:
        path, at = self._at(name)
        return os.stat(path, dir_fd=at, follow_symlinks=False)

    def rename(self, source: str, target: str) -> None:
        """Puts the file `source` in the place of `target`, for good once this returns."""
        source_path, at = self._at(source)
        os.replace(source_path, self._at(target)[0], src_dir_fd=at, dst_dir_fd=at)
        self.sync()

    def unlink(self, name: str) -> None:
        path, at = self._at(name)
        os.unlink(path, dir_fd=at)

    def sync(self) -> None:
        """Makes the names in this folder survive a power cut, where the system can."""
        if self.descriptor is not None:
            os.fsync(self.descriptor)

    def entries(self) -> list[Entry]:
        """By name, a folder's taken with a slash at its end, so that whole keys come in order."""
        with os.scandir(self.path if self.descriptor is None else self.descriptor) as found:
            names = [entry.name for entry in found]
        entries = []
        for name in names:
            try:
                entries.append(Entry(name, self.status(name)))
            except FileNotFoundError:
                continue  # gone since the listing
        return sorted(entries, key=lambda entry: f"{entry.name}/" if entry.is_folder else entry.name)

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)

    def placed(self, name: str) -> str:
        """The name with the folders before it, from the root on."""
        return f"{self.place}/{name}" if self.place else name

    def _at(self, name: str) -> tuple[str, int | None]:
        return (str(self.path / name), None) if self.descriptor is None else (name, self.descriptor)

    def _make(self, name: str) -> None:
        path, at = self._at(name)
        try:
            os.mkdir(path, dir_fd=at)
        except FileExistsError:
            return
        self.sync()

    def _check_folder(self, name: str) -> None:
        # For the message only: the opening itself refuses links, even one made after this look.
        status = self.status(name)
        if stat.S_ISLNK(status.st_mode):
            raise ObjectKeyError(f"{self.placed(name)} is a link; links inside buckets are refused")
        if not stat.S_ISDIR(status.st_mode):
            raise ConflictError(f"{self.placed(name)} is an object, so no key can continue below it; delete it first")


def open_folder(path: Path, name: str, at: int | None, place: str = "") -> Folder:
    """The directory `name` below the descriptor `at`, or at `path` where there are no such descriptors."""
    return Folder(path, os.open(name, _FOLDER, dir_fd=at) if _RELATIVE else None, place)


@contextmanager
def walk(root: Path, parts: tuple[str, ...], create: bool = False) -> Iterator[Folder]:
    """The folder `parts` below `root`, made on the way when `create`; `root` itself may be a link."""
    folder = open_folder(root, str(root.resolve()), None)
    try:
        for part in parts:
            child = folder.child(part, create)
            folder.close()
            folder = child
        yield folder
    finally:
        folder.close()
