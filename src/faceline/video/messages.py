"""What a decoder process says, over a pipe: a fixed head, then as many bytes as the head says.

Nothing is unpickled or evaluated, and the reading side checks every number, for the writing side decodes hostile files.
"""

import json
import os
import struct
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

from faceline.errors import InputError

MAGIC = b"FLV1"
HEAD = struct.Struct("<4sBI")  # magic, kind, length of the body in bytes; a frame's pixels follow its body
_FRAME = struct.Struct("<IIIIIBBdQ")
_MAX_BODY = 65_536
_MAX_SIDE = 2**16
_MAX_NAME = 100


class Kind(IntEnum):
    INFO = 1  # first, once
    FRAME = 2
    ALIVE = 3  # between frames that are far apart
    ERROR = 4  # last: a Failure
    END = 5  # last


class Reason(IntEnum):
    UNUSABLE = 1
    LIMIT = 2
    DAMAGED = 3
    NO_READER = 4  # PyAV is missing


class GarbledError(InputError):
    """Bytes that no decoder of ours would send."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a decoder is to do. per_second, at_most: None for every frame; the rest as in `videos.VideoLimits`."""

    per_second: float | None
    at_most: int | None
    max_pixels: int
    decode_pixels: int
    max_duration_s: float
    memory_mb: int
    cpu_s: int
    threads: int

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of_text(cls, text: str) -> "Request":
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Info:
    """width, height: as stored, with square pixels. turns: quarter turns clockwise that make it upright.

    codec, container: as FFmpeg names them.
    """

    width: int
    height: int
    turns: int
    mirrored: bool
    duration_s: float | None
    fps: float | None
    frames: int | None
    codec: str | None = None
    container: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class FrameHead:
    """width, height: of the pixels that follow, before turning. full_*: of the clip. stride: bytes from row to row.

    mirrored: left and right are to be exchanged after the `turns` quarter turns clockwise.
    """

    width: int
    height: int
    full_width: int
    full_height: int
    stride: int
    turns: int
    mirrored: bool
    time_s: float
    number: int

    def pack(self) -> bytes:
        sizes = self.width, self.height, self.full_width, self.full_height, self.stride
        return _packed(Kind.FRAME, _FRAME.pack(*sizes, self.turns, self.mirrored, self.time_s, self.number))


def pack(kind: Kind, content: Info | Failure | None = None) -> bytes:
    """A whole message of any kind but FRAME."""
    body = b"" if content is None else json.dumps(asdict(content)).encode()
    return _packed(kind, body)


def _packed(kind: Kind, body: bytes) -> bytes:
    return HEAD.pack(MAGIC, kind, len(body)) + body


def write(out: int, data: bytes | memoryview) -> None:
    """All of it, waiting while the other side has no time for it. Raises BrokenPipeError when nobody listens."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(out, rest) :]


def head(data: bytes) -> tuple[Kind, int]:
    """Kind and length of the body. Raises GarbledError."""
    magic, kind, length = HEAD.unpack(data)
    if magic != MAGIC or kind not in set(Kind) or length > _MAX_BODY:
        raise GarbledError(f"{data[:16]!r} is no message")
    return Kind(kind), length


def frame_head(body: bytes, max_pixels: int) -> FrameHead:
    """Raises GarbledError for a body of the wrong length and for sizes that no frame has."""
    if len(body) != _FRAME.size:
        raise GarbledError(f"a frame's head has {len(body)} bytes")
    width, height, full_width, full_height, stride, turns, mirrored, time_s, number = _FRAME.unpack(body)
    sound = 0 < width <= full_width <= _MAX_SIDE and 0 < height <= full_height <= _MAX_SIDE
    if not (sound and width * height <= max_pixels and 3 * width <= stride <= 3 * width + 4096 and turns < 4):
        raise GarbledError(f"a frame claims {width} × {height} pixels in rows of {stride} bytes")
    if not 0 <= time_s < 1e9:
        raise GarbledError(f"a frame claims the time {time_s}")
    return FrameHead(width, height, full_width, full_height, stride, turns, bool(mirrored), time_s, number)


def info(body: bytes) -> Info:
    """Raises GarbledError."""
    fields = _fields(body)
    try:
        found = Info(**fields)
        numbers = [found.width, found.height, found.turns, found.duration_s or 0, found.fps or 0, found.frames or 0]
        names = [found.codec or "", found.container or ""]
        sound = all(len(name) <= _MAX_NAME and name.isascii() and name.isprintable() for name in names)
        if sound and all(0 <= float(number) < 1e12 for number in numbers):
            return found
    except (AttributeError, TypeError, ValueError) as error:
        raise GarbledError(f"{fields} describes no clip") from error
    raise GarbledError(f"{fields} describes no clip")


def failure(body: bytes) -> Failure:
    """Raises GarbledError."""
    fields = _fields(body)
    try:
        return Failure(Reason(fields["reason"]), str(fields["text"])[:500])
    except (KeyError, ValueError) as error:
        raise GarbledError(f"{fields} is no reason") from error


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise GarbledError(f"{body[:16]!r} is no message") from error
    if not isinstance(fields, dict):
        raise GarbledError(f"{body[:16]!r} is no message")
    return fields
