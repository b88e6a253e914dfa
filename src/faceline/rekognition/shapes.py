"""What the operations take, with the constraints that the API states for each member.

Lengths, ranges, patterns and enumerations: Amazon Rekognition API reference, 2016-06-27, as in botocore's service model
(a test compares each one with it). Members have the wire's names in snake case. Unknown members are ignored.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Percent = Annotated[float, Meta(ge=0, le=100)]
CollectionId = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_.\-]+\Z")]
FaceId = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")]
UserId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_.\-:]+\Z")]
ExternalImageId = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_.\-:]+\Z")]
RequestToken = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9\-_]+\Z")]
JobId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9\-_]+\Z")]
JobTag = Annotated[str, Meta(min_length=1, max_length=1024, pattern=r"^[a-zA-Z0-9_.\-:+=\/]+\Z")]
TopicArn = Annotated[str, Meta(pattern=r"^(^arn:aws:sns:.*:\w{12}:.+$)\Z")]
RoleArn = Annotated[str, Meta(pattern=r"^arn:aws:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+\Z")]
PageToken = Annotated[str, Meta(max_length=255)]
# The API's \p{L}, \p{Z} and \p{N} are checked by `tags`: Python's patterns do not know them.
TagKey = Annotated[str, Meta(min_length=1, max_length=128)]
TagValue = Annotated[str, Meta(max_length=256)]
ResourceArn = Annotated[str, Meta(min_length=20, max_length=2048)]
TagMap = Annotated[dict[TagKey, TagValue], Meta(max_length=200)]
UserFaceIds = Annotated[list[FaceId], Meta(min_length=1, max_length=100)]
FaceIds = Annotated[list[FaceId], Meta(min_length=1, max_length=4096)]
PageSize = Annotated[int, Meta(ge=0, le=4096)]
MaxFaces = Annotated[int, Meta(ge=1, le=4096)]
MaxUsers = Annotated[int, Meta(ge=1, le=500)]
ImageBytes = Annotated[bytes, Meta(min_length=1)]
QualityFilter = Literal["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"]
Attribute = Literal[
    "DEFAULT",
    "ALL",
    "AGE_RANGE",
    "BEARD",
    "EMOTIONS",
    "EYE_DIRECTION",
    "EYEGLASSES",
    "EYES_OPEN",
    "GENDER",
    "MOUTH_OPEN",
    "MUSTACHE",
    "FACE_OCCLUDED",
    "SMILE",
    "SUNGLASSES",
]


class Members(Struct, frozen=True, rename="pascal", kw_only=True):
    """Wire names are the fields' in Pascal case."""


class S3Object(Members, frozen=True, kw_only=True):
    bucket: Annotated[str, Meta(min_length=3, max_length=255, pattern=r"^[0-9A-Za-z.\-_]*\Z")] | None = None
    name: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None
    version: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None


class Image(Members, frozen=True, kw_only=True):
    """bytes: base64 on the wire. How many there may be is a quota, checked by `photos`."""

    bytes: ImageBytes | None = None
    s3_object: S3Object | None = None


class DetectFaces(Members, frozen=True, kw_only=True):
    image: Image
    attributes: list[Attribute] | None = None


class CompareFaces(Members, frozen=True, kw_only=True):
    source_image: Image
    target_image: Image
    similarity_threshold: Percent | None = None
    quality_filter: QualityFilter | None = None


class OfCollection(Members, frozen=True, kw_only=True):
    """DescribeCollection and DeleteCollection; the others about one collection add to it."""

    collection_id: CollectionId


class CreateCollection(OfCollection, frozen=True, kw_only=True):
    tags: TagMap | None = None


class ListCollections(Members, frozen=True, kw_only=True):
    next_token: PageToken | None = None
    max_results: PageSize | None = None


class IndexFaces(OfCollection, frozen=True, kw_only=True):
    image: Image
    external_image_id: ExternalImageId | None = None
    detection_attributes: list[Attribute] | None = None
    max_faces: Annotated[int, Meta(ge=1)] | None = None
    quality_filter: QualityFilter | None = None


class ListFaces(OfCollection, frozen=True, kw_only=True):
    next_token: PageToken | None = None
    max_results: PageSize | None = None
    user_id: UserId | None = None
    face_ids: FaceIds | None = None


class DeleteFaces(OfCollection, frozen=True, kw_only=True):
    face_ids: FaceIds


class SearchFaces(OfCollection, frozen=True, kw_only=True):
    face_id: FaceId
    max_faces: MaxFaces | None = None
    face_match_threshold: Percent | None = None


class SearchFacesByImage(OfCollection, frozen=True, kw_only=True):
    image: Image
    max_faces: MaxFaces | None = None
    face_match_threshold: Percent | None = None
    quality_filter: QualityFilter | None = None


class OfUser(OfCollection, frozen=True, kw_only=True):
    """CreateUser and DeleteUser."""

    user_id: UserId
    client_request_token: RequestToken | None = None


class ListUsers(OfCollection, frozen=True, kw_only=True):
    max_results: MaxUsers | None = None
    next_token: PageToken | None = None


class AssociateFaces(OfUser, frozen=True, kw_only=True):
    face_ids: UserFaceIds
    user_match_threshold: Percent | None = None


class DisassociateFaces(OfUser, frozen=True, kw_only=True):
    face_ids: UserFaceIds


class SearchUsers(OfCollection, frozen=True, kw_only=True):
    user_id: UserId | None = None
    face_id: FaceId | None = None
    user_match_threshold: Percent | None = None
    max_users: MaxUsers | None = None


class SearchUsersByImage(OfCollection, frozen=True, kw_only=True):
    image: Image
    user_match_threshold: Percent | None = None
    max_users: MaxUsers | None = None
    quality_filter: QualityFilter | None = None


class TagResource(Members, frozen=True, kw_only=True):
    resource_arn: ResourceArn
    tags: TagMap


class UntagResource(Members, frozen=True, kw_only=True):
    resource_arn: ResourceArn
    tag_keys: Annotated[list[TagKey], Meta(max_length=200)]


class ListTagsForResource(Members, frozen=True, kw_only=True):
    resource_arn: ResourceArn


class Video(Members, frozen=True, kw_only=True):
    s3_object: S3Object | None = None


class NotificationChannel(Members, frozen=True, kw_only=True):
    sns_topic_arn: TopicArn = field(name="SNSTopicArn")
    role_arn: RoleArn


class StartFaceDetection(Members, frozen=True, kw_only=True):
    video: Video
    client_request_token: RequestToken | None = None
    notification_channel: NotificationChannel | None = None
    face_attributes: Literal["DEFAULT", "ALL"] | None = None
    job_tag: JobTag | None = None


class StartFaceSearch(OfCollection, frozen=True, kw_only=True):
    video: Video
    client_request_token: RequestToken | None = None
    face_match_threshold: Percent | None = None
    notification_channel: NotificationChannel | None = None
    job_tag: JobTag | None = None


class OfVideoJob(Members, frozen=True, kw_only=True):
    """GetFaceDetection; the other adds to it. max_results: more than 1,000 counts as 1,000, as the API says."""

    job_id: JobId
    max_results: Annotated[int, Meta(ge=1)] | None = None
    next_token: PageToken | None = None


class GetFaceSearch(OfVideoJob, frozen=True, kw_only=True):
    sort_by: Literal["INDEX", "TIMESTAMP"] | None = None
