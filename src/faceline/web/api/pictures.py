"""Stored photos as upright JPEGs of the size that a page needs, and where a new photo can be put."""

import secrets
from dataclasses import replace
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Annotated, Literal

import msgspec
import numpy as np
from PIL import Image
from starlette.responses import Response

from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.errors import NotFoundError
from faceline.images import ImageLimits, decode, encode_jpeg
from faceline.loading import image_limits
from faceline.videos import CLIP_SUFFIXES
from faceline.web.lanes import Work
from faceline.web.operations import Asked, Call, Media, Operation

_TAG = "Pictures"
_JPEG_QUALITY = 82
_FILTER = Image.Resampling.BILINEAR
_NUMBERS_TRIED = 20

Width = Literal[160, 320, 480, 640, 960, 1280, 1600]


class PictureAsked(Asked, frozen=True, kw_only=True):
    """width: at most so many pixels; never enlarged. version: any text, by which caches tell new bytes from old."""

    bucket: str
    key: str
    width: Width = 960
    version: Annotated[str, msgspec.Meta(max_length=64)] = ""


class PlaceAsked(Asked, frozen=True, kw_only=True):
    """name: of the file that will be uploaded."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class UploadPlace(msgspec.Struct, frozen=True):
    """`PUT /buckets/{bucket}/{key}` takes the file. video: it is a clip by its name."""

    bucket: str
    key: str
    video: bool


def get_picture(call: Call, asked: PictureAsked) -> Response:
    limits = image_limits(call.app.settings)
    info = call.app.objects.head(asked.bucket, asked.key)
    etag = f'"{info.etag}-{asked.width}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=300, must-revalidate" if asked.version else "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if etag in call.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    _, data = call.app.objects.get(asked.bucket, asked.key, limits.max_bytes)
    return Response(jpeg_of(data, asked.key, limits, asked.width), HTTPStatus.OK, headers, "image/jpeg")


def jpeg_of(data: bytes, source: str, limits: ImageLimits, width_px: int) -> bytes:
    """A picture that the limits allow as an upright RGB JPEG of at most this width. Raises ImageError."""
    # Twice as large as wanted suffices, and is what a JPEG can be decoded to quickly.
    frame = decode(data, source, replace(limits, decode_pixels=min(limits.decode_pixels, 8 * width_px * width_px)))
    height, width = frame.pixels.shape[:2]
    if width > width_px:
        size = width_px, max(round(height * width_px / width), 1)
        return encode_jpeg(np.asarray(Image.fromarray(frame.pixels).resize(size, _FILTER)), _JPEG_QUALITY)
    return encode_jpeg(frame.pixels, _JPEG_QUALITY)


def place_upload(call: Call, asked: PlaceAsked) -> UploadPlace:
    s = call.app.settings
    name = PurePosixPath(asked.name).name.lstrip(".") or "photo"
    video = PurePosixPath(name).suffix.lower() in CLIP_SUFFIXES
    bucket, prefix = (call.app.videos.names.input, "") if video else (s.input_bucket, s.input_prefix)
    return UploadPlace(bucket, _free(call.app, bucket, prefix + name), video)


def _free(app: App, bucket: str, key: str) -> str:
    """This key, or one with a number, or one with a random end when those are taken too."""
    path = PurePosixPath(key)
    numbered = (str(path.with_stem(f"{path.stem}-{n}")) for n in range(2, _NUMBERS_TRIED))
    for candidate in (key, *numbered):
        try:
            app.objects.head(bucket, candidate)
        except NotFoundError:
            return candidate
    return str(path.with_stem(f"{path.stem}-{secrets.token_hex(4)}"))


OPERATIONS = (
    Operation(
        "GET",
        "/api/v1/pictures/{bucket}/{key:path}",
        "A stored photo as an upright JPEG",
        _TAG,
        get_picture,
        asked=PictureAsked,
        answer=Media("image/jpeg", (HTTPStatus.NOT_MODIFIED,)),
        work=Work.DECODING,
    ),
    Operation(
        "GET",
        "/api/v1/upload-place",
        "Where a photo or clip of this name can be put without replacing another",
        _TAG,
        place_upload,
        asked=PlaceAsked,
        answer=UploadPlace,
        scope=ApiScope.ENROLL,
    ),
)
