"""Bytes → Frame, and pixels → bytes.

A frame is upright (EXIF), RGB, and at most about `ImageLimits.decode_pixels` large. Transparent parts become white.
Colour profiles are not applied. Of several pictures in one file (animation, pages) the first counts. A picture that
is cut off or whose data do not add up is refused rather than shown half grey.
"""

import math
import stat
import struct
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceline.errors import ImageError
from faceline.files import check_folder, is_folder, walk
from faceline.geometry import margin_box
from faceline.image_headers import ImageLimits, check_bytes, check_size, naming, open_image
from faceline.types import BoundingBox, Frame, Landmarks, Pixels, Vector

__all__ = [
    "ImageLimits",
    "crop_with_margin",
    "decode",
    "encode_jpeg",
    "image_paths",
    "images_in",
    "is_image_name",
    "read",
    "read_bytes",
    "save",
    "to_frame",
]

_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".ico", ".avif", ".heic", ".heif", ".hif"),
)
_STRIP_PIXELS = 60_000  # converted at a time; the whole of a large picture never exists in a second mode
_CROP_SIDE = 400
_RAW_PROFILE = "Raw profile type exif"  # where ImageMagick puts EXIF into a PNG, as hexadecimal text


def decode(data: bytes, source: str, limits: ImageLimits) -> Frame:
    """The picture in `data`. source: what the reader calls it, for messages.

    Raises ImageError, naming `source`, when the bytes are no image we read, are damaged, or exceed a limit.
    """
    opened = open_image(data, source, limits)
    with naming(source, opened.kind):
        # Pillow drops a TIFF's tag while loading, and finds some PNGs' EXIF only then.
        tagged = _tagged_orientation(opened.image)
        opened.image.load()
        pixels = _pixels(opened.image, limits.decode_pixels)
        orientation = tagged or _exif_orientation(_exif(opened.image))
    return _frame(pixels, (opened.width, opened.height), orientation, source)


def read(path: Path, limits: ImageLimits) -> Frame:
    """The picture in a file. Raises ImageError like `decode` and `read_bytes`."""
    return decode(read_bytes(path, limits), str(path), limits)


def read_bytes(path: Path, limits: ImageLimits) -> bytes:
    """A file's content, once its size is known to be within the limit.

    Raises ImageError, naming the path, for what is missing, not readable, empty, too large, or no regular file.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            check_folder(path)
        if not stat.S_ISREG(status.st_mode):
            what = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise ImageError(f"{path}: is {what}; name an image file")
        check_bytes(status.st_size, str(path), limits)
        with path.open("rb") as file:
            return file.read(limits.max_bytes + 1)
    except FileNotFoundError as error:
        raise ImageError(f"{path}: there is no such file; check the name") from error
    except PermissionError as error:
        raise ImageError(f"{path}: permission denied; make it readable for this user") from error
    except (OSError, ValueError) as error:  # ValueError: a name with NUL
        raise ImageError(f"{path}: cannot be read ({error}); check the name and the disk") from error


def image_paths(paths: Iterable[Path]) -> list[Path]:
    """The files among `paths` as they are, whatever their names, and the images in its folders and theirs, sorted.

    A path that does not exist is kept, so that reading it says so; so is a folder that cannot be listed. Nothing hidden
    in a folder is taken.
    """
    found: list[Path] = []
    for path in paths:
        found += images_in(path) if is_folder(path) else [path]
    return found


def images_in(folder: Path) -> list[Path]:
    """The images in a folder and its folders, sorted, with the folders that cannot be listed; nothing hidden."""
    return sorted(walk(folder, is_image_name))


def to_frame(
    image: Path | str | bytes | Image.Image | NDArray[np.uint8] | Frame, limits: ImageLimits, source: str | None = None
) -> Frame:
    """A frame of whatever the Python API takes: a file's name, a file's bytes, a Pillow image, an array, or a frame.

    Arrays are uint8, upright, (height, width, 3) RGB, (height, width, 4) RGBA or (height, width) grey; an RGB array
    that needs no reducing is used as it is, not copied. Pillow images are turned by their EXIF orientation. Frames
    come back unchanged. Raises ImageError as `decode` does, and for other arrays and types.
    """
    match image:
        case Frame():
            return image
        case Path() | str():
            return read(Path(image), limits)
        case bytes():
            return decode(image, source or "image bytes", limits)
        case Image.Image():
            return _of_pillow(image, source or str(getattr(image, "filename", "") or "image"), limits)
        case np.ndarray():
            return _of_array(image, source or "array", limits)
    raise ImageError(
        f"{source or 'image'}: cannot take a {type(image).__name__}; "
        "pass a path, the bytes of a file, a Pillow image or a uint8 array"
    )


def encode_jpeg(pixels: Pixels, quality: int = 90) -> bytes:
    """A JPEG file of `pixels`, uint8 (height, width, 3) RGB. quality: 1–95."""
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def save(pixels: Pixels, path: Path) -> None:
    """Writes `pixels`, uint8 (height, width, 3) RGB, in the format that the suffix names. Raises ImageError."""
    try:
        Image.fromarray(np.ascontiguousarray(pixels)).save(path, quality=90)
    except (OSError, ValueError, KeyError) as error:
        raise ImageError(f"{path}: cannot be written ({error}); name a writable file ending in .jpg or .png") from error


def is_image_name(path: Path) -> bool:
    """Whether a walk through a folder should try this file: a suffix we read, and not hidden."""
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def crop_with_margin(
    frame: Frame, box: BoundingBox, landmarks: Landmarks, margin: float = 0.4
) -> tuple[Pixels, Vector]:
    """A face cut out: uint8 (height, width, 3) RGB, and its landmarks, float32 (5, 2), in the crop's own pixels.

    margin: added on each side, as a part of the box's width and height; clipped to the picture. Cut from
    `frame.pixels`, and reduced so that the longer side is at most 400 pixels; never enlarged.
    """
    height, width = frame.pixels.shape[:2]
    scale = 1 / frame.scale
    scaled = BoundingBox(box.left * scale, box.top * scale, box.width * scale, box.height * scale)
    x1, y1, x2, y2 = margin_box(scaled, margin, width, height)
    crop = np.ascontiguousarray(frame.pixels[y1:y2, x1:x2])
    points = landmarks.as_array() * scale - (x1, y1)
    shrink = _CROP_SIDE / max(x2 - x1, y2 - y1)
    if shrink < 1:
        size = max(round((x2 - x1) * shrink), 1), max(round((y2 - y1) * shrink), 1)
        points = points * (size[0] / (x2 - x1), size[1] / (y2 - y1))
        crop = np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.LANCZOS))
    return crop, points.astype(np.float32)


def _of_pillow(image: Image.Image, source: str, limits: ImageLimits) -> Frame:
    check_size(image.width, image.height, source, limits)
    with naming(source, f"{image.mode} image"):
        image.load()
        size = image.size
        pixels = _pixels(image, limits.decode_pixels)
        # Pillow turns a TIFF itself while loading it, but leaves the tag in its own place, not in `info`.
        orientation = _exif_orientation(_exif(image))
    return _frame(pixels, size, orientation, source)


def _of_array(array: NDArray[np.uint8], source: str, limits: ImageLimits) -> Frame:
    good = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not good:
        raise ImageError(
            f"{source}: an array of {array.dtype} {array.shape} is no picture; "
            "pass uint8 (height, width, 3) RGB, (height, width, 4) RGBA or (height, width) grey"
        )
    height, width = array.shape[:2]
    check_size(width, height, source, limits)
    if array.ndim == 3 and array.shape[2] == 3 and width * height <= limits.decode_pixels:
        return Frame(np.ascontiguousarray(array), width, height, source)
    pixels = _pixels(Image.fromarray(np.ascontiguousarray(array)), limits.decode_pixels)
    return Frame(pixels, width, height, source)


def _frame(pixels: Pixels, size: tuple[int, int], orientation: int, source: str) -> Frame:
    width, height = size[::-1] if orientation >= 5 else size
    return Frame(_upright(pixels, orientation), width, height, source)


def _pixels(image: Image.Image, decode_pixels: int) -> Pixels:
    """A loaded picture as uint8 (height, width, 3) RGB, reduced by a whole factor to at most `decode_pixels`."""
    # `image.size` of a TIFF is already turned while its pixels are not.
    width, height = image.im.size
    factor = _factor(width, height, decode_pixels)
    if image.mode == "RGB" and factor == 1 and image.size == (width, height) and "transparency" not in image.info:
        return np.asarray(image)  # what nearly all photos are, in one step
    tone = _tone(image, width, height)
    out = np.empty((-(-height // factor), -(-width // factor), 3), np.uint8)
    rows = max(_STRIP_PIXELS // (width * factor), 1) * factor
    for top in range(0, height, rows):
        strip = _to_rgb(image.crop((0, top, width, min(top + rows, height))), tone)
        reduced = np.asarray(strip.reduce(factor) if factor > 1 else strip)
        out[top // factor : top // factor + len(reduced)] = reduced
    return out


def _factor(width: int, height: int, decode_pixels: int) -> int:
    factor = max(math.isqrt(width * height // decode_pixels), 1)
    while -(-width // factor) * -(-height // factor) > max(decode_pixels, 1):
        factor += 1
    return factor


def _to_rgb(strip: Image.Image, tone: tuple[float, float, float] | None) -> Image.Image:
    if tone is not None:
        low, high, gain = tone
        values = np.clip(np.nan_to_num(np.asarray(strip, np.float32)), low, high)
        return Image.fromarray(((values - low) * gain).astype(np.uint8)).convert("RGB")
    if strip.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in strip.info:
        white = Image.new("RGB", strip.size, "white")
        rgba = strip.convert("RGBA")
        white.paste(rgba, mask=rgba)
        return white
    if strip.mode == "RGB":
        return strip
    return _of_lab(strip) if strip.mode == "LAB" else strip.convert("RGB")


def _of_lab(strip: Image.Image) -> Image.Image:
    from PIL import ImageCms  # noqa: PLC0415 - loads a library that almost no picture needs

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(strip, lab, srgb, outputMode="RGB")
    assert converted is not None
    return converted


def _tone(image: Image.Image, width: int, height: int) -> tuple[float, float, float] | None:
    """Low, high and gain by which numbers wider than 8 bits become grey; None for pictures of 8 bits.

    16 bits lose their lower half. 32-bit and floating-point pictures state no range: 0–1 (floating-point only), 0–255
    and 0–65535 are taken as such, others are stretched from their least to their greatest number.
    """
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0, 1 / 256
    if image.mode not in ("I", "F"):
        return None
    low, high = _extremes(image, width, height)
    for top, gain in ((1.0, 255.0), (255.0, 1.0), (65535.0, 1 / 256)):
        if low >= 0 and high <= top and (top > 1 or image.mode == "F"):
            return 0.0, top, gain
    # A little less than 256, so that the greatest number is 255 in spite of rounding.
    return low, high, 255.99 / (high - low) if high > low else 0.0


def _extremes(image: Image.Image, width: int, height: int) -> tuple[float, float]:
    rows = max(_STRIP_PIXELS // width, 1)
    low, high = math.inf, -math.inf
    for top in range(0, height, rows):
        strip = np.asarray(image.crop((0, top, width, min(top + rows, height))), np.float64)
        finite = strip[np.isfinite(strip)]
        low = min(low, float(finite.min(initial=math.inf)))
        high = max(high, float(finite.max(initial=-math.inf)))
    return (low, high) if low <= high else (0.0, 0.0)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """The stored pixels turned and mirrored as EXIF orientation 1–8 says; C-contiguous."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _tagged_orientation(image: Image.Image) -> int | None:
    """A TIFF's own orientation; None for other formats."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return None
    value = tags.get(0x0112, 1)
    return value if value in range(1, 9) else 1


def _exif(image: Image.Image) -> bytes:
    text = image.info.get(_RAW_PROFILE)
    if isinstance(text, str):
        return _unhex("".join(text.split("\n")[3:]))
    block = image.info.get("exif", b"")
    return block if isinstance(block, bytes) else b""


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _exif_orientation(block: bytes) -> int:
    """Orientation 1–8 in an EXIF block; 1 when it is absent or the block is damaged.

    Read here, not by Pillow, which decodes every tag and warns about damage in those nobody asked for.
    """
    tiff = block.removeprefix(b"Exif\0\0")
    order = "<" if tiff.startswith(b"II") else ">"
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, start)
        for i in range(entries):
            tag, kind = struct.unpack_from(order + "HH", tiff, start + 2 + 12 * i)
            if tag == 0x0112:
                (value,) = struct.unpack_from(order + ("I" if kind == 4 else "H"), tiff, start + 10 + 12 * i)
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
