"""A state table and a work bucket of their own for one test, all that they hold as bytes, and faces to put in."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from faceline.aws.clients import Clients
from faceline.aws.collections import DynamoCollections
from faceline.aws.face_records import DynamoFaceRecords
from faceline.aws.snapshots import Snapshots
from faceline.aws.tables import state_table
from faceline.gallery.ports import NewFace
from faceline.similarity import Calibration, Scorer
from made import MODEL, new_face, vector

STAFF = "staff"
KEY = f"collections/{STAFF}.faces"
SMALL = 3  # changes, after which a collection gets a snapshot
SCORER = Scorer(MODEL, Calibration((0.0, 0.5, 1.0), (-0.3, -3.0, -6.0)))


@dataclass(frozen=True)
class Place:
    table: str
    bucket: str
    clients: Clients

    def collections(self, min_changes: int = 1000) -> DynamoCollections:
        return DynamoCollections(self.clients, self.table, self.snapshots(min_changes))

    def records(self, min_changes: int = 1000) -> DynamoFaceRecords:
        """Those of a process of its own: they share nothing in memory."""
        return DynamoFaceRecords(self.clients, self.table, self.snapshots(min_changes))

    def snapshots(self, min_changes: int = 1000) -> Snapshots:
        return Snapshots(self.clients, self.bucket, min_changes)

    def items(self) -> list[dict[str, Any]]:
        """All items of the table."""
        pages = self.clients.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def objects(self) -> dict[str, bytes]:
        """All objects of the bucket, by key."""
        s3 = self.clients.s3
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]
        return {key: s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}

    def stored(self) -> bytes:
        values = [value for item in self.items() for value in item.values()]
        return b"\0".join([*map(_bytes_of, values), *self.objects().values()])


def made_place(url: str) -> Place:
    name = f"gallery-{uuid.uuid4().hex[:12]}"
    place = Place(name, name, _clients_at(url))
    place.clients.dynamodb.create_table(**state_table(name))
    place.clients.s3.create_bucket(Bucket=name)
    return place


def people(numbers: Sequence[int]) -> list[NewFace]:
    return [new_face(f"face {n}", f"person {n}", vector(n)) for n in numbers]


def followed(records: DynamoFaceRecords, limit: int = 100) -> set[str]:
    """Who is known to somebody who begins with nothing."""
    since, known = 0, set[str]()
    while (changes := records.changes(STAFF, since, limit)).generation != since:
        known = (known - set(changes.removed)) | {added.face_id for added in changes.added}
        since = changes.generation
    return known


def restored(place: Place, then: list[dict[str, Any]]) -> None:
    """then: what the table had at that moment."""
    for item in place.items():
        place.clients.dynamodb.delete_item(TableName=place.table, Key={"pk": item["pk"], "sk": item["sk"]})
    for item in then:
        place.clients.dynamodb.put_item(TableName=place.table, Item=item)


@cache
def _clients_at(url: str) -> Clients:
    """Made once for all tests: each client costs a tenth of a second. url: what boto3 has been told."""
    return Clients()


def _bytes_of(value: dict[str, Any]) -> bytes:
    ((_, content),) = value.items()
    return content if isinstance(content, bytes) else str(content).encode()
