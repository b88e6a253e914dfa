"""Pairs to review: one person under two names, two people under one; and what was decided about them."""

import base64
import json
from http import HTTPStatus
from typing import IO, Annotated, Literal

import msgspec

from faceline.acting import acting_as
from faceline.api_keys import ApiScope
from faceline.errors import UsageError
from faceline.gallery.names import user_id_of
from faceline.gallery.review import Answer, Change, Kind, Pair, Reviewed, Suspect, Verdict
from faceline.review_workflow import ReviewWorkflow
from faceline.similarity import strangers_as_alike
from faceline.types import FaceRecord
from faceline.web.api.changes import ChangeItem
from faceline.web.api.people import check_text
from faceline.web.operations import Asked, Call, Nothing, Operation, Upload, whole

_TAG = "Review"
_PATH = "/api/v1/collections/{collection}/review"

CollectionName = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class ReviewAsked(Asked, frozen=True, kw_only=True):
    collection: CollectionName


class PairsAsked(Asked, frozen=True, kw_only=True):
    """state: pairs to look at, the most suspicious first, or those with a verdict, the latest first."""

    collection: CollectionName
    state: Literal["open", "decided"] = "open"
    after: Annotated[str, msgspec.Meta(max_length=8192)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class PairAsked(Asked, frozen=True, kw_only=True):
    """a, b: two names, or two face ids. limit: how many of the most alike faces are told."""

    collection: CollectionName
    a: Name
    b: Name
    limit: Annotated[int, msgspec.Meta(ge=1, le=50)] = 5


class VerdictGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """a, b: two names, or two face ids. merge_into: with `same`, which of the two names stays, for all faces of both;
    without it they stay two names.
    """

    a: Name
    b: Name
    verdict: Answer
    note: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    merge_into: Name | None = None


class ReviewPair(msgspec.Struct, frozen=True):
    """As docs/reference/results.md has a pair to review. user_ids: of the two names, of a pair of names.

    meaning: how many pairs of strangers look this alike. With neither similarity nor verdict, nobody looked at it yet.
    """

    kind: Kind
    a: str
    b: str
    user_ids: tuple[str, str] | None
    person: str | None
    similarity: float | None
    meaning: str | None
    pairs: int | None
    faces: tuple[str | None, str | None] | None
    found_by: str | None
    found_at: str | None
    verdict: Answer | None
    decided_by: str | None
    decided_at: str | None
    note: str | None


class PairList(msgspec.Struct, frozen=True):
    items: list[ReviewPair]
    next: str | None


class ReviewCounts(msgspec.Struct, frozen=True):
    """Of pairs. open: to look at, those that somebody was unsure of among them. decided: same or different."""

    open: int
    unsure: int
    decided: int


class AlikeFace(msgspec.Struct, frozen=True):
    """source: the photo that it was enrolled from."""

    face_id: str
    source: str


class AlikeFaces(msgspec.Struct, frozen=True):
    """A face of a and one of b."""

    a: AlikeFace
    b: AlikeFace
    similarity: float
    meaning: str


class PairDetail(msgspec.Struct, frozen=True):
    """most_alike: the most similar first."""

    pair: ReviewPair
    most_alike: list[AlikeFaces]


class VerdictKept(msgspec.Struct, frozen=True):
    """pair: None when it was merged, and is none any more. changes: what `undo` takes back, the latest last."""

    pair: ReviewPair | None
    changes: list[ChangeItem]


class Loaded(msgspec.Struct, frozen=True):
    """new: pairs that came into the queue. read: pairs of a scan, or reports."""

    collection: str
    new: int
    read: int


def list_review_pairs(call: Call, asked: PairsAsked) -> PairList:
    look = call.app.reviews.open if asked.state == "open" else call.app.reviews.decided
    found = look(asked.collection, asked.limit + 1, _place(asked.after) if asked.after else None)
    more = len(found) > asked.limit
    return PairList(
        [pair_item(each) for each in found[: asked.limit]], _token(found[asked.limit - 1]) if more else None
    )


def count_review_pairs(call: Call, asked: ReviewAsked) -> ReviewCounts:
    counts = call.app.reviews.counts(asked.collection)
    return ReviewCounts(counts.open, counts.unsure, counts.decided)


def get_review_pair(call: Call, asked: PairAsked) -> PairDetail:
    reviews = call.app.reviews
    pair = reviews.pair(asked.collection, asked.a, asked.b)
    alike = [_alike(*each) for each in reviews.alike(asked.collection, pair, asked.limit)]
    return PairDetail(pair_item(reviews.get(asked.collection, pair)), alike)


def decide_review_pair(call: Call, asked: ReviewAsked) -> VerdictKept:
    given: VerdictGiven = call.body
    reviews = call.app.reviews
    pair = reviews.pair(asked.collection, given.a, given.b)
    _check(given, pair)
    reviews.decide(asked.collection, pair, given.verdict, call.by, given.note)
    changes = [each for each in reviews.history(asked.collection, 1) if set(each.names) == {pair.a, pair.b}]
    if given.merge_into is None:
        return VerdictKept(pair_item(reviews.get(asked.collection, pair)), [_change(each) for each in changes])
    goes = pair.b if given.merge_into == pair.a else pair.a
    with acting_as(call.by):
        changes.append(reviews.merge(asked.collection, goes, given.merge_into, call.by))
    return VerdictKept(None, [_change(each) for each in changes])


def load_scan(call: Call, asked: ReviewAsked) -> Loaded:
    file: IO[bytes] = call.body
    try:
        text = whole(file).decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the body is no scan: {error}; `faceline review scan --out FOLDER` writes scan.json"
        ) from error
    new, known = call.app.reviews.load_scan(asked.collection, text, "the body")
    return Loaded(asked.collection, new, new + known)


def load_match_reports(call: Call, asked: Nothing) -> Loaded:
    new, read = call.app.reviews.load_reports()
    return Loaded(call.app.settings.names.matching_collection, new, read)


def pair_item(reviewed: Reviewed) -> ReviewPair:
    pair, suspect, verdict = reviewed.pair, reviewed.suspect, reviewed.verdict
    return ReviewPair(
        kind=pair.kind,
        a=pair.a,
        b=pair.b,
        user_ids=(user_id_of(pair.a), user_id_of(pair.b)) if pair.kind is Kind.PEOPLE else None,
        person=suspect.person if suspect else None,
        similarity=suspect.similarity if suspect else None,
        meaning=strangers_as_alike(suspect.similarity) if suspect else None,
        pairs=suspect.pairs if suspect else None,
        faces=suspect.faces if suspect else None,
        found_by=suspect.origin if suspect else None,
        found_at=suspect.found_at if suspect else None,
        verdict=verdict.answer if verdict else None,
        decided_by=verdict.by if verdict else None,
        decided_at=verdict.at if verdict else None,
        note=verdict.note if verdict else None,
    )


def verdict_on(reviews: ReviewWorkflow, collection: str, pair: Pair) -> Answer | None:
    found = reviews.get(collection, pair).verdict
    return found.answer if found else None


def _check(given: VerdictGiven, pair: Pair) -> None:
    check_text("note", given.note.replace("\r\n", " ").replace("\n", " "))
    if given.merge_into is None:
        return
    if given.verdict is not Answer.SAME or pair.kind is not Kind.PEOPLE:
        raise UsageError("merge_into is for two names with the verdict same; leave it out")
    if given.merge_into not in (pair.a, pair.b):
        raise UsageError(f"merge_into is neither {pair.a} nor {pair.b}; say which of the two names stays")


def _alike(a: FaceRecord, b: FaceRecord, similarity: float) -> AlikeFaces:
    of_a, of_b = (AlikeFace(face.face_id, face.source) for face in (a, b))
    return AlikeFaces(of_a, of_b, similarity, strangers_as_alike(similarity))


def _change(change: Change) -> ChangeItem:
    names = list(change.names)
    return ChangeItem(change.entry, change.action, names, change.faces, change.by, change.at, change.detail)


def _token(reviewed: Reviewed) -> str:
    """Where the next page goes on: by what the order is made of, so that a verdict meanwhile moves nothing else."""
    pair, suspect, verdict = reviewed.pair, reviewed.suspect, reviewed.verdict
    place = [pair.kind, pair.a, pair.b, suspect.similarity if suspect else 0.0, verdict.at if verdict else ""]
    return base64.urlsafe_b64encode(json.dumps(place, ensure_ascii=False).encode()).decode().rstrip("=")


def _place(token: str) -> Reviewed:
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        kind, a, b, similarity, at = msgspec.json.decode(text, type=tuple[Kind, str, str, float, str])
    except (ValueError, RecursionError) as error:
        raise UsageError("after is no `next` of a page of pairs; give one back as it was, or leave it out") from error
    pair = Pair(kind, a, b)
    return Reviewed(pair, Suspect(pair, similarity, ""), Verdict(pair, Answer.UNSURE, "", at=at))


_ABSENT, _CONFLICT = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

OPERATIONS = (
    Operation(
        "GET",
        f"{_PATH}/pairs",
        "Pairs to look at, or decided ones",
        _TAG,
        list_review_pairs,
        asked=PairsAsked,
        answer=PairList,
        errors=(_ABSENT,),
    ),
    Operation(
        "GET",
        f"{_PATH}/counts",
        "How many pairs are to be looked at, and how many are decided",
        _TAG,
        count_review_pairs,
        asked=ReviewAsked,
        answer=ReviewCounts,
        errors=(_ABSENT,),
    ),
    Operation(
        "GET",
        f"{_PATH}/pair",
        "One pair with its most alike faces",
        _TAG,
        get_review_pair,
        asked=PairAsked,
        answer=PairDetail,
        errors=(_ABSENT,),
    ),
    Operation(
        "POST",
        f"{_PATH}/verdicts",
        "Settle a pair: same, different, or unsure, which puts it at the end of the queue",
        _TAG,
        decide_review_pair,
        asked=ReviewAsked,
        body=VerdictGiven,
        answer=VerdictKept,
        scope=ApiScope.ENROLL,
        errors=(_ABSENT, _CONFLICT),
    ),
    Operation(
        "POST",
        f"{_PATH}/load",
        "Put the pairs of a scan into the queue: the body is its scan.json",
        _TAG,
        load_scan,
        asked=ReviewAsked,
        body=Upload(),
        answer=Loaded,
        scope=ApiScope.ENROLL,
        errors=(_ABSENT, _TOO_LARGE),
    ),
    Operation(
        "POST",
        "/api/v1/match-reports/load",
        "Put the pairs of all matching reports into the queue of their collection",
        _TAG,
        load_match_reports,
        answer=Loaded,
        scope=ApiScope.ENROLL,
        errors=(_ABSENT,),
    ),
)
