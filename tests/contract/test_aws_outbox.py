"""The contract of the outbox over DynamoDB, and what only DynamoDB can do wrong."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract import outbox as outbox_contract
from contract.conftest import Clock
from contract.outbox import OutboxContract, chosen, seen, states
from faceline.aws.clients import Clients
from faceline.aws.outbox import DynamoOutbox
from faceline.aws.tables import state_table
from faceline.erasure import Gone
from faceline.notices import message_id_of

_DAY_S = 86_400
TARGETS = ["all", "calm"]


@pytest.fixture
def table(aws: str) -> str:
    name = f"state-{uuid.uuid4().hex}"
    Clients().dynamodb.create_table(**state_table(name))
    return name


@contextmanager
def open_outbox(table: str) -> Iterator[Any]:  # the contract is written with the embedded profile's type
    yield DynamoOutbox(Clients(), table, chosen)


class TestDynamoOutbox(OutboxContract):
    @pytest.fixture
    def outbox(self, table: str, clock: Clock) -> Any:
        return DynamoOutbox(Clients(), table, chosen, clock)

    @pytest.fixture
    def connect(self, table: str) -> outbox_contract.Connect:
        return partial(open_outbox, table)


@pytest.fixture
def outbox(table: str, clock: Clock) -> DynamoOutbox:
    return DynamoOutbox(Clients(), table, chosen, clock, kept_days=3)


def expiries(table: str, prefix: str) -> list[int]:
    items = Clients().dynamodb.scan(TableName=table)["Items"]
    return sorted(int(each["expires_at"]["N"]) for each in items if each["pk"]["S"].startswith(prefix))


def test_a_notice_is_settled_once_every_target_has_it_or_never_will(outbox: DynamoOutbox, clock: Clock) -> None:
    outbox.put(seen(1))
    message_id = outbox.message_id(seen(1))
    assert outbox.next_at(message_id, TARGETS) == clock()
    assert not outbox.settled(message_id, TARGETS)
    first, second = outbox.claim("all", 60), outbox.claim("calm", 60)
    assert first
    assert second
    outbox.delivered(first)
    outbox.retry(second, 30, "it answered 500")
    assert outbox.next_at(message_id, TARGETS) == clock() + 30
    assert not outbox.settled(message_id, TARGETS)
    clock.advance(30)
    again = outbox.claim("calm", 60)
    assert again
    outbox.bury(again, "it answered 500")
    assert outbox.settled(message_id, TARGETS)
    assert outbox.settled(message_id_of("never put"), TARGETS)


def test_a_notice_that_waits_only_for_targets_that_are_no_more_is_settled(outbox: DynamoOutbox, clock: Clock) -> None:
    outbox.put(seen(1))
    message_id = outbox.message_id(seen(1))
    assert outbox.settled(message_id, ["another"])
    assert outbox.next_at(message_id, ["another"]) is None
    assert outbox.next_at(message_id, ["another", "calm"]) == clock()


def test_a_notice_is_not_due_before_its_target_may_be_asked_again(outbox: DynamoOutbox, clock: Clock) -> None:
    outbox.put(seen(1))
    message_id = outbox.message_id(seen(1))
    outbox.pause("all", 3600)
    assert outbox.next_at(message_id, ["all"]) == clock() + 3600
    assert outbox.next_at(message_id, TARGETS) == clock()
    delivery = outbox.claim("calm", 60)
    assert delivery
    outbox.retry(delivery, 7200, "it answered 500")
    assert outbox.next_at(message_id, TARGETS) == clock() + 3600
    clock.advance(3601)
    assert outbox.claim("all", 60)


def test_a_transaction_that_met_another_is_tried_again(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = Clients()
    real, met = clients.dynamodb.transact_write_items, []

    def failing(**request: Any) -> Any:
        met.append(request)
        if len(met) < 3:
            answer = {
                "Error": {"Code": "TransactionCanceledException"},
                "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
            }
            raise ClientError(answer, "TransactWriteItems")
        return real(**request)

    monkeypatch.setattr(clients.dynamodb, "transact_write_items", failing)
    outbox = DynamoOutbox(clients, table, chosen)
    assert outbox.put(seen(1)) is True
    assert len(met) == 3
    assert outbox.put(seen(1)) is False


def test_what_is_kept_for_a_time_lasts_as_long_as_something_of_it_waits(
    outbox: DynamoOutbox, table: str, clock: Clock
) -> None:
    put_at = int(clock())
    outbox.put(seen(1, camera=None))
    assert expiries(table, "notice#") == [put_at + 3 * _DAY_S] * 3
    delivery = outbox.claim("all", 60)
    assert delivery
    outbox.retry(delivery, 2 * _DAY_S, "it answered 500")
    assert expiries(table, "notice#") == [put_at + 3 * _DAY_S, put_at + 5 * _DAY_S, put_at + 5 * _DAY_S]


def test_a_notice_that_the_index_still_has_but_the_table_not_is_told_to_nobody(
    outbox: DynamoOutbox, table: str
) -> None:
    outbox.put(seen(1))
    key = {"pk": {"S": f"notice#{message_id_of('photo 1')}"}, "sk": {"S": "notice"}}
    Clients().dynamodb.delete_item(TableName=table, Key=key)
    assert outbox.claim("all", 60) is None
    assert outbox.waiting("all") == 0


def test_forgetting_somebody_leaves_nothing_of_them_in_the_table(outbox: DynamoOutbox, table: str) -> None:
    outbox.put(seen(1))
    outbox.put(seen(2, people=("Bob",), text="Bob was seen", source="door"))
    outbox.forget(Gone("Ada", (), True))
    assert "Ada" not in str(Clients().dynamodb.scan(TableName=table)["Items"])
    outbox.put(seen(3))
    outbox.put(seen(4, people=("Bob",)))
    assert "calm" in states(outbox, 3)  # type: ignore[arg-type]
    assert "calm" not in states(outbox, 4)  # type: ignore[arg-type]


def test_notices_and_deliveries_are_counted(outbox: DynamoOutbox, clock: Clock) -> None:
    for number in range(3):
        outbox.put(seen(number, camera=None))
    assert (outbox.waiting("all"), outbox.dead_count("all")) == (3, 0)
    delivery = outbox.claim("all", 60)
    assert delivery
    outbox.bury(delivery, "it answered 500")
    assert (outbox.waiting("all"), outbox.dead_count("all"), outbox.dead_count("calm")) == (2, 1, 0)
    assert outbox.count("person.seen", clock(), clock() + 1) == 3
    assert outbox.count("person.seen", clock() - 1, clock()) == 0
    assert outbox.count("match.found", clock(), clock() + 1) == 0


def test_a_notice_of_fifty_people_is_one_transaction(outbox: DynamoOutbox) -> None:
    people = tuple(f"Guest {number}" for number in range(50))
    assert outbox.put(seen(1, people=people)) is True
    assert outbox.put(seen(2, people=people[7:20])) is True
    assert "calm" not in states(outbox, 2)  # type: ignore[arg-type]


def test_of_two_notices_at_once_the_later_is_quiet(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clients, other = Clients(), DynamoOutbox(Clients(), table, chosen)
    real, met = clients.dynamodb.transact_write_items, []

    def overtaken(**request: Any) -> Any:
        met.append(request)
        if len(met) == 1:
            other.put(seen(1))
        return real(**request)

    monkeypatch.setattr(clients.dynamodb, "transact_write_items", overtaken)
    assert DynamoOutbox(clients, table, chosen).put(seen(2)) is True
    assert [n for n in (1, 2) if "calm" in states(other, n)] == [1]  # type: ignore[arg-type]


def test_somebody_who_is_forgotten_while_others_are_seen_has_no_quiet_time(
    table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients, other = Clients(), DynamoOutbox(Clients(), table, chosen)
    other.put(seen(1))
    real, met = clients.dynamodb.update_item, []

    def overtaken(**request: Any) -> Any:
        met.append(request)
        if len(met) == 1:
            other.put(seen(2, people=("Bob",)))
        return real(**request)

    monkeypatch.setattr(clients.dynamodb, "update_item", overtaken)
    DynamoOutbox(clients, table, chosen).forget(Gone("Ada", (), True))
    other.put(seen(3))
    other.put(seen(4, people=("Bob",)))
    assert [n for n in (2, 3, 4) if "calm" in states(other, n)] == [2, 3]  # type: ignore[arg-type]
