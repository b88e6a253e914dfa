"""Clip → frames, upright and RGB, with their real times.

A clip is decoded in a process of its own (`faceline.video`), under limits on memory, processor time, pixels, duration
and silence, that reads the one file it was handed and opens no other. Only frames that are wanted are converted, which
costs more than decoding.

A damaged clip gives its whole frames, then raises VideoDamagedError. What FFmpeg patched up is never given, nor what
follows it up to the next key frame. H.264 and its like carry no checksum: damage that still decodes goes unnoticed.
Sound, interlacing and HDR brightness are not dealt with; of several video tracks the first counts.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceline.errors import FacelineError, MissingExtraError, VideoDamagedError, VideoError, VideoLimitError
from faceline.types import Frame, Pixels
from faceline.video import messages
from faceline.video.messages import Failure, FrameHead, GarbledError, Kind, Reason, Request
from faceline.video.process import DecoderProcess, GoneError, SilentError, decoder_process


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """What a clip may cost.

    max_pixels: of one frame. decode_pixels: frames come reduced to about so many. memory_mb: address space of the
    decoder process (Linux). cpu_s: its processor time. timeout_s: how long it may be silent. threads: that decode; 0
    for one per core.
    """

    max_bytes: int = 4_000_000_000
    max_pixels: int = 36_000_000
    decode_pixels: int = 16_000_000
    max_duration_s: float = 6 * 3600.0
    memory_mb: int = 1536
    cpu_s: int = 6 * 3600
    timeout_s: float = 30.0
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which frames. per_second: the first frame at or after each multiple of 1/per_second s; None for every frame.

    at_most: decoding ends after so many.
    """

    per_second: float | None = None
    at_most: int | None = None


CLIP_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".flv", ".ogv"),
    *(".wmv", ".3gp"),
)
EVERY_FRAME = Sampling()
FIRST_FRAME = Sampling(at_most=1)


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a clip says of itself; None where it does not say.

    width, height: upright, in square pixels. rotation: degrees clockwise that its stored frames are turned by.
    frames: how many it claims to hold. codec, container: as FFmpeg names them, as in `h264` and `QuickTime / MOV`.
    """

    width: int
    height: int
    duration_s: float | None
    fps: float | None
    frames: int | None
    rotation: int
    codec: str | None = None
    container: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """time_s: since the clip's start. number: from 0 in the order of showing, counting also frames not asked for."""

    frame: Frame
    time_s: float
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """frames: can be gone through once, while the clip is open; raises what `videos.frames` does."""

    info: VideoInfo
    frames: Iterator[VideoFrame]


def is_clip_name(path: Path) -> bool:
    """Whether a walk through a folder should try this file as a clip: by its suffix, and not hidden."""
    return path.suffix.lower() in CLIP_SUFFIXES and not path.name.startswith(".")


def probe(path: Path, limits: VideoLimits) -> VideoInfo:
    """What the clip says of itself, once its first whole frame was decoded. Raises VideoError as `frames` does."""
    with opened(path, limits, Sampling(at_most=0)) as clip:
        return clip.info


def frames(path: Path, limits: VideoLimits, sampling: Sampling = EVERY_FRAME) -> Iterator[VideoFrame]:
    """The sampled frames, in order. Ending early ends the decoding.

    Raises VideoError, naming the path, for what is no video or crashes its decoder; VideoLimitError over a limit;
    VideoDamagedError after the last whole frame of a damaged clip.
    """
    with opened(path, limits, sampling) as clip:
        yield from clip.frames


@contextmanager
def opened(
    path: Path, limits: VideoLimits, sampling: Sampling = EVERY_FRAME, source: str | None = None
) -> Iterator[Clip]:
    """The clip's description and its frames, by one decoder. source: what messages call it, its path unless given.

    Raises as `frames` does.
    """
    name = source or str(path)
    descriptor = _open(path, name)
    try:
        with opened_file(descriptor, limits, sampling, name) as clip:
            yield clip
    finally:
        os.close(descriptor)


@contextmanager
def opened_file(descriptor: int, limits: VideoLimits, sampling: Sampling, source: str) -> Iterator[Clip]:
    """As `opened`, of a file that is open at its start, and stays so.

    Raises as `frames` does.
    """
    _check(os.fstat(descriptor), source, limits)
    request = Request(
        sampling.per_second, sampling.at_most, limits.max_pixels, limits.decode_pixels, limits.max_duration_s,
        limits.memory_mb, limits.cpu_s, limits.threads,
    )  # fmt: skip
    with decoder_process(descriptor, request, limits.timeout_s) as decoder:
        decoded = _Source(source, decoder, limits)
        yield Clip(decoded.info(), decoded.frames())


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    decoder: DecoderProcess
    limits: VideoLimits

    def info(self) -> VideoInfo:
        with self._naming():
            kind, body = self._next()
            if kind is not Kind.INFO:
                raise GarbledError(f"{kind.name} came first")
            said = messages.info(body)
        width, height = (said.height, said.width) if said.turns % 2 else (said.width, said.height)
        return VideoInfo(
            width, height, said.duration_s, said.fps, said.frames, 90 * said.turns, said.codec, said.container
        )  # fmt: skip

    def frames(self) -> Iterator[VideoFrame]:
        while (frame := self._frame()) is not None:
            yield frame

    def _frame(self) -> VideoFrame | None:
        with self._naming():
            kind, body = self._next()
            if kind is Kind.END:
                return None
            if kind is not Kind.FRAME:
                raise GarbledError(f"{kind.name} came among frames")
            return self._received(messages.frame_head(body, self.limits.decode_pixels))

    def _received(self, head: FrameHead) -> VideoFrame:
        rows = np.empty((head.height, head.stride), np.uint8)
        self.decoder.fill(rows.data.cast("B"))
        pixels = rows[:, : 3 * head.width].reshape(head.height, head.width, 3)
        width, height = (head.full_height, head.full_width) if head.turns % 2 else (head.full_width, head.full_height)
        frame = Frame(upright(pixels, head.turns, head.mirrored), width, height, self.name)
        return VideoFrame(frame, head.time_s, head.number)

    def _next(self) -> tuple[Kind, bytes]:
        while True:
            kind, body = self.decoder.message()
            if kind is Kind.ERROR:
                raise error_of(self.name, messages.failure(body), "reading videos")
            if kind is not Kind.ALIVE:
                return kind, body

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Whatever befalls the decoder becomes a VideoError of this clip."""
        try:
            yield
        except SilentError as error:
            text = f"its decoder made no progress for {self.limits.timeout_s:g} s and was stopped"
            raise VideoLimitError(f"{self.name}: {text}; {_CONVERT}, or raise video_timeout_s") from error
        except GoneError as error:
            raise VideoError(f"{self.name}: its decoder {error}; {_CONVERT}") from error
        except GarbledError as error:
            raise VideoError(f"{self.name}: its decoder sent garbage ({error}); {_CONVERT}") from error


INSTALL = "pip install av"
_CONVERT = "convert the clip (`ffmpeg -i IN -c:v libx264 OUT.mp4`)"


def error_of(name: str, failure: Failure, doing: str) -> FacelineError:
    """What a reading process said, about the clip or camera of this name. doing: what cannot be done without PyAV."""
    match failure.reason:
        case Reason.NO_READER:
            return MissingExtraError(f"{name}: {doing} needs PyAV ({failure.text}); {INSTALL}")
        case Reason.LIMIT:
            return VideoLimitError(f"{name}: {failure.text}")
        case Reason.DAMAGED:
            return VideoDamagedError(f"{name}: {failure.text}")
        case _:
            return VideoError(f"{name}: {failure.text}")


def upright(pixels: Pixels, turns: int, mirrored: bool) -> Pixels:
    """Turned back by quarters, mirrored where the container says so."""
    turned = np.rot90(pixels, -turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def _open(path: Path, source: str) -> int:
    """A descriptor of whatever is there. Raises VideoError."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise VideoError(f"{source}: there is no such file; check the name") from error
    except PermissionError as error:
        raise VideoError(f"{source}: permission denied; make it readable for this user") from error
    except (OSError, ValueError) as error:  # ValueError: a name with NUL
        raise VideoError(f"{source}: cannot be read ({error}); check the name and the disk") from error


def _check(status: os.stat_result, source: str, limits: VideoLimits) -> None:
    if not stat.S_ISREG(status.st_mode):
        what = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise VideoError(f"{source}: is {what}; name a video file")
    if status.st_size == 0:
        raise VideoError(f"{source}: is empty (0 bytes); copy it again from its source")
    if status.st_size > limits.max_bytes:
        raise VideoLimitError(
            f"{source}: has {status.st_size / 1e6:,.1f} MB, over the limit of {limits.max_bytes / 1e6:,.1f}; cut it, "
            "or raise max_video_bytes"
        )
