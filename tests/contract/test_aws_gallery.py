"""Collections and face records on AWS under the gallery's contract. ministack answers for DynamoDB and S3."""

import pytest

from contract.face_records import GalleryContract, Stored
from faceline.aws.collections import DynamoCollections
from faceline.aws.face_records import DynamoFaceRecords
from gallery_on_aws import Place, made_place

SMALL = 3  # changes: nearly every collection of the contract gets a snapshot


@pytest.fixture(params=[SMALL, 1000], ids=["with snapshots", "from the table"])
def min_changes(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def place(aws: str) -> Place:
    return made_place(aws)


class TestDynamoGallery(GalleryContract):
    @pytest.fixture
    def collections(self, place: Place, min_changes: int) -> DynamoCollections:
        return place.collections(min_changes)

    @pytest.fixture
    def records(self, place: Place, min_changes: int) -> DynamoFaceRecords:
        return place.records(min_changes)

    @pytest.fixture
    def elsewhere(self, place: Place, min_changes: int) -> DynamoFaceRecords:
        return place.records(min_changes)

    @pytest.fixture
    def stored(self, place: Place) -> Stored:
        return place.stored
