"""Notices in DynamoDB: one item each, and one for each target that is to be told of it."""

import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import Any

from faceline.aws.clients import Clients
from faceline.aws.notice_items import (
    DEAD,
    DEAD_LETTERS,
    NOTICE,
    NOTICES,
    WAITING,
    dead,
    delivered,
    delivery_item,
    delivery_sk,
    mine,
    moment,
    notice_item,
    notice_of,
    notice_pk,
    told_of,
    waiting,
    waiting_for,
)
from faceline.aws.quiet import PREFIX as QUIET
from faceline.aws.quiet import QuietTimes
from faceline.aws.state import Action, StateTable
from faceline.aws.tables import EXPIRES
from faceline.aws.writing import wait
from faceline.erasure import Gone
from faceline.errors import NotFoundError, StorageError
from faceline.named import Named
from faceline.notices import CLEARED, Delivery, Notice, Route, Told, message_id_of, person_key

_log = logging.getLogger("faceline.notifications")
_DAY_S = 86_400.0
_ATTEMPTS = 12
_LOOKED_AT = 25  # due deliveries at a time
_SWEPT = 300


class DynamoOutbox:
    """Implements `notices.Tells`, `notices.Outbox` and `erasure.Forgets`. now: Unix time in seconds.

    chosen: whom the rules choose for a notice, quiet times aside. kept_days: DynamoDB deletes a notice so long after
    the last that was to happen to it, as a rule within two days more, and without `sweep`; 0: never.

    One item is read and written consistently. Which deliveries are due, dead or waiting, and which notices there are,
    is read from a global index, which follows by some tenths of a second as a rule: `claim` may not see what was put
    just before, and never gives one delivery to two. A notice and its deliveries may have 400 KB each.
    """

    def __init__(
        self,
        clients: Clients,
        table: str,
        chosen: Callable[[Notice], Sequence[Route]],
        now: Callable[[], float] = time.time,
        kept_days: float = 0.0,
    ) -> None:
        self._state = StateTable(clients, table)
        self._quiet = QuietTimes(self._state)
        self._chosen, self._now, self._kept_s = chosen, now, kept_days * _DAY_S

    @staticmethod
    def message_id(notice: Notice) -> str:
        """What this notice is known by, for the message that wakes who delivers it."""
        return message_id_of(notice.notice_id)

    def put(self, notice: Notice) -> bool:
        """The notice, its deliveries and the quiet times that they begin: one transaction."""
        message_id, routes = message_id_of(notice.notice_id), self._chosen(notice)
        for attempt in range(1, _ATTEMPTS + 1):
            targets, quiet = self._to_be_told(routes, notice)
            now = self._now()
            items = [notice_item(notice, message_id, now), *(delivery_item(message_id, each, now) for each in targets)]
            actions = [self._state.put_action(each | self._expiry(now), None) for each in items]
            refused = self._state.transact([*actions, *quiet])
            if 0 in refused:
                return False
            if not refused:
                if targets:  # the request whose notice is told later, under this id
                    facts = {"message_id": message_id, "kind": notice.kind, "targets": len(targets)}
                    _log.info("to be told", extra=facts)
                return True
            wait(attempt)
        raise StorageError(f"cannot keep the notice {message_id}: others write its quiet times all the time; try again")

    def settled(self, message_id: str, targets: Collection[str]) -> bool:
        """Whether all its deliveries to these targets are delivered or dead, or the notice is gone."""
        return not self._waiting_of(message_id, targets)

    def next_at(self, message_id: str, targets: Collection[str]) -> float | None:
        """When `claim` can give the first of its deliveries to these targets, in Unix seconds; None when it is settled.

        What waits for other targets waits for nobody: they were taken out of the settings.
        """
        waiting = self._waiting_of(message_id, targets)
        return min((max(each["due_at"], self._paused_until(each["target"])) for each in waiting), default=None)

    def claim(self, target: str, lease_s: float) -> Delivery | None:
        """The delivery that waits longest, for the caller alone until the lease ends."""
        now = self._now()
        if self._paused_until(target) > now:
            return None
        for attempt in range(1, _ATTEMPTS + 1):
            due = list(islice(self._state.due(waiting_for(target), until=now), _LOOKED_AT))
            if not due:
                return None
            for item in due:
                if delivery := self._claimed(item, now + lease_s):
                    return delivery
            wait(attempt)  # others took all of them, or the index does not have it yet
        return None

    def extend(self, delivery: Delivery, lease_s: float) -> bool:
        return self._change(delivery, {"due_at": self._now() + lease_s})

    def delivered(self, delivery: Delivery) -> bool:
        return self._change(delivery, delivered(self._now()))

    def retry(self, delivery: Delivery, delay_s: float, reason: str) -> bool:
        due_at = self._now() + delay_s
        self._keep(delivery.message_id, due_at)
        return self._change(delivery, {"due_at": due_at, "reason": reason, "lease": None} | self._expiry(due_at))

    def bury(self, delivery: Delivery, reason: str) -> bool:
        return self._change(delivery, dead(self._now(), reason))

    def pause(self, target: str, delay_s: float) -> None:
        """No delivery to this target before that, whenever it is put; those in hand go on."""
        self._state.update(*_target_key(target), {"paused_until": self._now() + delay_s}, {})

    def end(self, target: str, address: str, reason: str) -> int:
        """Buries all that waits for a target that wants nothing any more, until its address changes or `resume`; how
        many.

        What is put just then is told once more, and buried when the target says so again.
        """
        self._state.update(*_target_key(target), {"ended_address": address, "reason": reason}, {})
        found = list(self._state.due(waiting_for(target)))
        return sum(self._update(each, dead(self._now(), reason), {"delivery_state": WAITING}) for each in found)

    def resume(self, target: str) -> bool:
        address = self._about(target).get("ended_address")
        changes = {"ended_address": None, "reason": None}
        return (
            address is not None and self._state.update(*_target_key(target), changes, {"ended_address": address}).done
        )

    def ended(self, target: str, address: str) -> str | None:
        """Why it wants nothing any more; None when it does."""
        about = self._about(target)
        return str(about["reason"]) if about.get("ended_address") == address else None

    def get(self, message_id: str) -> Told:
        """Raises NotFoundError."""
        if told := told_of(self._state.under(notice_pk(message_id))):
            return told
        raise NotFoundError(f"there is no notification {message_id}; see `faceline aws notifications list`")

    def list(self, limit: int = 100, since: float = 0.0) -> Sequence[Told]:
        """The newest first. since: Unix time in seconds of their putting."""
        newest = self._state.due(NOTICES, since=since, newest_first=True)
        return self._living(each["message_id"] for each in islice(newest, limit))

    def count(self, kind: str, since: float, until: float) -> int:
        """Notices of this kind that were put then, of those that are kept. since, until: Unix times."""
        found = self._state.due(NOTICES, since, until)
        return sum(each["kind"] == kind and each["due_at"] < until for each in found)

    def dead(self, limit: int = 100) -> Sequence[Told]:
        """Notices that a target did not take, the latest death first."""
        latest = self._state.due(DEAD_LETTERS, newest_first=True)
        distinct = dict.fromkeys(each["message_id"] for each in latest)
        return self._living(islice(distinct, limit))

    def waiting(self, target: str) -> int:
        return sum(1 for _ in self._state.due(waiting_for(target)))

    def dead_count(self, target: str) -> int:
        return sum(each["target"] == target for each in self._state.due(DEAD_LETTERS))

    def redrive(self, message_ids: Sequence[str] | None = None, target: str | None = None) -> int:
        """Has dead deliveries tried afresh; all, or those of these messages and this target."""
        if message_ids is None:
            found = list(self._state.due(DEAD_LETTERS))
        else:
            found = [each for message_id in message_ids for each in self._state.under(notice_pk(message_id))]
        dead_ones = [each for each in found if each.get("delivery_state") == DEAD and target in (None, each["target"])]
        return sum(self._again(each) for each in dead_ones)

    def replay(self, message_id: str, target: str | None = None, whatever: bool = False) -> int:
        """Sends a notice again under its id, to those that the rules choose, or to one of them; to how many.

        whatever: to the named target also when the rules do not choose it. Raises NotFoundError.
        """
        told = self.get(message_id)
        chosen = [route.target for route in self._chosen(told.notice) if target in (None, route.target)]
        if whatever and target is not None:
            chosen = [target]
        now = self._now()
        self._keep(message_id, now)
        items = [delivery_item(message_id, each, now) | self._expiry(now) for each in chosen]
        if items:
            self._state.transact([self._state.put_action(each) for each in items])
        return len(items)

    def sweep(self, kept_days: float, targets: Sequence[str]) -> int:
        """Deletes some hundred notices that are older and wait for none of these."""
        swept = 0
        for notice in self._state.due(NOTICES, until=self._now() - kept_days * _DAY_S):
            items = list(self._state.under(notice["pk"]))
            if any(each.get("delivery_state") == WAITING and each["target"] in targets for each in items):
                continue
            self._delete(items)
            swept += 1
            if swept == _SWEPT:
                break
        return swept

    def forget(self, gone: Gone) -> int:
        """Deletes the notices that name the person, those on their way included. Reads the whole table.

        The table's backups (point-in-time recovery) have them until these end: 35 days at most.
        """
        named = Named(gone)
        found = list(self._state.starting((notice_pk(""), QUIET)))
        doomed = [each["pk"] for each in found if each["sk"] == NOTICE and named.by(notice_of(each))]
        for pk in doomed:
            self._delete(list(self._state.under(pk)))
        if gone.everywhere:
            self._quiet.forget(gone.name, (each for each in found if each["pk"].startswith(QUIET)))
            self._tell_gone(gone.name)
        return len(doomed)

    def _to_be_told(self, routes: Sequence[Route], notice: Notice) -> tuple[Sequence[str], Sequence[Action]]:
        """Which targets, and what is to be written of their quiet times."""
        targets, quiet = [], []
        for route in routes:
            if self.ended(route.target, route.address) is not None:
                continue
            if route.quiet_s and notice.camera is not None:
                heard = self._quiet.heard(route, notice, self._now())
                if heard is None:
                    continue
                quiet.append(heard)
            targets.append(route.target)
        return targets, quiet

    def _claimed(self, item: dict[str, Any], until: float) -> Delivery | None:
        """None when somebody else has it, or its notice is gone."""
        lease, tries = uuid.uuid4().hex, item["tries"] + 1
        seen = {"delivery_state": WAITING, "due_at": item["due_at"]}
        if not self._update(item, {"due_at": until, "lease": lease, "tries": tries}, seen):
            return None
        notice = self._state.get(item["pk"], NOTICE)
        if not notice:
            self._state.delete([item])
            return None
        return Delivery(item["message_id"], item["target"], notice_of(notice), tries, lease)

    def _change(self, delivery: Delivery, changes: dict[str, Any]) -> bool:
        pk, sk = notice_pk(delivery.message_id), delivery_sk(delivery.target)
        return self._state.update(pk, sk, changes, mine(delivery)).done

    def _update(self, item: dict[str, Any], changes: dict[str, Any], where: dict[str, Any]) -> bool:
        return self._state.update(item["pk"], item["sk"], changes, where).done

    def _again(self, item: dict[str, Any]) -> bool:
        now = self._now()
        self._keep(item["message_id"], now)
        return self._update(item, waiting(item["target"], now) | self._expiry(now), {"delivery_state": DEAD})

    def _keep(self, message_id: str, moment: float) -> None:
        """The notice, for as long as what is to be delivered of it."""
        if self._kept_s:
            self._state.update(notice_pk(message_id), NOTICE, self._expiry(moment), {"message_id": message_id})

    def _expiry(self, moment: float) -> dict[str, Any]:
        return {EXPIRES: int(moment + self._kept_s)} if self._kept_s else {}

    def _delete(self, items: Sequence[dict[str, Any]]) -> None:
        """The notice last, so that it is found again when this is cut short."""
        self._state.delete(sorted(items, key=lambda each: bool(each["sk"] == NOTICE)))

    def _waiting_of(self, message_id: str, targets: Collection[str]) -> Sequence[dict[str, Any]]:
        items = self._state.under(notice_pk(message_id))
        return [each for each in items if each.get("delivery_state") == WAITING and each["target"] in targets]

    def _paused_until(self, target: str) -> float:
        return float(self._about(target).get("paused_until", 0.0))

    def _about(self, target: str) -> dict[str, Any]:
        return self._state.get(*_target_key(target))

    def _living(self, message_ids: Iterator[str]) -> Sequence[Told]:
        """Those that the index has and the table too."""
        found = (told_of(self._state.under(notice_pk(each))) for each in message_ids)
        return [told for told in found if told is not None]

    def _tell_gone(self, name: str) -> None:
        """To targets that keep something of people themselves."""
        now, text = moment(self._now()), "Somebody was forgotten."
        notice = Notice(uuid.uuid4().hex, CLEARED, now, "", text, data={"person": person_key(name)})
        if self._chosen(notice):
            self.put(notice)


def _target_key(target: str) -> tuple[str, str]:
    return f"target#{target}", "target"
