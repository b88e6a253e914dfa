"""Errors over HTTP, as RFC 9457 problem documents."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse

from faceline.errors import ConflictError, FacelineError, InputError, NotFoundError, QuotaError, UsageError

_STATUS: tuple[tuple[type[FacelineError], HTTPStatus], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (QuotaError, HTTPStatus.CONFLICT),
    (InputError, HTTPStatus.BAD_REQUEST),
    (UsageError, HTTPStatus.BAD_REQUEST),
    (FacelineError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def problem(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """application/problem+json with type, title, status and detail."""
    document = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return JSONResponse(document, status.value, headers=headers, media_type="application/problem+json")


async def faceline_error(request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for our errors."""
    assert isinstance(error, FacelineError)
    return problem(next(status for kind, status in _STATUS if isinstance(error, kind)), str(error))


async def http_error(request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for its own HTTPException: unknown paths and methods."""
    status = HTTPStatus(getattr(error, "status_code", 500))
    detail = f"{request.method} {request.url.path}: {getattr(error, 'detail', status.phrase)}"
    return problem(status, detail, dict(getattr(error, "headers", None) or {}))


async def gone(request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for clients that leave within an upload: nobody reads this, but it is no failure of ours."""
    return problem(HTTPStatus.BAD_REQUEST, f"{request.url.path}: the upload broke off")
