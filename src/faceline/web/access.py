"""Who may ask: pages and programs that mean this server, with a key or a session whose scope covers what they want."""

import re
import time
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faceline.api_keys import ApiScope
from faceline.web.login import address_with_next
from faceline.web.origins import Origins
from faceline.web.pages import PAGES
from faceline.web.problems import problem
from faceline.web.sessions import Callers, is_csrf_of, key_in

# The last two look for themselves; the document of the API says nothing of anybody.
_OPEN_PATHS = frozenset({"/healthz", "/readyz", "/openapi.json", "/login", "/logout"})
# Where links of other sites may lead: what only shows itself.
_LINKED = frozenset({*(page.path for page in PAGES), "/docs", "/login"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_RECEIVING = re.compile("/queues/[^/]+/messages$")  # matched as the router does, a newline at the end too
_WHERE = "the key is in the data directory's admin.key, or one of `faceline tokens create`"
_STILL_S = 10.0  # how long a stream goes on for somebody whose key was revoked


class Access:
    """ASGI middleware. Refuses foreign Host headers (DNS rebinding), requests from other sites' pages, wrong keys,
    writes by cookie without the page's CSRF token, and what the scope does not cover.
    """

    def __init__(self, app: ASGIApp, callers: Callers, origins: Origins) -> None:
        self._app, self._callers, self._origins = app, callers, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        refusal = self._foreign(request)
        if refusal is None and not _is_open(request):
            refusal = await self._refusal(request)
        guarded = _Guarded(send, self._callers, request).send
        await (refusal or self._app)(scope, receive, guarded)

    def _foreign(self, request: Request) -> Response | None:
        headers, reached = request.headers, (request.scope.get("server") or ("",))[0]
        if not self._origins.allows_host(headers.get("host", ""), reached):
            detail = "this server answers on loopback names, and those of public_url and allowed_hosts, only"
            return problem(HTTPStatus.MISDIRECTED_REQUEST, detail)
        origin = headers.get("origin")
        if origin is not None and not self._origins.allows_origin(origin, reached):
            return problem(HTTPStatus.FORBIDDEN, f"requests from pages of {origin} are refused")
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not _is_followed_link(request):
            return problem(HTTPStatus.FORBIDDEN, "requests from pages of other origins are refused")
        return None

    async def _refusal(self, request: Request) -> Response | None:
        """None: the caller is in the request's state."""
        key = key_in(request)
        wait_s = self._callers.wait_s(request, key)
        if key and wait_s:
            return too_many(wait_s)
        caller = await (self._callers.with_key(request, key) if key else self._callers.with_session(request))
        if caller is None:
            return too_many(wait_s) if wait_s and self._callers.cookie in request.cookies else _unknown(request)
        if caller.csrf and _is_write(request) and not is_csrf_of(caller, request.headers.get("x-faceline-csrf", "")):
            detail = "a write with a session needs its X-Faceline-CSRF header; load the page again"
            return problem(HTTPStatus.FORBIDDEN, detail)
        needed = _needed(request)
        if not caller.scope.covers(needed):
            detail = f"this needs a key of scope {needed}; {caller.name} has {caller.scope}"
            return problem(HTTPStatus.FORBIDDEN, detail)
        request.state.caller = caller
        return None


class _Guarded:
    """What is sent stays in no cache unless it says otherwise, is taken for what it says it is, and a stream of events
    ends when its caller is no longer known.
    """

    def __init__(self, send: Send, callers: Callers, request: Request) -> None:
        self._send, self._callers, self._request = send, callers, request
        self._looked_at: float | None = None  # of streams
        self._ended = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Cache-Control", "no-store")
            if headers.get("content-type", "").startswith("text/event-stream"):
                self._looked_at = time.monotonic()
        elif self._looked_at is not None and time.monotonic() - self._looked_at > _STILL_S:
            self._looked_at = time.monotonic()
            if not self._ended and not await self._callers.still_known(self._request):
                self._ended = True
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        if not self._ended:
            await self._send(message)


def too_many(wait_s: int) -> JSONResponse:
    detail = f"too many wrong keys came from this address; try again in {wait_s} s"
    return problem(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": str(wait_s)})


def _is_open(request: Request) -> bool:
    path = request.scope["path"]
    # `POST /` is the Rekognition API, which carries signatures.
    return path in _OPEN_PATHS or path.startswith("/static/") or (request.method == "POST" and path == "/")


def _is_followed_link(request: Request) -> bool:
    """Whether somebody goes to a page of ours from elsewhere, and sees it in a tab of its own."""
    mode, shown_in = (request.headers.get(f"sec-fetch-{what}") for what in ("mode", "dest"))
    is_page = request.method == "GET" and request.scope["path"] in _LINKED
    return is_page and mode == "navigate" and shown_in == "document"


def _is_write(request: Request) -> bool:
    """Receiving messages hides them from others, though it is a GET."""
    return request.method not in _READING or _RECEIVING.match(request.scope["path"]) is not None


def _unknown(request: Request) -> Response:
    is_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if is_page and not request.scope["path"].startswith("/api/"):
        return RedirectResponse(address_with_next(request), HTTPStatus.SEE_OTHER)
    detail = f"send `Authorization: Bearer <key>`, or log in at /login; {_WHERE}"
    return problem(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": 'Bearer realm="faceline"'})


def _needed(request: Request) -> ApiScope:
    """The scope for pages and the older routes; operations under /api/ look for themselves."""
    path = request.scope["path"]
    if not _is_write(request) or path.startswith("/api/"):
        return ApiScope.READ
    return ApiScope.ADMIN if request.method == "DELETE" and path.startswith("/buckets/") else ApiScope.ENROLL
