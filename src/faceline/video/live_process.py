"""The process that reads a live source, from outside. Its request goes through a pipe: command lines are public."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from faceline.video import process as clips
from faceline.video.live_request import LiveRequest
from faceline.video.process import DecoderProcess

PROGRAM = (sys.executable, "-P", "-m", "faceline.video.live")
_PIPE_BYTES = 2**20


@contextmanager
def live_process(request: LiveRequest, timeout_s: float) -> Iterator[DecoderProcess]:
    """timeout_s: how long it may say nothing. Another thread may kill it, and the one that listens gets GoneError."""
    process = subprocess.Popen(  # noqa: S603
        PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clips.environment(),
        bufsize=0, pipesize=_PIPE_BYTES, process_group=0,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout:
        try:
            with suppress(BrokenPipeError), process.stdin:  # one that is gone already is noticed by who listens
                process.stdin.write(request.text().encode())
            yield DecoderProcess(process, process.stdout.fileno(), timeout_s)
        finally:
            process.kill()
            process.wait()
