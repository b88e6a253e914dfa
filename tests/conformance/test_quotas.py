"""Quotas and back-pressure, on a server where they are low enough to be reached."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from acceptance.conftest import jpeg, varied
from commands import Up
from conformance.conftest import Connect, new_name, uploader
from conformance.photos import a_pair
from conformance.service import Client, Service, code_of, refusal

pytestmark = pytest.mark.ours

_EXCEEDED = "ServiceQuotaExceededException"


def index(client: Client, collection: str, photo: bytes) -> list[str]:
    answer = client.index_faces(CollectionId=collection, Image={"Bytes": photo}, QualityFilter="NONE")
    return [record["Face"]["FaceId"] for record in answer["FaceRecords"]]


def test_so_many_collections_and_no_more(strict_client: Client, strict_collection: str) -> None:
    kept = strict_client.list_collections()["CollectionIds"]  # that of `faceline up` itself is among them
    made = [new_name() for _ in range(4 - len(kept))]
    for name in made:
        strict_client.create_collection(CollectionId=name)
    one_more = {"CollectionId": new_name()}
    assert code_of(refusal(strict_client, "create_collection", one_more)) == _EXCEEDED
    error = refusal(strict_client, "create_collection", {"CollectionId": strict_collection})
    assert code_of(error) == "ResourceAlreadyExistsException"
    strict_client.delete_collection(CollectionId=made.pop())
    strict_client.create_collection(**one_more)
    for name in [*made, one_more["CollectionId"]]:
        strict_client.delete_collection(CollectionId=name)


def test_so_many_faces_and_no_more(strict_client: Client, strict_collection: str, portrait: Image.Image) -> None:
    kept = [index(strict_client, strict_collection, varied(portrait, number))[0] for number in range(2)]
    pair = {"CollectionId": strict_collection, "Image": {"Bytes": jpeg(a_pair(portrait))}, "QualityFilter": "NONE"}
    assert code_of(refusal(strict_client, "index_faces", pair)) == _EXCEEDED
    assert strict_client.describe_collection(CollectionId=strict_collection)["FaceCount"] == 2
    index(strict_client, strict_collection, varied(portrait, 2))
    assert index(strict_client, strict_collection, varied(portrait, 0)) == kept[:1]  # nothing new
    strict_client.delete_faces(CollectionId=strict_collection, FaceIds=kept)
    assert len(index(strict_client, strict_collection, jpeg(a_pair(portrait)))) == 2


def test_so_many_users_and_no_more(strict_client: Client, strict_collection: str) -> None:
    for user_id in ("ada", "grace"):
        strict_client.create_user(CollectionId=strict_collection, UserId=user_id)
    third = {"CollectionId": strict_collection, "UserId": "margaret"}
    assert code_of(refusal(strict_client, "create_user", third)) == _EXCEEDED
    strict_client.delete_user(CollectionId=strict_collection, UserId="ada")
    strict_client.create_user(**third)


def test_so_many_faces_of_a_user_and_no_more(
    strict_client: Client, strict_collection: str, portrait: Image.Image
) -> None:
    faces = [index(strict_client, strict_collection, varied(portrait, number))[0] for number in range(3)]
    ada = {"CollectionId": strict_collection, "UserId": "ada"}
    strict_client.create_user(**ada)
    assert code_of(refusal(strict_client, "associate_faces", ada | {"FaceIds": faces})) == _EXCEEDED
    assert len(strict_client.associate_faces(**ada, FaceIds=faces[:2])["AssociatedFaces"]) == 2
    assert code_of(refusal(strict_client, "associate_faces", ada | {"FaceIds": faces[2:]})) == _EXCEEDED
    strict_client.disassociate_faces(**ada, FaceIds=faces[:1])
    assert len(strict_client.associate_faces(**ada, FaceIds=faces[2:])["AssociatedFaces"]) == 1


def test_so_many_tags_and_no_more(strict_client: Client, strict_collection: str) -> None:
    arn = strict_client.describe_collection(CollectionId=strict_collection)["CollectionARN"]
    strict_client.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": "2"})
    error = refusal(strict_client, "tag_resource", {"ResourceArn": arn, "Tags": {"c": "3"}})
    assert code_of(error) == _EXCEEDED
    made = {"CollectionId": new_name(), "Tags": {"a": "1", "b": "2", "c": "3"}}
    assert code_of(refusal(strict_client, "create_collection", made)) == _EXCEEDED
    error = refusal(strict_client, "describe_collection", {"CollectionId": made["CollectionId"]})
    assert code_of(error) == "ResourceNotFoundException"


def test_so_large_an_image_and_no_larger(strict_client: Client, strict_up: Up, photo: bytes) -> None:
    upload = uploader(strict_up)
    assert strict_client.detect_faces(Image={"Bytes": photo.ljust(200_000, b"\0")})["FaceDetails"]
    assert strict_client.detect_faces(Image=upload("photos/a.jpg", photo.ljust(300_000, b"\0")))["FaceDetails"]
    for image in ({"Bytes": photo.ljust(200_001, b"\0")}, upload("photos/b.jpg", photo.ljust(300_001, b"\0"))):
        assert code_of(refusal(strict_client, "detect_faces", {"Image": image})) == "ImageTooLargeException"


def test_more_requests_than_can_wait_are_throttled(
    strict: Service, strict_client: Client, astronaut_jpeg: bytes, connect: Connect
) -> None:
    clients = [connect(strict, None) for _ in range(8)]

    def ask(client: Client) -> str:
        try:
            client.detect_faces(Image={"Bytes": astronaut_jpeg})
        except ClientError as error:
            assert type(error) is client.exceptions.ThrottlingException
            return "throttled"
        return "answered"

    with ThreadPoolExecutor(len(clients)) as pool:
        outcomes = list(pool.map(ask, clients))
    assert set(outcomes) == {"answered", "throttled"}
    assert strict_client.detect_faces(Image={"Bytes": astronaut_jpeg})["FaceDetails"]
