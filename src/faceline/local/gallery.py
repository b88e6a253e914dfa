"""Collections and face records in SQLite, in a file of their own: vectors and crops are in the rows they belong to."""

import json
import logging
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import numpy as np

from faceline.errors import ModelMismatchError, NotFoundError, StorageError, UsageError
from faceline.local.database import Database, Row, Step
from faceline.ports import Changes, CollectionInfo, Crop, NewFace
from faceline.types import BoundingBox, Embedding, FaceRecord, Landmarks, Quality

_log = logging.getLogger("faceline.local.gallery")

# Append a step, never change one that was released. `generations` outlives its collection, so that a process that still
# has a dropped one in memory learns of it even when another of the same name was made since.
GALLERY: tuple[Step, ...] = (
    """
    CREATE TABLE collections (
        name TEXT PRIMARY KEY,
        model TEXT NOT NULL,
        created_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE generations (
        collection TEXT PRIMARY KEY,
        generation INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE faces (
        face_id TEXT PRIMARY KEY,
        collection TEXT NOT NULL REFERENCES collections (name),
        generation INTEGER NOT NULL,
        image_id TEXT NOT NULL,
        person TEXT,
        external_image_id TEXT,
        source TEXT NOT NULL,
        box TEXT NOT NULL,
        landmarks TEXT NOT NULL,
        confidence REAL NOT NULL,
        quality TEXT NOT NULL,
        vector BLOB NOT NULL,
        created_at TEXT NOT NULL
    );
    CREATE UNIQUE INDEX faces_by_generation ON faces (collection, generation);
    CREATE INDEX faces_by_person ON faces (collection, person);
    CREATE INDEX faces_by_image ON faces (collection, image_id);
    CREATE TABLE crops (
        face_id TEXT PRIMARY KEY REFERENCES faces (face_id) ON DELETE CASCADE,
        jpeg BLOB NOT NULL,
        landmarks TEXT NOT NULL
    );
    CREATE TABLE removed (
        collection TEXT NOT NULL,
        generation INTEGER NOT NULL,
        face_id TEXT NOT NULL,
        PRIMARY KEY (collection, generation)
    ) WITHOUT ROWID;
    """,
)

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,255}")  # as Amazon Rekognition has it

_FACE = """f.face_id, f.image_id, f.person, f.external_image_id, f.source, f.box, f.landmarks, f.confidence, f.quality,
           f.vector, f.created_at, c.model, f.generation FROM faces f JOIN collections c ON c.name = f.collection"""


class SqliteCollections:
    """Implements `ports.Collections`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, model: str) -> CollectionInfo:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot name a collection; use 1 to 255 letters, digits, dots, dashes, underscores"
            )
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        sql = "INSERT INTO collections VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING"
        self._database.write(sql, (name, model, created))
        info = self.get(name)
        if info.model != model:
            raise ModelMismatchError(
                f"collection {name} was built with {info.model} and cannot take faces of {model}; "
                "use that model, or another collection"
            )
        return info

    def get(self, name: str) -> CollectionInfo:
        found = [info for info in self.list() if info.name == name]
        if not found:
            raise NotFoundError(
                f"there is no collection {name}; enroll somebody into it, or see `faceline collections`"
            )
        return found[0]

    def list(self) -> Sequence[CollectionInfo]:
        sql = """SELECT c.name, c.model, c.created_at, COUNT(f.face_id), COUNT(DISTINCT f.person)
                 FROM collections c LEFT JOIN faces f ON f.collection = c.name GROUP BY c.name ORDER BY c.name"""
        return [CollectionInfo(*row) for row in self._database.rows(sql)]

    def drop(self, name: str) -> None:
        self.get(name)
        with self._database.transaction() as connection, _counted(connection, name) as generation:
            rows = connection.execute("SELECT face_id FROM faces WHERE collection = ?", (name,)).fetchall()
            _delete(connection, name, generation, [row[0] for row in rows])
            connection.execute("DELETE FROM collections WHERE name = ?", (name,))
        _wipe_log(self._database)


class SqliteFaceRecords:
    """Implements `ports.FaceRecords`. Every row has a generation of its own, counted up for each collection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, collection: str, faces: Sequence[NewFace]) -> dict[str, FaceRecord]:
        twins: dict[str, FaceRecord] = {}
        if not faces:
            return twins
        with self._database.transaction() as connection:
            row = connection.execute("SELECT model FROM collections WHERE name = ?", (collection,)).fetchone()
            if row is None:
                raise NotFoundError(
                    f"there is no collection {collection} to add faces to; it may just have been dropped"
                )
            _check_models(collection, row[0], faces)
            with _counted(connection, collection) as generation:
                for face in faces:
                    twin = _twin(connection, collection, face.record)
                    if twin:
                        twins[face.record.face_id] = twin
                    else:
                        _insert(connection, collection, generation, face)
        return twins

    def remove(self, collection: str, face_ids: Sequence[str]) -> int:
        if not face_ids:
            return 0
        with self._database.transaction() as connection, _counted(connection, collection) as generation:
            removed = _delete(connection, collection, generation, face_ids)
        _wipe_log(self._database)
        return removed

    def changes(self, collection: str, since: int, limit: int) -> Changes:
        sql = "SELECT generation FROM generations WHERE collection = ?"
        newest = next((int(row[0]) for row in self._database.rows(sql, (collection,))), 0)
        if newest <= since:
            return Changes(since, (), ())
        sql = f"""SELECT {_FACE} WHERE f.collection = ? AND f.generation > ? AND f.generation <= ?
                  ORDER BY f.generation LIMIT ?"""
        rows = self._database.rows(sql, (collection, since, newest, limit))
        reached = int(rows[-1][-1]) if len(rows) == limit else newest
        sql = "SELECT face_id FROM removed WHERE collection = ? AND generation > ? AND generation <= ?"
        gone = [str(row[0]) for row in self._database.rows(sql, (collection, since, reached))]
        return Changes(reached, [_record(row) for row in rows], gone)

    def find(self, collection: str, person: str | None = None, image_id: str | None = None) -> Sequence[FaceRecord]:
        sql = f"""SELECT {_FACE} WHERE f.collection = :collection"""
        sql += " AND f.person = :person" if person is not None else ""
        sql += " AND f.image_id = :image" if image_id is not None else ""
        values = {"collection": collection, "person": person, "image": image_id}
        return [_record(row) for row in self._database.rows(f"{sql} ORDER BY f.generation", values)]

    def crop(self, collection: str, face_id: str) -> Crop | None:
        sql = """SELECT jpeg, k.landmarks FROM crops k JOIN faces f ON f.face_id = k.face_id
                 WHERE f.collection = ? AND k.face_id = ?"""
        rows = self._database.rows(sql, (collection, face_id))
        return Crop(rows[0][0], tuple((x, y) for x, y in json.loads(rows[0][1]))) if rows else None


def _delete(connection: sqlite3.Connection, collection: str, generation: Iterator[int], face_ids: Sequence[str]) -> int:
    deleted = 0
    for face_id in face_ids:
        sql = "DELETE FROM faces WHERE collection = ? AND face_id = ?"
        if connection.execute(sql, (collection, face_id)).rowcount:
            connection.execute("INSERT INTO removed VALUES (?, ?, ?)", (collection, next(generation), face_id))
            deleted += 1
    return deleted


def _wipe_log(database: Database) -> None:
    """SQLite overwrites deleted rows in the file; the write-ahead log still has them until it is emptied."""
    for _ in range(20):
        if database.checkpoint():
            return
        time.sleep(0.05)
    _log.warning("deleted faces stay in the write-ahead log until its readers are done")


def _check_models(collection: str, model: str, faces: Sequence[NewFace]) -> None:
    others = {face.record.embedding.model for face in faces} - {model}
    if others:
        raise ModelMismatchError(
            f"collection {collection} was built with {model} and cannot take a face of {others.pop()}; "
            "use that model, or another collection"
        )


@contextmanager
def _counted(connection: sqlite3.Connection, collection: str) -> Iterator[Iterator[int]]:
    """Fresh generation numbers; the last one drawn becomes the collection's."""
    row = connection.execute("SELECT generation FROM generations WHERE collection = ?", (collection,)).fetchone()
    drawn = int(row[0]) if row else 0

    def numbers() -> Iterator[int]:
        nonlocal drawn
        while True:
            drawn += 1
            yield drawn

    yield numbers()
    connection.execute("INSERT OR REPLACE INTO generations VALUES (?, ?)", (collection, drawn))


def _box(record: FaceRecord) -> str:
    return json.dumps([record.box.left, record.box.top, record.box.width, record.box.height])


def _twin(connection: sqlite3.Connection, collection: str, record: FaceRecord) -> FaceRecord | None:
    """The stored record of the same face of the same image."""
    sql = f"""SELECT {_FACE} WHERE f.face_id = ? OR (f.collection = ? AND f.image_id = ? AND f.box = ?) LIMIT 1"""
    row = connection.execute(sql, (record.face_id, collection, record.image_id, _box(record))).fetchone()
    return _record(row) if row else None


def _insert(connection: sqlite3.Connection, collection: str, generation: Iterator[int], face: NewFace) -> None:
    r = face.record
    q = r.quality
    values = (
        r.face_id,
        collection,
        next(generation),
        r.image_id,
        r.person,
        r.external_image_id,
        r.source,
        _box(r),
        json.dumps(r.landmarks.as_array().round(2).tolist()),
        r.confidence,
        json.dumps([q.brightness, q.sharpness, q.size_px, list(q.reasons)]),
        np.ascontiguousarray(r.embedding.values, dtype="<f4").tobytes(),
        r.created_at,
    )
    connection.execute(f"INSERT INTO faces VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608 (only marks)
    if face.crop:
        landmarks = json.dumps(face.crop.landmarks)
        connection.execute("INSERT INTO crops VALUES (?, ?, ?)", (r.face_id, face.crop.jpeg, landmarks))


def _record(row: Row) -> FaceRecord:
    try:
        return _parsed(row)
    except (ValueError, TypeError) as error:
        raise StorageError(
            f"the face record {row[0]} is damaged ({error}); put a backup of the database in its place"
        ) from error


def _parsed(row: Row) -> FaceRecord:
    face_id, image_id, person, external_image_id, source, box, landmarks, confidence, quality, vector = row[:10]
    brightness, sharpness, size_px, reasons = json.loads(quality)
    return FaceRecord(
        face_id=face_id,
        image_id=image_id,
        person=person,
        external_image_id=external_image_id,
        source=source,
        box=BoundingBox(*json.loads(box)),
        landmarks=Landmarks.from_array(np.array(json.loads(landmarks), dtype=np.float32)),
        confidence=confidence,
        quality=Quality(brightness, sharpness, size_px, tuple(reasons)),
        embedding=Embedding(np.frombuffer(vector, dtype="<f4").astype(np.float32), row[11]),
        created_at=row[10],
    )
