"""Who is told in tests: an HTTP server that verifies what it gets and fails as it is told, and mosquitto."""

import json
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Answer = Callable[[int], int | str]


@dataclass
class Receiver:
    """answer: by the number of a request, from 0, the status; or `reset`, `silent`. With `taken:` before one of these
    the event is taken first, as by a server whose answer is lost.

    taken: how often each message was taken, by its id. events: by id, what came first.
    """

    url: str = ""
    answer: Answer = lambda number: 204
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, headers: dict[str, str], body: bytes) -> int | str:
        Webhook(SECRET).verify(body, headers)
        with _LOCK:
            number = len(self.requests)
            self.requests.append(headers)
            self.bodies.append(body)
            answer = self.answer(number)
            if answer == 204 or str(answer).startswith("taken:"):
                self.taken[headers["webhook-id"]] += 1
                self.events.setdefault(headers["webhook-id"], json.loads(body))
        said = str(answer).removeprefix("taken:")
        return int(said) if said.isdigit() else said


_LOCK = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
        if answer == "silent":
            time.sleep(0.6)
        if isinstance(answer, str):
            self.close_connection = True
            linger = struct.pack("ii", 1, 0)  # a reset instead of an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            return
        self.send_response(answer)
        for name, value in receiver.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Tests say what matters."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """The connections that we broke."""


@contextmanager
def receiving(answer: Answer = lambda number: 204, headers: dict[str, str] | None = None) -> Iterator[Receiver]:
    server = _Server(("127.0.0.1", 0), _Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook", answer, headers or {})
    server.receiver = receiver  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def dripping(sent: Sequence[bytes]) -> Iterator[tuple[str, threading.Event]]:
    """A server that answers one request with these bytes, the last of them again every 50 ms until the client goes.

    Yields its url, and an event that is set when the client has gone.
    """
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            for number in range(400):
                try:
                    connection.sendall(sent[min(number, len(sent) - 1)])
                except OSError:
                    ended.set()
                    return
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook", ended
        thread.join()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def mosquitto() -> str:
    """The broker's program. A test without it is skipped, but fails in CI."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found:
        return found
    if os.environ.get("FACELINE_NO_SKIPS"):
        pytest.fail("mosquitto is not installed; in CI this is a failure")
    pytest.skip("mosquitto is not installed")


@contextmanager
def broker(folder: Path, port: int, user: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """user: `name:password` that is needed; empty: anybody may."""
    lines = [
        f"listener {port} 127.0.0.1",
        f"allow_anonymous {'false' if user else 'true'}",
        "persistence false",
        "user root",
    ]
    if user:
        passwords = folder / "passwords"
        passwords.write_text(f"{user}\n")
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
        passwords.chmod(0o644)
        lines.append(f"password_file {passwords}")
    config = folder / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    process = subprocess.Popen([mosquitto(), "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the broker did not start")
