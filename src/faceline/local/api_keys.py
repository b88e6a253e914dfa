"""Keys of the HTTP interface and sessions of browsers, in SQLite: only hashes, with which nobody gets in."""

import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from faceline.api_keys import ApiKey, ApiScope, digest
from faceline.errors import ConflictError, NotFoundError, UsageError
from faceline.local.database import Database, Row

ACCESS = """
    CREATE TABLE api_keys (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        digest TEXT NOT NULL UNIQUE,
        scope TEXT NOT NULL,
        created_at TEXT NOT NULL
    );

    CREATE TABLE sessions (
        digest TEXT PRIMARY KEY,
        key_digest TEXT NOT NULL,
        started_at REAL NOT NULL,
        used_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_by_key ON sessions (key_digest);
"""

UNUSED_S = 12 * 3600.0
LONGEST_S = 7 * 86_400.0
MOST_OF_KEY = 100  # sessions; the oldest end first
_NOTED_S = 60.0  # a use within a minute of the last is not written down
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ADMIN = "admin"  # how the key in admin.key is called
_DROP_OLDEST = """
    DELETE FROM sessions WHERE digest IN (
        SELECT digest FROM sessions WHERE key_digest = ? ORDER BY started_at DESC LIMIT -1 OFFSET ?
    )
"""
_PREFIX = "flt_"  # by it people and scanners for secrets see what it is


class SqliteApiKeys:
    """Implements `api_keys.ApiKeys`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, scope: ApiScope) -> str:
        if not _NAME.fullmatch(name) or name == _ADMIN:
            raise UsageError(
                f"{name!r} cannot name a token; use up to 64 letters, digits, `.`, `_`, `-`, and not {_ADMIN}"
            )
        key = _PREFIX + secrets.token_urlsafe(32)
        sql = "INSERT INTO api_keys (name, digest, scope, created_at) VALUES (?, ?, ?, ?)"
        created_at = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            self._database.write(sql, (name, digest(key), scope.value, created_at))
        except sqlite3.IntegrityError as error:
            raise ConflictError(
                f"there is a token {name!r} already; revoke it first, or choose another name"
            ) from error
        return key

    def find(self, key_digest: str) -> ApiKey | None:
        rows = self._database.rows("SELECT name, scope, created_at FROM api_keys WHERE digest = ?", (key_digest,))
        return _key(rows[0]) if rows else None

    def list(self) -> Sequence[ApiKey]:
        return [
            _key(row) for row in self._database.rows("SELECT name, scope, created_at FROM api_keys ORDER BY number")
        ]

    def revoke(self, name: str) -> ApiKey:
        with self._database.transaction() as connection:
            sql = "SELECT digest, name, scope, created_at FROM api_keys WHERE name = ?"
            row = connection.execute(sql, (name,)).fetchone()
            if row is None:
                raise NotFoundError(f"there is no token {name!r}; `faceline tokens list` shows those there are")
            connection.execute("DELETE FROM api_keys WHERE digest = ?", row[:1])
            connection.execute("DELETE FROM sessions WHERE key_digest = ?", row[:1])
        return _key(row[1:])


class SqliteSessions:
    """Implements `api_keys.Sessions`. clock: seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def open(self, key_digest: str) -> str:
        secret, now = secrets.token_urlsafe(32), self._clock()
        with self._database.transaction() as connection:
            over = (now - LONGEST_S, now - UNUSED_S)
            connection.execute("DELETE FROM sessions WHERE started_at <= ? OR used_at <= ?", over)
            connection.execute(_DROP_OLDEST, (key_digest, MOST_OF_KEY - 1))
            connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (digest(secret), key_digest, now, now))
        return secret

    def find(self, secret: str) -> str | None:
        own, now = digest(secret), self._clock()
        sql = "SELECT key_digest, used_at FROM sessions WHERE digest = ? AND started_at > ? AND used_at > ?"
        rows = self._database.rows(sql, (own, now - LONGEST_S, now - UNUSED_S))
        if not rows:
            return None
        key_digest, used_at = rows[0]
        if now - used_at > _NOTED_S:
            self._database.write("UPDATE sessions SET used_at = ? WHERE digest = ?", (now, own), durable=False)
        return str(key_digest)

    def close(self, secret: str) -> None:
        self._database.write("DELETE FROM sessions WHERE digest = ?", (digest(secret),))


def _key(row: Row) -> ApiKey:
    name, scope, created_at = row
    return ApiKey(name, ApiScope(scope), created_at)
