"""FFmpeg, through PyAV, on a live source: the newest pictures, a few a second, and never those of long ago.

Runs inside the process of `video.live` only, and imports no numpy. Every packet is decoded, since pictures refer to one
another, but for codecs whose pictures stand alone; of a backlog only key frames are. A picture that FFmpeg patched up
is left out, with those after it up to the next key frame or for two seconds: some cameras send no key frames.
"""

import os
import resource
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import av

from faceline.limited import limit
from faceline.video.decoding import CODECS, RefusedError
from faceline.video.live_request import PROTOCOLS, Backlog, LiveRequest, Pace
from faceline.video.messages import Kind, Reason, pack, write
from faceline.video.pictures import Converter

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Of these FFmpeg's readers open nothing further: no playlist, no session description from elsewhere.
FORMATS = {"rtsp": "rtsp", "http": "mpegts,mpjpeg,mjpeg,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,asf,ogg"}
_ALIVE_S = 1.0
_HEALED_S = 2.0
_DESCRIPTORS_TO_OPEN = 64
# To find out what a stream is; FFmpeg's own 5 s, of which it needs much for the frame rate, delay the first picture.
_BRIEFLY = {"analyzeduration": "2000000", "fpsprobesize": "0"}


def stream(out: int, request: LiveRequest) -> bytes:
    """Sends pictures to `out` until the source ends, and returns the last message."""
    try:
        limit(resource.RLIMIT_NOFILE, _DESCRIPTORS_TO_OPEN)
        container = _opened(request)
        _close_the_door()
        return _Sender(out, request, container, _video_stream(container, request)).send_all()
    except RefusedError as error:
        return pack(Kind.ERROR, error.failure)
    except MemoryError:
        raise
    except av.FFmpegError as error:
        return pack(Kind.ERROR, RefusedError(Reason.UNUSABLE, _why(error, request)).failure)


def _opened(request: LiveRequest) -> "InputContainer":
    if not request.device:
        _check_host(request.address)
    options = _options(request) | {"codec_whitelist": ",".join(CODECS), "max_pixels": str(request.max_pixels)}
    started_at = time.monotonic()
    try:
        return av.open(
            request.address,
            format=request.device,
            options=options,
            metadata_errors="replace",
            timeout=request.timeout_s,
        )
    except av.FFmpegError as error:
        if time.monotonic() - started_at < request.timeout_s:
            raise
        raise RefusedError(Reason.UNUSABLE, _silent(request)) from error  # FFmpeg may say that it was garbage


def _options(request: LiveRequest) -> dict[str, str]:
    if request.device:
        return {"protocol_whitelist": "", "format_whitelist": request.device}
    scheme = request.scheme
    options = {"protocol_whitelist": PROTOCOLS[scheme], "tls_verify": "1", **_BRIEFLY}
    if request.ca_file:  # else those of the system, where FFmpeg finds them
        options["ca_file"] = request.ca_file
    if scheme.startswith("rtsp"):
        return options | {
            "format_whitelist": FORMATS["rtsp"], "rtsp_flags": "prefer_tcp", "allowed_media_types": "video"
        }  # fmt: skip
    return options | {"format_whitelist": FORMATS["http"], "seekable": "0"}


def _check_host(address: str) -> None:
    """FFmpeg says of an unknown name what it says of a broken line."""
    parts = urlsplit(address)
    try:
        socket.getaddrinfo(parts.hostname, parts.port or 554, type=socket.SOCK_STREAM)
    except OSError as error:
        text = f"its host {parts.hostname} is not known here ({error.strerror}); check the name and the network"
        raise RefusedError(Reason.UNUSABLE, text) from error


def _close_the_door() -> None:
    """From here on nothing can be opened: no file, no socket. Not 0, since poll() needs a limit above those in use."""
    lowest_free = os.dup(0)
    os.close(lowest_free)
    limit(resource.RLIMIT_NOFILE, lowest_free)


def _video_stream(container: "InputContainer", request: LiveRequest) -> "VideoStream":
    if not container.streams.video:
        raise RefusedError(Reason.UNUSABLE, "sends no video; check the path of the URL in the camera's manual")
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None or context.codec.name not in CODECS:
        name = context.codec.name if context else "unknown"
        text = f"is compressed in a way that faceline does not read ({name}); set the camera to H.264"
        raise RefusedError(Reason.UNUSABLE, text)
    if stream.width * stream.height > request.max_pixels:
        raise RefusedError(
            Reason.LIMIT,
            f"sends {stream.width:,} × {stream.height:,} pixels, over the limit of {request.max_pixels / 1e6:,.1f} "
            "million; set the camera to less, or raise max_video_pixels",
        )
    context.options = {"max_pixels": str(request.max_pixels)}
    context.thread_count = 1  # more would hold frames back
    return stream


@dataclass
class _Sender:
    out: int
    request: LiveRequest
    container: "InputContainer"
    stream: "VideoStream"
    converter: Converter = field(init=False)
    pace: Pace = field(init=False)
    backlog: Backlog = field(init=False)
    started_at: float = field(default_factory=time.monotonic)
    number: int = 0
    hurrying: bool = False
    damaged_at: float | None = None
    spoke_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.converter = Converter(self.stream, self.request.decode_pixels)
        self.pace = Pace(self.request.per_second)
        self.backlog = Backlog(self.started_at)

    def send_all(self) -> bytes:
        alone = self.stream.codec_context.codec.intra_only
        for packet, now_s in self._packets():
            if alone:
                if self.pace.takes(now_s - self.started_at):
                    self._send(self._decoded(packet, now_s), now_s)
            else:
                self._keep_up(packet, now_s)
                frames = self._decoded(packet, now_s)
                if frames and self.pace.takes(now_s - self.started_at):
                    self._send(frames, now_s)
            self.number += 1
            if now_s - self.spoke_at > _ALIVE_S:
                self._say(pack(Kind.ALIVE))
        return pack(Kind.END)

    def _packets(self) -> "Iterator[tuple[Packet[VideoStream], float]]":
        """Each with the time.monotonic() at which it came, which is the same clock in all processes."""
        packets = self.container.demux(self.stream)
        while True:
            asked_at = time.monotonic()
            packet = next(packets, None)
            if packet is None:
                return
            now_s = time.monotonic()
            self.backlog.heard(asked_at, now_s)
            if packet.size:  # the last one is empty
                yield packet, now_s

    def _keep_up(self, packet: "Packet[VideoStream]", now_s: float) -> None:
        if self.backlog.grows(now_s) and not self.hurrying:
            self.hurrying, self.stream.codec_context.skip_frame = True, "NONKEY"
        elif self.hurrying and packet.is_keyframe and not self.backlog.grows(now_s):
            self.hurrying, self.stream.codec_context.skip_frame = False, "DEFAULT"

    def _decoded(self, packet: "Packet[VideoStream]", now_s: float) -> "list[VideoFrame]":
        try:
            return [frame for frame in packet.decode() if self._is_whole(frame, now_s)]
        except MemoryError:
            raise
        except av.FFmpegError:
            self.damaged_at = now_s
            return []

    def _is_whole(self, frame: "VideoFrame", now_s: float) -> bool:
        if frame.is_corrupt:
            self.damaged_at = now_s
        elif frame.key_frame or (self.damaged_at is not None and now_s - self.damaged_at > _HEALED_S):
            self.damaged_at = None
        return self.damaged_at is None

    def _send(self, frames: "list[VideoFrame]", now_s: float) -> None:
        """The last of the frames that one packet gave."""
        if not frames:
            return
        head, pixels = self.converter.converted(frames[-1], now_s, self.number)
        self._say(head.pack(), pixels)

    def _say(self, message: bytes, pixels: memoryview | None = None) -> None:
        write(self.out, message)
        if pixels is not None:
            write(self.out, pixels)
        self.spoke_at = time.monotonic()


def _why(error: av.FFmpegError, request: LiveRequest) -> str:
    """Without the address, which has the password in it."""
    match error:
        case av.HTTPUnauthorizedError():
            return f"refuses the user name or password (401); write {request.scheme}://USER:PASSWORD@HOST/…, % encoded"
        case av.ConnectionRefusedError():
            return "refuses the connection; check that it is on, and the port"
        case av.ExitError() | av.TimeoutError():
            return _silent(request)
        case av.InvalidDataError():
            return "sends no video that faceline reads; it reads RTSP, and MPEG-TS, MJPEG, FLV, Matroska over HTTP"
    if request.scheme in ("https", "rtsps"):
        trusted = "its certificate must be for this host, and one that this machine or the file SSL_CERT_FILE trusts"
        return f"cannot be read ({error.strerror}); check the address, and {trusted}"
    return f"cannot be read ({error.strerror}); check the address"


def _silent(request: LiveRequest) -> str:
    return f"was silent for {request.timeout_s:g} s; check that it is on, and the network"
