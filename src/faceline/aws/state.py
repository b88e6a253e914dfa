"""Items of the state table, by `pk` and `sk`, and deliveries by when they are due."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from faceline.aws.clients import Clients, said
from faceline.aws.items import MAX_ACTIONS, from_item, to_item
from faceline.aws.writing import Written, conditional, transact

Action = dict[str, dict[str, Any]]


class StateTable:
    """All reads but `due` and `counted` are consistent. Every verb may raise StorageError."""

    def __init__(self, clients: Clients, name: str) -> None:
        self._clients, self._name = clients, name

    @property
    def _what(self) -> str:
        return f"the table {self._name}"

    def get(self, pk: str, sk: str) -> dict[str, Any]:
        """Empty when it is not there."""
        with said(self._what):
            key = to_item({"pk": pk, "sk": sk})
            found = self._clients.dynamodb.get_item(TableName=self._name, Key=key, ConsistentRead=True)
        return from_item(found.get("Item", {}))

    def under(self, pk: str) -> Iterator[dict[str, Any]]:
        """The items of this `pk`, by `sk`."""
        values = to_item({":pk": pk})
        request = {
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }
        return self._pages("query", request)

    def starting(self, prefixes: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The items whose `pk` starts with one of these. Reads, and pays for, the whole table."""
        values = {f":p{number}": prefix for number, prefix in enumerate(prefixes)}
        request = {
            "FilterExpression": " OR ".join(f"begins_with(pk, {name})" for name in values),
            "ExpressionAttributeValues": to_item(values),
            "ConsistentRead": True,
        }
        return self._pages("scan", request)

    def due(
        self, target: str, since: float = 0.0, until: float = 1e15, newest_first: bool = False
    ) -> Iterator[dict[str, Any]]:
        """What the index `by_due` has for this `due_target` in this time, both ends included: Unix times in seconds.

        The index follows the table by some tenths of a second as a rule.
        """
        request = {
            "IndexName": "by_due",
            "KeyConditionExpression": "due_target = :target AND due_at BETWEEN :since AND :until",
            "ExpressionAttributeValues": to_item({":target": target, ":since": since, ":until": until}),
            "ScanIndexForward": not newest_first,
        }
        return self._pages("query", request)

    def update(self, pk: str, sk: str, changes: Mapping[str, Any], where: Mapping[str, Any]) -> Written:
        """Sets what is given, and takes out what is None, if the item has the values of `where`."""
        sets = [name for name, value in changes.items() if value is not None]
        removes = [name for name, value in changes.items() if value is None]
        clauses = [("SET", [f"#{each} = :new_{each}" for each in sets]), ("REMOVE", [f"#{each}" for each in removes])]
        values = {f":new_{each}": changes[each] for each in sets} | {f":old_{each}": where[each] for each in where}
        request = {
            "UpdateExpression": " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses if parts),
            "ExpressionAttributeNames": {f"#{each}": each for each in {*changes, *where}},
            "ExpressionAttributeValues": to_item(values),
            **({"ConditionExpression": " AND ".join(f"#{each} = :old_{each}" for each in where)} if where else {}),
        }
        key = to_item({"pk": pk, "sk": sk})
        call = partial(self._clients.dynamodb.update_item, TableName=self._name, Key=key, **request)
        return conditional(call, self._what)

    def put_action(self, item: Mapping[str, Any], version: str | None = "") -> Action:
        """For `transact`. version: which the item has that is replaced; None: there must be none; empty: whatever."""
        condition: dict[str, Any] = {}
        if version is None:
            condition = {"ConditionExpression": "attribute_not_exists(pk)"}
        elif version:
            condition = {
                "ConditionExpression": "version = :version",
                "ExpressionAttributeValues": to_item({":version": version}),
            }
        return {"Put": {"TableName": self._name, "Item": to_item(item), **condition}}

    def transact(self, actions: Sequence[Action]) -> list[int]:
        """Returns which actions' conditions did not hold; none when all was written."""
        return transact(self._clients.dynamodb, actions, self._what)

    def delete(self, items: Sequence[Mapping[str, Any]]) -> None:
        """In this order, a hundred at a time."""
        keys = [to_item({"pk": each["pk"], "sk": each["sk"]}) for each in items]
        for start in range(0, len(keys), MAX_ACTIONS):
            some = keys[start : start + MAX_ACTIONS]
            self.transact([{"Delete": {"TableName": self._name, "Key": key}} for key in some])

    def _pages(self, operation: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        with said(self._what):
            paginate: Callable[..., Any] = self._clients.dynamodb.get_paginator(operation).paginate
            for answer in paginate(TableName=self._name, **request):
                for item in answer["Items"]:
                    yield from_item(item)
