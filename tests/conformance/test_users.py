"""CreateUser, ListUsers, DeleteUser, AssociateFaces and DisassociateFaces."""

import uuid
from typing import Any

import pytest
from PIL import Image

from acceptance.conftest import varied
from commands import wait_until
from conformance.conftest import new_name
from conformance.service import Client, code_of, refusal


@pytest.fixture
def faces(client: Client, collection: str, portrait: Image.Image) -> list[str]:
    """The ids of three faces of one person."""
    return [index(client, collection, varied(portrait, number)) for number in range(3)]


@pytest.fixture
def ada(client: Client, collection: str) -> dict[str, str]:
    """A user without faces, as the arguments that name her."""
    named = {"CollectionId": collection, "UserId": "ada"}
    client.create_user(**named)
    return named


def index(client: Client, collection: str, photo: bytes) -> str:
    answer = client.index_faces(CollectionId=collection, Image={"Bytes": photo}, QualityFilter="NONE")
    face_id: str = answer["FaceRecords"][0]["Face"]["FaceId"]
    return face_id


def users(client: Client, collection: str) -> dict[str, str]:
    """User id → status."""
    pages = client.get_paginator("list_users").paginate(CollectionId=collection)
    return {user["UserId"]: user["UserStatus"] for page in pages for user in page["Users"]}


def owners(client: Client, collection: str) -> dict[str, str | None]:
    """Face id → user id."""
    listed = client.list_faces(CollectionId=collection)["Faces"]
    return {face["FaceId"]: face.get("UserId") for face in listed}


def associated(answer: dict[str, Any]) -> set[str]:
    return {face["FaceId"] for face in answer["AssociatedFaces"]}


def settle(client: Client, ada: dict[str, str], status: str = "ACTIVE") -> None:
    """AWS works on users for a moment after it has answered; ours has done so before."""
    wait_until(lambda: users(client, ada["CollectionId"])[ada["UserId"]] == status, f"the status {status}")


def test_a_user_is_made_listed_and_deleted(client: Client, collection: str) -> None:
    longest = "Ada_Lovelace.1:-".ljust(128, "x")
    for user_id in ("ada", longest):
        client.create_user(CollectionId=collection, UserId=user_id)
    assert users(client, collection) == {"ada": "CREATED", longest: "CREATED"}
    client.delete_user(CollectionId=collection, UserId="ada")
    assert users(client, collection).keys() == {longest}


def test_the_same_user_id_means_another_user_elsewhere(client: Client, collection: str, other_collection: str) -> None:
    client.create_user(CollectionId=collection, UserId="ada")
    client.create_user(CollectionId=other_collection, UserId="ada")
    client.delete_user(CollectionId=collection, UserId="ada")
    assert (users(client, collection), users(client, other_collection)) == ({}, {"ada": "CREATED"})


def test_associated_faces_make_the_user_active(client: Client, ada: dict[str, str], faces: list[str]) -> None:
    answer = client.associate_faces(**ada, FaceIds=faces[:2])
    assert associated(answer) == set(faces[:2])
    assert answer["UnsuccessfulFaceAssociations"] == []
    assert answer["UserStatus"] in {"ACTIVE", "UPDATING"}
    settle(client, ada)
    assert owners(client, ada["CollectionId"]) == {faces[0]: "ada", faces[1]: "ada", faces[2]: None}


def test_a_face_that_is_hers_already_is_passed_over(client: Client, ada: dict[str, str], faces: list[str]) -> None:
    client.associate_faces(**ada, FaceIds=faces[:1])
    settle(client, ada)
    answer = client.associate_faces(**ada, FaceIds=faces[:2])
    assert associated(answer) == {faces[1]}
    assert answer["UnsuccessfulFaceAssociations"] == []


def test_faces_that_cannot_be_associated_are_named_with_the_reason(
    client: Client, ada: dict[str, str], faces: list[str]
) -> None:
    grace = ada | {"UserId": "grace"}
    client.create_user(**grace)
    client.associate_faces(**grace, FaceIds=faces[:1])
    unknown = str(uuid.uuid4())
    answer = client.associate_faces(**ada, FaceIds=[faces[0], unknown, faces[1]])
    assert associated(answer) == {faces[1]}
    failed = {face["FaceId"]: face for face in answer["UnsuccessfulFaceAssociations"]}
    assert failed.keys() == {faces[0], unknown}
    assert failed[faces[0]]["Reasons"] == ["ASSOCIATED_TO_A_DIFFERENT_USER"]
    assert failed[faces[0]]["UserId"] == "grace"
    assert failed[unknown]["Reasons"] == ["FACE_NOT_FOUND"]


def test_a_face_below_the_threshold_is_not_associated(client: Client, ada: dict[str, str], faces: list[str]) -> None:
    client.associate_faces(**ada, FaceIds=faces[:1], UserMatchThreshold=100)
    settle(client, ada)
    answer = client.associate_faces(**ada, FaceIds=faces[1:2], UserMatchThreshold=100)
    assert answer["AssociatedFaces"] == []
    (failed,) = answer["UnsuccessfulFaceAssociations"]
    assert (failed["FaceId"], failed["Reasons"]) == (faces[1], ["LOW_MATCH_CONFIDENCE"])
    assert 75 <= failed["Confidence"] < 100
    assert associated(client.associate_faces(**ada, FaceIds=faces[1:2])) == {faces[1]}


def test_a_stranger_s_face_is_not_associated_unless_nothing_is_asked_of_it(
    client: Client, ada: dict[str, str], faces: list[str], people: dict[str, list[bytes]]
) -> None:
    stranger = index(client, ada["CollectionId"], people["obama"][0])
    client.associate_faces(**ada, FaceIds=faces)
    settle(client, ada)
    answer = client.associate_faces(**ada, FaceIds=[stranger])
    assert [face["Reasons"] for face in answer["UnsuccessfulFaceAssociations"]] == [["LOW_MATCH_CONFIDENCE"]]
    assert associated(client.associate_faces(**ada, FaceIds=[stranger], UserMatchThreshold=0)) == {stranger}


def test_disassociated_faces_stay_as_nobody_s(client: Client, ada: dict[str, str], faces: list[str]) -> None:
    client.associate_faces(**ada, FaceIds=faces)
    settle(client, ada)
    answer = client.disassociate_faces(**ada, FaceIds=faces[:2])
    assert {face["FaceId"] for face in answer["DisassociatedFaces"]} == set(faces[:2])
    assert answer["UnsuccessfulFaceDisassociations"] == []
    settle(client, ada)
    assert owners(client, ada["CollectionId"]) == {faces[0]: None, faces[1]: None, faces[2]: "ada"}
    client.disassociate_faces(**ada, FaceIds=faces[2:])
    settle(client, ada, "CREATED")


def test_faces_that_are_not_hers_are_not_disassociated(client: Client, ada: dict[str, str], faces: list[str]) -> None:
    grace = ada | {"UserId": "grace"}
    client.create_user(**grace)
    client.associate_faces(**grace, FaceIds=faces[:1])
    unknown = str(uuid.uuid4())
    answer = client.disassociate_faces(**ada, FaceIds=[faces[0], faces[1], unknown])
    assert answer["DisassociatedFaces"] == []
    failed = {face["FaceId"]: face for face in answer["UnsuccessfulFaceDisassociations"]}
    assert failed.keys() == {faces[0], unknown}  # faces[1] is nobody's already and is passed over
    assert failed[faces[0]]["Reasons"] == ["ASSOCIATED_TO_A_DIFFERENT_USER"]
    assert failed[faces[0]]["UserId"] == "grace"
    assert failed[unknown]["Reasons"] == ["FACE_NOT_FOUND"]


def test_a_hundred_faces_are_asked_for_at_once(client: Client, ada: dict[str, str], faces: list[str]) -> None:
    asked = [*faces, *(str(uuid.uuid4()) for _ in range(97))]
    answer = client.associate_faces(**ada, FaceIds=asked)
    assert associated(answer) == set(faces)
    assert len(answer["UnsuccessfulFaceAssociations"]) == 97
    settle(client, ada)
    answer = client.disassociate_faces(**ada, FaceIds=asked)
    assert {face["FaceId"] for face in answer["DisassociatedFaces"]} == set(faces)


def test_a_deleted_user_leaves_the_faces(client: Client, ada: dict[str, str], faces: list[str]) -> None:
    client.associate_faces(**ada, FaceIds=faces)
    settle(client, ada)
    client.delete_user(**ada)
    assert owners(client, ada["CollectionId"]) == dict.fromkeys(faces)
    assert client.delete_faces(CollectionId=ada["CollectionId"], FaceIds=faces)["DeletedFaces"]


def test_the_same_request_token_means_the_same_request(client: Client, collection: str) -> None:
    token = new_name()
    for _ in range(2):
        client.create_user(CollectionId=collection, UserId="ada", ClientRequestToken=token)
    assert users(client, collection).keys() == {"ada"}
    for _ in range(2):
        client.delete_user(CollectionId=collection, UserId="ada", ClientRequestToken=f"{token}-2")
    assert users(client, collection) == {}


def test_a_repeated_association_answers_what_it_answered(client: Client, ada: dict[str, str], faces: list[str]) -> None:
    token = new_name()
    wanted = ada | {"FaceIds": faces[:2], "ClientRequestToken": token}
    first, second = (client.associate_faces(**wanted) for _ in range(2))
    assert first["AssociatedFaces"] == second["AssociatedFaces"] != []
    settle(client, ada)
    wanted = ada | {"FaceIds": faces[:2], "ClientRequestToken": f"{token}-2"}
    first, second = (client.disassociate_faces(**wanted) for _ in range(2))
    assert first["DisassociatedFaces"] == second["DisassociatedFaces"] != []


@pytest.mark.parametrize("operation", ["create_user", "delete_user", "associate_faces", "disassociate_faces"])
def test_a_request_token_is_not_for_another_request(
    client: Client, ada: dict[str, str], faces: list[str], operation: str
) -> None:
    token = {"ClientRequestToken": new_name()}
    grace = ada | {"UserId": "grace"}
    with_faces = {"FaceIds": faces[:1]} if "faces" in operation else {}
    if operation != "create_user":
        client.create_user(**grace)
    getattr(client, operation)(**grace, **with_faces, **token)
    error = refusal(client, operation, ada | with_faces | token)
    assert code_of(error) == "IdempotentParameterMismatchException"
    assert "ada" in users(client, ada["CollectionId"])
