"""Photos with names from another system, one at a time, into a collection."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from faceline.errors import InputError
from faceline.gallery.enrolment import Outcome, Photo
from faceline.types import Enrolment, Refusal


@dataclass(frozen=True, slots=True)
class Arrival:
    """A photo that can be fetched, and whom it shows. read: its bytes; it may raise InputError."""

    name: str
    source: str
    read: Callable[[], bytes]
    consent: str | None = None


def take_in(
    arrivals: Iterable[Arrival], enroll: Callable[[Photo], Outcome], progress: Callable[[int], None]
) -> Enrolment:
    """Enrols each; may be stopped and run again: photos that are in already are passed over.

    enroll: as `gallery.enrolment.Enroller.enroll_photo`. progress: called with 1 after each photo.
    """
    enrolled, already = 0, 0
    refused: list[Refusal] = []
    for arrival in arrivals:
        reason, is_new = _taken(arrival, enroll)
        if reason:
            refused.append(Refusal(arrival.source, reason))
        enrolled += is_new
        already += not is_new and not reason
        progress(1)
    return Enrolment(enrolled, already, tuple(refused))


def _taken(arrival: Arrival, enroll: Callable[[Photo], Outcome]) -> tuple[str | None, bool]:
    """Why it is refused, and whether its face is new."""
    try:
        image = arrival.read()
    except InputError as error:
        return str(error).removeprefix(f"{arrival.source}: "), False
    outcome = enroll(Photo(image, arrival.name, arrival.source, arrival.consent))
    return outcome.refusal, outcome.face is not None and outcome.refusal is None
