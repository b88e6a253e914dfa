"""The dead letters of a queue in SQS: what lies in its dead-letter queue, whether SQS or a worker put it there."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from faceline.aws.mailbox import MAX_AT_ONCE, Delivery, Envelope, Mailbox
from faceline.aws.payloads import LostPayloadError, Payloads
from faceline.aws.sent_ids import SentIds
from faceline.errors import NotFoundError
from faceline.ports import DeadLetter

MOST_LETTERS = 10_000  # of a queue, that are looked at
_LOOKED_AT_S = 30.0
_TAKEN_S = 600.0
_REASON_LENGTH = 1000
_CONTROL = re.compile("[\\x00-\\x1f\\ud800-\\udfff\\ufffe\\uffff]")
Letters = list[DeadLetter]  # within the class, `list` is a verb


class SqsDeadLetters:
    """box: the dead-letter queue, which is read by receiving: what is looked at is hidden meanwhile, for 30 s at
    most, and what is sent again or discarded for 10 minutes.

    A message that SQS moved here of itself has no time of death: it counts as dead since it was sent.
    """

    def __init__(self, box: Mailbox, payloads: Payloads, sent: SentIds, max_receives: int) -> None:
        self._box, self._payloads, self._sent, self._max_receives = box, payloads, sent, max_receives

    def bury(self, envelope: Envelope, once: str, reason: str, received: int, now: float) -> None:
        told = written(reason) or "no reason was given"
        letter = replace(envelope, reason=told, received=str(received), died_at=str(int(now * 1000)))
        self._box.send(letter, once)

    def list(self, limit: int = 100, after: str | None = None) -> Letters:
        """Of the first 10,000 that SQS gives."""
        with self._received(_LOOKED_AT_S, MOST_LETTERS) as received:
            letters = {letter.message_id: letter for letter in received}
        found = sorted(letters.values(), key=_age)
        start = 0 if after is None else self._place_of(after, found) + 1
        return [self._letter(each) for each in found[start : start + limit]]

    def hidden(self) -> int:
        """How many nobody can look at now, as SQS counts: others have received them."""
        return self._box.counts()[1]

    def redrive(self, to: Mailbox, message_ids: Sequence[str] | None, now: float) -> int:
        """Killed in between, a message may be in both queues; what is done for it once is not done again."""

        def send(letter: Delivery) -> None:
            old = letter.envelope
            self._sent.unnote(letter.message_id)
            if old.sent:
                self._sent.keep(old.sent, letter.message_id, now)
            fresh = Envelope(old.body, letter.message_id, old.sent, old.payload)
            to.send(fresh, once=f"{letter.sqs_id}-redriven")

        return self._take(message_ids, send, lambda letter: None)

    def discard(self, message_ids: Sequence[str] | None) -> int:
        def forget(letter: Delivery) -> None:
            self._sent.unnote(letter.message_id)
            if letter.envelope.sent:
                self._sent.forget(letter.envelope.sent, letter.message_id)

        def clean(letter: Delivery) -> None:
            if letter.envelope.payload:
                self._payloads.delete(letter.envelope.payload, letter.message_id)

        return self._take(message_ids, forget, clean)

    def _take(
        self, message_ids: Sequence[str] | None, before: Callable[[Delivery], None], after: Callable[[Delivery], None]
    ) -> int:
        """Removes the named (or all) letters, each between the two calls; of one that is here twice, both.

        All are received first: a letter that comes later may be of a message that was sent again here, and died again.
        """
        if message_ids is not None and not message_ids:
            return 0
        wanted, taken = None if message_ids is None else set(message_ids), set[str]()
        with self._received(_TAKEN_S) as letters:
            for letter in letters:
                if wanted is not None and letter.message_id not in wanted:
                    continue
                if letter.message_id not in taken:
                    before(letter)
                taken.add(letter.message_id)
                self._box.delete(letter.handle)
                after(letter)
        return len(taken)

    @contextmanager
    def _received(self, hidden_s: float, limit: float = math.inf) -> Iterator[Sequence[Delivery]]:
        """Every letter once; those that are still there at the end are shown again."""
        found, known = dict[str, Delivery](), -1
        try:
            while known < len(found) < limit:
                known = len(found)
                # Waiting asks all of SQS's servers, so that none is missed.
                found |= {each.sqs_id: each for each in self._box.receive(MAX_AT_ONCE, hidden_s, wait_s=1.0)}
            yield tuple(found.values())
        finally:
            self._box.show([each.handle for each in found.values()])

    def _letter(self, found: Delivery) -> DeadLetter:
        died_at = datetime.fromtimestamp(_age(found) / 1000, UTC).isoformat(timespec="milliseconds")
        received = int(found.envelope.received or self._max_receives)
        reason = found.envelope.reason or found.error or self._worn_out(found.message_id)
        body, unread = self._body(found.envelope)
        if unread not in reason:
            reason = f"{reason}; {unread}"
        return DeadLetter(found.message_id, body, received, reason, died_at)

    def _worn_out(self, message_id: str) -> str:
        last = self._sent.noted(message_id)
        times = f"received {self._max_receives} times, never acknowledged"
        return f"{times}: each time the work failed or its lease ran out" + (
            f"; the last error: {last}" if last else ""
        )

    def _body(self, envelope: Envelope) -> tuple[str, str]:
        """The body, and why it is only the pointer to it."""
        if not envelope.payload:
            return envelope.body, ""
        try:
            return self._payloads.read(envelope.payload), ""
        except LostPayloadError as error:
            return envelope.body, str(error)

    def _place_of(self, message_id: str, found: Sequence[Delivery]) -> int:
        for place, letter in enumerate(found):
            if letter.message_id == message_id:
                return place
        raise NotFoundError(f"the message {message_id[:40]!a} is no dead letter of {self._box.name} any more")


def written(reason: str) -> str:
    """As an attribute of a message takes it."""
    return _CONTROL.sub(" ", reason)[:_REASON_LENGTH].strip()


def _age(letter: Delivery) -> int:
    return int(letter.envelope.died_at or letter.sent_at_ms)
