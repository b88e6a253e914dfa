"""Dead letters in SQS: what others put there, bodies that cannot be read, letters that die again at once."""

import time
from datetime import datetime
from typing import Any

import pytest

from faceline.aws.clients import Client, Clients
from faceline.aws.payloads import MAX_BODY_BYTES
from faceline.aws.queue import SqsQueue
from sqs import Place, made, payloads, record_of


@pytest.fixture
def place(clients: Clients, stores: tuple[str, str]) -> Place:
    return made(clients, stores)


@pytest.fixture
def queue(clients: Clients, place: Place) -> SqsQueue:
    return place.queue(clients)


FOREIGN = {
    "sent": "sent#" + "x" * 2000,
    "message-id": "m" * 3000,
    "received": "x",
    "died-at": "abc",
    "reason": "r" * 5000,
    "anew": "no",
}


def put(clients: Clients, queue: str, body: str, **attributes: str) -> str:
    """Sends what others may: attributes of our names with other values. Returns SQS's id."""
    url = clients.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    given = {
        f"faceline-{name.replace('_', '-')}": {"DataType": "String", "StringValue": value}
        for name, value in attributes.items()
    }
    return str(clients.sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=given)["MessageId"])


@pytest.mark.parametrize("died_at", ["abc", "9" * 30, "9" * 15, "-99999999999999999", "٣"])
def test_a_letter_with_attributes_of_others_is_listed_as_if_it_had_none(
    clients: Clients, place: Place, queue: SqsQueue, died_at: str
) -> None:
    sqs_id = put(clients, f"{place.name}-dlq", "hello", **FOREIGN | {"died_at": died_at})
    (letter,) = queue.list()
    assert (letter.message_id, letter.body, letter.receive_count) == (sqs_id, "hello", place.max_receives)
    assert abs(datetime.fromisoformat(letter.died_at).timestamp() - time.time()) < 600
    assert queue.redrive([sqs_id]) == 1
    (message,) = queue.receive()
    assert (message.message_id, message.body) == (sqs_id, "hello")
    assert queue.acknowledge(message)


@pytest.mark.parametrize(
    ("key", "told"),
    [("zz", "where no body of its queue is"), ("queues/{}/../secret", "refused"), ("queues/{}/latin", "utf-8")],
    ids=["elsewhere", "outside", "no-text"],
)
def test_a_body_that_cannot_be_read_is_told_with_its_letter_and_buries_its_message(
    clients: Clients, place: Place, queue: SqsQueue, key: str, told: str
) -> None:
    payload = key.format(place.name)
    clients.s3.put_object(Bucket=place.bucket, Key=f"queues/{place.name}/latin", Body=b"\xff")
    put(clients, f"{place.name}-dlq", "raw", payload=payload)
    (letter,) = queue.list()
    assert letter.body == "raw"
    assert told in letter.reason
    assert queue.discard() == 1
    put(clients, place.name, "raw", payload=payload)
    assert queue.receive() == []
    (letter,) = queue.list()
    assert told in letter.reason
    assert queue.discard() == 1
    put(clients, place.name, "raw", payload=payload)
    assert queue.delivered(record_of(clients, place)) is None
    assert queue.depth() == {"visible": 0, "in_flight": 0, "dead": 1}
    assert told in queue.list()[0].reason


@pytest.mark.parametrize("dead", [True, False])
def test_a_message_that_names_anothers_body_leaves_it(
    clients: Clients, place: Place, queue: SqsQueue, dead: bool
) -> None:
    body = "x" * (MAX_BODY_BYTES + 1)
    queue.send(body)
    (other,) = queue.receive()
    (payload,) = payloads(clients, place)
    put(clients, f"{place.name}-dlq" if dead else place.name, "raw", payload=payload)
    assert queue.discard() if dead else queue.acknowledge(queue.receive()[0])
    queue.release(other)
    assert queue.receive()[0].body == body


def test_a_letter_that_dies_again_while_others_are_sent_again_is_kept(clients: Clients, place: Place) -> None:
    queue = place.queue(clients)
    for number in range(12):
        queue.send(str(number))
    for message in queue.receive(limit=12):
        queue.bury(message, "bad")
    worker = place.queue(clients)

    class Working(Clients):
        """A worker takes each message as soon as it is sent."""

        def _client(self, service: str) -> Client:
            client = clients._client(service)
            return _Working(client) if service == "sqs" else client

    class _Working:
        def __init__(self, client: Client) -> None:
            self._client = client

        def __getattr__(self, verb: str) -> Any:
            return getattr(self._client, verb)

        def send_message(self, **wanted: Any) -> Any:
            answer = self._client.send_message(**wanted)
            for message in worker.receive(limit=10):
                worker.bury(message, "still bad")
            return answer

    assert place.queue(Working("path")).redrive() == 12
    letters = queue.list()
    assert sorted(int(letter.body) for letter in letters) == list(range(12))
    assert {letter.reason for letter in letters} == {"still bad"}
    named = letters[0].message_id
    assert place.queue(Working("path")).redrive([named]) == 1
    assert named in [letter.message_id for letter in queue.list()]
