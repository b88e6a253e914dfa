"""Clips made of pictures, for tests that need somebody in them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image


def write_clip(path: Path, pictures: Sequence[Image.Image], fps: int = 10) -> Path:
    """One picture a frame; all of one size, with even sides."""
    with av.open(str(path), "w") as container:
        out = container.add_stream("libx264", rate=fps)
        assert isinstance(out, av.VideoStream)
        out.width, out.height, out.pix_fmt, out.bit_rate = *pictures[0].size, "yuv420p", 2_000_000
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(out.encode(frame))
        container.mux(out.encode(None))
    return path


def passing_by(portrait: Image.Image, frames: int, size: tuple[int, int] = (640, 360)) -> list[Image.Image]:
    """The portrait going from the left to the right over a grey background."""
    pictures = []
    for number in range(frames):
        picture = Image.new("RGB", size, (110, 115, 120))
        picture.paste(portrait, (number * (size[0] - portrait.width) // max(frames - 1, 1), 20))
        pictures.append(picture)
    return pictures
