"""The contract of receipts over DynamoDB, and what only DynamoDB can do wrong."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract import receipts as receipts_contract
from contract.conftest import Clock
from contract.receipts import ReceiptsContract
from faceline.aws.clients import Clients
from faceline.aws.receipts import DynamoReceipts
from faceline.aws.tables import state_table
from faceline.errors import StorageError
from faceline.ports import ClaimState


@pytest.fixture
def table(aws: str) -> str:
    name = f"state-{uuid.uuid4().hex}"
    Clients().dynamodb.create_table(**state_table(name))
    return name


@contextmanager
def open_receipts(table: str) -> Iterator[DynamoReceipts]:
    yield DynamoReceipts(Clients(), table)


class TestDynamoReceipts(ReceiptsContract):
    @pytest.fixture
    def receipts(self, table: str, clock: Clock) -> DynamoReceipts:
        return DynamoReceipts(Clients(), table, clock)

    @pytest.fixture
    def connect(self, table: str) -> receipts_contract.Connect:
        return partial(open_receipts, table)


@pytest.fixture
def receipts(table: str, clock: Clock) -> DynamoReceipts:
    return DynamoReceipts(Clients(), table, clock, kept_days=2)


def answers_lost(clients: Clients, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the answer to a request got lost: boto3 sends the same again."""
    real = getattr(clients.dynamodb, name)

    def twice(**request: Any) -> Any:
        real(**request)
        return real(**request)

    monkeypatch.setattr(clients.dynamodb, name, twice)


def test_a_claim_whose_answer_was_lost_is_still_mine(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = Clients()
    answers_lost(clients, "put_item", monkeypatch)
    assert DynamoReceipts(clients, table).claim("event", 60).state is ClaimState.MINE


def test_a_completion_whose_answer_was_lost_was_done(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = Clients()
    answers_lost(clients, "update_item", monkeypatch)
    receipts = DynamoReceipts(clients, table)
    assert receipts.complete("event", receipts.claim("event", 60).token, "{}")


def test_a_write_that_meets_a_transaction_is_tried_again(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = Clients()
    real, met = clients.dynamodb.put_item, []

    def conflicting(**request: Any) -> Any:
        met.append(request)
        if len(met) < 3:
            raise ClientError({"Error": {"Code": "TransactionConflictException"}}, "PutItem")
        return real(**request)

    monkeypatch.setattr(clients.dynamodb, "put_item", conflicting)
    assert DynamoReceipts(clients, table).claim("event", 60).state is ClaimState.MINE
    assert len(met) == 3


def test_receipts_that_are_kept_for_a_time_say_when_they_end(
    receipts: DynamoReceipts, table: str, clock: Clock
) -> None:
    receipts.complete("event", receipts.claim("event", 60).token, "{}")
    (item,) = Clients().dynamodb.scan(TableName=table)["Items"]
    assert item["expires_at"] == {"N": str(int(clock() + 2 * 86_400))}


def test_a_receipt_that_is_asked_for_again_is_kept_for_as_long_again(
    receipts: DynamoReceipts, table: str, clock: Clock
) -> None:
    def ends() -> float:
        (item,) = Clients().dynamodb.scan(TableName=table)["Items"]
        return float(item["expires_at"]["N"])

    receipts.complete("owner", receipts.claim("owner", 60).token, "input/a.jpg")
    first = ends()
    clock.advance(3600)
    assert receipts.claim("owner", 60).state is ClaimState.DONE
    assert ends() == first  # it is renewed once a day at most
    clock.advance(86_400)
    assert receipts.claim("owner", 60).result == "input/a.jpg"
    assert ends() == int(clock() + 2 * 86_400)
    receipts.discard("owner")
    assert receipts.claim("owner", 60).state is ClaimState.MINE


def test_an_event_id_of_any_length_is_an_event(receipts: DynamoReceipts) -> None:
    long = "photos/" + "ü" * 2000
    receipts.complete(long, receipts.claim(long, 60).token, "{}")
    assert receipts.result(long) == "{}"
    assert receipts.result(long + "ü") is None


def test_a_discarded_event_is_new_and_a_claimed_one_stays(receipts: DynamoReceipts) -> None:
    receipts.complete("done", receipts.claim("done", 60).token, "{}")
    receipts.claim("held", 60)
    receipts.discard("done")
    receipts.discard("held")
    assert receipts.claim("done", 60).state is ClaimState.MINE
    assert receipts.claim("held", 60).state is ClaimState.BUSY


def test_a_table_that_is_not_there_is_named(aws: str) -> None:
    with pytest.raises(StorageError, match="the table nowhere: there is no such table"):
        DynamoReceipts(Clients(), "nowhere").claim("event", 60)
