"""NextToken: walks through collections, faces and users, while others add to them."""

import base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from PIL import Image

from acceptance.conftest import varied
from conformance.conftest import new_name
from conformance.service import Client, code_of, refusal

_ROWS = 7


@pytest.fixture
def faces(client: Client, collection: str, photo: bytes) -> list[str]:
    """The ids of seven faces: one photo under seven labels."""
    return [labelled(client, collection, photo, f"label-{number}") for number in range(_ROWS)]


@pytest.fixture
def users(client: Client, collection: str) -> list[str]:
    names = [f"user-{number}" for number in range(_ROWS)]
    for name in names:
        client.create_user(CollectionId=collection, UserId=name)
    return names


@pytest.fixture
def collections(client: Client) -> Iterator[list[str]]:
    names = [f"{new_name()}-{number}" for number in range(_ROWS)]
    for name in names:
        client.create_collection(CollectionId=name)
    yield names
    for name in names:
        client.delete_collection(CollectionId=name)


def labelled(client: Client, collection: str, photo: bytes, label: str) -> str:
    answer = client.index_faces(CollectionId=collection, Image={"Bytes": photo}, ExternalImageId=label)
    face_id: str = answer["FaceRecords"][0]["Face"]["FaceId"]
    return face_id


def walk(client: Client, operation: str, size: int, **wanted: Any) -> list[dict[str, Any]]:
    paginator = client.get_paginator(operation)
    return list(paginator.paginate(**wanted, PaginationConfig={"PageSize": size}))


@pytest.mark.parametrize("size", range(1, _ROWS + 2))
def test_faces_come_once_each_whatever_the_page(client: Client, collection: str, faces: list[str], size: int) -> None:
    pages = walk(client, "list_faces", size, CollectionId=collection)
    assert all(len(page["Faces"]) <= size for page in pages)
    assert sorted(face["FaceId"] for page in pages for face in page["Faces"]) == sorted(faces)


@pytest.mark.parametrize("size", range(1, _ROWS + 2))
def test_users_come_once_each_whatever_the_page(client: Client, collection: str, users: list[str], size: int) -> None:
    pages = walk(client, "list_users", size, CollectionId=collection)
    assert all(len(page["Users"]) <= size for page in pages)
    assert sorted(user["UserId"] for page in pages for user in page["Users"]) == users


@pytest.mark.parametrize("size", range(1, _ROWS + 2))
def test_collections_come_once_each_whatever_the_page(client: Client, collections: list[str], size: int) -> None:
    pages = walk(client, "list_collections", size)
    assert all(len(page["CollectionIds"]) == len(page["FaceModelVersions"]) <= size for page in pages)
    found = [name for page in pages for name in page["CollectionIds"]]
    assert len(found) == len(set(found))
    assert set(found) >= set(collections)


def test_the_paginator_can_stop_and_go_on(client: Client, collection: str, faces: list[str]) -> None:
    paginator = client.get_paginator("list_faces")
    first = paginator.paginate(CollectionId=collection, PaginationConfig={"PageSize": 2, "MaxItems": 3})
    begun = first.build_full_result()
    rest = paginator.paginate(CollectionId=collection, PaginationConfig={"StartingToken": begun["NextToken"]})
    found = [face["FaceId"] for part in (begun, rest.build_full_result()) for face in part["Faces"]]
    assert sorted(found) == sorted(faces)


def test_a_walk_neither_repeats_nor_misses_faces_while_some_are_added(
    client: Client, collection: str, faces: list[str], photo: bytes
) -> None:
    found: list[str] = []
    paginator = client.get_paginator("list_faces")
    pages = paginator.paginate(CollectionId=collection, PaginationConfig={"PageSize": 2})
    for number, page in enumerate(pages):
        found += [face["FaceId"] for face in page["Faces"]]
        if number < 3:
            labelled(client, collection, photo, f"added-{number}")
    assert len(found) == len(set(found))
    assert set(found) >= set(faces)


def test_a_walk_neither_repeats_nor_misses_users_while_some_are_added(
    client: Client, collection: str, users: list[str]
) -> None:
    found: list[str] = []
    pages = client.get_paginator("list_users").paginate(CollectionId=collection, PaginationConfig={"PageSize": 2})
    for number, page in enumerate(pages):
        found += [user["UserId"] for user in page["Users"]]
        if number < 3:
            client.create_user(CollectionId=collection, UserId=f"before-{number}")
    assert len(found) == len(set(found))
    assert set(found) >= set(users)


def test_a_walk_neither_repeats_nor_misses_collections_while_some_are_added(
    client: Client, collections: list[str]
) -> None:
    found: list[str] = []
    added = [f"0-{new_name()}", f"zzz-{new_name()}"]
    for number, page in enumerate(client.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 3})):
        found += page["CollectionIds"]
        if number < len(added):
            client.create_collection(CollectionId=added[number])
    for name in added:
        client.delete_collection(CollectionId=name)
    assert len(found) == len(set(found))
    assert set(found) >= set(collections)


def test_a_walk_misses_no_other_face_when_a_listed_one_is_deleted(
    client: Client, collection: str, faces: list[str]
) -> None:
    found: list[str] = []
    pages = client.get_paginator("list_faces").paginate(CollectionId=collection, PaginationConfig={"PageSize": 2})
    for page in pages:
        found += [face["FaceId"] for face in page["Faces"]]
        client.delete_faces(CollectionId=collection, FaceIds=found[-1:])
    assert sorted(found) == sorted(faces)


def test_conditions_hold_on_every_page(client: Client, collection: str, faces: list[str]) -> None:
    client.create_user(CollectionId=collection, UserId="ada")
    client.associate_faces(CollectionId=collection, UserId="ada", FaceIds=faces[1:6])
    for wanted in ({"UserId": "ada"}, {"FaceIds": faces[1:6]}):
        pages = walk(client, "list_faces", 2, CollectionId=collection, **wanted)
        assert sorted(face["FaceId"] for page in pages for face in page["Faces"]) == sorted(faces[1:6])


def test_the_last_page_has_no_token(client: Client, collection: str, faces: list[str], users: list[str]) -> None:
    assert "NextToken" not in client.list_faces(CollectionId=collection)
    assert "NextToken" not in client.list_faces(CollectionId=collection, MaxResults=len(faces))
    assert "NextToken" not in client.list_users(CollectionId=collection, MaxResults=len(users))


def test_tokens_tell_nothing(
    client: Client, collection: str, faces: list[str], users: list[str], collections: list[str]
) -> None:
    tokens = [
        client.list_faces(CollectionId=collection, MaxResults=2)["NextToken"],
        client.list_users(CollectionId=collection, MaxResults=2)["NextToken"],
        client.list_collections(MaxResults=2)["NextToken"],
    ]
    secrets = [*faces, *users, *collections, collection, "Faces", "Users", "Collections"]
    for token in tokens:
        for reading in readings(token):
            assert not [secret for secret in secrets if secret.encode() in reading]


def readings(token: str) -> Iterator[bytes]:
    """The token as it is, and whatever the usual encodings make of it, wherever it may begin."""
    yield token.encode()
    for start in range(4):
        for decode in (base64.urlsafe_b64decode, base64.b64decode, base64.b85decode, bytes.fromhex):
            with suppress(ValueError):
                yield decode(token[start : start + (len(token) - start) // 4 * 4])


Walker = Callable[[Client, str], dict[str, Any]]

_LISTS: dict[str, Walker] = {
    "list_faces": lambda client, collection: {"CollectionId": collection},
    "list_users": lambda client, collection: {"CollectionId": collection},
    "list_collections": lambda client, collection: {},
}


@pytest.mark.parametrize("operation", _LISTS)
@pytest.mark.parametrize("token", ["garbage", "AAAA", "x" * 255, "Z2FyYmFnZQ==", "a b\u00e9"])
def test_a_token_that_nobody_gave_is_refused(client: Client, collection: str, operation: str, token: str) -> None:
    error = refusal(client, operation, _LISTS[operation](client, collection) | {"NextToken": token})
    assert code_of(error) == "InvalidPaginationTokenException"


@pytest.mark.ours  # AWS does not say what becomes of a token of another query
def test_a_token_is_for_its_own_query_only(
    client: Client, collection: str, other_collection: str, faces: list[str], users: list[str]
) -> None:
    assert users
    of_faces = client.list_faces(CollectionId=collection, MaxResults=2)["NextToken"]
    of_users = client.list_users(CollectionId=collection, MaxResults=2)["NextToken"]
    of_collections = client.list_collections(MaxResults=1)["NextToken"]
    refused = [
        ("list_users", {"CollectionId": collection, "NextToken": of_faces}),
        ("list_collections", {"NextToken": of_faces}),
        ("list_faces", {"CollectionId": collection, "NextToken": of_users}),
        ("list_faces", {"CollectionId": collection, "NextToken": of_collections}),
        ("list_faces", {"CollectionId": other_collection, "NextToken": of_faces}),
        ("list_faces", {"CollectionId": collection, "NextToken": of_faces, "FaceIds": faces[:3]}),
        ("list_faces", {"CollectionId": collection, "NextToken": of_faces, "UserId": "user-0"}),
        ("list_faces", {"CollectionId": collection, "NextToken": altered(of_faces)}),
    ]
    for operation, arguments in refused:
        assert code_of(refusal(client, operation, arguments)) == "InvalidPaginationTokenException", arguments


def altered(token: str) -> str:
    """With another letter in its middle."""
    middle = len(token) // 2
    return token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]


def test_a_token_may_follow_the_longest_name(client: Client) -> None:
    names = [new_name().ljust(255, letter) for letter in "zz"]
    for name in names:
        client.create_collection(CollectionId=name)
    found = [name for page in walk(client, "list_collections", 1) for name in page["CollectionIds"]]
    assert set(found) >= set(names)
    for name in names:
        client.delete_collection(CollectionId=name)


@pytest.mark.ours  # the model allows it and nothing says what it means
def test_pages_of_no_rows_are_pages_of_the_usual_size(client: Client, collection: str, faces: list[str]) -> None:
    assert len(client.list_faces(CollectionId=collection, MaxResults=0)["Faces"]) == len(faces)
    assert collection in client.list_collections(MaxResults=0)["CollectionIds"]


def test_pages_may_change_their_size_on_the_way(
    client: Client, collection: str, portrait: Image.Image, faces: list[str]
) -> None:
    extra = labelled(client, collection, varied(portrait, 1), "extra")
    first = client.list_faces(CollectionId=collection, MaxResults=3)
    rest = client.list_faces(CollectionId=collection, MaxResults=4096, NextToken=first["NextToken"])
    found = [face["FaceId"] for page in (first, rest) for face in page["Faces"]]
    assert sorted(found) == sorted([*faces, extra])
