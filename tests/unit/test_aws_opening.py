"""What a function's process opens before its first event, by whatever starts: made faces, AWS on loopback."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from aws_made import Made, make
from faceline.aws.face_table import meta_key
from faceline.aws.items import to_item
from faceline.aws_app import AwsApp
from made import MODEL, new_face, vector
from on_aws import opened

Open = Callable[[AwsApp], None]
OPENED = [AwsApp.open_photos, AwsApp.open_requests, AwsApp.open_staged, AwsApp.open_matching]


@pytest.fixture
def made(aws: str) -> Made:
    """With three faces, in the collection of the settings and in that of customers."""
    made = make()
    app = opened(made)
    for name in names(made):
        app.collections.create(name, MODEL)
        app.face_records.add(name, [new_face(f"{n}", "Ada", vector(n)) for n in range(3)])
    return made


def names(made: Made) -> tuple[str, str]:
    return made.settings.collection, made.settings.names.matching_collection


@contextmanager
def reading(app: AwsApp) -> Iterator[list[str]]:
    """The indexes that are queried meanwhile."""
    found: list[str] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        found.append(params.get("IndexName", ""))

    app.clients.dynamodb.meta.events.register("provide-client-params.dynamodb.Query", note)
    yield found
    app.clients.dynamodb.meta.events.unregister("provide-client-params.dynamodb.Query", note)


def count(made: Made, faces: int) -> None:
    """As if the collections had so many."""
    for name in names(made):
        made.clients.dynamodb.update_item(
            TableName=made.settings.aws_names.state,
            Key=meta_key(name),
            UpdateExpression="SET faces = :faces",
            ExpressionAttributeValues=to_item({":faces": faces}),
        )


@pytest.mark.parametrize("start", OPENED)
def test_a_collection_that_is_read_in_time_is_read_when_the_process_starts(made: Made, start: Open) -> None:
    app = opened(made)
    count(made, 30_000)
    with reading(app) as queries:
        start(app)
    assert "by_generation" in queries


@pytest.mark.parametrize("start", OPENED)
def test_a_larger_collection_is_read_by_the_first_event(made: Made, start: Open) -> None:
    app = opened(made)
    count(made, 30_001)
    with reading(app) as queries:
        start(app)
    assert "by_generation" not in queries
    assert [app.collection(name).faces() for name in names(made)] == [3, 3]


@pytest.mark.parametrize("start", OPENED)
def test_a_process_starts_before_there_is_a_collection(aws: str, start: Open) -> None:
    start(opened(make(collection="nobodys")))
