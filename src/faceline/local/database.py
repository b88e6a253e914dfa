"""SQLite as every store here needs it: opened, migrated, and its errors said in faceline's words at this one place.

Durability. The write-ahead log survives a killed process at any level. Against a power cut, a write is synced
(`synchronous=FULL`, about 2 ms on the disk it was measured on) unless the caller says `durable=False`, which is for
what at-least-once delivery repeats anyway: claims, leases, acknowledgements, marks. The log is replayed up to a point,
so a mark never outlives the write it followed.

Erasure. `secure_delete` overwrites a deleted row, but not the copies that SQLite left of it when it moved rows from one
page to another. They lie in the pages' gaps, between the cell pointers and the cells
(https://www.sqlite.org/fileformat2.html, section 1.6), until other rows happen to fill those. So the gaps are searched
for what was deleted, and only when something is there the file is rewritten (VACUUM). That this is owed is in the file,
as its `application_id`, from the deletion on: a process that is killed leaves it to the next opening or deletion.
"""

import logging
import os
import re
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from faceline import __version__
from faceline.errors import InputError, StorageError

Step = str | Callable[[sqlite3.Connection], None]
Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]

_log = logging.getLogger("faceline.local.database")

MAX_TRACES = 1000  # with more of them, looking for each takes about as long as VACUUM (docs/concepts/storage.md)
_CHUNK_PAGES = 256
_HEADER_BYTES = {2: 12, 5: 12, 10: 8, 13: 8}  # of b-tree pages, by their kind; the first byte of others is 0
_CHECK_S = 0.05  # between two looks at what another process is about to finish
_OWED_S = 1.0  # a deletion of another process is done by then, or it was killed at it

_ADVICE = {
    "SQLITE_BUSY": "another process holds it; wait for that one to finish, or stop it",
    "SQLITE_PROTOCOL": "too many processes opened it at once; try again",
    "SQLITE_FULL": "the disk is full; free some space and try again",
    "SQLITE_NOTADB": "it is not a SQLite database; move it away, or put its backup (.bak) in its place",
    "SQLITE_CORRUPT": "it is damaged; put its backup (.bak) in its place, or move it away to start afresh",
    "SQLITE_READONLY": "it may not be written; give this user write permission for the file and its folder",
    "SQLITE_CANTOPEN": "it cannot be opened; check that its folder exists and that this user may write there",
    "SQLITE_IOERR": "the disk failed to read or write; check the disk and its free space",
}


class Database:
    """One SQLite file, opened for all threads of this process; after a fork, open another.

    steps: all migrations of this file, oldest first. busy_s: how long a write waits for another process, in seconds.
    Raises StorageError when the file cannot be used.
    """

    def __init__(self, path: Path, steps: Sequence[Step], busy_s: float = 10.0) -> None:
        if sqlite3.sqlite_version_info < (3, 35):
            raise StorageError(f"SQLite {sqlite3.sqlite_version} is too old, 3.35 is needed; use a newer Python build")
        self.path, self._busy_s = path, busy_s
        self._connections: dict[int, sqlite3.Connection] = {}
        self._lock = threading.Lock()
        self._erasing = threading.Lock()
        self._descriptor: int | None = None
        self._closed = False
        try:
            with said(path):
                migrate(self._connection(), steps)
            self._settle()
        except BaseException:
            self.close()
            raise

    def rows(self, sql: str, parameters: Parameters = (), durable: bool = True) -> list[Row]:
        """Runs one statement by itself and returns its rows."""
        with said(self.path), _synced(self._connection(), durable) as connection:
            return connection.execute(sql, parameters).fetchall()

    def write(self, sql: str, parameters: Parameters = (), durable: bool = True) -> int:
        """Runs one statement by itself and returns how many rows it changed."""
        with said(self.path), _synced(self._connection(), durable) as connection:
            return connection.execute(sql, parameters).rowcount

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All statements in the block or, when it raises, none. Not to be nested."""
        with said(self.path), _transaction(self._connection()) as connection:
            yield connection

    @contextmanager
    def erasing(self) -> Iterator[tuple[sqlite3.Connection, list[bytes]]]:
        """As `transaction`, and then as `scrub` with the traces that the block put into the list; nothing if none."""
        traces: list[bytes] = []
        owed = False
        with self._erasing:
            with self.transaction() as connection:
                yield connection, traces
                if traces:
                    owed = _owe(connection)
            if traces:
                self._scrub(traces, owed)

    def scrub(self, traces: Sequence[bytes] = ()) -> None:
        """Takes what was deleted out of all files: the log, copies that SQLite left in the file, migrations' backups.

        traces: parts of the deleted rows as SQLite writes them, at least 4 bytes each, best in no other row. What
        cannot be done while others hold the file is logged as a warning and owed: see the module's text.
        """
        with self._erasing:
            with self.transaction() as connection:
                owed = _owe(connection)
            self._scrub(traces, owed)

    def checkpoint(self) -> bool:
        """Empties the write-ahead log into the file; False while somebody still reads it."""
        return not self.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]

    def close(self) -> None:
        """Closes the connections of all threads; later calls raise StorageError."""
        with self._lock:
            self._closed = True
            while self._connections:
                self._connections.popitem()[1].close()

    def _settle(self) -> None:
        """Erases what an earlier process owed."""
        deadline = time.monotonic() + _OWED_S
        while self.rows("PRAGMA application_id")[0][0]:
            if time.monotonic() > deadline:
                with self._erasing:
                    self._scrub((), owed=True)
                return
            time.sleep(_CHECK_S)

    def _scrub(self, traces: Sequence[bytes], owed: bool) -> None:
        try:
            self._empty_log()
            if owed or len(traces) > MAX_TRACES or self._holds(traces):
                self.rows("VACUUM")
                self._empty_log()
            _remove_backups(self.path)
            self.rows("PRAGMA application_id = 0", durable=False)
        except (StorageError, OSError) as error:
            _log.warning(
                "what was deleted from %s can still be read in its files: %s. "
                "This is tried again with the next deletion, and when the file is next opened",
                self.path,
                error,
            )

    def _empty_log(self) -> None:
        deadline = time.monotonic() + self._busy_s
        while not self.checkpoint():
            if time.monotonic() > deadline:
                raise StorageError(f"others read the write-ahead log of {self.path} all the while")
            time.sleep(_CHECK_S)

    def _holds(self, traces: Sequence[bytes]) -> bool:
        """Whether SQLite left one of the traces in a gap of the main file. Takes a megabyte of memory."""
        page_bytes = int(self.rows("PRAGMA page_size")[0][0])
        if self._descriptor is None:
            # Never closed, nor mapped into memory (a Python mmap closes a descriptor too): see _make_private.
            self._descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        first_header = 100  # the file's own is before it
        while chunk := os.read(self._descriptor, _CHUNK_PAGES * page_bytes):
            left = b"\0".join(gaps(chunk, page_bytes, first_header))
            if any(trace in left for trace in traces):
                return True
            first_header = 0
        return False

    def _connection(self) -> sqlite3.Connection:
        # By thread number: when a thread has ended, a new one with its number takes its connection over.
        number = threading.get_ident()
        with self._lock:
            if self._closed:
                raise StorageError(f"{self.path} was closed in this process; open it again")
            if number not in self._connections:
                self._connections[number] = _open(self.path, self._busy_s)
            return self._connections[number]


def migrate(connection: sqlite3.Connection, steps: Sequence[Step]) -> None:
    """Runs the steps that this file has not seen, all or none, after copying an older file to `<file>.v<N>.bak`.

    Raises StorageError when the file comes from a newer faceline.
    """
    if _version(connection) == len(steps):
        return
    with _transaction(connection):
        version = _version(connection)  # another process may have been first
        if version > len(steps):
            raise StorageError(
                f"{_file(connection)} has schema {version}, written by faceline {_writer(connection)}; this is "
                f"faceline {__version__} and knows schemas up to {len(steps)}: install that version or a newer one"
            )
        if version:
            _back_up(_file(connection), version)
        for step in steps[version:]:
            _run(connection, step)
        connection.execute("CREATE TABLE IF NOT EXISTS faceline_version (one INTEGER PRIMARY KEY, version TEXT)")
        connection.execute("INSERT OR REPLACE INTO faceline_version VALUES (1, ?)", (__version__,))
        connection.execute(f"PRAGMA user_version = {len(steps)}")


@contextmanager
def said(path: Path) -> Iterator[None]:
    """SQLite's errors about the file `path`, as StorageError with what to do. Mistakes in our SQL pass unchanged.

    A text that is not Unicode (a file name of another encoding) is an InputError.
    """
    try:
        yield
    except UnicodeEncodeError as error:
        raise InputError(f"{error.object!a} is not valid Unicode; rename it") from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        advice = next((text for start, text in _ADVICE.items() if name.startswith(start)), None)
        if advice is None and not str(error).startswith("no such"):
            raise
        advice = advice or "it lacks what faceline keeps in it; put its backup (.bak) in its place, or move it away"
        raise StorageError(f"cannot use {path}: {advice} (SQLite: {error})") from error


def _open(path: Path, busy_s: float) -> sqlite3.Connection:
    with said(path):
        _make_private(path)
        connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
        try:
            _switch_to_wal(connection, busy_s)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
        return connection


def _owe(connection: sqlite3.Connection) -> bool:
    """Notes within a transaction that something is to be erased; whether it was noted before."""
    before = connection.execute("PRAGMA application_id").fetchone()[0]
    connection.execute("PRAGMA application_id = 1")
    return bool(before)


def gaps(chunk: bytes, page_bytes: int, first_header: int) -> Iterator[bytes]:
    """What is between the cell pointers and the cells of each b-tree page, where it is not zero."""
    for start in range(0, len(chunk) - page_bytes + 1, page_bytes):
        header = start if start else first_header
        header_bytes = _HEADER_BYTES.get(chunk[header])
        if header_bytes:
            cells, content = struct.unpack_from(">HH", chunk, header + 3)
            gap = chunk[header + header_bytes + 2 * cells : start + (content or 65536)].strip(b"\0")
            if gap:
                yield gap


def _remove_backups(path: Path) -> None:
    backup = re.compile(rf"{re.escape(path.name)}\.v\d+\.bak(\.partial)?(-journal|-wal|-shm)?")
    for file in path.parent.iterdir():
        if backup.fullmatch(file.name):
            file.unlink(missing_ok=True)
            _log.info("removed %s: what was now deleted from %s is in it still", file, path.name)


def _make_private(path: Path) -> None:
    # SQLite would make it readable for others; its log files take the mode of the file. Never an existing file: closing
    # any descriptor of it drops this process's locks, and the next process to leave would delete the log under us.
    with suppress(OSError):  # what is wrong with the path, SQLite says better
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _switch_to_wal(connection: sqlite3.Connection, busy_s: float) -> None:
    # SQLite does not wait for this switch as it waits for writes: when processes open a new file together, some fail.
    deadline = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def _synced(connection: sqlite3.Connection, durable: bool) -> Iterator[sqlite3.Connection]:
    if durable:
        yield connection
        return
    connection.execute("PRAGMA synchronous = NORMAL")
    try:
        yield connection
    finally:
        connection.execute("PRAGMA synchronous = FULL")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk makes SQLite roll back by itself
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _writer(connection: sqlite3.Connection) -> str:
    try:
        return str(connection.execute("SELECT version FROM faceline_version").fetchone()[0])
    except (sqlite3.OperationalError, TypeError):  # a future schema may keep its version elsewhere
        return "(a newer one)"


def _file(connection: sqlite3.Connection) -> Path:
    return Path(str(connection.execute("PRAGMA database_list").fetchone()[2]))


def _back_up(path: Path, version: int) -> None:
    # Read through a second connection: SQLite copies nothing from one that is writing.
    target = path.with_name(f"{path.name}.v{version}.bak")
    partial = target.with_name(f"{target.name}.partial")
    source, copy = sqlite3.connect(path), sqlite3.connect(partial)
    try:
        source.backup(copy)
    finally:
        source.close()
        copy.close()
    partial.replace(target)


def _run(connection: sqlite3.Connection, step: Step) -> None:
    if not isinstance(step, str):
        step(connection)
        return
    statement = ""
    for line in step.splitlines():  # executescript() would commit our transaction first
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
    if statement.strip():
        raise ValueError(f"a migration ends within a statement: {statement.strip()}")
