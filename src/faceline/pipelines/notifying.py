"""Brings notices to one target: claim, send, mark. Killed in between it sends again, under the same message id."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from faceline.errors import FacelineError
from faceline.notices import Delivery, NotToldError, Outbox, Sender, TargetGoneError, UnwantedNoticeError
from faceline.pipelines.worker import beating
from faceline.targets import Target

_log = logging.getLogger("faceline.notifications")
_FIRST_S, _LONGEST_S = 5.0, 12 * 3600.0
_LOOK_S = 0.25
_SWEEP_EVERY_S = 3600.0


def backoff_s(tries: int, chance: float) -> float:
    """How long to wait after so many failures: 5 s, twice as long each time, at most 12 hours; of that, half at least.

    chance: 0–1, at random, so that what failed together is not tried together. 20 tries, the default, take 2 to 4 days.
    """
    longest_s = min(_FIRST_S * 2.0 ** min(tries - 1, 20), _LONGEST_S)
    return longest_s * (0.5 + chance / 2)


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Deletes notices after so many days, once an hour. What waits for a target that is no more is not waited for."""

    outbox: Outbox
    kept_days: float
    targets: Sequence[str]

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        while not stop.is_set():
            try:
                while self.outbox.sweep(self.kept_days, self.targets) and not stop.is_set():
                    pass
            except FacelineError as error:
                _log.warning("old notices could not be deleted; tried again in an hour", extra={"error": str(error)})
            stop.wait(_SWEEP_EVERY_S)


@dataclass(frozen=True, slots=True)
class Deliverer:
    """opened: makes the target's sender, when there is something to send. May raise FacelineError.

    backoff_s: seconds to wait, by the number of tries. given_up: is told how many deliveries are dead now.
    """

    outbox: Outbox
    target: Target
    opened: Callable[[], Sender]
    lease_s: float = 60.0
    backoff_s: Callable[[int], float] = field(default=lambda tries: backoff_s(tries, random.random()))  # noqa: S311
    given_up: Callable[[int], object] = lambda number: None

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; the delivery in hand is finished first."""
        sender: Sender | None = None
        try:
            while not stop.is_set():
                try:
                    delivery = self.outbox.claim(self.target.name, self.lease_s)
                    if delivery is None:
                        if sender:
                            sender.idle()
                        stop.wait(_LOOK_S)
                        continue
                    sender = sender or self._sender(delivery)
                    if sender:
                        self.take(sender, delivery)
                except Exception:  # noqa: BLE001 (a full disk passes; a thread that ended would leave the target untold)
                    _log.exception("the outbox cannot be used; it is tried again", extra={"target": self.target.name})
                    stop.wait(1.0)
        finally:
            if sender:
                sender.close()

    def drain(self, going: Callable[[], bool] = lambda: True) -> int:
        """Takes every delivery that is due once, as long as it is `going`; how many."""
        taken = 0
        sender = None
        try:
            while going() and (delivery := self.outbox.claim(self.target.name, self.lease_s)):
                taken += 1
                sender = sender or self._sender(delivery)
                if sender:
                    self.take(sender, delivery)
        finally:
            if sender:
                sender.close()
        return taken

    def take(self, sender: Sender, delivery: Delivery) -> None:
        """One delivery: told, to be tried later, or dead."""
        started = time.perf_counter()
        if delivery.tries > self.target.tries:
            self._failed(delivery, "each time the process ended before it was told", 0.0)
            return
        try:
            with beating(self.lease_s, lambda: self.outbox.extend(delivery, self.lease_s)):
                sender.send(delivery)
        except TargetGoneError as error:
            self.given_up(self.outbox.end(self.target.name, self.target.fingerprint, str(error)))
            _log.error("the target wants no more notices", extra=self._facts(delivery) | {"reason": str(error)})
        except UnwantedNoticeError as error:
            self._dead(delivery, str(error))
        except NotToldError as error:
            if error.after_s:
                self.outbox.pause(self.target.name, error.after_s)
            self._failed(delivery, str(error), error.after_s or 0.0)
        except Exception as error:  # noqa: BLE001 (a sender's own mistake must not stop the others' notices)
            # Its text may say the address.
            self._failed(delivery, type(error).__name__, 0.0)
        else:
            self.outbox.delivered(delivery)
            latency_ms = round((time.perf_counter() - started) * 1000, 1)
            _log.info("told", extra=self._facts(delivery) | {"latency_ms": latency_ms})

    def _sender(self, delivery: Delivery) -> Sender | None:
        try:
            return self.opened()
        except FacelineError as error:
            self._failed(delivery, str(error), 0.0)
            return None

    def _failed(self, delivery: Delivery, reason: str, after_s: float) -> None:
        if delivery.tries >= self.target.tries:
            self._dead(delivery, reason)
            return
        delay_s = max(self.backoff_s(delivery.tries), after_s)
        self.outbox.retry(delivery, delay_s, reason)
        facts = self._facts(delivery) | {"reason": reason, "retry_in_s": round(delay_s, 1)}
        _log.warning("not told", extra=facts)

    def _dead(self, delivery: Delivery, reason: str) -> None:
        self.outbox.bury(delivery, reason)
        self.given_up(1)
        _log.error("not told; given up", extra=self._facts(delivery) | {"reason": reason})

    def _facts(self, delivery: Delivery) -> dict[str, object]:
        """No name and no text: logs outlive whoever is forgotten."""
        return {
            "target": self.target.name,
            "message_id": delivery.message_id,
            "kind": delivery.notice.kind,
            "tries": delivery.tries,
        }
