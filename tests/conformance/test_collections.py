"""CreateCollection, DescribeCollection, ListCollections and DeleteCollection."""

from datetime import UTC, datetime, timedelta

import pytest

from conformance.conftest import new_name
from conformance.service import Client, refusal


def listed(client: Client) -> dict[str, str]:
    """Every collection with its model's version."""
    found: dict[str, str] = {}
    for page in client.get_paginator("list_collections").paginate():
        found |= dict(zip(page["CollectionIds"], page["FaceModelVersions"], strict=True))
    return found


def test_a_collection_is_made_described_listed_and_deleted(client: Client) -> None:
    name = new_name()
    made = client.create_collection(CollectionId=name)
    assert made["StatusCode"] == 200
    described = client.describe_collection(CollectionId=name)
    assert (described["FaceCount"], described["UserCount"]) == (0, 0)
    assert abs(datetime.now(UTC) - described["CreationTimestamp"]) < timedelta(minutes=5)
    assert listed(client)[name] == made["FaceModelVersion"] == described["FaceModelVersion"]
    assert client.delete_collection(CollectionId=name)["StatusCode"] == 200
    assert name not in listed(client)
    refusal(client, "describe_collection", {"CollectionId": name})


def test_its_arn_is_spelled_in_two_ways_and_is_one(client: Client) -> None:
    name = new_name()
    arn = client.create_collection(CollectionId=name)["CollectionArn"]
    assert arn.startswith(f"arn:aws:rekognition:{client.meta.region_name}:")
    assert arn.endswith(f":collection/{name}")
    assert client.describe_collection(CollectionId=name)["CollectionARN"] == arn
    client.delete_collection(CollectionId=name)


def test_names_differ_by_case_alone(client: Client, collection: str) -> None:
    client.create_collection(CollectionId=collection.upper())
    assert {collection, collection.upper()} <= listed(client).keys()
    client.delete_collection(CollectionId=collection.upper())
    assert collection in listed(client)


def test_the_longest_and_oddest_names_are_names(client: Client) -> None:
    for name in (new_name().ljust(255, "x"), f"._-{new_name()}-_."):
        client.create_collection(CollectionId=name)
        assert name in listed(client)
        client.delete_collection(CollectionId=name)


@pytest.mark.ours  # somebody may have collections of these names at AWS
@pytest.mark.parametrize("name", [".", "..", "-", "--help", "con", "0"])
def test_names_that_mean_something_elsewhere_are_names(client: Client, photo: bytes, name: str) -> None:
    client.create_collection(CollectionId=name)
    client.index_faces(CollectionId=name, Image={"Bytes": photo})
    assert client.search_faces_by_image(CollectionId=name, Image={"Bytes": photo})["FaceMatches"]
    client.delete_collection(CollectionId=name)


def test_a_name_can_be_used_again_and_is_empty_then(client: Client, photo: bytes) -> None:
    name = new_name()
    for _ in range(2):
        client.create_collection(CollectionId=name)
        assert client.describe_collection(CollectionId=name)["FaceCount"] == 0
        client.index_faces(CollectionId=name, Image={"Bytes": photo})
        client.create_user(CollectionId=name, UserId="ada")
        client.delete_collection(CollectionId=name)


def test_faces_and_users_are_counted(client: Client, collection: str, photo: bytes) -> None:
    client.index_faces(CollectionId=collection, Image={"Bytes": photo})
    client.create_user(CollectionId=collection, UserId="ada")
    client.create_user(CollectionId=collection, UserId="grace")
    described = client.describe_collection(CollectionId=collection)
    assert (described["FaceCount"], described["UserCount"]) == (1, 2)


def test_the_model_has_one_version_in_every_answer(client: Client, collection: str, photo: bytes) -> None:
    image = {"Bytes": photo}
    indexed = client.index_faces(CollectionId=collection, Image=image)
    face_id = indexed["FaceRecords"][0]["Face"]["FaceId"]
    answers = [
        client.describe_collection(CollectionId=collection),
        indexed,
        client.list_faces(CollectionId=collection),
        client.search_faces(CollectionId=collection, FaceId=face_id),
        client.search_faces_by_image(CollectionId=collection, Image=image),
        client.search_users(CollectionId=collection, FaceId=face_id),
        client.search_users_by_image(CollectionId=collection, Image=image),
    ]
    assert {answer["FaceModelVersion"] for answer in answers} == {listed(client)[collection]}
