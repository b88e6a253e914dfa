"""Figures over everything that was found: matches, suspects, faces and persons over time, statuses."""

from dataclasses import dataclass
from datetime import UTC, datetime

from faceline.analytics.lake import Lake
from faceline.errors import UsageError

BIN = 5  # width of a bin of similarity
_EVER = "0001-01-01"


@dataclass(frozen=True, slots=True)
class Suspects:
    """A customer, how many matches with other customers its reports have, and with how many others.

    most_similar: the highest of the similarities, 0–100, and whose it is.
    """

    customer: str
    matches: int
    others: int
    similarity: float
    most_similar: str


@dataclass(frozen=True, slots=True)
class Point:
    """A day, week or month. start: its first day, ISO 8601. persons: different ones that were matched."""

    start: str
    faces: int
    matched: int
    persons: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """since: from then on, else None. similarities: matches in each bin, from 0–5 to 95–100; 100 is in the last.

    period: day, week or month. statuses: records by status.
    """

    since: str | None
    faces: int
    reports: int
    matches: int
    similarities: tuple[int, ...]
    suspects: tuple[Suspects, ...]
    period: str
    over_time: tuple[Point, ...]
    statuses: dict[str, int]
    unreadable: int


def statistics(lake: Lake, since: str | None = None, top: int = 15) -> Statistics:
    """since: ISO 8601, UTC where it names no zone; of records and of reports. top: suspects that are told.

    Raises UsageError when since is no time, MissingExtraError without DuckDB.
    """
    start = _time(since) if since else None
    answer = lake.query(_QUERY.format(since=start or _EVER, top=top), 1)
    found = dict(zip(answer.table.columns, answer.table.rows[0], strict=True))
    return Statistics(
        since=f"{start}Z" if start else None,
        reports=found["reports"],
        matches=sum(found["similarities"]),
        similarities=tuple(found["similarities"]),
        suspects=tuple(Suspects(**each) for each in found["suspects"]),
        faces=sum(each["faces"] for each in found["over_time"]),
        period=found["period"],
        over_time=tuple(Point(**each) for each in found["over_time"]),
        statuses={each["status"]: each["records"] for each in found["statuses"]},
        unreadable=answer.unreadable,
    )


def _time(text: str) -> str:
    """In UTC, without a zone."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat() if moment.tzinfo else moment.isoformat()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is not a time; give ISO 8601, as in 2026-01-31") from error


# Up to two months are shown by days, up to fourteen by weeks, more by months.
_QUERY = """
WITH written AS (FROM lake.reports WHERE make_timestamp(mtime_ns // 1000) >= TIMESTAMP '{since}'),
matched AS (SELECT doc.CustomerID AS customer, unnest(doc.Matches) AS other FROM written),
pairs AS (SELECT customer, other.CustomerId AS suspect, other.Similarity AS similarity FROM matched),
suspects AS (
    SELECT customer, count(*) AS matches, count(DISTINCT suspect) AS others, max(similarity) AS similarity,
        arg_max(suspect, similarity) AS most_similar
    FROM pairs GROUP BY customer ORDER BY others DESC, similarity DESC, customer LIMIT {top}),
bins AS (
    SELECT greatest(least(floor(similarity / 5), 19), 0)::BIGINT AS bin, count(*) AS matches FROM pairs GROUP BY bin),
found AS (FROM records WHERE timestamp >= TIMESTAMP '{since}'),
span AS (
    SELECT CASE WHEN days <= 62 THEN 'day' WHEN days <= 434 THEN 'week' ELSE 'month' END AS period, first, last
    FROM (SELECT min(timestamp) AS first, max(timestamp) AS last, coalesce(last::DATE - first::DATE, 0) AS days
          FROM found)),
counted AS (
    SELECT date_trunc(period, timestamp)::TIMESTAMP AS start, count(*) FILTER (status <> 'error') AS faces,
        count(*) FILTER (status = 'matched') AS matched, count(DISTINCT person) AS persons
    FROM found, span GROUP BY start),
starts AS (
    SELECT unnest(generate_series(date_trunc(period, first)::TIMESTAMP, last, ('1 ' || period)::INTERVAL)) AS start
    FROM span),
points AS (
    SELECT strftime(start, '%Y-%m-%d') AS start, coalesce(faces, 0) AS faces, coalesce(matched, 0) AS matched,
        coalesce(persons, 0) AS persons
    FROM starts LEFT JOIN counted USING (start)),
statuses AS (SELECT status, count(*) AS records FROM found GROUP BY status)
SELECT (SELECT count(*) FROM written) AS reports,
    (SELECT list(coalesce(matches, 0) ORDER BY n) FROM range(20) all_bins(n) LEFT JOIN bins ON bin = n) AS similarities,
    (SELECT coalesce(list(suspects ORDER BY others DESC, similarity DESC, customer), []) FROM suspects) AS suspects,
    (SELECT period FROM span) AS period,
    (SELECT coalesce(list(points ORDER BY start), []) FROM points) AS over_time,
    (SELECT coalesce(list(statuses ORDER BY records DESC, status), []) FROM statuses) AS statuses
"""
