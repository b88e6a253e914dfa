"""What was seen lately: photos, clips and appearances before cameras, newest first."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from starlette.responses import Response

from faceline.activity import ActivityQuery, Entry, Kind, SeenFace
from faceline.app import App
from faceline.erasure import utc
from faceline.errors import InputError, NotFoundError, UsageError
from faceline.events import ObjectCreated
from faceline.gallery.names import user_id_of
from faceline.similarity import strangers_as_alike
from faceline.web.operations import Asked, Call, Media, Operation

_TAG = "Activity"
_MAX_DOCUMENT_BYTES = 20_000_000
_CURSOR = re.compile(r"([<>])([0-9]{1,18})")

Position = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Text = Annotated[str, msgspec.Meta(max_length=1024)]
Similarity = Annotated[float, msgspec.Meta(ge=0, le=100)]
Status = Literal["matched", "unknown", "ambiguous", "detected", "forgotten", "none", "error"]


_Known = Callable[[str | None], str | None]


class _Candidate(msgspec.Struct):
    name: str
    similarity: float


class _Quality(msgspec.Struct):
    reasons: list[str]


class _Face(msgspec.Struct):
    landmarks: list[tuple[float, float]]
    quality: _Quality
    name: str | None = None
    threshold: float | None = None
    candidates: list[_Candidate] = []


class _File(msgspec.Struct):
    """In pixels, upright."""

    width: Annotated[int, msgspec.Meta(gt=0)]
    height: Annotated[int, msgspec.Meta(gt=0)]


class _Result(msgspec.Struct):
    """What is told of a photo's result."""

    faces: list[_Face]
    file: _File


class ActivityAsked(Asked, frozen=True, kw_only=True):
    """All conditions that are given must hold, those on faces for one and the same face.

    person: a name; who was called otherwise before is found by that too. status: of a face, or `none` for entries
    without faces, or `error`. since, until: of the time of upload, ISO 8601; since is inclusive, until exclusive.
    newer_than: a position; the oldest of the newer ones come first.
    """

    kind: Kind | None = None
    person: Text | None = None
    status: Status | None = None
    bucket: Text | None = None
    camera: Text | None = None
    min_similarity: Similarity | None = None
    max_similarity: Similarity | None = None
    since: Text | None = None
    until: Text | None = None
    newer_than: Position | None = None
    after: Text | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class EntryAsked(Asked, frozen=True, kw_only=True):
    position: Position


class ActivityList(msgspec.Struct, frozen=True):
    items: list[Entry]
    next: str | None


class EntryCandidate(msgspec.Struct, frozen=True):
    """similarity: 0–100. user_id: null where the name is only a label of faces, or of nobody who is still there."""

    name: str
    user_id: str | None
    similarity: float


class EntryFace(msgspec.Struct, frozen=True):
    """More of a face of a photo. landmarks: eyes, nose, corners of the mouth, in parts of the upright picture's sides.

    user_id: as of a candidate. threshold: the similarity from which on somebody is named. strangers: how many pairs of
    strangers reach the similarity of the best candidate, in words. quality: why the face may be hard to recognise.
    """

    user_id: str | None
    threshold: float | None
    strangers: str | None
    candidates: list[EntryCandidate]
    landmarks: list[tuple[float, float]]
    quality: list[str]


class EntryDetail(msgspec.Struct, frozen=True):
    """faces: in the order of the entry's. result: the key of the JSON in the bucket; null where none is kept."""

    entry: Entry
    faces: list[EntryFace]
    result: str | None


def list_activity(call: Call, asked: ActivityAsked) -> ActivityList:
    aliases = call.app.aliases(asked.person) if asked.person else ()
    query = replace(_query(asked), or_called=tuple(aliases))
    items = list(call.app.activity.page(query))
    forward = query.after is not None
    more = len(items) == query.limit
    return ActivityList(items, f"{'>' if forward else '<'}{items[-1].position}" if more else None)


def get_entry(call: Call, asked: EntryAsked) -> EntryDetail:
    entry = call.app.activity.get(asked.position)
    key = _result_key(call.app, entry)
    result = _result(call.app, entry, key) if key else None
    known = partial(_known, call.app, entry.collection or call.app.settings.collection)
    if result is None:
        return EntryDetail(entry, [_without_result(face, known) for face in entry.faces], None)
    both = zip(entry.faces, result.faces, strict=True)
    return EntryDetail(entry, [_with_result(seen, face, result.file, known) for seen, face in both], key)


def get_entry_picture(call: Call, asked: EntryAsked) -> Response:
    data = call.app.activity.picture(asked.position)
    if data is None:
        raise NotFoundError(f"no picture is kept with entry {asked.position}")
    # It never changes, but goes with whom it shows.
    headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(data, HTTPStatus.OK, headers, "image/jpeg")


def _query(asked: ActivityAsked) -> ActivityQuery:
    before, after = None, asked.newer_than
    if asked.after is not None:
        found = _CURSOR.fullmatch(asked.after)
        if not found:
            raise UsageError("after is none that was given as next; leave it out to begin at the newest")
        position = int(found[2])
        before, after = (position, after) if found[1] == "<" else (None, position)
    return ActivityQuery(
        kind=asked.kind,
        person=asked.person,
        status=asked.status,
        bucket=asked.bucket,
        camera=asked.camera,
        min_similarity=asked.min_similarity,
        max_similarity=asked.max_similarity,
        since=_time("since", asked.since),
        until=_time("until", asked.until),
        before=before,
        after=after,
        limit=asked.limit,
    )


def _time(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return utc(text)
    except ValueError as error:
        raise UsageError(f"{name} is no time: {text[:40]!a}; give ISO 8601, as in 2026-01-31T12:00:00Z") from error


def _result_key(app: App, entry: Entry) -> str | None:
    """Where the result of a photo was put; None for what is no photo or is gone."""
    if entry.kind is not Kind.PHOTO or entry.error is not None:
        return None
    try:
        info = app.objects.head(entry.bucket, entry.key)
    except NotFoundError:
        return None
    event = ObjectCreated(info.bucket, info.key, info.etag, info.size, info.modified_at)
    done = json.loads(app.receipts.result(event.event_id) or "{}")
    key: str | None = done.get("processed")
    return key


def _result(app: App, entry: Entry, key: str) -> _Result | None:
    """None when it is gone, is none of ours, or is of other faces than the entry, as after new bytes."""
    try:
        _, data = app.objects.get(entry.bucket, key, _MAX_DOCUMENT_BYTES)
        result = msgspec.json.decode(data, type=_Result)
    except (NotFoundError, InputError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return result if len(result.faces) == len(entry.faces) else None


def _known(app: App, collection: str, name: str | None) -> str | None:
    """The user id of who has this name, or had it until they were renamed or merged into somebody."""
    if not name:
        return None
    user_id = user_id_of(name)
    there = app.people_directory.find(collection, name) or app.reviews.became(collection, user_id)
    return user_id if there else None


def _without_result(face: SeenFace, known: _Known) -> EntryFace:
    user_id = known(face.person)
    return EntryFace(user_id, None, _strangers(face), [], [], [])


def _with_result(seen: SeenFace, face: _Face, file: _File, known: _Known) -> EntryFace:
    return EntryFace(
        user_id=known(face.name),
        threshold=face.threshold,
        strangers=_strangers(seen),
        candidates=[EntryCandidate(each.name, known(each.name), each.similarity) for each in face.candidates],
        landmarks=[(x / file.width, y / file.height) for x, y in face.landmarks],
        quality=face.quality.reasons,
    )


def _strangers(face: SeenFace) -> str | None:
    return None if face.similarity is None else strangers_as_alike(face.similarity)


OPERATIONS = (
    Operation(
        "GET",
        "/api/v1/activity",
        "What was seen, newest first",
        _TAG,
        list_activity,
        asked=ActivityAsked,
        answer=ActivityList,
    ),
    Operation(
        "GET",
        "/api/v1/activity/{position}",
        "One photo, clip or appearance, with candidates and landmarks",
        _TAG,
        get_entry,
        asked=EntryAsked,
        answer=EntryDetail,
    ),
    Operation(
        "GET",
        "/api/v1/activity/{position}/picture",
        "The picture that is kept with an appearance before a camera",
        _TAG,
        get_entry_picture,
        asked=EntryAsked,
        answer=Media("image/jpeg"),
    ),
)
