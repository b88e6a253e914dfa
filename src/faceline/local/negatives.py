"""Counter-examples in SQLite."""

import json
import sqlite3
from collections.abc import Sequence

import numpy as np

from faceline.errors import NotFoundError
from faceline.gallery.negatives import Mark
from faceline.gallery.ports import Crop
from faceline.local.database import Database, Row
from faceline.local.gallery import counted, model_in
from faceline.local.journal import recorded
from faceline.local.review_traces import of_marks
from faceline.local.traces import of_name
from faceline.types import Embedding

_COLUMNS = "n.mark_id, n.person, n.model, n.vector, n.source, n.image_id, n.marked_by, n.marked_at, n.face_id"
_OF = f"""SELECT {_COLUMNS} FROM negatives n LEFT JOIN faces f ON f.face_id = n.face_id
          WHERE n.collection = ? AND f.person IS NOT n.person ORDER BY n.marked_at, n.mark_id"""  # noqa: S608 (our own)


class SqliteNegatives:
    """Implements `gallery.negatives.Negatives`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, collection: str, mark: Mark) -> None:
        with self._database.erasing() as (connection, traces), counted(connection, collection) as counter:
            model_in(connection, collection)
            with recorded(connection, collection, "mark", mark.by, (mark.person,), mark.source) as recording:
                _insert(connection, collection, mark)
                generation = counter.draw()
                sql = """UPDATE faces SET person = NULL, generation = ?1,
                                external_image_id = NULLIF(external_image_id, ?2)
                         WHERE face_id = ?3 AND collection = ?4
                         AND (person = ?2 OR person IS NULL AND external_image_id = ?2)"""
                connection.execute(sql, (generation, mark.person, mark.face_id, collection))
            traces.extend(of_name(connection, recording.faces(), mark.person))

    def of(self, collection: str) -> Sequence[Mark]:
        return [_mark(row) for row in self._database.rows(_OF, (collection,))]

    def crop(self, collection: str, mark_id: str) -> Crop | None:
        sql = "SELECT jpeg, landmarks FROM negatives WHERE collection = ? AND mark_id = ? AND jpeg IS NOT NULL"
        rows = self._database.rows(sql, (collection, mark_id))
        return Crop(rows[0][0], tuple((x, y) for x, y in json.loads(rows[0][1]))) if rows else None

    def remove(self, collection: str, mark_id: str) -> None:
        with self._database.erasing() as (connection, traces), counted(connection, collection) as counter:
            model_in(connection, collection)
            traces.extend(of_marks(connection, "mark_id = ?", (mark_id,)))
            sql = "DELETE FROM negatives WHERE collection = ? AND mark_id = ?"
            if not connection.execute(sql, (collection, mark_id)).rowcount:
                raise NotFoundError(
                    f"collection {collection} has no mark {mark_id}; `faceline review marks` lists them"
                )
            # There is nothing left to undo, unless a face was taken from the person with it.
            sql = "DELETE FROM journal WHERE collection = ? AND action = 'mark' AND faces = 0 AND instr(after, ?)"
            connection.execute(sql, (collection, mark_id))
            counter.draw()


def _insert(connection: sqlite3.Connection, collection: str, mark: Mark) -> None:
    values = {
        "mark_id": mark.mark_id,
        "collection": collection,
        "person": mark.person,
        "face_id": mark.face_id,
        "source": mark.source,
        "image_id": mark.image_id,
        "model": mark.embedding.model,
        "vector": np.ascontiguousarray(mark.embedding.values, dtype="<f4").tobytes(),
        "jpeg": mark.crop.jpeg if mark.crop else None,
        "landmarks": json.dumps(mark.crop.landmarks) if mark.crop else None,
        "marked_by": mark.by,
        "marked_at": mark.at,
    }
    sql = f"INSERT INTO negatives ({', '.join(values)}) VALUES (:{', :'.join(values)})"  # noqa: S608 (our own words)
    connection.execute(sql, values)


def _mark(row: Row) -> Mark:
    mark_id, person, model, vector, source, image_id, by, at, face_id = row
    embedding = Embedding(np.frombuffer(vector, dtype="<f4").astype(np.float32), model)
    return Mark(mark_id, person, embedding, source, image_id, by, at, face_id)
