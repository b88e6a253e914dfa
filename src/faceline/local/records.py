"""The table `FaceRecognitionResults` in SQLite."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from faceline.errors import UsageError
from faceline.local.database import Database, Row
from faceline.ports import Record, RecordQuery

_COLUMNS = tuple(field.name for field in fields(Record))
_JSON = ("bounding_box", "emotions")


class SqliteRecords:
    """Implements `ports.Records`. Times may be in any ISO 8601 form; one without a zone is UTC."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, bucket: str, key: str, rows: Sequence[Record]) -> None:
        """Raises UsageError when a row's timestamp is not ISO 8601."""
        marks = ", ".join("?" * (len(_COLUMNS) + 1))
        sql = f"INSERT INTO FaceRecognitionResults ({', '.join(_COLUMNS)}, unix_time) VALUES ({marks})"  # noqa: S608
        values = [_values(row) for row in rows]
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM FaceRecognitionResults WHERE bucket = ? AND key = ?", (bucket, key))
            connection.executemany(sql, values)

    def query(self, query: RecordQuery) -> list[Record]:
        """Raises UsageError when since or until is not ISO 8601."""
        conditions, values = _conditions(query)
        sql = f"""SELECT {", ".join(_COLUMNS)} FROM FaceRecognitionResults WHERE {" AND ".join(conditions)}
                  ORDER BY unix_time DESC, key DESC, face_number DESC, bucket DESC LIMIT :limit"""  # noqa: S608
        rows = self._database.rows(sql, values | {"limit": query.limit})
        return [_record(row) for row in reversed(rows)]

    def pages(self, rows: int = 10_000, query: RecordQuery = RecordQuery()) -> Iterator[list[Record]]:  # noqa: B008
        """Raises UsageError as `query`."""
        conditions, values = _conditions(query)
        values |= {"bucket": "", "key": "", "face": -1, "rows": rows}
        sql = f"""SELECT {", ".join(_COLUMNS)} FROM FaceRecognitionResults
                  WHERE (bucket, key, face_number) > (:bucket, :key, :face) AND {" AND ".join(conditions)}
                  ORDER BY bucket, key, face_number LIMIT :rows"""  # noqa: S608
        while page := [_record(row) for row in self._database.rows(sql, values)]:
            yield page
            last = page[-1]
            values |= {"bucket": last.bucket, "key": last.key, "face": last.face_number}

    def delete(self, bucket: str, key: str) -> int:
        sql = "DELETE FROM FaceRecognitionResults WHERE bucket = ? AND key = ?"
        return self._database.write(sql, (bucket, key))

    def forget(self, person: str) -> int:
        sql = "UPDATE FaceRecognitionResults SET person = NULL, face_id = NULL, status = 'forgotten' WHERE person = ?"
        with self._database.erasing() as (connection, traces):
            forgotten = connection.execute(sql, (person,)).rowcount
            if forgotten:
                traces.append(person.encode()[:64])
        return forgotten


def _conditions(query: RecordQuery) -> tuple[list[str], dict[str, Any]]:
    possible = (
        ("(image_id = :image OR key = :image)", "image", query.image),
        ("(person = :person OR face_id = :person)", "person", query.person),
        ("unix_time >= :since", "since", _unix(query.since) if query.since else None),
        ("unix_time < :until", "until", _unix(query.until) if query.until else None),
        ("status = :status", "status", query.status),
    )
    given = [(condition, name, value) for condition, name, value in possible if value is not None]
    return ["1", *(condition for condition, _, _ in given)], {name: value for _, name, value in given}


def _values(record: Record) -> list[Any]:
    values = [getattr(record, name) for name in _COLUMNS]
    for position, name in enumerate(_COLUMNS):
        if name in _JSON and values[position] is not None:
            values[position] = json.dumps(values[position], ensure_ascii=False)
    return [*values, _unix(record.timestamp)]


def _record(row: Row) -> Record:
    values = dict(zip(_COLUMNS, row, strict=True))
    for name in _JSON:
        values[name] = None if values[name] is None else json.loads(values[name])
    return Record(**values)


def _unix(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a time; give ISO 8601, as in 2026-01-31T12:00:00Z") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
