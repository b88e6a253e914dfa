"""Clips that were worked on: who appears in each and when, the clip itself and the frames that were looked at."""

import base64
import binascii
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Annotated

import msgspec
import numpy as np
from PIL import Image
from starlette.responses import Response

from faceline.activity import ActivityQuery, Entry, Kind
from faceline.api_keys import ApiScope
from faceline.errors import InputError, NotFoundError
from faceline.gallery.names import user_id_of
from faceline.images import ImageLimits, decode, encode_jpeg
from faceline.loading import image_limits
from faceline.pipelines.clip_results import ClipResult, Seen
from faceline.pipelines.staging import StagedFrame
from faceline.types import BoxInParts
from faceline.web.operations import Asked, Call, Media, Operation
from faceline.web.ranges import ranged

_TAG = "Clips"
_STATUS = {"match": "matched"}
# What browsers play, and a few that say what they are; never one of ours that would run.
_KINDS = {
    **dict.fromkeys((".mp4", ".m4v"), "video/mp4"),
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".ogv": "video/ogg",
    ".avi": "video/x-msvideo",
    **dict.fromkeys((".mpg", ".mpeg"), "video/mpeg"),
    **dict.fromkeys((".ts", ".m2ts", ".mts"), "video/mp2t"),
}


class ClipsAsked(Asked, frozen=True):
    """person: a name. after: `next` of the page before."""

    person: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    after: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 24


class ClipAsked(Asked, frozen=True):
    """clip_id: as lists of clips give it."""

    clip_id: str


class FrameAsked(Asked, frozen=True):
    """at_s: seconds since the clip's start; without, the frame that shows best who is in it. width: in pixels, at most;
    without, as it was kept.
    """

    clip_id: str
    at_s: Annotated[float, msgspec.Meta(ge=0, le=10_000_000)] | None = None
    width: Annotated[int, msgspec.Meta(ge=64, le=1920)] | None = None


class ClipItem(msgspec.Struct, frozen=True):
    """A finished clip. names: who was recognised. appearances, nameless: how many, and of them without a name.

    error: why there is no result, or why the clip ended early. duration_s: where the clip says it. mode: all, first, or
    null for a clip that could not be used.
    """

    clip_id: str
    bucket: str
    key: str
    mode: str | None
    processed_at: str | None
    duration_s: float | None
    names: list[str]
    appearances: int
    nameless: int
    error: str | None


class ClipList(msgspec.Struct, frozen=True):
    items: list[ClipItem]
    next: str | None


class ClipCandidate(msgspec.Struct, frozen=True):
    name: str
    similarity: float


class ClipAppearance(msgspec.Struct, frozen=True):
    """From coming to going. status: matched, unknown, ambiguous, forgotten. person, user_id: of a match. box: in the
    frame at best_s; null when that is gone. frames: how many of those looked at show the face.
    """

    number: int
    status: str
    person: str | None
    user_id: str | None
    similarity: float | None
    threshold: float | None
    first_s: float
    last_s: float
    best_s: float
    frames: int
    box: BoxInParts | None
    candidates: list[ClipCandidate]


class ClipDetail(msgspec.Struct, frozen=True):
    """As in a list, and who appears when. playable: whether the clip itself is still there. sampled_frames: how many
    were looked at. end_s: of the time axis: the duration, or when something was seen last.
    """

    clip: ClipItem
    playable: bool
    collection: str | None
    model: str | None
    width: int | None
    height: int | None
    sampled_frames: int | None
    end_s: float
    appearances: list[ClipAppearance]


def list_clips(call: Call, asked: ClipsAsked) -> ClipList:
    query = ActivityQuery(kind=Kind.CLIP, person=asked.person, before=asked.after, limit=asked.limit + 1)
    entries = call.app.activity.page(query)
    shown = entries[: asked.limit]
    more = len(entries) > asked.limit
    return ClipList([_of_entry(call, entry) for entry in shown], str(shown[-1].position) if more else None)


def get_clip(call: Call, asked: ClipAsked) -> ClipDetail:
    stem = _stem(asked.clip_id)
    results = call.app.videos.results
    found = results.result(stem)
    size = _staged_size(call, stem, found)
    bucket, key = results.source_of(stem)
    seen = [_appearance(each, size) for each in found.seen]
    ends = [each.last_s for each in seen] + [found.video.duration_s or 0.0 if found.video else 0.0]
    return ClipDetail(
        clip=_item(stem, bucket, key, found, found.processed_at),
        playable=_is_there(call, bucket, key),
        collection=found.collection,
        model=found.model,
        width=found.video.width if found.video else size and size[0],
        height=found.video.height if found.video else size and size[1],
        sampled_frames=found.sampled_frames,
        end_s=max(ends),
        appearances=seen,
    )


def get_clip_frame(call: Call, asked: FrameAsked) -> Response:
    """The header `X-Frame-Time` says which time it really shows, in seconds."""
    stem = _stem(asked.clip_id)
    frame = call.app.videos.results.nearest(stem, _best_s(call, stem) if asked.at_s is None else asked.at_s)
    info = call.app.objects.head(call.app.videos.names.stage, frame.key)
    etag = f'"{info.etag}-{asked.width or 0}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    headers["X-Frame-Time"] = f"{frame.time_s:g}"
    if call.headers.get("if-none-match") == etag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(_jpeg(call, frame, asked.width), headers=headers, media_type="image/jpeg")


def get_clip_video(call: Call, asked: ClipAsked) -> Response:
    """Answers ranges of bytes, so that players can jump."""
    bucket, key = call.app.videos.results.source_of(_stem(asked.clip_id))
    kind = _KINDS.get(PurePosixPath(key).suffix.lower(), "application/octet-stream")
    headers = {"Content-Type": kind, "Cache-Control": "private, no-cache", "Content-Security-Policy": "sandbox"}
    return ranged(call.app.objects, call.app.objects.head(bucket, key), call.headers, headers)


def delete_clip(call: Call, asked: ClipAsked) -> None:
    """The clip, what was staged of it, its results and its place among what was seen."""
    stem = _stem(asked.clip_id)
    results = call.app.videos.results
    results.result(stem)
    bucket, key = results.source_of(stem)
    call.app.delete_object(bucket, key)
    call.app.videos.delete_stem(stem)  # also of a clip whose receipt is gone
    for place in ((bucket, key), (call.app.videos.names.stage, f"{stem}.jpg")):
        call.app.activity.drop(*place)


def _of_entry(call: Call, entry: Entry) -> ClipItem:
    """From its result; where that cannot be read, what was noted when the clip was done."""
    results = call.app.videos.results
    stem = results.stem_of(entry.bucket, entry.key)
    bucket, key = results.source_of(stem)
    try:
        return _item(stem, bucket, key, results.result(stem), entry.time)
    except NotFoundError:
        gone = "its result is not there any more; upload the clip again"
        return _noted(stem, bucket, key, entry, entry.error or gone)
    except InputError as error:
        return _noted(stem, bucket, key, entry, str(error))


def _item(stem: str, bucket: str, key: str, found: ClipResult, processed_at: str | None) -> ClipItem:
    nameless = sum(not each.name or each.decision != "match" for each in found.seen)
    duration_s = found.video.duration_s if found.video else None
    names = list(dict.fromkeys(each.name for each in found.seen if each.name and each.decision == "match"))
    return ClipItem(
        _clip_id(stem), bucket, key, found.mode, processed_at, duration_s, names, len(found.seen), nameless, found.error
    )


def _noted(stem: str, bucket: str, key: str, entry: Entry, error: str) -> ClipItem:
    return ClipItem(_clip_id(stem), bucket, key, None, entry.time, None, [], 0, 0, error)


def _appearance(seen: Seen, size: tuple[int, int] | None) -> ClipAppearance:
    named = seen.name if seen.decision == "match" else None
    box = None
    if size:
        (width, height), each = size, seen.box
        box = BoxInParts(each.left / width, each.top / height, each.width / width, each.height / height)
    return ClipAppearance(
        number=seen.number,
        status=_STATUS.get(seen.decision, seen.decision),
        person=named,
        user_id=user_id_of(named) if named else None,
        similarity=seen.similarity,
        threshold=seen.threshold,
        first_s=seen.first_s,
        last_s=seen.last_s,
        best_s=seen.best_frame_s,
        frames=seen.frames,
        box=box,
        candidates=[ClipCandidate(each.name, each.similarity) for each in seen.candidates],
    )


def _best_s(call: Call, stem: str) -> float:
    """Of who was recognised most surely, else of the first who was seen, else the beginning."""
    try:
        seen = call.app.videos.results.result(stem).seen
    except (NotFoundError, InputError):
        return 0.0
    best = max(seen, key=lambda each: (each.decision == "match", each.similarity or 0.0), default=None)
    return best.best_frame_s if best else 0.0


def _staged_size(call: Call, stem: str, found: ClipResult) -> tuple[int, int] | None:
    """Width and height of what the boxes were found in."""
    best = next((each.best_frame for each in found.seen if each.best_frame), f"{stem}.jpg")
    limits = image_limits(call.app.settings)
    try:
        data = call.app.objects.get(call.app.videos.names.stage, best, limits.max_bytes)[1]
        frame = decode(data, best, _reduced(limits, 1))
    except (NotFoundError, InputError):
        return None
    return frame.width, frame.height


def _jpeg(call: Call, frame: StagedFrame, width: int | None) -> bytes:
    limits = image_limits(call.app.settings)
    data = call.app.objects.get(call.app.videos.names.stage, frame.key, limits.max_bytes)[1]
    decoded = decode(data, frame.key, limits)
    if width is None or decoded.pixels.shape[1] <= width:
        return data
    height = max(round(decoded.height * width / decoded.width), 1)
    small = Image.fromarray(decoded.pixels).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return encode_jpeg(np.asarray(small), 85)


def _reduced(limits: ImageLimits, decode_pixels: int) -> ImageLimits:
    return ImageLimits(limits.max_bytes, limits.max_pixels, limits.max_side_px, decode_pixels)


def _is_there(call: Call, bucket: str, key: str) -> bool:
    try:
        call.app.objects.head(bucket, key)
    except NotFoundError:
        return False
    return True


def _clip_id(stem: str) -> str:
    """The stem may have slashes and all else that a path may not: base64 for URLs (RFC 4648, section 5), unpadded."""
    return base64.urlsafe_b64encode(stem.encode()).decode().rstrip("=")


def _stem(clip_id: str) -> str:
    padded = clip_id + "=" * (-len(clip_id) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise NotFoundError(f"there is no clip {clip_id[:80]!r}; clip_id is as GET /api/v1/clips gives it") from error


_CLIP = "/api/v1/clips/{clip_id}"
OPERATIONS = (
    Operation(
        "GET", "/api/v1/clips", "Clips that were worked on, newest first", _TAG, list_clips, ClipsAsked, answer=ClipList
    ),
    Operation("GET", _CLIP, "Who appears in a clip, and when", _TAG, get_clip, ClipAsked, answer=ClipDetail),
    Operation(
        "GET",
        f"{_CLIP}/frame",
        "The frame nearest to a time, of those that were looked at",
        _TAG,
        get_clip_frame,
        FrameAsked,
        answer=Media("image/jpeg", (HTTPStatus.NOT_MODIFIED,)),
    ),
    Operation(
        "GET",
        f"{_CLIP}/video",
        "The clip, whole or by ranges",
        _TAG,
        get_clip_video,
        ClipAsked,
        answer=Media("video/*", (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.NOT_MODIFIED)),
        errors=(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,),
    ),
    Operation(
        "DELETE", _CLIP, "Delete a clip and all that was made of it", _TAG, delete_clip, ClipAsked, scope=ApiScope.ADMIN
    ),
)
