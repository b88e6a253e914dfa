"""The process that runs a query: `python -P -m faceline.analytics.engine`, messages on descriptors 0 and 1.

It is given the documents, or the names of Parquet files that hold them, and then gives up opening and writing files
before it runs what somebody typed. Its memory is limited by the system too, where that can (macOS cannot), for DuckDB
does not count every byte that a function makes.
"""

import json
import math
import os
import resource
import sys
import threading
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from faceline.analytics.messages import (
    Answers,
    Ask,
    Columns,
    End,
    Listing,
    Missing,
    Parts,
    Refused,
    Rows,
    Unreadable,
    Wants,
    send,
    told,
)
from faceline.errors import UsageError
from faceline.limited import limit, private_output

if TYPE_CHECKING:
    from faceline.analytics.tables import Tables

_BASE_MB = 1536  # address space of Python, NumPy, DuckDB and the stacks of their threads
_FETCHED = 1000
_ANSWER_BYTES = 200_000_000
_ANSWER_DEPTH = 100  # of lists in lists: JSON is read and written by recursion
_ZONED = "WITH TIME ZONE"
_CASTS = {f"TIMESTAMP {_ZONED}": "::TIMESTAMP", f"TIME {_ZONED}": "::TIME"}


def main() -> None:
    """Ends without an error's status when everything was said, also when that is a refusal."""
    out, asked = os.fdopen(private_output(), "wb"), sys.stdin.buffer
    try:
        send(out, _answered(asked, out))
    except (BrokenPipeError, EOFError):
        return  # nobody listens any more
    except MemoryError:
        os.abort()  # as DuckDB's C++ ends without memory: who asked reads it from the status


def _answered(asked: BinaryIO, out: BinaryIO) -> End | Refused:
    """Sends everything but the last message, which it returns."""
    ask = told(asked)
    assert isinstance(ask, Ask)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_AS, (_BASE_MB + 2 * ask.memory_mb) * 2**20)
    try:
        import duckdb  # noqa: PLC0415 - under the limits, and it may be missing

        from faceline.analytics.guard import needed  # noqa: PLC0415
        from faceline.analytics.tables import Tables  # noqa: PLC0415
    except ImportError as error:
        return Refused(str(error), extra=True)
    try:
        tables = Tables(ask.memory_mb)
        send(out, Wants(needed(tables, ask.sql)))
        _fill(tables, asked, out)
        tables.lock()
        limit(resource.RLIMIT_NOFILE, 0)
        threading.Thread(target=_end_with, args=(asked,), daemon=True).start()
        return _run(tables, ask, out)
    except UsageError as error:
        return Refused(str(error))
    except (duckdb.OutOfMemoryException, MemoryError):
        return Refused(f"needs more than {ask.memory_mb:,} MB of memory; narrow the query, or raise sql_memory_mb")
    except duckdb.PermissionException:
        return Refused("a query reads no files; SHOW TABLES says what there is to read")
    except duckdb.Error as error:
        return Refused(_words(error))


def _end_with(asked: BinaryIO) -> None:
    """Who asked says nothing more: what comes is the end of that process, which may have been killed."""
    asked.read(1)
    os._exit(1)


def _fill(tables: "Tables", asked: BinaryIO, out: BinaryIO) -> None:
    while True:
        match told(asked):
            case Listing() as listing:
                tables.list(listing)
            case Parts(table, paths):
                if paths:
                    tables.take(table, [Path(path) for path in paths])
                send(out, Missing(tables.missing(table)))
            case Rows() as rows:
                tables.add(rows)
            case Unreadable(rows):
                tables.note(rows)
            case _:
                return


def _run(tables: "Tables", ask: Ask, out: BinaryIO) -> End:
    with tables.cursor() as cursor:
        names, types = _columns(cursor, ask.sql)
        cursor.execute(_readable(ask.sql, types))
        send(out, Columns(names, types))
        left, sent = ask.limit, 0
        while rows := cursor.fetchmany(min(_FETCHED, left + 1)):
            text = json.dumps([[_plain(value) for value in row] for row in rows[:left]], ensure_ascii=False)
            sent += len(text)
            if sent > _ANSWER_BYTES:
                raise UsageError(f"the answer has more than {_ANSWER_BYTES // 10**6} MB; ask for less")
            send(out, Answers(text))
            left -= len(rows)
            if left < 0:
                return End(more=True)
    return End(more=False)


def _columns(cursor: Any, sql: str) -> tuple[list[str], list[str]]:
    relation = cursor.sql(sql)
    if relation is None:
        raise UsageError("the query gives no rows to show; write a SELECT")
    return list(relation.columns), [str(kind) for kind in relation.types]


def _readable(sql: str, types: list[str]) -> str:
    """The query with times of a zone, which Python reads with pytz alone, as UTC; as text within lists and structs."""
    if not any(_ZONED in kind for kind in types):
        return sql
    plain = [f"#{n}{_cast(kind)}" for n, kind in enumerate(types, start=1)]
    return f"SELECT {', '.join(plain)} FROM ({sql.rstrip().rstrip(';')}\n)"  # noqa: S608


def _cast(kind: str) -> str:
    return _CASTS.get(kind, "::VARCHAR") if _ZONED in kind else ""


def _plain(value: Any, depth: int = 0) -> Any:
    """What JSON can say: no NaN, no bytes, no dates. Raises UsageError for lists in lists in lists."""
    if depth > _ANSWER_DEPTH:
        raise UsageError("the answer is nested too deeply; cast it to text (::VARCHAR)")
    match value:
        case dict():
            return {str(key): _plain(each, depth + 1) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each, depth + 1) for each in value]
        case float() | Decimal():
            return float(value) if math.isfinite(value) else None
        case date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
    return value if value is None or isinstance(value, int | str) else str(value)


def _words(error: Exception) -> str:
    """DuckDB's message without the kind of error, which says nothing more."""
    kind, colon, rest = str(error).strip().partition(": ")
    return (rest if colon and kind.endswith("Error") else str(error)).strip()


if __name__ == "__main__":
    main()
