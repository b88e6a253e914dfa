"""IndexFaces, ListFaces and DeleteFaces."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image, ImageEnhance

from acceptance.conftest import jpeg, varied
from conformance.conftest import Upload
from conformance.photos import a_pair, area, side_by_side
from conformance.service import Client

_DETAIL = {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}


def index(client: Client, collection: str, photo: bytes, **wanted: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.index_faces(CollectionId=collection, Image={"Bytes": photo}, **wanted)
    return answer


def ids_of(answer: dict[str, Any]) -> list[str]:
    return [record["Face"]["FaceId"] for record in answer["FaceRecords"]]


def face_ids(client: Client, collection: str) -> set[str]:
    pages = client.get_paginator("list_faces").paginate(CollectionId=collection)
    return {face["FaceId"] for page in pages for face in page["Faces"]}


def test_an_indexed_face_is_listed_as_it_was_answered(client: Client, collection: str, photo: bytes) -> None:
    answer = index(client, collection, photo, ExternalImageId="ada:1-a_b.jpg")
    (record,) = answer["FaceRecords"]
    assert answer["UnindexedFaces"] == []
    assert record["Face"]["ExternalImageId"] == "ada:1-a_b.jpg"
    assert record["Face"]["BoundingBox"] == record["FaceDetail"]["BoundingBox"]
    assert record["FaceDetail"].keys() == _DETAIL
    (listed,) = client.list_faces(CollectionId=collection)["Faces"]
    assert listed.items() >= record["Face"].items()
    assert "UserId" not in listed


def test_a_face_without_a_label_has_none(client: Client, collection: str, photo: bytes) -> None:
    assert "ExternalImageId" not in index(client, collection, photo)["FaceRecords"][0]["Face"]
    assert "ExternalImageId" not in client.list_faces(CollectionId=collection)["Faces"][0]


def test_the_faces_of_one_photo_share_its_image_id(client: Client, collection: str, portrait: Image.Image) -> None:
    answer = index(client, collection, jpeg(a_pair(portrait)), QualityFilter="NONE")
    large, small = (record["Face"] for record in answer["FaceRecords"])
    assert large["ImageId"] == small["ImageId"]
    assert large["FaceId"] != small["FaceId"]
    assert area(large["BoundingBox"]) > area(small["BoundingBox"])
    other = index(client, collection, varied(portrait, 1))["FaceRecords"][0]["Face"]
    assert other["ImageId"] != large["ImageId"]


@pytest.mark.parametrize("wanted", [{}, {"ExternalImageId": "ada"}])
def test_the_same_photo_twice_saves_nothing_twice(
    client: Client, collection: str, photo: bytes, wanted: dict[str, str]
) -> None:
    once, again = (index(client, collection, photo, **wanted) for _ in range(2))
    assert ids_of(once) == ids_of(again)
    assert face_ids(client, collection) == set(ids_of(once))
    assert client.describe_collection(CollectionId=collection)["FaceCount"] == 1


@pytest.mark.ours  # AWS promises nothing of requests at the same time
def test_the_same_photo_at_the_same_time_saves_nothing_twice(client: Client, collection: str, photo: bytes) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: index(client, collection, photo), range(6)))
    assert len({face_id for answer in answers for face_id in ids_of(answer)}) == 1
    assert face_ids(client, collection) == set(ids_of(answers[0]))


def test_the_same_photo_with_another_label_is_saved_again(client: Client, collection: str, photo: bytes) -> None:
    answers = [index(client, collection, photo, ExternalImageId=label) for label in ("ada", "lovelace")]
    answers.append(index(client, collection, photo))
    saved = {face_id for answer in answers for face_id in ids_of(answer)}
    assert len(saved) == 3
    assert face_ids(client, collection) == saved


def test_the_same_photo_in_another_collection_is_saved_there(
    client: Client, collection: str, other_collection: str, photo: bytes
) -> None:
    for name in (collection, other_collection):
        index(client, name, photo)
        assert len(face_ids(client, name)) == 1
    assert face_ids(client, collection).isdisjoint(face_ids(client, other_collection))


def test_a_deleted_face_can_be_indexed_again(client: Client, collection: str, photo: bytes) -> None:
    first = ids_of(index(client, collection, photo))
    client.delete_faces(CollectionId=collection, FaceIds=first)
    second = ids_of(index(client, collection, photo))
    assert face_ids(client, collection) == set(second)
    assert len(second) == 1


def test_more_faces_than_wanted_are_left_out_with_the_reason(
    client: Client, collection: str, portrait: Image.Image
) -> None:
    answer = index(client, collection, jpeg(a_pair(portrait)), MaxFaces=1, QualityFilter="NONE")
    (kept,), (left,) = answer["FaceRecords"], answer["UnindexedFaces"]
    assert left["Reasons"] == ["EXCEEDS_MAX_FACES"]
    assert area(kept["FaceDetail"]["BoundingBox"]) > area(left["FaceDetail"]["BoundingBox"])
    assert face_ids(client, collection) == {kept["Face"]["FaceId"]}


def test_of_a_group_the_largest_are_kept(client: Client, collection: str, six_faces: bytes) -> None:
    answer = index(client, collection, six_faces, MaxFaces=1)
    assert len(answer["FaceRecords"]) == 1
    assert len(answer["UnindexedFaces"]) == 5
    assert any("EXCEEDS_MAX_FACES" in face["Reasons"] for face in answer["UnindexedFaces"])
    again = index(client, collection, six_faces, QualityFilter="NONE")
    areas = [area(record["Face"]["BoundingBox"]) for record in again["FaceRecords"]]
    assert len(areas) == 6
    assert areas == sorted(areas, reverse=True)
    assert set(ids_of(answer)) <= set(ids_of(again))


@pytest.mark.parametrize("bar", ["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"])
def test_each_face_is_either_indexed_or_left_out_with_a_reason(
    client: Client, collection: str, six_faces: bytes, bar: str
) -> None:
    answer = index(client, collection, six_faces, QualityFilter=bar)
    assert len(answer["FaceRecords"]) + len(answer["UnindexedFaces"]) == 6
    assert all(face["Reasons"] for face in answer["UnindexedFaces"])
    assert bar != "NONE" or answer["UnindexedFaces"] == []


@pytest.mark.ours
def test_a_dark_face_is_left_out_unless_nothing_is_filtered(
    client: Client, collection: str, portrait: Image.Image
) -> None:
    dark = jpeg(ImageEnhance.Brightness(portrait).enhance(0.12))
    answer = index(client, collection, dark)
    assert answer["FaceRecords"] == []
    (left,) = answer["UnindexedFaces"]
    assert "LOW_BRIGHTNESS" in left["Reasons"]
    assert len(index(client, collection, dark, QualityFilter="NONE")["FaceRecords"]) == 1


@pytest.mark.ours
def test_the_worse_face_is_left_out_before_the_smaller_one(
    client: Client, collection: str, portrait: Image.Image
) -> None:
    dark = ImageEnhance.Brightness(portrait).enhance(0.12)
    small = portrait.resize((220, 220))
    answer = index(client, collection, jpeg(side_by_side(dark, small)), MaxFaces=1, QualityFilter="NONE")
    (kept,), (left,) = answer["FaceRecords"], answer["UnindexedFaces"]
    assert kept["Face"]["BoundingBox"]["Left"] > 0.5
    assert left["Reasons"] == ["EXCEEDS_MAX_FACES"]
    assert area(kept["Face"]["BoundingBox"]) < area(left["FaceDetail"]["BoundingBox"])


def test_a_photo_without_a_face_indexes_nothing(client: Client, collection: str, nobody: bytes) -> None:
    answer = index(client, collection, nobody)
    assert (answer["FaceRecords"], answer["UnindexedFaces"]) == ([], [])
    assert face_ids(client, collection) == set()


def test_detection_attributes_come_with_the_record(client: Client, collection: str, photo: bytes) -> None:
    (record,) = index(client, collection, photo, DetectionAttributes=["ALL"])["FaceRecords"]
    (detail,) = client.detect_faces(Image={"Bytes": photo}, Attributes=["ALL"])["FaceDetails"]
    assert record["FaceDetail"].keys() == detail.keys()


def test_a_photo_of_a_bucket_is_the_photo_of_its_bytes(
    client: Client, collection: str, photo: bytes, upload: Upload
) -> None:
    kept = upload("photos/ada.jpg", photo)
    from_bucket = client.index_faces(CollectionId=collection, Image=kept)
    assert (
        from_bucket["FaceRecords"][0]["FaceDetail"] == index(client, collection, photo)["FaceRecords"][0]["FaceDetail"]
    )


def test_faces_are_listed_by_their_ids(client: Client, collection: str, portrait: Image.Image) -> None:
    made = [ids_of(index(client, collection, varied(portrait, number)))[0] for number in range(3)]
    asked = [made[2], str(uuid.uuid4()), made[0]]
    found = client.list_faces(CollectionId=collection, FaceIds=asked)["Faces"]
    assert {face["FaceId"] for face in found} == {made[0], made[2]}


def test_faces_are_listed_by_their_user(client: Client, collection: str, portrait: Image.Image) -> None:
    made = [ids_of(index(client, collection, varied(portrait, number)))[0] for number in range(2)]
    client.create_user(CollectionId=collection, UserId="ada")
    client.associate_faces(CollectionId=collection, UserId="ada", FaceIds=made[:1])
    (found,) = client.list_faces(CollectionId=collection, UserId="ada")["Faces"]
    assert (found["FaceId"], found["UserId"]) == (made[0], "ada")


def test_deleted_faces_are_gone_and_others_are_named(client: Client, collection: str, portrait: Image.Image) -> None:
    made = [ids_of(index(client, collection, varied(portrait, number)))[0] for number in range(3)]
    unknown = str(uuid.uuid4())
    answer = client.delete_faces(CollectionId=collection, FaceIds=[*made[:2], unknown])
    assert set(answer["DeletedFaces"]) == set(made[:2])
    (failed,) = answer["UnsuccessfulFaceDeletions"]
    assert (failed["FaceId"], failed["Reasons"]) == (unknown, ["FACE_NOT_FOUND"])
    assert face_ids(client, collection) == {made[2]}
    assert client.describe_collection(CollectionId=collection)["FaceCount"] == 1


def test_as_many_faces_as_allowed_are_asked_for_at_once(client: Client, collection: str, photo: bytes) -> None:
    (kept,) = ids_of(index(client, collection, photo))
    asked = [kept, *(str(uuid.uuid4()) for _ in range(4095))]
    assert [face["FaceId"] for face in client.list_faces(CollectionId=collection, FaceIds=asked)["Faces"]] == [kept]
    answer = client.delete_faces(CollectionId=collection, FaceIds=asked)
    assert answer["DeletedFaces"] == [kept]
    assert {face["FaceId"] for face in answer["UnsuccessfulFaceDeletions"]} == set(asked[1:])


def test_a_face_of_a_user_is_not_deleted(client: Client, collection: str, photo: bytes) -> None:
    made = ids_of(index(client, collection, photo))
    client.create_user(CollectionId=collection, UserId="ada")
    client.associate_faces(CollectionId=collection, UserId="ada", FaceIds=made)
    answer = client.delete_faces(CollectionId=collection, FaceIds=made)
    assert answer["DeletedFaces"] == []
    (failed,) = answer["UnsuccessfulFaceDeletions"]
    assert failed == {"FaceId": made[0], "UserId": "ada", "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}
    assert face_ids(client, collection) == set(made)
