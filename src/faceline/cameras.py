"""Cameras → frames, a few a second, as they come; clips played as if they were cameras.

A live source is read in a process of its own (`faceline.video.live`) under the limits of clips, except on processor
time: a camera never ends. FFmpeg gets the protocols of the URL's scheme only, so that no camera can send it to a file,
and can open nothing once it is connected. Of https and rtsps the certificate is checked. No playlists (HLS), no sound.

User name and password of a URL go to that process through a pipe, and stand in no name, message or log.
"""

import re
import ssl
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import numpy as np

from faceline import videos
from faceline.errors import UsageError, VideoError
from faceline.types import Frame
from faceline.video import messages
from faceline.video.live_process import live_process
from faceline.video.live_request import PROTOCOLS, LiveRequest
from faceline.video.messages import FrameHead, GarbledError, Kind
from faceline.video.process import DecoderProcess, GoneError, SilentError
from faceline.videos import Sampling, VideoFrame, VideoLimits

_GRACE_S = 5.0  # for a Python to start, and to say itself that the camera is silent
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_IN_URLS = re.compile(r"[\x21-\x7e]+")


class Source(StrEnum):
    NETWORK = "network"
    DEVICE = "device"
    CLIP = "clip"


@dataclass(frozen=True, slots=True)
class Camera:
    """name: what people and results call it. address: a URL with user name and password, a device, or a file's path."""

    name: str
    address: str = field(repr=False)
    source: Source


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """frames: can be gone through once; ends when the camera ends it, raises VideoError when something else does.

    Their time_s is the time.monotonic() at which they came, for a clip the one at which they are due. stop: ends the
    frames, from any thread.
    """

    frames: Iterator[VideoFrame]
    stop: Callable[[], None]


def camera(text: str, name: str | None = None) -> Camera:
    """What `rtsp://…`, `rtsps://…`, `http://…`, `https://…`, `/dev/video0`, `avfoundation:0` or a file's path means.

    name: instead of the address without user name, password and query. Raises UsageError, without the password.
    """
    if not text:
        raise UsageError("a camera has no address; write rtsp://HOST/PATH, /dev/video0 or the name of a file")
    if scheme := _SCHEME.match(text):
        parts = _checked(text, scheme[1].lower())
        return Camera(name or _shown(parts), f"{scheme[1].lower()}{text[len(scheme[1]) :]}", Source.NETWORK)
    is_device = text.startswith("avfoundation:") or _is_device(Path(text))
    return Camera(name or text, text, Source.DEVICE if is_device else Source.CLIP)


@contextmanager
def connected(camera: Camera, limits: VideoLimits, per_second: float) -> Iterator[Connection]:
    """limits.timeout_s: how long the camera may say nothing. Raises VideoError and MissingExtraError, naming it."""
    if camera.source is Source.CLIP:
        with videos.opened(Path(camera.address), limits, Sampling(per_second), camera.name) as clip:
            start = time.monotonic()
            frames = (VideoFrame(each.frame, start + each.time_s, each.number) for each in clip.frames)
            yield Connection(frames, lambda: None)
        return
    with live_process(_request(camera, limits, per_second), limits.timeout_s + _GRACE_S) as reader:
        yield Connection(_Reading(camera.name, reader, limits).frames(), reader.process.kill)


@dataclass(frozen=True, slots=True)
class _Reading:
    name: str
    reader: DecoderProcess
    limits: VideoLimits

    def frames(self) -> Iterator[VideoFrame]:
        while (frame := self._frame()) is not None:
            yield frame

    def _frame(self) -> VideoFrame | None:
        try:
            return self._received()
        except SilentError as error:
            raise VideoError(f"{self.name}: its reader said nothing for {self.reader.timeout_s:g} s") from error
        except GoneError as error:
            raise VideoError(f"{self.name}: its reader {error}") from error
        except GarbledError as error:
            raise VideoError(f"{self.name}: its reader sent garbage ({error})") from error

    def _received(self) -> VideoFrame | None:
        asked_at = time.monotonic()
        while True:
            kind, body = self.reader.message()
            match kind:
                case Kind.FRAME:
                    return self._filled(messages.frame_head(body, self.limits.decode_pixels))
                case Kind.ERROR:
                    raise videos.error_of(self.name, messages.failure(body), "watching cameras")
                case Kind.END:
                    return None
            # It sends something, but nothing to see: the key frame that all waits for may take a while to come.
            if time.monotonic() - asked_at > 3 * self.limits.timeout_s:
                raise VideoError(f"{self.name}: sends no picture that can be decoded; set the camera to H.264")

    def _filled(self, head: FrameHead) -> VideoFrame:
        rows = np.empty((head.height, head.stride), np.uint8)
        self.reader.fill(rows.data.cast("B"))
        pixels = rows[:, : 3 * head.width].reshape(head.height, head.width, 3)
        upright = videos.upright(pixels, head.turns, head.mirrored)
        width, height = (head.full_height, head.full_width) if head.turns % 2 else (head.full_width, head.full_height)
        frame = Frame(upright, width, height, self.name)
        return VideoFrame(frame, min(head.time_s, time.monotonic()), head.number)


def _request(camera: Camera, limits: VideoLimits, per_second: float) -> LiveRequest:
    address, device = camera.address, None
    if camera.source is Source.DEVICE:
        device = "avfoundation" if sys.platform == "darwin" else "video4linux2"
        address = address.removeprefix("avfoundation:")
    return LiveRequest(
        address, device, per_second, limits.max_pixels, limits.decode_pixels, limits.memory_mb, limits.timeout_s,
        ssl.get_default_verify_paths().cafile,
    )  # fmt: skip


def _checked(text: str, scheme: str) -> SplitResult:
    """Raises UsageError, which shows nothing behind the scheme: a password may be anywhere in what is not a URL."""
    if scheme not in PROTOCOLS:
        raise UsageError(f"{scheme}://… is no camera that can be watched; give {', '.join(PROTOCOLS)}, or a file")
    if not _IN_URLS.fullmatch(text):
        raise UsageError(f"a {scheme}://… address has blanks or other characters in it; write them as %20 and so on")
    try:
        parts = urlsplit(text)
        known = parts.hostname and parts.port != 0
    except ValueError:  # of the port, and of a bracket that is not closed
        known = None
    if not known:
        raise UsageError(f"a {scheme}://… address has no host, or a port that is none; write {scheme}://HOST:PORT/PATH")
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise UsageError(
            f"a {scheme}://… address has an @ behind its host; write / ? # @ in passwords as %2F %3F %23 %40"
        )
    return parts


def _shown(parts: SplitResult) -> str:
    """Without user name and password, and without the query, where some cameras want them."""
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except (OSError, ValueError):
        return bool(re.fullmatch(r"/dev/video\d+", str(path)))  # one that is not plugged in
