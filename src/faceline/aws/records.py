"""The table `FaceRecognitionResults` in DynamoDB: one item a face."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice
from typing import Any

from faceline.aws.clients import Clients, said
from faceline.aws.fetching import fetched
from faceline.aws.items import MAX_ACTIONS, Item, from_item, to_item
from faceline.aws.record_items import Asked, asked, record_of, values_of
from faceline.aws.tables import EXPIRES
from faceline.aws.writing import conditional, transact, wait
from faceline.errors import StorageError, UsageError
from faceline.ports import Record, RecordQuery

_DAYS: Item = to_item({"object": "#days", "face_number": 0})  # no object: there is no bucket of an empty name
_ATTEMPTS = 12
_PAGE = 1000


class DynamoRecords:
    """Implements `ports.Records`. Times may be in any ISO 8601 form; one without a zone is UTC.

    kept_days: DynamoDB deletes a row so long after its timestamp, as a rule within two days more; 0: never.

    What is asked by image, person, status or time is read from global indexes, which follow the table by some tenths of
    a second as a rule: a row may be missing just after it was written, and a deleted one still be there
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html). `pages` without image, person and
    status reads the table itself. One item, `#days`, says on which days there is something, so that a query without
    any condition looks at no others.
    """

    def __init__(self, clients: Clients, table: str, kept_days: float = 0.0) -> None:
        self._clients, self._table, self._kept_days = clients, table, kept_days
        self._known_days: set[str] = set()

    def replace(self, bucket: str, key: str, rows: Sequence[Record]) -> None:
        """One transaction with up to 100 rows, those of before included; nothing is written over that another writer
        wrote meanwhile. With more rows it is several: a reader may see both versions for as long as they take, and a
        process that is killed among them leaves both until the photo is replaced again, as its next delivery does.

        Raises UsageError when a row's timestamp is not ISO 8601.
        """
        given = [self._values(row) for row in rows]
        self._add_days({each["day"] for each in given})
        self._swap(f"{bucket}/{key}", given)

    def query(self, query: RecordQuery) -> list[Record]:
        """Raises UsageError when since or until is not ISO 8601."""
        if query.limit < 0:
            raise UsageError(f"limit is {query.limit}; at least 0 rows can be asked for")
        found: list[dict[str, Any]] = []
        for values in self._newest_first(asked(query)):
            if len(found) >= query.limit and (not found or values["timestamp"] != found[-1]["timestamp"]):
                break
            found.append(values)
        found.sort(key=_by_time, reverse=True)
        return [record_of(values) for values in reversed(found[: query.limit])]

    def pages(self, rows: int = 10_000, query: RecordQuery = RecordQuery()) -> Iterator[list[Record]]:  # noqa: B008
        """Looks through the table, or what the conditions' index has, for keys; then reads the rows a page at a time.

        The keys are in memory, some 300 bytes each. A row that is deleted meanwhile is left out. Raises UsageError as
        `query`.
        """
        conditions = asked(query)
        found = self._newest_first(conditions) if conditions.narrowed else self._scan(conditions)
        keys = iter(sorted((each["bucket"], each["key"], each["face_number"]) for each in found))
        while page := list(islice(keys, rows)):
            if records := self._read(page):
                yield records

    def delete(self, bucket: str, key: str) -> int:
        return self._swap(f"{bucket}/{key}", [])

    def forget(self, person: str) -> int:
        """Finds the rows in the index, so not one that was written in the tenths of a second before."""
        update = partial(
            self._clients.dynamodb.update_item,
            TableName=self._table,
            UpdateExpression="SET #status = :forgotten REMOVE #person, #face_id",
            ConditionExpression="#person = :person",
            ExpressionAttributeNames={f"#{each}": each for each in ("person", "face_id", "status")},
            ExpressionAttributeValues=to_item({":person": person, ":forgotten": "forgotten"}),
        )
        rows = list(self._index("person", person, asked(RecordQuery()))) if person else []
        return sum(conditional(partial(update, Key=_key(row)), self._what).done for row in rows)

    @property
    def _what(self) -> str:
        return f"the table {self._table}"

    def _values(self, record: Record) -> dict[str, Any]:
        values = values_of(record)
        if self._kept_days:
            ends = datetime.fromisoformat(values["timestamp"]) + timedelta(days=self._kept_days)
            values[EXPIRES] = int(ends.timestamp())
        return values

    def _swap(self, place: str, given: Sequence[dict[str, Any]]) -> int:
        """Makes these the only rows of the object; returns how many there were before."""
        for attempt in range(1, _ATTEMPTS + 1):
            before = self._versions(place)
            actions = self._actions(place, given, before)
            chunks = [actions[start : start + MAX_ACTIONS] for start in range(0, len(actions), MAX_ACTIONS)]
            if not any(transact(self._clients.dynamodb, chunk, self._what) for chunk in chunks):
                return len(before)
            wait(attempt)
        raise StorageError(f"cannot write the rows of {place}: others write them all the time; try again")

    def _versions(self, place: str) -> dict[int, str]:
        """Of the rows as they are, by face number."""
        request = {
            "KeyConditionExpression": "#object = :place",
            "ExpressionAttributeNames": {"#object": "object", "#version": "version"},
            "ExpressionAttributeValues": to_item({":place": place}),
            "ProjectionExpression": "face_number, #version",
            "ConsistentRead": True,
        }
        return {each["face_number"]: each["version"] for each in self._items("query", request)}

    def _actions(
        self, place: str, given: Sequence[dict[str, Any]], before: dict[int, str]
    ) -> list[dict[str, dict[str, Any]]]:
        """Each on the condition that its row is what was read, or still is not there."""
        puts = [
            {"Put": {"Item": to_item(each | {"object": place})} | self._unchanged(before.get(each["face_number"]))}
            for each in given
        ]
        leftover = before.keys() - {each["face_number"] for each in given}
        deletes = [
            {"Delete": {"Key": _key({"object": place, "face_number": each})} | self._unchanged(before[each])}
            for each in sorted(leftover)
        ]
        return [*puts, *deletes]

    def _unchanged(self, version: str | None) -> dict[str, Any]:
        if version is None:
            names = {"#object": "object"}
            return {
                "TableName": self._table,
                "ConditionExpression": "attribute_not_exists(#object)",
                "ExpressionAttributeNames": names,
            }
        return {
            "TableName": self._table,
            "ConditionExpression": "#version = :version",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": to_item({":version": version}),
        }

    def _add_days(self, days: set[str]) -> None:
        """Before the rows are written, so that no day with rows is missing."""
        if new := days - self._known_days:
            with said(self._what):
                self._clients.dynamodb.update_item(
                    TableName=self._table,
                    Key=_DAYS,
                    UpdateExpression="ADD days :days",
                    ExpressionAttributeValues=to_item({":days": new}),
                )
            self._known_days |= new

    def _days(self, conditions: Asked) -> list[str]:
        with said(self._what):
            found = self._clients.dynamodb.get_item(TableName=self._table, Key=_DAYS, ConsistentRead=True)
        days = from_item(found.get("Item", {})).get("days", ())
        return sorted((day for day in days if conditions.since[:10] <= day <= conditions.until[:10]), reverse=True)

    def _newest_first(self, conditions: Asked) -> Iterator[dict[str, Any]]:
        """From the index of the rarest condition; the others are its filter."""
        if "" in (conditions.image, conditions.person, conditions.status):  # which no row has
            return iter(())
        if conditions.image:
            return self._index("image_id", conditions.image.rpartition("/")[2], conditions)
        if conditions.person:
            both = [self._index(each, conditions.person, conditions) for each in ("person", "face_id")]
            return _once(heapq.merge(*both, key=lambda each: str(each["timestamp"]), reverse=True))
        if conditions.status:
            return self._index("status", conditions.status, conditions)
        days = self._days(conditions)
        return chain.from_iterable(self._index("day", day, conditions) for day in days)

    def _index(self, attribute: str, value: str, conditions: Asked) -> Iterator[dict[str, Any]]:
        """The newest first. attribute: that the index is by."""
        if not value:  # a photo's key may end in a slash
            return iter(())
        wanted, names, values = conditions.filter(attribute)
        request = {
            "IndexName": f"by_{attribute.partition('_id')[0]}",
            "KeyConditionExpression": f"#{attribute} = :value AND #timestamp BETWEEN :since AND :until",
            "ScanIndexForward": False,
            "ExpressionAttributeNames": {each: each[1:] for each in {*names, f"#{attribute}", "#timestamp"}},
            "ExpressionAttributeValues": to_item(
                {":value": value, ":since": conditions.since, ":until": conditions.until} | values
            ),
            **({"FilterExpression": wanted} if wanted else {}),
        }
        return self._items("query", request, min(conditions.limit + 1, _PAGE))

    def _scan(self, conditions: Asked) -> Iterator[dict[str, Any]]:
        """The table itself. The item of the days has no time."""
        request = {
            "FilterExpression": "#timestamp BETWEEN :since AND :until",
            "ProjectionExpression": "#bucket, #key, face_number",
            "ExpressionAttributeNames": {f"#{each}": each for each in ("timestamp", "bucket", "key")},
            "ExpressionAttributeValues": to_item({":since": conditions.since, ":until": conditions.until}),
            "ConsistentRead": True,
        }
        return self._items("scan", request)

    def _items(self, operation: str, request: dict[str, Any], page: int = _PAGE) -> Iterator[dict[str, Any]]:
        with said(self._what):
            paginator = self._clients.dynamodb.get_paginator(operation)
            for answer in paginator.paginate(TableName=self._table, PaginationConfig={"PageSize": page}, **request):
                for item in answer["Items"]:
                    yield from_item(item)

    def _read(self, keys: Sequence[tuple[str, str, int]]) -> list[Record]:
        """The rows of these keys that there are, in this order."""
        wanted = [_key({"object": f"{bucket}/{key}", "face_number": face}) for bucket, key, face in keys]
        found: dict[tuple[str, str, int], Record] = {}
        for item in fetched(self._clients.dynamodb, self._table, wanted, self._what):
            record = record_of(from_item(item))
            found[record.bucket, record.key, record.face_number] = record
        return [found[key] for key in keys if key in found]


def _key(row: dict[str, Any]) -> Item:
    return to_item({"object": row["object"], "face_number": row["face_number"]})


def _by_time(values: dict[str, Any]) -> tuple[str, str, int, str]:
    return values["timestamp"], values["key"], values["face_number"], values["bucket"]


def _once(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row whose person is named as its face id is in both indexes."""
    seen: set[tuple[str, int]] = set()
    for row in rows:
        if (key := (row["object"], row["face_number"])) not in seen:
            seen.add(key)
            yield row
