"""JSON documents copied to Parquet, for queries to read faster. The JSON stays what counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from faceline.analytics.lake import Compacted
from faceline.analytics.parts import Parts
from faceline.analytics.sources import Sources, settled
from faceline.errors import MissingExtraError, StorageError

if TYPE_CHECKING:
    from faceline.analytics.tables import Tables

_PART_ROWS = 100_000
_MOST_PARTS = 16


def compacted(table: str, parts: Parts, sources: Sources, memory_mb: int) -> Compacted:
    """Brings a table's Parquet files up to date. Raises MissingExtraError without DuckDB, StorageError."""
    present = settled(sources.present(table))
    tables = _tables(memory_mb)
    try:
        for listing in sources.listings(table, present):
            tables.list(listing)
        old = parts.paths()
        kept, dropped = _cleaned(tables, table, parts, old, ())
        added = 0
        for rows in sources.rows(table, present, tables.missing(table, kept), []):
            tables.add(rows)
            added += len(rows.lines)
            kept += _written(tables, table, parts, _PART_ROWS)
        kept += _written(tables, table, parts, 1)
        if len(kept) > _MOST_PARTS:
            merged = parts.fresh()
            tables.copy(f"SELECT part.* {tables.living(table, kept)}", merged)
            kept = [merged]
        if kept != old:
            parts.keep(kept)
    finally:
        tables.close()
    return Compacted(table, added, dropped, len(kept), parts.size_bytes())


def tidied(table: str, parts: Parts, sources: Sources, words: Sequence[str], memory_mb: int) -> int:
    """Takes documents that changed, are gone, or say one of the words out of Parquet; returns how many."""
    old = parts.paths()
    if not old:
        parts.keep([])  # what a writer that died may have left
        return 0
    try:
        tables = _tables(memory_mb)
    except MissingExtraError:
        parts.keep([])  # they are copies: without DuckDB all of them go
        return len(old)
    try:
        for listing in sources.listings(table, sources.present(table)):
            tables.list(listing)
        kept, dropped = _cleaned(tables, table, parts, old, words)
        parts.keep(kept)
    finally:
        tables.close()
    return dropped


def _cleaned(
    tables: "Tables", table: str, parts: Parts, old: Sequence[Path], words: Sequence[str]
) -> tuple[list[Path], int]:
    """The parts with only what holds, written again where something else was in them; how much that was."""
    kept: list[Path] = []
    dropped = 0
    for path in old:
        living = tables.living(table, [path], words)
        rows, left = tables.count(f"FROM read_parquet({tables.paths([path])})"), tables.count(living)
        dropped += rows - left
        if rows == left:
            kept.append(path)
        elif left:
            kept.append(parts.fresh())
            tables.copy(f"SELECT part.* {living}", kept[-1])
    return kept, dropped


def _written(tables: "Tables", table: str, parts: Parts, from_rows: int) -> list[Path]:
    """A part of what was added, when that is `from_rows` or more."""
    if tables.count(f"FROM lake.{table}") < from_rows:
        return []
    path = parts.fresh()
    tables.copy(f"FROM lake.{table}", path)
    tables.run(f"TRUNCATE lake.{table}")
    return [path]


def _tables(memory_mb: int) -> "Tables":
    try:
        from faceline.analytics.tables import Tables  # noqa: PLC0415 - needs DuckDB

        return Tables(memory_mb)
    except ImportError as error:
        raise MissingExtraError("Parquet copies need DuckDB: pip install duckdb") from error
    except MemoryError as error:
        raise StorageError("there is no memory for DuckDB; close other programs, and try again") from error
