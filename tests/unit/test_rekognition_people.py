"""People of the command line and users of the API are the same people; thresholds; races."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faceline.app import App
from faceline.gallery.enrolment import Photo
from faceline.gallery.names import user_id_of
from faceline.types import Embedding
from made import open_app, photo, vector
from signed import Rekognition

NAME = "my-face-collection"


def image(person: int, salt: int = 0) -> dict[str, str]:
    return {"Bytes": base64.b64encode(photo(person=person, salt=salt)).decode()}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with open_app(tmp_path / "data", quota_image_side_px=1, collection=NAME) as app:
        yield app


@pytest.fixture
def api(app: App) -> Iterator[Rekognition]:
    api = Rekognition(app)
    yield api
    api.endpoint.close()


def asked(api: Rekognition, operation: str, **members: Any) -> Any:
    answer = api.ask(operation, {"CollectionId": NAME} | members)
    assert answer.status == 200, answer.json
    return answer.json


def indexed(api: Rekognition, person: int, label: str, salt: int = 0) -> str:
    answer = asked(api, "IndexFaces", Image=image(person, salt), ExternalImageId=label, QualityFilter="NONE")
    return str(answer["FaceRecords"][0]["Face"]["FaceId"])


def named(app: App, person: int) -> str:
    """Whom `faceline identify` would look at first."""
    candidates, _ = app.collection().search(Embedding(vector(person), app.scorer().model))
    return candidates[0].name


def test_who_was_enrolled_at_the_command_line_is_a_user(app: App, api: Rekognition) -> None:
    assert app.enroller().enroll_photo(Photo(photo(person=1), "Ada Lovelace", "ada.png")).face
    (user,) = asked(api, "ListUsers")["Users"]
    assert user == {"UserId": user_id_of("Ada Lovelace"), "UserStatus": "ACTIVE"}
    (face,) = asked(api, "ListFaces", UserId=user["UserId"])["Faces"]
    assert face["UserId"] == user["UserId"]
    found = asked(api, "SearchUsersByImage", Image=image(1, salt=9))["UserMatches"]
    assert found == [{"Similarity": 100.0, "User": user}]


def test_a_label_names_a_face_until_a_user_does(app: App, api: Rekognition) -> None:
    asked(api, "CreateCollection")
    face_id = indexed(api, 1, "ada-1.jpg")
    assert named(app, 1) == "ada-1.jpg"
    asked(api, "CreateUser", UserId="ada")
    asked(api, "AssociateFaces", UserId="ada", FaceIds=[face_id])
    assert named(app, 1) == "ada"
    asked(api, "DisassociateFaces", UserId="ada", FaceIds=[face_id])
    assert named(app, 1) == "ada-1.jpg"


def test_forgetting_a_name_takes_the_faces_that_are_labelled_so(app: App, api: Rekognition) -> None:
    asked(api, "CreateCollection")
    indexed(api, 1, "ada")
    indexed(api, 2, "ben")
    app.forget("ada")
    assert [face["ExternalImageId"] for face in asked(api, "ListFaces")["Faces"]] == ["ben"]


def test_a_collection_that_is_made_again_knows_nothing_of_the_first(api: Rekognition) -> None:
    asked(api, "CreateCollection")
    indexed(api, 1, "ada")
    assert asked(api, "SearchFacesByImage", Image=image(1))["FaceMatches"]
    asked(api, "DeleteCollection")
    asked(api, "CreateCollection")
    assert asked(api, "SearchFacesByImage", Image=image(1))["FaceMatches"] == []
    assert asked(api, "DescribeCollection")["FaceCount"] == 0


@pytest.mark.parametrize("floor", [False, True])
def test_the_floor_keeps_out_what_is_too_common_for_the_collections_size(tmp_path: Path, floor: bool) -> None:
    with open_app(tmp_path / "data", quota_image_side_px=1, collection=NAME, search_floor=floor) as app:
        api = Rekognition(app)
        asked(api, "CreateCollection")
        first = indexed(api, 1, "ada")
        for person in range(2, 12):
            indexed(api, person, f"person-{person}")
        for operation, members in (
            ("SearchFacesByImage", {"Image": image(1, salt=3)}),
            ("SearchFaces", {"FaceId": first}),
        ):
            found = asked(api, operation, FaceMatchThreshold=0, **members)["FaceMatches"]
            others = [match["Similarity"] for match in found if match["Face"]["FaceId"] != first]
            assert (len(others) == 10) == (not floor)
            assert (min(others, default=100) >= app.rule.threshold(11)) == floor
        api.endpoint.close()


def test_the_floor_does_not_lower_what_a_client_asks_for(tmp_path: Path) -> None:
    with open_app(tmp_path / "data", quota_image_side_px=1, collection=NAME, search_floor=True) as app:
        api = Rekognition(app)
        asked(api, "CreateCollection")
        indexed(api, 1, "ada")
        found = asked(api, "SearchFacesByImage", Image=image(1, salt=3), FaceMatchThreshold=100)["FaceMatches"]
        assert [match["Similarity"] for match in found] == [100.0]
        api.endpoint.close()


def test_an_attribute_whose_network_cannot_be_had_is_absent(app: App, api: Rekognition) -> None:
    app.engines._networks = {"emotions": False, "mesh": False, "gender": False}  # as after a failed fetch
    (detail,) = api.ask("DetectFaces", {"Image": image(1), "Attributes": ["ALL"]}).json["FaceDetails"]
    assert set(detail) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
    assert len(detail["Landmarks"]) == 5


def test_forgetting_says_nothing_of_photos_that_came_in_a_request(app: App, api: Rekognition) -> None:
    asked(api, "CreateCollection")
    indexed(api, 1, "ada")
    assert app.forget("ada").photos == ()
