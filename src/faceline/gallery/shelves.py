"""Rows apart by what they are searched as, so that no search passes over rows that cannot be its answer."""

from collections.abc import Callable, Collection, Sequence
from enum import Flag, auto

import numpy as np

from faceline.gallery.search import Hits, VectorIndex
from faceline.similarity import Normalised
from faceline.types import Vector

_CHUNK = 20_000  # rows normalised at once, so that their copies stay small


class Role(Flag):
    """What a row may be found as. The only face of a person is all three at once, and is kept once."""

    FACE = auto()
    IDENTITY = auto()
    PERSON = auto()
    SOMEBODY = IDENTITY | PERSON
    LABEL_FACE = FACE | IDENTITY
    PERSON_FACE = FACE | PERSON
    ALL = FACE | IDENTITY | PERSON


class Shelves:
    """A `VectorIndex` for each set of roles that rows have. Rows are normalised when `prepare` is told to.

    Normalising is what takes time, so a row that moves to another shelf takes its gain and offset along. axes: as of
    `VectorIndex`.
    """

    def __init__(self, normalise: Callable[[Vector], Normalised], axes: Vector | None) -> None:
        self._normalise, self._axes = normalise, axes
        self._shelves: dict[Role, VectorIndex] = {}

    def put(self, role: Role, keys: Sequence[str], vectors: Vector) -> None:
        """Puts rows on the shelf of this role; vectors: float32 (n, d)."""
        unknown = np.full(len(keys), np.nan, dtype=np.float32)
        self._shelf(role, vectors.shape[1]).put(keys, Normalised(vectors, unknown, unknown))

    def move(self, role: Role, keys: Sequence[str]) -> None:
        """Takes rows from wherever they are to the shelf of this role."""
        for other, shelf in list(self._shelves.items()):
            found = [key for key in keys if key in shelf] if other != role else []
            if found:
                rows = shelf.rows(found)
                self._shelf(role, rows.vectors.shape[1]).put(found, rows)
                shelf.remove(found)

    def remove(self, keys: Collection[str]) -> None:
        """Forgets rows of these keys on every shelf; unknown keys are no error."""
        for shelf in self._shelves.values():
            shelf.remove(keys)

    def prepare(self, roles: Role) -> None:
        """Normalises what has yet to be, of all rows that have any of these roles."""
        for shelf in self._with(roles):
            keys = shelf.unscored()
            for i in range(0, len(keys), _CHUNK):
                part = keys[i : i + _CHUNK]
                shelf.put(part, self._normalise(shelf.vectors(part)))

    def search(self, role: Role, probe: Normalised, limit: int, min_score: float = -np.inf) -> list[Hits]:
        """The `limit` best rows of each shelf with this role, which must be prepared."""
        return [shelf.search(probe, limit, min_score) for shelf in self._with(role)]

    def equal(self, role: Role, vector: Vector) -> list[str]:
        """The keys of rows with this role that are equal to a vector (d,)."""
        return [key for shelf in self._with(role) for key in shelf.equal(vector)]

    def rows(self, role: Role, keys: Sequence[str]) -> Normalised:
        """The rows of these keys that have this role, by shelf; those without it are left out."""
        parts = [shelf.rows(found) for shelf in self._with(role) if (found := [key for key in keys if key in shelf])]
        return parts[0] if len(parts) == 1 else _joined(parts)

    def vector(self, key: str) -> Vector | None:
        """float32 (d,): a copy of a row; None for an unknown key."""
        return next((shelf.vectors([key])[0] for shelf in self._shelves.values() if key in shelf), None)

    def vectors(self, keys: Sequence[str]) -> Vector:
        """float32 (n, d): a copy of these rows, in this order. KeyError for an unknown key."""
        shelf = next((shelf for shelf in self._shelves.values() if all(key in shelf for key in keys)), None)
        if shelf is not None:
            return shelf.vectors(keys)
        found = [self.vector(key) for key in keys]
        if any(vector is None for vector in found):
            raise KeyError(keys)
        return np.stack([vector for vector in found if vector is not None])

    def _with(self, roles: Role) -> list[VectorIndex]:
        return [shelf for role, shelf in self._shelves.items() if role & roles]

    def _shelf(self, role: Role, dimensions: int) -> VectorIndex:
        if role not in self._shelves:
            self._shelves[role] = VectorIndex(dimensions, self._axes)
        return self._shelves[role]


def _joined(parts: Sequence[Normalised]) -> Normalised:
    return Normalised(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.gain for part in parts]),
        np.concatenate([part.offset for part in parts]),
    )
