"""What was changed by hand, so that it can be taken back: of each table the rows before and after, as JSON."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from faceline.gallery.review import Change
from faceline.local.database import Row
from faceline.local.gallery import moment

_KEPT = 1000  # entries of a collection; beyond them those that took a name away, which old documents still say

# What a change may touch, by table: the columns that are kept, and which rows have to do with these names (:names).
_TOUCHED = {
    "people": ("collection, name, user_id, position, created_at", "name IN ({0})"),
    "faces": ("face_id, person, external_image_id", "(person IN ({0}) OR external_image_id IN ({0}) OR {1})"),
    "suspects": ("*", "(a IN ({0}) OR b IN ({0}) OR person IN ({0}))"),
    "verdicts": ("*", "(a IN ({0}) OR b IN ({0}))"),
    "negatives": ("mark_id, person", "person IN ({0})"),
    "consents": ("*", "person IN ({0})"),
}
_KEYS = {
    "suspects": ("collection", "kind", "a", "b"),
    "verdicts": ("collection", "kind", "a", "b"),
    "consents": ("collection", "person", "reference"),
}
_NAMES = "SELECT value FROM json_each(:names)"
_FACE_IDS = "face_id IN (SELECT value FROM json_each(:face_ids))"

Rows = dict[str, list[Row]]


@dataclass
class Recording:
    """The rows that were before, filled in at once, and after, filled in at the end of the block."""

    before: Rows
    after: Rows

    def faces(self) -> list[str]:
        """The ids of faces that changed hands."""
        return [row[0] for row in self.after["faces"]]


@contextmanager
def recorded(
    connection: sqlite3.Connection, collection: str, action: str, by: str, names: Sequence[str], detail: str = ""
) -> Iterator[Recording]:
    """Within a transaction: what the block changes of these names and face ids becomes an entry of the journal."""
    before = _touched(connection, collection, names)
    recording = Recording(before, {})
    yield recording
    after = _touched(connection, collection, names, [row[0] for row in before["faces"]])
    recording.before = {table: [row for row in rows if row not in after[table]] for table, rows in before.items()}
    recording.after = {table: [row for row in rows if row not in before[table]] for table, rows in after.items()}
    values = (collection, action, by, moment(), _text(names), len(recording.faces()), detail)
    sql = """INSERT INTO journal (collection, action, made_by, made_at, names, faces, detail, before, after)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
    connection.execute(sql, (*values, _text(recording.before), _text(recording.after)))
    sql = """DELETE FROM journal WHERE collection = ?1 AND action NOT IN ('merge', 'rename', 'person') AND entry <=
             (SELECT entry FROM journal WHERE collection = ?1 ORDER BY entry DESC LIMIT 1 OFFSET ?2)"""
    connection.execute(sql, (collection, _KEPT))


def latest(connection: sqlite3.Connection, collection: str) -> tuple[Change, Recording] | None:
    sql = """SELECT entry, action, names, faces, made_by, made_at, detail, before, after FROM journal
             WHERE collection = ? ORDER BY entry DESC LIMIT 1"""
    row = connection.execute(sql, (collection,)).fetchone()
    if row is None:
        return None
    return change_of(row[:7]), Recording(_parsed(row[7]), _parsed(row[8]))


def change_of(row: Row) -> Change:
    """Of the columns entry, action, names, faces, made_by, made_at, detail."""
    entry, action, names, faces, by, at, detail = row
    return Change(entry, action, tuple(json.loads(names)), faces, by, at, detail)


def take_back(connection: sqlite3.Connection, recording: Recording) -> None:
    """Rows that were made go and those that were taken come again; but for faces and marks, see `merging`."""
    for table in ("people", *_KEYS):
        for row in recording.after[table]:
            _unmake(connection, table, row)
        for row in recording.before[table]:
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", tuple(row))  # noqa: S608
    for mark_id, person in recording.before["negatives"]:
        connection.execute("UPDATE negatives SET person = ? WHERE mark_id = ?", (person, mark_id))
    was = {row[0] for row in recording.before["negatives"]}
    for mark_id, _ in recording.after["negatives"]:
        if mark_id not in was:
            connection.execute("DELETE FROM negatives WHERE mark_id = ?", (mark_id,))


def _unmake(connection: sqlite3.Connection, table: str, row: Row) -> None:
    if table == "people":
        sql = """DELETE FROM people WHERE collection = ?1 AND name = ?2
                 AND NOT EXISTS (SELECT 1 FROM faces WHERE collection = ?1 AND person = ?2)"""
        connection.execute(sql, tuple(row[:2]))
    else:
        which = " AND ".join(f"{column} = ?" for column in _KEYS[table])
        connection.execute(f"DELETE FROM {table} WHERE {which}", tuple(row[: len(_KEYS[table])]))  # noqa: S608 (ours)


def _touched(
    connection: sqlite3.Connection, collection: str, names: Sequence[str], face_ids: Sequence[str] = ()
) -> Rows:
    """face_ids: of faces that are asked for whatever they are called."""
    given = {"collection": collection, "names": _text(names), "face_ids": _text(face_ids)}
    found: Rows = {}
    for table, (columns, condition) in _TOUCHED.items():
        which = condition.format(_NAMES, _FACE_IDS)
        sql = f"SELECT {columns} FROM {table} WHERE collection = :collection AND {which}"  # noqa: S608 (our own words)
        found[table] = connection.execute(sql, given).fetchall()
    return found


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _parsed(text: str) -> Rows:
    return {table: [tuple(row) for row in rows] for table, rows in json.loads(text).items()}
