"""Clients that are told of what was seen as it comes: one look at the newest position serves all of them."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from faceline.activity import Activity, ActivityQuery, Entry
from faceline.app import App
from faceline.errors import FacelineError
from faceline.web.problems import problem
from faceline.web.seats import EventStream, Seats

_LOOK_EVERY_S = 0.2
_ALIVE_EVERY_S = 15.0  # what passes a connection on may take a longer silence for its end
_AT_ONCE = 100
_MOST_MISSED = 1000  # who missed more reads the list anew
_MOST_CLIENTS = 100
_MOST_OF_ONE = 20


@dataclass(eq=False, slots=True)
class _Listener:
    position: int
    answer: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Streams:
    """Server-sent events of the activity. Who waits holds no thread; all within one event loop, but for `close`."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._closed = False
        self._seats = Seats(_MOST_CLIENTS, _MOST_OF_ONE, "streams")
        self._listeners: list[_Listener] = []
        self._looking: asyncio.Task[None] | None = None

    def routes(self) -> list[Route]:
        """To stand before `/api/v1/activity/{position}`."""
        return [Route("/api/v1/activity/events", self.events)]

    def close(self) -> None:
        """Ends all streams within a moment. From any thread."""
        self._closed = True

    async def events(self, request: Request) -> Response:
        """Server-sent events, each an entry."""
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        if self._closed:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "the server stops; ask again later", {"Retry-After": "5"})
        said = request.headers.get("last-event-id", "")
        with ExitStack() as seat:
            seat.enter_context(self._seats.taken(request.state.caller))
            # Before the answer's head goes out: whoever has that misses nothing that comes from then on.
            newest = await run_in_threadpool(self._newest)
            position = min(int(said), newest) if re.fullmatch("[0-9]{1,18}", said) else newest
            return EventStream(self._told(position, newest), seat.pop_all())

    def _newest(self) -> int:
        return self._app.activity.newest()

    async def _told(self, position: int, newest: int) -> AsyncIterator[bytes]:
        if newest - position > _MOST_MISSED:
            position = newest
            yield b"event: missed\ndata: {}\n"
        yield f"retry: 1000\nid: {position}\n\n".encode()  # says where to go on after a break
        while not self._closed:
            entries = await self._after(position)
            for entry in entries:
                yield b"id: %d\ndata: %b\n\n" % (entry.position, msgspec.json.encode(entry))
            position = entries[-1].position if entries else position
            if not entries:
                yield b": alive\n\n"

    async def _after(self, position: int) -> Sequence[Entry]:
        """The entries that came after it, oldest first; waits for the first, at most until it is time to say so."""
        listener = _Listener(position)
        self._listeners.append(listener)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_while_some_wait())
        try:
            await asyncio.wait([listener.answer], timeout=_ALIVE_EVERY_S)
        finally:
            self._listeners.remove(listener)
            listener.answer.cancel()  # unless it is there already
        entries: Sequence[Entry] = [] if listener.answer.cancelled() else listener.answer.result()
        return entries

    async def _look_while_some_wait(self) -> None:
        while self._listeners:
            listeners = [each for each in self._listeners if not each.answer.done()]
            try:
                first = min((each.position for each in listeners), default=0)
                entries = await run_in_threadpool(_news, self._app.activity, first)
            except FacelineError as error:
                for each in listeners:
                    if not each.answer.done():
                        each.answer.set_exception(error)
                entries = []
            for each in listeners:
                new = [entry for entry in entries if entry.position > each.position]
                if (new or self._closed) and not each.answer.done():
                    each.answer.set_result(new)
            await asyncio.sleep(_LOOK_EVERY_S)


def _news(activity: Activity, position: int) -> Sequence[Entry]:
    if activity.newest() <= position:
        return []
    return activity.page(ActivityQuery(after=position, limit=_AT_ONCE))
