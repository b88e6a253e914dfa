"""How much work was ever done and how long it took: sums that stay when what they count is erased.

All processes of a data directory add to them. They say nothing of anybody.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Sequence

from faceline.activity import Entry, WorkCount
from faceline.local.database import Database

BOUNDS_MS = (25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000)  # the last row has none
WORK_COUNTS = """
    CREATE TABLE work_counts (
        kind TEXT NOT NULL,
        outcome TEXT NOT NULL,
        part TEXT NOT NULL,
        bound_ms INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        total_ms REAL NOT NULL,
        PRIMARY KEY (kind, outcome, part, bound_ms)
    ) WITHOUT ROWID;
    """
_NO_BOUND = 2**62


def count(connection: sqlite3.Connection, entry: Entry) -> None:
    """Adds an entry that was worked on, how long that took and how long it waited before, where that is known."""
    sql = """INSERT INTO work_counts VALUES (?, ?, ?, ?, 1, ?)
             ON CONFLICT DO UPDATE SET entries = entries + 1, total_ms = total_ms + excluded.total_ms"""
    outcome = "error" if entry.error else "done"
    for part, time_ms in (("all", 0.0), ("took", entry.took_ms), ("waited", entry.waited_ms)):
        if time_ms is not None:
            given_ms = max(time_ms, 0.0)  # clocks go back
            connection.execute(sql, (entry.kind.value, outcome, part, _bound(given_ms), given_ms))


def counts(database: Database) -> Sequence[WorkCount]:
    sql = "SELECT kind, outcome, part, bound_ms, entries, total_ms FROM work_counts ORDER BY kind, outcome, part"
    found: dict[tuple[str, str, str], dict[int, tuple[int, float]]] = {}
    for *of, bound, entries, total_ms in database.rows(sql):
        found.setdefault((of[0], of[1], of[2]), {})[bound] = (entries, total_ms)
    return [_summed(of, rows) for of, rows in found.items()]


def _summed(of: tuple[str, str, str], rows: dict[int, tuple[int, float]]) -> WorkCount:
    within, so_far = [], 0
    for bound in (*BOUNDS_MS, _NO_BOUND):
        so_far += rows.get(bound, (0, 0.0))[0]
        within.append((bound / 1000 if bound != _NO_BOUND else None, so_far))
    return WorkCount(*of, tuple(within), sum(total_ms for _, total_ms in rows.values()) / 1000)


def _bound(time_ms: float) -> int:
    place = bisect_left(BOUNDS_MS, time_ms)
    return BOUNDS_MS[place] if place < len(BOUNDS_MS) else _NO_BOUND
