"""Unknown faces in SQLite."""

import json
import sqlite3
from collections.abc import Sequence

import numpy as np

from faceline.gallery.ports import Crop, NewFace
from faceline.local.database import Database
from faceline.local.face_records import record_of
from faceline.local.review_traces import of_unknown
from faceline.types import FaceRecord

_COLUMNS = """face_id, image_id, NULL, NULL, source, box, landmarks, confidence, quality, vector, seen_at, model,
              image_width, image_height"""  # as `record_of` takes them
_OLDEST = """face_id IN (SELECT face_id FROM unknown_faces WHERE collection = ?
                         ORDER BY seen_at DESC, face_id LIMIT -1 OFFSET ?)"""


class SqliteUnknownFaces:
    """Implements `gallery.unknowns.UnknownFaces`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, collection: str, source: str, faces: Sequence[NewFace], most: int) -> None:
        with self._database.erasing() as (connection, traces):
            _delete(connection, traces, "collection = ? AND source = ?", (collection, source))
            if connection.execute("SELECT 1 FROM collections WHERE name = ?", (collection,)).fetchone():
                for face in faces:
                    _insert(connection, collection, face)
            sql = "SELECT COUNT(*) FROM unknown_faces WHERE collection = ?"
            if connection.execute(sql, (collection,)).fetchone()[0] > most:
                # Some at once: each time the whole file is searched for what is left of them.
                left = most - most // 20
                _delete(connection, traces, f"{_OLDEST} AND collection = ?", (collection, left, collection))

    def all(self, collection: str) -> Sequence[FaceRecord]:
        sql = f"SELECT {_COLUMNS} FROM unknown_faces WHERE collection = ? ORDER BY seen_at, face_id"  # noqa: S608 (ours)
        return [record_of(row) for row in self._database.rows(sql, (collection,))]

    def ids(self, collection: str) -> Sequence[str]:
        sql = "SELECT face_id FROM unknown_faces WHERE collection = ?"
        return [row[0] for row in self._database.rows(sql, (collection,))]

    def crop(self, collection: str, face_id: str) -> Crop | None:
        sql = """SELECT jpeg, crop_landmarks FROM unknown_faces
                 WHERE collection = ? AND face_id = ? AND jpeg IS NOT NULL"""
        rows = self._database.rows(sql, (collection, face_id))
        return Crop(rows[0][0], tuple((x, y) for x, y in json.loads(rows[0][1]))) if rows else None

    def remove(self, collection: str, face_ids: Sequence[str]) -> int:
        which = "collection = ? AND face_id IN (SELECT value FROM json_each(?))"
        with self._database.erasing() as (connection, traces):
            return _delete(connection, traces, which, (collection, json.dumps(list(face_ids))))

    def drop(self, source: str) -> int:
        """Of any collection: the photo is no longer there."""
        with self._database.erasing() as (connection, traces):
            return _delete(connection, traces, "source = ?", (source,))

    def expire(self, before: str) -> int:
        with self._database.erasing() as (connection, traces):
            return _delete(connection, traces, "seen_at < ?", (before,))


def _delete(connection: sqlite3.Connection, traces: list[bytes], condition: str, values: tuple[object, ...]) -> int:
    traces.extend(of_unknown(connection, condition, values))
    return connection.execute(f"DELETE FROM unknown_faces WHERE {condition}", values).rowcount  # noqa: S608 (ours)


def _insert(connection: sqlite3.Connection, collection: str, face: NewFace) -> None:
    r, crop = face.record, face.crop
    q = r.quality
    width, height = r.image_size or (None, None)
    values = {
        "face_id": r.face_id,
        "collection": collection,
        "image_id": r.image_id,
        "source": r.source,
        "box": json.dumps([r.box.left, r.box.top, r.box.width, r.box.height]),
        "landmarks": json.dumps(r.landmarks.as_array().round(2).tolist()),
        "confidence": r.confidence,
        "quality": json.dumps([q.brightness, q.sharpness, q.size_px, list(q.reasons)]),
        "model": r.embedding.model,
        "vector": np.ascontiguousarray(r.embedding.values, dtype="<f4").tobytes(),
        "image_width": width,
        "image_height": height,
        "jpeg": crop.jpeg if crop else None,
        "crop_landmarks": json.dumps(crop.landmarks) if crop else None,
        "seen_at": r.created_at,
    }
    sql = f"INSERT INTO unknown_faces ({', '.join(values)}) VALUES (:{', :'.join(values)})"  # noqa: S608 (our own words)
    connection.execute(sql, values)
