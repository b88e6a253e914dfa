"""What is worth telling somebody: that a face is like another customer's, that somebody appeared, that a job ended."""

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Notice:
    """One event as it is told, whoever is told it.

    notice_id: the same for the same event, however often it is worked on; at most 200 characters. kind: in dotted
    words, such as `match.found`; the CloudEvents type is `faceline.<kind>`. time: of the event, UTC ISO 8601. source:
    what it is about: bucket/key, a camera's name. text: one sentence for people. people: names that it says, so that
    rules can ask for them and `forget` finds it. similarity: of the best match, 0–100; None where nothing was compared.
    camera: where it was seen, for quiet times. data: the JSON document that programs get.
    """

    notice_id: str
    kind: str
    time: str
    source: str
    text: str
    people: tuple[str, ...] = ()
    similarity: float | None = None
    camera: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


class Tells(Protocol):
    """Takes notices; who is told, and when, is not the caller's affair."""

    def put(self, notice: Notice) -> bool:
        """Keeps it to be told; False (and no effect) when a notice of this id was put before."""
        ...
