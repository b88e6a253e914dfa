"""What bytes claim to be, checked against the limits before anything is decoded.

Readers are chosen by content, never by file name, and built from Pillow's own classes: `Image.open` would add a size
rule and a warning of its own, steered by a variable of the whole process.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, TypeGuard

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin

from faceline.errors import ImageError, ImageLimitError

if TYPE_CHECKING:
    from faceline.image_readers import Tiff

KNOWN = "JPEG, PNG, WebP, GIF, BMP, TIFF, ICO, AVIF and HEIC"

# More than any writer makes; Pillow walks these in Python, so that a file of nothing else would take minutes.
_MAX_SEGMENTS = 5_000
_MAX_PNG_CHUNKS = 100_000
_MAX_TIFF_VALUES = 200_000
_MAX_SCANS = 40
_MAX_RUN_LENGTH_WORK = 16_000_000
_MAX_ICON_SIDE = 1_024

# Peak bytes per pixel while decoding, measured with Pillow 13 and pillow-heif 1.8: the codec's planes and canvases, the
# bytes it hands over, Pillow's picture. The 48-megapixel HEIC of phones (8 bits, half-size colour planes) must pass.
_WEBP_BYTES = 12.5
_AVIF_BYTES, _DEEP_AVIF_BYTES = 16.0, 20.0  # deep: more than 8 bits, or transparency
_HEIF_BYTES, _DEEP_HEIF_BYTES, _FULL_COLOUR_HEIF_BYTES = 7.5, 9.5, 16.0
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
_ALLOWANCE = 70_000_000  # beyond the pixels: the file itself and the reduced picture


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What one image may cost; the defaults are those of the settings.

    max_bytes: of the file. max_pixels: width × height. max_side_px: of the longer side. decode_pixels: above this the
    picture is reduced. Decoding may use as much memory as `max_pixels` pixels of plain RGB do, 4 bytes each: kinds
    that need more for a pixel (WebP, AVIF, HEIC, progressive JPEG) have so many fewer pixels.
    """

    max_bytes: int = 50_000_000
    max_pixels: int = 80_000_000
    max_side_px: int = 30_000
    decode_pixels: int = 16_000_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture whose pixels are not decoded yet. width, height: as stored, before reducing and turning."""

    image: Image.Image
    kind: str
    width: int
    height: int


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """Without Pillow's look into EXIF for a resolution, which warns about harmless damage."""

    def getexif(self) -> Image.Exif:
        return Image.Exif()


@contextmanager
def naming(source: str, kind: str) -> Iterator[None]:
    """Turns whatever Pillow raises over hostile or damaged bytes into an ImageError that names `source`."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageLimitError(f"{source}: not enough memory to decode this {kind}; reduce it") from error
    except Image.DecompressionBombError as error:
        raise ImageLimitError(f"{source}: the {kind} has far too many pixels; reduce it") from error
    except Exception as error:  # its codecs document no list: OSError, SyntaxError, struct.error, IndexError and more
        unclear = isinstance(error, struct.error | LookupError | AttributeError | TypeError) or not str(error)
        reason = "its parts do not add up" if unclear else " ".join(str(error).split())[:200]
        what = "cut off" if "truncated" in reason.lower() else "damaged"
        raise ImageError(f"{source}: this {kind} is {what} ({reason}); export it or fetch it again") from error


def open_image(data: bytes, source: str, limits: ImageLimits) -> Opened:
    """The picture, set to decode at a reduced scale where its format can.

    Raises ImageError, naming `source`, for bytes that are no image or cost more than the limits allow.
    """
    check_bytes(len(data), source, limits)
    kind = _kind(data, source)
    if kind == "ICO":
        return _open_icon(data, source, limits)
    with naming(source, kind):
        _check_structure(kind, data, source)
        image = _reader(kind, source)(BytesIO(data))
        opened = Opened(image, kind, *_stored_size(image))
        check_size(opened.width, opened.height, source, limits)
        _reduce_early(image, limits.decode_pixels)
        _check_cost(opened, data, source, limits)
    return opened


def check_bytes(size: int, source: str, limits: ImageLimits) -> None:
    if size == 0:
        raise ImageError(f"{source}: the file is empty (0 bytes); fetch it again")
    if size > limits.max_bytes:
        raise ImageLimitError(
            f"{source}: {size:,} bytes are over the limit of {limits.max_bytes:,}; "
            "reduce the picture or raise max_image_bytes"
        )


def check_size(width: int, height: int, source: str, limits: ImageLimits) -> None:
    if min(width, height) < 1:
        raise ImageError(f"{source}: a picture of {width} × {height} pixels shows nothing; use another")
    if max(width, height) > limits.max_side_px:
        raise ImageLimitError(
            f"{source}: {width:,} × {height:,} pixels are over the limit of {limits.max_side_px:,} a side; "
            "reduce the picture or raise max_image_side_px"
        )
    if width * height > limits.max_pixels:
        raise ImageLimitError(
            f"{source}: {width:,} × {height:,} pixels are over the limit of {limits.max_pixels:,} in all; "
            "reduce the picture or raise max_image_pixels"
        )


def _kind(data: bytes, source: str) -> str:
    if data[4:8] == b"ftyp":
        return _isobmff_kind(data, source)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    starts = {
        b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF87a": "GIF", b"GIF89a": "GIF", b"BM": "BMP",
        b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF", b"\0\0\1\0": "ICO",
    }  # fmt: skip
    for start, kind in starts.items():
        if data.startswith(start):
            return kind
    raise ImageError(f"{source}: {_what_else(data)}; faceline reads {KNOWN}")


def _isobmff_kind(data: bytes, source: str) -> str:
    """AVIF, HEIC and videos share a container; its first box lists what it can be read as."""
    length = min(struct.unpack_from(">I", data)[0], 256)
    brands = {data[i : i + 4] for i in (8, *range(16, length, 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
        return "HEIF"
    raise ImageError(
        f"{source}: is a video or another media file; name a clip as one, as .mp4; the images that are read: {KNOWN}"
    )


def _what_else(data: bytes) -> str:
    head = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        return "is HTML, not an image (a download that failed?)"
    if head.startswith((b"<?xml", b"<svg")):
        return "is XML or SVG text, not a photo"
    if head.startswith(b"%pdf"):
        return "is a PDF document, not an image"
    if not re.search(rb"[^\t\n\r\f\x20-\x7e\x80-\xff]", data[:512]):
        return "is text, not an image"
    return "cannot identify an image in these bytes"


def _reader(kind: str, source: str) -> type[ImageFile.ImageFile]:
    if kind == "AVIF":
        return _avif_reader(source)
    if kind == "HEIF":
        return _heif_reader(source)
    if kind == "JPEG":
        return _Jpeg
    if kind == "PNG":
        return PngImagePlugin.PngImageFile
    from faceline.image_readers import reader_of  # noqa: PLC0415 - for few photos

    return reader_of(kind)


def _is_tiff(image: Image.Image) -> "TypeGuard[Tiff]":
    return image.format == "TIFF"


def _avif_reader(source: str) -> type[ImageFile.ImageFile]:
    try:
        from PIL import AvifImagePlugin  # noqa: PLC0415 - Pillow before 11.3 has none
    except ImportError as error:
        raise ImageError(f"{source}: this Pillow reads no AVIF; pip install 'pillow>=11.3'") from error
    return AvifImagePlugin.AvifImageFile


def _heif_reader(source: str) -> type[ImageFile.ImageFile]:
    try:
        from pillow_heif import HeifImageFile  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImageError(f"{source}: reading HEIC needs an extra; pip install pillow-heif") from error
    reader: type[ImageFile.ImageFile] = HeifImageFile
    return reader


def _stored_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Pillow gives a TIFF's size as it will be after turning."""
    if _is_tiff(image):
        return image.tag_v2[256], image.tag_v2[257]
    return image.size


def _open_icon(data: bytes, source: str, limits: ImageLimits) -> Opened:
    """The largest picture of an icon file, which is a PNG of any size or a small bitmap."""
    from faceline.image_readers import icon_file  # noqa: PLC0415 - for few photos

    with naming(source, "ICO"):
        icon = icon_file(data)
        start = icon.entry[0].offset
        if data[start : start + 8] == b"\x89PNG\r\n\x1a\n":
            return open_image(data[start:], source, limits)
        width, height = struct.unpack_from("<ii", data, start + 4)
        if not (0 < width <= _MAX_ICON_SIDE and 0 < height <= 2 * _MAX_ICON_SIDE):
            raise ImageError(f"{source}: the icon's bitmap claims {width:,} × {height // 2:,} pixels; save it as PNG")
        check_size(width, height // 2, source, limits)
        image = icon.frame(0)
        return Opened(image, "ICO", image.width, image.height)


def _check_structure(kind: str, data: bytes, source: str) -> None:
    """Refuses files of countless tiny parts before Pillow walks them."""
    counts = {"JPEG": _jpeg_segments, "PNG": _png_chunks, "GIF": _gif_blocks, "TIFF": _tiff_values}
    limits = {"JPEG": _MAX_SEGMENTS, "PNG": _MAX_PNG_CHUNKS, "GIF": _MAX_SEGMENTS, "TIFF": _MAX_TIFF_VALUES}
    if kind in counts and counts[kind](data) > limits[kind]:
        raise ImageError(f"{source}: this {kind} has more than {limits[kind]:,} parts; export it again")


def _jpeg_segments(data: bytes) -> int:
    """How many segments and fill bytes come before the first scan."""
    position, count = 2, 0
    while count <= _MAX_SEGMENTS and data[position : position + 1] == b"\xff" and position + 4 <= len(data):
        marker = data[position + 1]
        if marker == 0xDA:
            break
        bare = marker in (0x00, 0xFF)
        position += 1 if bare else 2 + struct.unpack_from(">H", data, position + 2)[0]
        count += 1
    return count


def _png_chunks(data: bytes) -> int:
    position, count = 8, 0
    while count <= _MAX_PNG_CHUNKS and position + 8 <= len(data):
        position += 12 + struct.unpack_from(">I", data, position)[0]
        count += 1
    return count


def _gif_blocks(data: bytes) -> int:
    """How many extension blocks come before the first picture."""
    palette = 3 << ((data[10] & 7) + 1) if data[10] & 128 else 0
    position, count = 13 + palette, 0
    while count <= _MAX_SEGMENTS and data[position : position + 1] == b"!":
        position += 2
        while count <= _MAX_SEGMENTS and position < len(data) and data[position]:
            position += 1 + data[position]
            count += 1
        position += 1
        count += 1
    return count


def _tiff_values(data: bytes) -> int:
    """How many numbers the first directory holds; byte arrays (profiles, thumbnails) count by the kilobyte."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    start = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    entries = struct.unpack_from(order + ("Q" if big else "H"), data, start)[0]
    entry, size, head = (order + "HHQ", 20, 8) if big else (order + "HHI", 12, 2)
    count = 0
    for i in range(min(entries, _MAX_SEGMENTS)):
        _, kind, values = struct.unpack_from(entry, data, start + head + size * i)
        count += values // 1024 if kind in (1, 2, 6, 7) else values
    return count


def _reduce_early(image: Image.Image, decode_pixels: int) -> None:
    """JPEG decodes at 1/2, 1/4 or 1/8 for less time and memory."""
    scale = next((s for s in (1, 2, 4) if image.width * image.height <= decode_pixels * s * s), 8)
    if isinstance(image, _Jpeg) and scale > 1:
        image.draft(None, (max(image.width // scale, 1), max(image.height // scale, 1)))


def _check_cost(opened: Opened, data: bytes, source: str, limits: ImageLimits) -> None:
    reduced = 3 * min(opened.width * opened.height, limits.decode_pixels)
    needed = len(data) + max(_working_bytes(opened, data, source), _plain_bytes(opened.image) + reduced)
    allowed = 4 * limits.max_pixels + _ALLOWANCE
    if needed > allowed:
        raise ImageLimitError(
            f"{source}: this {opened.kind} of {opened.width:,} × {opened.height:,} pixels needs {needed / 1e6:,.0f} MB "
            f"to decode, the limit is {allowed / 1e6:,.0f}; reduce it, save it as plain JPEG, or raise max_image_pixels"
        )


def _plain_bytes(image: Image.Image) -> int:
    return image.width * image.height * _MODE_BYTES.get(image.mode, 4)


def _working_bytes(opened: Opened, data: bytes, source: str) -> int:
    """The most that decoding holds at a time, beside the file and the reduced picture."""
    image, pixels = opened.image, opened.width * opened.height
    if isinstance(image, _Jpeg):
        coefficients = _jpeg_coefficient_bytes(image) if _in_many_scans(image, data, source) else 0
        return _plain_bytes(image) + int(pixels * coefficients)
    if _is_tiff(image):
        return _plain_bytes(image) + _tiff_strip_bytes(image)
    if opened.kind in ("WEBP", "AVIF", "HEIF"):
        return int(pixels * _codec_bytes(opened.kind, image))
    if opened.kind == "BMP":
        _check_run_length(image, data, source)
    return _plain_bytes(image)


def _codec_bytes(kind: str, image: Image.Image) -> float:
    if kind == "WEBP":
        return _WEBP_BYTES
    deep = image.info.get("bit_depth", 8) > 8 or image.mode not in ("RGB", "L")
    if kind == "AVIF":
        return _DEEP_AVIF_BYTES if deep else _AVIF_BYTES
    if image.info.get("chroma", 420) not in (400, 420):
        return _FULL_COLOUR_HEIF_BYTES
    return _DEEP_HEIF_BYTES if deep else _HEIF_BYTES


def _check_run_length(image: Image.Image, data: bytes, source: str) -> None:
    """Pillow unpacks run-length BMP in Python, pixel by pixel."""
    if image.info.get("compression") in (1, 2) and image.width * image.height + len(data) > _MAX_RUN_LENGTH_WORK:
        raise ImageLimitError(f"{source}: a run-length BMP of this size takes too long to decode; save it as PNG")


def _in_many_scans(image: _Jpeg, data: bytes, source: str) -> bool:
    """Whether libjpeg has to hold the whole picture's coefficients: its components do not come in one scan."""
    first = data.rfind(b"\xff\xda", 0, image.fp.tell() if image.fp else None)
    if data[first + 4] == len(image.layer) and not image.info.get("progressive"):
        return False
    if _jpeg_scans(data, first) > _MAX_SCANS:
        raise ImageError(f"{source}: this JPEG has more than {_MAX_SCANS} scans; export it again")
    return True


def _jpeg_coefficient_bytes(image: _Jpeg) -> float:
    """Per pixel: 2 bytes for each component, fewer for subsampled ones."""
    factors = [vertical * horizontal for _, vertical, horizontal, _ in image.layer]
    whole = max(v for _, v, _, _ in image.layer) * max(h for _, _, h, _ in image.layer)
    return 2 * sum(factors) / max(whole, 1)


def _jpeg_scans(data: bytes, position: int) -> int:
    """How many scans follow from `position`, the first one's marker, to the picture's end."""
    marker = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
    scans = segments = 0
    while scans <= _MAX_SCANS and segments <= _MAX_SEGMENTS and (found := marker.search(data, position)):
        code, position = found[1][0], found.end()
        if code == 0xD9:
            break
        position += int.from_bytes(data[position : position + 2], "big")
        scans += code == 0xDA
        segments += 1
    return scans if segments <= _MAX_SEGMENTS else _MAX_SCANS + 1


def _tiff_strip_bytes(image: "Tiff") -> int:
    """libtiff unpacks a whole strip or tile before Pillow sees it; a file may be one single strip."""
    tags = image.tag_v2
    if tags.get(259, 1) == 1:
        return 0
    width, rows = tags.get(322, tags[256]), tags.get(323, min(tags.get(278, tags[257]), tags[257]))
    bits = max(tags.get(258, (1,))) * tags.get(277, 1)
    return int(width * rows * max(bits, 32)) // 8
