"""What can be asked over HTTP: each operation's parameters, body, answer, scope and errors, and its endpoint.

The routes and the OpenAPI document are both made of these, so that they cannot disagree.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
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
from faceline.web.lanes import Lane, Work, lanes
from faceline.web.problems import problem
from faceline.web.uploads import json_document, one_file, several_files

MAX_TEXT = 1_024  # characters of a parameter, as object keys have


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of parameters: those that the path names, and those of the query."""


class Nothing(Asked, frozen=True):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class Upload:
    """The body is one file. max_bytes: the setting that limits it."""

    max_bytes: str = "max_upload_bytes"


@dataclass(frozen=True, slots=True)
class Files:
    """The body is multipart/form-data with one file of each name. max_bytes: the setting that limits each."""

    names: tuple[str, ...]
    max_bytes: str = "max_upload_bytes"


@dataclass(frozen=True, slots=True)
class Media:
    """The answer is of this media type, and no JSON. also: statuses that say less of it, or that it did not change."""

    kind: str
    also: tuple[HTTPStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """What an operation works with. body: a struct, the open file of an `Upload` at its beginning, or those of `Files`
    by their names.
    """

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
    has. work: what takes a core for a while, so that only so many are worked on at a time. tag: the heading in the
    documentation.
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
    work: Work | None = None

    @property
    def operation_id(self) -> str:
        return self.run.__name__


def routes(operations: Sequence[Operation], app: App) -> list[Route]:
    lane = lanes(app)
    found = [(each, lane[each.work] if each.work else None) for each in operations]
    return [Route(each.path, _Endpoint(each, app, its).answer, methods=[each.method]) for each, its in found]


class _Endpoint:
    def __init__(self, operation: Operation, app: App, lane: Lane | None) -> None:
        self._operation, self._app, self._lane = operation, app, lane

    async def answer(self, request: Request) -> Response:
        """Starlette's endpoint."""
        operation, caller = self._operation, request.state.caller
        if not caller.scope.covers(operation.scope):
            detail = f"this needs a key of scope {operation.scope}; {caller.name} has {caller.scope}"
            return problem(HTTPStatus.FORBIDDEN, detail)
        asked = _asked(operation, request)
        if self._lane:
            self._lane.check()  # before its file comes for nothing
        async with self._body(request) as body:
            return await self._run(request, Call(self._app, caller, body, dict(request.headers)), asked)

    @asynccontextmanager
    async def _body(self, request: Request) -> AsyncIterator[Any]:
        match self._operation.body:
            case None:
                yield None
            case Upload(setting):
                async with one_file(request, getattr(self._app.settings, setting), setting) as file:
                    yield file
            case Files(names, setting):
                async with several_files(request, names, getattr(self._app.settings, setting), setting) as files:
                    yield files
            case kind:
                yield await json_document(request, kind)

    async def _run(self, request: Request, call: Call, asked: Asked) -> Response:
        work = partial(self._operation.run, call, asked)
        answer = await (self._lane.run(request, work) if self._lane else anyio.to_thread.run_sync(work))
        if isinstance(answer, Response):
            return answer
        if answer is None:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        headers = {"Cache-Control": "no-store"}  # what is said of people stays in no cache
        return Response(msgspec.json.encode(answer), self._operation.status, headers, "application/json")


def whole(file: IO[bytes]) -> bytes:
    """All of an uploaded file."""
    file.seek(0)
    return file.read()


def _asked(operation: Operation, request: Request) -> Asked:
    given, in_path = request.query_params, request.path_params
    doubled = sorted(name for name in given if name in in_path or len(given.getlist(name)) > 1)
    if doubled:
        raise UsageError(f"{request.url.path}: the parameter {doubled[0][:40]!a} is given twice")
    texts = {**given, **in_path}
    unfit = sorted(name for name, text in texts.items() if "\0" in text or len(text) > MAX_TEXT)
    if unfit:
        raise UsageError(f"the parameter {unfit[0][:40]!a} has a NUL character, or more than {MAX_TEXT:,} characters")
    try:
        asked = msgspec.convert(texts, operation.asked, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{request.url.path}: {error}") from error
    if any(getattr(asked, name) is None for name in given):  # msgspec takes the text for nothing
        raise UsageError(f"{request.url.path}: null is no value of a parameter; leave it out")
    return asked
