"""Bodies of requests, read with a limit."""

import re
from typing import IO

from starlette.requests import Request

IN_MEMORY = 1_000_000  # bytes of an upload kept in memory before a temporary file takes over


async def received(request: Request, file: IO[bytes], limit: int) -> bool:
    """Writes the body into `file`; False, without reading on, once it is known to have more than `limit` bytes."""
    said = request.headers.get("content-length", "0")
    if re.fullmatch("[0-9]{1,18}", said) and int(said) > limit:
        return False
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            return False
        file.write(chunk)
    file.seek(0)
    return True
