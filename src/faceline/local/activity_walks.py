"""Which entries match a query, newest first, without looking at all: the rarest of the conditions leads.

Each condition has an index that gives its entries in order. How many rows each would go through is counted, up to a
few thousand; SQLite, without statistics, would guess. A range of times or similarities, or several names of one
person, give no order, so that one
leads only where few are in it; where all conditions are frequent the newest entries are looked at one by one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faceline.activity import ActivityQuery
from faceline.local.database import Database

_MANY = 3000


@dataclass(frozen=True, slots=True)
class _Lead:
    """One index and the conditions that it answers. table: `a` for entries, `f` for faces."""

    table: str
    index: str
    conditions: tuple[str, ...]


def matching(database: Database, query: ActivityQuery, since: int | None, until: int | None) -> list[int]:
    """Positions, as `Activity.page` orders them. since, until: milliseconds since 1970."""
    values = {
        "kind": query.kind and query.kind.value,
        "person": None if query.or_called else query.person,
        "people": json.dumps([query.person, *query.or_called]) if query.person and query.or_called else None,
        "status": query.status,
        "bucket": query.bucket,
        "camera": query.camera,
        "low": query.min_similarity,
        "high": query.max_similarity,
        "since": since,
        "until": until,
        "before": query.before,
        "after": query.after,
    }
    given = {name: value for name, value in values.items() if value is not None}
    sql = _sql(_leading(database, given), given)
    return [row[0] for row in database.rows(sql, given | {"limit": query.limit})]


_ENTRY = {
    "kind": "a.kind = :kind",
    "bucket": "a.bucket = :bucket",
    "camera": "a.camera = :camera",
    "since": "a.uploaded_ms >= :since",
    "until": "a.uploaded_ms < :until",
}
_FACE = {
    "person": "f.person = :person",
    "people": "f.person IN (SELECT value FROM json_each(:people))",
    "status": "f.status = :status",
    "low": "f.similarity >= :low",
    "high": "f.similarity <= :high",
}
_PLACE = {"before": "{}.position < :before", "after": "{}.position > :after"}
_LEADS = (  # index, table, the conditions that it may answer; the first of several that are as frequent leads
    ("activity_by_person", "f", ("person",)),
    ("activity_by_status", "f", ("status",)),
    ("activity_by_camera", "a", ("camera",)),
    ("activity_by_bucket", "a", ("bucket",)),
    ("activity_by_kind", "a", ("kind",)),
)
_RANGES = (
    ("activity_by_upload", "a", ("since", "until")),
    ("activity_by_similarity", "f", ("low", "high")),
    ("activity_by_person", "f", ("people",)),
)


def _leading(database: Database, given: Mapping[str, Any]) -> _Lead:
    ordered, ranges = _leads(_LEADS, given), _leads(_RANGES, given)
    counts = {lead: _count(database, lead, given) for lead in (*ordered, *ranges)}
    rare = [lead for lead, count in counts.items() if count < _MANY]
    if rare:
        return min(rare, key=lambda lead: counts[lead])
    if ordered:
        return ordered[0]
    only_faces = not set(_ENTRY) & set(given) and set(_FACE) & set(given)
    return _Lead("f" if only_faces else "a", "", ())


def _leads(possible: Sequence[tuple[str, str, tuple[str, ...]]], given: Mapping[str, Any]) -> list[_Lead]:
    leads = []
    for index, table, names in possible:
        conditions = tuple((_ENTRY | _FACE)[name] for name in names if name in given)
        leads += [_Lead(table, index, conditions)] if conditions else []
    return leads


def _count(database: Database, lead: _Lead, given: Mapping[str, Any]) -> int:
    where = " AND ".join([*lead.conditions, *_places(lead.table, given)])
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {_from(lead)} WHERE {where} LIMIT {_MANY})"  # noqa: S608 (our own words)
    return int(database.rows(sql, given)[0][0])


def _sql(lead: _Lead, given: Mapping[str, Any]) -> str:
    entry = [condition for name, condition in _ENTRY.items() if name in given]
    face = [condition for name, condition in _FACE.items() if name in given]
    source = _from(lead)
    if lead.table == "f" and entry:
        source += " CROSS JOIN activity a ON a.position = f.position"  # CROSS: in this order
    if lead.table == "a" and face:
        inner = " AND ".join(["f.position = a.position", *face])
        face = [f"EXISTS (SELECT 1 FROM activity_faces f NOT INDEXED WHERE {inner})"]  # noqa: S608 (our own words)
    where = " AND ".join([*entry, *face, *_places(lead.table, given)]) or "1"
    order = "ASC" if "after" in given else "DESC"
    what = f"DISTINCT {lead.table}.position" if lead.table == "f" else "a.position"
    return f"SELECT {what} FROM {source} WHERE {where} ORDER BY {lead.table}.position {order} LIMIT :limit"  # noqa: S608


def _places(table: str, given: Mapping[str, Any]) -> list[str]:
    return [condition.format(table) for name, condition in _PLACE.items() if name in given]


def _from(lead: _Lead) -> str:
    table = {"a": "activity a", "f": "activity_faces f"}[lead.table]
    return f"{table} INDEXED BY {lead.index}" if lead.index else f"{table} NOT INDEXED"
