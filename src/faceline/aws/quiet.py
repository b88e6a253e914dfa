"""Whom each target was told of at each camera just before: one item of the state table for both.

It has hashes of names, no names. Its `version` is another one after each change, so that of two notices that come at
once one is put after the other.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from faceline.aws.items import key_text
from faceline.aws.state import Action, StateTable
from faceline.aws.tables import EXPIRES
from faceline.notices import Notice, Route, person_key

PREFIX = "quiet#"
_KEPT_S = 2 * 86_400.0


class QuietTimes:
    """By the events' times, so that it does not matter when, or in which order, notices are put."""

    def __init__(self, state: StateTable) -> None:
        self._state = state

    def heard(self, route: Route, notice: Notice, now: float) -> Action | None:
        """What must be written for the target to hear of these people now; None when it heard of all just before.

        For routes with a quiet time and notices with a camera.
        """
        key = {"pk": f"{PREFIX}{route.target}#{key_text(notice.camera or '')}", "sk": "quiet"}
        item = self._state.get(**key)
        before: dict[str, float] = item.get("told", {})
        told_at = datetime.fromisoformat(notice.time).timestamp()
        people = [person_key(person) for person in notice.people or ("",)]
        if all(person in before and abs(told_at - before[person]) < route.quiet_s for person in people):
            return None
        kept_s = max(_KEPT_S, route.quiet_s)
        told = {person: at for person, at in before.items() if at > told_at - kept_s}
        told |= {person: max(told_at, before.get(person, told_at)) for person in people}
        values = key | {"told": told, "version": uuid.uuid4().hex, EXPIRES: int(max(now, told_at) + kept_s)}
        return self._state.put_action(values, item.get("version"))

    def forget(self, name: str, items: Iterator[dict[str, Any]]) -> None:
        """Takes a person out of these items, whatever others write meanwhile."""
        person = person_key(name)
        for item in items:
            found = item
            while person in found.get("told", {}):
                told = {each: at for each, at in found["told"].items() if each != person}
                changes = {"told": told, "version": uuid.uuid4().hex}
                if self._state.update(item["pk"], item["sk"], changes, {"version": found["version"]}).done:
                    break
                found = self._state.get(item["pk"], item["sk"])
