"""How long faces and results of a collection are kept, in SQLite."""

from collections.abc import Sequence

from faceline.gallery.keeping import MAX_DAYS, Kept, checked_days
from faceline.local.database import Database, Row


class SqliteRetention:
    """Implements `gallery.keeping.Retention`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, collection: str, faces_days: float | None, results_days: float | None) -> Kept:
        sql = """INSERT INTO retention VALUES (:collection, :faces, :results) ON CONFLICT (collection) DO UPDATE SET
                     faces_days = coalesce(:faces, faces_days), results_days = coalesce(:results, results_days)
                 RETURNING collection, faces_days, results_days"""
        given = {"collection": collection, "faces": checked_days(faces_days), "results": checked_days(results_days)}
        return _kept(self._database.rows(sql, given)[0])

    def all(self) -> Sequence[Kept]:
        sql = "SELECT collection, faces_days, results_days FROM retention ORDER BY collection"
        return [_kept(row) for row in self._database.rows(sql)]

    def expired(self, collection: str, before: str, limit: int) -> Sequence[tuple[str, str | None]]:
        sql = (
            """SELECT face_id, person FROM faces WHERE collection = ? AND created_at < ? ORDER BY created_at LIMIT ?"""
        )
        return [(str(row[0]), row[1]) for row in self._database.rows(sql, (collection, before, limit))]


def _kept(row: Row) -> Kept:
    """A file from before there was a limit may have longer times."""
    collection, faces_days, results_days = row
    return Kept(collection, _limited(faces_days), _limited(results_days))


def _limited(days: float | None) -> float | None:
    return None if days is None else min(days, MAX_DAYS)
