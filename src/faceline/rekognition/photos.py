"""The API's `Image` → a frame, with the API's limits and errors.

Formats and sizes: Amazon Rekognition developer guide, "Guidelines and quotas"; the numbers are settings.
"""

import time
from dataclasses import dataclass, replace

from faceline.access_keys import KeyScope
from faceline.app import App
from faceline.errors import ImageError, ImageLimitError, InputError, NotFoundError, ObjectKeyError
from faceline.images import decode
from faceline.loading import image_limits
from faceline.rekognition.call import Call
from faceline.rekognition.errors import WireError, invalid
from faceline.rekognition.shapes import Image, S3Object
from faceline.types import Frame

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """An image that was sent or stored. source: `bucket/key`, or the member's name for bytes in the request."""

    data: bytes
    frame: Frame
    source: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the full-size upright image, in pixels."""
        return self.frame.width, self.frame.height


def photo_of(call: Call, image: Image, member: str = "Image") -> Photo:
    """member: what the request calls it, for messages. Raises WireError."""
    if (image.bytes is None) == (image.s3_object is None):
        raise invalid(f"{member} needs either Bytes or S3Object")
    if image.bytes is not None:
        return _decoded(call, image.bytes, member, call.app.settings.quota_image_bytes)
    assert image.s3_object is not None
    data, source = _stored(call.app, *place_of(call, image.s3_object, member))
    return _decoded(call, data, source, call.app.settings.quota_object_bytes)


def place_of(call: Call, place: S3Object, member: str) -> tuple[str, str]:
    """Bucket and key, for a key pair that may read stored objects. Raises WireError."""
    if call.key.scope is KeyScope.DETECT:
        raise WireError(
            "AccessDeniedException", f"the key {call.key.name} is for photos that it sends, not stored ones"
        )
    if not place.bucket or not place.name:
        raise invalid(f"{member}.S3Object needs Bucket and Name")
    if place.version not in (None, "null"):  # what S3 calls the one version of an object in a bucket without versions
        source = f"{place.bucket}/{place.name}"
        raise not_there(f"{source} has no version {place.version}; buckets here keep one version, leave Version out")
    return place.bucket, place.name


def not_there(message: str) -> WireError:
    return WireError("InvalidS3ObjectException", message)


def _stored(app: App, bucket: str, key: str) -> tuple[bytes, str]:
    try:
        return app.objects.get(bucket, key, app.settings.quota_object_bytes)[1], f"{bucket}/{key}"
    except (NotFoundError, ObjectKeyError) as error:
        raise not_there(f"{error}; check the bucket and the name") from error
    except InputError as error:
        raise _too_large(str(error)) from error


def _decoded(call: Call, data: bytes, source: str, max_bytes: int) -> Photo:
    if len(data) > max_bytes:
        raise _too_large(f"{source}: {len(data):,} bytes, at most {max_bytes:,} are taken here")
    if not data.startswith(_SIGNATURES):
        raise WireError("InvalidImageFormatException", f"{source}: is neither JPEG nor PNG; convert it")
    started = time.thread_time()
    try:
        frame = decode(data, source, replace(image_limits(call.app.settings), max_bytes=max_bytes))
    except ImageLimitError as error:
        raise _too_large(str(error)) from error
    except ImageError as error:
        raise WireError("InvalidImageFormatException", str(error)) from error
    finally:
        call.decoding_s += time.thread_time() - started
    least = call.app.settings.quota_image_side_px
    if min(frame.width, frame.height) < least:
        raise invalid(f"{source}: {frame.width} × {frame.height} pixels; both sides need at least {least}")
    return Photo(data, frame, source)


def _too_large(message: str) -> WireError:
    return WireError("ImageTooLargeException", message)
