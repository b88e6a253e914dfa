"""The Parquet files of one table, and the list that says which of them count."""

import json
import logging
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faceline.analytics.views import VERSION
from faceline.errors import StorageError

_LIST = "parts.json"
_log = logging.getLogger("faceline.analytics.parts")


@dataclass(frozen=True, slots=True)
class Parts:
    """A folder of them. A file that is not on the list is none: a writer died before it could put it there."""

    folder: Path

    def paths(self) -> list[Path]:
        """Those that count, oldest first. Of another version, or with a damaged list, none: they are made anew."""
        try:
            listed = json.loads((self.folder / _LIST).read_text(encoding="utf-8"))
            names = [str(name) for name in listed["parts"]] if listed["version"] == VERSION else []
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._refused(error) from error
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("the list of Parquet files is damaged, they are made anew: %s", error)
            return []
        return [self.folder / name for name in names if (self.folder / name).is_file()]

    def fresh(self) -> Path:
        """Where another one may be written; it counts once `keep` has it."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._refused(error) from error
        return self.folder / f"part-{secrets.token_hex(8)}.parquet"

    def keep(self, paths: Sequence[Path]) -> None:
        """Makes these the ones that count, in one step, and deletes every other file of the folder."""
        if not self.folder.is_dir():
            return
        names = [path.name for path in paths]
        try:
            for path in paths:
                _sync(path)
            partial = self.folder / f"{_LIST}.partial"
            partial.write_text(json.dumps({"version": VERSION, "parts": names}), encoding="utf-8")
            _sync(partial)
            partial.replace(self.folder / _LIST)
            for path in self.folder.iterdir():
                if path.name not in (*names, _LIST):
                    path.unlink(missing_ok=True)
            _sync(self.folder)
        except OSError as error:
            raise self._refused(error) from error

    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.paths())

    def _refused(self, error: OSError) -> StorageError:
        return StorageError(f"cannot use {self.folder}: {error.strerror}; check its permissions and the disk")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
