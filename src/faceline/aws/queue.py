"""A queue in SQS, standard or FIFO, with what SQS lacks: ids that are not queued twice, large bodies, reasons of death.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/welcome.html
"""

import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from faceline.aws.clients import Clients
from faceline.aws.dead_letters import Letters, SqsDeadLetters, written
from faceline.aws.leases import Lease, Leases
from faceline.aws.mailbox import Delivery, Envelope, Mailbox, delivery_of, seconds
from faceline.aws.payloads import LostPayloadError, Payloads
from faceline.aws.sent_ids import SentIds
from faceline.ports import Message

_MOVING_S = 60.0
_IN_HAND = "the process ended while it worked on this message: out of memory, out of time, or stopped from outside"
_log = logging.getLogger("faceline.aws.queue")
Messages = list[Message]  # within the class, `list` is a verb


class SqsQueue:
    """Implements `ports.WorkQueue`; threads may share it. The template makes the queue and its dead-letter queue.

    name: one that ends in `.fifo` is a FIFO queue; the dead letters of `work` lie in `work-dlq`, of `work.fifo` in
    `work-dlq.fifo`. max_receives: as in the queue's redrive policy. remembers_s: for how long deduplication ids are
    remembered from their sending on; 0: as long as their message is queued or dead.

    A standard queue keeps the order of messages nearly always, and may deliver one twice. Times in seconds are rounded
    up to whole ones. A receive that waits for nothing asks some of SQS's servers only, and may miss a message.
    """

    def __init__(
        self,
        clients: Clients,
        name: str,
        state_table: str,
        work_bucket: str,
        max_receives: int,
        remembers_s: float = 0.0,
    ) -> None:
        self.name, self._max_receives = name, max_receives
        self.now: Callable[[], float] = time.time
        self._box = Mailbox(clients, name)
        self._payloads = Payloads(clients, work_bucket, name)
        self._sent = SentIds(clients, state_table, name, remembers_s)
        self._dead_box = Mailbox(clients, dead_letter_name(name))
        self._dead = SqsDeadLetters(self._dead_box, self._payloads, self._sent, max_receives)
        self._leases = Leases()

    def send(self, body: str, deduplication_id: str | None = None) -> str:
        """Raises StorageError when it cannot be said that the message is queued; sent again, it is not queued twice.

        But on a standard queue it is when SQS took it and the state table then could not note that: the next `send` of
        the id waits 10 s, and queues the message once more with the same message id.
        """
        message_id = uuid.uuid4().hex
        if deduplication_id is None:
            self._send(message_id, body, "")
            return message_id
        key = self._sent.key(deduplication_id)
        message_id, is_to_send = self._sent.claim(key, message_id, self.now)
        if is_to_send:
            try:
                self._send(message_id, body, key)
            except Exception:
                self._sent.failed(key, message_id)
                raise
            self._sent.sent(key, message_id)
        return message_id

    def receive(self, limit: int = 1, lease_s: float = 60.0, wait_s: float = 0.0) -> Messages:
        deadline = time.monotonic() + wait_s
        messages: Messages = []
        while len(messages) < limit:
            left_s = 0.0 if messages else max(0.0, deadline - time.monotonic())
            found = self._box.receive(limit - len(messages), lease_s, left_s)
            until = self.now() + max(1, seconds(lease_s))
            for each in sorted(found, key=lambda each: each.sent_at_ms):
                messages += self._readable(each, until)
            if not found and (messages or time.monotonic() >= deadline):
                break
        return messages

    def delivered(self, record: Mapping[str, Any]) -> Message | None:
        """The message of a record of a Lambda event, leased for the queue's visibility timeout.

        None, and it is buried, when its body lay in the work bucket and is gone.
        https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
        """
        return next(iter(self._readable(delivery_of(record), self.now() + self._box.hidden_s)), None)

    def begun(self, message: Message) -> None:
        """Notes that it is in hand, for its dead letter, should nobody be left to say why it died."""
        self._sent.note(message.message_id, _IN_HAND, self.now())

    def extend(self, message: Message, lease_s: float) -> bool:
        lease = self._held(message)
        if not lease or not self._box.hide(lease.handle, lease_s):
            return False
        self._leases.change(lease, self.now() + seconds(lease_s), self.now())
        return True

    def acknowledge(self, message: Message) -> bool:
        lease = self._held(message)
        if not lease:
            return False
        # Killed after this, the message comes back; the other way round its id would stay taken by nothing.
        if lease.sent:
            self._sent.forget(lease.sent, message.message_id)
        gone = self._box.delete(lease.handle)
        self._end(lease)
        if gone and lease.payload:
            self._payloads.delete(lease.payload, message.message_id)
        return gone

    def release(self, message: Message, delay_s: float = 0.0, reason: str = "") -> bool:
        lease = self._held(message)
        if not lease:
            return False
        if told := written(reason):
            self._sent.note(message.message_id, told, self.now())
        shown = self._box.hide(lease.handle, delay_s)
        self._end(lease)
        return shown

    def postpone(self, message: Message, delay_s: float = 0.0, reason: str = "") -> bool:
        """On the last delivery, which SQS counts as any other, the message is sent anew."""
        if message.receive_count < self._max_receives:
            return self.release(message, delay_s, reason)
        return self.send_anew(message, delay_s)

    def send_anew(self, message: Message, delay_s: float = 0.0) -> bool:
        """Gives the message back with a fresh receive count; False when the lease was lost. Killed in between, as
        `bury`. delay_s: as `Mailbox.send`.
        """

        def send(envelope: Envelope, once: str) -> None:
            self._box.send(replace(envelope, anew="yes"), once, delay_s)

        return self._move(message, send)

    def depth(self) -> dict[str, int]:
        """As SQS counts, which is approximate; those that wait for their delay count as in flight."""
        visible, hidden = self._box.counts()
        return {"visible": visible, "in_flight": hidden, "dead": sum(self._dead_box.counts())}

    def bury(self, message: Message, reason: str) -> bool:
        """Killed between sending it there and deleting it here, the message comes back, and is buried once more."""

        def send(envelope: Envelope, once: str) -> None:
            self._dead.bury(envelope, once, reason, message.receive_count, self.now())

        return self._move(message, send)

    def list(self, limit: int = 100, after: str | None = None) -> Letters:
        """As `SqsDeadLetters.list`."""
        return self._dead.list(limit, after)

    def hidden_letters(self) -> int:
        """As `SqsDeadLetters.hidden`."""
        return self._dead.hidden()

    def redrive(self, message_ids: Sequence[str] | None = None) -> int:
        return self._dead.redrive(self._box, message_ids, self.now())

    def discard(self, message_ids: Sequence[str] | None = None) -> int:
        return self._dead.discard(message_ids)

    def _send(self, message_id: str, body: str, sent: str) -> None:
        payload = self._payloads.put(message_id, body)
        text = self._payloads.pointer(payload) if payload else body
        # Ours, since SQS keeps an id for 5 minutes even after the acknowledgement.
        self._box.send(Envelope(text, message_id, sent, payload), once=message_id)

    def _move(self, message: Message, send: Callable[[Envelope, str], None]) -> bool:
        """Deletes the message here when it is sent; `send` is given it and an id of this moving."""
        if not self.extend(message, _MOVING_S):
            return False
        lease = self._held(message)
        if not lease:
            return False
        body = self._payloads.pointer(lease.payload) if lease.payload else message.body
        send(Envelope(body, message.message_id, lease.sent, lease.payload), _once(lease.handle))
        self._box.delete(lease.handle)
        self._end(lease)
        return True

    def _readable(self, delivery: Delivery, until: float) -> Messages:
        """The message; none, and it is buried, when its body is gone."""
        try:
            return [self._message(delivery, until)]
        except LostPayloadError as error:
            envelope = replace(delivery.envelope, message_id=delivery.message_id)
            self._dead.bury(envelope, _once(delivery.handle), str(error), delivery.receive_count, self.now())
            self._box.delete(delivery.handle)
            _log.error("message buried", extra={"message_id": delivery.message_id, "reason": str(error)})
            return []

    def _message(self, delivery: Delivery, until: float) -> Message:
        envelope = delivery.envelope
        body = self._payloads.read(envelope.payload) if envelope.payload else envelope.body
        lease = Lease(delivery.handle, until, envelope.sent, envelope.payload)
        return Message(delivery.message_id, body, delivery.receive_count, lease.text())

    def _held(self, message: Message) -> Lease | None:
        return self._leases.held(message.lease, self.now())

    def _end(self, lease: Lease) -> None:
        self._leases.change(lease, 0.0, self.now())


def dead_letter_name(queue: str) -> str:
    """Of its dead-letter queue."""
    return f"{queue.removesuffix('.fifo')}-dlq.fifo" if queue.endswith(".fifo") else f"{queue}-dlq"


def _once(handle: str) -> str:
    """The same for everything that is done with one delivery."""
    return hashlib.sha256(handle.encode()).hexdigest()
