"""What is known of the files in the buckets without reading them: their etags, and which were announced."""

from faceline.local.database import Database
from faceline.local.folders import Stamp

_SAME = "bucket = ? AND key = ? AND size = ? AND mtime_ns = ? AND inode = ?"


class ObjectIndex:
    """One row an object; a lost row only costs another reading or a repeated event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def etag(self, bucket: str, key: str, stamp: Stamp) -> str | None:
        """The etag that was computed when the file had this stamp."""
        rows = self._database.rows(f"SELECT etag FROM objects WHERE {_SAME}", (bucket, key, *stamp))  # noqa: S608
        return str(rows[0][0]) if rows else None

    def last_etag(self, bucket: str, key: str) -> str | None:
        """Of the bytes that were there when the file was last looked at."""
        rows = self._database.rows("SELECT etag FROM objects WHERE bucket = ? AND key = ?", (bucket, key))
        return str(rows[0][0]) if rows else None

    def remember(self, bucket: str, key: str, stamp: Stamp, etag: str) -> None:
        sql = """INSERT INTO objects (bucket, key, size, mtime_ns, inode, etag) VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT (bucket, key) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,
                     inode = excluded.inode, etag = excluded.etag"""
        self._database.write(sql, (bucket, key, *stamp, etag), durable=False)

    def was_announced(self, bucket: str, key: str, etag: str) -> bool:
        sql = "SELECT 1 FROM objects WHERE bucket = ? AND key = ? AND announced = ?"
        return bool(self._database.rows(sql, (bucket, key, etag)))

    def is_unchanged(self, bucket: str, key: str, stamp: Stamp) -> bool:
        """True when the file has the stamp that it had when its present bytes were announced."""
        sql = f"SELECT 1 FROM objects WHERE {_SAME} AND announced = etag"  # noqa: S608
        return bool(self._database.rows(sql, (bucket, key, *stamp)))

    def mark_announced(self, bucket: str, key: str, etag: str) -> None:
        sql = """INSERT INTO objects (bucket, key, size, mtime_ns, inode, etag, announced) VALUES (?, ?, 0, 0, 0, ?, ?)
                 ON CONFLICT (bucket, key) DO UPDATE SET announced = excluded.announced"""
        self._database.write(sql, (bucket, key, etag, etag), durable=False)

    def keys(self, bucket: str, prefix: str, after: str, limit: int) -> list[str]:
        """Up to `limit` keys with a prefix, which ends with a slash, behind the key `after`, by key.

        Of what faceline wrote or looked at: not of files that were dropped in since.
        """
        sql = "SELECT key FROM objects WHERE bucket = ? AND key > ? AND key < ? ORDER BY key LIMIT ?"
        end = f"{prefix[:-1]}0"  # the character behind the slash
        return [key for (key,) in self._database.rows(sql, (bucket, max(after, prefix), end, limit))]

    def forget(self, bucket: str, key: str) -> None:
        self._database.write("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key), durable=False)
