"""Who may ask: only pages and programs of this machine, and only with the key for anything about people."""

import secrets
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from faceline.api_keys import ApiScope, Caller
from faceline.web.problems import problem

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_OPEN_PATHS = frozenset({"/healthz", "/readyz"})


class Access:
    """ASGI middleware. Refuses foreign Host headers (DNS rebinding) and foreign Origins (other sites' pages).

    key: what `Authorization: Bearer …` must carry on every path but the open ones.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app, self._key = app, key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal(scope["path"], Headers(scope=scope))
            if refusal:
                await refusal(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = Caller("admin", ApiScope.ADMIN)
        await self._app(scope, receive, send)

    def _refusal(self, path: str, headers: Headers) -> ASGIApp | None:
        if not _is_loopback(f"//{headers.get('host', '')}"):
            return problem(HTTPStatus.MISDIRECTED_REQUEST, "this server answers on loopback names only")
        origin = headers.get("origin")
        if origin is not None and not _is_loopback(origin):
            return problem(HTTPStatus.FORBIDDEN, f"requests from pages of {origin} are refused")
        if path in _OPEN_PATHS or self._has_key(headers.get("authorization", "")):
            return None
        detail = "send `Authorization: Bearer <key>` with the key in the data directory's admin.key"
        return problem(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": 'Bearer realm="faceline"'})

    def _has_key(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        return (
            scheme.lower() == "bearer" and bool(self._key) and secrets.compare_digest(given.strip().encode(), self._key)
        )


def _is_loopback(url: str) -> bool:
    try:
        return urlsplit(url).hostname in _LOOPBACK
    except ValueError:
        return False
