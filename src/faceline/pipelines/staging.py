"""What the first half of workflow 3 leaves for the second: `<stem>/frames.json`, written after the frames."""

import msgspec

from faceline.errors import InputError

MANIFEST = "frames.json"


class StagedVideo(msgspec.Struct, frozen=True):
    """Where a clip came from and what it says of itself. width, height: upright, in pixels."""

    bucket: str
    key: str
    etag: str
    duration_s: float | None
    width: int
    height: int
    fps: float | None


class StagedFrame(msgspec.Struct, frozen=True):
    """key: in the stage bucket. time_s: since the clip's start. number: from 0, counting also frames not sampled."""

    key: str
    time_s: float
    number: int


class StagedClip(msgspec.Struct, frozen=True):
    """error: what ended the clip early, if anything did."""

    video: StagedVideo
    frames: list[StagedFrame]
    error: str | None = None

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


def read_staged(data: bytes, key: str) -> StagedClip:
    """Raises InputError when it is no such list of frames."""
    try:
        return msgspec.json.decode(data, type=StagedClip)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{key} is no list of a clip's frames ({error}); upload the clip again") from error
