"""Pixels → an MP4 file with each frame at its own time. H.264 where PyAV was built with it, else MPEG-4."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faceline.errors import VideoError
from faceline.types import Pixels

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

_ENCODERS = {"libx264": {"crf": "21", "preset": "veryfast"}, "libopenh264": {}, "mpeg4": {"qscale": "4"}}
_TICKS = 90_000  # a second; what MPEG counts in
_BT_709 = 1  # the colours of high definition, which players assume (ITU-T H.273, table 4)

Write = Callable[[Pixels, float], None]


@contextmanager
def clip_writer(path: Path) -> Iterator[Write]:
    """Gives write(pixels, time_s): uint8 (height, width, 3) RGB, at rising times in seconds.

    The file appears under its name when all is written. An odd width or height loses a column or row, as H.264 stores
    colours for two by two pixels; a frame of another size than the first is scaled to it. Where nothing is written
    there is no file. Raises VideoError when it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    encoding: list[_Encoding] = []

    def write(pixels: Pixels, time_s: float) -> None:
        with _naming(path):
            if not encoding:
                encoding.append(_Encoding.started(part, pixels))
            encoding[0].add(pixels, time_s)

    try:
        yield write
        with _naming(path):
            for begun in encoding:
                begun.finish()
                part.replace(path)
    finally:
        for begun in encoding:
            begun.container.close()
        part.unlink(missing_ok=True)


@dataclass
class _Encoding:
    container: "OutputContainer"
    stream: "VideoStream"
    ticks: int = -1

    @classmethod
    def started(cls, path: Path, pixels: Pixels) -> "_Encoding":
        import av  # noqa: PLC0415 - an extra, loaded when a clip is drawn
        from av.video.stream import VideoStream  # noqa: PLC0415

        encoder = next(name for name in _ENCODERS if name in av.codecs_available)
        container = av.open(os.fspath(path), "w", format="mp4", options={"movflags": "+faststart"})
        stream = container.add_stream(encoder, options=_ENCODERS[encoder])
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = _even(pixels).shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.codec_context.colorspace = _BT_709
        return cls(container, stream)

    def add(self, pixels: Pixels, time_s: float) -> None:
        import av  # noqa: PLC0415

        size = self.stream.width, self.stream.height
        frame = av.VideoFrame.from_ndarray(_even(pixels), "rgb24").reformat(*size, "yuv420p", dst_colorspace=_BT_709)
        self.ticks = max(round(time_s * _TICKS), self.ticks + 1)
        frame.pts, frame.time_base = self.ticks, Fraction(1, _TICKS)
        self.container.mux(self.stream.encode(frame))

    def finish(self) -> None:
        self.container.mux(self.stream.encode(None))
        self.container.close()


def _even(pixels: Pixels) -> Pixels:
    height, width = (side - side % 2 for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[:height, :width])


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What the disk or the encoder says becomes a VideoError about the file that was to be written."""
    import av  # noqa: PLC0415

    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{path}: cannot be written ({error.strerror}); check the folder and the disk") from error
