"""Items by their keys while DynamoDB answers a part of them at a time."""

from typing import Any

import pytest

from aws_made import make
from contract.record_table import ANNA, STRANGER
from faceline.aws.clients import Clients
from faceline.aws.fetching import fetched
from faceline.aws.records import DynamoRecords
from faceline.errors import StorageError
from gallery_on_aws import STAFF, made_place, people
from made import MODEL

KEYS = [{"pk": {"S": f"key {n}"}} for n in range(250)]


class Throttled:
    """A DynamoDB that has every item, and gives so many of a call."""

    def __init__(self, at_once: int) -> None:
        self.at_once, self.calls = at_once, 0

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        self.calls += 1
        ((table, asked),) = request["RequestItems"].items()
        assert len(asked["Keys"]) <= 100
        assert asked["ConsistentRead"]
        answer: dict[str, Any] = {"Responses": {table: asked["Keys"][: self.at_once]}}
        left = asked["Keys"][self.at_once :]
        return answer | {"UnprocessedKeys": {table: asked | {"Keys": left}}} if left else answer


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Those of this process, which takes none of them."""
    found: list[float] = []
    monkeypatch.setattr("faceline.aws.writing.time.sleep", found.append)
    return found


def leave_out_all_but_one(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    real = clients.dynamodb.batch_get_item

    def throttled(**request: Any) -> dict[str, Any]:
        ((table, asked),) = request["RequestItems"].items()
        answer: dict[str, Any] = real(RequestItems={table: asked | {"Keys": asked["Keys"][:1]}})
        left = asked["Keys"][1:]
        return answer | {"UnprocessedKeys": {table: asked | {"Keys": left}} if left else {}}

    monkeypatch.setattr(clients.dynamodb, "batch_get_item", throttled)


def test_items_that_a_call_left_out_are_asked_for_again_after_a_wait(waits: list[float]) -> None:
    client = Throttled(at_once=40)
    assert list(fetched(client, "table", KEYS, "the table")) == KEYS
    assert (client.calls, len(waits)) == (8, 5)


def test_a_table_that_gives_nothing_is_not_asked_for_ever(waits: list[float]) -> None:
    client = Throttled(at_once=0)
    with pytest.raises(StorageError, match="cannot read the table all at once: it is asked too often; try again"):
        list(fetched(client, "table", KEYS, "the table all at once"))
    assert (client.calls, len(waits)) == (12, 12)


def test_rows_that_a_throttled_table_leaves_out_come_later(
    aws: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    made = make()
    records = DynamoRecords(made.clients, made.settings.aws_names.results)
    records.replace(ANNA.bucket, ANNA.key, [ANNA, STRANGER])
    leave_out_all_but_one(made.clients, monkeypatch)
    assert [len(page) for page in records.pages()] == [2]
    assert len(waits) == 1


def test_faces_that_a_throttled_table_leaves_out_come_later(
    aws: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    place = made_place(aws)
    place.collections().create(STAFF, MODEL)
    place.records().add(STAFF, people(range(3)))
    with monkeypatch.context() as patch:
        leave_out_all_but_one(place.clients, patch)
        found = place.records().find(STAFF, face_ids=[f"face {n}" for n in range(3)])
    assert [each.face_id for each in found] == ["face 0", "face 1", "face 2"]
    assert len(waits) == 2
