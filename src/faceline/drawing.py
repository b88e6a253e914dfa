"""Boxes, landmarks and names drawn onto a picture."""

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from faceline.types import BoundingBox, Frame, Landmarks, Pixels

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Rectangle = tuple[float, float, float, float]

# Okabe and Ito's palette, whose colours stay apart for all common kinds of colour blindness.
MATCH: Colour = (0, 158, 115)
UNKNOWN: Colour = (213, 94, 0)
AMBIGUOUS: Colour = (240, 228, 66)
DETECTED: Colour = (86, 180, 233)

_PLATE = (18, 18, 18, 215)
_HALO = (0, 0, 0, 130)
_MIN_FONT_PX, _MAX_FONT_PX = 11, 72
# Pillow's own font has no letter beyond ASCII; these lie on most desktops and servers.
_FONT_FILES = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "Arial Unicode.ttf"),
    *("NotoSansCJK-Regular.ttc", "PingFang.ttc"),
)


@dataclass(frozen=True, slots=True)
class Label:
    """What to draw for one face: box and landmarks in full-size upright pixels; colour: RGB, 0–255 each.

    text: one line; may be empty for no plate.
    """

    box: BoundingBox
    text: str
    colour: Colour = DETECTED
    landmarks: Landmarks | None = None


def annotate(frame: Frame, labelled: Sequence[Label]) -> Pixels:
    """A copy of `frame.pixels`, uint8 (height, width, 3) RGB at the frame's reduced scale, with the labels drawn in.

    Plates stay inside the picture and off one another where there is room. Letters that no installed font has are
    drawn as their plain relatives (é as e) or as a question mark.
    """
    image = Image.fromarray(frame.pixels)
    if image.width == 0 or not labelled:
        return np.array(image)
    draw = ImageDraw.Draw(image, "RGBA")
    boxes = [_scaled(label.box, frame.scale) for label in labelled]
    line = max(2, round(min(image.size) / 320))
    for label, box in zip(labelled, boxes, strict=True):
        _draw_face(draw, label, box, (line, frame.scale))
    size = _font_px(image.size, boxes)
    taken: list[Rectangle] = []
    for label, box in zip(labelled, boxes, strict=True):
        if label.text.strip():
            taken.append(_draw_plate(draw, label, box, size, taken))
    return np.array(image)


def _scaled(box: BoundingBox, scale: float) -> Rectangle:
    return box.left / scale, box.top / scale, box.right / scale, box.bottom / scale


def _font_px(image_size: tuple[int, int], boxes: Sequence[Rectangle]) -> int:
    """By the picture, but not wider than small faces can carry."""
    by_image = min(image_size) / 28
    by_faces = 0.2 * float(np.median([right - left for left, _, right, _ in boxes]))
    return round(min(max(min(by_image, max(by_faces, by_image / 2)), _MIN_FONT_PX), _MAX_FONT_PX))


def _draw_face(draw: ImageDraw.ImageDraw, label: Label, box: Rectangle, line_and_scale: tuple[int, float]) -> None:
    line, scale = line_and_scale
    left, top, right, bottom = (round(edge) for edge in box)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    radius = min(3.0 * line, (right - left) / 4, (bottom - top) / 4)
    rim = max(1, line // 2)
    outer = (left - rim, top - rim, right + rim, bottom + rim)
    draw.rounded_rectangle(outer, radius + rim, outline=_HALO, width=line + 2 * rim)
    draw.rounded_rectangle((left, top, right, bottom), radius, outline=label.colour, width=line)
    if label.landmarks is not None:
        dot = max(1.5, (right - left) / 50)
        for x, y in label.landmarks.as_array() / scale:
            draw.ellipse((x - dot - 1, y - dot - 1, x + dot + 1, y + dot + 1), fill=_HALO)
            draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=label.colour)


def _draw_plate(
    draw: ImageDraw.ImageDraw, label: Label, box: Rectangle, size: int, taken: Sequence[Rectangle]
) -> Rectangle:
    image_width, image_height = draw.im.size
    font, text = _fitting_font(label.text, size)
    pad, bar = max(2, size // 4), max(2, size // 6)
    text = _shortened(text, font, image_width - 3 * pad - bar)
    # Height from fixed letters, so that all plates are equally high whatever their text.
    ascent, descent = font.getbbox("Éß|")[1], font.getbbox("gjÉ|")[3]
    width, height = font.getlength(text) + 2.5 * pad + bar, descent - ascent + 1.2 * pad
    width, height = math.ceil(width), math.ceil(height)
    left, top = _place(box, (width, height), (image_width, image_height), taken)
    draw.rectangle((left + bar, top, left + width, top + height), fill=_PLATE)
    draw.rectangle((left, top, left + bar - 1, top + height), fill=label.colour)
    draw.text((left + bar + pad, top + 0.6 * pad - ascent), text, fill=(255, 255, 255), font=font)
    return left, top, left + width, top + height


def _place(
    box: Rectangle, plate: tuple[float, float], image: tuple[int, int], taken: Sequence[Rectangle]
) -> tuple[int, int]:
    """Left and top of a plate: above the box, else below, else inside; the first that is free and in the picture."""
    left, top, _, bottom = box
    width, height = plate
    gap = height / 5
    x = min(max(left, 0), max(image[0] - width - 1, 0))
    last = max(image[1] - height - 1, 0)
    rows = (top - height - gap, bottom + gap, top + gap, bottom - height - gap)
    inside = [y for y in rows if 0 <= y <= last] or [min(max(rows[0], 0), last)]
    free = [y for y in inside if not any(_overlap((x, y, x + width, y + height), other) for other in taken)]
    return round(x), round((free or inside)[0])


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _shortened(text: str, font: Font, room: float) -> str:
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "...") > room:
        text = text[:-1]
    return text + "..." if text else ""


def _fitting_font(text: str, size: int) -> tuple[Font, str]:
    """A font that has every letter of `text`; else the first one, and the text spelled with what it has."""
    text = "".join(c if c.isprintable() else " " for c in text).strip()
    fonts = []
    for font in _fonts(size):
        if all(_has(font, c) for c in text):
            return font, text
        fonts.append(font)
    return fonts[0], "".join(_spelled(c, fonts[0]) for c in text)


def _fonts(size: int) -> Iterator[Font]:
    for name in _FONT_FILES:
        try:
            yield ImageFont.truetype(name, size)
        except OSError:
            continue
    yield ImageFont.load_default(size)


def _has(font: Font, letter: str) -> bool:
    """Whether the glyph differs from the one for a code point that is no character."""
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask("\U0010ffff"))


def _spelled(letter: str, font: Font) -> str:
    if _has(font, letter):
        return letter
    plain = "".join(c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c))
    for candidate in (plain, letter.casefold()):
        if candidate and all(_has(font, c) for c in candidate):
            return candidate
    return "?"
