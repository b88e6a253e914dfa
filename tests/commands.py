"""The command line as tests call it: in this process, which is quick, or as a program, with streams and signals."""

import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

import faceline
from faceline.cli import main

PATIENCE_S = 60.0
_SOURCES = Path(faceline.__file__).parents[1]


@dataclass(frozen=True)
class Result:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be exactly one JSON document."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Cli:
    """Runs `faceline …` in this process and puts back what it changes in it."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object) -> Result:
        logger = logging.getLogger("faceline")
        before = logger.handlers[:], logger.level, logger.propagate
        self.capsys.readouterr()
        try:
            with self.monkeypatch.context() as patch:
                patch.setattr(sys, "argv", ["faceline", *map(str, arguments)])
                code = _exit_code(main)
        finally:
            logger.handlers[:], logger.level, logger.propagate = before
        out, err = self.capsys.readouterr()
        return Result(code, out, err)


def _exit_code(program: Callable[[], None]) -> int:
    try:
        program()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def environment(**settings: str) -> dict[str, str]:
    """Of a program: without the caller's settings but for the models, and with faceline's sources."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FACELINE_")}
    models = {name: os.environ[name] for name in ("FACELINE_MODELS_DIR",) if name in os.environ}
    path = os.pathsep.join([str(_SOURCES), *filter(None, [os.environ.get("PYTHONPATH")])])
    return kept | models | {"PYTHONPATH": path} | settings


def run(folder: Path, *arguments: object, **settings: str) -> Result:
    """`faceline …` as a program in `folder`. settings: FACELINE_… variables and others."""
    done = subprocess.run(
        [sys.executable, "-m", "faceline", *map(str, arguments)],
        cwd=folder,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def wait_until(condition: Callable[[], object], what: str = "it") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


class Up:
    """`faceline up` on a free port, in a process of its own."""

    def __init__(self, data: Path, *arguments: str, **settings: str) -> None:
        self.data = data
        self._streams = [data.with_name(f"{data.name}.{time.monotonic_ns()}.{end}") for end in ("out", "err")]
        with self._streams[0].open("wb") as out, self._streams[1].open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "faceline", "--data", str(data), "up", *(arguments or ("--port", "0"))],
                cwd=data.parent,
                env=environment(**settings),
                stdout=out,
                stderr=err,
            )

    def __enter__(self) -> "Up":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()

    @property
    def out(self) -> str:
        return self._streams[0].read_text()

    @property
    def err(self) -> str:
        return self._streams[1].read_text()

    def ready(self) -> "Up":
        """Waits for the line that it prints when it can be used."""
        wait_until(lambda: "\n" in self.out or self.process.poll() is not None, "the start")
        assert self.process.poll() is None, self.err
        return self

    @property
    def port(self) -> int:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.out)
        assert found, self.out
        return int(found[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        return (self.data / "admin.key").read_text().strip()

    def ask(self, method: str, path: str, body: bytes | None = None, key: str | None = None) -> tuple[int, bytes]:
        """key: instead of the one in admin.key."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        key = key if key is not None else self.key
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {key}"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def records(self, query: str = "") -> list[dict[str, Any]]:
        status, body = self.ask("GET", f"/records{query}")
        assert status == 200, body
        found: list[dict[str, Any]] = json.loads(body)
        return found

    def queue(self) -> dict[str, int]:
        depth: dict[str, int] = json.loads(self.ask("GET", "/readyz")[1])["queue"]
        return depth

    def stop(self) -> int:
        """Tells it to stop; its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)
