"""Many clients at once: every answer is a right one or a modelled error, and what is kept stays whole."""

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from acceptance.conftest import varied
from conformance.service import Arguments, Client, code_of

pytestmark = pytest.mark.ours  # AWS promises nothing of requests at the same time

_EXPECTED = {
    "ConflictException",
    "InvalidParameterException",  # of a face that was deleted meanwhile
    "ResourceAlreadyExistsException",
    "ResourceNotFoundException",
}


@pytest.fixture(scope="module")
def photos(portrait: Image.Image) -> list[dict[str, bytes]]:
    return [{"Bytes": varied(portrait.resize((150, 150)), number)} for number in range(4)]


def listed(client: Client, collection: str) -> list[dict[str, Any]]:
    faces: list[dict[str, Any]] = client.list_faces(CollectionId=collection)["Faces"]
    return faces


def some_step(
    chance: random.Random, collection: str, photos: list[dict[str, bytes]], face_ids: list[str]
) -> tuple[str, Arguments]:
    user = {"UserId": chance.choice(["ada", "grace"])}
    face_id = chance.choice(face_ids)
    label = {"ExternalImageId": chance.choice("abc")}
    steps: list[tuple[str, Arguments]] = [
        ("index_faces", {"Image": chance.choice(photos), "QualityFilter": "NONE"} | label),
        ("delete_faces", {"FaceIds": [face_id]}),
        ("search_faces", {"FaceId": face_id}),
        ("search_faces_by_image", {"Image": chance.choice(photos)}),
        ("create_user", user),
        ("delete_user", user),
        ("associate_faces", user | {"FaceIds": [face_id], "UserMatchThreshold": 0}),
        ("disassociate_faces", user | {"FaceIds": [face_id]}),
        ("search_users", user),
        ("search_users", {"FaceId": face_id}),
        ("list_users", {}),
        ("describe_collection", {}),
    ]
    operation, arguments = chance.choice(steps)
    return operation, {"CollectionId": collection} | arguments


@pytest.mark.parametrize("seed", range(3))
def test_changes_at_the_same_time_leave_a_whole_collection(
    client: Client, collection: str, photos: list[dict[str, bytes]], seed: int
) -> None:
    for image in photos:
        client.index_faces(CollectionId=collection, Image=image, QualityFilter="NONE")

    def work(number: int) -> set[str]:
        chance, refused = random.Random(seed * 100 + number), set()
        for _ in range(25):
            face_ids = [face["FaceId"] for face in listed(client, collection)] or [str(uuid.UUID(int=0))]
            operation, arguments = some_step(chance, collection, photos, face_ids)
            try:
                getattr(client, operation)(**arguments)
            except ClientError as error:
                refused.add(code_of(error))
        return refused

    with ThreadPoolExecutor(6) as pool:
        refused = set().union(*pool.map(work, range(6)))
    assert refused <= _EXPECTED
    faces = listed(client, collection)
    users = {user["UserId"]: user["UserStatus"] for user in client.list_users(CollectionId=collection)["Users"]}
    described = client.describe_collection(CollectionId=collection)
    assert (described["FaceCount"], described["UserCount"]) == (len(faces), len(users))
    owners = {face["UserId"] for face in faces if "UserId" in face}
    assert owners == {user_id for user_id, status in users.items() if status == "ACTIVE"}
    found = client.search_faces_by_image(CollectionId=collection, Image=photos[0], FaceMatchThreshold=0)
    assert {match["Face"]["FaceId"] for match in found["FaceMatches"]} == {face["FaceId"] for face in faces}


def test_a_collection_may_be_deleted_under_the_hands_of_others(
    client: Client, other_collection: str, photos: list[dict[str, bytes]]
) -> None:
    steps: list[tuple[str, Arguments]] = [
        ("create_collection", {}),
        ("delete_collection", {}),
        *[("index_faces", {"Image": image, "QualityFilter": "NONE"}) for image in photos],
        ("search_faces_by_image", {"Image": photos[0]}),
        ("search_users_by_image", {"Image": photos[1]}),
        ("create_user", {"UserId": "ada"}),
        ("list_faces", {}),
    ]

    def make(number: int) -> set[str]:
        chance, refused = random.Random(number), set()
        for _ in range(20):
            operation, arguments = chance.choice(steps)
            try:
                getattr(client, operation)(CollectionId=other_collection, **arguments)
            except ClientError as error:
                refused.add(code_of(error))
        return refused

    with ThreadPoolExecutor(6) as pool:
        refused = set().union(*pool.map(make, range(6)))
    if other_collection not in client.list_collections()["CollectionIds"]:
        client.create_collection(CollectionId=other_collection)  # for the fixture to delete
    assert refused <= _EXPECTED
    faces = listed(client, other_collection)
    found = client.search_faces_by_image(CollectionId=other_collection, Image=photos[0], FaceMatchThreshold=0)
    assert {match["Face"]["FaceId"] for match in found["FaceMatches"]} == {face["FaceId"] for face in faces}
