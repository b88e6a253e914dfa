"""MQTT messages by which Home Assistant shows a sensor per person, per camera, and for the last match.

"MQTT Discovery", https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery: a retained document on
`<prefix>/sensor/<object id>/config`. Topics have a hash instead of a name: whoever may only list topics sees none, and
they can be emptied when the name is forgotten.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from faceline import __version__
from faceline.notices import MATCH_FOUND, PERSON_SEEN, UNKNOWN_SEEN, Notice, person_key

_ICONS = {"person": "mdi:account", "camera": "mdi:cctv", "match": "mdi:account-multiple"}
_STATE_LENGTH = 255  # of a state in Home Assistant, at most


@dataclass(frozen=True, slots=True)
class Retained:
    """A message that the broker keeps until the next on its topic; an empty payload deletes it."""

    topic: str
    payload: str


@dataclass(frozen=True, slots=True)
class Home:
    """id: of this installation, as in `Settings.id`. prefix: that Home Assistant listens to."""

    id: str
    prefix: str

    @property
    def root(self) -> str:
        return f"faceline/{re.sub(r'[^A-Za-z0-9_-]', '-', self.id)}"

    @property
    def availability(self) -> str:
        return f"{self.root}/availability"

    def sensors(self, notice: Notice) -> Iterator[Retained]:
        """First what a sensor is, then its state, for each sensor that the notice changes."""
        if notice.kind == MATCH_FOUND:
            yield from self._sensor("match", "", "Last match", notice, notice.text)
        if notice.kind in (PERSON_SEEN, UNKNOWN_SEEN) and notice.camera:
            who = ", ".join(notice.people) or "unknown"
            yield from self._sensor("camera", notice.camera, f"Camera {notice.camera}", notice, who)
        if notice.kind == PERSON_SEEN:
            for name in notice.people:
                yield from self._sensor("person", name, name, notice, notice.time)

    def cleared(self, person: str) -> list[Retained]:
        """Deletes a person's sensor. person: as `notices.person_key` makes it."""
        return [Retained(self._config("person", person), ""), Retained(self._state("person", person), "")]

    @property
    def states(self) -> str:
        """The topics of all states, as a subscription."""
        return f"{self.root}/state/#"

    def _sensor(self, kind: str, name: str, label: str, notice: Notice, state: str) -> Iterator[Retained]:
        key = person_key(name) if name else "last"
        unique_id = f"{self.root.replace('/', '_')}_{kind}_{key}"
        topic = self._state(kind, key)
        document: dict[str, Any] = {
            "name": label,
            "unique_id": unique_id,
            "state_topic": topic,
            "value_template": "{{ value_json.state }}",
            "json_attributes_topic": topic,
            "availability_topic": self.availability,
            "icon": _ICONS[kind],
            "device": {"identifiers": [self.root], "name": f"faceline {self.id}", "manufacturer": "faceline"},
            "origin": {"name": "faceline", "sw_version": __version__},
        }
        if kind == "person":
            document["device_class"] = "timestamp"  # when they were last seen
        if self.prefix:
            yield Retained(self._config(kind, key), json.dumps(document, ensure_ascii=False))
        yield Retained(topic, json.dumps(_attributes(notice) | {"state": state[:_STATE_LENGTH]}, ensure_ascii=False))

    def _config(self, kind: str, key: str) -> str:
        return f"{self.prefix}/sensor/{self.root.replace('/', '_')}_{kind}_{key}/config"

    def _state(self, kind: str, key: str) -> str:
        return f"{self.root}/state/{kind}/{key}"


def names(payload: bytes, person: str) -> bool:
    """Whether a state says somebody. person: as `notices.person_key` makes it."""
    try:
        people = json.loads(payload).get("people", [])
    except (ValueError, AttributeError):
        return False
    return any(person_key(str(name)) == person for name in people)


def _attributes(notice: Notice) -> dict[str, Any]:
    return {
        "time": notice.time,
        "text": notice.text,
        "people": list(notice.people),
        "similarity": notice.similarity,
        "camera": notice.camera,
        "source": notice.source,
    }
