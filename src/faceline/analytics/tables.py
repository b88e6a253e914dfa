"""DuckDB in memory with the tables of `views`, and how they are filled. Nothing is ever spilled to the disk."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from faceline.analytics.messages import Listing, Rows
from faceline.analytics.views import STAMP, UNREADABLE, statements, structure
from faceline.erasure import spelled
from faceline.errors import StorageError
from faceline.files import as_pattern

_SAME = " AND ".join(f"part.{column} = now.{column}" for column in ("bucket", "key", *STAMP))
_MAX_THREADS = 4
_WORDS = 100  # in one regular expression


class Tables:
    """One database. memory_mb: how much DuckDB may take for all that is in it and all that it does."""

    def __init__(self, memory_mb: int) -> None:
        config = {"memory_limit": f"{memory_mb}MiB", "temp_directory": "", "autoinstall_known_extensions": "false"}
        self.connection = duckdb.connect(":memory:", config={**config, "autoload_known_extensions": "false"})
        if int(self.one("SELECT current_setting('threads')")) > _MAX_THREADS:
            self.run(f"SET threads = {_MAX_THREADS}")
        self.run("SET TimeZone = 'UTC'")
        # No name of ours that happens to stand in a query becomes a table.
        self.run("SET python_enable_replacements = false")
        for statement in statements():
            self.run(statement)
        self.run("CREATE TABLE lake.present (tab VARCHAR, bucket VARCHAR, key VARCHAR, size BIGINT, mtime_ns BIGINT, "
                 "inode UBIGINT)")  # fmt: skip

    def close(self) -> None:
        self.connection.close()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, list(parameters)).fetchall()

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        return self.run(sql, parameters)[0][0]

    def list(self, listing: Listing) -> None:
        """Notes which documents are there now."""
        self._insert(f"lake.present SELECT {_text(listing.table)}, {_text(listing.bucket)}, *", _stamps(listing))

    def take(self, table: str, parts: Sequence[Path]) -> None:
        """The documents of the parts which are there now, as they are now."""
        self.run(f"INSERT INTO lake.{table} SELECT part.* {self.living(table, parts)}")

    def living(self, table: str, parts: Sequence[Path], without: Sequence[str] = ()) -> str:
        """`FROM …`: what of the parts, called `part`, holds for what was listed and says none of the words."""
        says = "part.bucket || '/' || part.key || to_json(part.doc)::VARCHAR"
        rules = [f"NOT regexp_matches({says}, {_text(any_of)})" for any_of in _patterns(without)]
        present = f"SEMI JOIN lake.present now ON now.tab = {_text(table)} AND {_SAME}"
        return f"FROM read_parquet({self.paths(parts)}) part {present} WHERE {' AND '.join(rules) or 'true'}"

    def missing(self, table: str, parts: Sequence[Path] | None = None) -> Sequence[str]:
        """Keys of documents that were listed and are not in the parts; None: not in the table."""
        held = f"lake.{table}" if parts is None else f"read_parquet({self.paths(parts)})"
        among = f"AND NOT EXISTS (FROM {held} part WHERE {_SAME})" if parts or parts is None else ""
        sql = f"SELECT key FROM lake.present now WHERE tab = ? {among} ORDER BY key"  # noqa: S608
        return [row[0] for row in self.run(sql, [table])]

    def count(self, source: str) -> int:
        """source: `FROM …`."""
        return int(self.one(f"SELECT count(*) {source}"))

    def copy(self, rows: str, path: Path) -> None:
        """Writes Parquet. Raises StorageError when the disk refuses."""
        try:
            self.run(f"COPY ({rows}) TO {_text(str(path))} (FORMAT parquet, COMPRESSION zstd)")
        except duckdb.IOException as error:
            raise StorageError(f"cannot write {path}: {error}; check the disk and its free space") from error
        path.chmod(0o600)

    def paths(self, parts: Sequence[Path]) -> str:
        """What `read_parquet` is given to read these files and no others; folders like `a=1` add no column."""
        return f"[{', '.join(_pattern(part) for part in parts)}], hive_partitioning = false"

    def add(self, rows: Rows) -> None:
        listing = rows.listing
        columns = {"key": _texts(listing.keys), "etag": _texts(rows.etags), **_stamps(listing)}
        doc = f"from_json(line, {_text(structure(listing.table))})"
        selected = f"SELECT {_text(listing.bucket)}, key, etag, {', '.join(STAMP)}, {doc}"
        self._insert(f"lake.{listing.table} {selected}", columns | {"line": _texts(rows.lines)})

    def note(self, unreadable: Sequence[tuple[str, str, str]]) -> None:
        columns = zip(*unreadable, strict=True)
        names = ("bucket", "key", "reason")
        self._insert(f"{UNREADABLE} SELECT *", {name: _texts(c) for name, c in zip(names, columns, strict=True)})

    def lock(self) -> None:
        """From here on nothing can be read or written but what is in the tables."""
        self.run("DROP TABLE lake.present")
        self.run("SET enable_external_access = false")
        self.run("SET lock_configuration = true")

    def cursor(self) -> "closing[duckdb.DuckDBPyConnection]":
        return closing(self.connection.cursor())

    def _insert(self, into: str, columns: dict[str, Any]) -> None:
        self.connection.register("batch", columns)
        try:
            self.run(f"INSERT INTO {into} FROM batch")
        finally:
            self.connection.unregister("batch")


def _stamps(listing: Listing) -> dict[str, Any]:
    return {
        "key": _texts(listing.keys),
        "size": np.array(listing.sizes, dtype=np.int64),
        "mtime_ns": np.array(listing.mtimes_ns, dtype=np.int64),
        "inode": np.array(listing.inodes, dtype=np.uint64),
    }


def _texts(values: Sequence[str]) -> Any:
    return np.array(values, dtype=object)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _pattern(path: Path) -> str:
    """DuckDB takes names of files for patterns."""
    return _text(as_pattern(str(path)))


def _patterns(words: Sequence[str]) -> Iterator[str]:
    """Regular expressions that find the words in JSON, in any spelling; within other words too, which is no harm."""
    found = [spelled(json.dumps(word, ensure_ascii=False)[1:-1]) for word in words if word.strip()]
    for start in range(0, len(found), _WORDS):
        yield f"(?i){'|'.join(found[start : start + _WORDS])}"
