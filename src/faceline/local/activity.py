"""What was seen, in SQLite: `local.activity_schema` has the tables, `local.activity_walks` how they are read."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from faceline.activity import ActivityQuery, Entry, Kind, Latencies, SeenFace, Traffic
from faceline.erasure import Gone, utc
from faceline.errors import NotFoundError, UsageError
from faceline.local import activity_figures
from faceline.local.activity_figures import text_of
from faceline.local.activity_walks import matching
from faceline.local.database import MAX_TRACES, Database, Row
from faceline.local.forgetting import Naming
from faceline.local.work_counts import count

_ENTRY = """SELECT a.kind, a.time_ms, a.uploaded_ms, a.bucket, a.key, a.camera, a.collection, d.width, d.height,
                   d.faces, d.error, a.waited_ms, a.took_ms, d.picture IS NOT NULL, a.position
            FROM activity a JOIN activity_details d USING (position)"""
_INSERT = """INSERT INTO activity
                 (kind, time_ms, uploaded_ms, bucket, key, camera, collection, waited_ms, took_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_STRANGERS = """SELECT a.position FROM activity a JOIN activity_details d USING (position)
                WHERE a.camera IS NOT NULL AND a.time_ms < ? AND d.picture IS NOT NULL AND NOT EXISTS
                    (SELECT 1 FROM activity_faces f WHERE f.position = a.position AND f.person IS NOT NULL)"""
_THESE = "SELECT value FROM json_each(?)"
_END_BYTES = 64
_CHUNK = 5000
_MOST_STEPS = 10_000


class SqliteActivity:
    """Implements `activity.Activity`, `activity.Figures` and `erasure.Forgets`.

    Times may be in any ISO 8601 form, one without a zone is UTC; others raise UsageError. others: names of those who
    are known beside a person who is forgotten.
    """

    def __init__(self, database: Database, others: Callable[[], frozenset[str]] = frozenset) -> None:
        self._database, self._others = database, others

    def put(self, entry: Entry, picture: bytes | None = None) -> int:
        row = (_ms(entry.time), _ms(entry.uploaded_at or entry.time), entry.bucket, entry.key, entry.camera)
        with self._database.transaction() as connection:
            if entry.camera is None:
                _drop(connection, entry.bucket, entry.key)
            values = (entry.kind.value, *row, entry.collection, entry.waited_ms, entry.took_ms)
            position = int(connection.execute(_INSERT, values).lastrowid or 0)
            faces = msgspec.json.encode(entry.faces).decode()
            details = (position, entry.width, entry.height, entry.error, faces, picture)
            connection.execute("INSERT INTO activity_details VALUES (?, ?, ?, ?, ?, ?)", details)
            _put_faces(connection, position, row[0], entry.faces, entry.error)
            count(connection, entry)
        return position

    def page(self, query: ActivityQuery) -> list[Entry]:
        since, until = (_ms(each) if each else None for each in (query.since, query.until))
        positions = matching(self._database, query, since, until)
        sql = f"{_ENTRY} WHERE a.position IN ({_THESE})"
        found = {row[-1]: _entry(row) for row in self._database.rows(sql, (json.dumps(positions),))}
        return [found[position] for position in positions if position in found]

    def get(self, position: int) -> Entry:
        rows = self._database.rows(f"{_ENTRY} WHERE a.position = ?", (position,))
        if not rows:
            raise NotFoundError(f"there is no entry {position}; its photo was deleted, or it was kept long enough")
        return _entry(rows[0])

    def picture(self, position: int) -> bytes | None:
        rows = self._database.rows("SELECT picture FROM activity_details WHERE position = ?", (position,))
        return rows[0][0] if rows else None

    def newest(self) -> int:
        rows = self._database.rows("SELECT seq FROM sqlite_sequence WHERE name = 'activity'")
        return int(rows[0][0]) if rows else 0

    def collections(self) -> list[str]:
        """Whose people were looked for, empty for none."""
        return [row[0] for row in self._database.rows("SELECT DISTINCT coalesce(collection, '') FROM activity")]

    def drop(self, bucket: str, key: str) -> int:
        with self._database.transaction() as connection:
            return _drop(connection, bucket, key)

    def rename(self, bucket: str, key: str, new_key: str) -> int:
        sql = "UPDATE activity SET key = ? WHERE bucket = ? AND key = ? AND camera IS NULL"
        with self._database.transaction() as connection:
            _drop(connection, bucket, new_key)
            return connection.execute(sql, (new_key, bucket, key)).rowcount

    def forget(self, gone: Gone) -> int:
        """Takes the person out of the entries; those of objects or cameras that are called like them go."""
        says = Naming(gone, self._others()).test()
        with self._database.erasing() as (connection, traces):
            found = list(_found(connection, gone, says))
            _delete(connection, [each.position for each in found if each.is_called_so], traces)
            for each in found:
                if not each.is_called_so:
                    _unname(connection, each, traces)
            if found:
                traces.extend(sorted(word.encode() for word in gone.words | gone.sources if word))
        return len(found)

    def expire(self, collection: str, before: str) -> int:
        """Deletes entries of a collection, empty for none, that were worked on before that time; how many."""
        sql = "SELECT position FROM activity WHERE time_ms < ? AND coalesce(collection, '') = ?"
        with self._database.erasing() as (connection, traces):
            doomed = [row[0] for row in connection.execute(sql, (_ms(before), collection))]
            _delete(connection, doomed, traces)
        return len(doomed)

    def expire_strangers(self, before: str) -> int:
        """Deletes the pictures, not the entries, of nameless people before cameras until that time; how many."""
        with self._database.erasing() as (connection, traces):
            doomed = [row[0] for row in connection.execute(_STRANGERS, (_ms(before),))]
            for position in doomed[:MAX_TRACES]:
                traces.extend(_ends(connection, position))
            sql = f"UPDATE activity_details SET picture = NULL WHERE position IN ({_THESE})"  # noqa: S608
            connection.execute(sql, (json.dumps(doomed),))
        return len(doomed)

    def traffic(self, since: str, until: str, step_s: int) -> list[Traffic]:
        start, end = _ms(since), _ms(until)
        if step_s < 1 or end - start > _MOST_STEPS * step_s * 1000:
            raise UsageError(
                f"{since} to {until} has no or more than {_MOST_STEPS} steps of {step_s} s; ask for longer ones"
            )
        return activity_figures.traffic(self._database, start, end, step_s)

    def similarities(self, since: str, until: str) -> list[int]:
        return activity_figures.similarities(self._database, _ms(since), _ms(until))

    def people(self, since: str, until: str, limit: int) -> list[tuple[str, int]]:
        return activity_figures.people(self._database, _ms(since), _ms(until), limit)

    def latencies(self, since: str) -> Latencies:
        return activity_figures.latencies(self._database, _ms(since))


def _put_faces(
    connection: sqlite3.Connection, position: int, time_ms: int, faces: Sequence[SeenFace], error: str | None
) -> None:
    said: list[tuple[str, float | None, str | None]] = [(f.status, f.similarity, f.person) for f in faces]
    if not faces and not error:
        said.append(("none", None, None))
    if error:
        said.append(("error", None, None))
    rows = [(position, number, *each, time_ms) for number, each in enumerate(said)]
    connection.executemany("INSERT INTO activity_faces VALUES (?, ?, ?, ?, ?, ?)", rows)


def _drop(connection: sqlite3.Connection, bucket: str, key: str) -> int:
    sql = "DELETE FROM activity WHERE bucket = ? AND key = ? AND camera IS NULL"
    return connection.execute(sql, (bucket, key)).rowcount


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry that says who is being forgotten. theirs: the numbers of their faces."""

    position: int
    is_called_so: bool
    faces: tuple[SeenFace, ...]
    theirs: frozenset[int]


def _found(connection: sqlite3.Connection, gone: Gone, says: Callable[[str], bool]) -> Iterator[_Found]:
    """By name in the collections where they are forgotten; by the id of a face, as who was renamed since, anywhere."""
    sql = """SELECT position, collection, faces, bucket || '/' || key, camera, error
             FROM activity JOIN activity_details USING (position)"""
    cursor = connection.execute(sql)
    while rows := cursor.fetchmany(_CHUNK):
        for position, collection, text, *said in rows:
            faces, here = _faces(text), gone.everywhere or collection in gone.collections
            theirs = {n for n, face in enumerate(faces) if here and face.person == gone.name}
            theirs |= {n for n, face in enumerate(faces) if face.face_id in gone.face_ids}
            is_called_so = gone.everywhere and any(says(each) for each in said if each)
            if is_called_so or theirs:
                yield _Found(position, is_called_so, faces, frozenset(theirs))


def _unname(connection: sqlite3.Connection, found: _Found, traces: list[bytes]) -> None:
    """A picture of nobody else goes too."""
    cleaned = [_forgotten(face) if n in found.theirs else face for n, face in enumerate(found.faces)]
    alone = all(face.status == "forgotten" for face in cleaned)
    traces += _ends(connection, found.position)
    faces = msgspec.json.encode(cleaned).decode()
    sql = "UPDATE activity_details SET faces = ?, picture = CASE WHEN ? THEN NULL ELSE picture END WHERE position = ?"
    connection.execute(sql, (faces, alone, found.position))
    sql = """UPDATE activity_faces SET status = 'forgotten', person = NULL, similarity = NULL
             WHERE position = ? AND number = ?"""
    connection.executemany(sql, [(found.position, number) for number in found.theirs])


def _forgotten(face: SeenFace) -> SeenFace:
    return SeenFace("forgotten", None, None, None, face.confidence, face.box, (), face.first_s, face.last_s)


def _delete(connection: sqlite3.Connection, positions: Sequence[int], traces: list[bytes]) -> None:
    for position in positions[:MAX_TRACES]:
        traces += _ends(connection, position)
    connection.execute(f"DELETE FROM activity WHERE position IN ({_THESE})", (json.dumps(positions),))  # noqa: S608


def _ends(connection: sqlite3.Connection, position: int) -> list[bytes]:
    """What the entry can be recognised by in the file: both ends of its texts and of its picture."""
    sql = """SELECT a.bucket || a.key, a.camera, d.error, d.faces, substr(d.picture, 1, :end), substr(d.picture, -:end)
             FROM activity a JOIN activity_details d USING (position) WHERE position = :position"""
    row = connection.execute(sql, {"end": _END_BYTES, "position": position}).fetchone()
    texts = [text.encode() for text in row[:4] if text and len(text) > 3]
    pieces = [piece for piece in row[4:] if piece]
    return [end for each in texts for end in (each[:_END_BYTES], each[-_END_BYTES:])] + pieces


def _entry(row: Row) -> Entry:
    kind, time_ms, uploaded_ms, bucket, key, camera, collection, width, height = row[:9]
    faces, error, waited_ms, took_ms, picture, position = row[9:]
    return Entry(
        kind=Kind(kind),
        time=text_of(time_ms),
        uploaded_at=text_of(uploaded_ms),
        bucket=bucket,
        key=key,
        camera=camera,
        collection=collection,
        width=width,
        height=height,
        faces=_faces(faces),
        error=error,
        waited_ms=waited_ms,
        took_ms=took_ms,
        picture=bool(picture),
        position=position,
    )


def _faces(text: str) -> tuple[SeenFace, ...]:
    return msgspec.json.decode(text, type=tuple[SeenFace, ...])


def _ms(text: str) -> int:
    """Milliseconds since 1970. Raises UsageError."""
    try:
        return round(datetime.fromisoformat(utc(text)).timestamp() * 1000)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a time; give ISO 8601, as in 2026-01-31T12:00:00Z") from error
