"""Receipts in DynamoDB: one item an event, and one conditional write for each verb."""

import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from faceline.aws.clients import Clients, said
from faceline.aws.items import Item, from_item, key_text, to_item
from faceline.aws.tables import EXPIRES
from faceline.aws.writing import Written, conditional
from faceline.ports import Claim, ClaimState

_DAY_S = 86_400.0
_HELD = "claim_token = :token AND attribute_not_exists(outcome)"
_FREE = "attribute_not_exists(pk) OR attribute_not_exists(outcome) AND held_until <= :now"


class DynamoReceipts:
    """Implements `ports.Receipts`. now: Unix time in seconds. kept_days: then DynamoDB may drop a receipt; 0: never.

    One that is asked for again is kept for as long again: whose a result is must be known for as long as results that
    are written anew are kept.

    A claim whose lease ran out is lost only once somebody else took it: until then its holder may still complete. A
    call whose answer was lost and that boto3 repeats finds its own token, and counts as done.
    """

    def __init__(
        self, clients: Clients, table: str, now: Callable[[], float] = time.time, kept_days: float = 0.0
    ) -> None:
        self._clients, self._table, self._now, self._kept_s = clients, table, now, kept_days * _DAY_S

    def claim(self, event_id: str, lease_s: float) -> Claim:
        now, token = self._now(), uuid.uuid4().hex
        until = now + lease_s
        held = {"event_id": event_id, "claim_token": token, "held_until": until, EXPIRES: self._expiry(until)}
        put = partial(self._clients.dynamodb.put_item, Item=_key(event_id) | to_item(held))
        written = self._write(put, _FREE, {":now": now})
        if written.done or written.item.get("claim_token") == token:
            return Claim(ClaimState.MINE, token=token)
        if "outcome" in written.item:
            self._renew(event_id, written.item)
            return Claim(ClaimState.DONE, result=written.item["outcome"])
        return Claim(ClaimState.BUSY)

    def extend(self, event_id: str, token: str, lease_s: float) -> bool:
        until = self._now() + lease_s
        return self._update(event_id, {"held_until": until, EXPIRES: self._expiry(until)}, token).done

    def complete(self, event_id: str, token: str, result: str) -> bool:
        changes = {"outcome": result, EXPIRES: self._expiry(self._now())}
        written = self._update(event_id, changes, token)
        return written.done or (written.item.get("claim_token"), written.item.get("outcome")) == (token, result)

    def release(self, event_id: str, token: str) -> None:
        delete = partial(self._clients.dynamodb.delete_item, Key=_key(event_id))
        self._write(delete, _HELD, {":token": token})

    def discard(self, event_id: str) -> None:
        delete = partial(self._clients.dynamodb.delete_item, Key=_key(event_id))
        self._write(delete, "attribute_exists(outcome)", {})

    def result(self, event_id: str) -> str | None:
        with said(self._what):
            found = self._clients.dynamodb.get_item(TableName=self._table, Key=_key(event_id), ConsistentRead=True)
        outcome = from_item(found.get("Item", {})).get("outcome")
        return None if outcome is None else str(outcome)

    @property
    def _what(self) -> str:
        return f"the table {self._table}"

    def _expiry(self, moment: float) -> int | None:
        return int(moment + self._kept_s) if self._kept_s else None

    def _renew(self, event_id: str, item: dict[str, Any]) -> None:
        """Once a day at most: each renewal is a write."""
        until = self._expiry(self._now())
        if until and until - item.get(EXPIRES, 0) >= _DAY_S:
            update = partial(
                self._clients.dynamodb.update_item,
                Key=_key(event_id),
                UpdateExpression=f"SET {EXPIRES} = :until",
            )
            self._write(update, "attribute_exists(outcome)", {":until": until})

    def _update(self, event_id: str, changes: dict[str, Any], token: str) -> Written:
        given = {name: value for name, value in changes.items() if value is not None}
        update = partial(
            self._clients.dynamodb.update_item,
            Key=_key(event_id),
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in given),
        )
        return self._write(update, _HELD, {":token": token} | {f":{name}": value for name, value in given.items()})

    def _write(self, call: Callable[..., dict[str, Any]], condition: str, values: dict[str, Any]) -> Written:
        named = {"ExpressionAttributeValues": to_item(values)} if values else {}
        write = partial(
            call,
            TableName=self._table,
            ConditionExpression=condition,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **named,
        )
        return conditional(write, self._what)


def _key(event_id: str) -> Item:
    return to_item({"pk": f"receipt#{key_text(event_id)}", "sk": "receipt"})
