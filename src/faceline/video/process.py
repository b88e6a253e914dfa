"""A decoder process from outside: started, listened to with a limit on silence, ended.

It never outlives the `with` that started it, is no zombie afterwards, and leaves no descriptor behind.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from faceline.video.messages import HEAD, Kind, Request, head

PROGRAM = (sys.executable, "-P", "-m", "faceline.video.reader")  # -P: a folder's av.py is not PyAV
_PIPE_BYTES = 2**20
_GRACE_S = 5.0
# What a Python and its libraries need to start. Keys and tokens in other variables are no business of a decoder.
_KEPT = (
    *("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
)


class SilentError(Exception):
    """Nothing came for as long as was allowed."""


class GoneError(Exception):
    """The process ended in the middle of something. The text says how."""


@dataclass(frozen=True)
class DecoderProcess:
    """What comes out of one. Its methods raise SilentError, GoneError, and GarbledError for what is no message."""

    process: subprocess.Popen[bytes]
    pipe: int
    timeout_s: float

    def message(self) -> tuple[Kind, bytes]:
        kind, length = head(self._exactly(HEAD.size))
        return kind, self._exactly(length)

    def fill(self, buffer: memoryview) -> None:
        """The next bytes into all of `buffer`, which is flat."""
        heard_at = time.monotonic()
        poll = select.poll()
        poll.register(self.pipe, select.POLLIN)
        while buffer:
            if not poll.poll(max(heard_at + self.timeout_s - time.monotonic(), 0) * 1000):
                raise SilentError
            count = os.readv(self.pipe, [buffer])
            if count == 0:
                raise GoneError(self._end())
            buffer = buffer[count:]
            heard_at = time.monotonic()

    def _exactly(self, length: int) -> bytes:
        data = bytearray(length)
        self.fill(memoryview(data))
        return bytes(data)

    def _end(self) -> str:
        try:
            status = self.process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            return "closed its output"
        if status == -signal.SIGXCPU:
            return "used up its processor time"
        return f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


@contextmanager
def decoder_process(clip: int, request: Request, timeout_s: float) -> Iterator[DecoderProcess]:
    """clip: an open descriptor of the file. timeout_s: how long it may say nothing while somebody listens."""
    # Its own group: Ctrl-C is for us to handle.
    process = subprocess.Popen(  # noqa: S603
        [*PROGRAM, request.text()], stdin=clip, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(),
        bufsize=0, pipesize=_PIPE_BYTES, process_group=0,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        try:
            yield DecoderProcess(process, process.stdout.fileno(), timeout_s)
        finally:
            process.kill()
            process.wait()


def environment() -> dict[str, str]:
    # Each of glibc's arenas takes address space, which the memory limit counts.
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {"MALLOC_ARENA_MAX": "2"}
