"""One HTTP request that is over in time, whatever the other side does.

httpx bounds each read, so that a server that says a byte a second, or `100 Continue` for ever, is never late; and
nothing bounds the look-up of a name. So the request runs in a thread of its own, which is left when its time is over.
"""

import contextlib
import socket
import threading
from typing import Any

import httpx


class Exchange:
    """request: without extensions. Its answer's body is not read, and its connection is not used again."""

    def __init__(self, client: httpx.Client, request: httpx.Request) -> None:
        self._client, self._request = client, request
        self._answer: httpx.Response | None = None
        self._error: Exception | None = None
        self._late = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        request.extensions = {**request.extensions, "trace": self._trace}

    def answer(self, timeout_s: float) -> httpx.Response:
        """Status and headers. Raises TimeoutError, and what httpx raises."""
        thread = threading.Thread(target=self._run, name="webhook", daemon=True)  # a look-up cannot be ended
        thread.start()
        thread.join(timeout_s)
        if self._answer:
            return self._answer
        if self._error:
            raise self._error
        self._end()
        raise TimeoutError

    def _run(self) -> None:
        try:
            answer = self._client.send(self._request, stream=True)
            answer.close()
            self._answer = answer
        except Exception as error:  # noqa: BLE001 (raised in the thread that waits)
            self._error = error

    def _end(self) -> None:
        with self._lock:
            self._late = True
            if self._socket:
                _shut(self._socket)

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        """https://www.python-httpx.org/advanced/extensions/#trace; the way to the socket, also behind a proxy."""
        with self._lock:
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                self._socket = info["return_value"].get_extra_info("socket")
            if self._late:
                raise httpx.ConnectTimeout("nobody waits for the answer any more")


def _shut(connection: socket.socket) -> None:
    """Wakes the thread that reads from it. Of TLS too, which need not say goodbye."""
    with contextlib.suppress(OSError):  # closed, or taken over by TLS meanwhile
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
