"""Conditional writes and transactions of DynamoDB: what was refused by a condition is an answer, what met another
write is tried again.

A condition that did not hold: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html. Why a
transaction was cancelled: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html.
boto3 itself tries again what was throttled as a whole; it does not know of conflicts, nor of throttled actions within a
transaction.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from faceline.aws.clients import Client, code_of, said
from faceline.aws.items import from_item

_ATTEMPTS = 12
_FIRST_S, _LONGEST_S = 0.02, 1.0
_PASSING = {
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
}
_REFUSED = {"ConditionalCheckFailed", "ConditionalCheckFailedException"}


@dataclass(frozen=True, slots=True)
class Written:
    """done: False when the condition did not hold. item: what `ReturnValues` asked for; when refused, the item as it
    is, where `ReturnValuesOnConditionCheckFailure` asked for it.
    """

    done: bool
    item: dict[str, Any]


def conditional(write: Callable[[], dict[str, Any]], what: str) -> Written:
    """One conditional write. write: calls PutItem, UpdateItem or DeleteItem. what: the table, for messages.

    Raises StorageError.
    """
    with said(what):
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return Written(True, from_item(write().get("Attributes", {})))
            except ClientError as error:
                if code_of(error) in _REFUSED:
                    return Written(False, from_item(error.response.get("Item", {})))
                if code_of(error) not in _PASSING or attempt == _ATTEMPTS:
                    raise
            wait(attempt)
    raise AssertionError  # the last attempt returned or raised


def transact(client: Client, actions: Sequence[dict[str, Any]], what: str) -> list[int]:
    """All of up to 100 actions or none. Returns which actions' conditions did not hold; none when all was written.

    boto3 gives each call a token of its own, so that one whose answer was lost is not done twice. Raises StorageError.
    """
    with said(what):
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                client.transact_write_items(TransactItems=list(actions))
            except ClientError as error:
                reasons = [each.get("Code", "None") for each in error.response.get("CancellationReasons", [])]
                refused = [position for position, reason in enumerate(reasons) if reason in _REFUSED]
                if refused:
                    return refused
                passes = bool(_PASSING & {code_of(error), *reasons}) and not set(reasons) - _PASSING - {"None"}
                if not passes or attempt == _ATTEMPTS:
                    raise
            else:
                return []
            wait(attempt)
    raise AssertionError  # the last attempt returned or raised


def wait(attempt: int) -> None:
    """Before the next attempt: at random, so that those that met do not meet again. attempt: 1 for the first."""
    time.sleep(random.uniform(0.0, min(_LONGEST_S, _FIRST_S * 2.0**attempt)))  # noqa: S311
