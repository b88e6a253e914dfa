"""Sums over what was seen and decided, for charts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from faceline.activity import Traffic
from faceline.app import App
from faceline.erasure import utc
from faceline.errors import UsageError
from faceline.gallery.names import user_id_of
from faceline.web.operations import Asked, Call, Operation

_TAG = "Statistics"
_DAYS = 7
_MOST_STEPS = 1000
_HOUR_S, _DAY_S = 3600, 86_400
_STEPS = 100  # about so many, when none is given
_BIN = 5

Time = Annotated[str, msgspec.Meta(max_length=64)]


class StatisticsAsked(Asked, frozen=True, kw_only=True):
    """since, until: ISO 8601, UTC where they name no zone; since is inclusive, until exclusive. Default: the last seven
    days. step: seconds; default: an hour or whole days, so that there are about a hundred. people: how many are told.
    """

    since: Time | None = None
    until: Time | None = None
    step: Annotated[int, msgspec.Meta(ge=60, le=366 * _DAY_S)] | None = None
    people: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10


class SimilarityBin(msgspec.Struct, frozen=True):
    """Matched faces whose similarity is at least `at_least`, and less than `to`; of the last one, to 100."""

    at_least: int
    to: int
    faces: int


class PersonSeen(msgspec.Struct, frozen=True):
    """entries: photos, clips and appearances before cameras."""

    person: str
    user_id: str
    entries: int


class PairCounts(msgspec.Struct, frozen=True):
    """Pairs to review of a collection. open: to look at, the unsure among them. decided: same or different."""

    collection: str
    open: int
    unsure: int
    decided: int


class Statistics(msgspec.Struct, frozen=True):
    """traffic: every step of the time, oldest first. people: who was seen most often, the most often first.

    match_notices: how many told of a match between customers, of those that are kept. pairs: of the collections that
    photos are compared with, whatever the time.
    """

    since: str
    until: str
    step: int
    traffic: list[Traffic]
    similarities: list[SimilarityBin]
    people: list[PersonSeen]
    match_notices: int
    pairs: list[PairCounts]


def get_statistics(call: Call, asked: StatisticsAsked) -> Statistics:
    since, until = _range(asked)
    step_s = _step_s(asked, since, until)
    activity, time = call.app.activity, (_text(since), _text(until))
    return Statistics(
        since=time[0],
        until=time[1],
        step=step_s,
        traffic=list(activity.traffic(*time, step_s)),
        similarities=_bins(activity.similarities(*time)),
        people=[PersonSeen(name, user_id_of(name), entries) for name, entries in activity.people(*time, asked.people)],
        match_notices=call.app.notices.count("match.found", since.timestamp(), until.timestamp()),
        pairs=_pairs(call.app),
    )


def _range(asked: StatisticsAsked) -> tuple[datetime, datetime]:
    until = _time(asked.until) if asked.until else datetime.now(UTC)
    try:
        since = _time(asked.since) if asked.since else until - timedelta(days=_DAYS)
    except OverflowError as error:
        raise UsageError(f"until is {asked.until!r}; there are no seven days before") from error
    if since >= until:
        raise UsageError(f"since {_text(since)} is not before until {_text(until)}; give an earlier one")
    return since, until


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(utc(text))
    except ValueError as error:
        raise UsageError(f"{text!r} is not a time; give ISO 8601, as in 2026-01-31T12:00:00Z") from error


def _step_s(asked: StatisticsAsked, since: datetime, until: datetime) -> int:
    seconds = (until - since).total_seconds()
    if asked.step is None:
        return _HOUR_S if seconds <= _STEPS * _HOUR_S else _DAY_S * max(1, round(seconds / _DAY_S / _STEPS))
    if seconds / asked.step > _MOST_STEPS:
        raise UsageError(f"a step of {asked.step} s makes more than {_MOST_STEPS} of this time; give a longer one")
    return asked.step


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def _bins(counts: Sequence[int]) -> list[SimilarityBin]:
    return [SimilarityBin(_BIN * n, _BIN * (n + 1), count) for n, count in enumerate(counts)]


def _pairs(app: App) -> list[PairCounts]:
    known, s = app.collections.models(), app.settings
    wanted = [name for name in dict.fromkeys((s.collection, s.names.matching_collection)) if name in known]
    counts = [(name, app.reviews.counts(name)) for name in wanted]
    return [PairCounts(name, each.open, each.unsure, each.decided) for name, each in counts]


OPERATIONS = (
    Operation(
        "GET",
        "/api/v1/statistics",
        "Traffic, faces, matches by similarity, who comes most often, pairs to review",
        _TAG,
        get_statistics,
        asked=StatisticsAsked,
        answer=Statistics,
    ),
)
