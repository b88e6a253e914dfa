"""Gives every HTTP request an id, writes its line in the log, and has it counted."""

import logging
import time
from collections.abc import Callable
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faceline.telemetry import following
from faceline.web.problems import problem

_log = logging.getLogger("faceline.http")

HEADER = "X-Request-ID"
CLIENT_GONE = 499  # as nginx says it: the client left before there was an answer
NOWHERE = "none"  # no such route
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FAILED = "the server failed; its log says why, under the request's id"
_POLLED = frozenset({("GET", "/api/v1/health"), ("GET", "/api/v1/dead-letters")})  # by the page, every few seconds
# What people and programs do: not pages, not what watches us, not the Rekognition API, which has lines of its own.
_TOLD = ("/api/", "/buckets/", "/frames", "/queues/", "/records", "/login", "/logout")

# Called with method, route, status and the time that the whole answer took, in seconds.
Observe = Callable[[str, str, int, float], None]


class Tracing:
    """ASGI middleware, the outermost. Takes the id from `X-Request-ID` where that is one, answers with it, and answers
    for whatever breaks.
    """

    def __init__(self, app: ASGIApp, observe: Observe) -> None:
        self._app, self._observe = app, observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with following(Headers(scope=scope).get(HEADER, "")) as request_id:
            await self._traced(scope, receive, send, request_id)

    async def _traced(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started, route, status = time.perf_counter(), _route(scope), CLIENT_GONE

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, answered)
        except Exception:
            _log.exception("a request failed", extra={"method": scope["method"], "route": route})
            if status != CLIENT_GONE:  # half of an answer is sent
                raise
            await problem(HTTPStatus.INTERNAL_SERVER_ERROR, _FAILED)(scope, receive, answered)
        finally:
            self._done(scope, route, status, time.perf_counter() - started)

    def _done(self, scope: Scope, route: str, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._observe(method, route, status, seconds)
        caller = scope.get("state", {}).get("caller")
        facts = {"method": method, "route": route, "status": status, "latency_ms": round(seconds * 1000, 1)}
        who = {"caller": caller.name} if caller else {}
        told = route.startswith(_TOLD) and (method, route) not in _POLLED
        _log.log(logging.INFO if told else logging.DEBUG, "http", extra=facts | who)


def _route(scope: Scope) -> str:
    """The route's path with its parameters' names: paths themselves name people and their photos."""
    found = (route for route in scope["app"].routes if route.matches(scope)[0] is not Match.NONE)
    return str(getattr(next(found, None), "path", NOWHERE))
