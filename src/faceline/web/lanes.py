"""Work that takes a core for a while: so much of it at a time, and so many that wait for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum
from http import HTTPStatus
from typing import TypeVar

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from faceline.app import App
from faceline.loading import worker_count

_PICTURE_THREADS = 2
_PICTURES_WAITING = 64  # a page asks for six at a time
_WAITING_PER_CORE = 8
_T = TypeVar("_T")


class Work(Enum):
    """What an operation does with a core. Each kind has a lane of its own, so that none waits behind another.

    LOOKING: the networks run, and nothing is kept; read keys may. ENROLLING: they run for the gallery. DECODING:
    pictures are made smaller.
    """

    LOOKING = "looking"
    ENROLLING = "enrolling"
    DECODING = "decoding"


class Lane:
    """Threads that take turns, first come, first served. All within one event loop."""

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._turns = asyncio.Semaphore(threads)
        self._threads = anyio.CapacityLimiter(threads)
        self._most_waiting = most_waiting
        self._waiting = 0

    def check(self) -> None:
        """Raises HTTPException 503 when there is no room to wait. To ask before a body is read."""
        if self._turns.locked() and self._waiting >= self._most_waiting:
            detail = f"{self._waiting} requests wait for the same already; ask again later"
            headers = {"Retry-After": "2", "Connection": "close"}
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers)

    async def run(self, request: Request, work: Callable[[], _T]) -> _T:
        """Raises ClientDisconnect, without the work, when its turn comes and the client has left; else as `check`."""
        async with self._turn(request):
            return await anyio.to_thread.run_sync(work, limiter=self._threads)

    @asynccontextmanager
    async def _turn(self, request: Request) -> AsyncIterator[None]:
        self.check()
        waits = self._turns.locked()
        self._waiting += waits
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= waits
        try:
            if waits and await request.is_disconnected():
                raise ClientDisconnect
            yield
        finally:
            self._turns.release()


def lanes(app: App) -> dict[Work, Lane]:
    cores = worker_count(app.settings)
    return {
        Work.LOOKING: Lane(cores, _WAITING_PER_CORE * cores),
        Work.ENROLLING: Lane(cores, _WAITING_PER_CORE * cores),
        Work.DECODING: Lane(_PICTURE_THREADS, _PICTURES_WAITING),
    }
