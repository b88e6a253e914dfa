"""Items of DynamoDB by their keys, any number of them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from faceline.aws.clients import Client, said
from faceline.aws.items import Item
from faceline.aws.writing import wait
from faceline.errors import StorageError

_ATTEMPTS = 12
_AT_ONCE = 100  # keys of one BatchGetItem


def fetched(client: Client, table: str, keys: Iterable[Item], what: str) -> Iterator[Item]:
    """Those of the items that are there, in no order, each read consistently. what: the table, for messages.

    What DynamoDB left out because a call was full or throttled is asked for again after a wait
    (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html). Raises StorageError.
    """
    wanted = list(keys)
    for start in range(0, len(wanted), _AT_ONCE):
        yield from _of_one_batch(client, table, wanted[start : start + _AT_ONCE], what)


def _of_one_batch(client: Client, table: str, keys: Sequence[Item], what: str) -> Iterator[Item]:
    left: dict[str, Any] = {table: {"Keys": keys, "ConsistentRead": True}}
    for attempt in range(1, _ATTEMPTS + 1):
        with said(what):
            answer = client.batch_get_item(RequestItems=left)
        yield from answer["Responses"].get(table, [])
        left = answer.get("UnprocessedKeys", {})
        if not left:
            return
        wait(attempt)
    raise StorageError(f"cannot read {what}: it is asked too often; try again")
