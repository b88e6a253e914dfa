"""Clips made of one real face, so that most of the suite runs without the reference clips."""

import io
from fractions import Fraction

import av
import numpy as np
from PIL import Image

FPS = 10
SIZE = (400, 300)


def moving(portrait: Image.Image, seconds: float, empty_s: float = 0.0) -> bytes:
    """An MP4 (H.264), grey for `empty_s` seconds; then the portrait moves through it from left to right."""
    frames, empty = round(seconds * FPS), round(empty_s * FPS)
    pictures = []
    for number in range(frames):
        picture = Image.new("RGB", SIZE, (120, 150, 120))
        if number >= empty:
            picture.paste(portrait, ((SIZE[0] - portrait.width) * (number - empty) // max(frames - empty - 1, 1), 0))
        pictures.append(picture)
    return encoded(pictures)


def encoded(pictures: list[Image.Image]) -> bytes:
    """pictures: all of one size, with even sides."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        out = container.add_stream("libx264", rate=FPS)
        assert isinstance(out, av.VideoStream)
        out.width, out.height, out.pix_fmt, out.bit_rate = *pictures[0].size, "yuv420p", 2_000_000
        out.codec_context.time_base = Fraction(1, FPS)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(out.encode(frame))
        container.mux(out.encode(None))
    return stream.getvalue()
