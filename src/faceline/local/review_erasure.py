"""A person's erasure from the review's tables: pairs, verdicts, journal, counter-examples and unknown faces."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from faceline.erasure import Gone
from faceline.local.database import Database
from faceline.local.gallery import counted
from faceline.local.review_traces import of_marks, of_unknown, of_words

_IN = "IN (SELECT value FROM json_each(:{0}))"
_WORDS, _FACES, _IMAGES, _SOURCES = (_IN.format(name) for name in ("words", "face_ids", "image_ids", "sources"))
_PLACE = " AND collection = :collection"
_PAIRED = f"(a {_WORDS} OR b {_WORDS})"
_SUSPECTS = f"(a {_WORDS} OR b {_WORDS} OR person {_WORDS} OR face_a {_FACES} OR face_b {_FACES})"
_MARKS = f"(person {_WORDS} OR face_id {_FACES} OR image_id {_IMAGES} OR source {_SOURCES})"
_UNKNOWN = f"(face_id {_FACES} OR image_id {_IMAGES} OR source {_SOURCES})"


class ReviewErasure:
    """Implements `erasure.Forgets`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def forget(self, gone: Gone) -> int:
        done = 0
        with self._database.erasing() as (connection, traces):
            for collection in self._places(connection, gone):
                done += sum(_forget(connection, traces, collection, gone))
            if done:
                traces.extend(of_words(sorted(gone.words | gone.sources)))
        return done

    def _places(self, connection: sqlite3.Connection, gone: Gone) -> list[str]:
        if not gone.everywhere:
            return list(gone.collections)
        return [row[0] for row in connection.execute("SELECT name FROM collections")]


def _forget(connection: sqlite3.Connection, traces: list[bytes], collection: str, gone: Gone) -> Iterator[int]:
    """How many rows went, of each table."""
    given = {"collection": collection}
    for name in ("words", "face_ids", "image_ids", "sources"):
        given[name] = json.dumps(sorted(getattr(gone, name)))
    traces.extend(of_marks(connection, _MARKS + _PLACE, given))
    traces.extend(of_unknown(connection, _UNKNOWN + _PLACE, given))
    for table, which in (("suspects", _SUSPECTS), ("verdicts", _PAIRED), ("unknown_faces", _UNKNOWN)):
        yield connection.execute(f"DELETE FROM {table} WHERE {which}{_PLACE}", given).rowcount  # noqa: S608 (our own)
    with counted(connection, collection) as counter:
        marks = connection.execute(f"DELETE FROM negatives WHERE {_MARKS}{_PLACE}", given).rowcount  # noqa: S608 (ours)
        if marks:
            counter.draw()
    yield marks
    yield _forget_journal(connection, collection, gone.words | gone.sources)


def _forget_journal(connection: sqlite3.Connection, collection: str, words: frozenset[str]) -> int:
    sql = "SELECT entry, names, before, after, detail FROM journal WHERE collection = ?"
    doomed = [
        row[0]
        for row in connection.execute(sql, (collection,))
        if row[4] in words or any(_says(json.loads(text), words) for text in row[1:4])
    ]
    connection.executemany("DELETE FROM journal WHERE entry = ?", [(entry,) for entry in doomed])
    return len(doomed)


def _says(value: Any, words: frozenset[str]) -> bool:
    """Whether a text anywhere in a JSON value is one of these."""
    if isinstance(value, str):
        return value in words
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_says(each, words) for each in within)
