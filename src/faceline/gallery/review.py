"""What people decide about the answers: pairs to look at, verdicts, persons that were one or two. As Protocols.

All times are UTC ISO 8601 strings. Every verb may raise `errors.StorageError` when the storage itself fails.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """PEOPLE: two names, who may be one person. FACES: two faces of one name, who may be two people."""

    PEOPLE = "people"
    FACES = "faces"


class Answer(StrEnum):
    """SAME and DIFFERENT settle a pair for good; UNSURE puts it at the end of the queue."""

    SAME = "same"
    DIFFERENT = "different"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two names or two face ids, the lesser one first: made by `pair_of`."""

    kind: Kind
    a: str
    b: str


def pair_of(kind: Kind, a: str, b: str) -> Pair:
    """The same pair whichever is named first."""
    return Pair(kind, min(a, b), max(a, b))


@dataclass(frozen=True, slots=True)
class Suspect:
    """A pair that somebody should look at. similarity: of its two most alike faces; of a pair of faces, their own.

    faces: of the most alike ones, a's and b's, where known. pairs: how many pairs of faces are about so alike.
    person: whose the two faces of a pair of faces are. origin: who found it, such as `scan` or `reports`.
    """

    pair: Pair
    similarity: float
    origin: str
    faces: tuple[str | None, str | None] = (None, None)
    pairs: int = 1
    person: str | None = None
    found_at: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody decided about a pair. by: who; note: why, in their words."""

    pair: Pair
    answer: Answer
    by: str
    note: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A pair with what is known of it: why it is looked at, and what was decided. One of them is never None."""

    pair: Pair
    suspect: Suspect | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Of pairs. open: to look at, those that somebody was unsure of among them. decided: same or different."""

    open: int
    unsure: int
    decided: int


class Verdicts(Protocol):
    """Pairs and what was decided about them. All: `NotFoundError` without the collection."""

    def put(self, collection: str, suspects: Sequence[Suspect]) -> int:
        """Adds them to the queue and returns how many were new to it.

        One that is there keeps its turn and takes the new similarity. A settled pair stays settled.
        """
        ...

    def open(self, collection: str, limit: int, after: Reviewed | None = None) -> Sequence[Reviewed]:
        """Pairs without a settling verdict whose names or faces are still enrolled, in the order to look at them.

        Undecided ones first, those furthest from what their names say before others; then the unsure, oldest first.
        after: only those behind this one, as it was when it was listed.
        """
        ...

    def decided(self, collection: str, limit: int, after: Reviewed | None = None) -> Sequence[Reviewed]:
        """Pairs with a verdict, the latest first; after: as of `open`."""
        ...

    def counts(self, collection: str) -> Counts: ...

    def get(self, collection: str, pair: Pair) -> Reviewed | None: ...

    def decide(self, collection: str, verdict: Verdict) -> None:
        """In place of an earlier one; it can be undone."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the journal. action: verdict, merge, rename, split, mark or person (of a label).
    names: whom it is about.

    faces: how many moved. detail: the verdict, or what the mark was made of.
    """

    entry: int
    action: str
    names: tuple[str, ...]
    faces: int
    by: str
    at: str
    detail: str = ""


class Merging(Protocol):
    """Changes of who is who, each in one step, so that nobody sees half of one. All but `aliases`: `NotFoundError`
    without the collection.
    """

    def merge(self, collection: str, name: str, into: str, by: str) -> Change:
        """All faces of `name` become faces of `into`, with labels, verdicts, open pairs and counter-examples.

        `NotFoundError` when one of them is not enrolled.
        """
        ...

    def rename(self, collection: str, name: str, new: str, by: str) -> Change:
        """The person is called otherwise, with all that `merge` moves; the old name becomes an alias.

        `NotFoundError` when nobody is called so; `ConflictError` when somebody has the new name, or its user id.
        """
        ...

    def split(self, collection: str, name: str, face_ids: Sequence[str], into: str, by: str) -> Change:
        """These faces of `name` become faces of `into`, who may be new; the two are settled as different people.

        `NotFoundError` for a face that is not theirs; `UsageError` when nothing would be left to them; `ConflictError`
        when a new name would have another person's user id.
        """
        ...

    def person_of_label(self, collection: str, label: str, name: str, by: str) -> Change:
        """The faces of this label that are nobody's become faces of `name`, who may be new. They keep the label; what
        was said of it follows, and it becomes an alias.

        `NotFoundError` without such a face; `ConflictError` when somebody else than `name` is called like the label, or
        has the user id of `name`.
        """
        ...

    def undo(self, collection: str, entry: int | None = None) -> Change:
        """Takes back the latest change in the journal and its entry; faces deleted or moved since stay as they are.

        entry: only if this is the latest; else `ConflictError`. `NotFoundError` when there is nothing to take back.
        """
        ...

    def history(self, collection: str, limit: int, before: int | None = None) -> Sequence[Change]:
        """The latest first. before: only entries of lesser numbers."""
        ...

    def aliases(self, collection: str, name: str) -> frozenset[str]:
        """What this person was called before, and those who were merged into them: older documents may say these."""
        ...

    def became(self, collection: str, user_id: str) -> str | None:
        """As `merged_into`, of the latest name that had this user id and went; None when there was none."""
        ...

    def merged_into(self, collection: str, name: str) -> str:
        """Who stands for a name now: whoever they were merged into, or renamed, unless somebody is called so again;
        else itself.
        """
        ...
