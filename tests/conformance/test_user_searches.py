"""SearchUsers and SearchUsersByImage."""

from typing import Any

import pytest
from PIL import Image, ImageEnhance

from acceptance.conftest import jpeg, varied
from commands import wait_until
from conformance.conftest import Upload
from conformance.photos import a_pair, close
from conformance.service import Client

Owned = dict[str, list[str]]


@pytest.fixture
def twins(client: Client, collection: str, portrait: Image.Image) -> Owned:
    """Two users with two faces each, all of one person."""
    photos = [varied(portrait, number) for number in range(4)]
    return enrolled(client, collection, {"ada": photos[:2], "grace": photos[2:]})


@pytest.fixture
def presidents(client: Client, collection: str, people: dict[str, list[bytes]]) -> Owned:
    return enrolled(client, collection, people)


def enrolled(client: Client, collection: str, photos: dict[str, list[bytes]]) -> Owned:
    """Makes a user of each name; name → face ids."""
    faces = {name: [index(client, collection, photo) for photo in own] for name, own in photos.items()}
    for name, face_ids in faces.items():
        client.create_user(CollectionId=collection, UserId=name)
        answer = client.associate_faces(CollectionId=collection, UserId=name, FaceIds=face_ids, UserMatchThreshold=0)
        assert len(answer["AssociatedFaces"]) == len(face_ids)
    wait_until(
        lambda: {user["UserStatus"] for user in client.list_users(CollectionId=collection)["Users"]} == {"ACTIVE"},
        "the work on the users",
    )
    return faces


def index(client: Client, collection: str, photo: bytes) -> str:
    answer = client.index_faces(CollectionId=collection, Image={"Bytes": photo}, QualityFilter="NONE", MaxFaces=1)
    face_id: str = answer["FaceRecords"][0]["Face"]["FaceId"]
    return face_id


def found(answer: dict[str, Any]) -> list[str]:
    return [match["User"]["UserId"] for match in answer["UserMatches"]]


def test_a_user_finds_the_other_users_of_that_face_but_not_itself(
    client: Client, collection: str, twins: Owned
) -> None:
    assert twins.keys() == {"ada", "grace"}
    answer = client.search_users(CollectionId=collection, UserId="ada")
    assert answer["SearchedUser"] == {"UserId": "ada"}
    assert "SearchedFace" not in answer
    assert found(answer) == ["grace"]
    assert answer["UserMatches"][0]["User"]["UserStatus"] == "ACTIVE"
    assert answer["UserMatches"][0]["Similarity"] >= 80


def test_a_face_finds_its_own_user_too_and_first(client: Client, collection: str, twins: Owned) -> None:
    answer = client.search_users(CollectionId=collection, FaceId=twins["grace"][0])
    assert answer["SearchedFace"] == {"FaceId": twins["grace"][0]}
    assert "SearchedUser" not in answer
    assert set(found(answer)) == {"ada", "grace"}
    similarities = [match["Similarity"] for match in answer["UserMatches"]]
    assert similarities == sorted(similarities, reverse=True)


def test_a_user_without_faces_finds_nobody_and_is_not_found(client: Client, collection: str, twins: Owned) -> None:
    client.create_user(CollectionId=collection, UserId="empty")
    assert found(client.search_users(CollectionId=collection, UserId="empty")) == []
    assert "empty" not in found(client.search_users(CollectionId=collection, FaceId=twins["ada"][0]))


def test_the_person_is_found_and_others_are_not(
    client: Client, collection: str, presidents: Owned, people: dict[str, list[bytes]]
) -> None:
    for name in ("obama", "biden"):
        answer = client.search_users_by_image(CollectionId=collection, Image={"Bytes": people[name][1]})
        assert found(answer) == [name]
        assert found(client.search_users(CollectionId=collection, FaceId=presidents[name][0])) == [name]
        assert found(client.search_users(CollectionId=collection, UserId=name)) == []


def test_no_threshold_finds_everybody_best_first(
    client: Client, collection: str, presidents: Owned, people: dict[str, list[bytes]]
) -> None:
    image = {"Bytes": people["obama"][0]}
    answer = client.search_users_by_image(CollectionId=collection, Image=image, UserMatchThreshold=0)
    assert found(answer) == ["obama", "biden"]
    few = client.search_users_by_image(CollectionId=collection, Image=image, UserMatchThreshold=0, MaxUsers=1)
    assert found(few) == ["obama"]
    by_user = client.search_users(CollectionId=collection, UserId="biden", UserMatchThreshold=0)
    assert found(by_user) == ["obama"]
    assert presidents.keys() == {"obama", "biden"}


def test_a_photo_tells_which_of_its_faces_was_searched(
    client: Client, collection: str, twins: Owned, portrait: Image.Image
) -> None:
    pair = {"Bytes": jpeg(a_pair(portrait))}
    large, small = client.detect_faces(Image=pair)["FaceDetails"]
    answer = client.search_users_by_image(CollectionId=collection, Image=pair)
    assert set(found(answer)) == twins.keys()
    assert close(answer["SearchedFace"]["FaceDetail"]["BoundingBox"], large["BoundingBox"])
    (other,) = answer["UnsearchedFaces"]
    assert close(other["FaceDetails"]["BoundingBox"], small["BoundingBox"])
    assert other["Reasons"] == ["FACE_NOT_LARGEST"]


def test_a_photo_of_a_bucket_finds_what_its_bytes_find(
    client: Client, collection: str, twins: Owned, photo: bytes, upload: Upload
) -> None:
    kept = upload("photos/user.jpg", photo)
    assert set(found(client.search_users_by_image(CollectionId=collection, Image=kept))) == twins.keys()


def test_a_photo_without_a_face_finds_nobody_and_says_so_by_silence(
    client: Client, collection: str, twins: Owned, nobody: bytes
) -> None:
    assert twins
    answer = client.search_users_by_image(CollectionId=collection, Image={"Bytes": nobody})
    assert answer["UserMatches"] == []
    assert "SearchedFace" not in answer


@pytest.mark.ours
def test_a_photo_below_the_bar_tells_why_it_was_not_searched(
    client: Client, collection: str, twins: Owned, portrait: Image.Image
) -> None:
    dark = {"Bytes": jpeg(ImageEnhance.Brightness(portrait).enhance(0.12))}
    answer = client.search_users_by_image(CollectionId=collection, Image=dark, QualityFilter="HIGH")
    assert twins
    assert answer["UserMatches"] == []
    assert "SearchedFace" not in answer
    assert "LOW_BRIGHTNESS" in answer["UnsearchedFaces"][0]["Reasons"]


def test_a_deleted_user_is_found_no_more(client: Client, collection: str, twins: Owned) -> None:
    client.delete_user(CollectionId=collection, UserId="grace")
    assert found(client.search_users(CollectionId=collection, FaceId=twins["grace"][0])) == ["ada"]


def test_a_disassociated_face_speaks_for_its_user_no_more(
    client: Client, collection: str, presidents: Owned, people: dict[str, list[bytes]]
) -> None:
    client.disassociate_faces(CollectionId=collection, UserId="obama", FaceIds=presidents["obama"])
    answer = client.search_users_by_image(CollectionId=collection, Image={"Bytes": people["obama"][0]})
    assert found(answer) == []
