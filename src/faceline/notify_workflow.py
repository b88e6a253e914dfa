"""Notifications put together: from the outbox to the targets of the settings. Part of the composition root."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from faceline.errors import NotFoundError
from faceline.notices import Delivery, Notice, Sender
from faceline.notify.rules import routes
from faceline.notify.senders import opened
from faceline.pipelines.notifying import Deliverer, Sweeper
from faceline.pipelines.worker import Runs
from faceline.storage import Storage
from faceline.targets import Target


@dataclass(frozen=True, slots=True)
class TargetState:
    """waiting, dead: deliveries. ended: why the target is told nothing any more; None while it is."""

    target: Target
    waiting: int
    dead: int
    ended: str | None


class NotifyWorkflow:
    """Raises SettingError when two targets have one name."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self._settings = storage, storage.settings
        self.outbox = storage.notices

    def seen(self, notice: Notice) -> bool:
        """Puts a notice of who was seen where, if somebody wants it; others say nothing that results do not say."""
        return bool(routes(self._settings.notify, notice)) and self.outbox.put(notice)

    def workers(self) -> list[Runs]:
        """One for each target, so that none waits for another, and one that deletes what is old.

        Raises MissingExtraError and SettingError for targets that can never be told.
        """
        for target in self._settings.notify:
            self._opened(target).close()
        names = [target.name for target in self._settings.notify]
        return [Sweeper(self.outbox, self._settings.notices_kept_days, names), *self.deliverers()]

    def deliverers(self) -> list[Deliverer]:
        lease_s = self._settings.lease_s
        return [Deliverer(self.outbox, each, partial(self._opened, each), lease_s) for each in self._settings.notify]

    def target(self, name: str) -> Target:
        """Raises NotFoundError."""
        found = next((each for each in self._settings.notify if each.name == name), None)
        if found is None:
            known = ", ".join(each.name for each in self._settings.notify)
            told = f"there are {known}" if known else "the settings name none; write a [[notify]] table"
            raise NotFoundError(f"there is no target {name}; {told}")
        return found

    def states(self) -> Sequence[TargetState]:
        return [
            TargetState(
                each,
                self.outbox.waiting(each.name),
                self.outbox.dead_count(each.name),
                self.outbox.ended(each.name, each.fingerprint),
            )
            for each in self._settings.notify
        ]

    def waiting(self) -> int:
        """Deliveries, of all targets."""
        return sum(self.outbox.waiting(each.name) for each in self._settings.notify)

    def test(self, name: str) -> str:
        """Tells a target once, now, past the outbox and its rules; returns the message's id.

        One that had wanted nothing any more is told again from then on. Raises NotFoundError, MissingExtraError,
        SettingError, and NotToldError when it is not told.
        """
        target, message_id = self.target(name), f"msg_{uuid.uuid4().hex}"
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        notice = Notice(message_id, "test", now, "faceline", "This is a test by faceline.")
        sender = self._opened(target)
        try:
            sender.send(Delivery(message_id, target.name, notice, 1, ""))
        finally:
            sender.close()
        self.outbox.resume(target.name)
        return message_id

    def _opened(self, target: Target) -> Sender:
        return opened(target, self._settings.id)
