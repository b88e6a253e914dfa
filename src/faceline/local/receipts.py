"""Receipts in SQLite: one row an event, claimed by one conditional insert."""

import time
import uuid
from collections.abc import Callable

from faceline.local.database import Database
from faceline.ports import Claim, ClaimState


class SqliteReceipts:
    """Implements `ports.Receipts`. now: Unix time in seconds.

    A claim whose lease ran out is lost only once somebody else took it: until then its holder may still complete.
    """

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._database, self._now = database, now

    def claim(self, event_id: str, lease_s: float) -> Claim:
        sql = """INSERT INTO receipts (event_id, token, expires_at) VALUES (:event, :token, :until)
                 ON CONFLICT (event_id) DO UPDATE SET token = excluded.token, expires_at = excluded.expires_at
                 WHERE result IS NULL AND expires_at <= :now
                 RETURNING token"""
        now, token = self._now(), uuid.uuid4().hex
        values = {"event": event_id, "token": token, "until": now + lease_s, "now": now}
        if self._database.rows(sql, values, durable=False):
            return Claim(ClaimState.MINE, token=token)
        held = self._database.rows("SELECT result FROM receipts WHERE event_id = ?", (event_id,))
        if held and held[0][0] is not None:
            return Claim(ClaimState.DONE, result=held[0][0])
        return Claim(ClaimState.BUSY)

    def extend(self, event_id: str, token: str, lease_s: float) -> bool:
        sql = "UPDATE receipts SET expires_at = ? WHERE event_id = ? AND token = ? AND result IS NULL"
        return self._database.write(sql, (self._now() + lease_s, event_id, token), durable=False) == 1

    def complete(self, event_id: str, token: str, result: str) -> bool:
        sql = "UPDATE receipts SET result = ? WHERE event_id = ? AND token = ? AND result IS NULL"
        return self._database.write(sql, (result, event_id, token)) == 1

    def release(self, event_id: str, token: str) -> None:
        sql = "DELETE FROM receipts WHERE event_id = ? AND token = ? AND result IS NULL"
        self._database.write(sql, (event_id, token), durable=False)

    def discard(self, event_id: str) -> None:
        sql = "DELETE FROM receipts WHERE event_id = ? AND result IS NOT NULL"
        self._database.write(sql, (event_id,))

    def result(self, event_id: str) -> str | None:
        rows = self._database.rows("SELECT result FROM receipts WHERE event_id = ?", (event_id,))
        return rows[0][0] if rows else None
