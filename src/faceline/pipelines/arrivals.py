"""Events of objects on AWS, where nobody but S3 says what is new: each handled once in effect, equal bytes too."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from faceline.errors import NotFoundError
from faceline.events import ObjectCreated, is_later
from faceline.pipelines.receipted import Handler, Receipted, take_each
from faceline.ports import Receipts

_SEQUENCER = "sequencer"


class _GoneError(Exception):
    """The object was taken away before its turn came."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """As `Receipted`, but bytes that were written again are worked on again: others may have been there in between.

    S3's sequencer tells such a writing from a repeated delivery, so a receipt keeps it. Where a store sends none, equal
    bytes are worked on once. Of an object that is gone no receipt is kept: it would say the key of what was deleted,
    perhaps to forget a person, and an event may come long after that.
    """

    receipts: Receipts
    handler: Handler
    lease_s: float = 60.0

    def take(self, body: str) -> None:
        """Every event of a queue message. Raises InputError when it is no notification, BusyError."""
        take_each(body, self.handle)

    def handle(self, event: ObjectCreated) -> dict[str, Any]:
        """The event's result: computed now, or stored by whoever handled it before. Raises BusyError."""
        if event.key.endswith("/"):
            return {"status": "ignored", "reason": "the key ends in /, as the folders do that S3's console creates"}
        try:
            return self._handle(event)
        except _GoneError as error:
            return {"status": "gone", "reason": str(error)}

    def _handle(self, event: ObjectCreated) -> dict[str, Any]:
        receipted = Receipted(self.receipts, partial(_sequenced, self.handler), self.lease_s)
        result = receipted.handle(event)
        if not is_later(event.sequencer, str(result.get(_SEQUENCER, ""))):
            return result
        self.receipts.discard(event.event_id)
        return receipted.handle(event)


def _sequenced(handler: Handler, event: ObjectCreated) -> dict[str, Any]:
    try:
        result = handler(event)
    except NotFoundError as error:
        raise _GoneError(str(error)) from error
    return result | {_SEQUENCER: event.sequencer} if event.sequencer else result
