"""Who agreed to be kept, and for how long faces and results are: Protocols like those of `gallery.ports`."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from faceline.errors import UsageError

CONSENT_MISSING = "no consent: consent_required is set, and no reference to their consent was given or is known"
MAX_DAYS = 36_500  # a century: 0 keeps for good


class Consents(Protocol):
    """References to people's consent: the number of a signed form, a ticket, whatever leads to the proof."""

    def note(self, collection: str, person: str, reference: str) -> None:
        """Keeps the reference; the same one again is no error."""
        ...

    def of(self, collection: str, person: str) -> Sequence[str]:
        """Oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """How long the faces of a collection are kept, and what was found with it; None: nothing was said, 0: for good."""

    collection: str
    faces_days: float | None = None
    results_days: float | None = None


def checked_days(days: float | None) -> float | None:
    """What was given. Raises UsageError when nothing can be kept so long."""
    if days is None or 0 <= days <= MAX_DAYS:
        return days
    raise UsageError(f"nothing can be kept for {days:g} days; say 0 to {MAX_DAYS:,}, where 0 is for good")


def problem_of_reference(reference: str) -> str | None:
    """Why this leads to no proof of a consent; None when it may."""
    if not reference.strip():
        return "the reference is empty; say what leads to the proof of their consent"
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in reference):
        return "the reference has control characters; write it without them"
    return None


class Retention(Protocol):
    """How long things are kept, by collection, which need not exist."""

    def set(self, collection: str, faces_days: float | None, results_days: float | None) -> Kept:
        """None leaves what was said before; returns what holds now.

        Raises UsageError for less than 0 and more than MAX_DAYS days.
        """
        ...

    def all(self) -> Sequence[Kept]:
        """Those for which something was said, by name."""
        ...

    def expired(self, collection: str, before: str, limit: int) -> Sequence[tuple[str, str | None]]:
        """Up to `limit` faces that were enrolled before that time, oldest first: their ids and persons."""
        ...


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept of who is enrolled. crops: pictures of faces. consents: None: references are not kept.

    consent_required: nobody is enrolled without a reference, given now or noted before. enrolled: is told of a
    collection, a person, and how many faces of theirs are new.
    """

    crops: bool = True
    consents: Consents | None = None
    consent_required: bool = False
    enrolled: Callable[[str, str, int], None] = lambda collection, person, count: None

    def refusal(self, collection: str, person: str, reference: str | None) -> str | None:
        """Why they cannot be enrolled; None when they can."""
        problem = problem_of_reference(reference) if reference else None
        if problem:
            return f"bad consent: {problem}"
        if not self.consent_required or reference or (self.consents and self.consents.of(collection, person)):
            return None
        return CONSENT_MISSING

    def note(self, collection: str, person: str, reference: str) -> None:
        if self.consents:
            self.consents.note(collection, person, reference)
