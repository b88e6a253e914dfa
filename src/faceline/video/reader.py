"""The decoder process: `python -P -m faceline.video.reader REQUEST`, the clip on descriptor 0, messages on 1.

Before it looks at the clip it gives up what it does not need: memory over the limit, writing files, core dumps, and,
once the clip is open, opening any file or socket at all. Where the system does not enforce one of these (macOS: memory)
the limits on pixels and time remain.
"""

import resource
import sys

from faceline.limited import limit, private_output
from faceline.video.messages import Failure, Kind, Reason, Request, pack, write

_CLIP, _MESSAGES = 0, 1


def main() -> None:
    """Ends without an error's status when everything was said, also when that is an error."""
    request = Request.of_text(sys.argv[1])
    out = private_output()
    _give_up(request)
    try:
        write(out, _said(out, request))
    except BrokenPipeError:
        return  # nobody listens any more


def _said(out: int, request: Request) -> bytes:
    """Sends every message but the last one, which it returns."""
    try:
        from faceline.video.streaming import stream  # noqa: PLC0415 - PyAV, under the limits
    except ModuleNotFoundError as error:
        return pack(Kind.ERROR, Failure(Reason.NO_READER, str(error)))
    except ImportError as error:  # its libraries find no room, or are broken
        text = f"PyAV cannot be loaded with {request.memory_mb:,} MB ({error}); raise video_memory_mb"
        return pack(Kind.ERROR, Failure(Reason.LIMIT, text))
    try:
        return stream(out, _CLIP, request)
    except MemoryError:
        text = f"needs more than {request.memory_mb:,} MB to decode; scale it down, or raise video_memory_mb"
        return pack(Kind.ERROR, Failure(Reason.LIMIT, text))


def _give_up(request: Request) -> None:
    limit(resource.RLIMIT_AS, request.memory_mb * 2**20)
    limit(resource.RLIMIT_CPU, request.cpu_s)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_CORE, 0)


if __name__ == "__main__":
    main()
