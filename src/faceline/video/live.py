"""The process that reads a live source: `python -P -m faceline.video.live`, a LiveRequest on 0, messages on 1.

It gives up what the reader of clips gives up (`video.reader`), but for processor time, since a camera never ends; and
connections: once the source is open, nothing else can be opened.
"""

import os
import resource

from faceline.limited import limit, private_output
from faceline.video.live_request import LiveRequest
from faceline.video.messages import Failure, Kind, Reason, pack, write

_REQUEST = 0
_MOST_BYTES = 65_536


def main() -> None:
    """Ends without an error's status when everything was said, also when that is an error."""
    request = LiveRequest.of_text(_asked())
    out = private_output()
    limit(resource.RLIMIT_AS, request.memory_mb * 2**20)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_CORE, 0)
    try:
        write(out, _said(out, request))
    except BrokenPipeError:
        return  # nobody listens any more


def _asked() -> str:
    text = b""
    while more := os.read(_REQUEST, _MOST_BYTES):
        text += more
    return text.decode()


def _said(out: int, request: LiveRequest) -> bytes:
    """Sends every message but the last one, which it returns."""
    try:
        from faceline.video.live_decoding import stream  # noqa: PLC0415 - PyAV, under the limits
    except ImportError as error:
        return pack(Kind.ERROR, Failure(Reason.NO_READER, str(error)))
    try:
        return stream(out, request)
    except MemoryError:
        text = f"needs more than {request.memory_mb:,} MB to decode; ask the camera for less, or raise video_memory_mb"
        return pack(Kind.ERROR, Failure(Reason.LIMIT, text))


if __name__ == "__main__":
    main()
