"""Errors over HTTP, as RFC 9457 problem documents."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match

from faceline.errors import ConflictError, FacelineError, InputError, NoFaceError, NotFoundError, QuotaError, UsageError
from faceline.telemetry import request_id

_STATUS: tuple[tuple[type[FacelineError], HTTPStatus], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (QuotaError, HTTPStatus.CONFLICT),
    (NoFaceError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InputError, HTTPStatus.BAD_REQUEST),
    (UsageError, HTTPStatus.BAD_REQUEST),
    (FacelineError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def problem(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """application/problem+json with type, title, status and detail, and in `instance` the request's id."""
    document = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    if request_id():
        document["instance"] = f"urn:faceline:request:{request_id()}"
    return JSONResponse(document, status.value, headers=headers, media_type="application/problem+json")


async def faceline_error(request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for our errors."""
    assert isinstance(error, FacelineError)
    return problem(next(status for kind, status in _STATUS if isinstance(error, kind)), str(error))


async def http_error(request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for its own HTTPException: unknown paths and methods."""
    status = HTTPStatus(getattr(error, "status_code", 500))
    detail = f"{request.method} {request.url.path}: {getattr(error, 'detail', status.phrase)}"
    headers = dict(getattr(error, "headers", None) or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    return problem(status, detail, headers)


def _methods(request: Request) -> list[str]:
    """What the path knows: each method may have a route of its own, of which Starlette names one. Of `/a/{b}` and
    `/a/list`, the latter counts.
    """
    found = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    nearest = min((route.path for route in found), key=lambda path: path.count("{"), default="")
    return sorted({method for route in found if route.path == nearest for method in getattr(route, "methods", ())})


async def gone(request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for clients that leave within an upload: nobody reads this, but it is no failure of ours."""
    return problem(HTTPStatus.BAD_REQUEST, f"{request.url.path}: the upload broke off")
