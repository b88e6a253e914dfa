"""One SQS queue as the adapters here use it: what lies in it, and how long it is hidden.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from faceline.aws.clients import Client, Clients, code_of, said

MAX_AT_ONCE = 10  # of one request
_MAX_HIDDEN_S = 43_200  # 12 hours
_MAX_DELAY_S = 900
_MAX_WAIT_S = 20
_ATTRIBUTES = ("ApproximateReceiveCount", "SentTimestamp")
_LOST = ("ReceiptHandleIsInvalid", "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight")
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is sent. All but the body are message attributes, and absent where others sent the message, such as S3.

    Others may send attributes of these names, too: what cannot be ours counts as absent.

    message_id: ours; it stays the same when the message dies and is sent again, as SQS's own does not. sent: the state
    table's key of the deduplication id. payload: the work bucket's key of the body that was too large. anew: `yes` when
    it was received before and sent anew, unbegun. reason, received and died_at: of a dead letter; times are Unix
    milliseconds.
    """

    body: str
    message_id: str = ""
    sent: str = ""
    payload: str = ""
    anew: str = ""
    reason: str = ""
    received: str = ""
    died_at: str = ""


_NAMES = {name: f"faceline-{name.replace('_', '-')}" for name in Envelope.__slots__ if name != "body"}
_OURS = {
    "message_id": re.compile("[A-Za-z0-9_-]{1,128}"),  # as a FIFO queue takes them for groups
    "sent": re.compile("sent#[0-9a-f]{64}"),
    "payload": re.compile(".{1,1024}", re.DOTALL),
    "anew": re.compile("yes"),
    "reason": re.compile(".{1,1000}", re.DOTALL),
    "received": re.compile("[0-9]{1,9}"),
    "died_at": re.compile("[0-9]{1,14}"),
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """sqs_id: SQS's own id of the message. sent_at_ms: Unix time. error: what Lambda says of a failed invocation."""

    envelope: Envelope
    sqs_id: str
    handle: str
    receive_count: int
    sent_at_ms: int
    error: str = ""

    @property
    def message_id(self) -> str:
        return self.envelope.message_id or self.sqs_id

    @property
    def is_repeated(self) -> bool:
        """Whether it was delivered before."""
        return self.receive_count > 1 or bool(self.envelope.anew)


def delivery_of(record: Mapping[str, Any]) -> Delivery:
    """Of an event's record. https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    given = {name: str(each.get("stringValue", "")) for name, each in record.get("messageAttributes", {}).items()}
    system = record.get("attributes", {})
    return _delivery(record["messageId"], record["receiptHandle"], record["body"], given, system)


class Mailbox:
    """name: the queue's; one that ends in `.fifo` is a FIFO queue. Threads may share it.

    Every method raises StorageError when SQS refuses.
    """

    def __init__(self, clients: Clients, name: str) -> None:
        self.name, self._clients = name, clients

    def send(self, envelope: Envelope, once: str, delay_s: float = 0.0) -> None:
        """once: a FIFO queue takes no second message with it for 5 minutes. delay_s: at most 15 minutes; a FIFO queue
        delays no single message.

        Messages of one deduplication id are a group, which FIFO queues deliver in order; all others are each their own.
        """
        given = {
            label: {"DataType": "String", "StringValue": value}
            for name, label in _NAMES.items()
            if (value := getattr(envelope, name))
        }
        group = envelope.sent.rpartition("#")[2] or envelope.message_id
        fifo = {"MessageGroupId": group, "MessageDeduplicationId": once} if self.name.endswith(".fifo") else {}
        later = {"DelaySeconds": min(_MAX_DELAY_S, seconds(delay_s))} if delay_s and not fifo else {}
        wanted = {"MessageBody": envelope.body, "MessageAttributes": given, **fifo, **later}
        with said(f"the queue {self.name}"):
            self._sqs.send_message(QueueUrl=self._url, **wanted)

    def receive(self, limit: int, hidden_s: float, wait_s: float) -> list[Delivery]:
        """Up to 10. wait_s: whole seconds, rounded up, up to 20; 0 asks some of SQS's servers, the rest asks all."""
        with said(f"the queue {self.name}"):
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(limit, MAX_AT_ONCE),
                VisibilityTimeout=max(1, seconds(hidden_s)),
                WaitTimeSeconds=min(_MAX_WAIT_S, math.ceil(max(0.0, wait_s))),
                MessageAttributeNames=["All"],
                # The older of two names for one thing, which compatible services know.
                AttributeNames=list(_ATTRIBUTES),
            )
        return [_received(each) for each in answer.get("Messages", ())]

    def hide(self, handle: str, hidden_s: float) -> bool:
        """From now on; False when the handle is no longer the message's."""
        return self._done("change_message_visibility", handle, {"VisibilityTimeout": seconds(hidden_s)})

    def delete(self, handle: str) -> bool:
        """False when the handle is no longer the message's, as far as SQS says so: often it does not."""
        return self._done("delete_message", handle, {})

    def show(self, handles: Sequence[str]) -> None:
        """Makes messages visible at once; those that are gone, or that others hold, stay as they are."""
        for start in range(0, len(handles), MAX_AT_ONCE):
            entries = [
                {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for number, handle in enumerate(handles[start : start + MAX_AT_ONCE])
            ]
            with said(f"the queue {self.name}"):
                self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def counts(self) -> tuple[int, int]:
        """How many are visible, and how many hidden or delayed; approximate, as SQS says."""
        with said(f"the queue {self.name}"):
            answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(_COUNTS))
        visible, *others = (int(answer["Attributes"].get(each, 0)) for each in _COUNTS)
        return visible, sum(others)

    @cached_property
    def hidden_s(self) -> float:
        """For how long the queue hides what it delivers, where the receiver does not say."""
        name = "VisibilityTimeout"
        with said(f"the queue {self.name}"):
            answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return float(answer["Attributes"][name])

    @property
    def _sqs(self) -> Client:
        return self._clients.sqs

    @cached_property
    def _url(self) -> str:
        with said(f"the queue {self.name}"):
            return str(self._sqs.get_queue_url(QueueName=self.name)["QueueUrl"])

    def _done(self, verb: str, handle: str, values: dict[str, int]) -> bool:
        with said(f"the queue {self.name}"):
            try:
                getattr(self._sqs, verb)(QueueUrl=self._url, ReceiptHandle=handle, **values)
            except ClientError as error:
                if _is_lost(error):
                    return False
                raise
        return True


def seconds(hidden_s: float) -> int:
    """As SQS takes them: whole ones, rounded up, at most 12 hours."""
    return min(_MAX_HIDDEN_S, math.ceil(max(0.0, hidden_s)))


def _is_lost(error: ClientError) -> bool:
    # A FIFO queue calls a handle that ran out an invalid parameter, and says which in words.
    about_handle = "ReceiptHandle" in str(error) or "receipt handle" in str(error)
    return code_of(error) in _LOST or (code_of(error) == "InvalidParameterValue" and about_handle)


def _received(message: Mapping[str, Any]) -> Delivery:
    given = {name: str(each.get("StringValue", "")) for name, each in message.get("MessageAttributes", {}).items()}
    system = message.get("Attributes", {})
    return _delivery(message["MessageId"], message["ReceiptHandle"], message["Body"], given, system)


def _delivery(sqs_id: str, handle: str, body: str, given: Mapping[str, str], system: Mapping[str, str]) -> Delivery:
    envelope = Envelope(body, **{name: _own(name, given.get(label, "")) for name, label in _NAMES.items()})
    received, sent = int(system.get("ApproximateReceiveCount", 1)), int(system.get("SentTimestamp", 0))
    return Delivery(envelope, sqs_id, handle, received, sent, given.get("ErrorMessage", ""))


def _own(name: str, value: str) -> str:
    return value if _OURS[name].fullmatch(value) else ""
