"""Whether a notice says who is being forgotten."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from faceline.erasure import Gone, placed, standing
from faceline.notices import Notice


@dataclass(frozen=True, slots=True)
class Named:
    """By name, by an id of a face record, or by the object that one came from.

    A name counts where it stands by itself: forgetting `Ann` leaves `Anna`, and `Ann Lee` where she is among the
    notice's people. So do ids.
    """

    gone: Gone

    def by(self, notice: Notice) -> bool:
        said = "\n".join((notice.text, notice.source, *_texts(notice.data)))
        if standing(self._ids()).search(said) or placed(self._places()).search(said):
            return True
        if not self.gone.everywhere and notice.data.get("collection") not in self.gone.collections:
            return False
        if self.gone.name in notice.people:
            return True
        for other in sorted(notice.people, key=len, reverse=True):
            said = said.replace(other, "")
        return standing([self.gone.name]).search(said) is not None

    def _ids(self) -> frozenset[str]:
        return frozenset(word for word in self.gone.words - {self.gone.name} if word)

    def _places(self) -> frozenset[str]:
        """Of sources those that are objects: `bucket/key`, and the key alone."""
        places = {source for source in self.gone.sources if "/" in source}
        keys = {source.partition("/")[2] for source in places}
        return frozenset(word for word in places | keys if word)


def _texts(value: Any) -> Iterator[str]:
    """All texts in a JSON document, keys too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    else:
        yield str(value)
