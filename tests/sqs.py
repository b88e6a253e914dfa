"""Queues in SQS for tests: made as the template makes them, on a clock that moves when a test moves it."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from contract.conftest import Clock
from faceline.aws.clients import Client, Clients
from faceline.aws.queue import SqsQueue, dead_letter_name
from faceline.aws.tables import state_table


@dataclass(frozen=True)
class Place:
    """Where one queue is, with all it needs. Many queues may share a table and a bucket."""

    name: str
    table: str
    bucket: str
    max_receives: int

    def queue(self, clients: Clients, remembers_s: float = 0.0) -> SqsQueue:
        return SqsQueue(clients, self.name, self.table, self.bucket, self.max_receives, remembers_s)


def shared(clients: Clients) -> tuple[str, str]:
    """A new state table and a new work bucket."""
    table, bucket = f"state-{uuid4().hex[:12]}", f"work-{uuid4().hex[:12]}"
    clients.dynamodb.create_table(**state_table(table))
    clients.s3.create_bucket(Bucket=bucket)
    return table, bucket


def made(clients: Clients, stores: tuple[str, str], max_receives: int = 3, fifo: bool = False) -> Place:
    """A new queue with its dead letters."""
    name = f"work-{uuid4().hex[:12]}{'.fifo' if fifo else ''}"
    attributes = {"FifoQueue": "true"} if fifo else {}
    dead = clients.sqs.create_queue(QueueName=dead_letter_name(name), Attributes=attributes)["QueueUrl"]
    arn = clients.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": str(max_receives)})
    clients.sqs.create_queue(QueueName=name, Attributes={**attributes, "RedrivePolicy": policy})
    return Place(name, *stores, max_receives)


class Journalled(Clients):
    """Writes down until when every message is hidden, in a file that several processes append to."""

    def __init__(self, clients: Clients, journal: Path, now: Callable[[], float]) -> None:
        super().__init__("path")
        self._clients, self._journal, self._now = clients, journal, now

    @property
    def sqs(self) -> Client:
        return _Journalling(self._clients.sqs, self._journal, self._now)

    @property
    def dynamodb(self) -> Client:
        return self._clients.dynamodb

    @property
    def s3(self) -> Client:
        return self._clients.s3


class _Journalling:
    def __init__(self, client: Client, journal: Path, now: Callable[[], float]) -> None:
        self._client, self._journal, self._now = client, journal, now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def receive_message(self, **wanted: Any) -> Any:
        answer = self._client.receive_message(**wanted)
        for each in answer.get("Messages", ()):
            self._write(wanted["QueueUrl"], each["ReceiptHandle"], wanted["VisibilityTimeout"])
        return answer

    def change_message_visibility(self, **wanted: Any) -> Any:
        answer = self._client.change_message_visibility(**wanted)
        self._write(wanted["QueueUrl"], wanted["ReceiptHandle"], wanted["VisibilityTimeout"])
        return answer

    def _write(self, url: str, handle: str, hidden_s: int) -> None:
        with self._journal.open("a") as file:
            file.write(json.dumps([url, handle, self._now() + hidden_s]) + "\n")


class SqsClock(Clock):
    """What would come back while it advances comes back at once: SQS's own time cannot be moved."""

    def __init__(self, clients: Clients, journal: Path) -> None:
        super().__init__()
        self._clients, self._journal = clients, journal

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        lines = self._journal.read_text().splitlines() if self._journal.exists() else []
        hidden = {(url, handle): until for url, handle, until in map(json.loads, lines)}
        for (url, handle), until in hidden.items():
            if until <= self.seconds:
                with suppress(ClientError):  # it is acknowledged, or another delivery holds it
                    self._clients.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)


class Killed(BaseException):
    """No code of ours catches it, as none runs when the process is killed."""


class Failing(Clients):
    """Raises `error` when `verb` of `service` is called, until `error` is None."""

    def __init__(self, clients: Clients, service: str, verb: str, error: BaseException | None) -> None:
        super().__init__("path")
        self._clients, self._service, self._verb, self.error = clients, service, verb, error

    def _client(self, service: str) -> Client:
        client = self._clients._client(service)
        return _FailingClient(client, self) if service == self._service else client

    def fail(self, verb: str) -> None:
        if self.error and verb == self._verb:
            raise self.error


class _FailingClient:
    def __init__(self, client: Client, owner: Failing) -> None:
        self._client, self._owner = client, owner

    def __getattr__(self, verb: str) -> Any:
        self._owner.fail(verb)
        return getattr(self._client, verb)


def payloads(clients: Clients, place: Place) -> list[str]:
    listed = clients.s3.list_objects_v2(Bucket=place.bucket, Prefix=f"queues/{place.name}/")
    return [each["Key"] for each in listed.get("Contents", ())]


def record_of(clients: Clients, place: Place, receive_count: int = 1) -> dict[str, Any]:
    """The queue's next message as Lambda delivers it."""
    url = clients.sqs.get_queue_url(QueueName=place.name)["QueueUrl"]
    raw = clients.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"][0]
    attributes = {
        name: {"stringValue": each["StringValue"], "dataType": "String"}
        for name, each in raw["MessageAttributes"].items()
    }
    return {
        "messageId": raw["MessageId"],
        "receiptHandle": raw["ReceiptHandle"],
        "body": raw["Body"],
        "attributes": {"ApproximateReceiveCount": str(receive_count), "SentTimestamp": "1545082649183"},
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
    }
