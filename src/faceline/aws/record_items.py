"""Rows of results and questions for them, as the table in DynamoDB has them."""

import uuid
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from faceline.errors import UsageError
from faceline.ports import Record, RecordQuery

_INDEXED = ("image_id", "person", "face_id", "status")  # an empty text cannot be in an index
_FIELDS = tuple(field.name for field in fields(Record))
_FIRST, _LAST = "0", ":"  # before and after all times: texts in order of their bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """A `RecordQuery` in the table's terms. since, until: both inclusive, as texts that are in the order of time."""

    image: str | None
    person: str | None
    status: str | None
    since: str
    until: str
    limit: int

    @property
    def narrowed(self) -> bool:
        return any(each is not None for each in (self.image, self.person, self.status))

    def filter(self, attribute: str) -> tuple[str, list[str], dict[str, str]]:
        """What the index by this attribute does not see to: an expression (empty: nothing), its names, its values."""
        parts, names, values = [], [], {}
        if self.image is not None and "/" in self.image:
            parts, names, values = ["#key = :image"], ["#key"], {":image": self.image}
        if self.person is not None and attribute not in ("person", "face_id"):
            parts.append("(#person = :person OR #face_id = :person)")
            names += ["#person", "#face_id"]
            values[":person"] = self.person
        if self.status is not None and attribute != "status":
            parts.append("#status = :status")
            names.append("#status")
            values[":status"] = self.status
        return " AND ".join(parts), names, values


def asked(query: RecordQuery) -> Asked:
    """Raises UsageError when since or until is not ISO 8601."""
    since = moment(query.since) if query.since else _FIRST
    # All times end alike, so that the text without its last letter is after all that are earlier, and before its own.
    until = moment(query.until)[:-1] if query.until else _LAST
    return Asked(query.image, query.person, query.status, since, until, query.limit)


def moment(text: str) -> str:
    """An ISO 8601 time in UTC, such that texts compare as times: `+` comes before all digits. Raises UsageError."""
    try:
        found = datetime.fromisoformat(text)
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is not a time; give ISO 8601, as in 2026-01-31T12:00:00Z") from error
    return found.isoformat(timespec="microseconds" if found.microsecond % 1000 else "milliseconds")


def values_of(record: Record) -> dict[str, Any]:
    """A row's attributes but for `object`. version: another one each time that it is written."""
    values = {name: value for name, value in asdict(record).items() if value != "" or name not in _INDEXED}
    time = moment(record.timestamp)
    if time != record.timestamp:
        values["written_time"] = record.timestamp
    return values | {"timestamp": time, "day": time[:10], "version": uuid.uuid4().hex}


def record_of(values: dict[str, Any]) -> Record:
    given: dict[str, Any] = {name: values.get(name) for name in _FIELDS}
    given |= {name: values.get(name, "") for name in ("image_id", "status")}
    given["timestamp"] = values.get("written_time", values["timestamp"])
    given["confidence"] = float(values["confidence"])
    given["bounding_box"] = _floats(values.get("bounding_box"))
    given["emotions"] = _emotions(values.get("emotions"))
    return Record(**given)


def _emotions(found: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    return None if found is None else [_floats(each) or {} for each in found]


def _floats(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """DynamoDB does not tell 97.0 from 97."""
    if found is None:
        return None
    return {name: float(value) if isinstance(value, int) else value for name, value in found.items()}
