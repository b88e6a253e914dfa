"""What is wrong with images, for each operation that takes one."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from acceptance.conftest import jpeg
from conformance.conftest import Upload
from conformance.photos import encoded
from conformance.service import Client, Service, code_of, refusal
from conformance.valid import IMAGES, VALID, Given, filled

_INVALID = "InvalidParameterException"
_FORMAT = "InvalidImageFormatException"
_OBJECT = "InvalidS3ObjectException"
_TOO_LARGE = "ImageTooLargeException"
_MIB = 1 << 20

Asked = Callable[[dict[str, Any]], str]

_everywhere = pytest.mark.parametrize(("operation", "member"), IMAGES, ids=[f"{o}-{m}" for o, m in IMAGES])


@pytest.fixture
def asked(lax: Client, collection: str, photo: bytes, operation: str, member: str) -> Asked:
    """Sends this image in place of a good one; the code of the error."""
    given = {Given.COLLECTION: collection, Given.PHOTO: photo}

    def ask(image: dict[str, Any]) -> str:
        return code_of(refusal(lax, operation, filled(VALID[operation] | {member: image}, given)))

    return ask


@_everywhere
def test_an_image_is_either_bytes_or_an_object(asked: Asked, service: Service, photo: bytes) -> None:
    allowed = {_INVALID, "ValidationException"} if service.aws else {_INVALID}
    an_object = {"Bucket": "a-bucket", "Name": "a.jpg"}
    images: list[dict[str, Any]] = [{}, {"Bytes": b""}, {"Bytes": photo, "S3Object": an_object}]
    for image in images:
        assert asked(image) in allowed, image.keys()


@_everywhere
def test_objects_that_are_not_there_are_refused(asked: Asked, photo: bytes, upload: Upload) -> None:
    kept = upload("photos/here.jpg", photo)["S3Object"]
    for changed in (
        {"Bucket": "faceline-there-is-no-such-bucket"},
        {"Name": "photos/not here.jpg"},
        {"Name": "photos"},
        {"Version": "a-version-that-nobody-has"},
    ):
        assert asked({"S3Object": kept | changed}) == _OBJECT, changed


@pytest.mark.ours  # AWS may name the missing member in another error
@_everywhere
def test_an_object_without_a_bucket_or_name_is_refused(asked: Asked) -> None:
    named: list[dict[str, str]] = [{}, {"Bucket": "a-bucket"}, {"Name": "a.jpg"}]
    for names in named:
        assert asked({"S3Object": names}) in {_INVALID, _OBJECT}, names


@_everywhere
def test_names_of_objects_have_their_bounds(asked: Asked, service: Service) -> None:
    allowed = {_INVALID, "ValidationException"} if service.aws else {_INVALID}
    good = {"Bucket": "a-bucket", "Name": "a.jpg"}
    for changed in ({"Bucket": "ab"}, {"Bucket": "a b c"}, {"Bucket": "x" * 256}, {"Name": ""}, {"Name": "x" * 1025}):
        assert asked({"S3Object": good | changed}) in allowed, changed


@pytest.mark.ours
@_everywhere
@pytest.mark.parametrize("name", ["../admin.key", "/etc/passwd", "photos/../../credentials", "a\x00b"])
def test_no_name_leads_out_of_the_buckets(asked: Asked, name: str) -> None:
    assert asked({"S3Object": {"Bucket": "face-input-bucket", "Name": name}}) == _OBJECT


@pytest.mark.ours
@_everywhere
@pytest.mark.parametrize("bucket", ["..", "...", "-rf"])
def test_no_bucket_leads_out_of_the_buckets(asked: Asked, bucket: str) -> None:
    assert asked({"S3Object": {"Bucket": bucket, "Name": "credentials"}}) in {_OBJECT, _INVALID}


@_everywhere
@pytest.mark.parametrize("kind", ["GIF", "WEBP", "BMP", "TIFF"])
def test_other_formats_are_refused(asked: Asked, portrait: Image.Image, kind: str, upload: Upload) -> None:
    image = encoded(portrait, kind)
    assert asked({"Bytes": image}) == _FORMAT
    assert asked(upload("photos/really a jpeg.jpg", image)) == _FORMAT


@_everywhere
@pytest.mark.parametrize("junk", [b"x", b"<html>not found</html>", b"\xff\xd8\xff", bytes(1000)])
def test_what_is_no_image_is_refused(asked: Asked, junk: bytes) -> None:
    assert asked({"Bytes": junk}) == _FORMAT


@_everywhere
def test_the_beginning_of_an_image_is_no_image(asked: Asked, photo: bytes, portrait: Image.Image) -> None:
    assert asked({"Bytes": photo[:200]}) == _FORMAT
    assert asked({"Bytes": encoded(portrait)[:100]}) == _FORMAT


@pytest.mark.ours  # AWS may show what came before the end
@_everywhere
def test_half_an_image_is_no_image(asked: Asked, photo: bytes, portrait: Image.Image) -> None:
    for image in (photo, encoded(portrait)):
        assert asked({"Bytes": image[: len(image) // 2]}) == _FORMAT


@_everywhere
@pytest.mark.parametrize("size", [(79, 300), (300, 79), (1, 1)])
def test_less_than_eighty_pixels_are_too_few(asked: Asked, portrait: Image.Image, size: tuple[int, int]) -> None:
    assert asked({"Bytes": encoded(portrait.resize(size))}) == _INVALID


@_everywhere
def test_more_than_five_mebibytes_are_too_many(asked: Asked, service: Service, photo: bytes) -> None:
    allowed = {_TOO_LARGE, _INVALID, "ValidationException"} if service.aws else {_TOO_LARGE}
    assert asked({"Bytes": photo.ljust(5 * _MIB + 1, b"\0")}) in allowed


@pytest.mark.ours  # AWS may hang up before it has read so much
@pytest.mark.parametrize("operation", ["detect_faces", "compare_faces", "index_faces", "search_users_by_image"])
def test_far_more_than_five_mebibytes_are_too_many_too(
    client: Client, collection: str, photo: bytes, operation: str
) -> None:
    given = {Given.COLLECTION: collection, Given.PHOTO: photo.ljust(30 * _MIB, b"\0")}
    assert code_of(refusal(client, operation, filled(VALID[operation], given))) == _TOO_LARGE


@_everywhere
def test_an_object_of_more_than_fifteen_mebibytes_is_too_large(asked: Asked, photo: bytes, upload: Upload) -> None:
    assert asked(upload("photos/too large.jpg", photo.ljust(15 * _MIB + 1, b"\0"))) == _TOO_LARGE


@pytest.mark.ours  # AWS's limit on pixels has no error of its own in the documentation
@_everywhere
def test_a_small_file_of_a_huge_picture_is_too_large(asked: Asked) -> None:
    stream = io.BytesIO()
    Image.new("1", (30000, 30000)).save(stream, "PNG")
    assert asked({"Bytes": stream.getvalue()}) in {_TOO_LARGE, _INVALID}


@pytest.mark.parametrize("size", [(80, 80), (80, 300), (300, 80)])
def test_eighty_pixels_are_enough(client: Client, portrait: Image.Image, size: tuple[int, int]) -> None:
    client.detect_faces(Image={"Bytes": encoded(portrait.resize(size))})


def test_five_mebibytes_are_not_too_many(client: Client, photo: bytes) -> None:
    assert client.detect_faces(Image={"Bytes": photo.ljust(5 * _MIB, b"\0")})["FaceDetails"]


def test_an_object_may_be_larger_than_bytes(client: Client, photo: bytes, upload: Upload) -> None:
    large = upload("photos/large.jpg", photo.ljust(6 * _MIB, b"\0"))
    assert client.detect_faces(Image=large)["FaceDetails"]


def test_a_name_does_not_make_a_format(client: Client, portrait: Image.Image, upload: Upload) -> None:
    assert client.detect_faces(Image=upload("photos/a picture.txt", jpeg(portrait)))["FaceDetails"]
    assert client.detect_faces(Image=upload("photos/no jpeg.jpg", encoded(portrait)))["FaceDetails"]
