"""Damaged bytes of every format give a Frame or an ImageError, nothing else, and in little time."""

import io
import random
import time

import numpy as np
import pytest
from PIL import Image

from faceline.errors import ImageError
from faceline.images import ImageLimits, decode

OPTIONS: dict[str, dict[str, object]] = {
    "JPEG": {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + bytes(4)},
    "PNG": {},
    "WEBP": {"lossless": True},
    "GIF": {},
    "BMP": {},
    "TIFF": {"compression": "tiff_deflate"},
    "ICO": {"sizes": [(48, 36)]},
    "AVIF": {"speed": 10},
    "HEIF": {},
}


def sample(kind: str, mode: str) -> bytes:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (36, 48, 3), dtype=np.uint8)).convert(mode)
    buffer = io.BytesIO()
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").from_pillow(image).save(buffer)
    else:
        image.save(buffer, kind, **OPTIONS[kind])
    return buffer.getvalue()


def damaged(data: bytes, rng: random.Random) -> bytes:
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = min(int(len(result) * rng.random() ** rng.choice((1, 3))) + 12, len(result) - 1)
        match rng.randrange(8):
            case 0:
                result[at:at] = rng.randbytes(rng.randrange(1, 40))
            case 1:
                del result[at : at + rng.randrange(1, 40)]
            case 2:
                del result[at:]
            case 3:
                result[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff", b"\0\1\0\0"))
            case _:
                result[at] = rng.randrange(256)
        if len(result) < 16:
            break
    return bytes(result)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in OPTIONS for mode in ("RGB", "P") if (kind, mode) not in {("JPEG", "P"), ("HEIF", "P")}],
)
def test_damaged_files_give_a_frame_or_an_image_error(kind: str, mode: str) -> None:
    rng = random.Random(f"{kind} {mode}")
    data = sample(kind, mode)
    assert decode(data, "whole", ImageLimits()).pixels.size == 36 * 48 * 3
    for _ in range(150):
        started = time.perf_counter()
        try:
            frame = decode(damaged(data, rng), "broken", ImageLimits())
            assert frame.pixels.dtype == np.uint8
            assert frame.pixels.shape[2] == 3
        except ImageError as error:
            assert str(error).startswith("broken: ")
        assert time.perf_counter() - started < 5


@pytest.mark.parametrize("kind", list(OPTIONS))
def test_a_file_cut_anywhere_gives_a_frame_or_an_image_error(kind: str) -> None:
    data = sample(kind, "RGB")
    for end in range(0, len(data), max(len(data) // 60, 1)):
        try:
            decode(data[:end], "cut", ImageLimits())
        except ImageError as error:
            assert str(error).startswith("cut: ")


def test_random_bytes_are_no_image() -> None:
    rng = random.Random(0)
    for length in (1, 2, 3, 4, 8, 11, 12, 13, 16, 30, 100, 5000):
        with pytest.raises(ImageError, match="noise: "):
            decode(rng.randbytes(length), "noise", ImageLimits())


@pytest.mark.parametrize(
    "start",
    [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"\0\0\1\0",
     b"RIFF\0\0\0\0WEBP", b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypavif"],
)  # fmt: skip
def test_a_signature_alone_is_an_image_error(start: bytes) -> None:
    rng = random.Random(0)
    for tail in (b"", b"\0", bytes(100), b"\xff" * 100, rng.randbytes(1000)):
        with pytest.raises(ImageError, match="start: "):
            decode(start + tail, "start", ImageLimits())
