"""A batch of messages: each by itself, within the time of the invocation."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from faceline.aws.batch import Settling, answered, is_batch, queue_name
from faceline.aws_app import retry_delay_s
from faceline.errors import InputError, StorageError
from faceline.local.database import Database
from faceline.local.queue import SqliteQueue
from faceline.local.schema import STATE
from faceline.pipelines.worker import BusyError, Worker
from faceline.ports import Message

ARN = "arn:aws:sqs:eu-central-1:000000000000:faceline-photo-queue"


def record_of(sqs_id: str, body: str, receive_count: int = 1) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": str(receive_count)}
    return {
        "messageId": sqs_id,
        "receiptHandle": "handle",
        "body": body,
        "attributes": attributes,
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": ARN,
    }


class Queue(SqliteQueue):
    """Its messages as if Lambda had received them: `record` says which, `delivered` finds it again."""

    def __init__(self, database: Database, max_receives: int = 99) -> None:
        super().__init__(database, "work", max_receives)
        self.messages: dict[str, Message] = {}
        self.in_hand, self.anew = list[str](), list[str]()

    def records(self, *bodies: str) -> list[dict[str, Any]]:
        for body in bodies:
            self.send(body)
        return [self._record(message) for message in self.receive(10)]

    def delivered(self, record: Mapping[str, Any]) -> Message | None:
        if record["body"] == "unreachable":
            raise StorageError("its body cannot be reached")
        return self.messages.get(record["messageId"])

    def begun(self, message: Message) -> None:
        self.in_hand.append(message.body)

    def send_anew(self, message: Message, delay_s: float = 0.0) -> bool:
        self.anew.append(message.body)
        return self.acknowledge(message)

    def _record(self, message: Message) -> dict[str, Any]:
        sqs_id = f"sqs-{message.message_id}"
        self.messages[sqs_id] = message
        return record_of(sqs_id, message.body, message.receive_count)


class Batch:
    """buried: how often a message was said to be."""

    def __init__(self, queue: Queue, max_receives: int = 3, found_again: bool = False) -> None:
        self.queue, self.buried, self.taken = queue, 0, list[str]()
        self.settling = Settling(queue, max_receives, self._bury, found_again)

    def answer(
        self,
        records: list[dict[str, Any]],
        take: Callable[[Message], object],
        left_s: Callable[[], float] = lambda: 60.0,
    ) -> list[str]:
        """The bodies of those that are to be delivered again."""

        def taken(message: Message) -> None:
            self.taken.append(message.body)
            take(message)

        failures = answered(self.settling, records, taken, left_s)["batchItemFailures"]
        bodies = {record["messageId"]: record["body"] for record in records}
        return [bodies[failure["itemIdentifier"]] for failure in failures]

    def _bury(self) -> None:
        self.buried += 1


@pytest.fixture
def queue(tmp_path: Any) -> Any:
    database = Database(tmp_path / "state.sqlite", STATE)
    yield Queue(database)
    database.close()


def test_only_what_was_neither_acknowledged_nor_buried_is_delivered_again(queue: Queue) -> None:
    batch = Batch(queue)

    def take(message: Message) -> None:
        match message.body:
            case "good":
                batch.settling.acknowledge(message)
            case "poison":
                batch.settling.bury(message, "no photo")
            case "later":
                batch.settling.release(message, 0.0, "busy")

    assert sorted(batch.answer(queue.records("good", "poison", "later"), take)) == ["later"]
    assert queue.depth() == {"visible": 1, "in_flight": 0, "dead": 1}
    assert batch.buried == 1


def test_a_message_whose_taking_breaks_off_stops_no_other(queue: Queue) -> None:
    batch = Batch(queue)

    def take(message: Message) -> None:
        if message.body == "bad":
            raise StorageError("the queue cannot be reached")
        batch.settling.acknowledge(message)

    assert batch.answer(queue.records("bad", "good"), take) == ["bad"]
    assert batch.taken == ["bad", "good"]
    assert queue.depth()["in_flight"] == 1


def test_a_message_whose_body_cannot_be_read_stops_no_other(queue: Queue) -> None:
    batch = Batch(queue)
    records = [record_of("1", "unreachable"), *queue.records("good")]
    assert batch.answer(records, batch.settling.acknowledge) == ["unreachable"]
    assert batch.taken == ["good"]


def test_a_message_that_is_buried_for_its_body_is_counted_and_not_delivered_again(queue: Queue) -> None:
    batch = Batch(queue)
    assert batch.answer([record_of("gone", "pointer"), *queue.records("good")], batch.settling.acknowledge) == []
    assert (batch.taken, batch.buried) == (["good"], 1)


def repeated(queue: Queue, *bodies: str) -> list[dict[str, Any]]:
    """Records of the second delivery."""
    queue.records(*bodies)
    for message in list(queue.messages.values()):
        queue.release(message)
    return queue.records()


class Killed(BaseException):
    """No code of ours catches it, as none runs when the process is killed."""


def test_of_messages_that_were_delivered_before_one_is_begun_and_after_all_new_ones(queue: Queue) -> None:
    batch = Batch(queue)
    records = repeated(queue, "old 1", "old 2", "old 3") + queue.records("new 1", "new 2")
    assert sorted(batch.answer(records, batch.settling.acknowledge)) == ["old 2", "old 3"]
    assert batch.taken == ["new 1", "new 2", "old 1"]
    assert queue.depth()["visible"] == 2


def test_what_kills_the_process_again_hides_no_other_and_is_known_to_have_been_in_hand(queue: Queue) -> None:
    batch = Batch(queue)

    def take(message: Message) -> None:
        if message.body == "killer":
            raise Killed
        batch.settling.acknowledge(message)

    records = repeated(queue, "killer", "good") + queue.records("new")
    with pytest.raises(Killed):
        batch.answer(records, take)
    assert batch.taken == ["new", "killer"]
    assert queue.in_hand == ["killer"]
    assert [message.body for message in queue.receive(10)] == ["good"]


def test_the_one_that_is_begun_is_the_one_that_was_delivered_most_often(queue: Queue) -> None:
    batch = Batch(queue, max_receives=9)
    records = repeated(queue, "often")
    queue.release(queue.messages[records[0]["messageId"]])
    records = queue.records()
    more = queue.records("twice")
    queue.release(queue.messages[more[0]["messageId"]])
    assert batch.answer([*queue.records(), *records], batch.settling.acknowledge) == ["twice"]
    assert batch.taken == ["often"]


def test_one_that_is_not_begun_on_its_last_delivery_is_sent_anew(queue: Queue) -> None:
    batch = Batch(queue, max_receives=2)
    assert batch.answer(repeated(queue, "first", "second"), batch.settling.acknowledge) == []
    assert (batch.taken, queue.anew) == (["first"], ["second"])
    assert queue.depth()["dead"] == batch.buried == 0


def test_those_whose_work_is_found_without_them_are_begun_together_and_not_sent_anew(queue: Queue) -> None:
    batch = Batch(queue, max_receives=2, found_again=True)
    left_s = iter([30.0, 30.0, 0.5])
    records = repeated(queue, "first", "second", "third")
    assert batch.answer(records, batch.settling.acknowledge, lambda: next(left_s)) == []
    assert (batch.taken, queue.anew) == (["first", "second"], [])
    assert queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}
    assert batch.buried == 0


def test_one_that_was_sent_anew_counts_as_delivered_before(queue: Queue) -> None:
    batch = Batch(queue)
    records = queue.records("anew", "new")
    records[0]["messageAttributes"] = {"faceline-anew": {"stringValue": "yes", "dataType": "String"}}
    assert batch.answer(records, batch.settling.acknowledge) == []
    assert batch.taken == ["new", "anew"]


def test_one_for_which_the_others_left_no_time_is_not_buried_for_it(queue: Queue) -> None:
    batch = Batch(queue, max_receives=1)
    left_s = iter([30.0, 0.5])
    assert batch.answer(queue.records("a", "b"), batch.settling.acknowledge, lambda: next(left_s)) == []
    assert queue.anew == ["b"]
    assert queue.depth()["dead"] == batch.buried == 0


def test_a_batch_that_sqs_did_not_make_is_refused() -> None:
    whole = record_of("1", "{}")
    broken: list[Any] = [{"eventSource": "aws:sqs"}, whole | {"eventSourceARN": None}, whole | {"body": 5}]
    for record in broken:
        with pytest.raises(InputError, match="eventSourceARN"):
            queue_name({"Records": [record]})
    with pytest.raises(InputError, match="messageId"):
        queue_name({"Records": [whole, "x"]})


def test_a_message_whose_lease_was_lost_is_not_called_done(queue: Queue) -> None:
    batch = Batch(queue)
    records = queue.records("slow")
    queue.release(queue.messages[records[0]["messageId"]])
    assert batch.answer(records, batch.settling.acknowledge) == ["slow"]
    assert queue.depth()["visible"] == 1


def test_the_last_delivery_is_buried_with_its_reason_rather_than_given_back(queue: Queue) -> None:
    batch = Batch(queue, max_receives=2)
    records = queue.records("often")
    assert batch.answer(records, lambda message: batch.settling.release(message, 0.0, "no table")) == ["often"]
    assert queue.depth()["dead"] == 0
    assert batch.answer(queue.records(), lambda message: batch.settling.release(message, 0.0, "no table")) == []
    assert [letter.reason for letter in queue.list()] == ["no table"]
    assert batch.buried == 1


def test_what_another_process_has_in_hand_is_sent_anew_on_its_last_delivery_and_waits(queue: Queue) -> None:
    def busy(body: str) -> None:
        raise BusyError("another worker holds it")

    batch = Batch(queue, max_receives=2)
    take = Worker(batch.settling, batch.settling, busy).take
    assert batch.answer(queue.records("long"), take) == ["long"]
    assert queue.depth() == {"visible": 0, "in_flight": 1, "dead": 0}
    assert batch.answer(repeated(queue, "longer"), take) == []
    assert (queue.anew, queue.list(), batch.buried) == (["longer"], [], 0)


def test_messages_that_would_not_fit_are_given_back_at_once(queue: Queue) -> None:
    batch = Batch(queue)
    left_s = iter([30.0, 0.5, 0.4])
    assert batch.answer(queue.records("a", "b", "c"), batch.settling.acknowledge, lambda: next(left_s)) == ["b", "c"]
    assert batch.taken == ["a"]
    assert queue.depth() == {"visible": 2, "in_flight": 0, "dead": 0}


def test_what_never_fits_dies_with_that_as_its_reason(queue: Queue) -> None:
    batch = Batch(queue, max_receives=1)
    assert batch.answer(queue.records("a"), batch.settling.acknowledge, lambda: 0.5) == []
    assert "lower the batch size" in queue.list()[0].reason


def test_a_batch_is_told_from_other_events() -> None:
    batch = {"Records": [record_of("1", "{}")]}
    assert is_batch(batch)
    assert queue_name(batch) == "faceline-photo-queue"
    others: list[Any] = [{"Records": [{"eventSource": "aws:s3"}]}, {"Records": []}, {}, [], None, {"Records": ["x"]}]
    assert not any(is_batch(event) for event in others)


@pytest.mark.parametrize("max_receives", [2, 3, 5, 10, 50])
def test_a_message_that_waits_for_its_twin_outlasts_the_lease_of_a_process_that_died(max_receives: int) -> None:
    first_s = retry_delay_s(60.0, max_receives)
    assert sum(first_s * 2.0 ** min(n, 6) for n in range(max_receives - 1)) > 60.0
    assert retry_delay_s(60.0, 1) > 0
