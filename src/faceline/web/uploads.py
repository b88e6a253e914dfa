"""Bodies of requests, read with a limit."""

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from http import HTTPStatus
from typing import IO, Any

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from faceline.errors import UsageError
from faceline.web.seats import Seats

IN_MEMORY = 65_536  # bytes of an upload kept in memory before a temporary file takes over
_MAX_JSON_BYTES = 1_000_000
_AROUND_PARTS = 10_000  # bytes of a multipart body beside its files
_MOST, _MOST_OF_ONE = 64, 32  # uploads in hand, and of one key
_SILENCE_S = 30.0  # without a byte
_LEAST_BYTES_PER_S = 1_000  # once that time is over


def seats() -> Seats:
    """Of an application, in `state.uploads`."""
    return Seats(_MOST, _MOST_OF_ONE, "uploads")


def in_hand(request: Request) -> AbstractContextManager[None]:
    """From before the first byte of an upload is read until it is no longer needed. Raises HTTPException 503."""
    taken: AbstractContextManager[None] = request.app.state.uploads.taken(getattr(request.state, "caller", None))
    return taken


async def chunks_of(request: Request) -> AsyncGenerator[bytes, None]:
    """The body as it comes. Raises HTTPException 408 when it stops coming, or comes as slowly as nobody's does."""
    stream, started, size = request.stream(), time.monotonic(), 0
    while True:
        left_s = started + _SILENCE_S + size / _LEAST_BYTES_PER_S - time.monotonic()
        try:
            async with asyncio.timeout(min(left_s, _SILENCE_S)):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            detail = f"the body stopped coming, or came too slowly: {size} bytes are here; send it again"
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, detail, {"Connection": "close"}) from error
        if chunk is None:
            return
        size += len(chunk)
        yield chunk


async def body_of(request: Request, max_bytes: int, too_long: str) -> bytes:
    """A small body. too_long: what HTTPException 413 says."""
    body = b""
    with in_hand(request):
        async for chunk in chunks_of(request):
            body += chunk
            if len(body) > max_bytes:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_long, {"Connection": "close"})
    return body


async def received(request: Request, file: IO[bytes], limit: int) -> bool:
    """Writes the body into `file`; False, without reading on, once it is known to have more than `limit` bytes."""
    if _said_bytes(request) > limit:
        return False
    size = 0
    async for chunk in chunks_of(request):
        size += len(chunk)
        if size > limit:
            return False
        file.write(chunk)
    file.seek(0)
    return True


@asynccontextmanager
async def one_file(request: Request, limit: int, setting: str) -> AsyncIterator[IO[bytes]]:
    """The body as an open file, at its beginning. limit: its bytes, of which HTTPException 413 tells. setting: the
    limit's name.
    """
    with in_hand(request), tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        if not await received(request, file, limit):
            raise too_large(limit, setting)
        yield file


@asynccontextmanager
async def several_files(
    request: Request, names: Sequence[str], limit: int, setting: str
) -> AsyncIterator[dict[str, IO[bytes]]]:
    """The files of a multipart/form-data body (RFC 7578) by the names of their parts, open at their beginning.

    limit: bytes of each, of which HTTPException 413 tells. Raises UsageError unless there is exactly one of each name.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise UsageError(f"{request.url.path}: send multipart/form-data with the files {_listed(names)}, not {kind!r}")
    body = _Limited(request, len(names) * limit + _AROUND_PARTS, too_large(limit, setting))
    with in_hand(request):
        form = await _form(request, names, body)
        try:
            files = _files_of(form, names, request.url.path)
            if any((each.size or 0) > limit for each in files.values()):
                raise too_large(limit, setting)
            yield {name: each.file for name, each in files.items()}
        finally:
            await form.close()


async def json_document(request: Request, kind: Any) -> Any:
    """The body as msgspec reads it. Raises UsageError, and HTTPException 413 for more than a megabyte."""
    body = await body_of(request, _MAX_JSON_BYTES, f"a JSON body has at most {_MAX_JSON_BYTES} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{request.url.path}: the body is not as expected: {error}") from error


def too_large(limit: int, setting: str) -> HTTPException:
    detail = f"a file has more than {limit} bytes; raise {setting}, or send a smaller one"
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, {"Connection": "close"})


class _Limited:
    """A request's body, until it has more bytes than it may."""

    def __init__(self, request: Request, limit: int, error: HTTPException) -> None:
        self._request, self._limit, self._error = request, limit, error

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        if _said_bytes(self._request) > self._limit:
            raise self._error
        size = 0
        async for chunk in chunks_of(self._request):
            size += len(chunk)
            if size > self._limit:
                raise self._error
            yield chunk


async def _form(request: Request, names: Sequence[str], body: _Limited) -> FormData:
    parser = MultiPartParser(request.headers, body.chunks(), max_files=len(names), max_fields=0)
    parser.spool_max_size = IN_MEMORY
    try:
        return await parser.parse()
    # UnicodeError: of charsets that are none of the web's.
    except (MultiPartException, UnicodeError) as error:
        detail = getattr(error, "message", str(error))
        said = f"{request.url.path}: the parts cannot be read: {detail} Send the files {_listed(names)}, nothing else"
        raise UsageError(said) from error


def _files_of(form: FormData, names: Sequence[str], path: str) -> dict[str, UploadFile]:
    files = {name: part for name, part in form.multi_items() if isinstance(part, UploadFile)}
    given = [name for name, _ in form.multi_items()]
    if sorted(given) != sorted(names):
        raise UsageError(f"{path}: send the files {_listed(names)}, one part each; there came {_listed(given)}")
    return files


def _said_bytes(request: Request) -> int:
    """What the client says of the body's length; 0 where it does not."""
    said = request.headers.get("content-length", "0")
    return int(said) if re.fullmatch("[0-9]{1,18}", said) else 0


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in names) or "none"
