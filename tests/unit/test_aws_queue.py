"""What is particular to the queue in SQS."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from faceline.aws import sent_ids
from faceline.aws.clients import Clients
from faceline.aws.mailbox import Envelope, Mailbox, delivery_of
from faceline.aws.payloads import MAX_BODY_BYTES
from faceline.aws.queue import SqsQueue
from faceline.aws.sent_ids import SentIds
from faceline.errors import StorageError
from sqs import Failing, Killed, Place, made, payloads, record_of


@pytest.fixture
def place(clients: Clients, stores: tuple[str, str]) -> Place:
    return made(clients, stores)


@pytest.fixture
def fifo(clients: Clients, stores: tuple[str, str]) -> Place:
    return made(clients, stores, fifo=True)


@pytest.fixture
def queue(clients: Clients, place: Place) -> SqsQueue:
    return place.queue(clients)


@pytest.mark.parametrize("body", ["é" * MAX_BODY_BYTES, "", "nul \x00"], ids=["large", "empty", "control"])
def test_a_body_that_sqs_does_not_take_goes_through_the_work_bucket(
    clients: Clients, place: Place, queue: SqsQueue, body: str
) -> None:
    queue.send(body)
    (message,) = queue.receive()
    assert message.body == body
    assert len(payloads(clients, place)) == 1
    assert queue.acknowledge(message)
    assert payloads(clients, place) == []


def test_a_body_that_just_fits_stays_in_the_message(clients: Clients, place: Place, queue: SqsQueue) -> None:
    queue.send("x" * MAX_BODY_BYTES)
    assert payloads(clients, place) == []
    assert queue.receive()[0].body == "x" * MAX_BODY_BYTES


def test_a_large_body_is_with_its_dead_letter_and_with_what_is_sent_again(
    clients: Clients, place: Place, queue: SqsQueue
) -> None:
    body = "x" * (MAX_BODY_BYTES + 1)
    queue.send(body)
    queue.bury(queue.receive()[0], "bad")
    assert [letter.body for letter in queue.list()] == [body]
    queue.redrive()
    (message,) = queue.receive()
    assert message.body == body
    queue.bury(message, "still bad")
    assert queue.discard() == 1
    assert payloads(clients, place) == []


def test_a_message_whose_body_is_gone_is_buried_and_hides_no_other(
    clients: Clients, place: Place, queue: SqsQueue
) -> None:
    lost = queue.send("x" * (MAX_BODY_BYTES + 1))
    clients.s3.delete_object(Bucket=place.bucket, Key=payloads(clients, place)[0])
    queue.send("good")
    assert [message.body for message in queue.receive(limit=10)] == ["good"]
    (letter,) = queue.list()
    assert letter.message_id == lost
    assert "gone" in letter.reason
    assert "s3://" in letter.body


def test_a_message_cannot_name_an_object_that_is_no_body_of_its_queue(
    clients: Clients, place: Place, queue: SqsQueue
) -> None:
    clients.s3.put_object(Bucket=place.bucket, Key="secret", Body=b"secret")
    Mailbox(clients, place.name).send(Envelope("x", "id", payload="secret"), once="1")
    assert queue.receive() == []
    assert "secret" in queue.list()[0].reason
    assert queue.discard() == 1
    assert clients.s3.head_object(Bucket=place.bucket, Key="secret")


def test_a_sender_killed_before_it_sent_is_succeeded(clients: Clients, place: Place) -> None:
    with pytest.raises(Killed):
        place.queue(Failing(clients, "sqs", "send_message", Killed())).send("one", "event-1")
    later = place.queue(clients)
    later.now = lambda: time.time() + 11
    sent = later.send("one", "event-1")
    assert later.send("one", "event-1") == sent
    assert [message.message_id for message in later.receive(limit=10)] == [sent]


def test_a_sender_killed_after_it_sent_has_its_message_done(clients: Clients, place: Place) -> None:
    with pytest.raises(Killed):
        place.queue(Failing(clients, "dynamodb", "update_item", Killed())).send("one", "event-1")
    queue = place.queue(clients)
    assert queue.acknowledge(queue.receive()[0])
    queue.send("two", "event-1")
    assert [message.body for message in queue.receive(limit=10)] == ["two"]


def test_after_a_send_that_failed_the_next_one_does_not_wait(clients: Clients, place: Place) -> None:
    refused = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "SendMessage")
    failing = Failing(clients, "sqs", "send_message", refused)
    queue = place.queue(failing)
    with pytest.raises(StorageError, match="asked too often"):
        queue.send("one", "event-1")
    failing.error = None
    started = time.monotonic()
    queue.send("one", "event-1")
    assert time.monotonic() - started < 5
    assert len(queue.receive(limit=10)) == 1


def test_a_sender_whose_claim_got_no_answer_sends_and_takes_nothing_over(
    clients: Clients, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 sends the same again, and finds what it wrote before."""
    real = clients.dynamodb.put_item

    def twice(**request: Any) -> Any:
        real(**request)
        return real(**request)

    monkeypatch.setattr(clients.dynamodb, "put_item", twice)
    monkeypatch.setattr(sent_ids, "_TAKEN_OVER_AFTER_S", 1.0)
    sent = SentIds(Failing(clients, "dynamodb", "update_item", Killed()), place.table, place.name, 0.0)
    assert sent.claim(sent.key("event-1"), "id-1", time.time) == ("id-1", True)


def test_a_send_that_could_not_be_noted_as_sent_is_queued_again_with_the_same_id(
    clients: Clients, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "UpdateItem")
    failing = Failing(clients, "dynamodb", "update_item", refused)
    queue = place.queue(failing)
    with pytest.raises(StorageError, match="asked too often"):
        queue.send("one", "event-1")
    failing.error = None
    monkeypatch.setattr(sent_ids, "_TAKEN_OVER_AFTER_S", 1.0)
    message_id = queue.send("one", "event-1")
    assert [message.message_id for message in queue.receive(limit=10)] == [message_id, message_id]


def test_what_the_state_table_keeps_of_a_queue_expires_at_whole_seconds(clients: Clients, place: Place) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html"""
    queue = place.queue(clients)
    queue.now = lambda: 1_700_000_000.75
    queue.send("one", "event-1")
    (message,) = queue.receive()
    queue.begun(message)
    queue.bury(message, "bad")
    assert queue.redrive() == 1
    items = clients.dynamodb.scan(TableName=place.table)["Items"]
    kept = [item["expires_at"]["N"] for item in items if item["pk"]["S"] == f"queue#{place.name}"]
    assert kept
    assert all(each.isdecimal() for each in kept)


def test_a_consumer_killed_within_the_acknowledgement_loses_nothing(clients: Clients, place: Place) -> None:
    dying = place.queue(Failing(clients, "sqs", "delete_message", Killed()))
    dying.send("one", "event-1")
    (message,) = dying.receive(lease_s=1)
    with pytest.raises(Killed):
        dying.acknowledge(message)
    assert [each.body for each in place.queue(clients).receive(wait_s=10)] == ["one"]


def test_a_consumer_killed_while_it_buries_leaves_one_letter_and_sends_one_message(
    clients: Clients, place: Place
) -> None:
    queue = place.queue(clients)
    queue.send("bad")
    (message,) = queue.receive()
    dying = place.queue(Failing(clients, "sqs", "delete_message", Killed()))
    with pytest.raises(Killed):
        dying.bury(message, "bad")
    queue.release(message)
    (again,) = queue.receive()
    queue.bury(again, "bad")
    assert queue.depth()["dead"] == 2
    assert [letter.message_id for letter in queue.list()] == [message.message_id]
    assert queue.redrive() == 1
    assert queue.depth() == {"visible": 1, "in_flight": 0, "dead": 0}


def test_threads_that_send_one_id_at_once_queue_one_message(queue: SqsQueue) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: queue.send("one", "event-1"), range(16)))
    assert [message.message_id for message in queue.receive(limit=20)] == list(ids)


def test_threads_share_a_queue(queue: SqsQueue) -> None:
    def take(_: int) -> list[str]:
        return [message.body for message in queue.receive(limit=3, wait_s=1) if queue.acknowledge(message)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(queue.send, map(str, range(12))))
        taken = [body for bodies in pool.map(take, range(12)) for body in bodies]
    assert sorted(taken, key=int) == [str(number) for number in range(12)]


def test_more_than_sqs_gives_at_once_are_received(queue: SqsQueue) -> None:
    for number in range(25):
        queue.send(str(number))
    assert len(queue.receive(limit=23)) == 23


def test_a_waiting_receiver_gets_what_is_sent_meanwhile(queue: SqsQueue) -> None:
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(queue.receive, wait_s=30)
        queue.send("at last")
        assert [message.body for message in received.result(30)] == ["at last"]


def test_a_message_that_others_sent_is_known_by_the_id_of_sqs(clients: Clients, place: Place, queue: SqsQueue) -> None:
    url = clients.sqs.get_queue_url(QueueName=place.name)["QueueUrl"]
    sent = clients.sqs.send_message(QueueUrl=url, MessageBody='{"Records": []}')["MessageId"]
    (message,) = queue.receive()
    assert (message.message_id, message.body) == (sent, '{"Records": []}')
    queue.bury(message, "no photo")
    assert queue.redrive([sent]) == 1
    assert queue.receive()[0].message_id == sent


@pytest.mark.parametrize("kind", ["place", "fifo"])
def test_a_message_that_is_sent_anew_keeps_all_but_its_count(
    clients: Clients, request: pytest.FixtureRequest, kind: str
) -> None:
    place: Place = request.getfixturevalue(kind)
    queue = place.queue(clients)
    body = "x" * (MAX_BODY_BYTES + 1)
    message_id = queue.send(body, "event-1")
    for _ in range(2):
        queue.release(queue.receive()[0])
    (message,) = queue.receive()
    assert message.receive_count == 3
    assert queue.send_anew(message)
    assert not queue.acknowledge(message)
    assert queue.send(body, "event-1") == message_id
    record = record_of(clients, place)
    assert delivery_of(record).is_repeated
    again = queue.delivered(record)
    assert again
    assert (again.message_id, again.body, again.receive_count) == (message_id, body, 1)
    assert queue.acknowledge(again)
    assert (queue.depth()["visible"], payloads(clients, place)) == (0, [])
    assert queue.send("more", "event-1") != message_id


@pytest.mark.parametrize(("kind", "hidden"), [("place", 1), ("fifo", 0)])
def test_what_is_postponed_on_its_last_delivery_waits_where_sqs_delays_single_messages(
    clients: Clients, request: pytest.FixtureRequest, kind: str, hidden: int
) -> None:
    queue: SqsQueue = request.getfixturevalue(kind).queue(clients)
    queue.send("later", "event-1")
    for _ in range(2):
        queue.release(queue.receive()[0])
    assert queue.postpone(queue.receive()[0], 3600, "busy")
    assert queue.depth() == {"visible": 1 - hidden, "in_flight": hidden, "dead": 0}


def test_a_letter_of_a_message_that_was_in_hand_when_the_process_ended_says_so(queue: SqsQueue) -> None:
    queue.send("killer")
    for _ in range(3):
        (message,) = queue.receive()
        queue.begun(message)
        queue.release(message)
    assert queue.receive() == []
    assert "the process ended while it worked on this message" in queue.list()[0].reason


@pytest.mark.parametrize("ahead_s", [3600.0, -3600.0])
def test_a_claim_by_a_clock_that_is_far_off_is_taken_over(clients: Clients, place: Place, ahead_s: float) -> None:
    other = place.queue(Failing(clients, "sqs", "send_message", Killed()))
    other.now = lambda: time.time() + ahead_s
    with pytest.raises(Killed):
        other.send("one", "event-1")
    queue = place.queue(clients)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(queue.send, "one", "event-1").result(60)
    assert [message.body for message in queue.receive(limit=10)] == ["one"]


def test_a_claim_is_taken_over_by_who_has_waited_though_the_clocks_stand_still(
    clients: Clients, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Killed):
        place.queue(Failing(clients, "sqs", "send_message", Killed())).send("one", "event-1")
    monkeypatch.setattr(sent_ids, "_TAKEN_OVER_AFTER_S", 1.0)
    queue, now = place.queue(clients), time.time()
    queue.now = lambda: now
    queue.send("one", "event-1")
    assert [message.body for message in queue.receive(limit=10)] == ["one"]


def test_the_record_of_a_lambda_event_is_held_and_acknowledged(clients: Clients, place: Place, queue: SqsQueue) -> None:
    message_id = queue.send("x" * (MAX_BODY_BYTES + 1), "event-1")
    message = queue.delivered(record_of(clients, place, receive_count=2))
    assert message
    assert (message.message_id, message.receive_count, len(message.body)) == (message_id, 2, MAX_BODY_BYTES + 1)
    assert queue.extend(message, 60)
    assert queue.acknowledge(message)
    assert (queue.depth(), payloads(clients, place)) == ({"visible": 0, "in_flight": 0, "dead": 0}, [])
    assert queue.send("again", "event-1") != message_id


def test_a_lease_runs_out_in_sqs_and_here(queue: SqsQueue) -> None:
    queue.send("one")
    (lost,) = queue.receive(lease_s=0.5)
    (held,) = queue.receive(wait_s=10)
    assert (lost.message_id, held.receive_count) == (held.message_id, 2)
    assert not queue.acknowledge(lost)
    assert queue.acknowledge(held)


def test_what_is_no_lease_holds_nothing(queue: SqsQueue) -> None:
    queue.send("one")
    (message,) = queue.receive()
    for lease in ("", "[]", '{"a": 1}', "null", '["handle", "soon", "", ""]', "[1, 2, 3, 4, 5]"):
        assert not queue.acknowledge(replace(message, lease=lease))
    assert queue.acknowledge(message)


def test_a_message_that_sqs_buried_has_the_last_error_as_its_reason(queue: SqsQueue) -> None:
    queue.send("poison")
    for number in range(3):
        (message,) = queue.receive()
        queue.release(message, reason=f"error {number}\n\x00")
    assert queue.receive() == []
    (letter,) = queue.list()
    assert letter.reason.startswith("received 3 times")
    assert letter.reason.endswith("the last error: error 2")
    queue.redrive()
    queue.bury(queue.receive()[0], "")
    assert "error 2" not in queue.list()[0].reason


def test_a_failed_invocation_says_why(clients: Clients, place: Place, queue: SqsQueue) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html"""
    url = clients.sqs.get_queue_url(QueueName=f"{place.name}-dlq")["QueueUrl"]
    said = {"ErrorMessage": {"DataType": "String", "StringValue": "Task timed out"}}
    clients.sqs.send_message(QueueUrl=url, MessageBody="{}", MessageAttributes=said)
    assert queue.list()[0].reason == "Task timed out"


def test_letters_that_are_looked_at_are_there_for_the_next_who_looks(queue: SqsQueue) -> None:
    for number in range(12):
        queue.send(str(number))
    for message in queue.receive(limit=12):
        queue.bury(message, "bad")
    first = queue.list(limit=5)
    rest = queue.list(limit=100, after=first[-1].message_id)
    assert len({letter.message_id for letter in [*first, *rest]}) == 12


def test_an_id_that_is_remembered_is_not_queued_after_the_acknowledgement(clients: Clients, place: Place) -> None:
    queue = place.queue(clients, remembers_s=600)
    sent = queue.send("one", "event-1")
    queue.acknowledge(queue.receive()[0])
    assert queue.send("one", "event-1") == sent
    assert queue.receive() == []
    queue.now = lambda: time.time() + 601  # DynamoDB deletes what expired some days later
    assert queue.send("one", "event-1") != sent


def test_a_fifo_queue_takes_an_id_again_right_after_the_acknowledgement(clients: Clients, fifo: Place) -> None:
    queue = fifo.queue(clients)
    for body in ("one", "two"):
        queue.send(body, "event-1")
        (message,) = queue.receive()
        assert message.body == body
        assert queue.acknowledge(message)


def test_a_fifo_queue_takes_back_a_letter_that_dies_again(clients: Clients, fifo: Place) -> None:
    queue = fifo.queue(clients)
    queue.send("bad", "event-1")
    for _ in range(3):
        queue.bury(queue.receive()[0], "bad")
        assert len(queue.list()) == 1
        assert queue.redrive() == 1
    assert queue.acknowledge(queue.receive()[0])


def test_a_fifo_queue_gets_one_message_of_two_sendings(clients: Clients, fifo: Place) -> None:
    """The sender stood still for longer than others wait; what it then sends, the queue knows already."""
    with pytest.raises(Killed):
        fifo.queue(Failing(clients, "dynamodb", "update_item", Killed())).send("one", "event-1")
    later = fifo.queue(clients)
    later.now = lambda: time.time() + 11
    later.send("one", "event-1")
    assert later.depth()["visible"] == 1


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_a_missing_permission_is_said_in_words(clients: Clients, place: Place, code: str) -> None:
    message = "User: arn:aws:iam::user/x is not authorized to perform: sqs:receivemessage"
    refused = ClientError({"Error": {"Code": code, "Message": message}}, "ReceiveMessage")
    queue = place.queue(Failing(clients, "sqs", "receive_message", refused))
    with pytest.raises(StorageError, match=f"the queue {place.name}.*give it the permission.*sqs:receivemessage"):
        queue.receive()


def test_a_queue_that_is_not_there_is_named(clients: Clients, place: Place) -> None:
    queue = SqsQueue(clients, "no-such-queue", place.table, place.bucket, 3)
    with pytest.raises(StorageError, match=r"no-such-queue.*deploy the template"):
        queue.send("one")
