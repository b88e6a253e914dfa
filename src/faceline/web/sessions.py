"""Who asks: by a key, or by the cookie of a browser that logged in with one."""

import hashlib
import hmac
import ipaddress
import logging
import secrets
from dataclasses import replace

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import Response

from faceline.api_keys import ApiScope, Caller, digest
from faceline.app import App
from faceline.web.failures import Failures

_log = logging.getLogger("faceline.web.sessions")


class Callers:
    """Knows them, and counts wrong keys. Keys are 256 random bits, found by their hash: a wrong one takes as long as
    any other, and tells nothing.

    admin_key: of which everything else here is made, so that a new one ends all sessions that the old one opened.
    """

    def __init__(self, app: App, admin_key: str) -> None:
        self._app, self._admin = app, digest(admin_key)
        self._seal = hmac.digest(admin_key.encode(), b"faceline sessions", "sha256")
        self._secure = app.settings.public_url.startswith("https:")
        self.failures = Failures()
        # Cookies know no ports: two servers on one machine must not log each other's visitors out.
        self.cookie = f"faceline-session-{self._sealed('name')[:8]}"

    def wait_s(self, request: HTTPConnection, key: str = "") -> int:
        """How long no key may be tried from there, in seconds; 0: now."""
        return self.failures.wait_s(address_of(request), digest(key))

    async def with_key(self, request: HTTPConnection, key: str) -> Caller | None:
        caller = await run_in_threadpool(self._whose, digest(key))
        if caller is None:
            _log.warning("a wrong key came from %s", address_of(request))
            self.failures.failed(address_of(request), digest(key))
        else:
            self.failures.opened(address_of(request), digest(key))
        return caller

    async def with_session(self, request: HTTPConnection) -> Caller | None:
        """Of the request's cookie. One that is none of ours counts as a wrong key; one that is over does not."""
        text = request.cookies.get(self.cookie, "")
        secret, _, seal = text.partition(".")
        if not text:
            return None
        if not hmac.compare_digest(seal.encode(), self._sealed(secret).encode()):
            self.failures.failed(address_of(request))
            return None
        return await run_in_threadpool(self._of_session, secret)

    async def still_known(self, request: HTTPConnection) -> bool:
        """Whether who was let in with this request still would be."""
        key = key_in(request)
        found = run_in_threadpool(self._whose, digest(key)) if key else self.with_session(request)
        return await found is not None

    async def log_in(self, key: str, response: Response) -> None:
        """key: one that somebody has."""
        secret = await run_in_threadpool(self._app.sessions.open, digest(key))
        value = f"{secret}.{self._sealed(secret)}"
        response.set_cookie(self.cookie, value, path="/", secure=self._secure, httponly=True, samesite="strict")

    async def log_out(self, request: HTTPConnection, response: Response) -> None:
        secret = request.cookies.get(self.cookie, "").partition(".")[0]
        await run_in_threadpool(self._app.sessions.close, secret)
        response.delete_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="strict")

    def _whose(self, key_digest: str) -> Caller | None:
        if secrets.compare_digest(key_digest, self._admin):
            return Caller("admin", ApiScope.ADMIN)
        key = self._app.api_keys.find(key_digest)
        return Caller(key.name, key.scope) if key else None

    def _of_session(self, secret: str) -> Caller | None:
        key_digest = self._app.sessions.find(secret)
        caller = self._whose(key_digest) if key_digest else None
        return replace(caller, csrf=self._sealed(f"csrf {secret}")) if caller else None

    def _sealed(self, text: str) -> str:
        return hmac.new(self._seal, text.encode(), hashlib.sha256).hexdigest()


def is_csrf_of(caller: Caller, given: str) -> bool:
    """Whether this is what only the pages of this session know."""
    return bool(caller.csrf) and hmac.compare_digest(given.encode(), caller.csrf.encode())


def key_in(request: HTTPConnection) -> str:
    """What stands behind `Authorization: Bearer`; empty without. Another scheme is a proxy's own sign-in."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def address_of(request: HTTPConnection) -> str:
    """Of the client, as uvicorn knows it. A proxy may have said anything: what is no address is `unknown`."""
    try:
        return str(ipaddress.ip_address(request.client.host if request.client else ""))
    except ValueError:
        return "unknown"
