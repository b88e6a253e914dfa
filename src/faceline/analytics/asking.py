"""The process that runs a query, from outside: started, told, listened to, ended."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faceline.analytics.messages import Answers, Ask, Columns, End, Go, Refused, Said, Told, Wants, said, send
from faceline.errors import MissingExtraError, UsageError

PROGRAM = (sys.executable, "-P", "-m", "faceline.analytics.engine")  # -P: a folder's duckdb.py is not DuckDB
_START_S = 60.0  # for loading DuckDB on a busy machine
_OUT_OF_MEMORY = (-signal.SIGABRT, -signal.SIGKILL)  # C++ without memory; Linux without memory for all
_KEPT = (
    *("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
)


@dataclass(frozen=True, slots=True)
class Table:
    """An answer. types: DuckDB's names. rows: what JSON can say. more: whether rows beyond the limit were left out."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[list[Any]]
    more: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """timeout_s: for running a query, once the documents are there. memory_mb: for the documents and the query."""

    timeout_s: float
    memory_mb: int


class Engine:
    """One such process. Raises UsageError with its refusal, or when it ends before its time."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits) -> None:
        self._process, self._limits = process, limits
        self._late = False

    def tell(self, message: Told) -> None:
        assert self._process.stdin is not None
        try:
            send(self._process.stdin, message)
        except BrokenPipeError:
            self.hear()  # it said why it went
            raise UsageError("the query's process ended before it was asked; try again") from None

    def hear(self) -> Said:
        assert self._process.stdout is not None
        try:
            message = said(self._process.stdout)
        except EOFError:
            raise UsageError(self._end()) from None
        if isinstance(message, Refused) and message.extra:
            raise MissingExtraError(f"SQL needs DuckDB: pip install duckdb ({message.message})")
        if isinstance(message, Refused):
            raise UsageError(message.message)
        return message

    @contextmanager
    def timed(self, at_least_s: float = 0.0) -> Iterator[None]:
        """Ends the process when the block takes longer than allowed."""
        timer = threading.Timer(max(self._limits.timeout_s, at_least_s), self._stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _stop(self) -> None:
        self._late = True
        self._process.kill()

    def _end(self) -> str:
        if self._late:
            return f"the query took longer than {self._limits.timeout_s:g} s; narrow it, or raise sql_timeout_s"
        status = self._process.wait()
        if status not in _OUT_OF_MEMORY:
            return f"the query's process ended unexpectedly (status {status}); try again, or ask in another way"
        return (
            f"the query needed more than its process may have ({self._limits.memory_mb:,} MB of memory); "
            "narrow it, or raise sql_memory_mb"
        )


def ask(sql: str, limit: int, limits: Limits, fill: Callable[[Engine, Sequence[str]], None]) -> Table:
    """fill: is given the tables whose documents the query needs, and tells the engine of them."""
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the query is not valid Unicode; write it as UTF-8") from error
    with _engine(limits) as engine:
        with engine.timed(_START_S):
            engine.tell(Ask(sql, limit, limits.memory_mb))
            wants = engine.hear()
        assert isinstance(wants, Wants)
        fill(engine, wants.tables)
        with engine.timed():
            engine.tell(Go())
            return _heard(engine)


def _heard(engine: Engine) -> Table:
    columns = engine.hear()
    assert isinstance(columns, Columns)
    rows: list[list[Any]] = []
    while isinstance(message := engine.hear(), Answers):
        rows += json.loads(message.text)
    assert isinstance(message, End)
    return Table(tuple(columns.names), tuple(columns.types), rows, message.more)


@contextmanager
def _engine(limits: Limits) -> Iterator[Engine]:
    # Its own group: Ctrl-C is for us to handle.
    process = subprocess.Popen(  # noqa: S603
        PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment(),
        process_group=0,
    )  # fmt: skip
    try:
        yield Engine(process, limits)
    finally:
        process.kill()
        process.wait()
        _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    try:
        process.stdin.close()
    except BrokenPipeError:  # what was still in its buffer
        return


def _environment() -> dict[str, str]:
    # Each of glibc's arenas and of OpenBLAS's threads takes address space, which the memory limit counts.
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
