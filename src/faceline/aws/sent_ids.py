"""What a queue in SQS cannot remember itself, in the state table: which deduplication ids were sent, and last errors.

Items of a queue have `pk` queue#NAME; a sent id `sk` sent#HASH, an error `sk` reason#MESSAGE.
"""

import hashlib
import time
from collections.abc import Callable
from typing import Any, cast

from botocore.exceptions import ClientError

from faceline.aws.clients import Clients, code_of, said
from faceline.aws.items import Item

# Longer than SQS keeps a message, 14 days, and 14 more as a dead letter.
_KEPT_S = 30 * 86_400.0
_TAKEN_OVER_AFTER_S = 10.0
_POLL_S = 0.1
_FREE = "attribute_not_exists(pk) OR expires_at <= :now"


class SentIds:
    """remembers_s: how long an id is remembered from its sending on; 0: until `forget`."""

    def __init__(self, clients: Clients, table: str, queue: str, remembers_s: float) -> None:
        self._clients, self._table, self._pk = clients, table, f"queue#{queue}"
        self.remembers_s = remembers_s

    def key(self, deduplication_id: str) -> str:
        return f"sent#{hashlib.sha256(deduplication_id.encode()).hexdigest()}"

    def claim(self, key: str, message_id: str, now: Callable[[], float]) -> tuple[str, bool]:
        """The id of the message, and whether the caller is to send it now.

        Who claimed and was killed before it said `sent` is succeeded after 10 s, with the same message id; meanwhile
        this waits. So no message is lost, and one is sent twice only when its sender stood still in between, when it
        was killed or failed after the sending and before it said so, or when their clocks are 10 s apart.
        """
        until = time.monotonic() + _TAKEN_OVER_AFTER_S
        while not self._put(key, message_id, now()):
            old = self._look(key)
            if old and old["state"]["S"] == "sent":
                return old["message_id"]["S"], False
            if old and old["message_id"]["S"] == message_id:  # ours: the answer was lost, and boto3 wrote it again
                return message_id, True
            if old and (time.monotonic() >= until or _is_long_ago(old, now())):
                if self._succeed(key, old, now()):
                    return old["message_id"]["S"], True
                until = time.monotonic() + _TAKEN_OVER_AFTER_S
            time.sleep(_POLL_S)
        return message_id, True

    def sent(self, key: str, message_id: str) -> None:
        self._set(key, message_id, "state", {"S": "sent"})

    def failed(self, key: str, message_id: str) -> None:
        """The next sender need not wait."""
        self._set(key, message_id, "begun_at", _number(0.0))

    def keep(self, key: str, message_id: str, now: float) -> None:
        """As long as for a new message."""
        if not self.remembers_s:
            self._set(key, message_id, "expires_at", _expiry(now + _KEPT_S))

    def forget(self, key: str, message_id: str) -> None:
        """Its like may be sent again, unless ids are remembered."""
        if not self.remembers_s:
            condition = {"ConditionExpression": "message_id = :id"}
            values = {"ExpressionAttributeValues": {":id": {"S": message_id}}}
            self._done("delete_item", {"Key": self._key(key), **condition, **values})

    def note(self, message_id: str, reason: str, now: float) -> None:
        """Why the message came back."""
        values = {"reason": {"S": reason}, "expires_at": _expiry(now + _KEPT_S)}
        self._done("put_item", {"Item": self._key(f"reason#{message_id}") | values})

    def noted(self, message_id: str) -> str:
        item = self._look(f"reason#{message_id}") or {}
        return str(item.get("reason", {}).get("S", ""))

    def unnote(self, message_id: str) -> None:
        self._done("delete_item", {"Key": self._key(f"reason#{message_id}")})

    def _put(self, key: str, message_id: str, now: float) -> bool:
        item = self._key(key) | {
            "message_id": {"S": message_id},
            "state": {"S": "sending"},
            "begun_at": _number(now),
            "expires_at": _expiry(now + (self.remembers_s or _KEPT_S)),
        }
        values = {":now": _number(now)}
        return self._done(
            "put_item",
            {"Item": item, "ConditionExpression": _FREE, "ExpressionAttributeValues": values},
        )

    def _look(self, key: str) -> Item | None:
        with said(f"the table {self._table}"):
            answer = self._clients.dynamodb.get_item(TableName=self._table, Key=self._key(key), ConsistentRead=True)
        return cast("Item | None", answer.get("Item"))

    def _succeed(self, key: str, old: Item, now: float) -> bool:
        """False when another did so first."""
        wanted = {
            "Key": self._key(key),
            "UpdateExpression": "SET begun_at = :now",
            "ConditionExpression": "#state = :sending AND begun_at = :before",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {
                ":now": _number(now),
                ":sending": {"S": "sending"},
                ":before": old["begun_at"],
            },
        }
        return self._done("update_item", wanted)

    def _set(self, key: str, message_id: str, name: str, value: dict[str, str]) -> None:
        """Unless the id was forgotten since, or is another message's."""
        wanted = {
            "Key": self._key(key),
            "UpdateExpression": "SET #name = :value",
            "ConditionExpression": "message_id = :id",
            "ExpressionAttributeNames": {"#name": name},
            "ExpressionAttributeValues": {":value": value, ":id": {"S": message_id}},
        }
        self._done("update_item", wanted)

    def _done(self, verb: str, wanted: dict[str, Any]) -> bool:
        """False when the condition does not hold."""
        with said(f"the table {self._table}"):
            try:
                getattr(self._clients.dynamodb, verb)(TableName=self._table, **wanted)
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def _key(self, sk: str) -> Item:
        return {"pk": {"S": self._pk}, "sk": {"S": sk}}


def _is_long_ago(claim: Item, now: float) -> bool:
    """Also of a claim from far ahead: the claimant's clock is another."""
    return abs(now - float(claim["begun_at"]["N"])) >= _TAKEN_OVER_AFTER_S


def _expiry(moment: float) -> dict[str, str]:
    """As DynamoDB takes it for its time to live: whole seconds of Unix time."""
    return {"N": str(int(moment))}


def _number(seconds: float) -> dict[str, str]:
    return {"N": f"{seconds:.3f}"}
