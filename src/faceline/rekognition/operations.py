"""What can be asked for: each operation's request, its meaning, who may ask, and which errors it may answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faceline.access_keys import KeyScope
from faceline.rekognition import collections, detection, indexing, searches, shapes, users, videos
from faceline.rekognition.answers import Document
from faceline.rekognition.call import Call

_COMMON = frozenset(
    {
        "AccessDeniedException",
        "InternalServerError",
        "InvalidParameterException",
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
    }
)
_IMAGE = frozenset({"ImageTooLargeException", "InvalidImageFormatException", "InvalidS3ObjectException"})
_MISSING = frozenset({"ResourceNotFoundException"})
_QUOTA = frozenset({"ServiceQuotaExceededException"})
_PAGED = frozenset({"InvalidPaginationTokenException"})
_REPEATED = frozenset({"IdempotentParameterMismatchException"})
_USER = _REPEATED | {"ConflictException"}
_VIDEO = _REPEATED | {"InvalidS3ObjectException", "LimitExceededException", "VideoTooLargeException"}


@dataclass(frozen=True, slots=True)
class Operation:
    """request: its struct in `shapes`. run: what it does. scope: the least that a key needs.

    errors: what it may answer, as in the API's model, beside the errors that every operation has. infers: whether the
    networks run, so that only so many are worked on at a time as there are cores.
    """

    request: type[shapes.Members]
    run: Callable[[Call, Any], Document]
    scope: KeyScope
    errors: frozenset[str] = frozenset()
    infers: bool = False

    @property
    def modelled(self) -> frozenset[str]:
        return self.errors | _COMMON


_ALL, _READ, _DETECT = KeyScope.ALL, KeyScope.READ, KeyScope.DETECT

OPERATIONS: dict[str, Operation] = {
    "DetectFaces": Operation(shapes.DetectFaces, detection.detect_faces, _DETECT, _IMAGE, infers=True),
    "CompareFaces": Operation(shapes.CompareFaces, detection.compare_faces, _DETECT, _IMAGE, infers=True),
    "CreateCollection": Operation(
        shapes.CreateCollection, collections.create_collection, _ALL, _QUOTA | {"ResourceAlreadyExistsException"}
    ),
    "DescribeCollection": Operation(shapes.OfCollection, collections.describe_collection, _READ, _MISSING),
    "ListCollections": Operation(shapes.ListCollections, collections.list_collections, _READ, _MISSING | _PAGED),
    "DeleteCollection": Operation(shapes.OfCollection, collections.delete_collection, _ALL, _MISSING),
    "IndexFaces": Operation(shapes.IndexFaces, indexing.index_faces, _ALL, _IMAGE | _MISSING | _QUOTA, infers=True),
    "ListFaces": Operation(shapes.ListFaces, indexing.list_faces, _READ, _MISSING | _PAGED),
    "DeleteFaces": Operation(shapes.DeleteFaces, indexing.delete_faces, _ALL, _MISSING),
    "SearchFaces": Operation(shapes.SearchFaces, searches.search_faces, _READ, _MISSING),
    "SearchFacesByImage": Operation(
        shapes.SearchFacesByImage, searches.search_faces_by_image, _READ, _IMAGE | _MISSING, infers=True
    ),
    "CreateUser": Operation(shapes.OfUser, users.create_user, _ALL, _MISSING | _QUOTA | _USER),
    "DeleteUser": Operation(shapes.OfUser, users.delete_user, _ALL, _MISSING | _USER),
    "ListUsers": Operation(shapes.ListUsers, users.list_users, _READ, _MISSING | _PAGED),
    "AssociateFaces": Operation(shapes.AssociateFaces, users.associate_faces, _ALL, _MISSING | _QUOTA | _USER),
    "DisassociateFaces": Operation(shapes.DisassociateFaces, users.disassociate_faces, _ALL, _MISSING | _USER),
    "SearchUsers": Operation(shapes.SearchUsers, searches.search_users, _READ, _MISSING),
    "SearchUsersByImage": Operation(
        shapes.SearchUsersByImage, searches.search_users_by_image, _READ, _IMAGE | _MISSING, infers=True
    ),
    "TagResource": Operation(shapes.TagResource, collections.tag_resource, _ALL, _MISSING | _QUOTA),
    "UntagResource": Operation(shapes.UntagResource, collections.untag_resource, _ALL, _MISSING),
    "ListTagsForResource": Operation(shapes.ListTagsForResource, collections.list_tags_for_resource, _READ, _MISSING),
    "StartFaceDetection": Operation(shapes.StartFaceDetection, videos.start_face_detection, _READ, _VIDEO),
    "GetFaceDetection": Operation(shapes.OfVideoJob, videos.get_face_detection, _READ, _MISSING | _PAGED),
    "StartFaceSearch": Operation(shapes.StartFaceSearch, videos.start_face_search, _READ, _VIDEO | _MISSING),
    "GetFaceSearch": Operation(shapes.GetFaceSearch, videos.get_face_search, _READ, _MISSING | _PAGED),
}

# The rest of Amazon Rekognition, which faceline does not do.
NOT_OFFERED = frozenset(
    {
        "CopyProjectVersion",
        "CreateDataset",
        "CreateFaceLivenessSession",
        "CreateProject",
        "CreateProjectVersion",
        "CreateStreamProcessor",
        "DeleteDataset",
        "DeleteProject",
        "DeleteProjectPolicy",
        "DeleteProjectVersion",
        "DeleteStreamProcessor",
        "DescribeDataset",
        "DescribeProjectVersions",
        "DescribeProjects",
        "DescribeStreamProcessor",
        "DetectCustomLabels",
        "DetectLabels",
        "DetectModerationLabels",
        "DetectProtectiveEquipment",
        "DetectText",
        "DistributeDatasetEntries",
        "GetCelebrityInfo",
        "GetCelebrityRecognition",
        "GetContentModeration",
        "GetFaceLivenessSessionResults",
        "GetLabelDetection",
        "GetMediaAnalysisJob",
        "GetPersonTracking",
        "GetSegmentDetection",
        "GetTextDetection",
        "ListDatasetEntries",
        "ListDatasetLabels",
        "ListMediaAnalysisJobs",
        "ListProjectPolicies",
        "ListStreamProcessors",
        "PutProjectPolicy",
        "RecognizeCelebrities",
        "StartCelebrityRecognition",
        "StartContentModeration",
        "StartLabelDetection",
        "StartMediaAnalysisJob",
        "StartPersonTracking",
        "StartProjectVersion",
        "StartSegmentDetection",
        "StartStreamProcessor",
        "StartTextDetection",
        "StopProjectVersion",
        "StopStreamProcessor",
        "UpdateDatasetEntries",
        "UpdateStreamProcessor",
    }
)
