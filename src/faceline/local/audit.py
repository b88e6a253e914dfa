"""The audit log: who did what, when, to which collection. No images, no vectors, people only as keyed hashes.

One JSON line an entry, appended and never changed, a file a month: `<data>/audit/2026-01.jsonl`.
"""

import getpass
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faceline.local.erasures import append_line, read_lines
from faceline.local.keyed import Keyed

FOLDER = "audit"


@dataclass(frozen=True, slots=True)
class Entry:
    """time: UTC ISO 8601. actor: `user:<name>`, `up`, or `key:<access key id>`. action: a verb.

    person: keyed hash of a name. count: of faces or objects. detail: whatever else belongs to it, never a name.
    """

    time: str
    actor: str
    action: str
    collection: str | None = None
    person: str | None = None
    count: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


class AuditLog:
    """Of one data directory; any process may append."""

    def __init__(self, directory: Path, keyed: Keyed) -> None:
        self._folder, self._keyed = directory / FOLDER, keyed

    def note(
        self,
        actor: str,
        action: str,
        collection: str | None = None,
        person: str | None = None,
        count: int | None = None,
        detail: Mapping[str, str | float | None] | None = None,
    ) -> None:
        """person: a name, which is hashed."""
        now = datetime.now(UTC)
        hashed = None if person is None else self._keyed.hashed(person)
        entry = Entry(
            now.isoformat(timespec="milliseconds"), actor, action, collection, hashed, count, dict(detail or {})
        )
        self._folder.mkdir(mode=0o700, exist_ok=True)
        document = {key: value for key, value in asdict(entry).items() if value not in (None, {})}
        append_line(self._folder / f"{now:%Y-%m}.jsonl", document)

    def entries(self, since: str | None = None, person: str | None = None) -> Iterator[Entry]:
        """Oldest first. since: UTC ISO 8601, inclusive. person: a name."""
        hashed = None if person is None else self._keyed.hashed(person)
        for path in sorted(self._folder.glob("*.jsonl")):
            if since and path.stem < since[:7]:
                continue
            for document in read_lines(path):
                entry = Entry(**document)
                if (since is None or entry.time >= since) and hashed in (None, entry.person):
                    yield entry


def user() -> str:
    """Who runs this process, for `actor`."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
