"""Photos as Amazon Rekognition takes them: JPEG or PNG, up to 5 MB in the request, up to 15 MB in S3.

https://docs.aws.amazon.com/rekognition/latest/dg/limits.html
"""

from typing import Any

import numpy as np
from PIL import Image

from faceline.faces import Picture
from faceline.geometry import margin_box
from faceline.images import encode_jpeg
from faceline.types import BoundingBox, Frame, Pixels, Point

_MAX_SENT, _MAX_STORED = 5_242_880, 15_728_640
_READ = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_LEAST_PX = 160  # of a crop's shorter side: smaller pictures than 80 are refused, and small faces not found
_QUALITIES = (92, 80, 60)

ImageArgument = dict[str, Any]  # an `Image` of the API


def image_of(picture: Picture) -> ImageArgument:
    """The file itself, or where it is stored; another format, or too large a file, is sent as a JPEG of the pixels."""
    if picture.data.startswith(_READ) and len(picture.data) <= _MAX_SENT:
        return {"Bytes": picture.data}
    bucket, _, key = picture.source.partition("/")
    if picture.data.startswith(_READ) and len(picture.data) <= _MAX_STORED and key:
        return {"S3Object": {"Bucket": bucket, "Name": key}}
    return {"Bytes": _jpeg(picture.frame.pixels)}


def crop_of(frame: Frame, box: BoundingBox, margin: float) -> tuple[ImageArgument, Point, tuple[int, int]]:
    """A face cut out: the API's image, and where it begins and how large it is in the frame's full-size pixels.

    margin: added on each side, as a part of the box's width and height. A small crop is enlarged.
    """
    height, width = frame.pixels.shape[:2]
    scale = frame.scale
    reduced = BoundingBox(box.left / scale, box.top / scale, box.width / scale, box.height / scale)
    x1, y1, x2, y2 = margin_box(reduced, margin, width, height)
    image = {"Bytes": _jpeg(_enlarged(frame.pixels[y1:y2, x1:x2]))}
    return image, (x1 * scale, y1 * scale), (round((x2 - x1) * scale), round((y2 - y1) * scale))


def _enlarged(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    factor = _LEAST_PX / min(height, width)
    if factor <= 1:
        return pixels
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.LANCZOS))


def _jpeg(pixels: Pixels) -> bytes:
    """The best quality that may be sent, else the smallest, which Amazon Rekognition may refuse."""
    for quality in _QUALITIES:
        data = encode_jpeg(pixels, quality)
        if len(data) <= _MAX_SENT:
            break
    return data
