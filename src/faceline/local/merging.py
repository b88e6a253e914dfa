"""Merging, renaming and splitting persons in SQLite, and taking that back."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from faceline.errors import ConflictError, NotFoundError, UsageError
from faceline.gallery.names import user_id_of
from faceline.gallery.review import Answer, Change, Kind, Verdict, pair_of
from faceline.local.database import Database, Row
from faceline.local.gallery import Counter, SqliteCollections, counted, model_in, moment
from faceline.local.journal import Recording, change_of, latest, recorded, take_back
from faceline.local.people import add_person
from faceline.local.review import write_verdict
from faceline.local.traces import Doomed, of_name

_PAIRED = ("suspects", "verdicts")
_TAKEN_AWAY = "action IN ('merge', 'rename', 'person')"  # older documents may say the name
_ENTRY = "entry, action, names, faces, made_by, made_at, detail"


class SqliteMerging:
    """Implements `gallery.review.Merging`. A face that changes hands gets a fresh generation, as if added again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def merge(self, collection: str, name: str, into: str, by: str) -> Change:
        if name == into:
            raise UsageError(f"{name} is one person already; name two to merge")
        words = {name}
        with self._changing(collection, words) as (connection, counter, traces):
            for each in (name, into):
                _check_known(connection, collection, each)
            with recorded(connection, collection, "merge", by, (name, into)) as recording:
                _merge_people(connection, collection, counter, name, into)
                _hand_over(connection, collection, counter, name, into)
            words.update(row[2] for row in recording.before["people"])  # the user id
            traces.extend(of_name(connection, recording.faces(), name))
            return _latest(connection, collection)

    def rename(self, collection: str, name: str, new: str, by: str) -> Change:
        if name == new:
            raise UsageError(f"{name} is called so already; give another name")
        words = {name}
        with self._changing(collection, words) as (connection, counter, traces):
            _check_known(connection, collection, name)
            if _is_person(connection, collection, new) or _faces_of(connection, collection, new):
                raise ConflictError(f"{new} is in collection {collection} already; merge {name} into them instead")
            with recorded(connection, collection, "rename", by, (name, new)) as recording:
                _rename_person(connection, collection, counter, name, new)
                _hand_over(connection, collection, counter, name, new)
            words.update(row[2] for row in recording.before["people"])  # the user id
            traces.extend(of_name(connection, recording.faces(), name))
            return _latest(connection, collection)

    def split(self, collection: str, name: str, face_ids: Sequence[str], into: str, by: str) -> Change:
        if name == into:
            raise UsageError(f"the faces are {name}'s already; split them off as somebody else")
        with self._changing(collection, {name}) as (connection, counter, traces):
            _check_known(connection, collection, name)
            theirs = _faces_of(connection, collection, name)
            _check_theirs(name, theirs, face_ids)
            with recorded(connection, collection, "split", by, (name, into)) as recording:
                if not _is_person(connection, collection, into):
                    add_person(connection, collection, into, counter.draw(), moment())
                _rename(connection, collection, counter, face_ids, (name, into))
                sql = "UPDATE faces SET person = ? WHERE collection = ? AND face_id = ?"
                connection.executemany(sql, [(into, collection, face_id) for face_id in face_ids])
                _split_suspects(connection, collection, face_ids, into)
                pair = pair_of(Kind.PEOPLE, name, into)
                write_verdict(connection, collection, Verdict(pair, Answer.DIFFERENT, by, "by split"))
            traces.extend(of_name(connection, recording.faces(), name))
            return _latest(connection, collection)

    def person_of_label(self, collection: str, label: str, name: str, by: str) -> Change:
        with self._changing(collection, set()) as (connection, counter, _):
            faces = _labelled(connection, collection, label)
            if not faces:
                raise NotFoundError(f"collection {collection} has no face that is labelled {label} and nobody's")
            if name != label and _is_person(connection, collection, label):
                raise ConflictError(
                    f"{label} is somebody in collection {collection}, so these faces are theirs; give them to {label}, "
                    "then rename or merge them"
                )
            with recorded(connection, collection, "person", by, (label, name)):
                if not _is_person(connection, collection, name):
                    add_person(connection, collection, name, counter.draw(), moment())
                sql = "UPDATE faces SET person = ?, generation = ? WHERE face_id = ?"
                connection.executemany(sql, [(name, counter.draw(), face_id) for face_id in faces])
                if name != label:
                    _hand_over_said(connection, collection, label, name)
            return _latest(connection, collection)

    def undo(self, collection: str, entry: int | None = None) -> Change:
        words: set[str] = set()
        with self._changing(collection, words) as (connection, counter, traces):
            newest = latest(connection, collection)
            if newest is None:
                raise NotFoundError(f"nothing was decided in collection {collection} that could be undone")
            change, recording = newest
            if entry is not None and change.entry != entry:
                raise ConflictError(
                    f"somebody decided something else in collection {collection} since; look at that first"
                )
            words.update(change.names, (row[2] for row in recording.after["people"]))
            taken = {row[0]: row[1] or "" for row in recording.after["faces"]}
            _take_back_faces(connection, counter, recording)
            take_back(connection, recording)
            for name in set(taken.values()) - {""}:
                traces.extend(of_name(connection, list(taken), name))
            connection.execute("DELETE FROM journal WHERE entry = ?", (change.entry,))
            return change

    def history(self, collection: str, limit: int, before: int | None = None) -> Sequence[Change]:
        sql = f"""SELECT {_ENTRY} FROM journal WHERE collection = :collection AND (:before IS NULL OR entry < :before)
                  ORDER BY entry DESC LIMIT :limit"""  # noqa: S608 (our own words)
        rows = self._database.rows(sql, {"collection": collection, "before": before, "limit": limit})
        if not rows:
            SqliteCollections(self._database).model(collection)
        return [change_of(row) for row in rows]

    def aliases(self, collection: str, name: str) -> frozenset[str]:
        sql = f"SELECT names FROM journal WHERE collection = ? AND {_TAKEN_AWAY} ORDER BY entry DESC"  # noqa: S608
        merged = [json.loads(row[0]) for row in self._database.rows(sql, (collection,))]
        found: set[str] = set()
        for taken, into in merged:  # the latest first: who was merged into somebody later merged away is found too
            if into == name or into in found:
                found.add(taken)
        return frozenset(found - {name})  # who was renamed and back is no alias of themselves

    def became(self, collection: str, user_id: str) -> str | None:
        sql = f"SELECT names FROM journal WHERE collection = ? AND {_TAKEN_AWAY} ORDER BY entry DESC"  # noqa: S608
        taken = (json.loads(row[0])[0] for row in self._database.rows(sql, (collection,)))
        name = next((each for each in taken if user_id_of(each) == user_id), None)
        return None if name is None else self.merged_into(collection, name)

    def merged_into(self, collection: str, name: str) -> str:
        if self._database.rows("SELECT 1 FROM people WHERE collection = ? AND name = ?", (collection, name)):
            return name
        sql = f"SELECT names FROM journal WHERE collection = ? AND {_TAKEN_AWAY} ORDER BY entry"  # noqa: S608
        for taken, into in (json.loads(row[0]) for row in self._database.rows(sql, (collection,))):
            name = into if taken == name else name
        return name

    @contextmanager
    def _changing(self, collection: str, words: set[str]) -> Iterator[tuple[sqlite3.Connection, Counter, list[bytes]]]:
        """words: what nobody may be called any longer after it."""
        with self._database.erasing() as (connection, traces), counted(connection, collection) as counter:
            model_in(connection, collection)
            yield connection, counter, traces
            traces.extend(Doomed([], words).left(connection, collection))


def _latest(connection: sqlite3.Connection, collection: str) -> Change:
    entry = latest(connection, collection)
    assert entry is not None
    return entry[0]


def _is_person(connection: sqlite3.Connection, collection: str, name: str) -> Row | None:
    sql = "SELECT 1 FROM people WHERE collection = ? AND name = ?"
    row: Row | None = connection.execute(sql, (collection, name)).fetchone()
    return row


def _check_known(connection: sqlite3.Connection, collection: str, name: str) -> None:
    if not _is_person(connection, collection, name) and not _faces_of(connection, collection, name):
        raise NotFoundError(
            f"nobody in collection {collection} is called {name}; see `faceline collections show {collection}`"
        )


def _faces_of(connection: sqlite3.Connection, collection: str, name: str) -> list[str]:
    """Whose identity this is: the person's, and nobody's with that label."""
    sql = """SELECT face_id, position FROM faces WHERE collection = ?1 AND person = ?2 UNION ALL
             SELECT face_id, position FROM faces WHERE collection = ?1 AND external_image_id = ?2 AND person IS NULL
             ORDER BY 2"""
    return [row[0] for row in connection.execute(sql, (collection, name))]


def _labelled(connection: sqlite3.Connection, collection: str, label: str) -> list[str]:
    sql = """SELECT face_id FROM faces WHERE collection = ? AND external_image_id = ? AND person IS NULL
             ORDER BY position"""
    return [row[0] for row in connection.execute(sql, (collection, label))]


def _check_theirs(name: str, theirs: list[str], face_ids: Sequence[str]) -> None:
    strange = [face_id for face_id in face_ids if face_id not in set(theirs)]
    if strange:
        raise NotFoundError(f"{name} has no face {strange[0]}; `faceline collections show` lists each face's id")
    if not face_ids or len(set(face_ids)) == len(theirs):
        raise UsageError(
            f"{name} has {len(theirs)} faces and {len(set(face_ids))} of them were named to split off; "
            "name some, and leave at least one"
        )


def _merge_people(connection: sqlite3.Connection, collection: str, counter: Counter, name: str, into: str) -> None:
    if not _is_person(connection, collection, name):
        return
    connection.execute("DELETE FROM people WHERE collection = ? AND name = ?", (collection, name))
    if not _is_person(connection, collection, into):
        add_person(connection, collection, into, counter.draw(), moment())


def _rename_person(connection: sqlite3.Connection, collection: str, counter: Counter, name: str, new: str) -> None:
    """At a new position: the old one is for who may come back to it by `undo`."""
    sql = "DELETE FROM people WHERE collection = ? AND name = ? RETURNING created_at"
    for (created_at,) in connection.execute(sql, (collection, name)).fetchall():
        add_person(connection, collection, new, counter.draw(), created_at)


def _hand_over(connection: sqlite3.Connection, collection: str, counter: Counter, old: str, new: str) -> None:
    """All that says the old name: faces and labels, counter-examples, consents, pairs."""
    _rename(connection, collection, counter, _faces_of(connection, collection, old), (old, new))
    _hand_over_said(connection, collection, old, new)


def _hand_over_said(connection: sqlite3.Connection, collection: str, old: str, new: str) -> None:
    """What was said of them: counter-examples, consents, pairs."""
    sql = "UPDATE negatives SET person = ? WHERE collection = ? AND person = ?"
    connection.execute(sql, (new, collection, old))
    sql = "UPDATE OR REPLACE consents SET person = ? WHERE collection = ? AND person = ?"
    connection.execute(sql, (new, collection, old))
    for table in _PAIRED:
        _rename_pairs(connection, collection, table, old, new)


def _rename(
    connection: sqlite3.Connection, collection: str, counter: Counter, face_ids: Sequence[str], names: tuple[str, str]
) -> None:
    """names: the one that goes, as person and as label, and the one that comes."""
    old, new = names
    sql = """UPDATE faces SET generation = ?1, person = CASE person WHEN ?2 THEN ?3 ELSE person END,
                    external_image_id = CASE external_image_id WHEN ?2 THEN ?3 ELSE external_image_id END
             WHERE collection = ?4 AND face_id = ?5"""
    connection.executemany(sql, [(counter.draw(), old, new, collection, face_id) for face_id in face_ids])


def _rename_pairs(connection: sqlite3.Connection, collection: str, table: str, old: str, new: str) -> None:
    """Where the new name has such a pair already, that one stays."""
    sql = f"SELECT * FROM {table} WHERE collection = ?1 AND kind = 'people' AND (a = ?2 OR b = ?2)"  # noqa: S608 (ours)
    rows = connection.execute(sql, (collection, old)).fetchall()
    for row in rows:
        connection.execute(
            f"DELETE FROM {table} WHERE collection = ? AND kind = ? AND a = ? AND b = ?",  # noqa: S608 (our own words)
            row[:4],
        )
        other = row[3] if row[2] == old else row[2]
        if other != new:
            moved = (*row[:2], min(other, new), max(other, new), *_turned(table, row, old, new, other))
            marks = ", ".join("?" * len(moved))
            connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", moved)  # noqa: S608 (our own words)
    if table == "suspects":
        sql = "UPDATE suspects SET person = ? WHERE collection = ? AND person = ?"
        connection.execute(sql, (new, collection, old))


def _turned(table: str, row: Row, old: str, new: str, other: str) -> Row:
    """The row's columns after the names; a suspect's two faces change places when its names do."""
    rest = list(row[4:])
    if table == "suspects" and (old < other) != (new < other):
        rest[3], rest[4] = rest[4], rest[3]
    return tuple(rest)


def _split_suspects(connection: sqlite3.Connection, collection: str, face_ids: Sequence[str], into: str) -> None:
    """Pairs of faces that are now of two people are settled by that."""
    given = (collection, json.dumps(list(face_ids)))
    inside = "(SELECT value FROM json_each(?2))"
    sql = f"DELETE FROM suspects WHERE collection = ?1 AND kind = 'faces' AND (a IN {inside}) <> (b IN {inside})"  # noqa: S608
    connection.execute(sql, given)
    sql = f"UPDATE suspects SET person = ?3 WHERE collection = ?1 AND kind = 'faces' AND a IN {inside}"  # noqa: S608
    connection.execute(sql, (*given, into))


def _take_back_faces(connection: sqlite3.Connection, counter: Counter, recording: Recording) -> None:
    """Those that are still as the change left them."""
    left = {row[0]: row[1:] for row in recording.after["faces"]}
    sql = """UPDATE faces SET person = ?, external_image_id = ?, generation = ?
             WHERE face_id = ? AND person IS ? AND external_image_id IS ?"""
    for face_id, person, label in recording.before["faces"]:
        connection.execute(sql, (person, label, counter.draw(), face_id, *left[face_id]))
