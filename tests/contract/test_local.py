"""The embedded profile's adapters under the contracts."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from contract import object_store, queues
from contract import outbox as outbox_contract
from contract import receipts as receipts_contract
from contract.access_keys import AccessKeysContract
from contract.activity import ActivityContract
from contract.conftest import Clock
from contract.face_records import GalleryContract, Stored
from contract.object_store import BUCKET, ObjectStoreContract
from contract.outbox import OutboxContract, chosen
from contract.people import PeopleContract
from contract.queues import MAX_RECEIVES, DeadLettersContract, QueueContract
from contract.receipts import ReceiptsContract
from contract.record_table import RecordsContract
from contract.reviews import ReviewContract, Stores
from contract.tags import TagsContract
from contract.video_jobs import VideoJobsContract
from faceline.local.activity import SqliteActivity
from faceline.local.credentials import Credentials
from faceline.local.database import Database
from faceline.local.face_records import SqliteFaceRecords
from faceline.local.gallery import GALLERY, SqliteCollections
from faceline.local.index import ObjectIndex
from faceline.local.merging import SqliteMerging
from faceline.local.negatives import SqliteNegatives
from faceline.local.objects import Objects
from faceline.local.outbox import SqliteOutbox
from faceline.local.people import SqlitePeople
from faceline.local.queue import SqliteQueue
from faceline.local.receipts import SqliteReceipts
from faceline.local.records import SqliteRecords
from faceline.local.review import SqliteVerdicts
from faceline.local.review_erasure import ReviewErasure
from faceline.local.schema import STATE
from faceline.local.tags import SqliteTags
from faceline.local.unknown_faces import SqliteUnknownFaces
from faceline.local.video_jobs import SqliteVideoJobs


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "state.sqlite", STATE)
    yield database
    database.close()


@contextmanager
def open_queue(path: Path) -> Iterator[SqliteQueue]:
    database = Database(path, STATE)
    yield SqliteQueue(database, "work", MAX_RECEIVES)
    database.close()


@contextmanager
def open_receipts(path: Path) -> Iterator[SqliteReceipts]:
    database = Database(path, STATE)
    yield SqliteReceipts(database)
    database.close()


@contextmanager
def open_outbox(path: Path) -> Iterator[SqliteOutbox]:
    database = Database(path, STATE)
    yield SqliteOutbox(database, chosen)
    database.close()


@contextmanager
def open_objects(path: Path) -> Iterator[Objects]:
    database = Database(path / "state.sqlite", STATE)
    yield Objects(path / "buckets", ObjectIndex(database))
    database.close()


class TestSqliteQueue(QueueContract):
    @pytest.fixture
    def queue(self, database: Database, clock: Clock) -> SqliteQueue:
        return SqliteQueue(database, "work", MAX_RECEIVES, now=clock)

    @pytest.fixture
    def connect(self, database: Database) -> queues.Connect:
        return partial(open_queue, database.path)


class TestSqliteDeadLetters(DeadLettersContract):
    @pytest.fixture
    def queue(self, database: Database, clock: Clock) -> SqliteQueue:
        return SqliteQueue(database, "work", MAX_RECEIVES, now=clock)


class TestSqliteReceipts(ReceiptsContract):
    @pytest.fixture
    def receipts(self, database: Database, clock: Clock) -> SqliteReceipts:
        return SqliteReceipts(database, now=clock)

    @pytest.fixture
    def connect(self, database: Database) -> receipts_contract.Connect:
        return partial(open_receipts, database.path)


class TestSqliteRecords(RecordsContract):
    @pytest.fixture
    def records(self, database: Database) -> SqliteRecords:
        return SqliteRecords(database)


class TestSqliteActivity(ActivityContract):
    @pytest.fixture
    def activity(self, database: Database) -> SqliteActivity:
        return SqliteActivity(database)

    @pytest.fixture
    def stored(self, everything: Stored) -> Stored:
        return everything


class TestSqliteVideoJobs(VideoJobsContract):
    @pytest.fixture
    def store(self, database: Database, clock: Clock) -> SqliteVideoJobs:
        return SqliteVideoJobs(database, now=clock)


class TestObjects(ObjectStoreContract):
    @pytest.fixture
    def objects(self, database: Database, tmp_path: Path) -> Objects:
        (tmp_path / "buckets").mkdir()
        objects = Objects(tmp_path / "buckets", ObjectIndex(database))
        objects.make_bucket(BUCKET)
        return objects

    @pytest.fixture
    def connect(self, objects: Objects) -> object_store.Connect:
        return partial(open_objects, objects.root.parent)


class TestCredentials(AccessKeysContract):
    @pytest.fixture
    def keys(self, tmp_path: Path) -> Credentials:
        return Credentials(tmp_path / "credentials")

    @pytest.fixture
    def elsewhere(self, keys: Credentials) -> Credentials:
        return Credentials(keys.path)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "gallery.sqlite", GALLERY)
    yield database
    database.close()


@pytest.fixture
def another(gallery: Database) -> Iterator[Database]:
    """A connection of its own, as another process has."""
    database = Database(gallery.path, GALLERY)
    yield database
    database.close()


@pytest.fixture
def everything(tmp_path: Path) -> Stored:
    return lambda: b"\0".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


class TestSqliteGallery(GalleryContract):
    @pytest.fixture
    def collections(self, gallery: Database) -> SqliteCollections:
        return SqliteCollections(gallery)

    @pytest.fixture
    def records(self, gallery: Database) -> SqliteFaceRecords:
        return SqliteFaceRecords(gallery)

    @pytest.fixture
    def elsewhere(self, another: Database) -> SqliteFaceRecords:
        return SqliteFaceRecords(another)

    @pytest.fixture
    def stored(self, everything: Stored) -> Stored:
        return everything


class TestSqlitePeople(PeopleContract):
    @pytest.fixture
    def collections(self, gallery: Database) -> SqliteCollections:
        return SqliteCollections(gallery)

    @pytest.fixture
    def records(self, gallery: Database) -> SqliteFaceRecords:
        return SqliteFaceRecords(gallery)

    @pytest.fixture
    def people(self, gallery: Database) -> SqlitePeople:
        return SqlitePeople(gallery)

    @pytest.fixture
    def elsewhere(self, another: Database) -> SqlitePeople:
        return SqlitePeople(another)

    @pytest.fixture
    def stored(self, everything: Stored) -> Stored:
        return everything


class TestSqliteTags(TagsContract):
    @pytest.fixture
    def collections(self, gallery: Database) -> SqliteCollections:
        return SqliteCollections(gallery)

    @pytest.fixture
    def tags(self, gallery: Database) -> SqliteTags:
        return SqliteTags(gallery)


def review_stores(database: Database) -> Stores:
    return Stores(
        SqliteCollections(database),
        SqliteFaceRecords(database),
        SqlitePeople(database),
        SqliteVerdicts(database),
        SqliteMerging(database),
        SqliteNegatives(database),
        SqliteUnknownFaces(database),
        ReviewErasure(database),
    )


class TestSqliteReview(ReviewContract):
    @pytest.fixture
    def here(self, gallery: Database) -> Stores:
        return review_stores(gallery)

    @pytest.fixture
    def elsewhere(self, another: Database) -> Stores:
        return review_stores(another)

    @pytest.fixture
    def stored(self, everything: Stored) -> Stored:
        return everything


class TestLocalOutbox(OutboxContract):
    @pytest.fixture
    def outbox(self, database: Database, clock: Clock) -> SqliteOutbox:
        return SqliteOutbox(database, chosen, clock)

    @pytest.fixture
    def connect(self, database: Database) -> outbox_contract.Connect:
        return partial(open_outbox, database.path)
