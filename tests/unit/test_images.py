import io
import struct
import sys
import time
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from faceline.config import Settings
from faceline.errors import ImageError
from faceline.images import ImageLimits, decode
from faceline.types import Frame

LIMITS = ImageLimits()


def quarters(width: int = 64, height: int = 48) -> Image.Image:
    """Red, green over blue, black: a picture whose every turning looks different."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (250, 10, 10)
    pixels[: height // 2, width // 2 :] = (10, 250, 10)
    pixels[height // 2 :, : width // 2] = (10, 10, 250)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def near(frame: Frame, x: float, y: float) -> NDArray[np.int64]:
    """The colour at a part of the width and height."""
    height, width = frame.pixels.shape[:2]
    colour: NDArray[np.int64] = frame.pixels[int(y * height), int(x * width)].astype(np.int64)
    return colour


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_the_default_limits_are_those_of_the_settings() -> None:
    settings = Settings()
    assert settings.max_image_bytes == LIMITS.max_bytes
    assert settings.max_image_pixels == LIMITS.max_pixels
    assert settings.max_image_side_px == LIMITS.max_side_px
    assert settings.decode_pixels == LIMITS.decode_pixels


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "ICO", "MPO", "AVIF"])
def test_every_format_is_read_as_rgb(kind: str) -> None:
    options = {"sizes": [(64, 48)]} if kind == "ICO" else {}
    frame = decode(encoded(quarters(), kind.rsplit(maxsplit=1)[-1], **options), "x", LIMITS)
    assert (frame.width, frame.height) == (64, 48)
    assert frame.pixels.shape == (48, 64, 3)
    assert frame.pixels.dtype == np.uint8
    assert frame.pixels.flags.c_contiguous
    for at, colour in {(0.2, 0.2): (250, 10, 10), (0.8, 0.2): (10, 250, 10), (0.2, 0.8): (10, 10, 250)}.items():
        assert np.abs(near(frame, *at) - colour).max() < 25


def test_heic_is_read_upright_with_the_extra() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    pytest.importorskip("pillow_heif").from_pillow(quarters(640, 480)).save(buffer, exif=exif.tobytes())
    frame = decode(buffer.getvalue(), "photo.heic", LIMITS)
    assert (frame.width, frame.height) == (480, 640)
    assert near(frame, 0.8, 0.2)[0] > 200


def test_heic_without_the_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = struct.pack(">I", 24) + b"ftypheic" + b"\0\0\0\0mif1heic" + bytes(100)
    with pytest.raises(ImageError, match=r"photo\.heic: .*pip install pillow-heif"):
        decode(data, "photo.heic", LIMITS)


TURNED = {
    1: "red green blue black", 2: "green red black blue", 3: "black blue green red", 4: "blue black red green",
    5: "red blue green black", 6: "blue red black green", 7: "black green blue red", 8: "green black red blue",
}  # fmt: skip
COLOURS = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250), "black": (0, 0, 0)}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    frame = decode(encoded(quarters(), kind, exif=exif.tobytes()), "x", LIMITS)
    assert (frame.width, frame.height) == ((48, 64) if orientation >= 5 else (64, 48))
    assert frame.pixels.shape == (frame.height, frame.width, 3)
    assert frame.pixels.flags.c_contiguous
    places = [(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)]
    for name, place in zip(TURNED[orientation].split(), places, strict=True):
        assert np.abs(near(frame, *place) - COLOURS[name]).max() < 30


def test_a_reduced_picture_is_turned_too_and_keeps_its_full_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "TIFF"):
        frame = decode(encoded(quarters(640, 480), kind, exif=exif.tobytes()), "x", ImageLimits(decode_pixels=20_000))
        assert (frame.width, frame.height) == (480, 640)
        assert frame.pixels.shape == (160, 120, 3)
        assert frame.scale == 4
        assert near(frame, 0.8, 0.2)[0] > 200


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(30),
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0",
        b"\xff" * 50,
    ],
)
def test_damaged_exif_leaves_the_picture_as_it_is(block: bytes) -> None:
    frame = decode(encoded(quarters(), "JPEG", exif=block), "x", LIMITS)
    assert (frame.width, frame.height) == (64, 48)


def test_exif_that_imagemagick_wrote_into_a_png_is_honoured() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    block = exif.tobytes()
    info = PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n")
    assert decode(encoded(quarters(), "PNG", pnginfo=info), "x", LIMITS).height == 64
    info = PngInfo()
    info.add_text("Raw profile type exif", "\nexif\n 9\nnot hexadecimal")
    assert decode(encoded(quarters(), "PNG", pnginfo=info), "x", LIMITS).height == 48


STORED_MODES = {
    "PNG": ("1", "L", "P", "RGB", "RGBA", "LA"),
    "TIFF": ("1", "L", "P", "RGB", "CMYK", "YCbCr", "RGBA", "LA"),
    "JPEG": ("1", "L", "RGB", "CMYK", "YCbCr"),
}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in STORED_MODES.items() for mode in modes])
def test_every_mode_shows_the_same_picture(kind: str, mode: str) -> None:
    grey = quarters().convert("L").point(lambda v: 255 if v > 60 else 0)
    data = encoded(grey.convert("RGB").convert(mode), kind)
    frame = decode(data, "x", LIMITS)
    assert np.abs(frame.pixels.astype(int) - np.asarray(grey.convert("RGB"))).mean() < 6


def test_lab_is_shown_in_its_colours() -> None:
    lab = Image.new("LAB", (8, 8), (136, 208, 195))
    red, green, blue = near(decode(encoded(lab, "TIFF"), "x", LIMITS), 0.5, 0.5)
    assert red > 200
    assert max(green, blue) < 90


def test_transparent_parts_become_white() -> None:
    image = quarters().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    for kind in ("PNG", "WEBP", "TIFF"):
        assert (decode(encoded(image, kind), "x", LIMITS).pixels > 250).all()
    half = quarters().convert("RGBA")
    half.putalpha(128)
    assert np.abs(near(decode(encoded(half), "x", LIMITS), 0.2, 0.2) - (252, 132, 132)).max() < 3


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_becomes_white(kind: str) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.paste(0, (0, 0, 4, 8))
    frame = decode(encoded(image, kind, transparency=0), "x", LIMITS)
    assert near(frame, 0.2, 0.5).tolist() == [255, 255, 255]
    assert near(frame, 0.8, 0.5).tolist() == [200, 0, 0]


def test_transparent_pixels_do_not_bleed_into_a_reduced_picture() -> None:
    image = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    image.paste((255, 255, 255, 255), (0, 0, 199, 400))
    frame = decode(encoded(image), "x", ImageLimits(decode_pixels=10_000))
    assert frame.pixels.shape == (100, 100, 3)
    assert (frame.pixels == 255).all()


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    ramp = (np.arange(256, dtype=np.uint16) << 8 | 0x80)[None].repeat(4, axis=0)
    expected = np.arange(256, dtype=np.uint8)
    for data in (encoded(Image.fromarray(ramp), "PNG"), encoded(Image.fromarray(ramp), "TIFF")):
        frame = decode(data, "x", LIMITS)
        assert np.array_equal(frame.pixels[0], np.stack([expected] * 3, axis=1))


def test_big_endian_sixteen_bit_tiff_is_scaled() -> None:
    body = struct.pack(">4H", 0x0000, 0x4000, 0x8000, 0xFFFF)
    tags = [(256, 4, 1, 4), (257, 4, 1, 1), (258, 3, 1, 16 << 16), (259, 3, 1, 1 << 16), (262, 3, 1, 1 << 16),
            (273, 4, 1, 8), (277, 3, 1, 1 << 16), (278, 4, 1, 1), (279, 4, 1, 8)]  # fmt: skip
    directory = struct.pack(">H", len(tags)) + b"".join(struct.pack(">HHII", *tag) for tag in tags) + bytes(4)
    frame = decode(b"MM\0*" + struct.pack(">I", 16) + body + directory, "x", LIMITS)
    assert frame.pixels[0, :, 0].tolist() == [0, 64, 128, 255]


def test_sixteen_bit_colour_is_scaled_not_clipped() -> None:
    values = np.array([0x0012, 0x7F34, 0xFF56, 0x20FF, 0x40AA, 0x8000], dtype=">u2")
    frame = decode(png(2, 1, 16, 2, b"\0" + values.tobytes()), "x", LIMITS)
    assert frame.pixels.tolist() == [[[0, 0x7F, 0xFF], [0x20, 0x40, 0x80]]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 127, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 256.0, 65535.0], [0, 1, 255]),
        ([-100.0, 0.0, 100.0], [0, 127, 255]),
        ([0.0, float("nan"), 1.0], [0, 0, 255]),
        ([0.0, float("inf"), 1.0], [0, 255, 255]),
        ([float("nan")] * 3, [0, 0, 0]),
    ],
)
def test_floating_point_tiffs_are_scaled_by_their_range(values: list[float], expected: list[int]) -> None:
    frame = decode(encoded(Image.fromarray(np.array([values], np.float32)), "TIFF"), "x", LIMITS)
    assert frame.pixels[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 1, 255], [0, 1, 255]), ([0, 256, 65535], [0, 1, 255]), ([0, 1_000_000, 2_000_000], [0, 127, 255])],
)
def test_32_bit_tiffs_are_scaled_by_their_range(values: list[int], expected: list[int]) -> None:
    frame = decode(encoded(Image.fromarray(np.array([values], np.int32)), "TIFF"), "x", LIMITS)
    assert frame.pixels[0, :, 0].tolist() == expected


def test_the_first_picture_of_an_animation_counts() -> None:
    first, second = Image.new("RGB", (20, 10), "red"), Image.new("RGB", (20, 10), "blue")
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        data = encoded(first, kind, save_all=True, append_images=[second])
        assert near(decode(data, "x", LIMITS), 0.5, 0.5)[0] > 200


def test_the_largest_picture_of_an_icon_counts() -> None:
    data = encoded(quarters(256, 256), "ICO", sizes=[(16, 16), (256, 256), (32, 32)])
    assert decode(data, "x", LIMITS).width == 256
    bitmap = encoded(quarters(64, 64), "ICO", sizes=[(16, 16), (64, 64)], bitmap_format="bmp")
    assert decode(bitmap, "x", LIMITS).width == 64


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
def test_large_pictures_are_reduced_and_keep_their_full_size(kind: str) -> None:
    frame = decode(encoded(quarters(1000, 700), kind), "x", ImageLimits(decode_pixels=50_000))
    assert (frame.width, frame.height) == (1000, 700)
    assert 10_000 < frame.pixels.shape[0] * frame.pixels.shape[1] <= 50_000
    assert frame.scale == pytest.approx(4, rel=0.01)
    assert np.abs(near(frame, 0.2, 0.2) - (250, 10, 10)).max() < 10


@pytest.mark.parametrize("size", [(3000, 3), (3, 3000), (3000, 1), (1, 1), (2, 7)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_strips_are_reduced_as_far_as_they_go(size: tuple[int, int], kind: str) -> None:
    frame = decode(encoded(Image.new("RGB", size, "red"), kind), "x", ImageLimits(decode_pixels=500))
    assert (frame.width, frame.height) == size
    assert 1 <= frame.pixels.shape[0] * frame.pixels.shape[1] <= 500
    assert (np.abs(frame.pixels.astype(int) - (254, 0, 0)) < 3).all()


def test_reducing_in_strips_equals_reducing_at_once() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (1234, 1567, 3), dtype=np.uint8))
    frame = decode(encoded(image, compress_level=1), "x", ImageLimits(decode_pixels=300_000))
    assert np.array_equal(frame.pixels, np.asarray(image.reduce(3)))


def header_of(width: int, height: int) -> bytes:
    return png(width, height, 8, 2, b"")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"<html>not an image</html>", "is HTML, not an image"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html><html>", "is HTML, not an image"),
        (b"<?xml version='1.0'?><svg/>", "is XML or SVG text, not a photo"),
        (b"%PDF-1.7\n%\xe2\xe3", "is a PDF document"),
        (b"hello\n", "is text, not an image"),
        (bytes(range(256)), "cannot identify an image.*faceline reads JPEG, PNG"),
        (struct.pack(">I", 24) + b"ftypisom\0\0\0\0isommp42" + bytes(50), "is a video"),
        (header_of(60_000, 60_000), "60,000 × 60,000 pixels are over the limit of 30,000 a side.*max_image_side_px"),
        (header_of(20_000, 20_000), "over the limit of 80,000,000 in all.*max_image_pixels"),
        (header_of(0, 5), "damaged|shows nothing"),
        (encoded(quarters(), "JPEG")[:500], "this JPEG is (cut off|damaged)"),
        (encoded(quarters(), "PNG")[:100], "this PNG is (cut off|damaged)"),
        (encoded(quarters(), "WEBP")[:80], "this WEBP is (cut off|damaged)"),
        (encoded(quarters(), "GIF")[:60], "this GIF is (cut off|damaged)"),
        (encoded(quarters(), "BMP")[:900], "this BMP is (cut off|damaged)"),
        (encoded(quarters(), "TIFF")[:900], "this TIFF is (cut off|damaged)"),
    ],
)
def test_refusals_name_the_input_the_reason_and_a_way_out(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        decode(data, "album/x.jpg", LIMITS)
    assert str(caught.value).startswith("album/x.jpg: ")
    assert ";" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(ImageError, match=r"x: .* bytes are over the limit of 100; .*max_image_bytes"):
        decode(encoded(quarters()), "x", ImageLimits(max_bytes=100))


def test_a_raised_limit_lets_pictures_pass_that_pillow_would_warn_about() -> None:
    frame = decode(encoded(Image.new("1", (10_000, 9_500))), "x", ImageLimits(max_pixels=100_000_000))
    assert (frame.width, frame.height) == (10_000, 9_500)


def test_trailing_garbage_is_ignored() -> None:
    for kind in ("JPEG", "PNG", "GIF", "WEBP"):
        assert decode(encoded(quarters(), kind) + b"garbage" * 99, "x", LIMITS).width == 64


@pytest.mark.parametrize(
    ("kind", "options", "side"), [("WEBP", {"method": 0, "quality": 1}, 3_000), ("JPEG", {"progressive": True}, 3_600)]
)
def test_kinds_that_need_more_memory_per_pixel_have_fewer_pixels(
    kind: str, options: dict[str, object], side: int
) -> None:
    limits = ImageLimits(max_pixels=side * side, decode_pixels=100_000_000)
    refused = encoded(Image.new("RGB", (side, side)), kind, subsampling=0, **options)
    message = (
        rf"this {kind} of {side:,} × {side:,} pixels needs 1\d\d MB to decode, the limit is 1\d\d; .*max_image_pix"
    )
    with pytest.raises(ImageError, match=message):
        decode(refused, "x", limits)
    plain = encoded(Image.new("RGB", (side, side)), "JPEG")
    assert decode(plain, "x", limits).width == side


def test_a_tiff_in_one_huge_strip_is_refused() -> None:
    data = encoded(Image.new("RGB", (8_000, 8_000)), "TIFF", compression="tiff_deflate", tiffinfo={278: 8_000})
    with pytest.raises(ImageError, match="MB to decode"):
        decode(data, "x", LIMITS)


def test_a_progressive_jpeg_of_countless_scans_is_refused_at_once() -> None:
    data = encoded(Image.new("L", (64, 64), 128), "JPEG", progressive=True)
    last = data.rfind(b"\xff\xda")
    with pytest.raises(ImageError, match="more than 40 scans"):
        decode(data[:-2] + data[last:-2] * 50 + b"\xff\xd9", "x", LIMITS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF"])
def test_files_of_countless_tiny_parts_are_refused_at_once(kind: str) -> None:
    plain = encoded(quarters().convert("P"), kind) if kind == "GIF" else encoded(quarters(), kind)
    palette = 13 + (3 << ((plain[10] & 7) + 1)) if kind == "GIF" else 0
    empty_chunk = struct.pack(">I4sI", 0, b"teSt", zlib.crc32(b"teSt"))
    data = {
        "JPEG": plain[:2] + b"\xff\xfe\0\2" * 1_000_000 + plain[2:],
        "PNG": plain[:33] + empty_chunk * 1_000_000 + plain[33:],
        "GIF": plain[:palette] + (b"!\xfe" + b"\1x" * 5_000 + b"\0") * 100 + plain[palette:],
        "TIFF": b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 273, 4, 3_000_000, 30) + bytes(12_000_100),
    }[kind]
    started = time.perf_counter()
    with pytest.raises(ImageError, match=f"this {kind} has more than [0-9,]+ parts"):
        decode(data, "x", LIMITS)
    assert time.perf_counter() - started < 1


def test_a_large_run_length_bitmap_is_refused() -> None:
    header = struct.pack("<IHHI", 100, 0, 0, 1078) + struct.pack("<IiiHHIIiiII", 40, 9000, 8000, 1, 8, 1, 0, 0, 0, 0, 0)
    with pytest.raises(ImageError, match="run-length BMP"):
        decode(b"BM" + header + bytes(1024) + b"\0\1" * 9, "x", LIMITS)


def test_an_icon_that_claims_a_huge_bitmap_is_refused() -> None:
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, 400, 22)
    bitmap = struct.pack("<IiiHHIIiiII", 40, 60_000, 120_000, 1, 32, 0, 0, 0, 0, 0, 0)
    with pytest.raises(ImageError, match="the icon's bitmap claims 60,000 × 60,000"):
        decode(b"\0\0\1\0\1\0" + entry + bitmap + bytes(400), "x", LIMITS)


def test_an_icon_that_hides_a_huge_png_is_refused() -> None:
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, 400, 22)
    with pytest.raises(ImageError, match=r"x: 60,000 × 60,000"):
        decode(b"\0\0\1\0\1\0" + entry + header_of(60_000, 60_000), "x", LIMITS)
