"""Lambda's runtime API on loopback, so that the real runtime interface client runs our handlers in their own process.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_ROOT = "/2018-06-01/runtime"
_START_S = 60.0
ACCOUNT = "000000000000"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function returned, or with `failed` the error that the runtime client made of what it raised.

    took_s: from when the process was given the event.
    """

    payload: Any
    failed: bool
    took_s: float


@dataclass(frozen=True, slots=True)
class _Asked:
    event: Any
    timeout_s: float
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    answers: "queue.Queue[Answer]" = field(default_factory=queue.Queue)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a process that was killed hangs up in mid-question
            super().handle_error(request, client_address)


class Function:
    """A function's process. Events are given to it one after the other, whoever asks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None
        self.ready_s = 0.0  # from the start of the process to its first question for an event
        self.init_error: Any = None
        self.ended = threading.Event()
        self._ready = threading.Event()
        self._waiting: queue.Queue[_Asked] = queue.Queue()
        self._given: dict[str, tuple[_Asked, float]] = {}
        self._server = _Server(("127.0.0.1", 0), self._requests())
        self._started = 0.0

    @property
    def address(self) -> str:
        """host:port, as `AWS_LAMBDA_RUNTIME_API` says it."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def invoke(self, event: Any, timeout_s: float = 30.0) -> Answer:
        """timeout_s: what the function is told that it has; nobody ends it then. Raises RuntimeError when it died."""
        asked = _Asked(event, timeout_s)
        self._waiting.put(asked)
        return self._awaited(asked)

    def await_ready(self) -> None:
        """Until the process asks for its first event. Raises RuntimeError when it does not get there."""
        deadline = time.monotonic() + _START_S
        while not self._ready.wait(0.05):
            if self.init_error or not self._lives() or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start: {self.init_error}")

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self._started = time.perf_counter()
        with log.open("wb") as stream:
            self.process = subprocess.Popen(command, env=dict(environment), stdout=stream, stderr=stream)

    def stop(self) -> None:
        self.ended.set()
        if self.process:
            self.process.kill()
            self.process.wait(10)
        self._server.shutdown()
        self._server.server_close()

    def _lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _awaited(self, asked: _Asked) -> Answer:
        while True:
            try:
                return asked.answers.get(timeout=0.05)
            except queue.Empty:
                if not self._lives():
                    raise RuntimeError(f"{self.name} died before it answered: {self.init_error}") from None

    def _next(self) -> _Asked | None:
        if not self._ready.is_set():
            self.ready_s = time.perf_counter() - self._started
            self._ready.set()
        while not self.ended.is_set():
            try:
                asked = self._waiting.get(timeout=0.05)
            except queue.Empty:
                continue
            self._given[asked.request_id] = (asked, time.perf_counter())
            return asked
        return None

    def _answer(self, request_id: str, body: bytes, failed: bool) -> None:
        asked, given = self._given.pop(request_id)
        asked.answers.put(Answer(json.loads(body or b"null"), failed, time.perf_counter() - given))

    def _requests(function) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (the handler inside has a self of its own)
        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked = function._next()
                if asked is None:
                    return
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", asked.request_id)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(round((time.time() + asked.timeout_s) * 1000)))
                arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function.name}"
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
                self.send_header("Content-Type", "application/json")
                self._end(json.dumps(asked.event).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == f"{_ROOT}/init/error":
                    function.init_error = json.loads(body)
                else:
                    _, _, _, _, request_id, kind = self.path.split("/")
                    function._answer(request_id, body, kind == "error")
                self.send_response(202)
                self._end(b"{}")

            def _end(self, body: bytes) -> None:
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its own name)
                pass

        return Requests


@contextmanager
def running(
    handler: str,
    environment: Mapping[str, str],
    folder: Path,
    name: str = "function",
    command: Sequence[str] = (sys.executable, "-m", "awslambdaric"),
) -> Iterator[Function]:
    """A process that waits for events. handler: such as `faceline.lambdas.notify`. environment: beside this process's.

    command: what runs the handler, which follows it. What it prints lies in `<folder>/<name>.log`.
    """
    function = Function(name)
    told = {
        "AWS_LAMBDA_RUNTIME_API": function.address,
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "_HANDLER": handler,
    }
    function.start([*command, handler], {**os.environ, **told, **environment}, folder / f"{name}.log")
    try:
        function.await_ready()
        yield function
    finally:
        function.stop()
