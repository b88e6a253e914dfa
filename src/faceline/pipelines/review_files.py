"""Pairs for the review queue out of what other jobs wrote: a scan's JSON, matching reports."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from faceline.errors import InputError
from faceline.gallery.review import Kind, Suspect, pair_of

Document = dict[str, Any]


def of_scan(text: str, source: str) -> list[Suspect]:
    """text: of the scan.json that `faceline review scan --out` writes. Raises InputError for anything else."""
    try:
        document = json.loads(text)
        return [*map(_two_names, document["two_names"]), *_two_people(document["two_people"])]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{source} is no scan: {error!r}; `faceline review scan --out FOLDER` writes one") from error


def of_report(report: Document) -> Iterator[Suspect]:
    """One for each other customer in a matching report."""
    matches: dict[str, list[Document]] = defaultdict(list)
    for match in report["Matches"]:
        matches[match["CustomerId"]].append(match)
    for other, theirs in matches.items():
        best = max(theirs, key=lambda match: float(match["Similarity"]))
        pair = pair_of(Kind.PEOPLE, report["CustomerID"], other)
        face = best["Face"]["FaceId"]
        faces = (None, face) if pair.b == other else (face, None)
        yield Suspect(pair, best["Similarity"], "reports", faces, len(theirs))


def joined(suspects: Sequence[Suspect]) -> list[Suspect]:
    """One for each pair: the most similar, with all their pairs of faces."""
    found: dict[object, list[Suspect]] = defaultdict(list)
    for suspect in suspects:
        found[suspect.pair].append(suspect)
    return [
        replace(max(each, key=lambda one: one.similarity), pairs=sum(one.pairs for one in each))
        for each in found.values()
    ]


def _two_names(found: Document) -> Suspect:
    names, faces = found["names"], found["faces"]
    pair = pair_of(Kind.PEOPLE, *names)
    ids = [face["face_id"] for face in (faces if pair.a == names[0] else reversed(faces))]
    return Suspect(pair, float(found["similarity"]), "scan", (ids[0], ids[1]), int(found["pairs"]))


def _two_people(names: list[Document]) -> Iterator[Suspect]:
    """Each group's example with the largest one's."""
    for name in names:
        largest, *others = name["groups"]
        for group in others:
            pair = pair_of(Kind.FACES, largest["example"]["face_id"], group["example"]["face_id"])
            yield Suspect(pair, float(group["similarity"] or 0), "scan", (pair.a, pair.b), person=name["name"])
