"""From an open clip to messages: the decoder process's one loop."""

import resource
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import av

from faceline.limited import limit
from faceline.video.decoding import Decoder, RefusedError, Shown
from faceline.video.messages import Failure, Info, Kind, Reason, Request, pack, write
from faceline.video.pictures import Converter
from faceline.video.sampling import Sampler

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALIVE_S = 1.0
_DESCRIPTORS_TO_OPEN = 16


def stream(out: int, clip: int, request: Request) -> bytes:
    """Sends what was asked for to `out`, and returns the last message."""
    try:
        limit(resource.RLIMIT_NOFILE, _DESCRIPTORS_TO_OPEN)
        decoder = Decoder.opened(clip, request)
        limit(resource.RLIMIT_NOFILE, 0)  # from here on nothing can be opened: no file, no socket
        return _Sender(out, decoder).send_all(decoder.frames())
    except RefusedError as error:
        return pack(Kind.ERROR, error.failure)
    except MemoryError:
        raise
    except av.FFmpegError as error:
        text = f"cannot be decoded ({error.strerror}); convert it to another format"
        return pack(Kind.ERROR, Failure(Reason.UNUSABLE, text))


@dataclass
class _Sender:
    out: int
    decoder: Decoder
    sampler: Sampler = field(init=False)
    converter: Converter = field(init=False)
    info: Info | None = None
    spoke_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        request = self.decoder.request
        self.sampler = Sampler(request.per_second, request.at_most)
        self.converter = Converter(self.decoder.stream, request.decode_pixels)

    def send_all(self, frames: "Iterator[Shown | None]") -> bytes:
        for shown in frames:
            if shown is not None:
                self._describe(shown)
                self._offer(shown)
                if self.sampler.done:
                    return pack(Kind.END)
            if time.monotonic() - self.spoke_at > _ALIVE_S:
                self._say(pack(Kind.ALIVE))
        if self.info is None:
            raise RefusedError(Reason.UNUSABLE, "holds no frame that can be decoded; copy it again from its source")
        failure = self.decoder.damage.failure(self.decoder.clock.last_s or 0.0)
        return pack(Kind.ERROR, failure) if failure else pack(Kind.END)

    def _describe(self, shown: Shown) -> None:
        if self.info is None:
            self.info = self.decoder.info(shown.frame)
            self._say(pack(Kind.INFO, self.info))

    def _offer(self, shown: Shown) -> None:
        if not self.sampler.done and self.sampler.wants(shown.time_s):
            self.sampler.take(shown.time_s)
            head, pixels = self.converter.converted(shown.frame, shown.time_s, shown.number)
            self._say(head.pack(), pixels)

    def _say(self, message: bytes, pixels: memoryview | None = None) -> None:
        write(self.out, message)
        if pixels is not None:
            write(self.out, pixels)
        self.spoke_at = time.monotonic()
