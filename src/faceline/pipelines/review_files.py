"""Pairs for the review queue out of what other jobs wrote: a scan's JSON, matching reports."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import msgspec

from faceline.errors import InputError
from faceline.gallery.review import Kind, Suspect, pair_of

_log = logging.getLogger("faceline.review")
Document = dict[str, Any]
_Similarity = Annotated[float, msgspec.Meta(ge=0, le=100)]  # refuses what is no finite number
_Count = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
_WRONG = (msgspec.DecodeError, ValueError, OverflowError, RecursionError)


class _Shown(msgspec.Struct):
    face_id: str


class _TwoNames(msgspec.Struct):
    names: tuple[str, str]
    similarity: _Similarity
    pairs: _Count
    faces: tuple[_Shown, _Shown]


class _Group(msgspec.Struct):
    example: _Shown
    similarity: _Similarity | None


class _TwoPeople(msgspec.Struct):
    name: str
    groups: Annotated[list[_Group], msgspec.Meta(min_length=1)]


class _Scan(msgspec.Struct):
    two_names: list[_TwoNames]
    two_people: list[_TwoPeople]
    collection: str | None = None


class _Face(msgspec.Struct):
    face_id: str = msgspec.field(name="FaceId")


class _Match(msgspec.Struct, rename="pascal"):
    similarity: _Similarity
    face: _Face
    customer_id: str


def of_scan(text: str, source: str, collection: str | None = None) -> list[Suspect]:
    """text: of the scan.json that `faceline review scan --out` writes. collection: of which it must be.

    Raises InputError for anything else.
    """
    try:
        scan = msgspec.json.decode(text, type=_Scan)
    except _WRONG as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(f"{source} is no scan: {reason}; `faceline review scan --out FOLDER` writes one") from error
    if collection and scan.collection and scan.collection != collection:
        raise InputError(
            f"{source} is a scan of collection {scan.collection}, not of {collection}; "
            f"load it with --collection {scan.collection}"
        )
    return [*map(_two_names, scan.two_names), *_two_people(scan.two_people)]


def of_report(report: Document) -> Iterator[Suspect]:
    """One for each other customer in a matching report. Matches that are none are passed over, and the log says so."""
    customer = report["CustomerID"]
    matches: dict[str, list[_Match]] = defaultdict(list)
    for match in _matches(customer, report["Matches"]):
        matches[match.customer_id].append(match)
    for other, theirs in matches.items():
        best = max(theirs, key=lambda match: match.similarity)
        pair = pair_of(Kind.PEOPLE, customer, other)
        face = best.face.face_id
        faces = (None, face) if pair.b == other else (face, None)
        yield Suspect(pair, best.similarity, "reports", faces, len(theirs))


def _matches(customer: object, matches: object) -> list[_Match]:
    if not isinstance(customer, str) or not isinstance(matches, list):
        _log.warning("a matching report is passed over", extra={"reason": "it has no customer or no list of matches"})
        return []
    found, reasons = [], []
    for match in matches:
        try:
            found.append(msgspec.convert(match, _Match))
        except _WRONG as error:
            reasons.append(str(error))
    if reasons:
        facts = {"passed_over": len(reasons), "of": len(matches), "reason": reasons[0]}
        _log.warning("matches of a matching report are passed over", extra=facts)
    return found


def joined(suspects: Sequence[Suspect]) -> list[Suspect]:
    """One for each pair: the most similar, with all their pairs of faces."""
    found: dict[object, list[Suspect]] = defaultdict(list)
    for suspect in suspects:
        found[suspect.pair].append(suspect)
    return [
        replace(max(each, key=lambda one: one.similarity), pairs=sum(one.pairs for one in each))
        for each in found.values()
    ]


def _two_names(found: _TwoNames) -> Suspect:
    pair = pair_of(Kind.PEOPLE, *found.names)
    ids = [face.face_id for face in (found.faces if pair.a == found.names[0] else reversed(found.faces))]
    return Suspect(pair, found.similarity, "scan", (ids[0], ids[1]), found.pairs)


def _two_people(names: list[_TwoPeople]) -> Iterator[Suspect]:
    """Each group's example with the largest one's."""
    for name in names:
        largest, *others = name.groups
        for group in others:
            pair = pair_of(Kind.FACES, largest.example.face_id, group.example.face_id)
            yield Suspect(pair, group.similarity or 0.0, "scan", (pair.a, pair.b), person=name.name)
