"""The validator itself: each way in which an answer can be wrong is noticed."""

import json
from typing import Any

import botocore.session
import pytest
from botocore.model import OperationModel

from conformance.shapes import problems_of_response

_NO_OTHERS: frozenset[str] = frozenset()
_FACE_ID = "01234567-89ab-cdef-0123-456789abcdef"
_BOX = {"Left": -0.01, "Top": 0.1, "Width": 0.5, "Height": 1.02}
_FACE: dict[str, Any] = {"FaceId": _FACE_ID, "ImageId": _FACE_ID, "BoundingBox": _BOX, "Confidence": 99.5}
_FACES: dict[str, Any] = {"Faces": [_FACE], "FaceModelVersion": "7.0"}
_DESCRIBED: dict[str, Any] = {
    "CollectionARN": "arn",
    "CreationTimestamp": 1.5e9,
    "FaceCount": 3,
    "FaceModelVersion": "7.0",
    "UserCount": 0,
}


@pytest.fixture(scope="module")
def model() -> Any:
    return botocore.session.get_session().get_service_model("rekognition")


def problems(
    operation: OperationModel, body: Any, status: int = 200, headers: dict[str, str] | None = None
) -> list[str]:
    sent = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": _FACE_ID} | (headers or {})
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = {"status_code": status, "headers": sent, "body": content}
    return problems_of_response(operation, response, _NO_OTHERS)


def test_a_right_answer_has_no_problem(model: Any) -> None:
    assert problems(model.operation_model("ListFaces"), _FACES) == []
    assert problems(model.operation_model("DescribeCollection"), _DESCRIBED) == []
    assert problems(model.operation_model("CreateUser"), b"") == []
    assert problems(model.operation_model("ListTagsForResource"), {"Tags": {"Größe a": "ü"}}) == []


@pytest.mark.parametrize(
    ("face", "problem"),
    [
        (_FACE | {"Person": "ada"}, "unknown member Person"),
        (_FACE | {"UserId": None}, "UserId is None"),
        (_FACE | {"UserId": "a b"}, "does not match"),
        (_FACE | {"UserId": "x" * 129}, "129 characters"),
        (_FACE | {"FaceId": _FACE_ID.upper()}, "does not match"),
        (_FACE | {"Confidence": 100.01}, "outside"),
        (_FACE | {"Confidence": "99"}, "not a number"),
        (_FACE | {"Confidence": True}, "not a number"),
        (_FACE | {"BoundingBox": {"Left": 0, "Top": 0, "Width": 1}}, "lacks Height"),
        (_FACE | {"BoundingBox": [0, 0, 1, 1]}, "not a structure"),
        ({name: value for name, value in _FACE.items() if name != "ImageId"}, "lacks ImageId"),
    ],
)
def test_a_wrong_face_is_noticed(model: Any, face: dict[str, Any], problem: str) -> None:
    (found,) = problems(model.operation_model("ListFaces"), _FACES | {"Faces": [face]})
    assert "ListFacesResponse.Faces[0]" in found
    assert problem in found


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"FaceCount": 3.0}, "not a whole number"),
        ({"FaceCount": -1}, "outside"),
        ({"CreationTimestamp": "2026-01-01T00:00:00Z"}, "seconds since 1970"),
        ({"CreationTimestamp": 1.5e12}, "seconds since 1970"),
        ({"CollectionArn": "arn"}, "unknown member CollectionArn"),
    ],
)
def test_a_wrong_description_is_noticed(model: Any, changed: dict[str, Any], problem: str) -> None:
    (found,) = problems(model.operation_model("DescribeCollection"), _DESCRIBED | changed)
    assert problem in found


def test_values_outside_an_enumeration_are_noticed(model: Any) -> None:
    users = {"Users": [{"UserId": "ada", "UserStatus": "DONE"}]}
    (found,) = problems(model.operation_model("ListUsers"), users)
    assert "none of" in found


def test_what_is_no_strict_json_is_noticed(model: Any) -> None:
    operation = model.operation_model("ListTagsForResource")
    for body in (b'{"Tags": {"a": "1", "a": "2"}}', b'{"Tags": NaN}', b"Internal Server Error", b"", b"[]", b"null"):
        assert problems(operation, body), body


def test_wrong_headers_are_noticed(model: Any) -> None:
    operation = model.operation_model("CreateUser")
    assert problems(operation, {}) == []
    assert problems(operation, {}, headers={"Content-Type": "application/json"})
    assert problems(operation, {}, headers={"x-amzn-RequestId": ""})
    assert problems(operation, {}, headers={"x-amzn-RequestId": "not a uuid"})
    assert problems(operation, {}, status=201)


def test_only_the_errors_of_the_operation_and_the_protocol_are_right(model: Any) -> None:
    operation = model.operation_model("DetectFaces")
    for code in ("InvalidImageFormatException", "SerializationException", "x#ImageTooLargeException"):
        assert problems(operation, {"__type": code, "message": "why"}, status=400) == []
    assert problems(operation, {"__type": "InternalServerError", "message": "why"}, status=500) == []
    for wrong in (
        {"__type": "ResourceNotFoundException", "message": "why"},
        {"__type": "ValidationException", "message": "why"},
        {"__type": "InvalidParameterException", "message": ""},
        {"__type": "InvalidParameterException"},
        {"message": "why"},
        {"__type": "InvalidParameterException", "message": "why", "detail": "more"},
        {"__type": "InvalidParameterException", "message": "Traceback (most recent call last)"},
    ):
        assert problems(operation, wrong, status=400), wrong
    assert problems(operation, {"__type": "InvalidParameterException", "message": "why"}, status=404)
