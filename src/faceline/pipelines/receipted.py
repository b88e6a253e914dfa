"""Has each event handled once in effect, however often it is told: a receipt is claimed first and completed last."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faceline.errors import NotFoundError
from faceline.events import ObjectCreated, from_json
from faceline.pipelines.worker import BusyError, beating
from faceline.ports import Claim, ClaimState, Receipts
from faceline.telemetry import following, request_id

Handler = Callable[[ObjectCreated], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Receipted:
    """handler: does the work of one event and returns its result; it may be called again after a crash."""

    receipts: Receipts
    handler: Handler
    lease_s: float = 60.0

    def take(self, body: str) -> None:
        """Every event of a queue message. Raises InputError when it is no notification, BusyError."""
        take_each(body, self.handle)

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
        with beating(self.lease_s, lambda: self.receipts.extend(event.event_id, claim.token, self.lease_s)):
            try:
                return self.handler(event)
            except NotFoundError as error:
                # The photo was taken away before its turn came: that is a result, not a failure to repeat.
                return {"status": "gone", "reason": str(error)}


def take_each(body: str, handle: Handler) -> None:
    """Every event of a queue message, each under the id of the request that it goes back to."""
    for event in from_json(body):
        with following(event.request_id or request_id()):
            handle(event)
