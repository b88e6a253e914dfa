"""Face records in SQLite: vectors and crops are in the rows they belong to."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np

from faceline.errors import ModelMismatchError, StorageError
from faceline.gallery.ports import Changes, Crop, FaceQuery, NewFace
from faceline.local.database import Database, Row
from faceline.local.gallery import Counter, counted, model_in
from faceline.local.people import add_person, check_quota
from faceline.local.traces import of_faces
from faceline.types import BoundingBox, Embedding, FaceRecord, Landmarks, Quality

_FACE = """f.face_id, f.image_id, f.person, f.external_image_id, f.source, f.box, f.landmarks, f.confidence, f.quality,
           f.vector, f.created_at, c.model, f.image_width, f.image_height, f.position, f.generation
           FROM faces f CROSS JOIN collections c ON c.name = f.collection"""
# (CROSS JOIN is how SQLite is told to begin with the faces.)
_POSITION, _GENERATION = -2, -1  # in such a row
_CONDITIONS = {
    "person": "f.person = :person",
    "image_id": "f.image_id = :image_id",
    "named": """f.rowid IN (SELECT rowid FROM faces WHERE collection = :collection AND person = :named UNION ALL
                            SELECT rowid FROM faces WHERE collection = :collection AND external_image_id = :named)""",
    "face_ids": "f.face_id IN (SELECT value FROM json_each(:face_ids))",  # one variable, however many ids
}


class SqliteFaceRecords:
    """Implements `gallery.ports.FaceRecords`. Every row has a generation of its own, counted up for each collection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, collection: str, faces: Sequence[NewFace], limit: int | None = None) -> dict[str, FaceRecord]:
        """Raises ConflictError too, when a new person's user id would be another person's."""
        twins: dict[str, FaceRecord] = {}
        if not faces:
            return twins
        with self._database.transaction() as connection, counted(connection, collection) as counter:
            _check_models(collection, model_in(connection, collection), faces)
            for face in faces:
                twin = _twin(connection, collection, face.record)
                if twin:
                    twins[face.record.face_id] = twin
                else:
                    _insert(connection, collection, counter.draw(), face)
            if limit is not None and len(twins) < len(faces):
                check_quota(connection, "faces", collection, counter, limit)
        return twins

    def remove(self, collection: str, face_ids: Sequence[str], of_nobody: bool = False) -> int:
        if not face_ids:
            return 0
        with self._database.erasing() as (connection, traces), counted(connection, collection) as counter:
            if of_nobody:
                sql = """SELECT face_id FROM faces WHERE collection = ? AND person IS NULL
                         AND face_id IN (SELECT value FROM json_each(?))"""
                face_ids = [str(row[0]) for row in connection.execute(sql, (collection, _listed(face_ids)))]
            doomed = of_faces(connection, collection, face_ids)
            persons = _delete(connection, collection, counter, face_ids)
            for person in set(persons) - {None}:
                sql = """DELETE FROM people WHERE collection = ?1 AND name = ?2
                         AND NOT EXISTS (SELECT 1 FROM faces WHERE collection = ?1 AND person = ?2)"""
                connection.execute(sql, (collection, person))
            traces.extend(doomed.left(connection, collection))
        return len(persons)

    def changes(self, collection: str, since: int, limit: int) -> Changes:
        sql = "SELECT generation FROM generations WHERE collection = ?"
        newest = next((int(row[0]) for row in self._database.rows(sql, (collection,))), 0)
        if newest <= since:
            return Changes(since, (), ())
        sql = f"""SELECT {_FACE} WHERE f.collection = ? AND f.generation > ? AND f.generation <= ?
                  ORDER BY f.generation LIMIT ?"""
        rows = self._database.rows(sql, (collection, since, newest, limit))
        reached = int(rows[-1][_GENERATION]) if len(rows) == limit else newest
        sql = "SELECT face_id FROM removed WHERE collection = ? AND generation > ? AND generation <= ?"
        gone = [str(row[0]) for row in self._database.rows(sql, (collection, since, reached))]
        return Changes(reached, [_record(row) for row in rows], gone)

    def find(
        self,
        collection: str,
        person: str | None = None,
        image_id: str | None = None,
        face_ids: Sequence[str] | None = None,
    ) -> Sequence[FaceRecord]:
        given = {"named": person, "image_id": image_id, "face_ids": _listed(face_ids)}
        return [_record(row) for row in self._database.rows(*_selection(collection, given))]

    def page(self, collection: str, after: int, limit: int, query: FaceQuery) -> Sequence[tuple[int, FaceRecord]]:
        given = {"person": query.person, "face_ids": _listed(query.face_ids)}
        sql, values = _selection(collection, given)
        rows = self._database.rows(f"{sql} LIMIT :limit", values | {"after": after, "limit": limit})
        return [(row[_POSITION], _record(row)) for row in rows]

    def crop(self, collection: str, face_id: str) -> Crop | None:
        sql = """SELECT jpeg, k.landmarks FROM crops k JOIN faces f ON f.face_id = k.face_id
                 WHERE f.collection = ? AND k.face_id = ?"""
        rows = self._database.rows(sql, (collection, face_id))
        return Crop(rows[0][0], tuple((x, y) for x, y in json.loads(rows[0][1]))) if rows else None


def _selection(collection: str, given: dict[str, str | None]) -> tuple[str, dict[str, Any]]:
    """A query by position for those of `_CONDITIONS` that are given, after position `after`, and its values."""
    names = [name for name, value in given.items() if value is not None]
    # SQLite takes every index for as good as another. A sign before a column takes away the index that starts with it,
    # which would lead through the whole collection instead of to the few faces that the conditions name.
    position = "+f.position" if names else "f.position"
    inside = "+f.collection" if {"named", "face_ids"} & set(names) else "f.collection"
    conditions = [f"{inside} = :collection", f"{position} > :after", *(_CONDITIONS[name] for name in names)]
    sql = f"SELECT {_FACE} WHERE {' AND '.join(conditions)} ORDER BY {position}"
    return sql, {"collection": collection, "after": 0} | given


def _listed(face_ids: Sequence[str] | None) -> str | None:
    return None if face_ids is None else json.dumps(list(face_ids))


def _delete(
    connection: sqlite3.Connection, collection: str, counter: Counter, face_ids: Sequence[str]
) -> list[str | None]:
    """Whose each of the deleted faces was."""
    persons: list[str | None] = []
    for face_id in face_ids:
        sql = "DELETE FROM faces WHERE collection = ? AND face_id = ? RETURNING person"
        for row in connection.execute(sql, (collection, face_id)).fetchall():
            connection.execute("INSERT INTO removed VALUES (?, ?, ?)", (collection, counter.draw(), face_id))
            persons.append(row[0])
    return persons


def _check_models(collection: str, model: str, faces: Sequence[NewFace]) -> None:
    others = {face.record.embedding.model for face in faces} - {model}
    if others:
        raise ModelMismatchError(
            f"collection {collection} was built with {model} and cannot take a face of {others.pop()}; "
            "use that model, or another collection"
        )


def _box(record: FaceRecord) -> str:
    return json.dumps([record.box.left, record.box.top, record.box.width, record.box.height])


def _twin(connection: sqlite3.Connection, collection: str, record: FaceRecord) -> FaceRecord | None:
    """The stored record of the same face of the same image."""
    sql = f"""SELECT {_FACE} WHERE f.face_id = ? OR (f.collection = ? AND f.image_id = ? AND f.box = ?) LIMIT 1"""
    row = connection.execute(sql, (record.face_id, collection, record.image_id, _box(record))).fetchone()
    return _record(row) if row else None


def _insert(connection: sqlite3.Connection, collection: str, number: int, face: NewFace) -> None:
    """number: the row's position and, until its person changes, its generation."""
    r = face.record
    q = r.quality
    width, height = r.image_size or (None, None)
    values = {
        "face_id": r.face_id,
        "collection": collection,
        "generation": number,
        "position": number,
        "image_id": r.image_id,
        "person": r.person,
        "external_image_id": r.external_image_id,
        "source": r.source,
        "box": _box(r),
        "landmarks": json.dumps(r.landmarks.as_array().round(2).tolist()),
        "confidence": r.confidence,
        "quality": json.dumps([q.brightness, q.sharpness, q.size_px, list(q.reasons)]),
        "vector": np.ascontiguousarray(r.embedding.values, dtype="<f4").tobytes(),
        "created_at": r.created_at,
        "image_width": width,
        "image_height": height,
    }
    sql = f"INSERT INTO faces ({', '.join(values)}) VALUES (:{', :'.join(values)})"  # noqa: S608 (our own words)
    connection.execute(sql, values)
    if face.crop:
        landmarks = json.dumps(face.crop.landmarks)
        connection.execute("INSERT INTO crops VALUES (?, ?, ?)", (r.face_id, face.crop.jpeg, landmarks))
    if r.person is not None and not _is_known(connection, collection, r.person):
        add_person(connection, collection, r.person, number, r.created_at)


def _is_known(connection: sqlite3.Connection, collection: str, name: str) -> bool:
    sql = "SELECT 1 FROM people WHERE collection = ? AND name = ?"
    return connection.execute(sql, (collection, name)).fetchone() is not None


def _record(row: Row) -> FaceRecord:
    try:
        return record_of(row)
    except (ValueError, TypeError) as error:
        raise StorageError(
            f"the face record {row[0]} is damaged ({error}); put a backup of the database in its place"
        ) from error


def record_of(row: Row) -> FaceRecord:
    """row: as `_FACE` has its columns, up to the image's height."""
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
        image_size=None if row[12] is None else (row[12], row[13]),
    )
