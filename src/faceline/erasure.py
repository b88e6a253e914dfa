"""What a person's erasure means to each store that may have kept something of them."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Gone:
    """Somebody who is being forgotten.

    name: as enrolled; nothing may say it afterwards. collections: where they are forgotten. everywhere: results,
    reports, notices and queued messages are cleaned too, as when no single collection was named. face_ids, image_ids,
    external_image_ids, sources: of their face records, which may stand in documents without the name.
    """

    name: str
    collections: tuple[str, ...]
    everywhere: bool
    face_ids: frozenset[str] = frozenset()
    image_ids: frozenset[str] = frozenset()
    external_image_ids: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()

    @property
    def words(self) -> frozenset[str]:
        """All that identifies them by itself: the name and every id."""
        return frozenset({self.name}) | self.face_ids | self.image_ids | self.external_image_ids


class Forgets(Protocol):
    """A store that personal data may be in."""

    def forget(self, gone: Gone) -> int:
        """Takes the person out, so that nothing of them stays in its files; returns of how many documents or rows."""
        ...
