"""Who still holds a message: SQS often does not say, since it takes an old receipt handle and then deletes nothing."""

import json
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lease:
    """What `ports.Message.lease` holds, as JSON. until: Unix seconds. sent, payload: as of `mailbox.Envelope`."""

    handle: str
    until: float
    sent: str = ""
    payload: str = ""

    def text(self) -> str:
        return json.dumps([self.handle, round(self.until, 3), self.sent, self.payload])


class Leases:
    """Those that were extended or ended in this process; of others, the lease itself says until when it holds."""

    def __init__(self) -> None:
        self._changed: dict[str, tuple[float, float]] = {}  # by handle: until when now, and at first
        self._lock = threading.Lock()

    def held(self, text: str, now: float) -> Lease | None:
        """The lease, when its time is not over and it was not ended."""
        lease = _read(text)
        with self._lock:
            until, _ = self._changed.get(lease.handle, (lease.until, 0.0))
        return lease if now < until else None

    def change(self, lease: Lease, until: float, now: float) -> None:
        """until: the new end of it; `now` or earlier when it was given up."""
        with self._lock:
            self._changed = {handle: times for handle, times in self._changed.items() if max(times) > now}
            self._changed[lease.handle] = (until, lease.until)


def _read(text: str) -> Lease:
    """What is no lease, such as one of another kind of queue, is one that ran out."""
    try:
        handle, until, sent, payload = json.loads(text)
        return Lease(str(handle), float(until), str(sent), str(payload))
    except (ValueError, TypeError):
        return Lease("", 0.0)
