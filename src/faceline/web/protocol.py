"""What uvicorn leaves open: how large the head of a request may be, and how long a client may take to send it."""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from faceline.web.problems import problem

MAX_HEAD_BYTES = 65_536  # of the request line and all headers
_HEAD_S = 15.0
_LAST_S = 1.0  # what still comes is read away for so long, or the client might lose the answer with the connection


class BoundedProtocol(HttpToolsProtocol):
    """Answers 431 to a head that is too large, and closes connections on which nothing is answered and no head was
    complete for a while. Between two requests uvicorn's own timeout, which is shorter, holds.
    """

    _in_head = True
    _head_bytes = 0
    _refused = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        while data and not self._refused and not self.transport.is_closing():
            # In a head no more is parsed than it may have: once all of that is read, it is complete or too large.
            room = MAX_HEAD_BYTES - self._head_bytes if self._in_head else len(data)
            piece, data = data[:room], data[room:]
            self._head_bytes += len(piece) if self._in_head else 0
            super().data_received(piece)
            if self._in_head and self._head_bytes >= MAX_HEAD_BYTES:
                self._refuse()
        self._wait()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _wait(self) -> None:
        if self._deadline is None and not self._answers() and not self.transport.is_closing():
            self._deadline = self.loop.call_later(_HEAD_S, self._too_late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _answers(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _too_late(self) -> None:
        self._deadline = None
        if not self._answers():
            self.transport.close()

    def _refuse(self) -> None:
        self._refused = True
        if not self._answers():  # else this would stand amid the answer to the request before
            self.transport.write(_too_large())
        self.loop.call_later(_LAST_S, self.transport.close)


def _too_large() -> bytes:
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    body = bytes(problem(status, f"a request's line and headers have at most {MAX_HEAD_BYTES} bytes together").body)
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/problem+json\r\nconnection: close\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
