"""How many may be served at once of what holds memory or a connection for long; the others come again later."""

from collections import Counter
from collections.abc import AsyncIterable, Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from faceline.api_keys import ApiScope, Caller


class Seats:
    """most: in all. most_of_one: of one caller, but for those of scope admin, whom nobody may keep out. what: is
    served, in the plural. All within one event loop.
    """

    def __init__(self, most: int, most_of_one: int, what: str) -> None:
        self._most, self._most_of_one, self._what = most, most_of_one, what
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, caller: Caller | None) -> Iterator[None]:
        """Raises HTTPException 503 when there is none; given back on leaving. caller: None for one without a key."""
        name = caller.name if caller else ""
        self._check(name, caller is not None and caller.scope is ApiScope.ADMIN)
        self._taken[name] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1

    def _check(self, name: str, is_admin: bool) -> None:
        total = self._taken.total()
        if total >= self._most:
            raise _full(f"{total} {self._what} are open, at most {self._most} are served; ask again later")
        if self._taken[name] >= self._most_of_one and not is_admin:
            raise _full(
                f"{self._taken[name]} {self._what} are open with this key, at most {self._most_of_one} are served; "
                "ask again later"
            )


class EventStream(StreamingResponse):
    """Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). seat: left at the end."""

    def __init__(self, events: AsyncIterable[str | bytes], seat: ExitStack) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._seat = seat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._seat:
            await super().__call__(scope, receive, send)


def _full(detail: str) -> HTTPException:
    # The body, where there is one, is left unread.
    return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "5", "Connection": "close"})
