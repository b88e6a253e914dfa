"""What can be asked over HTTP: each operation's parameters, body, answer, scope and errors, and its endpoint.

The routes and the OpenAPI document are both made of these, so that they cannot disagree.
"""

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Any

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from faceline.api_keys import ApiScope, Caller
from faceline.app import App
from faceline.errors import UsageError
from faceline.loading import worker_count
from faceline.web.problems import problem
from faceline.web.uploads import IN_MEMORY, received

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_MAX_JSON_BYTES = 1_000_000


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of parameters: those that the path names, and those of the query."""


class Nothing(Asked, frozen=True):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class Upload:
    """The body is one file. max_bytes: the setting that limits it."""

    max_bytes: str = "max_upload_bytes"


@dataclass(frozen=True, slots=True)
class Media:
    """The answer is of this media type, and no JSON."""

    kind: str


@dataclass(frozen=True, slots=True)
class Call:
    """What an operation works with. body: a struct, or the open file of an `Upload`, at its beginning."""

    app: App
    caller: Caller
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def by(self) -> str:
        """Who asks, as journals say it."""
        return f"page:{self.caller.name}"


@dataclass(frozen=True, slots=True)
class Operation:
    """run: gets the call and the parameters, in a thread; gives what `answer` says, or a Response of that kind.

    answer: a type that msgspec encodes, Media, or None for 204. errors: statuses beside those that every operation
    has. infers: the networks run, so that only so many are worked on at a time as there are cores. tag: the heading
    in the documentation.
    """

    method: str
    path: str
    summary: str
    tag: str
    run: Callable[[Call, Any], Any]
    asked: type[Asked] = Nothing
    body: Any = None
    answer: Any = None
    scope: ApiScope = ApiScope.READ
    status: HTTPStatus = HTTPStatus.OK
    errors: Sequence[HTTPStatus] = ()
    infers: bool = False

    @property
    def parameters_in_path(self) -> list[str]:
        return _PARAMETER.findall(self.path)


def routes(operations: Sequence[Operation], app: App) -> list[Route]:
    inferring = anyio.CapacityLimiter(worker_count(app.settings))
    return [Route(each.path, _Endpoint(each, app, inferring).answer, methods=[each.method]) for each in operations]


class _Endpoint:
    def __init__(self, operation: Operation, app: App, inferring: anyio.CapacityLimiter) -> None:
        self._operation, self._app = operation, app
        self._limiter = inferring if operation.infers else None

    async def answer(self, request: Request) -> Response:
        """Starlette's endpoint."""
        operation, caller = self._operation, request.state.caller
        if not caller.scope.covers(operation.scope):
            detail = f"this needs a key of scope {operation.scope}; {caller.name} has {caller.scope}"
            return problem(HTTPStatus.FORBIDDEN, detail)
        asked = _asked(operation, request)
        if isinstance(operation.body, Upload):
            return await self._with_file(request, caller, asked)
        body = await _document(request, operation.body) if operation.body is not None else None
        return await self._run(Call(self._app, caller, body, dict(request.headers)), asked)

    async def _with_file(self, request: Request, caller: Caller, asked: Asked) -> Response:
        limit = getattr(self._app.settings, self._operation.body.max_bytes)
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
            if not await received(request, file, limit):
                return too_large(limit, self._operation.body.max_bytes)
            return await self._run(Call(self._app, caller, file, dict(request.headers)), asked)

    async def _run(self, call: Call, asked: Asked) -> Response:
        answer = await anyio.to_thread.run_sync(self._operation.run, call, asked, limiter=self._limiter)
        if isinstance(answer, Response):
            return answer
        if answer is None:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        headers = {"Cache-Control": "no-store"}  # what is said of people stays in no cache
        return Response(msgspec.json.encode(answer), self._operation.status, headers, "application/json")


def too_large(limit: int, setting: str) -> Response:
    detail = f"the body has more than {limit} bytes; raise {setting}, or send a smaller file"
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, {"Connection": "close"})


def whole(file: IO[bytes]) -> bytes:
    """All of an uploaded file."""
    file.seek(0)
    return file.read()


def _asked(operation: Operation, request: Request) -> Asked:
    try:
        return msgspec.convert({**request.query_params, **request.path_params}, operation.asked, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{request.url.path}: {error}") from error


async def _document(request: Request, kind: Any) -> Any:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_JSON_BYTES:
            raise UsageError(f"{request.url.path}: a JSON body has at most {_MAX_JSON_BYTES} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{request.url.path}: the body is not as expected: {error}") from error
