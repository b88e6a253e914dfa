"""The contract of the results over DynamoDB, and what only DynamoDB can do wrong."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.record_table import ANNA, FAILED, STRANGER, RecordsContract
from faceline.aws.clients import Clients
from faceline.aws.records import DynamoRecords
from faceline.aws.tables import results_table
from faceline.errors import StorageError
from faceline.ports import Record, RecordQuery


@pytest.fixture
def table(aws: str) -> str:
    name = f"results-{uuid.uuid4().hex}"
    Clients().dynamodb.create_table(**results_table(name))
    return name


@pytest.fixture
def records(table: str) -> DynamoRecords:
    return DynamoRecords(Clients(), table)


class TestDynamoRecords(RecordsContract):
    @pytest.fixture
    def records(self, table: str) -> DynamoRecords:
        return DynamoRecords(Clients(), table)


def crowd(faces: int, **changes: Any) -> list[Record]:
    return [replace(STRANGER, face_number=number, **changes) for number in range(faces)]


def refused(*codes: str) -> ClientError:
    answer = {
        "Error": {"Code": "TransactionCanceledException"},
        "CancellationReasons": [{"Code": code} for code in codes],
    }
    return ClientError(answer, "TransactWriteItems")


def test_a_photo_of_250_faces_is_replaced_by_one_of_120_and_by_none(records: DynamoRecords) -> None:
    key = STRANGER.key
    records.replace("photos", key, crowd(250))
    assert len(records.query(RecordQuery(image=key))) == 250
    records.replace("photos", key, crowd(120, etag="another"))
    assert records.query(RecordQuery(image=key)) == crowd(120, etag="another")
    assert records.delete("photos", key) == 120
    assert records.query(RecordQuery(image=key)) == []


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("others", [0, 1, 3, 5])
def test_a_writer_that_another_came_before_starts_again(
    before: int, others: int, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients, other = Clients(), DynamoRecords(Clients(), table)
    other.replace("photos", STRANGER.key, crowd(before))
    real, met = clients.dynamodb.transact_write_items, []

    def overtaken(**request: Any) -> Any:
        met.append(request)
        if len(met) == 1:
            other.replace("photos", STRANGER.key, crowd(others, etag="others"))
        return real(**request)

    monkeypatch.setattr(clients.dynamodb, "transact_write_items", overtaken)
    DynamoRecords(clients, table).replace("photos", STRANGER.key, crowd(3, etag="mine"))
    assert other.query(RecordQuery(image=STRANGER.key)) == crowd(3, etag="mine")


def test_writers_of_one_photo_leave_the_rows_of_one_of_them(records: DynamoRecords, table: str) -> None:
    begin = Barrier(6)

    def written(number: int) -> None:
        writer = DynamoRecords(Clients(), table)
        begin.wait(30)
        writer.replace("photos", STRANGER.key, crowd(number, etag=f"etag-{number}"))

    for _ in range(3):
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(written, range(1, 7)))
        left = records.query(RecordQuery(image=STRANGER.key))
        assert left == crowd(len(left), etag=f"etag-{len(left)}")


@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_that_met_another_or_was_throttled_is_tried_again(
    reason: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = Clients()
    real, met = clients.dynamodb.transact_write_items, []

    def failing(**request: Any) -> Any:
        met.append(request)
        if len(met) < 3:
            raise refused("None", reason)
        return real(**request)

    monkeypatch.setattr(clients.dynamodb, "transact_write_items", failing)
    records = DynamoRecords(clients, table)
    records.replace("photos", ANNA.key, [ANNA, STRANGER])
    assert len(met) == 3
    assert records.query(RecordQuery()) == [ANNA, STRANGER]


def test_a_transaction_that_can_never_be_done_is_an_error_at_once(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clients, met = Clients(), []

    def failing(**request: Any) -> Any:
        met.append(request)
        raise refused("None", "ValidationError")

    monkeypatch.setattr(clients.dynamodb, "transact_write_items", failing)
    with pytest.raises(StorageError, match=table):
        DynamoRecords(clients, table).replace("photos", ANNA.key, [ANNA])
    assert len(met) == 1


def test_days_without_rows_are_not_asked_for(
    records: DynamoRecords, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.replace("photos", "old.jpg", [replace(FAILED, key="old.jpg", timestamp="2019-05-05T00:00:00Z")])
    records.replace("photos", ANNA.key, [ANNA])
    clients, pages = Clients(), []
    clients.dynamodb.meta.events.register(
        "before-call.dynamodb.Query", lambda params, **_: pages.append(params["body"])
    )
    found = DynamoRecords(clients, table).query(RecordQuery())
    assert [each.key for each in found] == ["old.jpg", ANNA.key]
    assert len(pages) == 2


def test_a_time_comes_back_as_it_was_written_and_is_in_order_with_others(records: DynamoRecords) -> None:
    times = ["2026-01-01T12:00:00Z", "2026-01-01T14:00:00.0005+02:00", "2026-01-01T12:00:00.001+00:00"]
    for number, time in enumerate(reversed(times)):
        records.replace("photos", f"{number}.jpg", [replace(ANNA, key=f"{number}.jpg", timestamp=time)])
    assert [each.timestamp for each in records.query(RecordQuery())] == times
    until = RecordQuery(until="2026-01-01T12:00:00.001Z")
    assert [each.timestamp for each in records.query(until)] == times[:2]


def test_numbers_are_floats_again(records: DynamoRecords) -> None:
    whole = replace(ANNA, confidence=97.0, emotions=[{"type": "happy", "confidence": 88.0}])
    records.replace("photos", ANNA.key, [whole])
    (row,) = records.query(RecordQuery(image=ANNA.key))
    assert str(row) == str(whole)


def test_rows_that_are_kept_for_a_time_say_when_they_end(table: str) -> None:
    DynamoRecords(Clients(), table, kept_days=1).replace("photos", ANNA.key, [ANNA])
    items = Clients().dynamodb.scan(TableName=table)["Items"]
    assert [each["expires_at"]["N"] for each in items if "expires_at" in each] == ["1767355200"]


def test_equal_times_at_the_limit_are_told_apart_by_key(records: DynamoRecords) -> None:
    for name in ("b.jpg", "c.jpg", "a.jpg"):
        records.replace("photos", name, [replace(ANNA, key=name, image_id=name)])
    assert [each.key for each in records.query(RecordQuery(limit=2))] == ["b.jpg", "c.jpg"]
    assert records.query(RecordQuery(limit=0)) == []


def test_a_person_named_as_a_face_id_is_found_once(records: DynamoRecords) -> None:
    records.replace("photos", ANNA.key, [replace(ANNA, person="face-1")])
    assert len(records.query(RecordQuery(person="face-1"))) == 1


def test_pages_leave_out_what_is_deleted_meanwhile(records: DynamoRecords) -> None:
    for number in range(5):
        records.replace("photos", f"{number}.jpg", [replace(ANNA, key=f"{number}.jpg")])
    pages = records.pages(2)
    first = next(pages)
    records.delete("photos", "2.jpg")
    assert [each.key for page in [first, *pages] for each in page] == ["0.jpg", "1.jpg", "3.jpg", "4.jpg"]
