"""A decoded frame's pixels: their colours, shape and orientation. Runs inside the decoder process only."""

import math
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, cast

from av.buffer import Buffer
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from faceline.video.messages import FrameHead

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED


@dataclass
class Converter:
    """Frames to RGB rows, reduced to at most `decode_pixels`, with square pixels."""

    stream: "VideoStream"
    decode_pixels: int
    reformatter: VideoReformatter = field(default_factory=VideoReformatter)
    upright: tuple[int, bool] | None = None  # the clip's; asking a frame ties it into a cycle that keeps its memory

    def converted(self, frame: "VideoFrame", time_s: float, number: int) -> tuple[FrameHead, memoryview]:
        full_width, full_height = square_size(frame, self.stream)
        scale = min(math.sqrt(self.decode_pixels / (full_width * full_height)), 1.0)
        width, height = max(int(full_width * scale), 1), max(int(full_height * scale), 1)
        rgb = self.reformatter.reformat(
            frame, width, height, "rgb24", _colours(frame),
            interpolation=Interpolation.AREA if scale < 1 else Interpolation.BILINEAR, threads=1,
        )  # fmt: skip
        plane = rgb.planes[0]
        self.upright = self.upright or orientation(frame)
        sizes = width, height, full_width, full_height, plane.line_size
        return FrameHead(*sizes, *self.upright, time_s, number), memoryview(plane)[: plane.line_size * height]


def orientation(frame: "VideoFrame") -> tuple[int, bool]:
    """Quarter turns clockwise, and whether to exchange left and right after them, that make a frame upright."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, False
    a, b, _, c, d = struct.unpack_from("=5i", bytes(cast(Buffer, matrix)))
    mirrored = a * d < b * c
    return round(math.atan2(b, -a if mirrored else a) / (math.pi / 2)) % 4, mirrored


def square_size(frame: "VideoFrame", stream: "VideoStream") -> tuple[int, int]:
    """Width and height once pixels are square, as on a DVD they are not; odd ratios are taken for damage."""
    ratio = stream.sample_aspect_ratio
    if ratio and Fraction(1, 4) <= ratio <= 4:
        return max(round(frame.width * ratio), 1), frame.height
    return frame.width, frame.height


def _colours(frame: "VideoFrame") -> Colorspace | None:
    """What a file that does not say it means by its colours: BT.709 from 720 lines, as players assume."""
    return Colorspace.ITU709 if frame.colorspace == _UNSPECIFIED and frame.height >= 720 else None
