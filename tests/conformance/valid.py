"""A request of every operation that succeeds; the error cases change one thing of it."""

from enum import Enum, auto
from typing import Any

from conformance.service import Arguments


class Given(Enum):
    """Stands for a value that a test has and a table has not."""

    COLLECTION = auto()
    ARN = auto()
    FACE = auto()
    PHOTO = auto()
    BUCKET_PHOTO = auto()
    NOBODY = auto()
    VIDEO = auto()
    DETECTION = auto()
    SEARCH = auto()
    ABSENT = auto()


_ID = {"CollectionId": Given.COLLECTION}
_USER = _ID | {"UserId": "ada"}
_IMAGE = {"Image": {"Bytes": Given.PHOTO}}

# In a collection with one user, ada, who has the only face.
VALID: dict[str, Arguments] = {
    "associate_faces": _USER | {"FaceIds": [Given.FACE]},
    "compare_faces": {"SourceImage": {"Bytes": Given.PHOTO}, "TargetImage": {"Bytes": Given.PHOTO}},
    "create_collection": {"CollectionId": "faceline-conformance-another"},
    "create_user": _ID | {"UserId": "grace"},
    "delete_collection": _ID,
    "delete_faces": _ID | {"FaceIds": [Given.FACE]},
    "delete_user": _USER,
    "describe_collection": _ID,
    "detect_faces": _IMAGE,
    "disassociate_faces": _USER | {"FaceIds": [Given.FACE]},
    "get_face_detection": {"JobId": Given.DETECTION},
    "get_face_search": {"JobId": Given.SEARCH},
    "index_faces": _ID | _IMAGE,
    "list_collections": {},
    "list_faces": _ID,
    "list_tags_for_resource": {"ResourceArn": Given.ARN},
    "list_users": _ID,
    "search_faces": _ID | {"FaceId": Given.FACE},
    "search_faces_by_image": _ID | _IMAGE,
    "search_users": _USER,
    "search_users_by_image": _ID | _IMAGE,
    "start_face_detection": {"Video": Given.VIDEO},
    "start_face_search": _ID | {"Video": Given.VIDEO},
    "tag_resource": {"ResourceArn": Given.ARN, "Tags": {"team": "security"}},
    "untag_resource": {"ResourceArn": Given.ARN, "TagKeys": ["team"]},
}
WITH_COLLECTION = sorted(name for name, valid in VALID.items() if "CollectionId" in valid)
IMAGES = [(name, member) for name, valid in VALID.items() for member in valid if member.endswith("Image")]


def filled(value: Any, given: dict[Given, Any]) -> Any:
    """The value with what stands in for others replaced; what is absent is left out."""
    if isinstance(value, Given):
        return given[value]
    if isinstance(value, dict):
        return {name: filled(item, given) for name, item in value.items() if item is not Given.ABSENT}
    if isinstance(value, list):
        return [filled(item, given) for item in value]
    return value
