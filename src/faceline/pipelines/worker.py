"""Takes messages from a queue and has each event handled once in effect: receive, receipt, run, acknowledge."""

import json
import logging
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faceline.errors import FacelineError, InputError, NotFoundError
from faceline.events import ObjectCreated, from_json
from faceline.ports import Claim, ClaimState, DeadLetters, Message, Queue, Receipts

_log = logging.getLogger("faceline.pipelines.worker")

Handler = Callable[[ObjectCreated], dict[str, Any]]


class BusyError(FacelineError):
    """Another worker holds the event; the message comes back later."""


@dataclass(frozen=True, slots=True)
class Worker:
    """handler: does the work of one event and returns its result; it may be called again after a crash."""

    queue: Queue
    dead_letters: DeadLetters
    receipts: Receipts
    handler: Handler
    lease_s: float = 60.0
    retry_delay_s: float = 1.0

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set; the message in hand is finished first."""
        while not stop.is_set():
            try:
                for message in self.queue.receive(1, self.lease_s, wait_s=0.5):
                    self.take(message)
            except Exception:  # noqa: BLE001 (a full disk passes; a worker that ended would leave `up` idle for good)
                _log.exception("the worker cannot reach its queue; it tries again", extra={"in_s": self.retry_delay_s})
                stop.wait(self.retry_delay_s)

    def drain(self) -> None:
        """Works until no message is visible."""
        while messages := self.queue.receive(1, self.lease_s):
            self.take(messages[0])

    def take(self, message: Message) -> None:
        """One message: every event in it is handled, then it is acknowledged, given back, or buried."""
        try:
            with self._kept(message):
                for event in from_json(message.body):
                    self.handle(event)
        except InputError as error:
            # The body will never become a notification: more deliveries would not help.
            self.dead_letters.bury(message, str(error))
            _log.error("message buried", extra={"message_id": message.message_id, "reason": str(error)})
        except BusyError as error:
            self.queue.release(message, self._delay_s(message), str(error))
        except Exception as error:  # noqa: BLE001 (whatever one photo breaks, the next one must get its turn)
            delay_s = self._delay_s(message)
            self.queue.release(message, delay_s, f"{type(error).__name__}: {error}")
            _log.exception("message failed", extra={"message_id": message.message_id, "retry_in_s": delay_s})
        else:
            self.queue.acknowledge(message)

    def handle(self, event: ObjectCreated) -> dict[str, Any]:
        """The event's result: computed now, or stored by whoever handled it before. Raises BusyError."""
        claim = self.receipts.claim(event.event_id, self.lease_s)
        if claim.state is ClaimState.DONE:
            stored: dict[str, Any] = json.loads(claim.result or "{}")
            return stored
        if claim.state is ClaimState.BUSY:
            raise BusyError(f"{event.event_id} is being handled by another worker")
        try:
            result = self._run(event, claim)
        except BaseException:
            self.receipts.release(event.event_id, claim.token)
            raise
        self.receipts.complete(event.event_id, claim.token, json.dumps(result))
        return result

    def _run(self, event: ObjectCreated, claim: Claim) -> dict[str, Any]:
        with _beating(self.lease_s, lambda: self.receipts.extend(event.event_id, claim.token, self.lease_s)):
            try:
                return self.handler(event)
            except NotFoundError as error:
                # The photo was taken away before its turn came: that is a result, not a failure to repeat.
                return {"status": "gone", "reason": str(error)}

    def _delay_s(self, message: Message) -> float:
        """Twice as long after every delivery: neither a failure nor a slow other worker uses them all up at once."""
        return self.retry_delay_s * 2.0 ** min(message.receive_count - 1, 6)

    @contextmanager
    def _kept(self, message: Message) -> Any:
        with _beating(self.lease_s, lambda: self.queue.extend(message, self.lease_s)):
            yield


@contextmanager
def _beating(lease_s: float, extend: Callable[[], bool]) -> Any:
    """Extends a lease three times within its length until the block ends."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(lease_s / 3):
            try:
                if not extend():
                    return
            except FacelineError as error:
                _log.warning("a lease could not be extended; the next beat tries again", extra={"error": str(error)})

    thread = threading.Thread(target=beat, name="faceline-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
