"""FFmpeg, through PyAV, on one file that is open already: whole frames with their times, and what was damaged.

Runs inside the decoder process only, and imports no numpy. A damaged frame is left out, and so is every frame after it
up to the next key frame: FFmpeg conceals damage with pixels from elsewhere and marks that frame, but not those that
refer to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import av
from av.stream import Disposition

from faceline.video.messages import Failure, Info, Reason, Request
from faceline.video.pictures import orientation, square_size
from faceline.video.sampling import Clock

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Containers of which FFmpeg's reader opens no second file: no playlist, no list of files, no numbered images.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf"
CODECS = (
    *("h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "h263", "flv"),
    *("theora", "msmpeg4", "msmpeg4v2", "wmv1", "wmv2", "wmv3", "vc1", "prores", "dnxhd", "dvvideo", "vp6f"),
    *("ffv1", "huffyuv", "ffvhuff", "rawvideo"),
)
_MAX_RATE = 1000  # frames a second, on average over what was decoded; more is no clip but a way to keep us busy
_FREE_FRAMES = 10_000
_LATE_S = 0.1  # by how much, beside the longest step between two frames, a clip may end before it announced
_CONVERT = "convert it (`ffmpeg -i IN -c:v libx264 OUT.mp4`)"


class RefusedError(Exception):
    """This file cannot be read, or not further."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.failure = Failure(reason, text)


@dataclass
class Damage:
    """lost: frames and packets left out. first_s: where that began. cut: what says that the clip should go on."""

    lost: int = 0
    first_s: float | None = None
    cut: str = ""

    def note(self, time_s: float | None) -> None:
        self.lost += 1
        if self.first_s is None:
            self.first_s = time_s or 0.0

    def failure(self, last_s: float) -> Failure | None:
        """None for a sound clip. last_s: the time of its last frame."""
        said = []
        if self.lost:
            said.append(f"is damaged from {self.first_s:.2f} s on (left out: {self.lost:,} frames)")
        if self.cut:
            said.append(f"ends at {last_s:.2f} s though {self.cut}")
        if not said:
            return None
        return Failure(Reason.DAMAGED, f"{', and '.join(said)}; what could be read was, copy it again from its source")


@dataclass(frozen=True)
class Shown:
    frame: "VideoFrame"
    time_s: float
    number: int


@dataclass
class Decoder:
    """One clip on descriptor `descriptor`. Raises RefusedError from `opened` and from `frames`."""

    container: "InputContainer"
    stream: "VideoStream"
    request: Request
    clock: Clock
    damage: Damage = field(default_factory=Damage)
    number: int = 0
    whole: bool = True  # False from a damage to the next key frame

    @classmethod
    def opened(cls, descriptor: int, request: Request) -> "Decoder":
        options = {"fd": str(descriptor), "protocol_whitelist": "fd", "format_whitelist": FORMATS}
        options |= {"codec_whitelist": ",".join(CODECS), "max_pixels": str(request.max_pixels)}
        try:
            container = av.open("fd:", options=options, metadata_errors="replace")
        except av.FFmpegError as error:
            raise RefusedError(
                Reason.UNUSABLE,
                f"is not a video, or is damaged at its start ({error.strerror}); faceline reads MP4, MOV, Matroska, "
                "WebM, AVI, MPEG, FLV, Ogg and WMV, no playlists",
            ) from error
        stream = _video_stream(container)
        _prepare(stream, request)
        rate = stream.average_rate or stream.guessed_rate
        decoder = cls(container, stream, request, Clock(float(rate) if rate else None))
        decoder._check_duration(_duration_s(decoder) or 0.0)
        return decoder

    def frames(self) -> Iterator[Shown | None]:
        """Whole frames in the order of showing, numbered from 0, damaged ones counted; None after each packet."""
        for packet in self._packets():
            for frame in self._decoded(packet):
                time_s = self._checked_time(frame)
                self.number += 1
                if self._is_whole(frame, time_s):
                    yield Shown(frame, time_s, self.number - 1)
            yield None
        self.damage.cut = self.damage.cut or self._cut()

    def _packets(self) -> "Iterator[Packet[VideoStream]]":
        try:
            yield from self.container.demux(self.stream)
        except av.FFmpegError as error:
            self.damage.cut = f"more follows, which cannot be read ({error.strerror})"

    def _decoded(self, packet: "Packet[VideoStream]") -> "list[VideoFrame]":
        try:
            if not packet.is_corrupt:
                return packet.decode()
        except MemoryError:
            raise
        except av.FFmpegError:
            pass
        self.damage.note(self.clock.last_s)
        self.whole = False
        return []

    def _is_whole(self, frame: "VideoFrame", time_s: float) -> bool:
        self.whole = not frame.is_corrupt and (self.whole or frame.key_frame)
        if not self.whole:
            self.damage.note(time_s)
        return self.whole

    def _checked_time(self, frame: "VideoFrame") -> float:
        known = frame.pts is not None and frame.time_base is not None
        time_s = self.clock.read(frame.time - self._start_s if known else None)
        self._check_duration(time_s)
        if self.number > _FREE_FRAMES + _MAX_RATE * time_s:
            raise RefusedError(Reason.LIMIT, f"has more than {_MAX_RATE:,} frames a second; {_CONVERT}")
        return time_s

    def _check_duration(self, time_s: float) -> None:
        if time_s > self.request.max_duration_s:
            raise RefusedError(
                Reason.LIMIT,
                f"lasts {time_s:,.0f} s or longer, over the limit of {self.request.max_duration_s:,.0f} s; cut it, or "
                "raise max_video_s",
            )

    @property
    def _start_s(self) -> float:
        """Where a player shows 0:00; the pictures may begin later than the sound."""
        return (self.container.start_time or 0) / 1e6

    def _cut(self) -> str:
        """What says that frames are missing at the end; a cut at a packet's end looks like the end of the file."""
        entries = self.stream.index_entries
        last = entries[-1] if len(entries) else None
        if last is not None and last.pos + last.size > self.container.size:
            return "its index names frames beyond the end of the file"
        announced = _matroska_duration(self.stream.metadata.get("DURATION", ""))
        last_s = (self.clock.last_s or 0.0) + self._start_s
        if announced is not None and last_s + self.clock.longest_s + _LATE_S < announced:
            return f"it announces {announced:.1f} s"
        return ""

    def info(self, first: "VideoFrame") -> Info:
        """first: a frame of the clip, for its orientation, which FFmpeg tells with frames only."""
        width, height = square_size(first, self.stream)
        turns, mirrored = orientation(first)
        frames, names = self.stream.frames or None, (self.stream.codec_context.name, self.container.format.long_name)
        return Info(width, height, turns, mirrored, _duration_s(self), self.clock.fps, frames, *names)


def _video_stream(container: "InputContainer") -> "VideoStream":
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:  # the cover of a song
            return stream
    what = "has sound but no video" if container.streams.audio else "has no video in it"
    raise RefusedError(Reason.UNUSABLE, f"{what}; name a clip with pictures")


def _prepare(stream: "VideoStream", request: Request) -> None:
    if stream.codec_context is None or stream.codec_context.codec.name not in CODECS:
        name = stream.codec_context.codec.name if stream.codec_context else "unknown"
        raise RefusedError(Reason.UNUSABLE, f"is compressed in a way that faceline does not read ({name}); {_CONVERT}")
    if stream.width * stream.height > request.max_pixels:
        raise RefusedError(
            Reason.LIMIT,
            f"claims {stream.width:,} × {stream.height:,} pixels, over the limit of {request.max_pixels / 1e6:,.1f} "
            "million; scale it down, or raise max_video_pixels",
        )
    # "aggressive" notices damage that would else be shown: 13 of 14 such frames of a real clip, none of a sound one.
    stream.codec_context.options = {"max_pixels": str(request.max_pixels), "err_detect": "aggressive"}
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = request.threads


def _duration_s(decoder: Decoder) -> float | None:
    duration = decoder.container.duration
    return None if duration is None else duration / 1e6


def _matroska_duration(text: str) -> float | None:
    """Seconds in "00:00:10.027000000"."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
