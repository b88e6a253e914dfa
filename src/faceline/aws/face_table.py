"""The faces of collections in the state table: reading them consistently, and changing a collection in one transaction.

A collection's `meta` item has a version that each change moves on condition that nobody did since it was read: what was
read in between is true when the change is made. Who loses reads again, after a random time
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html, optimistic locking).
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from faceline.aws.clients import Client, Clients, said
from faceline.aws.face_items import META, face_key, partition
from faceline.aws.fetching import fetched
from faceline.aws.items import Item, from_item, to_item, to_value
from faceline.aws.writing import transact
from faceline.errors import QuotaError, StorageError

Action = dict[str, Any]
T = TypeVar("T")

_PATIENCE_S = 120.0
_LONGEST_WAIT_S = 4.0
_FULL = "ItemCollectionSizeLimitExceeded"


@dataclass(slots=True)
class Meta:
    """What holds for a whole collection. A dropped one keeps its `newest`, so that its readers learn of the drop.

    newest: the last generation drawn; positions are drawn from the same numbers. (An item with a `generation` would be
    in that index.) people, users: as of CollectionInfo.
    model: None when there is no such collection. removed_at: the generation of the last removal. dropping: not all
    faces of a dropped collection are deleted yet.
    """

    version: int = 0
    newest: int = 0
    faces: int = 0
    people: int = 0
    users: int = 0
    model: str | None = None
    created_at: str = ""
    removed_at: int = 0
    dropping: bool = False

    def draw(self) -> int:
        self.newest += 1
        return self.newest


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """What one transaction is to do, beside moving the collection's meta; nothing is done where there are no actions.

    answer: what whoever asked for the change is told.
    """

    actions: list[Action]
    answer: T


class FaceTable:
    """Every read is consistent. Thread-safe."""

    def __init__(self, clients: Clients, table: str) -> None:
        self._clients = clients
        self.name = table

    @property
    def _dynamodb(self) -> Client:
        return self._clients.dynamodb

    def meta(self, collection: str) -> Meta:
        """A blank one where there never was such a collection."""
        with self.said():
            answer = self._dynamodb.get_item(TableName=self.name, Key=meta_key(collection), ConsistentRead=True)
        return meta_of(answer.get("Item", {}))

    def change(self, collection: str, plan: Callable[[Meta], Change[T]]) -> T:
        """Makes what `plan` says of the collection's meta, which it may alter; who was not first is asked again.

        Raises StorageError when others were first for two minutes, QuotaError when the collection has no room at AWS.
        """
        for _ in _waits():
            meta = self.meta(collection)
            version = meta.version
            change = plan(meta)
            if not change.actions or self._commit([*change.actions, self._moved(collection, meta, version)]):
                return change.answer
        raise StorageError(
            f"collection {collection} was changed by others all the time for {_PATIENCE_S:g} s; try again later, "
            "with fewer writers at once"
        )

    def items(self, keys: Iterable[Item]) -> list[Item]:
        """Those of them that are there, in no order."""
        return list(fetched(self._dynamodb, self.name, keys, f"table {self.name}"))

    def faces(self, collection: str, face_ids: Iterable[str]) -> list[Item]:
        """Items of the faces with these ids, in no order."""
        keys = dict.fromkeys(key for key in map(face_key, face_ids) if key)
        return self.items(key_of(collection, key) for key in keys)

    def equal(self, collection: str, index: str, attribute: str, value: str | int) -> Iterator[Item]:
        """Items whose attribute is this."""
        return self.query(partition(collection), "#key = :value", (attribute, value), index)

    def after(self, collection: str, index: str, attribute: str, number: int) -> Iterator[Item]:
        """Items whose attribute is above a number, by it."""
        return self.query(partition(collection), "#key > :value", (attribute, number), index)

    def query(
        self, pk: str, condition: str = "", operands: tuple[str, Any] | None = None, index: str | None = None
    ) -> Iterator[Item]:
        """Items of a partition, by the index's sort key; operands: what `#key` and `:value` of the condition are."""
        asked: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": to_value(pk)},
            "ConsistentRead": True,
        }
        if index:
            asked["IndexName"] = index
        if operands:
            asked["KeyConditionExpression"] += f" AND {condition}"
            asked["ExpressionAttributeNames"] = {"#key": operands[0]}
            asked["ExpressionAttributeValues"][":value"] = to_value(operands[1])
        while True:
            with self.said():
                answer = self._dynamodb.query(**asked)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def replace(self, item: Item) -> None:
        """Puts an item in its place at once, for what nobody else changes."""
        with self.said():
            self._dynamodb.put_item(TableName=self.name, Item=item)

    def put(self, item: Mapping[str, Any]) -> Action:
        return {"Put": {"TableName": self.name, "Item": item}}

    def delete(self, key: Item) -> Action:
        return {"Delete": {"TableName": self.name, "Key": key}}

    def said(self) -> Any:
        return said(f"table {self.name}")

    def _moved(self, collection: str, meta: Meta, version: int) -> Action:
        meta.version = version + 1
        values = {field.name: getattr(meta, field.name) for field in fields(Meta)}
        action = self.put(meta_key(collection) | to_item(values))
        action["Put"]["ConditionExpression"] = "version = :version" if version else "attribute_not_exists(pk)"
        if version:
            action["Put"]["ExpressionAttributeValues"] = {":version": to_value(version)}
        return action

    def _commit(self, actions: list[Action]) -> bool:
        """False when others were first."""
        try:
            return not transact(self._dynamodb, actions, f"table {self.name}")
        except StorageError as error:
            if _FULL in str(error):
                raise QuotaError("the collection has the 10 GB that AWS allows it; use another one") from error
            raise


def key_of(collection: str, sort_key: str) -> Item:
    return to_item({"pk": partition(collection), "sk": sort_key})


def meta_key(collection: str) -> Item:
    return key_of(collection, META)


def meta_of(item: Item) -> Meta:
    known = {field.name for field in fields(Meta)}
    return Meta(**{name: value for name, value in from_item(item).items() if name in known})


def _waits() -> Iterator[None]:
    """Attempts, each after a random time of up to twice as long as before the last, the first up to an attempt's time
    (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
    """
    start = time.monotonic()
    yield
    longest_s = time.monotonic() - start
    while time.monotonic() < start + _PATIENCE_S:
        time.sleep(random.uniform(0, longest_s))  # noqa: S311 (no secret)
        longest_s = min(2 * longest_s, _LONGEST_WAIT_S)
        yield
