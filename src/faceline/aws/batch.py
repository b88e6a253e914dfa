"""What an SQS event source mapping brings at once: each message by itself, and an answer that names those not done.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from faceline.ports import DeadLetter, Message, WorkQueue

_LEAST_S = 1.0  # what is left of an invocation for its answer
_NO_TIME = "not begun: the messages before it took the function's time; lower the batch size, or raise the timeout"

_log = logging.getLogger("faceline.aws.batch")

Take = Callable[[Message], None]
Record = Mapping[str, Any]


class Delivered(WorkQueue, Protocol):
    """A queue whose messages Lambda receives."""

    def delivered(self, record: Record) -> Message:
        """The message of an event's record. Raises StorageError when its body cannot be read."""
        ...


def is_batch(event: Any) -> bool:
    """Whether it comes of a queue, rather than from S3, SNS or EventBridge themselves."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    first = records[0] if isinstance(records, list) and records else None
    return isinstance(first, Mapping) and first.get("eventSource") == "aws:sqs"


def queue_name(event: Mapping[str, Any]) -> str:
    """Of the queue that a batch comes of: a mapping has one."""
    return str(event["Records"][0]["eventSourceARN"]).rpartition(":")[2]


class Settling:
    """Implements `ports.WorkQueue` over another for the messages of one batch, and knows which of them are settled.

    A message that would be given back for the last time is buried with the reason, since SQS itself would move it to
    the dead letters without one. buried: is told of each.
    """

    def __init__(self, queue: Delivered, max_receives: int, buried: Callable[[], object]) -> None:
        self._queue, self._max_receives, self._buried = queue, max_receives, buried
        self._settled: set[str] = set()

    def delivered(self, record: Record) -> Message:
        return self._queue.delivered(record)

    def is_settled(self, message: Message) -> bool:
        """Whether it was acknowledged or buried."""
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

    A message for which not as much time is left as the longest before it took is given back at once: killed half way,
    it would be hidden until its lease ends. left_s: of the invocation, in seconds.
    """
    longest_s, failed = 0.0, []
    for record in records:
        started = time.perf_counter()
        timely = left_s() >= longest_s + _LEAST_S
        if not _is_settled(queue, record, take if timely else partial(_give_back, queue)):
            failed.append({"itemIdentifier": str(record["messageId"])})
        longest_s = max(longest_s, time.perf_counter() - started)
    return {"batchItemFailures": failed}


def _is_settled(queue: Settling, record: Record, take: Take) -> bool:
    try:
        message = queue.delivered(record)
        take(message)
    except Exception:  # noqa: BLE001 (the queue could not be reached; the others of the batch must get their turn)
        _log.exception("the message cannot be settled", extra={"message_id": record["messageId"]})
        return False
    return queue.is_settled(message)


def _give_back(queue: Settling, message: Message) -> None:
    queue.release(message, 0.0, _NO_TIME)
    _log.warning("message given back", extra={"message_id": message.message_id, "reason": _NO_TIME})
