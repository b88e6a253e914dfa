"""The list of erasures: one JSON line each, with keyed hashes for names and ids; and what is left of one in hand."""

import json
import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faceline.erasure import Receipt
from faceline.local.keyed import Keyed, read_key

KEY, LIST = "erasure.key", "erasures.jsonl"


class Erasures:
    """Implements `erasure.Journal` in a data directory: `erasures.jsonl`, and `erasing.<hash>` while one is in hand."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def keyed(self) -> Keyed:
        return read_key(self._directory / KEY)

    def exists(self) -> bool:
        """Whether there is a list that can be read: without its key it says nothing."""
        return (self._directory / KEY).is_file()

    def begin(self, name: str, plan: str) -> None:
        path = self._open_path(name)
        partial = path.with_name(f"{path.name}.partial")
        _write(partial, self.keyed.sealed(name, plan.encode()))
        partial.replace(path)

    def begun(self, name: str) -> str | None:
        path = self._open_path(name)
        sealed = path.read_bytes() if path.exists() else b""
        plan = self.keyed.opened(name, sealed) if sealed else None
        return None if plan is None else plan.decode()

    def end(self, name: str, ids: Iterable[str], collections: Sequence[str], removed: dict[str, int]) -> Receipt:
        keyed = self.keyed
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        hashes = sorted({keyed.hashed(word) for word in ids})
        receipt = Receipt(f"er-{secrets.token_hex(6)}", now, keyed.hashed(name), tuple(collections), removed, hashes)
        append_line(self._directory / LIST, receipt.document())
        self.drop(name)
        return receipt

    def drop(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._open_path(name).unlink()

    def of(self, name: str) -> Sequence[Receipt]:
        person = self.keyed.hashed(name)
        return [receipt for receipt in self.all() if receipt.person == person]

    def all(self) -> Sequence[Receipt]:
        return [Receipt.of(document) for document in read_lines(self._directory / LIST)]

    def unfinished(self) -> int:
        return sum(not path.name.endswith(".partial") for path in self._directory.glob("erasing.*"))

    def _open_path(self, name: str) -> Path:
        return self._directory / f"erasing.{self.keyed.hashed(name)}"


def append_line(path: Path, document: dict[str, Any]) -> None:
    """One JSON object as a line, in one write, so that lines of several processes do not mix; synced."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # Behind a line that a killed process did not finish.
        size = os.fstat(descriptor).st_size
        start = b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""
        os.write(descriptor, start + json.dumps(document, ensure_ascii=False).encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of such a file, oldest first; a line that a killed process did not finish is left out."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError):
            document = json.loads(line)
            found += [document] if isinstance(document, dict) else []
    return found


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
