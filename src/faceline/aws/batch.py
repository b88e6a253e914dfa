"""What an SQS event source mapping brings at once: each message by itself, and an answer that names those not done.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from faceline.aws.mailbox import delivery_of
from faceline.errors import InputError
from faceline.ports import DeadLetter, Message, WorkQueue

_LEAST_S = 1.0  # what is left of an invocation for its answer
_RECORD = ("messageId", "receiptHandle", "body", "eventSourceARN")
_NO_TIME = "not begun: the messages before it took the function's time; lower the batch size, or raise the timeout"
_NOT_ALONE = "not begun: it was delivered before, and such messages are worked on one at a time"

_log = logging.getLogger("faceline.aws.batch")

Take = Callable[[Message], None]
Record = Mapping[str, Any]


class Delivered(WorkQueue, Protocol):
    """A queue whose messages Lambda receives."""

    def delivered(self, record: Record) -> Message | None:
        """The message of an event's record; None, and it is buried, when its body is gone."""
        ...

    def begun(self, message: Message) -> None:
        """Notes, for a dead letter's reason, that the message is in hand, until it is given back for another."""
        ...

    def send_anew(self, message: Message, delay_s: float = 0.0) -> bool:
        """Gives the message back with a fresh receive count; False when the lease was lost."""
        ...


def is_batch(event: Any) -> bool:
    """Whether it comes of a queue, rather than from S3, SNS or EventBridge themselves."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    first = records[0] if isinstance(records, list) and records else None
    return isinstance(first, Mapping) and first.get("eventSource") == "aws:sqs"


def queue_name(event: Mapping[str, Any]) -> str:
    """Of the queue that a batch comes of: a mapping has one. Raises InputError for what is no such batch."""
    for record in event["Records"]:
        if not isinstance(record, Mapping) or not all(isinstance(record.get(name), str) for name in _RECORD):
            raise InputError(f"a record of the batch lacks one of {', '.join(_RECORD)}; expected an event of SQS")
    return str(event["Records"][0]["eventSourceARN"]).rpartition(":")[2]


class Settling:
    """Implements `ports.WorkQueue` over another for the messages of one batch, and knows which of them are settled.

    A message that would be given back for the last time is buried with the reason, since SQS itself would move it to
    the dead letters without one. buried: is told of each. found_again: what the messages are about is found without
    them too, so that one is not sent anew, which would be the function's starting itself.
    """

    def __init__(
        self, queue: Delivered, max_receives: int, buried: Callable[[], object], found_again: bool = False
    ) -> None:
        self._queue, self._max_receives, self._buried = queue, max_receives, buried
        self.found_again = found_again
        self._settled: set[str] = set()

    def delivered(self, record: Record) -> Message | None:
        message = self._queue.delivered(record)
        if message is None:
            self._buried()
        return message

    def begun(self, message: Message) -> None:
        self._queue.begun(message)

    def is_settled(self, message: Message) -> bool:
        """Whether it was acknowledged, buried or sent anew."""
        return message.lease in self._settled

    def acknowledge(self, message: Message) -> bool:
        return self._settle(message, self._queue.acknowledge(message))

    def bury(self, message: Message, reason: str) -> bool:
        done = self._settle(message, self._queue.bury(message, reason))
        if done:
            self._buried()
        return done

    def release(self, message: Message, delay_s: float = 0.0, reason: str = "") -> bool:
        if message.receive_count < self._max_receives:
            return self._queue.release(message, delay_s, reason)
        _log.error("message buried", extra={"message_id": message.message_id, "reason": reason})
        return self.bury(message, reason)

    def postpone(self, message: Message, delay_s: float = 0.0, reason: str = "") -> bool:
        if message.receive_count < self._max_receives:
            return self._queue.release(message, delay_s, reason)
        return self.acknowledge(message) if self.found_again else self.send_anew(message, delay_s)

    def send_anew(self, message: Message, delay_s: float = 0.0) -> bool:
        return self._settle(message, self._queue.send_anew(message, delay_s))

    def extend(self, message: Message, lease_s: float) -> bool:
        return self._queue.extend(message, lease_s)

    def send(self, body: str, deduplication_id: str | None = None) -> str:
        return self._queue.send(body, deduplication_id)

    def receive(self, limit: int = 1, lease_s: float = 60.0, wait_s: float = 0.0) -> list[Message]:
        return self._queue.receive(limit, lease_s, wait_s)

    def depth(self) -> dict[str, int]:
        return self._queue.depth()

    def list(self, limit: int = 100, after: str | None = None) -> Sequence[DeadLetter]:
        return self._queue.list(limit, after)

    def redrive(self, message_ids: Sequence[str] | None = None) -> int:
        return self._queue.redrive(message_ids)

    def discard(self, message_ids: Sequence[str] | None = None) -> int:
        return self._queue.discard(message_ids)

    def _settle(self, message: Message, done: bool) -> bool:
        if done:
            self._settled.add(message.lease)
        return done


def answered(
    queue: Settling, records: Sequence[Record], take: Take, left_s: Callable[[], float]
) -> dict[str, list[dict[str, str]]]:
    """Takes the messages in turn; `{"batchItemFailures": [{"itemIdentifier"}]}` names those that are not settled.

    A message that was delivered before may be what killed the process then. It is taken after all that are new, and
    only one of them: the others are given back first, so that it cannot take them with it. Not so where the work is
    found again without its message: then it was not that which killed the process.

    A message for which not as much time is left as the longest before it took is given back at once: killed half way,
    it would be hidden until its lease ends. left_s: of the invocation, in seconds.
    """
    new = [record for record in records if not delivery_of(record).is_repeated]
    repeated = [record for record in records if delivery_of(record).is_repeated]
    # So that each sending anew is paid for by the end of another message, and there are not endlessly many.
    repeated.sort(key=lambda record: delivery_of(record).receive_count, reverse=True)
    give_back = partial(_give_back, queue, _NOT_ALONE)
    begun = repeated if queue.found_again else repeated[:1]
    failed = [record for record in repeated[len(begun) :] if not _is_settled(queue, record, give_back)]
    longest_s = 0.0
    for record in [*new, *begun]:
        started = time.perf_counter()
        begin = partial(_begin, queue, take) if record in repeated else take
        timely = left_s() >= longest_s + _LEAST_S
        if not _is_settled(queue, record, begin if timely else partial(_refuse, queue, longest_s)):
            failed.append(record)
        longest_s = max(longest_s, time.perf_counter() - started)
    return {"batchItemFailures": [{"itemIdentifier": str(each["messageId"])} for each in failed]}


def _is_settled(queue: Settling, record: Record, take: Take) -> bool:
    try:
        message = queue.delivered(record)
        if message is None:
            return True
        take(message)
    except Exception:  # noqa: BLE001 (the queue could not be reached; the others of the batch must get their turn)
        _log.exception("the message cannot be settled", extra={"message_id": record["messageId"]})
        return False
    return queue.is_settled(message)


def _begin(queue: Settling, take: Take, message: Message) -> None:
    """Of one that was delivered before: new ones are not worth a write each."""
    queue.begun(message)
    take(message)


def _refuse(queue: Settling, before_s: float, message: Message) -> None:
    """before_s: what the longest message before took; 0: there was none, so that this one will fit no other time."""
    if before_s:
        _give_back(queue, _NO_TIME, message)
    else:
        queue.release(message, 0.0, _NO_TIME)


def _give_back(queue: Settling, reason: str, message: Message) -> None:
    queue.postpone(message)
    _log.warning("message given back", extra={"message_id": message.message_id, "reason": reason})
