"""Every modelled error that a request can provoke, but those of images, tokens and quotas, which have other files."""

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.conftest import Connect, new_name
from conformance.service import Arguments, Client, Service, code_of, refusal
from conformance.valid import VALID, WITH_COLLECTION, Given, filled

_INVALID = "InvalidParameterException"
_NOT_FOUND = "ResourceNotFoundException"
_FACE_ID = "01234567-89ab-cdef-0123-456789abcdef"

# What the bounds of the model forbid: operation, what is changed of a valid request.
_OUT_OF_BOUNDS: list[tuple[str, Arguments]] = [
    *[(name, {"CollectionId": wrong}) for name in WITH_COLLECTION for wrong in ("", "a b", "ä", "a/b", "x" * 256)],
    *[(name, {"CollectionId": Given.ABSENT}) for name in WITH_COLLECTION],
    *[
        (name, {"UserId": wrong})
        for name in ("create_user", "delete_user", "associate_faces", "disassociate_faces", "search_users")
        for wrong in ("", "a b", "ada/1", "x" * 129)
    ],
    *[(name, {"UserId": Given.ABSENT}) for name in ("create_user", "delete_user", "associate_faces")],
    ("list_faces", {"UserId": "a b"}),
    *[
        (name, {"ClientRequestToken": wrong})
        for name in (
            "create_user",
            "delete_user",
            "associate_faces",
            "disassociate_faces",
            "start_face_detection",
            "start_face_search",
        )
        for wrong in ("", "a b", "x" * 65)
    ],
    *[
        (name, changed)
        for name in ("start_face_detection", "start_face_search")
        for changed in (
            {"Video": Given.ABSENT},
            {"Video": {"S3Object": {"Bucket": "ab", "Name": "a.mp4"}}},
            {"JobTag": ""},
            {"JobTag": "a tag"},
            {"JobTag": "x" * 1025},
            {"NotificationChannel": {"SNSTopicArn": "arn:aws:sns:us-east-1:000000000000:topic"}},
            {"NotificationChannel": {"SNSTopicArn": "topic", "RoleArn": "arn:aws:iam::000000000000:role/r"}},
        )
    ],
    *[("start_face_detection", {"FaceAttributes": wrong}) for wrong in ("EMOTIONS", "all", "")],
    *[
        (name, changed)
        for name in ("get_face_detection", "get_face_search")
        for changed in ({"JobId": ""}, {"JobId": "a b"}, {"JobId": "x" * 65}, {"JobId": Given.ABSENT})
    ],
    *[(name, {"MaxResults": 0}) for name in ("get_face_detection", "get_face_search")],
    ("get_face_search", {"SortBy": "NAME"}),
    *[
        (name, {"FaceIds": wrong})
        for name in ("associate_faces", "disassociate_faces", "delete_faces", "list_faces")
        for wrong in ([], ["not-an-id"], [_FACE_ID.upper()], [_FACE_ID + "0"])
    ],
    *[(name, {"FaceIds": [_FACE_ID] * 101}) for name in ("associate_faces", "disassociate_faces")],
    *[(name, {"FaceIds": [_FACE_ID] * 4097}) for name in ("delete_faces", "list_faces")],
    *[(name, {"FaceIds": Given.ABSENT}) for name in ("associate_faces", "disassociate_faces", "delete_faces")],
    *[("search_faces", {"FaceId": wrong}) for wrong in ("", "not-an-id", Given.ABSENT)],
    ("search_users", {"UserId": Given.ABSENT, "FaceId": "not-an-id"}),
    *[(name, {"MaxFaces": 0}) for name in ("index_faces", "search_faces", "search_faces_by_image")],
    *[(name, {"MaxFaces": 4097}) for name in ("search_faces", "search_faces_by_image")],
    *[(name, {"MaxUsers": wrong}) for name in ("search_users", "search_users_by_image") for wrong in (0, 501)],
    *[(name, {"MaxResults": wrong}) for name in ("list_faces", "list_collections") for wrong in (-1, 4097)],
    *[("list_users", {"MaxResults": wrong}) for wrong in (0, 501)],
    *[
        (name, {"FaceMatchThreshold": wrong})
        for name in ("search_faces", "search_faces_by_image", "start_face_search")
        for wrong in (-1, 101)
    ],
    *[
        (name, {"UserMatchThreshold": wrong})
        for name in ("associate_faces", "search_users", "search_users_by_image")
        for wrong in (-0.5, 100.5)
    ],
    *[("compare_faces", {"SimilarityThreshold": wrong}) for wrong in (-0.001, 100.001)],
    *[
        (name, {"QualityFilter": wrong})
        for name in ("index_faces", "search_faces_by_image", "search_users_by_image", "compare_faces")
        for wrong in ("BEST", "auto", "")
    ],
    *[("detect_faces", {"Attributes": wrong}) for wrong in (["NOSE"], ["all"], ["ALL", "NOSE"])],
    ("index_faces", {"DetectionAttributes": ["NOSE"]}),
    *[("index_faces", {"ExternalImageId": wrong}) for wrong in ("", "a b", "ada/1.jpg", "x" * 256)],
    *[(name, {"Image": Given.ABSENT}) for name in ("detect_faces", "index_faces", "search_faces_by_image")],
    ("compare_faces", {"TargetImage": Given.ABSENT}),
    *[
        (name, {"ResourceArn": wrong})
        for name in ("tag_resource", "untag_resource", "list_tags_for_resource")
        for wrong in ("", "arn:too:short", "x" * 2049, Given.ABSENT)
    ],
    *[
        (name, {"Tags": wrong})
        for name in ("tag_resource", "create_collection")
        for wrong in (
            {"": "value"},
            {"aws:team": "value"},
            {"team?": "value"},
            {"k" * 129: "value"},
            {"team": "<value>"},
            {"team": "v" * 257},
            {f"key {number}": "value" for number in range(201)},
        )
    ],
    *[("untag_resource", {"TagKeys": wrong}) for wrong in ([""], ["aws:team"], ["k" * 129], ["team"] * 201)],
]

# What only a look at what is kept can refuse: operation, what is changed, the error.
_OUT_OF_PLACE: list[tuple[str, Arguments, str]] = [
    ("create_collection", {"CollectionId": Given.COLLECTION}, "ResourceAlreadyExistsException"),
    ("create_user", {"UserId": "ada"}, "ConflictException"),
    *[
        (name, {"UserId": "nobody"}, _NOT_FOUND)
        for name in ("delete_user", "associate_faces", "disassociate_faces", "search_users")
    ],
    ("search_faces", {"FaceId": _FACE_ID}, _INVALID),
    ("search_users", {"FaceId": Given.FACE}, _INVALID),  # a user and a face
    ("search_users", {"UserId": Given.ABSENT}, _INVALID),  # neither
    ("search_faces_by_image", {"Image": {"Bytes": Given.NOBODY}}, _INVALID),
    ("compare_faces", {"SourceImage": {"Bytes": Given.NOBODY}}, _INVALID),
    ("compare_faces", {"TargetImage": {"Bytes": Given.NOBODY}}, _INVALID),
    *[
        (name, {"ResourceArn": "arn:nonsense:that:is:long:enough"}, _INVALID)
        for name in ("tag_resource", "untag_resource", "list_tags_for_resource")
    ],
]


@pytest.fixture
def given(client: Client, collection: str, photo: bytes, nobody: bytes) -> dict[Given, Any]:
    indexed = client.index_faces(CollectionId=collection, Image={"Bytes": photo})
    face_id = indexed["FaceRecords"][0]["Face"]["FaceId"]
    client.create_user(CollectionId=collection, UserId="ada")
    client.associate_faces(CollectionId=collection, UserId="ada", FaceIds=[face_id])
    return {
        Given.COLLECTION: collection,
        Given.ARN: client.describe_collection(CollectionId=collection)["CollectionARN"],
        Given.FACE: face_id,
        Given.PHOTO: photo,
        Given.NOBODY: nobody,
    }


@pytest.fixture(scope="module")
def unmade(client: Client, photo: bytes) -> dict[Given, Any]:
    """Well-formed values of things that do not exist: enough for requests that are refused by their form."""
    name = new_name()
    arn = f"arn:aws:rekognition:{client.meta.region_name}:000000000000:collection/{name}"
    video = {"S3Object": {"Bucket": "a-bucket", "Name": "a.mp4"}}
    jobs = {Given.DETECTION: _FACE_ID, Given.SEARCH: _FACE_ID}
    return {Given.COLLECTION: name, Given.ARN: arn, Given.FACE: _FACE_ID, Given.PHOTO: photo, Given.VIDEO: video} | jobs


@pytest.mark.parametrize(
    ("operation", "changed"), _OUT_OF_BOUNDS, ids=[f"{name}-{str(c)[:50]}" for name, c in _OUT_OF_BOUNDS]
)
def test_what_the_model_forbids_is_refused(
    lax: Client, service: Service, unmade: dict[Given, Any], operation: str, changed: Arguments
) -> None:
    error = refusal(lax, operation, filled(VALID[operation] | changed, unmade))
    assert code_of(error) in ({_INVALID, "ValidationException"} if service.aws else {_INVALID})


@pytest.mark.parametrize(
    ("operation", "changed", "code"), _OUT_OF_PLACE, ids=[f"{name}-{str(c)[:50]}" for name, c, _ in _OUT_OF_PLACE]
)
def test_what_does_not_fit_what_is_kept_is_refused(
    client: Client, given: dict[Given, Any], operation: str, changed: Arguments, code: str
) -> None:
    assert code_of(refusal(client, operation, filled(VALID[operation] | changed, given))) == code


@pytest.mark.parametrize("operation", [name for name in WITH_COLLECTION if name != "create_collection"])
def test_a_collection_that_is_not_there_is_not_found(client: Client, unmade: dict[Given, Any], operation: str) -> None:
    assert code_of(refusal(client, operation, filled(VALID[operation], unmade))) == _NOT_FOUND


@pytest.mark.parametrize("operation", ["tag_resource", "untag_resource", "list_tags_for_resource"])
def test_a_resource_that_is_not_there_is_not_found(client: Client, given: dict[Given, Any], operation: str) -> None:
    gone = given | {Given.ARN: given[Given.ARN].replace(given[Given.COLLECTION], new_name())}
    assert code_of(refusal(client, operation, filled(VALID[operation], gone))) == _NOT_FOUND


def test_a_face_that_is_not_there_finds_no_user(client: Client, collection: str) -> None:
    error = refusal(client, "search_users", {"CollectionId": collection, "FaceId": str(uuid.uuid4())})
    assert code_of(error) in {_INVALID, _NOT_FOUND}  # the documentation does not say which


def test_a_refused_request_changes_nothing(client: Client, given: dict[Given, Any], collection: str) -> None:
    before = client.describe_collection(CollectionId=collection)
    for operation, changed in (("create_user", {"UserId": "ada"}), ("associate_faces", {"UserId": "nobody"})):
        refusal(client, operation, filled(VALID[operation] | changed, given))
    after = client.describe_collection(CollectionId=collection)
    assert (after["FaceCount"], after["UserCount"]) == (before["FaceCount"], before["UserCount"]) == (1, 1)


@pytest.mark.parametrize(
    ("operation", "changed"),
    [
        ("describe_collection", {"CollectionId": 5}),
        ("describe_collection", {"CollectionId": ["a"]}),
        ("list_faces", {"MaxResults": "3"}),
        ("search_faces", {"MaxFaces": True}),
        ("associate_faces", {"FaceIds": [5]}),
        ("index_faces", {"ExternalImageId": 7}),
        ("tag_resource", {"Tags": {"team": 5}}),
    ],
)
def test_another_type_than_the_model_s_is_no_request(
    lax: Client, unmade: dict[Given, Any], operation: str, changed: Arguments
) -> None:
    assert code_of(refusal(lax, operation, filled(VALID[operation] | changed, unmade))) == "SerializationException"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"CollectionId": "a"} more'])
def test_a_body_that_is_no_object_is_no_request(service: Service, body: bytes, connect: Connect) -> None:
    client = connect(service, None)

    def replace(params: dict[str, Any], **_: object) -> None:
        params["body"] = body

    client.meta.events.register("before-call.rekognition.DescribeCollection", replace)
    code = code_of(refusal(client, "describe_collection", {"CollectionId": "a"}))
    # Nothing at all may pass for an empty object, which lacks the collection's name.
    assert code in ({"SerializationException", _INVALID} if body in (b"", b"null") else {"SerializationException"})


@pytest.mark.ours  # AWS may hang up before it has read so much
@pytest.mark.parametrize("operation", WITH_COLLECTION)
def test_an_endless_name_is_refused_with_an_error_of_the_operation(
    lax: Client, unmade: dict[Given, Any], operation: str
) -> None:
    endless = {"CollectionId": "x" * 20_000_000}
    error = refusal(lax, operation, filled(VALID[operation] | endless, unmade))
    assert code_of(error) in {_INVALID, "ImageTooLargeException"}


@pytest.mark.parametrize("target", ["RekognitionService.MakeCoffee", "Rekognition", "", "RekognitionService."])
def test_an_operation_that_nobody_knows_is_refused_as_such(service: Service, target: str, connect: Connect) -> None:
    client = connect(service, None)

    def retarget(params: dict[str, Any], **_: object) -> None:
        params["headers"]["X-Amz-Target"] = target

    client.meta.events.register("before-call.rekognition.ListCollections", retarget)
    assert code_of(refusal(client, "list_collections", {})) == "UnknownOperationException"


@pytest.mark.ours
@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("create_face_liveness_session", {}),
        ("get_face_liveness_session_results", {"SessionId": _FACE_ID}),
        ("list_stream_processors", {}),
        ("recognize_celebrities", {"Image": {"Bytes": b"x"}}),
        ("detect_labels", {"Image": {"Bytes": b"x"}}),
        ("detect_protective_equipment", {"Image": {"Bytes": b"x"}}),
        ("start_label_detection", {"Video": {"S3Object": {"Bucket": "abc", "Name": "a.mp4"}}}),
        ("start_person_tracking", {"Video": {"S3Object": {"Bucket": "abc", "Name": "a.mp4"}}}),
        ("describe_projects", {}),
    ],
)
def test_what_is_not_offered_is_denied_in_words(client: Client, operation: str, arguments: Arguments) -> None:
    error = refusal(client, operation, arguments)
    assert code_of(error) == "AccessDeniedException"
    assert error.response["Error"]["Message"].startswith("faceline does not offer")


def test_errors_are_raised_as_the_client_s_classes(client: Client) -> None:
    with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
        client.describe_collection(CollectionId=new_name())
    assert isinstance(caught.value, ClientError)
    metadata = caught.value.response["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 400
    assert metadata["RequestId"]
