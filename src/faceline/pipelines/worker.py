"""Takes messages from a queue and has their work done: receive, run, acknowledge; or give back, or bury."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import Protocol

from faceline.errors import FacelineError, InputError, MissingExtraError, ModelError, SettingError
from faceline.events import request_id_of
from faceline.ports import DeadLetters, Message, WorkQueue
from faceline.telemetry import following

_log = logging.getLogger("faceline.pipelines.worker")


class Runs(Protocol):
    """What `faceline up` gives a thread of its own."""

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; what is in hand is finished first."""
        ...


class BusyError(FacelineError):
    """Another worker holds what the message asks for; the message comes back later."""


@dataclass(frozen=True, slots=True)
class Worker:
    """work: does what a message's body asks for; it may be called again with the same body after a crash.

    It raises InputError for a body that will never be understood, MissingExtraError, ModelError or SettingError for one
    that will not before somebody installs what is missing, BusyError for one whose turn is later.
    """

    queue: WorkQueue
    dead_letters: DeadLetters
    work: Callable[[str], object]
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
        """One message: its work is done, then it is acknowledged, given back, or buried.

        What is logged meanwhile carries the id of the request that the message goes back to.
        """
        with following(request_id_of(message.body)):
            self._take(message)

    def _take(self, message: Message) -> None:
        try:
            with beating(self.lease_s, lambda: self.queue.extend(message, self.lease_s)):
                self.work(message.body)
        except (InputError, MissingExtraError, ModelError, SettingError) as error:
            # More deliveries would not help, at least not before somebody did something.
            self.dead_letters.bury(message, str(error))
            _log.error("message buried", extra={"message_id": message.message_id, "reason": str(error)})
        except BusyError as error:
            # However long the other one takes: a dead letter would say that something failed.
            self.queue.postpone(message, self._delay_s(message), str(error))
        except Exception as error:  # noqa: BLE001 (whatever one photo breaks, the next one must get its turn)
            delay_s = self._delay_s(message)
            self.queue.release(message, delay_s, f"{type(error).__name__}: {error}")
            _log.exception("message failed", extra={"message_id": message.message_id, "retry_in_s": delay_s})
        else:
            self.queue.acknowledge(message)

    def _delay_s(self, message: Message) -> float:
        """Twice as long after every delivery that counts, so that a failure does not use them all up at once."""
        return self.retry_delay_s * 2.0 ** min(message.receive_count - 1, 6)


@contextmanager
def beating(lease_s: float, extend: Callable[[], bool]) -> Iterator[None]:
    """Extends a lease three times within its length until the block ends."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(lease_s / 3):
            try:
                if not extend():
                    return
            except FacelineError as error:
                _log.warning("a lease could not be extended; the next beat tries again", extra={"error": str(error)})

    thread = threading.Thread(target=copy_context().run, args=(beat,), name="faceline-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
