"""All that was found, as tables: from records, from the JSON in the buckets, from Parquet where it was copied."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from faceline.analytics import messages
from faceline.analytics.asking import Engine, Limits, Table, ask
from faceline.analytics.parts import Parts
from faceline.analytics.sources import Sources, record_rows
from faceline.analytics.views import KINDS
from faceline.erasure import Gone
from faceline.errors import UsageError
from faceline.ports import Record


@dataclass(frozen=True, slots=True)
class Answer:
    """read: how many documents had to be read as JSON. unreadable: how many of them were none."""

    table: Table
    read: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """added, dropped: documents. parts, size_bytes: the files after that."""

    table: str
    added: int
    dropped: int
    parts: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Lake:
    """root: where the Parquet copies are; it need not exist. locked: one process at a time in that folder.

    records: all of them, some at a time.
    """

    root: Path
    sources: Sources
    records: Callable[[], Iterable[Sequence[Record]]]
    locked: Callable[[Path], AbstractContextManager[None]]
    limits: Limits

    def query(self, sql: str, limit: int = 1000) -> Answer:
        """The first `limit` rows that a SELECT gives.

        Raises UsageError for what is no such query or takes too long or too much memory; MissingExtraError.
        """
        if not sql.strip():
            raise UsageError("the query is empty; write a SELECT, as in: SELECT * FROM records")
        counted = _Counted()
        table = ask(sql, limit, self.limits, lambda engine, wanted: self._fill(engine, wanted, counted))
        return Answer(table, counted.read, len(counted.unreadable))

    def compact(self) -> list[Compacted]:
        """Copies what is new to Parquet, and takes what changed or is gone out of it. Raises MissingExtraError."""
        from faceline.analytics.compaction import compacted  # noqa: PLC0415 - needs DuckDB

        self.root.mkdir(mode=0o700, exist_ok=True)
        with self.locked(self.root):
            return [
                compacted(table, self.parts(table), self.sources, self.limits.memory_mb)
                for table, kind in KINDS.items()
                if kind.copied
            ]

    def forget(self, gone: Gone) -> int:
        """As of `erasure.Forgets`: takes all that says one of the person's words out of the Parquet copies.

        Called when the JSON is clean: what says nothing of the person then is copied again by the next `compact`.
        """
        buckets = {place.bucket for place in self.sources.places.values()}
        parted = [source.partition("/") for source in gone.sources]
        keys = {key for bucket, _, key in parted if bucket in buckets}
        return self._tidied(sorted(gone.words | gone.sources | keys))

    def tidy(self) -> int:
        """Takes what changed or is gone out of the Parquet copies; returns how many documents."""
        return self._tidied([])

    def parts(self, table: str) -> Parts:
        return Parts(self.root / table)

    def _tidied(self, words: Sequence[str]) -> int:
        if not self.root.is_dir():
            return 0
        from faceline.analytics.compaction import tidied  # noqa: PLC0415 - needs DuckDB, if there is anything to do

        with self.locked(self.root):
            copied = [table for table, kind in KINDS.items() if kind.copied]
            return sum(tidied(t, self.parts(t), self.sources, words, self.limits.memory_mb) for t in copied)

    def _fill(self, engine: Engine, wanted: Sequence[str], counted: "_Counted") -> None:
        with self.locked(self.root) if self.root.is_dir() else nullcontext():
            for table in wanted:
                if KINDS[table].copied:
                    self._tell(engine, table, counted)
        if "records" in wanted:
            for records in self.records():
                engine.tell(record_rows(records))
        if counted.unreadable:
            engine.tell(messages.Unreadable(counted.unreadable))

    def _tell(self, engine: Engine, table: str, counted: "_Counted") -> None:
        present = self.sources.present(table)
        bucket = self.sources.places[table].bucket
        counted.unreadable += [(bucket, key, reason) for key, reason in present.refused]
        for listing in self.sources.listings(table, present):
            engine.tell(listing)
        engine.tell(messages.Parts(table, [str(path) for path in self.parts(table).paths()]))
        missing = engine.hear()
        assert isinstance(missing, messages.Missing)
        for rows in self.sources.rows(table, present, missing.keys, counted.unreadable):
            engine.tell(rows)
            counted.read += len(rows.lines)


class _Counted:
    def __init__(self) -> None:
        self.read = 0
        self.unreadable: list[tuple[str, str, str]] = []
