"""Sums over what was seen, each from one index. Times are milliseconds since 1970."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from faceline.activity import Latencies, Traffic
from faceline.local.database import Database

_COUNTED = ("error", "matched", "unknown", "ambiguous", "detected")
_BINS = 20
_PERCENTILES = (50, 95, 99)


def traffic(database: Database, since: int, until: int, step_s: int) -> list[Traffic]:
    """As of `Figures.traffic`."""
    sums = ", ".join(f"coalesce(sum(status = '{status}'), 0)" for status in _COUNTED)
    sql = f"""SELECT coalesce(sum(number = 0), 0), {sums} FROM activity_faces INDEXED BY activity_faces_by_time
              WHERE time_ms >= ? AND time_ms < ?"""  # noqa: S608 (our own words)
    steps = [(start, min(start + step_s * 1000, until)) for start in range(since, until, step_s * 1000)]
    return [Traffic(text_of(start), *database.rows(sql, (start, end))[0]) for start, end in steps]


def similarities(database: Database, since: int, until: int) -> list[int]:
    sql = f"""SELECT min(CAST(similarity * {_BINS} / 100 AS INTEGER), {_BINS - 1}) AS bin, count(*)
              FROM activity_faces INDEXED BY activity_faces_by_time
              WHERE time_ms >= ? AND time_ms < ? AND status = 'matched' AND similarity >= 0 GROUP BY bin"""  # noqa: S608
    counts = [0] * _BINS
    for found, count in database.rows(sql, (since, until)):
        counts[found] = count
    return counts


def people(database: Database, since: int, until: int, limit: int) -> list[tuple[str, int]]:
    sql = """SELECT person, count(DISTINCT position) AS entries FROM activity_faces INDEXED BY activity_by_person
             WHERE person IS NOT NULL AND time_ms >= ? AND time_ms < ?
             GROUP BY person ORDER BY entries DESC, person LIMIT ?"""
    return [(person, count) for person, count in database.rows(sql, (since, until, limit))]


def latencies(database: Database, since: int) -> Latencies:
    sql = """SELECT waited_ms, took_ms FROM activity INDEXED BY activity_by_time
             WHERE time_ms >= ? AND took_ms IS NOT NULL"""
    rows = database.rows(sql, (since,))
    waited = _percentiles([row[0] for row in rows if row[0] is not None])
    return Latencies(len(rows), *waited, *_percentiles([row[1] for row in rows]))


def _percentiles(values: Sequence[float]) -> list[float | None]:
    if not values:
        return [None] * len(_PERCENTILES)
    return [round(float(each), 1) for each in np.percentile(values, _PERCENTILES)]


def text_of(time_ms: int) -> str:
    """UTC ISO 8601 with milliseconds."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
