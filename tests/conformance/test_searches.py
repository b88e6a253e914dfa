"""SearchFaces and SearchFacesByImage."""

from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageEnhance

from acceptance.conftest import jpeg, varied
from conformance.conftest import Upload
from conformance.photos import a_pair, close
from conformance.service import Client, code_of, refusal

Search = Callable[..., dict[str, Any]]


@pytest.fixture
def variants(client: Client, collection: str, portrait: Image.Image) -> list[str]:
    """The ids of five faces of one person in the collection."""
    return [index(client, collection, varied(portrait, number), f"ada-{number}") for number in range(5)]


@pytest.fixture
def presidents(client: Client, collection: str, people: dict[str, list[bytes]]) -> dict[str, list[str]]:
    """Name → the ids of their faces in the collection."""
    return {name: [index(client, collection, photo, name) for photo in photos] for name, photos in people.items()}


def index(client: Client, collection: str, photo: bytes, label: str) -> str:
    answer = client.index_faces(
        CollectionId=collection, Image={"Bytes": photo}, ExternalImageId=label, QualityFilter="NONE", MaxFaces=1
    )
    face_id: str = answer["FaceRecords"][0]["Face"]["FaceId"]
    return face_id


def found(answer: dict[str, Any]) -> list[str]:
    return [match["Face"]["FaceId"] for match in answer["FaceMatches"]]


def similarities(answer: dict[str, Any]) -> list[float]:
    return [match["Similarity"] for match in answer["FaceMatches"]]


def test_a_face_finds_the_others_of_its_person_but_not_itself(
    client: Client, collection: str, variants: list[str]
) -> None:
    answer = client.search_faces(CollectionId=collection, FaceId=variants[0])
    assert answer["SearchedFaceId"] == variants[0]
    assert set(found(answer)) == set(variants[1:])
    assert similarities(answer) == sorted(similarities(answer), reverse=True)
    assert min(similarities(answer)) >= 80


def test_a_photo_finds_every_face_of_its_person(
    client: Client, collection: str, variants: list[str], portrait: Image.Image
) -> None:
    image = {"Bytes": varied(portrait, 2)}
    answer = client.search_faces_by_image(CollectionId=collection, Image=image)
    assert set(found(answer)) == set(variants)
    assert found(answer)[0] == variants[2]
    assert similarities(answer)[0] >= 99
    assert similarities(answer) == sorted(similarities(answer), reverse=True)


def test_the_searched_face_is_the_detected_one(
    client: Client, collection: str, portrait: Image.Image, variants: list[str]
) -> None:
    pair = {"Bytes": jpeg(a_pair(portrait))}
    answer = client.search_faces_by_image(CollectionId=collection, Image=pair)
    largest = client.detect_faces(Image=pair)["FaceDetails"][0]
    assert close(answer["SearchedFaceBoundingBox"], largest["BoundingBox"])
    assert answer["SearchedFaceConfidence"] == pytest.approx(largest["Confidence"], abs=0.5)
    assert set(found(answer)) == set(variants)


def test_a_match_is_the_face_as_it_is_listed(
    client: Client, collection: str, variants: list[str], portrait: Image.Image
) -> None:
    client.create_user(CollectionId=collection, UserId="ada")
    client.associate_faces(CollectionId=collection, UserId="ada", FaceIds=variants[:2])
    listed = {face["FaceId"]: face for face in client.list_faces(CollectionId=collection)["Faces"]}
    answer = client.search_faces_by_image(CollectionId=collection, Image={"Bytes": varied(portrait, 0)})
    assert {match["Face"]["FaceId"]: match["Face"] for match in answer["FaceMatches"]} == listed
    assert listed[variants[0]]["UserId"] == "ada"
    assert "UserId" not in listed[variants[2]]


def test_the_person_is_found_and_others_are_not(
    client: Client, collection: str, presidents: dict[str, list[str]], people: dict[str, list[bytes]]
) -> None:
    for name in ("obama", "biden"):
        answer = client.search_faces_by_image(CollectionId=collection, Image={"Bytes": people[name][0]})
        assert set(found(answer)) == set(presidents[name])
        assert {match["Face"]["ExternalImageId"] for match in answer["FaceMatches"]} == {name}
        by_face = client.search_faces(CollectionId=collection, FaceId=presidents[name][0])
        assert found(by_face) == presidents[name][1:]


def test_whoever_was_never_indexed_is_not_found(
    client: Client, collection: str, presidents: dict[str, list[str]], photo: bytes
) -> None:
    assert presidents
    assert client.search_faces_by_image(CollectionId=collection, Image={"Bytes": photo})["FaceMatches"] == []


def test_no_threshold_finds_all_and_the_highest_none(
    client: Client, collection: str, presidents: dict[str, list[str]]
) -> None:
    probe = presidents["obama"][0]
    everybody = client.search_faces(CollectionId=collection, FaceId=probe, FaceMatchThreshold=0)
    assert set(found(everybody)) == {face for faces in presidents.values() for face in faces} - {probe}
    nobody = client.search_faces(CollectionId=collection, FaceId=probe, FaceMatchThreshold=100)
    assert nobody["FaceMatches"] == []


def test_only_as_many_as_wanted_are_given_and_they_are_the_best(
    client: Client, collection: str, variants: list[str], portrait: Image.Image
) -> None:
    image = {"Bytes": varied(portrait, 4)}
    every = found(client.search_faces_by_image(CollectionId=collection, Image=image))
    assert len(every) == len(variants)
    for wanted in (1, 3, 4096):
        few = client.search_faces_by_image(CollectionId=collection, Image=image, MaxFaces=wanted)
        assert found(few) == every[:wanted]
    by_face = client.search_faces(CollectionId=collection, FaceId=variants[0], MaxFaces=2)
    assert len(by_face["FaceMatches"]) == 2


def test_deleted_faces_are_found_no_more(
    client: Client, collection: str, variants: list[str], portrait: Image.Image
) -> None:
    client.delete_faces(CollectionId=collection, FaceIds=variants[1:4])
    answer = client.search_faces_by_image(CollectionId=collection, Image={"Bytes": varied(portrait, 2)})
    assert set(found(answer)) == {variants[0], variants[4]}


def test_collections_know_nothing_of_each_other(
    client: Client, other_collection: str, variants: list[str], photo: bytes
) -> None:
    image = {"Bytes": photo}
    assert client.search_faces_by_image(CollectionId=other_collection, Image=image)["FaceMatches"] == []
    error = refusal(client, "search_faces", {"CollectionId": other_collection, "FaceId": variants[0]})
    assert code_of(error) == "InvalidParameterException"


def test_a_photo_without_a_face_is_refused(client: Client, collection: str, nobody: bytes) -> None:
    error = refusal(client, "search_faces_by_image", {"CollectionId": collection, "Image": {"Bytes": nobody}})
    assert code_of(error) == "InvalidParameterException"


def test_a_photo_of_a_bucket_finds_what_its_bytes_find(
    client: Client, collection: str, variants: list[str], photo: bytes, upload: Upload
) -> None:
    kept = upload("photos/probe.jpg", photo)
    answer = client.search_faces_by_image(CollectionId=collection, Image=kept)
    assert set(found(answer)) == set(variants)


@pytest.mark.parametrize("bar", ["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"])
def test_a_good_probe_passes_every_bar(client: Client, collection: str, astronaut_jpeg: bytes, bar: str) -> None:
    index(client, collection, astronaut_jpeg, "ada")
    answer = client.search_faces_by_image(CollectionId=collection, Image={"Bytes": astronaut_jpeg}, QualityFilter=bar)
    assert len(answer["FaceMatches"]) == 1


@pytest.mark.ours
def test_a_probe_below_the_bar_counts_as_no_face(client: Client, collection: str, portrait: Image.Image) -> None:
    dark = {"Bytes": jpeg(ImageEnhance.Brightness(portrait).enhance(0.12))}
    arguments = {"CollectionId": collection, "Image": dark}
    client.search_faces_by_image(**arguments)
    error = refusal(client, "search_faces_by_image", arguments | {"QualityFilter": "HIGH"})
    assert code_of(error) == "InvalidParameterException"
