"""DetectFaces: what is said of a face, in which order, and in whose coordinates."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acceptance.conftest import jpeg
from conformance.conftest import Upload
from conformance.photos import a_crowd, a_pair, area, close, encoded, with_orientation
from conformance.service import Client

_DEFAULT = {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
_OTHERS = {
    "AgeRange",
    "Beard",
    "Emotions",
    "EyeDirection",
    "Eyeglasses",
    "EyesOpen",
    "FaceOccluded",
    "Gender",
    "MouthOpen",
    "Mustache",
    "Smile",
    "Sunglasses",
}


def details(client: Client, photo: bytes, *attributes: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.detect_faces(Image={"Bytes": photo}, Attributes=list(attributes))[
        "FaceDetails"
    ]
    return found


def points(detail: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {mark["Type"]: (mark["X"], mark["Y"]) for mark in detail["Landmarks"]}


def test_a_face_comes_with_what_is_always_given_and_nothing_else(client: Client, photo: bytes) -> None:
    (detail,) = details(client, photo)
    assert detail.keys() == _DEFAULT
    assert detail["Confidence"] > 95
    assert 0.1 < area(detail["BoundingBox"]) < 0.5
    assert detail["Quality"]["Brightness"] > 20
    assert detail["Quality"]["Sharpness"] > 20
    assert all(abs(angle) < 35 for angle in detail["Pose"].values())


def test_attributes_may_be_left_out(client: Client, photo: bytes) -> None:
    assert client.detect_faces(Image={"Bytes": photo})["FaceDetails"] == details(client, photo, "DEFAULT")


def test_the_landmarks_lie_in_the_box_as_they_lie_in_a_face(client: Client, photo: bytes) -> None:
    (detail,) = details(client, photo)
    box, marks = detail["BoundingBox"], points(detail)
    assert {"eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight"} <= marks.keys()
    for x, y in marks.values():
        assert box["Left"] < x < box["Left"] + box["Width"]
        assert box["Top"] < y < box["Top"] + box["Height"]
    assert marks["eyeLeft"][0] < marks["nose"][0] < marks["eyeRight"][0]
    assert marks["mouthLeft"][0] < marks["mouthRight"][0]
    assert marks["eyeLeft"][1] < marks["nose"][1] < marks["mouthLeft"][1]


@pytest.mark.parametrize("attributes", [("ALL",), ("DEFAULT", "ALL"), ("ALL", "GENDER")])
def test_all_attributes_come_beside_the_default_ones(client: Client, photo: bytes, attributes: tuple[str, ...]) -> None:
    (default,) = details(client, photo)
    (everything,) = details(client, photo, *attributes)
    assert everything.keys() <= _DEFAULT | _OTHERS
    assert {name: everything[name] for name in ("BoundingBox", "Confidence", "Pose", "Quality")} == {
        name: default[name] for name in ("BoundingBox", "Confidence", "Pose", "Quality")
    }
    assert points(default).keys() <= points(everything).keys()
    if "Emotions" in everything:
        certainties = [emotion["Confidence"] for emotion in everything["Emotions"]]
        assert certainties == sorted(certainties, reverse=True)


@pytest.mark.parametrize(
    ("attribute", "member"), [("EMOTIONS", "Emotions"), ("FACE_OCCLUDED", "FaceOccluded"), ("SMILE", "Smile")]
)
def test_one_attribute_brings_no_other(client: Client, photo: bytes, attribute: str, member: str) -> None:
    (detail,) = details(client, photo, attribute)
    assert detail.keys() >= _DEFAULT
    assert detail.keys() <= _DEFAULT | {member}


def test_a_picture_without_a_face_has_no_details(client: Client, nobody: bytes) -> None:
    assert details(client, nobody) == []


def test_png_and_jpeg_show_the_same_face(client: Client, portrait: Image.Image, photo: bytes) -> None:
    (png,) = details(client, encoded(portrait))
    (of_jpeg,) = details(client, photo)
    assert close(png["BoundingBox"], of_jpeg["BoundingBox"])


def test_a_photo_of_a_bucket_gives_what_its_bytes_give(client: Client, photo: bytes, upload: Upload) -> None:
    kept = upload("photos/ada lovelace é.jpg", photo)
    assert client.detect_faces(Image=kept)["FaceDetails"] == details(client, photo)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_ratios_are_of_the_upright_picture(client: Client, portrait: Image.Image, orientation: int) -> None:
    upright = portrait.crop((40, 0, 260, 300))
    (expected,) = details(client, jpeg(upright))
    (turned,) = details(client, with_orientation(upright, orientation))
    assert close(turned["BoundingBox"], expected["BoundingBox"])
    for name, (x, y) in points(expected).items():
        assert points(turned)[name] == pytest.approx((x, y), abs=0.03)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_ratios_are_of_the_upright_picture_in_cameras_files_too(
    client: Client, test_data: Path, orientation: int
) -> None:
    photos = [(test_data / "edge" / f"exif_{number}.jpg").read_bytes() for number in (1, orientation)]
    first, turned = (details(client, photo)[0] for photo in photos)
    assert close(turned["BoundingBox"], first["BoundingBox"])


def test_ratios_hold_where_a_large_photo_is_examined_small(client: Client, portrait: Image.Image) -> None:
    (small,) = details(client, jpeg(portrait))
    (large,) = details(client, jpeg(portrait.resize((3000, 3000))))
    assert close(large["BoundingBox"], small["BoundingBox"], 0.05)


def test_the_largest_face_comes_first(client: Client, portrait: Image.Image) -> None:
    pair = a_pair(portrait)
    large, small = details(client, jpeg(pair))
    assert area(large["BoundingBox"]) > area(small["BoundingBox"])
    assert large["BoundingBox"]["Left"] < small["BoundingBox"]["Left"]


def test_every_face_of_a_group_is_found_largest_first(client: Client, six_faces: bytes) -> None:
    areas = [area(detail["BoundingBox"]) for detail in details(client, six_faces)]
    assert len(areas) == 6
    assert areas == sorted(areas, reverse=True)


def test_a_face_at_the_edge_may_reach_beyond_the_picture(client: Client, portrait: Image.Image) -> None:
    (whole,) = details(client, jpeg(portrait))
    box = whole["BoundingBox"]
    cut = round(300 * (box["Left"] + 0.1 * box["Width"]))
    (detail,) = details(client, jpeg(portrait.crop((cut, 0, 300, 300))))
    assert -0.2 < detail["BoundingBox"]["Left"] < 0.05
    # Every member stays a ratio of the picture's own width.
    assert box["Width"] * 0.7 < detail["BoundingBox"]["Width"] * (300 - cut) / 300 < box["Width"] * 1.3


def test_of_a_crowd_the_hundred_largest_are_given(client: Client, portrait: Image.Image) -> None:
    crowd = a_crowd(portrait, 11, 11)
    assert len(details(client, jpeg(crowd))) == 100


def test_noise_has_no_face(client: Client) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    assert details(client, encoded(Image.fromarray(noise))) == []


@pytest.mark.parametrize("kind", ["gray.jpg", "cmyk.jpg", "progressive.jpg", "rgba.png", "palette.png", "rgb16.png"])
def test_every_jpeg_and_png_is_read(client: Client, test_data: Path, kind: str) -> None:
    expected, found = (details(client, (test_data / "edge" / name).read_bytes())[0] for name in ("exif_1.jpg", kind))
    assert close(found["BoundingBox"], expected["BoundingBox"], 0.06)
