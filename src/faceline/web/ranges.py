"""Objects by HTTP ranges (RFC 9110, section 14), which browsers need to jump within a video."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus

from starlette.responses import Response, StreamingResponse

from faceline.ports import ObjectInfo, ObjectStore
from faceline.web.problems import problem

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def ranged(objects: ObjectStore, info: ObjectInfo, asked: Mapping[str, str], headers: dict[str, str]) -> Response:
    """The object, or the one part of it that is asked for. asked: the request's headers.

    Several ranges at once, and what is no range of bytes, give the whole, as the RFC allows.
    """
    etag = f'"{info.etag}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff", **headers}
    if etag in asked.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    given = _RANGE.fullmatch(asked.get("range", ""))
    if given is None or asked.get("if-range", etag) != etag or given.groups() == ("", ""):
        return _part(objects, info, range(info.size), headers)
    part = _range(given, info.size)
    if not part:
        refused = {"Content-Range": f"bytes */{info.size}"}
        return problem(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"there are {info.size} bytes", refused)
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{info.size}"
    return _part(objects, info, part, headers, HTTPStatus.PARTIAL_CONTENT)


def _range(given: re.Match[str], size: int) -> range:
    """Empty when no byte of it exists."""
    first, last = given.groups()
    if not first:
        return range(max(size - int(last), 0), size)
    return range(int(first), min(int(last) + 1, size) if last else size)


def _part(
    objects: ObjectStore, info: ObjectInfo, part: range, headers: dict[str, str], status: HTTPStatus = HTTPStatus.OK
) -> Response:
    headers["Content-Length"] = str(len(part))
    return StreamingResponse(_pieces(objects, info, part), status, headers)


def _pieces(objects: ObjectStore, info: ObjectInfo, part: range) -> Iterator[bytes]:
    left = len(part)
    for piece in objects.stream(info.bucket, info.key, part.start):
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return
