"""What rows of the gallery can be recognised by in the file when they are deleted, for `Database.erasing`.

SQLite writes the columns of a row or of an index one after the other. A row that SQLite left a copy of may be partly
overwritten, from either end: so a face is looked for by its id before its collection and by both ends of its vector.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from faceline.local.database import MAX_TRACES, Row

_END_BYTES = 64
_MIN_BYTES = 4  # a shorter text is found anywhere

_FACES = """SELECT f.face_id, f.image_id, f.person, f.external_image_id, substr(f.vector, 1, :end),
                   substr(f.vector, -:end), substr(k.jpeg, 1, 8), substr(k.jpeg, -:end),
                   substr(s.vector, 1, :end), substr(s.vector, -:end)
            FROM faces f LEFT JOIN crops k ON k.face_id = f.face_id
            LEFT JOIN second_vectors s ON s.face_id = f.face_id"""
_SOME = " WHERE +f.collection = :collection AND f.face_id IN (SELECT value FROM json_each(:face_ids)) LIMIT :limit"
_ALL = " WHERE f.collection = :collection LIMIT :limit"
_HELD = """SELECT EXISTS (SELECT 1 FROM faces WHERE collection = :collection AND person = :word)
               OR EXISTS (SELECT 1 FROM faces WHERE collection = :collection AND image_id = :word)
               OR EXISTS (SELECT 1 FROM faces WHERE collection = :collection AND external_image_id = :word)
               OR EXISTS (SELECT 1 FROM people WHERE collection = :collection AND name = :word)
               OR EXISTS (SELECT 1 FROM people WHERE collection = :collection AND user_id = :word)"""


@dataclass(frozen=True, slots=True)
class Doomed:
    """Of rows that are about to be deleted. words: texts that may be in other rows as well."""

    traces: list[bytes]
    words: set[str]

    def left(self, connection: sqlite3.Connection, collection: str) -> list[bytes]:
        """Their traces, once they are deleted: the words only when no other row of the collection has them."""
        if len(self.traces) > MAX_TRACES:
            return self.traces
        held = {word for word in self.words if _is_held(connection, collection, word)}
        return self.traces + [_trace(collection, word) for word in sorted(self.words - held)]


def of_faces(connection: sqlite3.Connection, collection: str, face_ids: Sequence[str] | None) -> Doomed:
    """None: all of them. Of as many as `Database.scrub` looks for: with more it looks for none."""
    given = {"collection": collection, "limit": MAX_TRACES, "end": _END_BYTES, "face_ids": json.dumps(face_ids)}
    rows = connection.execute(_FACES + (_ALL if face_ids is None else _SOME), given).fetchall()
    words = {word for row in rows for word in row[1:4] if word}
    for person in {row[2] for row in rows if row[2]}:
        sql = "SELECT user_id FROM people WHERE collection = ? AND name = ?"
        words |= {row[0] for row in connection.execute(sql, (collection, person))}
    # An empty vector, as of a face that a service keeps, is no trace.
    return Doomed([trace for row in rows for trace in _of_face(collection, row) if trace], words)


def of_people(connection: sqlite3.Connection, collection: str) -> Doomed:
    """All of the collection."""
    sql = "SELECT name, user_id FROM people WHERE collection = ? LIMIT ?"
    return Doomed([], {word for row in connection.execute(sql, (collection, MAX_TRACES)) for word in row})


def of_name(connection: sqlite3.Connection, face_ids: Sequence[str], name: str) -> list[bytes]:
    """That these faces were this person's: the name stands behind the image's id."""
    sql = "SELECT DISTINCT image_id FROM faces WHERE face_id IN (SELECT value FROM json_each(?)) LIMIT ?"
    rows = connection.execute(sql, (json.dumps(list(face_ids)), MAX_TRACES + 1))
    return [f"{row[0]}{name}".encode() for row in rows]


def _of_face(collection: str, row: Row) -> Iterator[bytes]:
    face_id, start, end, jpeg_start, jpeg_end, second_start, second_end = row[0], *row[4:]
    yield f"{face_id}{collection}".encode()
    yield start
    yield end
    if jpeg_start is not None:
        yield face_id.encode() + jpeg_start
        yield jpeg_end
    if second_start is not None:
        yield second_start
        yield second_end


def _is_held(connection: sqlite3.Connection, collection: str, word: str) -> bool:
    return bool(connection.execute(_HELD, {"collection": collection, "word": word}).fetchone()[0])


def _trace(collection: str, word: str) -> bytes:
    """A short word is looked for where it stands in the indexes: behind the collection's name."""
    text = word.encode()[:_END_BYTES]
    return text if len(text) >= _MIN_BYTES else collection.encode() + text
