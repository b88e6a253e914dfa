"""`/login` and `/logout`: a browser gets a session for a key, and gives it back."""

import re
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from faceline.app import App
from faceline.errors import UsageError
from faceline.web.origins import is_loopback
from faceline.web.pages import Templates
from faceline.web.problems import problem
from faceline.web.sessions import Callers, is_csrf_of
from faceline.web.uploads import chunks_of

_MAX_FORM_BYTES = 10_000
_LOCAL = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*")  # browsers drop tabs and newlines, and take \ for /


class Login:
    """The form and what it sends."""

    def __init__(self, app: App, callers: Callers, templates: Templates) -> None:
        self._app, self._callers, self._templates = app, callers, templates

    def routes(self) -> list[Route]:
        return [
            Route("/login", self.show, methods=["GET"]),
            Route("/login", self.log_in, methods=["POST"]),
            Route("/logout", self.log_out, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        following = local_path(request.query_params.get("next", ""))
        if await self._callers.with_session(request):
            return RedirectResponse(following, HTTPStatus.SEE_OTHER)
        return self._page(request, following)

    async def log_in(self, request: Request) -> Response:
        form = await _form(request)
        key, following = form.get("key", "").strip(), local_path(form.get("next", ""))
        wait_s = self._callers.wait_s(request, key)
        if wait_s:
            said = f"Too many wrong keys came from this address. Try again in {wait_s} seconds."
            page = self._page(request, following, said, HTTPStatus.TOO_MANY_REQUESTS)
            page.headers["Retry-After"] = str(wait_s)
            return page
        if await self._callers.with_key(request, key) is None:
            said = "This key is not known here. Check that you copied all of it."
            return self._page(request, following, said, HTTPStatus.FORBIDDEN)
        response = RedirectResponse(following, HTTPStatus.SEE_OTHER)
        await self._callers.log_in(key, response)
        return response

    async def log_out(self, request: Request) -> Response:
        caller = await self._callers.with_session(request)
        response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        if caller is None:
            return response
        given = request.headers.get("x-faceline-csrf") or (await _form(request)).get("csrf", "")
        if not is_csrf_of(caller, given):
            return problem(HTTPStatus.FORBIDDEN, "logging out needs the session's csrf; load the page again")
        await self._callers.log_out(request, response)
        # Nor does the browser's way back show what was seen.
        response.headers["Clear-Site-Data"] = '"cache"'
        return response

    def _page(self, request: Request, following: str, said: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
        # Where the key lies concerns only those who sit at this machine. A Host header is what anybody says; through a
        # proxy they come from this machine too.
        settings = self._app.settings
        is_here = is_loopback(settings.host) and is_loopback(request.headers.get("host", ""))
        context = {
            "title": "Log in",
            "following": following,
            "said": said,
            "key_file": settings.data.resolve() / "admin.key" if is_here and not settings.public_url else None,
            # Behind a link of another site the cookie is not sent along. Loaded by ourselves, the page gets it.
            "again": request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site",
        }
        return self._templates.page("login", request, context, status)


def address_with_next(request: Request) -> str:
    """Of the login page that leads on to what was asked for."""
    query = request.scope["query_string"].decode("latin-1")
    following = local_path(request.scope["path"] + (f"?{query}" if query else ""))
    return "/login" if following == "/" else f"/login?{urlencode({'next': following})}"


def local_path(text: str) -> str:
    """A path of this server to go on to, or `/` for what is none: nobody's link leads from our login elsewhere."""
    is_local = _LOCAL.fullmatch(text) is not None and text.partition("?")[0] not in ("/login", "/logout")
    return text if is_local else "/"


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in chunks_of(request):
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            raise UsageError(f"{request.url.path}: a form has at most {_MAX_FORM_BYTES} bytes")
    return dict(parse_qsl(body.decode("utf-8", "replace")))
