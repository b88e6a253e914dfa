"""What the review's rows can be recognised by in the file when they are deleted, as `local.traces` says it of faces."""

import sqlite3
from collections.abc import Sequence

from faceline.local.database import MAX_TRACES, Parameters

_END_BYTES = 64
_MIN_BYTES = 4


def of_marks(connection: sqlite3.Connection, condition: str, values: Parameters) -> list[bytes]:
    """Of counter-examples that are about to be deleted."""
    return _of_vectors(connection, "negatives", condition, values)


def of_unknown(connection: sqlite3.Connection, condition: str, values: Parameters) -> list[bytes]:
    """Of unknown faces that are about to be deleted."""
    return _of_vectors(connection, "unknown_faces", condition, values)


def of_words(words: Sequence[str]) -> list[bytes]:
    """Names and ids. One of fewer than four bytes is looked for as it stands in the journal and in no other place."""
    found = [word.encode()[:_END_BYTES] for word in words if word]
    return [word if len(word) >= _MIN_BYTES else b'"' + word + b'"' for word in found]


def _of_vectors(connection: sqlite3.Connection, table: str, condition: str, values: Parameters) -> list[bytes]:
    sql = f"""SELECT source, substr(vector, 1, {_END_BYTES}), substr(vector, -{_END_BYTES}),
                     substr(jpeg, -{_END_BYTES}) FROM {table} WHERE {condition} LIMIT {MAX_TRACES}"""  # noqa: S608 (ours)
    rows = connection.execute(sql, values).fetchall()
    return [trace for source, *parts in rows for trace in (*of_words([source]), *(part for part in parts if part))]
