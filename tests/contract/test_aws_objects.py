"""Objects in S3 under the contract of every object store."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from contract import object_store
from contract.object_store import BUCKET, ObjectStoreContract
from faceline.aws.clients import Clients
from faceline.aws.objects import S3Objects


@contextmanager
def open_objects() -> Iterator[S3Objects]:
    yield S3Objects(Clients("path"))


class TestS3Objects(ObjectStoreContract):
    @pytest.fixture
    def objects(self, aws: str) -> Iterator[S3Objects]:
        clients = Clients("path")
        clients.s3.create_bucket(Bucket=BUCKET)
        yield S3Objects(clients)
        empty(clients)
        clients.s3.delete_bucket(Bucket=BUCKET)

    @pytest.fixture
    def connect(self, objects: S3Objects) -> object_store.Connect:
        return open_objects


def empty(clients: Clients) -> None:
    for each in clients.s3.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        clients.s3.delete_object(Bucket=BUCKET, Key=each["Key"])
