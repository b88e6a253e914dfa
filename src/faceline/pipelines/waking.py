"""Notices on AWS: nothing there waits until a delivery is due, so a message in a queue wakes whoever brings them."""

import json
import logging
import time
from collections.abc import Callable, Sequence
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

_LONGEST_S = 11 * 3600.0  # SQS hides a message for 12 hours at most
_RETRY_S = 5.0

_log = logging.getLogger("faceline.notifications")


class KeptOutbox(Outbox, Protocol):
    """An outbox that says how far a notice is."""

    def next_at(self, message_id: str) -> float | None:
        """When the first of its deliveries is due, in Unix seconds; None when none is, or there is no such notice."""
        ...


def wake(queue: Queue, message_id: str) -> None:
    """Has the notice brought to its targets soon. Once too often is harmless."""
    queue.send(json.dumps({"notice": message_id, "request_id": request_id()}))


@dataclass(frozen=True, slots=True)
class Waking:
    """Brings all that is due when a message comes, which then waits for its own notice: as long as that takes.

    max_receives: of the queue; a notice has more tries than that, so the last delivery of a message sends another one.
    going: whether there is time for one more.
    """

    outbox: KeptOutbox
    deliverers: Sequence[Deliverer]
    max_receives: int
    lease_s: float = 60.0
    going: Callable[[], bool] = lambda: True

    def drain(self) -> int:
        """Brings what is due now; how many deliveries were tried."""
        return sum(each.drain(self.going) for each in self.deliverers)

    def take(self, queue: WorkQueue, message: Message) -> None:
        """One message: acknowledged when its notice is told or given up, given back until it is due, or buried."""
        with following(request_id_of(message.body)):
            try:
                message_id = _notice_of(message.body)
                with beating(self.lease_s, lambda: queue.extend(message, self.lease_s)):
                    self.drain()
                    due_at = self.outbox.next_at(message_id)
            except InputError as error:
                queue.bury(message, str(error))
                _log.error("message buried", extra={"message_id": message.message_id, "reason": str(error)})
            except Exception as error:  # noqa: BLE001 (the outbox could not be used; that passes)
                queue.release(message, _RETRY_S * message.receive_count, f"{type(error).__name__}: {error}")
                _log.exception("message failed", extra={"message_id": message.message_id})
            else:
                self._settle(queue, message, due_at)

    def _settle(self, queue: WorkQueue, message: Message, due_at: float | None) -> None:
        if due_at is None:
            queue.acknowledge(message)
        elif message.receive_count < self.max_receives:
            # What is due already could not be claimed: somebody else has it, or its target wants to be left alone.
            least_s = 2.0 ** (message.receive_count - 1)
            queue.release(message, min(max(due_at - time.time(), least_s), _LONGEST_S), "not told yet")
        else:
            queue.send(message.body)
            queue.acknowledge(message)


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
