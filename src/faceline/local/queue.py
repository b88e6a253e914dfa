"""Named queues in SQLite: one row a message, claimed by one UPDATE … RETURNING; dead letters are rows with a reason."""

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from faceline.errors import NotFoundError
from faceline.local.database import Database, Row
from faceline.ports import DeadLetter, Message, QueuedMessage

_POLL_S = 0.05  # other processes cannot wake us
_SWEEP_EVERY_S = 60.0
_NOW_HELD = "message_id = ? AND lease = ? AND died_at IS NULL"
Messages = list[Message]  # within the class, `list` is a verb


class SqliteQueue:
    """Implements `ports.WorkQueue` and `ports.Listening`. now: Unix time in seconds.

    remembers_s: how long deduplication ids are remembered from their sending on, and messages, dead or alive, are kept;
    0: ids as long as their message, messages for good. A lease that ran out is lost only once another delivery took
    the message: until then its holder may still acknowledge. `depth` counts a message that waits for its delay as in
    flight.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        max_receives: int = 5,
        now: Callable[[], float] = time.time,
        remembers_s: float = 0.0,
    ) -> None:
        self.name, self.max_receives, self.remembers_s = name, max_receives, remembers_s
        self._database, self._now = database, now
        self._sent = threading.Condition()
        self._sweep_at = 0.0

    def send(self, body: str, deduplication_id: str | None = None) -> str:
        message_id = self._send_once(body, deduplication_id) if self.remembers_s else self._send(body, deduplication_id)
        with self._sent:
            self._sent.notify_all()
        return message_id

    def _send(self, body: str, deduplication_id: str | None) -> str:
        sql = """INSERT INTO messages (queue, message_id, deduplication_id, body, visible_at) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (queue, deduplication_id) DO UPDATE SET deduplication_id = excluded.deduplication_id
                 RETURNING message_id"""
        values = (self.name, uuid.uuid4().hex, deduplication_id, body, self._now())
        return str(self._database.rows(sql, values)[0][0])

    def _send_once(self, body: str, deduplication_id: str | None) -> str:
        message_id, now = uuid.uuid4().hex, self._now()
        values = (self.name, deduplication_id or message_id, message_id, now + self.remembers_s)
        with self._database.transaction() as connection:
            _sweep(connection, now)
            remember = "INSERT INTO sent VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
            if connection.execute(remember, values).rowcount:
                sql = "INSERT INTO messages (queue, message_id, body, visible_at) VALUES (?, ?, ?, ?)"
                connection.execute(sql, (self.name, message_id, body, now))
                return message_id
            known = "SELECT message_id FROM sent WHERE queue = ? AND deduplication_id = ?"
            return str(connection.execute(known, values[:2]).fetchone()[0])

    def sweep(self) -> None:
        """Deletes what was kept long enough, in every queue that remembers."""
        self._sweep_at = self._now() + _SWEEP_EVERY_S
        if self._database.rows("SELECT 1 FROM sent WHERE expires_at <= ? LIMIT 1", (self._now(),)):
            with self._database.transaction() as connection:
                _sweep(connection, self._now())

    def receive(self, limit: int = 1, lease_s: float = 60.0, wait_s: float = 0.0) -> Messages:
        deadline = time.monotonic() + wait_s
        while True:
            if self.remembers_s and self._now() >= self._sweep_at:
                self.sweep()
            messages = self._claim(limit, lease_s) if self._any_visible() else []
            remaining_s = deadline - time.monotonic()
            if messages or remaining_s <= 0:
                return messages
            with self._sent:
                self._sent.wait(min(_POLL_S, remaining_s))

    def extend(self, message: Message, lease_s: float) -> bool:
        sql = f"UPDATE messages SET visible_at = ? WHERE {_NOW_HELD}"  # noqa: S608 (a constant)
        until = self._now() + lease_s
        return self._database.write(sql, (until, message.message_id, message.lease), durable=False) == 1

    def acknowledge(self, message: Message) -> bool:
        sql = f"DELETE FROM messages WHERE {_NOW_HELD}"  # noqa: S608 (a constant)
        return self._database.write(sql, (message.message_id, message.lease), durable=False) == 1

    def release(self, message: Message, delay_s: float = 0.0, reason: str = "") -> bool:
        sql = f"UPDATE messages SET visible_at = ?, reason = ?, lease = NULL WHERE {_NOW_HELD}"  # noqa: S608 (a constant)
        values = (self._now() + delay_s, reason or None, message.message_id, message.lease)
        return self._database.write(sql, values, durable=False) == 1

    def postpone(self, message: Message, delay_s: float = 0.0, reason: str = "") -> bool:
        sql = f"""UPDATE messages SET visible_at = ?, reason = ?, lease = NULL, receive_count = receive_count - 1
                  WHERE {_NOW_HELD}"""  # noqa: S608 (a constant)
        values = (self._now() + delay_s, reason or None, message.message_id, message.lease)
        return self._database.write(sql, values, durable=False) == 1

    def depth(self) -> dict[str, int]:
        sql = """SELECT count(*) FILTER (WHERE died_at IS NULL AND visible_at <= :now),
                        count(*) FILTER (WHERE died_at IS NULL AND visible_at > :now),
                        count(*) FILTER (WHERE died_at IS NOT NULL)
                 FROM messages WHERE queue = :queue"""
        visible, in_flight, dead = self._database.rows(sql, {"now": self._now(), "queue": self.name})[0]
        return {"visible": visible, "in_flight": in_flight, "dead": dead}

    def bury(self, message: Message, reason: str) -> bool:
        sql = f"UPDATE messages SET died_at = ?, reason = ?, lease = NULL WHERE {_NOW_HELD}"  # noqa: S608 (a constant)
        return self._database.write(sql, (self._now(), reason, message.message_id, message.lease)) == 1

    def redrive(self, message_ids: Sequence[str] | None = None) -> int:
        sql = """UPDATE messages SET died_at = NULL, reason = NULL, receive_count = 0, visible_at = ?, lease = NULL
                 WHERE queue = ? AND died_at IS NOT NULL
                 AND (? IS NULL OR message_id IN (SELECT value FROM json_each(?)))"""
        named = None if message_ids is None else json.dumps(list(message_ids))
        return self._database.write(sql, (self._now(), self.name, named, named))

    def discard(self, message_ids: Sequence[str] | None = None) -> int:
        sql = """DELETE FROM messages WHERE queue = ? AND died_at IS NOT NULL
                 AND (? IS NULL OR message_id IN (SELECT value FROM json_each(?))) RETURNING body"""
        named = None if message_ids is None else json.dumps(list(message_ids))
        with self._database.erasing() as (connection, traces):
            bodies = connection.execute(sql, (self.name, named, named)).fetchall()
            traces.extend(body.encode() for (body,) in bodies)
        return len(bodies)

    def newest(self) -> int:
        return int(self._database.rows("SELECT coalesce(max(id), 0) FROM messages")[0][0])

    def after(self, number: int, limit: int = 100) -> Sequence[QueuedMessage]:
        sql = """SELECT id, message_id, body FROM messages WHERE queue = ? AND id > ? AND died_at IS NULL
                 ORDER BY id LIMIT ?"""
        return [QueuedMessage(*row) for row in self._database.rows(sql, (self.name, number, limit))]

    def remove(self, message_id: str) -> bool:
        sql = "DELETE FROM messages WHERE queue = ? AND message_id = ?"
        return self._database.write(sql, (self.name, message_id), durable=False) == 1

    def rewrite(self, change: Callable[[str], str | None]) -> int:
        """Replaces the bodies for which `change` gives another one, so that the old ones are in no file; how many."""
        with self._database.erasing() as (connection, traces):
            rows = connection.execute("SELECT id, body FROM messages WHERE queue = ?", (self.name,)).fetchall()
            changed = [(new, number, old) for number, old in rows if (new := change(old)) is not None]
            for new, number, old in changed:
                connection.execute("UPDATE messages SET body = ? WHERE id = ?", (new, number))
                traces.append(old.encode())
        return len(changed)

    def _any_visible(self) -> bool:
        # Reading first keeps idle workers from taking the write lock twenty times a second.
        sql = "SELECT 1 FROM messages WHERE queue = ? AND died_at IS NULL AND visible_at <= ? LIMIT 1"
        return bool(self._database.rows(sql, (self.name, self._now())))

    def _claim(self, limit: int, lease_s: float) -> Messages:
        """Rows that were received too often die in the statement that finds them; others are claimed in their place."""
        sql = """UPDATE messages SET
                    receive_count = receive_count + (receive_count < :max),
                    lease = CASE WHEN receive_count < :max THEN lower(hex(randomblob(16))) END,
                    visible_at = :until,
                    died_at = CASE WHEN receive_count >= :max THEN :now END,
                    reason = CASE WHEN receive_count < :max THEN reason
                             ELSE :reason || coalesce('; the last error: ' || reason, '') END
                 WHERE id IN (SELECT id FROM messages WHERE queue = :queue AND died_at IS NULL AND visible_at <= :now
                              ORDER BY visible_at, id LIMIT :limit)
                 RETURNING id, message_id, body, receive_count, lease"""
        now = self._now()
        reason = (
            f"received {self.max_receives} times, never acknowledged: each time the work failed or its lease ran out"
        )
        values = {"max": self.max_receives, "until": now + lease_s, "now": now, "queue": self.name, "reason": reason}
        claimed: list[Row] = []
        while len(claimed) < limit:
            rows = self._database.rows(sql, values | {"limit": limit - len(claimed)}, durable=False)
            living = [row for row in rows if row[4] is not None]
            claimed += living
            if len(living) == len(rows):
                break
        return [Message(*row[1:]) for row in sorted(claimed)]

    def list(self, limit: int = 100, after: str | None = None) -> Sequence[DeadLetter]:
        sql = """SELECT message_id, body, receive_count, reason, died_at FROM messages
                 WHERE queue = ? AND died_at IS NOT NULL AND (died_at, id) > (?, ?) ORDER BY died_at, id LIMIT ?"""
        place = (0.0, 0) if after is None else self._place_of(after)
        return [_dead_letter(row) for row in self._database.rows(sql, (self.name, *place, limit))]

    def _place_of(self, message_id: str) -> tuple[float, int]:
        """In the order of dying."""
        sql = "SELECT died_at, id FROM messages WHERE queue = ? AND message_id = ? AND died_at IS NOT NULL"
        found = self._database.rows(sql, (self.name, message_id))
        if not found:
            raise NotFoundError(f"the message {message_id[:40]!a} is no dead letter of {self.name} any more")
        return found[0]


def _sweep(connection: sqlite3.Connection, now: float) -> None:
    messages = "DELETE FROM messages WHERE message_id IN (SELECT message_id FROM sent WHERE expires_at <= ?)"
    connection.execute(messages, (now,))
    connection.execute("DELETE FROM sent WHERE expires_at <= ?", (now,))


def _dead_letter(row: Row) -> DeadLetter:
    died_at = datetime.fromtimestamp(row[4], UTC).isoformat(timespec="milliseconds")
    return DeadLetter(message_id=row[0], body=row[1], receive_count=row[2], reason=row[3], died_at=died_at)
