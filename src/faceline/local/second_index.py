"""A collection's second index in SQLite: its faces embedded by another model, and calibrations of its own."""

import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np

from faceline.errors import ConflictError, ModelMismatchError
from faceline.gallery.concealed import concealed
from faceline.gallery.migration import Pending, SecondIndex
from faceline.gallery.ports import NewFace
from faceline.local.database import Database
from faceline.local.face_records import SqliteFaceRecords
from faceline.local.gallery import Counter, counted, model_in, moment, wipe_log
from faceline.local.traces import of_faces
from faceline.types import Vector

_END_BYTES = 64  # as of `traces`
_ROWS = 5_000  # swapped at a time
_OF = "face_id IN (SELECT face_id FROM faces WHERE collection = ?)"
_LACKING = """SELECT f.face_id, f.position FROM faces f LEFT JOIN second_vectors s ON s.face_id = f.face_id
              WHERE f.collection = ? AND f.position > ? AND s.face_id IS NULL ORDER BY f.position LIMIT ?"""
_BOTH = """SELECT f.face_id, f.vector, s.vector, f.position FROM faces f
           JOIN second_vectors s ON s.face_id = f.face_id
           WHERE f.collection = ? AND f.position > ? ORDER BY f.position LIMIT ?"""


class SqliteSecondIndexes:
    """Implements `gallery.migration.SecondIndexes`. A face that is deleted takes both of its embeddings along."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._records = SqliteFaceRecords(database)

    def get(self, collection: str) -> SecondIndex | None:
        sql = "SELECT model, switched, started_at FROM second_indexes WHERE collection = ?"
        rows = self._database.rows(sql, (collection,))
        return SecondIndex(rows[0][0], bool(rows[0][1]), rows[0][2]) if rows else None

    def begin(self, collection: str, model: str) -> SecondIndex:
        with self._database.transaction() as connection:
            if model_in(connection, collection) == model:
                raise ConflictError(f"collection {collection} has the model {model} already; name another")
            sql = "INSERT INTO second_indexes VALUES (?, ?, 0, ?) ON CONFLICT (collection) DO NOTHING"
            connection.execute(sql, (collection, model, moment()))
        second = self.get(collection)
        assert second is not None
        if second.model != model:
            raise ConflictError(
                f"collection {collection} has a second index of {second.model} already; "
                f"delete that with `faceline collections migrate {collection} --finish` first"
            )
        return second

    def pending(self, collection: str, after: int, limit: int) -> Sequence[Pending]:
        rows = self._database.rows(_LACKING, (collection, after, limit))
        records = {r.face_id: r for r in self._records.find(collection, face_ids=[row[0] for row in rows])}
        return [
            Pending(position, NewFace(records[face_id], self._records.crop(collection, face_id)))
            for face_id, position in rows
            if face_id in records  # else deleted meanwhile
        ]

    def put(self, collection: str, model: str, vectors: Mapping[str, Vector]) -> None:
        with self._database.transaction() as connection:
            _check(connection, collection, model)
            sql = """INSERT OR REPLACE INTO second_vectors SELECT face_id, ? FROM faces
                     WHERE face_id = ? AND collection = ?"""
            rows = [(_bytes(values), face_id, collection) for face_id, values in vectors.items()]
            connection.executemany(sql, rows)

    def vectors(self, collection: str) -> dict[str, Vector]:
        rows = self._database.rows(f"SELECT face_id, vector FROM second_vectors WHERE {_OF}", (collection,))  # noqa: S608
        return {face_id: np.frombuffer(vector, dtype="<f4").astype(np.float32) for face_id, vector in rows}

    def switch(self, collection: str, model: str, dropped: Sequence[str] = ()) -> bool:
        with self._database.erasing() as (connection, traces), counted(connection, collection) as counter:
            before = model_in(connection, collection)
            _check(connection, collection, model)
            lacking = [row[0] for row in connection.execute(_LACKING, (collection, 0, -1))]
            if set(lacking) - set(dropped):
                return False
            traces.extend(_drop(connection, collection, counter, lacking))
            _swap(connection, collection, counter)
            connection.execute("UPDATE collections SET model = ? WHERE name = ?", (model, collection))
            sql = "UPDATE second_indexes SET model = ?, switched = 1 - switched WHERE collection = ?"
            connection.execute(sql, (before, collection))
        return True

    def discard(self, collection: str) -> int:
        with self._database.erasing() as (connection, traces):
            sql = f"""SELECT substr(vector, 1, ?), substr(vector, -?) FROM second_vectors WHERE {_OF}"""  # noqa: S608
            rows = connection.execute(sql, (_END_BYTES, _END_BYTES, collection)).fetchall()
            traces.extend(end for row in rows for end in row)
            connection.execute(f"DELETE FROM second_vectors WHERE {_OF}", (collection,))  # noqa: S608
            connection.execute("DELETE FROM second_indexes WHERE collection = ?", (collection,))
        return len(rows)


class SqliteCalibrations:
    """Implements `gallery.migration.Calibrations`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, collection: str, model: str) -> bytes | None:
        sql = "SELECT content FROM calibrations WHERE collection = ? AND model = ?"
        rows = self._database.rows(sql, (collection, model))
        return bytes(rows[0][0]) if rows else None

    def put(self, collection: str, model: str, content: bytes) -> None:
        with self._database.transaction() as connection:
            model_in(connection, collection)
            connection.execute("INSERT OR REPLACE INTO calibrations VALUES (?, ?, ?)", (collection, model, content))

    def remove(self, collection: str, model: str) -> bool:
        sql = "DELETE FROM calibrations WHERE collection = ? AND model = ?"
        gone = self._database.write(sql, (collection, model)) > 0
        wipe_log(self._database)
        return gone


def _check(connection: sqlite3.Connection, collection: str, model: str) -> None:
    row = connection.execute("SELECT model FROM second_indexes WHERE collection = ?", (collection,)).fetchone()
    if row is None or row[0] != model:
        raise ModelMismatchError(
            f"the second index of collection {collection} is of {row[0] if row else 'no model'}, not of {model}; "
            "somebody else switched or deleted it meanwhile: look at the collection and start again"
        )


def _drop(connection: sqlite3.Connection, collection: str, counter: Counter, face_ids: Sequence[str]) -> list[bytes]:
    """Deletes faces as `FaceRecords.remove` does; returns their traces."""
    if not face_ids:
        return []
    doomed = of_faces(connection, collection, face_ids)
    for face_id in face_ids:
        connection.execute("INSERT INTO removed VALUES (?, ?, ?)", (collection, counter.draw(), concealed(face_id)))
        sql = "DELETE FROM faces WHERE face_id = ? RETURNING person"
        for (person,) in connection.execute(sql, (face_id,)).fetchall():
            sql = """DELETE FROM people WHERE collection = ?1 AND name = ?2
                     AND NOT EXISTS (SELECT 1 FROM faces WHERE collection = ?1 AND person = ?2)"""
            connection.execute(sql, (collection, person))
    return doomed.left(connection, collection)


def _swap(connection: sqlite3.Connection, collection: str, counter: Counter) -> None:
    """Each face gets a fresh generation, as if added again: so every process in which it is searched learns of it."""
    after = 0
    while rows := connection.execute(_BOTH, (collection, after, _ROWS)).fetchall():
        fresh = [(second, counter.draw(), face_id) for face_id, _, second, _ in rows]
        connection.executemany("UPDATE faces SET vector = ?, generation = ? WHERE face_id = ?", fresh)
        kept = [(first, face_id) for face_id, first, _, _ in rows]
        connection.executemany("UPDATE second_vectors SET vector = ? WHERE face_id = ?", kept)
        after = rows[-1][3]


def _bytes(values: Vector) -> bytes:
    return np.ascontiguousarray(values, dtype="<f4").tobytes()
