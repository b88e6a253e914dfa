"""People in SQLite: the names that faces have, and those who wait for a face."""

import json
import sqlite3
from collections.abc import Sequence

from faceline.errors import ConflictError, NotFoundError, QuotaError
from faceline.gallery.names import user_id_of
from faceline.gallery.ports import PersonInfo
from faceline.local.database import Database, Row
from faceline.local.gallery import Counter, SqliteCollections, counted, model_in, moment
from faceline.local.traces import Doomed, of_name

_INFO = """SELECT p.name, p.user_id,
                  (SELECT COUNT(*) FROM faces f WHERE f.collection = p.collection AND f.person = p.name), p.position
           FROM people p WHERE p.collection = :collection"""
# `.` and `..` are nobody's id any more, but clients of the Rekognition API go on with what they gave.
_ONE = f"{_INFO} AND p.user_id IN (:user_id, :made)"
_PAGE = f"{_INFO} AND p.position > :after ORDER BY p.position LIMIT :limit"


class SqlitePeople:
    """Implements `gallery.ports.People`. A face whose person changes gets a fresh generation, as if added again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, collection: str, name: str, limit: int) -> None:
        with self._database.transaction() as connection, counted(connection, collection) as counter:
            model_in(connection, collection)
            add_person(connection, collection, name, counter.draw(), moment())
            check_quota(connection, "people", collection, counter, limit)

    def get(self, collection: str, user_id: str) -> PersonInfo:
        rows = self._database.rows(_ONE, _asked(collection, user_id))
        if not rows:
            SqliteCollections(self._database).model(collection)
        return _only(rows, collection, user_id)

    def page(self, collection: str, after: int, limit: int) -> Sequence[PersonInfo]:
        rows = self._database.rows(_PAGE, {"collection": collection, "after": after, "limit": limit})
        if not rows:
            SqliteCollections(self._database).model(collection)
        return [PersonInfo(*row) for row in rows]

    def delete(self, collection: str, user_id: str) -> None:
        with self._database.erasing() as (connection, traces), counted(connection, collection) as counter:
            person = _person(connection, collection, user_id)
            sql = "SELECT face_id FROM faces WHERE collection = ? AND person = ? ORDER BY position"
            theirs = [row[0] for row in connection.execute(sql, (collection, person.name))]
            _name(connection, counter, theirs, None)
            connection.execute("DELETE FROM people WHERE collection = ? AND name = ?", (collection, person.name))
            doomed = Doomed(of_name(connection, theirs, person.name), {person.name, person.user_id})
            traces.extend(doomed.left(connection, collection))

    def associate(self, collection: str, user_id: str, face_ids: Sequence[str], limit: int) -> Sequence[str]:
        with self._database.transaction() as connection, counted(connection, collection) as counter:
            person = _person(connection, collection, user_id)
            free = _faces_of(connection, collection, None, face_ids)
            if free and person.faces + len(free) > limit:
                raise QuotaError(
                    f"{person.name} has {person.faces} faces in collection {collection} and may have {limit}, "
                    f"{len(free)} more are too many; disassociate some, or raise the limit"
                )
            _name(connection, counter, free, person.name)
        return free

    def disassociate(self, collection: str, user_id: str, face_ids: Sequence[str]) -> Sequence[str]:
        with self._database.erasing() as (connection, traces), counted(connection, collection) as counter:
            person = _person(connection, collection, user_id)
            theirs = _faces_of(connection, collection, person.name, face_ids)
            _name(connection, counter, theirs, None)
            traces.extend(of_name(connection, theirs, person.name))
        return theirs


def add_person(connection: sqlite3.Connection, collection: str, name: str, position: int, created_at: str) -> None:
    """`ConflictError` when there is one of that name, or one whose user id is the same."""
    user_id = user_id_of(name)
    sql = "SELECT name FROM people WHERE collection = ? AND (name = ? OR user_id = ?)"
    row = connection.execute(sql, (collection, name, user_id)).fetchone()
    if row:
        raise ConflictError(
            f"{row[0]} is in collection {collection} already and has the user id {user_id}; "
            f"associate faces with them, or use another name than {name}"
        )
    connection.execute("INSERT INTO people VALUES (?, ?, ?, ?, ?)", (collection, name, user_id, position, created_at))


def check_quota(connection: sqlite3.Connection, table: str, collection: str, counter: Counter, limit: int) -> None:
    """`QuotaError` when the table, `faces` or `people`, has more than `limit` rows of the collection."""
    if counter.drawn <= limit:  # each row drew a number: where so few were drawn there is nothing to count
        return
    sql = f"SELECT COUNT(*) FROM {table} WHERE collection = ?"  # noqa: S608 (our own words)
    count = int(connection.execute(sql, (collection,)).fetchone()[0])
    if count > limit:
        raise QuotaError(
            f"collection {collection} would have {count} {table} and may have {limit}; "
            "delete some, use another collection, or raise the limit"
        )


def _person(connection: sqlite3.Connection, collection: str, user_id: str) -> PersonInfo:
    model_in(connection, collection)
    rows = connection.execute(_ONE, _asked(collection, user_id)).fetchall()
    return _only(rows, collection, user_id)


def _asked(collection: str, user_id: str) -> dict[str, str]:
    return {"collection": collection, "user_id": user_id, "made": user_id_of(user_id)}


def _only(rows: Sequence[Row], collection: str, user_id: str) -> PersonInfo:
    if not rows:
        raise NotFoundError(f"nobody in collection {collection} has the user id {user_id}; create them first")
    return PersonInfo(*rows[0])


def _faces_of(
    connection: sqlite3.Connection, collection: str, name: str | None, face_ids: Sequence[str]
) -> Sequence[str]:
    """Those of these faces that are this person's, or nobody's."""
    # The signs keep SQLite from walking through all of nobody's faces: the ids are the way in.
    sql = """SELECT face_id FROM faces WHERE +collection = ? AND +person IS ?
             AND face_id IN (SELECT value FROM json_each(?)) ORDER BY +position"""
    return [row[0] for row in connection.execute(sql, (collection, name, json.dumps(list(face_ids))))]


def _name(connection: sqlite3.Connection, counter: Counter, face_ids: Sequence[str], name: str | None) -> None:
    sql = "UPDATE faces SET person = ?, generation = ? WHERE face_id = ?"
    connection.executemany(sql, [(name, counter.draw(), face_id) for face_id in face_ids])
