"""Messages that failed too often: what they are about, why, another try, and removal."""

from collections.abc import Iterator
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Any

import msgspec

from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.documents import parsed
from faceline.errors import InputError, NotFoundError, UsageError
from faceline.events import from_json, request_id_of
from faceline.ports import DeadLetter
from faceline.web.operations import Asked, Call, Nothing, Operation

_TAG = "Health"
_SHOWN = 300  # characters of a body, as `faceline dead-letters list` shows

MessageIds = Annotated[list[Annotated[str, msgspec.Meta(max_length=100)]], msgspec.Meta(max_length=1000)]


class AskedDeadLetters(Asked, frozen=True):
    """queue: only of this one. after: the `next` of the page before."""

    queue: str | None = None
    after: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50


class DeadLetterItem(msgspec.Struct, frozen=True):
    """bucket, key: of the object that the message is about, where it says one. reason: the last error. request_id: as
    the logs say it. died_at: UTC, ISO 8601. body: how the message begins; null for who may not remove it.
    """

    queue: str
    message_id: str
    reason: str
    died_at: str
    deliveries: int
    bucket: str | None
    key: str | None
    request_id: str | None
    body: str | None


class DeadLetterList(msgspec.Struct, frozen=True):
    items: list[DeadLetterItem]
    next: str | None


class Redrive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """queue: null for all. message_ids: null for all of the queue's."""

    queue: str | None = None
    message_ids: MessageIds | None = None


class Redriven(msgspec.Struct, frozen=True):
    redriven: int


class Discard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    queue: str
    message_ids: MessageIds


class Discarded(msgspec.Struct, frozen=True):
    """discarded: how many; those that were no dead letters of the queue any more are none of them."""

    discarded: int


def list_dead_letters(call: Call, asked: AskedDeadLetters) -> DeadLetterList:
    found = _after(call, asked)
    items = list(islice(found, asked.limit))
    more = next(found, None) is not None
    return DeadLetterList(items, f"{items[-1].queue}:{items[-1].message_id}" if more else None)


def redrive_dead_letters(call: Call, asked: Nothing) -> Redriven:
    queues = _names(call.app, call.body.queue)
    return Redriven(sum(call.app.queue_of(name).redrive(call.body.message_ids) for name in queues))


def discard_dead_letters(call: Call, asked: Nothing) -> Discarded:
    (queue,) = _names(call.app, call.body.queue)
    count = call.app.queue_of(queue).discard(call.body.message_ids)
    call.app.note("discard dead letters", count=count, detail={"queue": queue}, actor=call.by)
    return Discarded(count)


def _after(call: Call, asked: AskedDeadLetters) -> Iterator[DeadLetterItem]:
    """One more than are asked for, oldest first in each queue."""
    names, start = _names(call.app, asked.queue), None
    whole = call.caller.scope.covers(ApiScope.ADMIN)
    if asked.after is not None:
        first, colon, start = asked.after.rpartition(":")
        if not colon or first not in names:
            raise UsageError(f"after is {asked.after[:60]!a}; give what `next` said, or leave it out")
        names = names[names.index(first) :]
    for name in names:
        for letter in call.app.queue_of(name).list(asked.limit + 1, start):
            yield _item(name, letter, letter.body[:_SHOWN] if whole else None)
        start = None


def _names(app: App, queue: str | None) -> list[str]:
    names = [each.name for each in app.queues()]
    if queue is not None and queue not in names:
        raise NotFoundError(f"there is no queue {queue[:60]!a}; there are {', '.join(names)}")
    return names if queue is None else [queue]


def _item(queue: str, letter: DeadLetter, body: str | None) -> DeadLetterItem:
    bucket, key = _about(letter.body)
    request_id = request_id_of(letter.body) or None
    said = (letter.message_id, letter.reason, letter.died_at, letter.receive_count)
    return DeadLetterItem(queue, *said, bucket, key, request_id, body)


def _about(body: str) -> tuple[str | None, str | None]:
    """Bucket and key: of an event, or of a call of `face-recognition`. Only admin is told more of a body."""
    try:
        events = from_json(body)
        return (events[0].bucket, events[0].key) if events else (None, None)
    except InputError:
        return _called_for(body)


def _called_for(body: str) -> tuple[str | None, str | None]:
    try:
        call: Any = parsed(body)
    except ValueError:
        return None, None
    said = [call.get(name) for name in ("bucket_name", "image_file_name")] if isinstance(call, dict) else []
    return (said[0], said[1]) if len(said) == 2 and all(isinstance(each, str) for each in said) else (None, None)


OPERATIONS = (
    Operation(
        "GET",
        "/api/v1/dead-letters",
        "Messages that failed too often, oldest first in each queue",
        _TAG,
        list_dead_letters,
        asked=AskedDeadLetters,
        answer=DeadLetterList,
        errors=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "POST",
        "/api/v1/dead-letters/redrive",
        "Send dead letters back to their queues",
        _TAG,
        redrive_dead_letters,
        body=Redrive,
        answer=Redriven,
        scope=ApiScope.ADMIN,
        errors=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "POST",
        "/api/v1/dead-letters/discard",
        "Delete dead letters for good, and what they say; objects stay in their buckets",
        _TAG,
        discard_dead_letters,
        body=Discard,
        answer=Discarded,
        scope=ApiScope.ADMIN,
        errors=(HTTPStatus.NOT_FOUND,),
    ),
)
