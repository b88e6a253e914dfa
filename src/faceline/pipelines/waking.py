"""Notices on AWS: nothing there waits until a delivery is due, so a message in a queue wakes whoever brings them.

What is due later than such a message waits for is brought by a schedule, which looks for all that is due.
"""

import json
import logging
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Protocol

from faceline.documents import parsed
from faceline.errors import InputError
from faceline.events import request_id_of
from faceline.notices import Outbox
from faceline.pipelines.notifying import Deliverer
from faceline.pipelines.worker import beating
from faceline.ports import Message, Queue, WorkQueue
from faceline.telemetry import following, request_id

_LONGEST_S = 600.0  # until the schedule comes; messages that wait for longer would be taken for a stopped function
_RETRY_S = 5.0

_log = logging.getLogger("faceline.notifications")


class KeptOutbox(Outbox, Protocol):
    """An outbox that says how far a notice is."""

    def next_at(self, message_id: str, targets: Collection[str]) -> float | None:
        """When the first of its deliveries to these targets can be claimed, in Unix seconds; None when none waits."""
        ...


def wake(queue: Queue, message_id: str) -> None:
    """Has the notice brought to its targets soon. Once too often is harmless."""
    queue.send(json.dumps({"notice": message_id, "request_id": request_id()}))


@dataclass(frozen=True, slots=True)
class Waking:
    """Brings all that is due when a message comes, which then waits for its own notice.

    max_receives: of the queue. A notice has more tries than that: after the last delivery of its message, or when it is
    due in more than ten minutes, the schedule brings it. The message is not sent again, since Lambda ends a function
    that keeps starting itself (https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html). going: whether
    there is time for one more.
    """

    outbox: KeptOutbox
    deliverers: Sequence[Deliverer]
    max_receives: int
    lease_s: float = 60.0
    going: Callable[[], bool] = lambda: True

    def drain(self) -> int:
        """Brings what is due now, to all targets at once: one that does not answer takes no time from the others. How
        many deliveries were tried.
        """
        if not self.deliverers:
            return 0
        with ThreadPoolExecutor(len(self.deliverers)) as threads:
            tried = [threads.submit(copy_context().run, each.drain, self.going) for each in self.deliverers]
        return sum(each.result() for each in tried)

    def take(self, queue: WorkQueue, message: Message) -> None:
        """One message: given back until its notice is due, acknowledged when that is told, given up, or left to the
        schedule; or buried.
        """
        with following(request_id_of(message.body)):
            try:
                message_id = _notice_of(message.body)
                with beating(self.lease_s, lambda: queue.extend(message, self.lease_s)):
                    self.drain()
                    due_at = self.outbox.next_at(message_id, [each.target.name for each in self.deliverers])
            except InputError as error:
                queue.bury(message, str(error))
                _log.error("message buried", extra={"message_id": message.message_id, "reason": str(error)})
            except Exception as error:  # noqa: BLE001 (the outbox could not be used; that passes)
                queue.release(message, _RETRY_S * message.receive_count, f"{type(error).__name__}: {error}")
                _log.exception("message failed", extra={"message_id": message.message_id})
            else:
                self._settle(queue, message, due_at)

    def _settle(self, queue: WorkQueue, message: Message, due_at: float | None) -> None:
        if due_at is None or message.receive_count >= self.max_receives:
            queue.acknowledge(message)
            return
        # What is due already could not be claimed: somebody else has it, or there was no time.
        wait_s = max(due_at - time.time(), 2.0 ** (message.receive_count - 1))
        if wait_s > _LONGEST_S:
            queue.acknowledge(message)
        else:
            queue.release(message, wait_s, "not told yet")


def _notice_of(body: str) -> str:
    """Raises InputError."""
    try:
        document = parsed(body)
    except ValueError as error:
        raise InputError(f'the message is not JSON ({error}); expected {{"notice": …}}') from error
    found = document.get("notice") if isinstance(document, dict) else None
    if not isinstance(found, str):
        raise InputError('the message names no notice; expected {"notice": …}')
    return found
