"""Collections in SQLite, in a file of their own with face records, vectors, crops, people and tags: its schema."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from faceline.errors import ModelMismatchError, NotFoundError, UsageError
from faceline.gallery.names import user_id_of
from faceline.gallery.ports import CollectionInfo
from faceline.local.consents import CONSENTS_RETENTION
from faceline.local.database import Database, Row, Step
from faceline.local.people_schema import LABELS_OF_NOBODY, PEOPLE_BY_NAME
from faceline.local.review_schema import REVIEW
from faceline.local.review_traces import of_marks, of_unknown
from faceline.local.second_schema import SECOND_INDEX_CALIBRATIONS
from faceline.local.traces import of_faces, of_people

_COLLECTIONS_FACES = """
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
    """

# A face's position is the generation it was added at and stays; its generation moves when its person changes.
_POSITIONS_PEOPLE_TAGS = """
    ALTER TABLE faces ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE faces ADD COLUMN image_width INTEGER;
    ALTER TABLE faces ADD COLUMN image_height INTEGER;
    UPDATE faces SET position = generation;
    CREATE UNIQUE INDEX faces_by_position ON faces (collection, position);
    CREATE INDEX faces_by_label ON faces (collection, external_image_id, person);
    DROP INDEX faces_by_person;
    CREATE INDEX faces_by_person ON faces (collection, person, position);
    CREATE TABLE people (
        collection TEXT NOT NULL REFERENCES collections (name) ON DELETE CASCADE,
        name TEXT NOT NULL,
        user_id TEXT NOT NULL,
        position INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (collection, name)
    );
    CREATE UNIQUE INDEX people_by_user_id ON people (collection, user_id);
    CREATE UNIQUE INDEX people_by_position ON people (collection, position);
    CREATE TABLE tags (
        collection TEXT NOT NULL REFERENCES collections (name) ON DELETE CASCADE,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (collection, key)
    ) WITHOUT ROWID;
"""


def _add_positions_people_tags(connection: sqlite3.Connection) -> None:
    """Whoever the faces name becomes a person, at the position of their first face."""
    for statement in _POSITIONS_PEOPLE_TAGS.split(";"):
        connection.execute(statement)
    sql = """SELECT collection, person, MIN(position), MIN(created_at) FROM faces
             WHERE person IS NOT NULL GROUP BY collection, person ORDER BY 1, 3"""
    for collection, name, position, created_at in connection.execute(sql).fetchall():
        user_id = _free_user_id(connection, collection, name)
        connection.execute(
            "INSERT INTO people VALUES (?, ?, ?, ?, ?)", (collection, name, user_id, position, created_at)
        )


def _free_user_id(connection: sqlite3.Connection, collection: str, name: str) -> str:
    """Somebody may be called what another's user id is made as: here nobody could be asked for another name."""
    user_id, n = user_id_of(name), 1
    sql = "SELECT 1 FROM people WHERE collection = ? AND user_id = ?"
    while connection.execute(sql, (collection, user_id)).fetchone():
        n += 1
        user_id = f"{user_id_of(name)[:100]}.{n}"
    return user_id


# Append a step, never change one that was released. `generations` outlives its collection, so that a process that still
# has a dropped one in memory learns of it even when another of the same name was made since.
GALLERY: tuple[Step, ...] = (
    _COLLECTIONS_FACES,
    _add_positions_people_tags,
    SECOND_INDEX_CALIBRATIONS,
    CONSENTS_RETENTION,
    REVIEW,
    PEOPLE_BY_NAME,
    LABELS_OF_NOBODY,
)

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,255}")  # as Amazon Rekognition has it

_MODEL = "SELECT model FROM collections WHERE name = ?"
_WHO = "COALESCE(f.person, f.external_image_id)"
_INFO = f"""SELECT c.name, c.model, c.created_at, COUNT(f.rowid),
                   COUNT(f.rowid) - COUNT({_WHO}) + COUNT(DISTINCT {_WHO}),
                   (SELECT COUNT(*) FROM people p WHERE p.collection = c.name)
            FROM collections c LEFT JOIN faces f ON f.collection = c.name"""  # noqa: S608 (only our own words)


class SqliteCollections:
    """Implements `gallery.ports.Collections`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, model: str) -> CollectionInfo:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot name a collection; use 1 to 255 letters, digits, dots, dashes, underscores"
            )
        sql = "INSERT INTO collections VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING"
        self._database.write(sql, (name, model, moment()))
        info = self.get(name)
        if info.model != model:
            raise ModelMismatchError(
                f"collection {name} was built with {info.model} and cannot take faces of {model}; "
                "use that model, or another collection"
            )
        return info

    def get(self, name: str) -> CollectionInfo:
        rows = self._database.rows(f"{_INFO} WHERE c.name = ? GROUP BY c.name", (name,))
        return CollectionInfo(*_only(rows, name))

    def list(self) -> Sequence[CollectionInfo]:
        return [CollectionInfo(*row) for row in self._database.rows(f"{_INFO} GROUP BY c.name ORDER BY c.name")]

    def model(self, name: str) -> str:
        return str(_only(self._database.rows(_MODEL, (name,)), name)[0])

    def models(self) -> dict[str, str]:
        return dict(self._database.rows("SELECT name, model FROM collections ORDER BY name"))

    def drop(self, name: str) -> None:
        with self._database.erasing() as (connection, traces), counted(connection, name) as counter:
            traces.append(f"{name}{model_in(connection, name)}".encode())
            doomed = of_faces(connection, name, None), of_people(connection, name)
            traces.extend(of_marks(connection, "collection = ?", (name,)))
            traces.extend(of_unknown(connection, "collection = ?", (name,)))
            sql = """INSERT INTO removed SELECT collection, ? + ROW_NUMBER() OVER (ORDER BY position), face_id
                     FROM faces WHERE collection = ?"""
            counter.drawn += connection.execute(sql, (counter.drawn, name)).rowcount
            connection.execute("DELETE FROM faces WHERE collection = ?", (name,))
            connection.execute("DELETE FROM collections WHERE name = ?", (name,))  # its people and tags go along
            traces.extend(trace for each in doomed for trace in each.left(connection, name))


@dataclass
class Counter:
    """Numbers of one collection, none ever drawn twice: generations and positions, of faces and of people."""

    drawn: int

    def draw(self) -> int:
        self.drawn += 1
        return self.drawn


@contextmanager
def counted(connection: sqlite3.Connection, collection: str) -> Iterator[Counter]:
    """Within a transaction. The last number drawn becomes the collection's generation."""
    row = connection.execute("SELECT generation FROM generations WHERE collection = ?", (collection,)).fetchone()
    counter = Counter(int(row[0]) if row else 0)
    before = counter.drawn
    yield counter
    if counter.drawn != before:
        connection.execute("INSERT OR REPLACE INTO generations VALUES (?, ?)", (collection, counter.drawn))


def model_in(connection: sqlite3.Connection, collection: str) -> str:
    """As `SqliteCollections.model`, within a transaction."""
    return str(_only(connection.execute(_MODEL, (collection,)).fetchall(), collection)[0])


def moment() -> str:
    """Now, UTC ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def wipe_log(database: Database) -> None:
    """After a deletion of what needs not be looked for: SQLite overwrites it in the file, and the log is emptied."""
    database.scrub()


def _only(rows: Sequence[Row], collection: str) -> Row:
    if not rows:
        raise NotFoundError(
            f"there is no collection {collection}; make it, enroll somebody into it, or see `faceline collections`"
        )
    return rows[0]
