"""What is served beside the operations of the native API, as the OpenAPI document describes it.

Not in it: the pages, and `POST /`, which is the Amazon Rekognition API (docs/reference/rekognition.md).
"""

from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec

from faceline.api_keys import ApiScope
from faceline.ports import ObjectInfo, Record
from faceline.web.openapi import Served
from faceline.web.operations import Asked, Media, Upload

_Limit = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=20)]
_Lease = Annotated[float, msgspec.Meta(ge=0, le=43_200)]
_FILES, _RECORDS, _QUEUES, _STATE = "Files", "Results", "Frame queues", "State"
_MESSAGES = "/queues/{name}/messages"


class RecordsAsked(Asked, frozen=True):
    """image: a key, or its last part. person: a name or a face id. since: inclusive, ISO 8601. until: exclusive.

    status: matched, unknown, ambiguous, detected, forgotten or error. limit: the newest that match.
    """

    image: str | None = None
    person: str | None = None
    since: str | None = None
    until: str | None = None
    status: str | None = None
    limit: _Limit = 1000


class BucketAsked(Asked, frozen=True):
    """prefix: how keys begin."""

    bucket: str
    prefix: str = ""


class ObjectAsked(Asked, frozen=True):
    bucket: str
    key: str


class QueueAsked(Asked, frozen=True):
    name: Annotated[str, msgspec.Meta(examples=["face-request-queue"])]


class ReceiveAsked(QueueAsked, frozen=True):
    """wait_s: how long to wait for the first message. max: messages. visibility_timeout_s: how long others do not get
    them.
    """

    wait_s: _Seconds = 0
    max: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    visibility_timeout_s: _Lease = 30


class SendAsked(QueueAsked, frozen=True):
    """deduplication_id: the same one again is no new message, as long as `frames_kept_s` says."""

    deduplication_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None


class MessageAsked(QueueAsked, frozen=True):
    receipt_handle: str


class HideAsked(MessageAsked, frozen=True):
    """visibility_timeout_s: hidden for so long from now on; 0 gives it back."""

    visibility_timeout_s: _Lease


class FrameSent(msgspec.Struct, frozen=True):
    """content: the photo in base64."""

    request_id: str
    content: Annotated[str, msgspec.Meta(examples=["/9j/4AAQSkZJRgABAQAAAQABAAD"])]
    filename: str


class FrameFailure(msgspec.Struct, frozen=True):
    error: str


class Depth(msgspec.Struct, frozen=True):
    """Messages that wait, that are being worked on, and that were given up."""

    visible: int
    in_flight: int
    dead: int


class QueueState(Depth, frozen=True):
    name: str


class Received(msgspec.Struct, frozen=True):
    """receipt_handle: of this delivery, for deleting the message. receive_count: deliveries so far."""

    message_id: str
    receipt_handle: str
    body: str
    receive_count: int


class Sent(msgspec.Struct, frozen=True):
    message_id: str


class Alive(msgspec.Struct, frozen=True):
    status: Literal["ok"]


class Ready(msgspec.Struct, frozen=True):
    """queue: of photos to work on."""

    status: Literal["ready"]
    queue: Depth


_STATES = (
    Served("GET", "/healthz", "Whether the process lives", _STATE, "health", answer=Alive, scope=None),
    Served("GET", "/readyz", "Whether it can work", _STATE, "ready", answer=Ready, scope=None),
    Served("GET", "/metrics", "What Prometheus reads", _STATE, "metrics", answer=Media("text/plain")),
    Served("GET", "/openapi.json", "This document", _STATE, "openapi", answer=dict[str, Any], scope=None),
)
_OBJECTS = (
    Served(
        "GET",
        "/buckets/{bucket}",
        "What is in a bucket, by key",
        _FILES,
        "list_objects",
        BucketAsked,
        answer=list[ObjectInfo],
    ),
    Served(
        "GET",
        "/buckets/{bucket}/{key:path}",
        "A file",
        _FILES,
        "get_object",
        ObjectAsked,
        answer=Media("*/*"),
        details="With `ETag`, and as an attachment; JSON documents as application/json, the rest as bytes.",
    ),
    Served(
        "PUT",
        "/buckets/{bucket}/{key:path}",
        "Put a file in",
        _FILES,
        "put_object",
        ObjectAsked,
        Upload(),
        ObjectInfo,
        ApiScope.ENROLL,
        HTTPStatus.CREATED,
        (HTTPStatus.CONFLICT,),
        details=(
            "In the input bucket, keys under `input/` and `enroll/` start work. The answer does not wait for it.\n\n"
            "A key of scope enroll puts in what starts work and is not there yet, but no gallery; else it gets 403."
        ),
    ),
    Served(
        "DELETE",
        "/buckets/{bucket}/{key:path}",
        "Delete a file and what was made of it",
        _FILES,
        "delete_object",
        ObjectAsked,
        scope=ApiScope.ADMIN,
        details="204 also where there was none. With an uploaded photo go its records and its result.",
    ),
)
_RESULTS = (
    Served(
        "GET",
        "/records",
        "Faces that were seen, one record each",
        _RECORDS,
        "records",
        RecordsAsked,
        answer=list[Record],
        details="The newest that match, oldest of them first.",
    ),
)
_FRAMES = (
    Served(
        "POST",
        "/frames",
        "Put a frame's face into the request queue",
        _QUEUES,
        "post_frames",
        body=FrameSent | list[Any],  # of a list, each frame is answered for itself
        answer=Media("*/*"),
        scope=ApiScope.ENROLL,
        errors=(HTTPStatus.BAD_GATEWAY,),
        failure=FrameFailure,
        details="Answers the text `Face detection completed`, or for a list one document for each frame.",
    ),
    Served("GET", "/queues/{name}", "How full a queue is", _QUEUES, "depth", QueueAsked, answer=QueueState),
    Served(
        "GET",
        _MESSAGES,
        "Receive messages",
        _QUEUES,
        "receive",
        ReceiveAsked,
        answer=list[Received],
        scope=ApiScope.ENROLL,
        details="They stay hidden from others until they are deleted, or their time is over.",
    ),
    Served(
        "POST",
        _MESSAGES,
        "Send a message",
        _QUEUES,
        "send",
        SendAsked,
        Media("text/plain"),
        Sent,
        ApiScope.ENROLL,
        HTTPStatus.CREATED,
        details="UTF-8, at most 256 KiB.",
    ),
    Served(
        "DELETE",
        f"{_MESSAGES}/{{receipt_handle}}",
        "Delete a message that was received",
        _QUEUES,
        "delete",
        MessageAsked,
        scope=ApiScope.ENROLL,
        details="A message_id in the place of the handle deletes too, whoever holds the message.",
    ),
    Served(
        "POST",
        f"{_MESSAGES}/{{receipt_handle}}/visibility",
        "Hide a message for longer, or give it back",
        _QUEUES,
        "change_visibility",
        HideAsked,
        scope=ApiScope.ENROLL,
    ),
    Served(
        "GET",
        "/queues/{name}/events",
        "Be told of new messages",
        _QUEUES,
        "events",
        QueueAsked,
        answer=Media("text/event-stream"),
        details="Server-sent events, each a message; with `Last-Event-ID` each since then. Hides nothing.",
    ),
)
_TOLD = (
    Served(
        "GET",
        "/api/v1/activity/events",
        "Be told of what is seen",
        "Activity",
        "stream_activity",
        answer=Media("text/event-stream"),
        errors=(HTTPStatus.SERVICE_UNAVAILABLE,),
        details="Server-sent events, each an entry; with `Last-Event-ID` each since then.",
    ),
)
SERVED: tuple[Served, ...] = (*_TOLD, *_OBJECTS, *_RESULTS, *_FRAMES, *_STATES)
