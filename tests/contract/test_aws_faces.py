"""Amazon Rekognition as the engine, with what we remember of faces in DynamoDB. In tests/unit it is SQLite."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from amazon import rekognition
from contract.face_service import COLLECTION, FaceServiceContract, MixedAnalyzer
from faceline.aws.clients import Clients
from faceline.aws.collections import DynamoCollections
from faceline.aws.face_records import DynamoFaceRecords
from faceline.aws.faces import Kept, RekognitionFaces, rekognition_engine
from faceline.aws.receipts import DynamoReceipts
from faceline.aws.snapshots import Snapshots
from faceline.aws.tables import state_table
from faceline.config import Settings
from faceline.gallery.keeping import Keeping
from faceline.loading import image_limits
from made import open_app


@dataclass(frozen=True)
class Stores:
    settings: Settings
    face_records: DynamoFaceRecords
    kept: Kept


@pytest.fixture
def clients(aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Rekognition at our endpoint, the others at the emulator, which takes any key."""
    with (
        open_app(tmp_path / "amazon", MixedAnalyzer(), quota_image_side_px=1) as amazon,
        rekognition(amazon) as environment,
    ):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        clients = Clients()
        yield clients
        clients.rekognition.close()


class TestRekognitionFacesOverDynamo(FaceServiceContract):
    @pytest.fixture
    def app(self, clients: Clients) -> Stores:
        name = f"faces-{uuid.uuid4().hex}"
        clients.dynamodb.create_table(**state_table(name))
        clients.s3.create_bucket(Bucket=name)
        snapshots = Snapshots(clients, name)
        records = DynamoFaceRecords(clients, name, snapshots)
        collections = DynamoCollections(clients, name, snapshots)
        return Stores(Settings(), records, Kept(records, collections, DynamoReceipts(clients, name), Keeping()))

    @pytest.fixture
    def faces(self, app: Stores, clients: Clients) -> RekognitionFaces:
        return rekognition_engine(clients, app.settings, image_limits(app.settings), app.kept)(COLLECTION)
