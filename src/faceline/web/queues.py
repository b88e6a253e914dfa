"""The frame queues over HTTP: receive, delete, give back, send, and be told."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import ExitStack
from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from faceline.app import App
from faceline.errors import NotFoundError, UsageError
from faceline.pipelines.frame_messages import MAX_MESSAGE_BYTES
from faceline.ports import Message
from faceline.web.seats import EventStream, Seats
from faceline.web.uploads import body_of
from faceline.web.waiting import Waiting

_MAX_WAIT_S = 20.0
_MAX_LEASE_S = 43_200.0
_LEASE_S = 30.0
_MOST_SUBSCRIBERS = 200
_MOST_OF_ONE = 40
_ALIVE_EVERY_S = 15.0  # what passes a connection on may take a longer silence for its end


class Queues:
    """Only the queues of frames. Who waits holds no thread."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._waiting: dict[str, Waiting] = {}
        self._closed = False
        self._seats = Seats(_MOST_SUBSCRIBERS, _MOST_OF_ONE, "subscriptions")

    def routes(self) -> list[Route]:
        messages = "/queues/{name}/messages"
        receiving = Route(messages, self.receive)
        receiving.methods = {"GET"}  # HEAD would hide messages and show them to nobody
        return [
            Route("/queues/{name}", self.depth),
            receiving,
            Route(messages, self.send, methods=["POST"]),
            Route(messages + "/{receipt_handle}", self.delete, methods=["DELETE"]),
            Route(messages + "/{receipt_handle}/visibility", self.change_visibility, methods=["POST"]),
            Route("/queues/{name}/events", self.events),
        ]

    def close(self) -> None:
        """Ends the requests that wait, within a moment. From any thread."""
        self._closed = True
        for waiting in list(self._waiting.values()):
            waiting.close()

    async def depth(self, request: Request) -> Response:
        waiting = await self._at(request)
        return JSONResponse({"name": request.path_params["name"], **await run_in_threadpool(waiting.queue.depth)})

    async def receive(self, request: Request) -> Response:
        _check_parameters(request, "wait_s", "max", "visibility_timeout_s")
        limit = int(_number(request, "max", "1", 1, 10, "[0-9]{1,2}"))
        wait_s = _number(request, "wait_s", "0", 0, _MAX_WAIT_S)
        lease_s = _number(request, "visibility_timeout_s", f"{_LEASE_S}", 0, _MAX_LEASE_S)
        waiting = await self._at(request)
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            messages = await waiting.receive(limit, lease_s, wait_s, gone)
        finally:
            gone.cancel()
        return JSONResponse([_document(message) for message in messages])

    async def send(self, request: Request) -> Response:
        _check_parameters(request, "deduplication_id")
        deduplication_id = request.query_params.get("deduplication_id")
        if deduplication_id is not None and not 1 <= len(deduplication_id) <= 128:
            raise UsageError("deduplication_id must have 1 to 128 characters")
        waiting = await self._at(request)
        detail = f"a message has at most {MAX_MESSAGE_BYTES} bytes; send a smaller one"
        body = await body_of(request, MAX_MESSAGE_BYTES, detail)
        message_id = await run_in_threadpool(waiting.queue.send, _text(body), deduplication_id)
        return JSONResponse({"message_id": message_id}, HTTPStatus.CREATED)

    async def delete(self, request: Request) -> Response:
        """By the handle of a delivery; or by the message's id, for those that were only told of it."""
        waiting, message = await self._at(request), _message(request)
        if message.lease:
            done = await run_in_threadpool(waiting.queue.acknowledge, message)
        else:
            done = await run_in_threadpool(waiting.queue.remove, message.message_id)
        return _done(done)

    async def change_visibility(self, request: Request) -> Response:
        _check_parameters(request, "visibility_timeout_s")
        if "visibility_timeout_s" not in request.query_params:
            raise UsageError("say visibility_timeout_s: how long the message stays hidden from now on; 0 gives it back")
        lease_s = _number(request, "visibility_timeout_s", "", 0, _MAX_LEASE_S)
        waiting, message = await self._at(request), _message(request)
        if lease_s:
            return _done(await run_in_threadpool(waiting.queue.extend, message, lease_s))
        return _done(await run_in_threadpool(waiting.queue.release, message))

    async def events(self, request: Request) -> Response:
        """Server-sent events, each a message."""
        waiting = await self._at(request)
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        said = request.headers.get("last-event-id", "")
        with ExitStack() as seat:
            seat.enter_context(self._seats.taken(request.state.caller))
            # Before the answer's head goes out: whoever has that misses nothing that is sent from then on.
            number = int(said) if re.fullmatch("[0-9]{1,18}", said) else await run_in_threadpool(waiting.queue.newest)
            return EventStream(_told(waiting, number), seat.pop_all())

    async def _at(self, request: Request) -> Waiting:
        """Those who wait at the queue that the path names. Raises NotFoundError."""
        name = request.path_params["name"]
        queue = await run_in_threadpool(lambda: self._app.frames.queue(name))
        return self._waiting.setdefault(name, Waiting(queue, self._closed))


async def _told(waiting: Waiting, number: int) -> AsyncIterator[str]:
    yield f"retry: 1000\nid: {number}\n\n"  # without data it only says where to go on after a break
    while not waiting.closed:
        messages = await waiting.after(number, _ALIVE_EVERY_S)
        if not messages:
            yield ": alive\n\n"
        for message in messages:
            number = message.number
            document = json.dumps({"message_id": message.message_id, "body": message.body})
            yield f"id: {number}\ndata: {document}\n\n"


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _document(message: Message) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "receipt_handle": f"{message.message_id}.{message.lease}",
        "body": message.body,
        "receive_count": message.receive_count,
    }


def _message(request: Request) -> Message:
    """What the path's handle stands for."""
    message_id, _, lease = request.path_params["receipt_handle"].partition(".")
    return Message(message_id, "", 0, lease)


def _done(done: bool) -> Response:
    if not done:
        raise NotFoundError("there is no such message, or its visibility timeout is over and another received it")
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"a message is UTF-8 text; this is not: {error}") from error


def _check_parameters(request: Request, *known: str) -> None:
    unknown = set(request.query_params) - set(known)
    if unknown:
        raise UsageError(f"unknown parameter {sorted(unknown)[0]!a}; there are {', '.join(known)}")


def _number(
    request: Request, name: str, default: str, low: float, high: float, form: str = "[0-9]{1,6}([.][0-9]{1,6})?"
) -> float:
    text = request.query_params.get(name, default)
    if not re.fullmatch(form, text) or not low <= float(text) <= high:
        raise UsageError(f"{name} must be a number from {low:g} to {high:g}, not {text[:20]!a}")
    return float(text)
