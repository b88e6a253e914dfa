"""Which faces are whose."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from faceline.types import FaceRecord


class Owner(NamedTuple):
    """A person, or else the label of faces that are no person's; both may have the same name."""

    name: str
    is_person: bool


class Roster:
    """Face ids by person and by label, in the order in which they came. Without vectors, not locked.

    An identity is a name with the faces of the person and those of the label of that name; an anonymous face has none.
    """

    def __init__(self) -> None:
        self._owners: dict[str, Owner | None] = {}
        self._persons: dict[str, tuple[str, ...]] = {}
        self._labels: dict[str, tuple[str, ...]] = {}
        self._both: set[str] = set()  # names of a person and of a label
        self._anonymous = 0

    def __len__(self) -> int:
        return len(self._owners)

    def __iter__(self) -> Iterator[str]:
        return iter(self._owners)

    def __contains__(self, face_id: str) -> bool:
        return face_id in self._owners

    def people(self) -> int:
        """How many identities, an anonymous face counting as one."""
        return len(self._persons) + len(self._labels) - len(self._both) + self._anonymous

    def owner(self, face_id: str) -> Owner | None:
        """None for an anonymous face. KeyError for an unknown one."""
        return self._owners[face_id]

    def of_person(self, name: str) -> tuple[str, ...]:
        return self._persons.get(name, ())

    def of_label(self, name: str) -> tuple[str, ...]:
        return self._labels.get(name, ())

    def of_identity(self, name: str) -> tuple[str, ...]:
        return self.of_person(name) + self.of_label(name)

    def apply(self, removed: Iterable[str], added: Sequence[FaceRecord]) -> set[str]:
        """Removes faces, then adds or moves others; returns the names whose faces are no longer the same."""
        left: defaultdict[Owner, set[str]] = defaultdict(set)
        joined: defaultdict[Owner, list[str]] = defaultdict(list)
        for face_id in removed:
            self._leave(face_id, left)
        for record in added:
            owner = _owner_of(record)
            if record.face_id in self._owners and self._owners[record.face_id] == owner:
                continue
            self._leave(record.face_id, left)
            self._owners[record.face_id] = owner
            if owner is None:
                self._anonymous += 1
            else:
                joined[owner].append(record.face_id)
        owners = left.keys() | joined.keys()
        for owner in owners:
            self._regroup(owner, left[owner], joined[owner])
        return {owner.name for owner in owners}

    def _leave(self, face_id: str, left: defaultdict[Owner, set[str]]) -> None:
        if face_id not in self._owners:
            return
        owner = self._owners.pop(face_id)
        if owner is None:
            self._anonymous -= 1
        else:
            left[owner].add(face_id)

    def _regroup(self, owner: Owner, left: set[str], joined: list[str]) -> None:
        groups = self._persons if owner.is_person else self._labels
        stayed = tuple(face_id for face_id in groups.pop(owner.name, ()) if face_id not in left)
        if stayed or joined:
            groups[owner.name] = stayed + tuple(joined)
        if owner.name in self._persons and owner.name in self._labels:
            self._both.add(owner.name)
        else:
            self._both.discard(owner.name)


def _owner_of(record: FaceRecord) -> Owner | None:
    if record.identity is None:
        return None
    return Owner(record.identity, record.person is not None)
