"""`POST /`: takes requests in, as many as there is room for, and has threads answer them."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from faceline.app import App
from faceline.loading import worker_count
from faceline.rekognition.errors import WireError
from faceline.rekognition.operations import OPERATIONS
from faceline.rekognition.signing import Head
from faceline.rekognition.wire import CONTENT_TYPE, Answer, Wire, operation_name, refusal, within

_LIGHT_THREADS = 4
_ENVELOPE_BYTES = 200_000  # of a request beyond its images
_BYTES_IN_HAND = 256_000_000
_BODY_S = 30.0  # a body that takes longer only keeps others out


class Room:
    """How many requests, and bytes of them, may be in the house. Those that find no room are told to come again."""

    def __init__(self, requests: int, total_bytes: int) -> None:
        self._requests, self._bytes = requests, total_bytes
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, size_bytes: int) -> Iterator[bool]:
        """Whether there is room; it is given back on leaving."""
        with self._lock:
            fits = self._requests > 0 and self._bytes >= size_bytes
            if fits:
                self._requests, self._bytes = self._requests - 1, self._bytes - size_bytes
        try:
            yield fits
        finally:
            if fits:
                with self._lock:
                    self._requests, self._bytes = self._requests + 1, self._bytes + size_bytes


class Endpoint:
    """The networks run in as many threads as there are cores; what needs none does not wait behind them."""

    def __init__(self, app: App, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._wire = Wire(app, now)
        # Two images, in base64.
        self._max_bytes = app.settings.quota_image_bytes * 8 // 3 + _ENVELOPE_BYTES
        self._room = Room(app.settings.max_requests, max(_BYTES_IN_HAND, self._max_bytes))
        self._heavy = ThreadPoolExecutor(worker_count(app.settings), "rekognition")
        self._light = ThreadPoolExecutor(_LIGHT_THREADS, "rekognition-light")

    def close(self) -> None:
        """Waits for the requests in hand."""
        self._heavy.shutdown()
        self._light.shutdown()

    async def answer(self, http: HttpRequest) -> Response:
        """Starlette's endpoint."""
        head = _head(http)
        operation = OPERATIONS.get(operation_name(head))
        try:
            self._wire.admit(head)  # before there is room for it: who has no key keeps nobody out
            with self._room.taken(self._size(http)) as fits:
                body = await self._received(http, fits)
                pool = self._heavy if operation and operation.infers else self._light
                answer = await asyncio.get_running_loop().run_in_executor(pool, self._wire.answer, head, body)
                return _response(answer)
        except WireError as error:
            with suppress(TimeoutError):
                async with asyncio.timeout(_BODY_S):
                    await _drained(http, self._max_bytes)
            return _response(refusal(within(operation, error) if operation else error))

    async def _received(self, http: HttpRequest, fits: bool) -> bytes:
        """The body. Raises WireError, with the rest of it unread."""
        if not fits:
            raise WireError("ThrottlingException", "too many requests at once; try again after a while")
        try:
            async with asyncio.timeout(_BODY_S):
                return await _read(http, self._max_bytes)
        except TimeoutError as error:
            raise WireError("SerializationException", f"the body was not there within {_BODY_S} seconds") from error

    def _size(self, http: HttpRequest) -> int:
        """Of the body, as far as it will be read; of a client that does not say how much it sends, the most."""
        said = http.headers.get("content-length", "")
        return min(int(said), self._max_bytes) if re.fullmatch("[0-9]{1,18}", said) else self._max_bytes


async def _read(http: HttpRequest, max_bytes: int) -> bytes:
    """The body. Raises WireError, the rest unread, when it has more than `max_bytes`."""
    parts, size = [], 0
    async for chunk in http.stream():
        size += len(chunk)
        if size > max_bytes:
            limit = f"the request has more than {max_bytes:,} bytes; send a smaller image, or name it as S3Object"
            raise WireError("ImageTooLargeException", limit)
        parts.append(chunk)
    return b"".join(parts)


async def _drained(http: HttpRequest, max_bytes: int) -> None:
    """Reads the rest of the body away, within reason: clients listen only once they have sent it."""
    size = 0
    while size < max_bytes:
        message = await http.receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return


def _head(http: HttpRequest) -> Head:
    scope = http.scope
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    path = scope.get("raw_path") or scope["path"].encode()
    return Head(http.method, path.decode("latin-1"), scope["query_string"].decode("latin-1"), headers)


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, {"x-amzn-RequestId": answer.request_id}, media_type=CONTENT_TYPE)
