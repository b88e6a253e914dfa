"""CompareFaces."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageEnhance

from acceptance.conftest import jpeg, varied
from conformance.conftest import Upload
from conformance.photos import a_pair, area, close, side_by_side
from conformance.service import Client

_FACE = {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
_OPTIONAL = {"Emotions", "Smile"}


def compared(client: Client, source: bytes, target: bytes, **wanted: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.compare_faces(
        SourceImage={"Bytes": source}, TargetImage={"Bytes": target}, **wanted
    )
    return answer


def test_a_photo_is_like_itself(client: Client, photo: bytes) -> None:
    answer = compared(client, photo, photo)
    (match,) = answer["FaceMatches"]
    assert match["Similarity"] >= 99
    assert _FACE <= match["Face"].keys() <= _FACE | _OPTIONAL
    assert match["Face"]["BoundingBox"] == answer["SourceImageFace"]["BoundingBox"]
    assert answer["UnmatchedFaces"] == []


def test_another_photo_of_the_person_matches(client: Client, portrait: Image.Image, photo: bytes) -> None:
    (match,) = compared(client, photo, varied(portrait, 3))["FaceMatches"]
    assert 80 <= match["Similarity"] < 100


def test_other_people_are_unmatched_and_the_person_is_not(client: Client, people: dict[str, list[bytes]]) -> None:
    obama, obama2 = people["obama"]
    assert len(compared(client, obama, obama2)["FaceMatches"]) == 1
    answer = compared(client, obama, people["biden"][0])
    assert answer["FaceMatches"] == []
    (stranger,) = answer["UnmatchedFaces"]
    assert _FACE <= stranger.keys() <= _FACE | _OPTIONAL


def test_the_person_is_found_in_a_group_of_two(client: Client, people: dict[str, list[bytes]], test_data: Path) -> None:
    examples = test_data / "photos" / "ageitgey" / "examples"
    both = (examples / "knn_examples" / "test" / "obama_and_biden.jpg").read_bytes()
    places = []
    for name in ("obama", "biden"):
        answer = compared(client, people[name][0], both)
        (match,) = answer["FaceMatches"]
        places.append(match["Face"]["BoundingBox"])
        assert answer["UnmatchedFaces"]
    assert not close(places[0], places[1])


def test_a_threshold_of_nothing_matches_everybody_best_first(
    client: Client, people: dict[str, list[bytes]], six_faces: bytes
) -> None:
    answer = compared(client, people["obama"][0], six_faces, SimilarityThreshold=0)
    similarities = [match["Similarity"] for match in answer["FaceMatches"]]
    assert len(similarities) == 6
    assert similarities == sorted(similarities, reverse=True)
    assert answer["UnmatchedFaces"] == []


def test_what_lies_below_the_threshold_is_unmatched(client: Client, portrait: Image.Image, photo: bytes) -> None:
    answer = compared(client, photo, varied(portrait, 4), SimilarityThreshold=100)
    assert answer["FaceMatches"] == []
    assert len(answer["UnmatchedFaces"]) == 1


def test_the_largest_face_of_the_source_is_compared(client: Client, portrait: Image.Image, photo: bytes) -> None:
    source = compared(client, jpeg(a_pair(portrait)), photo)["SourceImageFace"]
    assert source["BoundingBox"]["Left"] < 0.5


def test_every_face_of_the_target_is_compared(client: Client, portrait: Image.Image, photo: bytes) -> None:
    answer = compared(client, photo, jpeg(a_pair(portrait)))
    assert len(answer["FaceMatches"]) == 2
    assert answer["FaceMatches"][0]["Similarity"] >= answer["FaceMatches"][1]["Similarity"]


def test_photos_of_a_bucket_give_what_their_bytes_give(
    client: Client, portrait: Image.Image, photo: bytes, upload: Upload
) -> None:
    kept = upload("photos/source.jpg", photo), upload("photos/target.jpg", varied(portrait, 3))
    answer = client.compare_faces(SourceImage=kept[0], TargetImage=kept[1])
    expected = compared(client, photo, varied(portrait, 3))
    assert answer["FaceMatches"] == expected["FaceMatches"]


@pytest.mark.parametrize("bar", ["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"])
def test_a_good_face_passes_every_bar(client: Client, astronaut_jpeg: bytes, bar: str) -> None:
    assert len(compared(client, astronaut_jpeg, astronaut_jpeg, QualityFilter=bar)["FaceMatches"]) == 1


def test_a_higher_bar_lets_no_more_pass(client: Client, people: dict[str, list[bytes]], six_faces: bytes) -> None:
    passed = []
    for bar in ("NONE", "LOW", "MEDIUM", "HIGH"):
        answer = compared(client, people["obama"][0], six_faces, QualityFilter=bar)
        passed.append(len(answer["FaceMatches"]) + len(answer["UnmatchedFaces"]))
    assert passed[0] == 6
    assert passed == sorted(passed, reverse=True)


@pytest.mark.ours
def test_a_face_below_the_bar_is_not_compared(client: Client, portrait: Image.Image, photo: bytes) -> None:
    dark = ImageEnhance.Brightness(portrait).enhance(0.12)
    target = jpeg(side_by_side(portrait, dark))
    everything = compared(client, photo, target)
    assert len(everything["FaceMatches"]) + len(everything["UnmatchedFaces"]) == 2
    answer = compared(client, photo, target, QualityFilter="HIGH")
    (match,) = answer["FaceMatches"]
    assert answer["UnmatchedFaces"] == []
    assert match["Face"]["BoundingBox"]["Left"] < 0.5


def test_the_boxes_are_those_of_detection(client: Client, portrait: Image.Image, photo: bytes) -> None:
    pair = jpeg(a_pair(portrait))
    details = client.detect_faces(Image={"Bytes": pair})["FaceDetails"]
    faces = [match["Face"] for match in compared(client, photo, pair)["FaceMatches"]]
    largest_first = sorted(faces, key=lambda face: area(face["BoundingBox"]), reverse=True)
    assert all(
        close(one["BoundingBox"], other["BoundingBox"]) for one, other in zip(details, largest_first, strict=True)
    )
