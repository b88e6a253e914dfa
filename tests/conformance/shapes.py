"""Whether a raw answer is one that botocore's model of Amazon Rekognition allows.

botocore's parser drops members that it does not know and turns types into others, so the bytes themselves are checked.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.model import OperationModel, Shape

# Codes that belong to the protocol: no operation's model lists them, every operation may answer them.
PROTOCOL_ERRORS = frozenset(
    {
        "AccessDeniedException",
        "IncompleteSignatureException",
        "InternalServerError",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "SerializationException",
        "ThrottlingException",
        "UnknownOperationException",
        "UnrecognizedClientException",
    }
)
_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ERROR_MEMBERS = {"__type", "message", "Message", "Code", "Logref"}

# The model requires no member of any answer. These are the ones that AWS's developer guide shows in every answer.
_ALWAYS: Mapping[str, set[str]] = {
    "AssociateFacesResponse": {"AssociatedFaces", "UnsuccessfulFaceAssociations", "UserStatus"},
    "AssociatedFace": {"FaceId"},
    "BoundingBox": {"Width", "Height", "Left", "Top"},
    "CompareFacesMatch": {"Similarity", "Face"},
    "CompareFacesResponse": {"SourceImageFace", "FaceMatches", "UnmatchedFaces"},
    "ComparedFace": {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"},
    "ComparedSourceImageFace": {"BoundingBox", "Confidence"},
    "CreateCollectionResponse": {"StatusCode", "CollectionArn", "FaceModelVersion"},
    "DeleteCollectionResponse": {"StatusCode"},
    "DeleteFacesResponse": {"DeletedFaces"},
    "DescribeCollectionResponse": {
        "CollectionARN",
        "CreationTimestamp",
        "FaceCount",
        "FaceModelVersion",
        "UserCount",
    },
    "DetectFacesResponse": {"FaceDetails"},
    "DisassociateFacesResponse": {"DisassociatedFaces", "UnsuccessfulFaceDisassociations", "UserStatus"},
    "DisassociatedFace": {"FaceId"},
    "Emotion": {"Type", "Confidence"},
    "Face": {"FaceId", "BoundingBox", "ImageId", "Confidence"},
    "FaceDetail": {"BoundingBox", "Confidence"},
    "FaceDetection": {"Timestamp", "Face"},
    "FaceMatch": {"Similarity", "Face"},
    "FaceRecord": {"Face", "FaceDetail"},
    "GetFaceDetectionResponse": {"JobStatus"},
    "GetFaceSearchResponse": {"JobStatus"},
    "ImageQuality": {"Brightness", "Sharpness"},
    "IndexFacesResponse": {"FaceRecords", "FaceModelVersion", "UnindexedFaces"},
    "Landmark": {"Type", "X", "Y"},
    "ListCollectionsResponse": {"CollectionIds", "FaceModelVersions"},
    "ListFacesResponse": {"Faces", "FaceModelVersion"},
    "ListTagsForResourceResponse": {"Tags"},
    "ListUsersResponse": {"Users"},
    "MatchedUser": {"UserId", "UserStatus"},
    "PersonDetail": {"Index"},
    "PersonMatch": {"Timestamp", "Person"},
    "Pose": {"Roll", "Yaw", "Pitch"},
    "SearchFacesByImageResponse": {
        "FaceMatches",
        "FaceModelVersion",
        "SearchedFaceBoundingBox",
        "SearchedFaceConfidence",
    },
    "SearchFacesResponse": {"SearchedFaceId", "FaceMatches", "FaceModelVersion"},
    "SearchUsersByImageResponse": {"UserMatches", "FaceModelVersion"},
    "SearchUsersResponse": {"UserMatches", "FaceModelVersion"},
    "SearchedFace": {"FaceId"},
    "SearchedFaceDetails": {"FaceDetail"},
    "SearchedUser": {"UserId"},
    "StartFaceDetectionResponse": {"JobId"},
    "StartFaceSearchResponse": {"JobId"},
    "UnindexedFace": {"Reasons", "FaceDetail"},
    "UnsearchedFace": {"Reasons", "FaceDetails"},
    "UnsuccessfulFaceAssociation": {"FaceId", "Reasons"},
    "UnsuccessfulFaceDeletion": {"FaceId", "Reasons"},
    "UnsuccessfulFaceDisassociation": {"FaceId", "Reasons"},
    "User": {"UserId", "UserStatus"},
    "UserMatch": {"Similarity", "User"},
    "VideoMetadata": {"Codec", "DurationMillis", "Format", "FrameHeight", "FrameRate", "FrameWidth"},
}


def problems_of_response(operation: OperationModel, response: Mapping[str, Any], others: frozenset[str]) -> list[str]:
    """What is wrong with it, in words; nothing when all is well.

    response: botocore's, before parsing: `status_code`, `headers` and `body`. others: codes of errors that may come
    beside the modelled ones and the protocol's.
    """
    wrong = list(_problems_of_headers(response["headers"]))
    try:
        document = _decoded(response["body"])
    except ValueError as error:
        return [*wrong, f"the body {response['body'][:200]!r} is no JSON document: {error}"]
    if response["status_code"] >= 300:
        allowed = {shape.name for shape in operation.error_shapes} | PROTOCOL_ERRORS | others
        return wrong + list(_problems_of_error(document, response["status_code"], allowed))
    if response["status_code"] != 200:
        wrong.append(f"the status is {response['status_code']}")
    return wrong + list(_problems(document, operation.output_shape, operation.output_shape.name))


def _problems_of_headers(headers: Mapping[str, str]) -> Iterator[str]:
    if headers.get("Content-Type") != "application/x-amz-json-1.1":
        yield f"the content type is {headers.get('Content-Type')}"
    if not re.fullmatch(_UUID, headers.get("x-amzn-RequestId", "")):
        yield f"the request id is {headers.get('x-amzn-RequestId')!r}"


def _decoded(body: bytes) -> Any:
    """What the empty operations answer may be empty; nothing else may, which their shapes see to."""
    return json.loads(body or b"{}", parse_constant=_refuse_constant, object_pairs_hook=_object_of)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError(f"a member comes twice among {[key for key, _ in pairs]}")
    return dict(pairs)


def _problems_of_error(document: Any, status: int, allowed: set[str]) -> Iterator[str]:
    if not isinstance(document, dict) or not isinstance(document.get("__type"), str):
        yield f"the error {document!r} has no __type"
        return
    code = document["__type"].rpartition("#")[2]
    message = document.get("message", document.get("Message"))
    if code not in allowed:
        yield f"{code} is not an error of this operation"
    if not isinstance(message, str) or not message or "Traceback" in message:
        yield f"the message of {code} is {message!r}"
    if document.keys() - _ERROR_MEMBERS:
        yield f"the error has the unknown members {sorted(document.keys() - _ERROR_MEMBERS)}"
    if status != 400 and code not in {"InternalServerError", "ThrottlingException"}:
        yield f"{code} has the status {status}"


def _problems(value: Any, shape: Shape, where: str) -> Iterator[str]:
    return _CHECKS[shape.type_name](value, shape, where)


def _structure(value: Any, shape: Shape, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is {value!r} and not a structure"
        return
    for name in sorted(value.keys() - shape.members.keys()):
        yield f"{where} has the unknown member {name}"
    for name in sorted(_ALWAYS.get(shape.name, set()) - value.keys()):
        yield f"{where} lacks {name}"
    for name in value.keys() & shape.members.keys():
        yield from _problems(value[name], shape.members[name], f"{where}.{name}")


def _list(value: Any, shape: Shape, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where} is {value!r} and not a list"
        return
    # The minimum is not checked: requests and answers share shapes, and AWS answers empty lists of `FaceIdList`.
    if len(value) > shape.metadata.get("max", math.inf):
        yield f"{where} has {len(value)} items"
    for number, item in enumerate(value):
        yield from _problems(item, shape.member, f"{where}[{number}]")


def _map(value: Any, shape: Shape, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is {value!r} and not a map"
        return
    if len(value) > shape.metadata.get("max", math.inf):
        yield f"{where} has {len(value)} entries"
    for key, item in value.items():
        yield from _problems(key, shape.key, f"{where} key")
        yield from _problems(item, shape.value, f"{where}.{key}")


def _string(value: Any, shape: Shape, where: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{where} is {value!r} and not a string"
        return
    if shape.enum and value not in shape.enum:
        yield f"{where} is {value!r}, none of {shape.enum}"
    if not shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", math.inf):
        yield f"{where} is {len(value)} characters long"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(_in_python(pattern), value):
        yield f"{where} is {value!r}, which {pattern} does not match"


def _in_python(pattern: str) -> str:
    """Java's classes of letters, numbers and separators as near as Python's `re` has them."""
    return pattern.replace(r"\p{L}", r"\w").replace(r"\p{N}", r"\d").replace(r"\p{Z}", r"\s")


def _number(value: Any, shape: Shape, where: str) -> Iterator[str]:
    whole = shape.type_name in {"integer", "long"}
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        yield f"{where} is {value!r} and not a{' whole' if whole else ''} number"
        return
    if not shape.metadata.get("min", -math.inf) <= value <= shape.metadata.get("max", math.inf):
        yield f"{where} is {value}, outside {shape.metadata}"


def _boolean(value: Any, shape: Shape, where: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{where} is {value!r} and not a {shape.type_name}"


def _timestamp(value: Any, shape: Shape, where: str) -> Iterator[str]:
    """JSON 1.1 has seconds since 1970 as a number; the bounds, 2014 and 2096, tell them from milliseconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1.4e9 < value < 4e9:
        yield f"{where} is {value!r} and not a {shape.type_name} in seconds since 1970"


_CHECKS: Mapping[str, Callable[[Any, Shape, str], Iterator[str]]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "integer": _number,
    "long": _number,
    "float": _number,
    "double": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
}
