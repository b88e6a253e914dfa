"""Tags of collections in SQLite."""

from collections.abc import Mapping, Sequence

from faceline.errors import QuotaError
from faceline.local.database import Database
from faceline.local.gallery import SqliteCollections, model_in, wipe_log


class SqliteTags:
    """Implements `gallery.ports.Tags`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, collection: str) -> dict[str, str]:
        rows = self._database.rows("SELECT key, value FROM tags WHERE collection = ? ORDER BY key", (collection,))
        if not rows:
            SqliteCollections(self._database).model(collection)
        return dict(rows)

    def put(self, collection: str, tags: Mapping[str, str], limit: int) -> None:
        with self._database.transaction() as connection:
            model_in(connection, collection)
            rows = [(collection, key, value) for key, value in tags.items()]
            connection.executemany("INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", rows)
            sql = "SELECT COUNT(*) FROM tags WHERE collection = ?"
            count = int(connection.execute(sql, (collection,)).fetchone()[0])
            if count > limit:
                raise QuotaError(
                    f"collection {collection} would have {count} tags and may have {limit}; remove some first"
                )

    def remove(self, collection: str, keys: Sequence[str]) -> None:
        with self._database.transaction() as connection:
            model_in(connection, collection)
            sql = "DELETE FROM tags WHERE collection = ? AND key = ?"
            connection.executemany(sql, [(collection, key) for key in keys])
        wipe_log(self._database)
