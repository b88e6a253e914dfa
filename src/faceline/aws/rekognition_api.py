"""The operations of Amazon Rekognition that workflows 1 and 5 need, with their errors in our words.

Throttled and failed requests are repeated by boto3's standard retries, then by the queue.
https://docs.aws.amazon.com/rekognition/latest/APIReference/API_Operations_Amazon_Rekognition.html
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ClientError

from faceline.aws.clients import Clients, code_of, said
from faceline.aws.rekognition_answers import Document
from faceline.aws.rekognition_pictures import ImageArgument
from faceline.errors import FacelineError, ImageError, ImageLimitError, NotFoundError, StorageError

MOST_MATCHES = 4096
_MOST_OF_PEOPLE = 1000  # faces like a probe: so many that a second person is among them
_AT_ONCE = 1000  # face ids of a DeleteFaces, which takes 4,096


class InvalidParameterError(ImageError):
    """`InvalidParameterException`: of a picture too small or without a face, or of a face id that is not there."""


_REFUSALS: Mapping[str, tuple[type[FacelineError], str]] = MappingProxyType(
    {
        "ImageTooLargeException": (ImageLimitError, "finds it too large; make it smaller"),
        "InvalidImageFormatException": (ImageError, "cannot read it; use JPEG or PNG"),
        "InvalidParameterException": (InvalidParameterError, "refuses it"),
        "InvalidS3ObjectException": (
            StorageError,
            "cannot read it in S3; let the role do s3:GetObject there, and keep the bucket in the same region",
        ),
        "ThrottlingException": (StorageError, "is asked too often; ask AWS for a larger quota"),
        "ProvisionedThroughputExceededException": (StorageError, "is asked too often; ask AWS for a larger quota"),
    }
)


class Rekognition:
    """Over one collection. Every call may raise StorageError; those on a collection NotFoundError when it is not there.

    Those that take a picture raise ImageError when it is refused, naming `source`.
    """

    def __init__(self, clients: Clients, collection: str) -> None:
        self._clients, self.collection = clients, collection

    def detect(self, image: ImageArgument, source: str, emotions: bool) -> Sequence[Document]:
        """`FaceDetails`. Costs one image."""
        attributes = ["DEFAULT", "EMOTIONS"] if emotions else ["DEFAULT"]
        with self._asked("DetectFaces", source):
            answer = self._clients.rekognition.detect_faces(Image=image, Attributes=attributes)
        found: Sequence[Document] = answer["FaceDetails"]
        return found

    def index(self, image: ImageArgument, source: str, external_image_id: str) -> Document:
        """The whole answer, of the largest face that passes the filter AUTO. Costs one image, and its storage."""
        with self._asked("IndexFaces", source):
            answer: Document = self._clients.rekognition.index_faces(
                CollectionId=self.collection,
                Image=image,
                ExternalImageId=external_image_id,
                MaxFaces=1,
                QualityFilter="AUTO",
                DetectionAttributes=["DEFAULT"],
            )
        return answer

    def search_by_image(self, image: ImageArgument, source: str, min_similarity: float) -> Document | None:
        """The whole answer, for the largest face; None where no face is found. Costs one image."""
        try:
            with self._asked("SearchFacesByImage", source):
                answer: Document = self._clients.rekognition.search_faces_by_image(
                    CollectionId=self.collection,
                    Image=image,
                    MaxFaces=_MOST_OF_PEOPLE,
                    FaceMatchThreshold=min_similarity,
                    QualityFilter="NONE",
                )
        except InvalidParameterError:  # so it says that there is no face
            return None
        return answer

    def search(self, face_id: str, limit: int, min_similarity: float) -> Sequence[Document] | None:
        """`FaceMatches`, without the face itself; None when the collection does not have the face."""
        try:
            with self._asked("SearchFaces"):
                answer = self._clients.rekognition.search_faces(
                    CollectionId=self.collection, FaceId=face_id, MaxFaces=limit, FaceMatchThreshold=min_similarity
                )
        except InvalidParameterError:
            return None
        found: Sequence[Document] = answer["FaceMatches"]
        return found

    def delete(self, face_ids: Sequence[str]) -> int:
        """How many went. Those that are not there are no error; nor is it that the collection is not.

        Raises StorageError when some stay, as those of the collection's users do; all others are gone then.
        https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DeleteFaces.html
        """
        deleted, kept = 0, list[Document]()
        try:
            for start in range(0, len(face_ids), _AT_ONCE):
                part = list(face_ids[start : start + _AT_ONCE])
                with self._asked("DeleteFaces"):
                    answer = self._clients.rekognition.delete_faces(CollectionId=self.collection, FaceIds=part)
                deleted += len(answer.get("DeletedFaces", ()))
                kept += [each for each in answer.get("UnsuccessfulFaceDeletions", ()) if _stays(each)]
        except NotFoundError:
            return deleted
        if kept:
            raise StorageError(f"collection {self.collection}: {_why_kept(kept)}")
        return deleted

    def faces(self) -> Iterator[Document]:
        """All `Face`s; none when the collection is not there."""
        after: dict[str, Any] = {}
        while True:
            try:
                with self._asked("ListFaces"):
                    answer = self._clients.rekognition.list_faces(
                        CollectionId=self.collection, MaxResults=1000, **after
                    )
            except NotFoundError:
                return
            yield from answer["Faces"]
            if "NextToken" not in answer:
                return
            after = {"NextToken": answer["NextToken"]}

    def create(self) -> None:
        """One that is there already is no error."""
        with self._asked("CreateCollection"):
            try:
                self._clients.rekognition.create_collection(CollectionId=self.collection)
            except ClientError as error:
                if code_of(error) != "ResourceAlreadyExistsException":
                    raise

    def version(self) -> str:
        """The collection's FaceModelVersion."""
        with self._asked("DescribeCollection"):
            return str(self._clients.rekognition.describe_collection(CollectionId=self.collection)["FaceModelVersion"])

    @contextmanager
    def _asked(self, operation: str, source: str = "the picture") -> Iterator[None]:
        with said(f"Amazon Rekognition ({operation}, collection {self.collection})"):
            try:
                yield
            except ClientError as error:
                refusal = self._refusal(error, source)
                if refusal is None:
                    raise
                raise refusal from error

    def _refusal(self, error: ClientError, source: str) -> FacelineError | None:
        """The error in our words; None for one that has none here."""
        code, message = code_of(error), error.response.get("Error", {}).get("Message", "")
        if code == "ResourceNotFoundException":
            return NotFoundError(f"Amazon Rekognition has no collection {self.collection}")
        kind, advice = _REFUSALS.get(code, (None, ""))
        return kind(f"{source}: Amazon Rekognition {advice} ({message})") if kind else None


def _stays(failed: Document) -> bool:
    """Of a face that DeleteFaces did not delete; one that is not there is as good as deleted."""
    return list(failed.get("Reasons", ())) != ["FACE_NOT_FOUND"]


def _why_kept(failed: Sequence[Document]) -> str:
    first = failed[0]
    more = f", nor {len(failed) - 1} more" if len(failed) > 1 else ""
    reasons = ", ".join(first.get("Reasons", ())) or "no reason given"
    user = f" of the user {first['UserId']}" if "UserId" in first else ""
    return (
        f"Amazon Rekognition does not delete the face {first['FaceId']}{user} ({reasons}){more}; disassociate faces "
        "from their users (DisassociateFaces), then try again"
    )
