"""References to people's consent in SQLite."""

from collections.abc import Sequence
from datetime import UTC, datetime

from faceline.erasure import Gone
from faceline.local.database import Database

CONSENTS_RETENTION = """
    CREATE TABLE consents (
        collection TEXT NOT NULL,
        person TEXT NOT NULL,
        reference TEXT NOT NULL,
        noted_at TEXT NOT NULL,
        PRIMARY KEY (collection, person, reference)
    ) WITHOUT ROWID;
    CREATE TABLE retention (
        collection TEXT PRIMARY KEY,
        faces_days REAL,
        results_days REAL
    ) WITHOUT ROWID;
"""


class SqliteConsents:
    """Implements `gallery.keeping.Consents`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, collection: str, person: str, reference: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        sql = "INSERT INTO consents VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        self._database.write(sql, (collection, person, reference, now))

    def of(self, collection: str, person: str) -> Sequence[str]:
        sql = "SELECT reference FROM consents WHERE collection = ? AND person = ? ORDER BY noted_at"
        return [str(row[0]) for row in self._database.rows(sql, (collection, person))]

    def forget(self, gone: Gone) -> int:
        """Implements `erasure.Forgets`."""
        sql = "DELETE FROM consents WHERE collection = ? AND person = ? RETURNING reference"
        count = 0
        with self._database.erasing() as (connection, traces):
            for collection in gone.collections:
                for (reference,) in connection.execute(sql, (collection, gone.name)).fetchall():
                    traces.append(f"{collection}{gone.name}{reference}".encode())
                    count += 1
        return count
