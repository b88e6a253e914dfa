"""Photos made of one real face, so that most of the suite runs without the reference photos."""

import io

from PIL import Image, ImageOps

Box = dict[str, float]

# EXIF orientation → what a camera did to the upright picture, so that the tag undoes it.
_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def with_orientation(image: Image.Image, orientation: int) -> bytes:
    """A JPEG that shows the picture upright only to those who read the tag."""
    method = _STORED[orientation]
    stored = image if method is None else image.transpose(method)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    stored.save(stream, "JPEG", quality=95, exif=exif)
    return stream.getvalue()


def side_by_side(large: Image.Image, small: Image.Image) -> Image.Image:
    both = Image.new("RGB", (large.width + small.width, max(large.height, small.height)), (90, 90, 90))
    both.paste(large, (0, 0))
    both.paste(small, (large.width, 0))
    return both


def a_pair(portrait: Image.Image) -> Image.Image:
    """The same person twice: large on the left, two thirds of that and mirrored on the right."""
    small = ImageOps.mirror(portrait).resize((portrait.width * 2 // 3, portrait.height * 2 // 3))
    return side_by_side(portrait, small)


def a_crowd(portrait: Image.Image, rows: int, columns: int) -> Image.Image:
    """rows × columns faces, each about 50 px wide."""
    tile = portrait.crop((60, 30, 240, 230)).resize((90, 100))
    crowd = Image.new("RGB", (columns * 90, rows * 100))
    for number in range(rows * columns):
        crowd.paste(tile, (number % columns * 90, number // columns * 100))
    return crowd


def area(box: Box) -> float:
    return box["Width"] * box["Height"]


def close(one: Box, other: Box, tolerance: float = 0.03) -> bool:
    return all(abs(one[side] - other[side]) < tolerance for side in ("Left", "Top", "Width", "Height"))
