"""Notices in SQLite: one row each, and one for each target that is to be told of it."""

import json
import logging
import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from faceline.erasure import Gone
from faceline.errors import NotFoundError
from faceline.local.database import Database, Row
from faceline.named import Named
from faceline.notices import CLEARED, Delivery, DeliveryState, Notice, Route, Told, message_id_of, person_key

OUTBOX = """
    CREATE TABLE notices (
        message_id TEXT PRIMARY KEY,
        put_at REAL NOT NULL,
        kind TEXT NOT NULL,
        time TEXT NOT NULL,
        source TEXT NOT NULL,
        text TEXT NOT NULL,
        people TEXT NOT NULL,
        similarity REAL,
        camera TEXT,
        data TEXT NOT NULL
    );
    CREATE INDEX notices_by_time ON notices (put_at);

    CREATE TABLE deliveries (
        message_id TEXT NOT NULL REFERENCES notices (message_id) ON DELETE CASCADE,
        target TEXT NOT NULL,
        next_at REAL NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        lease TEXT,
        done_at REAL,
        died_at REAL,
        reason TEXT,
        PRIMARY KEY (message_id, target)
    ) WITHOUT ROWID;
    CREATE INDEX waiting_deliveries ON deliveries (target, next_at) WHERE done_at IS NULL AND died_at IS NULL;
    CREATE INDEX dead_deliveries ON deliveries (died_at) WHERE died_at IS NOT NULL;

    CREATE TABLE quiet (
        target TEXT NOT NULL,
        camera TEXT NOT NULL,
        person TEXT NOT NULL,
        told_at REAL NOT NULL,
        PRIMARY KEY (target, camera, person)
    ) WITHOUT ROWID;

    CREATE TABLE ended_targets (
        target TEXT PRIMARY KEY,
        address TEXT NOT NULL,
        reason TEXT NOT NULL
    ) WITHOUT ROWID;
    """

_log = logging.getLogger("faceline.notifications")
_NOTICE = "n.message_id, n.kind, n.time, n.source, n.text, n.people, n.similarity, n.camera, n.data"
_WAITS = "done_at IS NULL AND died_at IS NULL"
_MINE = f"message_id = ? AND target = ? AND lease = ? AND {_WAITS}"
_AGAIN = "next_at = {now}, tries = 0, lease = NULL, done_at = NULL, died_at = NULL, reason = NULL"
_SWEPT = 300  # at a time: `Database.scrub` looks for a thousand traces
_END_BYTES = 64
_MIN_BYTES = 4  # a shorter text is found anywhere


class SqliteOutbox:
    """Implements `notices.Tells`, `notices.Outbox` and `erasure.Forgets`. now: Unix time in seconds.

    routes: whom the rules choose for a notice, quiet times aside.
    """

    def __init__(
        self, database: Database, routes: Callable[[Notice], Sequence[Route]], now: Callable[[], float] = time.time
    ) -> None:
        self._database, self._routes, self._now = database, routes, now

    def put(self, notice: Notice) -> bool:
        message_id = message_id_of(notice.notice_id)
        routes = self._routes(notice)
        with self._database.transaction() as connection:
            if not _insert(connection, message_id, notice, self._now()):
                return False
            living = [route for route in routes if not _has_ended(connection, route)]
            chosen = [route.target for route in living if not _is_quiet(connection, route, notice)]
            _deliver(connection, message_id, chosen, self._now())
        if chosen:  # the request whose notice is told later, under this id
            _log.info("to be told", extra={"message_id": message_id, "kind": notice.kind, "targets": len(chosen)})
        return True

    def claim(self, target: str, lease_s: float) -> Delivery | None:
        """The delivery that waits longest, for the caller alone until the lease ends."""
        now = self._now()
        looked = f"SELECT 1 FROM deliveries WHERE target = ? AND {_WAITS} AND next_at <= ? LIMIT 1"  # noqa: S608
        if not self._database.rows(looked, (target, now)):  # an idle worker takes no write lock
            return None
        sql = f"""UPDATE deliveries SET tries = tries + 1, lease = :lease, next_at = :until
                  WHERE (message_id, target) IN (
                      SELECT message_id, target FROM deliveries
                      WHERE target = :target AND {_WAITS} AND next_at <= :now ORDER BY next_at LIMIT 1)
                  RETURNING message_id, tries"""  # noqa: S608 (a constant)
        lease = uuid.uuid4().hex
        rows = self._database.rows(
            sql, {"lease": lease, "until": now + lease_s, "target": target, "now": now}, durable=False
        )
        if not rows:
            return None
        told = self.get(rows[0][0])
        return Delivery(told.message_id, target, told.notice, rows[0][1], lease)

    def extend(self, delivery: Delivery, lease_s: float) -> bool:
        sql = f"UPDATE deliveries SET next_at = ? WHERE {_MINE}"  # noqa: S608 (a constant)
        return self._database.write(sql, (self._now() + lease_s, *_key(delivery)), durable=False) == 1

    def delivered(self, delivery: Delivery) -> bool:
        sql = f"UPDATE deliveries SET done_at = ?, reason = NULL, lease = NULL WHERE {_MINE}"  # noqa: S608 (a constant)
        return self._database.write(sql, (self._now(), *_key(delivery))) == 1

    def retry(self, delivery: Delivery, delay_s: float, reason: str) -> bool:
        sql = f"UPDATE deliveries SET next_at = ?, reason = ?, lease = NULL WHERE {_MINE}"  # noqa: S608 (a constant)
        return self._database.write(sql, (self._now() + delay_s, reason, *_key(delivery)), durable=False) == 1

    def bury(self, delivery: Delivery, reason: str) -> bool:
        sql = f"UPDATE deliveries SET died_at = ?, reason = ?, lease = NULL WHERE {_MINE}"  # noqa: S608 (a constant)
        return self._database.write(sql, (self._now(), reason, *_key(delivery))) == 1

    def pause(self, target: str, delay_s: float) -> None:
        """No delivery to this target before that; those in hand go on."""
        until = self._now() + delay_s
        sql = f"UPDATE deliveries SET next_at = ? WHERE target = ? AND {_WAITS} AND lease IS NULL AND next_at < ?"  # noqa: S608
        self._database.write(sql, (until, target, until), durable=False)

    def end(self, target: str, address: str, reason: str) -> int:
        """Buries all that waits for a target that wants nothing any more, until its address changes or `resume`; how
        many.
        """
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO ended_targets VALUES (?, ?, ?)", (target, address, reason))
            sql = f"UPDATE deliveries SET died_at = ?, reason = ?, lease = NULL WHERE target = ? AND {_WAITS}"  # noqa: S608
            return connection.execute(sql, (self._now(), reason, target)).rowcount

    def resume(self, target: str) -> bool:
        return self._database.write("DELETE FROM ended_targets WHERE target = ?", (target,)) == 1

    def ended(self, target: str, address: str) -> str | None:
        """Why it wants nothing any more; None when it does."""
        sql = "SELECT reason FROM ended_targets WHERE target = ? AND address = ?"
        rows = self._database.rows(sql, (target, address))
        return rows[0][0] if rows else None

    def get(self, message_id: str) -> Told:
        """Raises NotFoundError."""
        rows = self._database.rows(f"SELECT {_NOTICE} FROM notices n WHERE message_id = ?", (message_id,))  # noqa: S608
        if not rows:
            raise NotFoundError(f"there is no notification {message_id}; see `faceline notifications list`")
        return self._told(rows[0])

    def list(self, limit: int = 100, since: float = 0.0) -> Sequence[Told]:
        """The newest first. since: Unix time in seconds of their putting."""
        sql = f"SELECT {_NOTICE} FROM notices n WHERE put_at >= ? ORDER BY put_at DESC, message_id LIMIT ?"  # noqa: S608
        return [self._told(row) for row in self._database.rows(sql, (since, limit))]

    def count(self, kind: str, since: float, until: float) -> int:
        """Notices of this kind that were put then, of those that are kept. since, until: Unix times."""
        sql = "SELECT COUNT(*) FROM notices WHERE kind = ? AND put_at >= ? AND put_at < ?"
        return int(self._database.rows(sql, (kind, since, until))[0][0])

    def dead(self, limit: int = 100) -> Sequence[Told]:
        """Notices that a target did not take, the latest death first."""
        sql = f"""SELECT {_NOTICE} FROM notices n JOIN deliveries d USING (message_id)
                  WHERE d.died_at IS NOT NULL GROUP BY n.message_id ORDER BY max(d.died_at) DESC LIMIT ?"""  # noqa: S608
        return [self._told(row) for row in self._database.rows(sql, (limit,))]

    def waiting(self, target: str) -> int:
        sql = f"SELECT count(*) FROM deliveries WHERE target = ? AND {_WAITS}"  # noqa: S608 (a constant)
        return int(self._database.rows(sql, (target,))[0][0])

    def dead_count(self, target: str) -> int:
        sql = "SELECT count(*) FROM deliveries WHERE target = ? AND died_at IS NOT NULL"
        return int(self._database.rows(sql, (target,))[0][0])

    def redrive(self, message_ids: Sequence[str] | None = None, target: str | None = None) -> int:
        """Has dead deliveries tried afresh; all, or those of these messages and this target."""
        sql = f"""UPDATE deliveries SET {_AGAIN.format(now=":now")} WHERE died_at IS NOT NULL
                  AND (:ids IS NULL OR message_id IN (SELECT value FROM json_each(:ids)))
                  AND (:target IS NULL OR target = :target)"""  # noqa: S608 (a constant)
        ids = None if message_ids is None else json.dumps([*message_ids])
        return self._database.write(sql, {"now": self._now(), "ids": ids, "target": target})

    def replay(self, message_id: str, target: str | None = None, whatever: bool = False) -> int:
        """Sends a notice again under its id, to those that the rules choose, or to one of them; to how many.

        whatever: to the named target also when the rules do not choose it. Raises NotFoundError.
        """
        told = self.get(message_id)
        chosen = [route.target for route in self._routes(told.notice) if target in (None, route.target)]
        if whatever and target is not None:
            chosen = [target]
        with self._database.transaction() as connection:
            _deliver(connection, message_id, chosen, self._now())
        return len(chosen)

    def sweep(self, kept_days: float, targets: Sequence[str]) -> int:
        """Deletes some hundred notices that are older and wait for none of these, and quiet times that are over."""
        before = self._now() - timedelta(days=kept_days).total_seconds()
        old = f"""SELECT {_NOTICE} FROM notices n WHERE put_at < ? AND NOT EXISTS (
                      SELECT 1 FROM deliveries d WHERE d.message_id = n.message_id AND {_WAITS}
                      AND d.target IN (SELECT value FROM json_each(?))) LIMIT {_SWEPT}"""  # noqa: S608
        rows = self._database.rows(old, (before, json.dumps([*targets])))
        self._database.write("DELETE FROM quiet WHERE told_at < ?", (self._now() - 2 * 86_400.0,))
        if rows:
            self._delete(rows)
        return len(rows)

    def forget(self, gone: Gone) -> int:
        """Deletes the notices that name the person, those on their way included."""
        named = Named(gone)
        rows = self._database.rows(f"SELECT {_NOTICE} FROM notices n")  # noqa: S608 (a constant)
        doomed = [row for row in rows if named.by(_notice(row))]
        self._delete(doomed, gone.name if gone.everywhere else None)
        if gone.everywhere:
            self._tell_gone(gone.name)
        return len(doomed)

    def _tell_gone(self, name: str) -> None:
        """To targets that keep something of people themselves."""
        now, text = _text(self._now()), "Somebody was forgotten."
        notice = Notice(uuid.uuid4().hex, CLEARED, now, "", text, data={"person": person_key(name)})
        if self._routes(notice):
            self.put(notice)

    def _delete(self, rows: Sequence[Row], person: str | None = None) -> None:
        """Notices, and a person's quiet times."""
        with self._database.erasing() as (connection, traces):
            connection.executemany("DELETE FROM notices WHERE message_id = ?", [(row[0],) for row in rows])
            traces += [trace for row in rows for trace in _traces(row)]
            quiet = connection.execute("DELETE FROM quiet WHERE person = ? RETURNING camera, person", (person,))
            traces += [f"{camera}{name}".encode() for camera, name in quiet.fetchall()]

    def _told(self, row: Row) -> Told:
        sql = "SELECT target, next_at, tries, done_at, died_at, reason FROM deliveries WHERE message_id = ? ORDER BY 1"
        return Told(row[0], _notice(row), tuple(map(_state, self._database.rows(sql, (row[0],)))))


def _insert(connection: sqlite3.Connection, message_id: str, notice: Notice, now: float) -> bool:
    sql = "INSERT INTO notices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    people, data = (json.dumps(each, ensure_ascii=False) for each in (notice.people, notice.data))
    row = (message_id, now, notice.kind, notice.time, notice.source, notice.text, people)
    return connection.execute(sql, (*row, notice.similarity, notice.camera, data)).rowcount == 1


def _deliver(connection: sqlite3.Connection, message_id: str, targets: Sequence[str], now: float) -> None:
    sql = f"""INSERT INTO deliveries (message_id, target, next_at) VALUES (:id, :target, :now)
              ON CONFLICT DO UPDATE SET {_AGAIN.format(now=":now")}"""  # noqa: S608 (a constant)
    connection.executemany(sql, [{"id": message_id, "target": target, "now": now} for target in targets])


def _has_ended(connection: sqlite3.Connection, route: Route) -> bool:
    sql = "SELECT 1 FROM ended_targets WHERE target = ? AND address = ?"
    return connection.execute(sql, (route.target, route.address)).fetchone() is not None


def _is_quiet(connection: sqlite3.Connection, route: Route, notice: Notice) -> bool:
    """Whether the target heard of all these people at this camera just before. If not, it hears of them now.

    By the events' times, so that it does not matter when, or in which order, they are put.
    """
    if not route.quiet_s or notice.camera is None:
        return False
    told_at = datetime.fromisoformat(notice.time).timestamp()
    keys = [(route.target, notice.camera, person) for person in notice.people or ("",)]
    known = "SELECT told_at FROM quiet WHERE target = ? AND camera = ? AND person = ?"
    before = [connection.execute(known, key).fetchone() for key in keys]
    if all(row and abs(told_at - row[0]) < route.quiet_s for row in before):
        return True
    sql = "INSERT INTO quiet VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET told_at = max(told_at, excluded.told_at)"
    connection.executemany(sql, [(*key, told_at) for key in keys])
    return False


def _notice(row: Row) -> Notice:
    message_id, kind, when, source, text, people, similarity, camera, data = row
    return Notice(message_id, kind, when, source, text, tuple(json.loads(people)), similarity, camera, json.loads(data))


def _state(row: Row) -> DeliveryState:
    target, next_at, tries, done_at, died_at, reason = row
    if done_at is not None:
        return DeliveryState(target, "delivered", tries, done_at=_text(done_at))
    if died_at is not None:
        return DeliveryState(target, "dead", tries, done_at=_text(died_at), reason=reason)
    return DeliveryState(target, "waiting", tries, next_at=_text(next_at), reason=reason)


def _traces(row: Row) -> list[bytes]:
    """What a notice can be recognised by in the file: its start, its middle, its end (`Database.erasing`)."""
    message_id, text, data = row[0], row[4].encode(), row[8].encode()
    return [message_id.encode(), *(each for each in (text[:_END_BYTES], data[-_END_BYTES:]) if len(each) >= _MIN_BYTES)]


def _key(delivery: Delivery) -> tuple[str, str, str]:
    return delivery.message_id, delivery.target, delivery.lease


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
