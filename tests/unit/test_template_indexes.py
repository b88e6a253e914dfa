"""Which indexes of the state table each function may query: those for what it asks of a collection's faces, only."""

from collections.abc import Callable
from typing import Any

import pytest

from faceline.aws.face_records import DynamoFaceRecords
from faceline.gallery.ports import FaceQuery
from gallery_on_aws import STAFF, Place, made_place, people
from made import MODEL
from templated import Stack

MANY = [f"face {n}" for n in range(101)]  # more than one request for items takes

ASKED: dict[str, Callable[[DynamoFaceRecords], object]] = {
    "all": lambda records: records.find(STAFF),
    "changes": lambda records: records.changes(STAFF, 0, 10),
    "add": lambda records: records.add(STAFF, people([1])),
    "remove": lambda records: records.remove(STAFF, ["face 1"]),
    "of an image": lambda records: records.find(STAFF, image_id="image of face 1"),
    "of a person": lambda records: records.find(STAFF, person="person 1"),
    "with ids": lambda records: [records.find(STAFF, face_ids=ids) for ids in (MANY[:1], MANY)],
    "pages with ids": lambda records: records.page(STAFF, 0, 10, FaceQuery(face_ids=MANY)),
}
# By function, with either engine: what it asks of `gallery.ports.FaceRecords`.
ASKS = {
    "ImageIngestion": {"changes"},
    "Enrolment": {"add", "of an image"},
    "FrameDetection": set[str](),
    "FrameRecognition": {"changes"},
    "VideoSplitting": {"all", "add", "remove"},
    "FaceRecognition": {"changes"},
    "MatchFaces": {"changes", "add", "remove", "of a person", "with ids", "pages with ids"},
    "Notify": set[str](),
}
# RekognitionFaces: whose the faces are that were found or left behind, up to all of a person.
ASKS_WITH_REKOGNITION = {"ImageIngestion": {"with ids"}, "Enrolment": {"with ids"}}


@pytest.fixture
def place(aws: str) -> Place:
    made = made_place(aws)
    made.collections().create(STAFF, MODEL)
    made.records().add(STAFF, people(range(3)))
    return made


@pytest.fixture
def queried(place: Place) -> dict[str, set[str]]:
    """By what is asked, the indexes that are queried for it."""
    found: dict[str, set[str]] = {}
    for name, ask in ASKED.items():
        found[name] = set()
        with_index = _Noting(found[name])
        place.clients.dynamodb.meta.events.register("provide-client-params.dynamodb.Query", with_index)
        ask(place.records())
        place.clients.dynamodb.meta.events.unregister("provide-client-params.dynamodb.Query", with_index)
    return found


class _Noting:
    def __init__(self, noted: set[str]) -> None:
        self._noted = noted

    def __call__(self, params: dict[str, Any], **_: Any) -> None:
        if "IndexName" in params:
            self._noted.add(params["IndexName"])


def allowed(stack: Stack, function: str) -> set[str]:
    """The indexes of the state table that its role may query. In `by_due`, a global one, are no faces."""
    (policy,) = stack.of("AWS::IAM::Role")[f"{function}Role"]["Policies"]
    start, found = f"{stack.arn('StateTable')}/index/", set[str]()
    for statement in policy["PolicyDocument"]["Statement"]:
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        found |= {each.removeprefix(start) for each in resources if each.startswith(start)}
    return found - {"by_due"}


def test_a_function_may_query_the_indexes_that_it_asks_for_faces_by(queried: dict[str, set[str]]) -> None:
    for engine, more in (("faceline", {}), ("rekognition", ASKS_WITH_REKOGNITION)):
        stack = Stack(Engine=engine)
        assert stack.of("AWS::Lambda::Function").keys() == ASKS.keys()
        for function, asks in ASKS.items():
            needed = {index for ask in asks | more.get(function, set()) for index in queried[ask]}
            assert allowed(stack, function) == needed, (engine, function)


def test_every_index_of_faces_is_queried_by_something(queried: dict[str, set[str]]) -> None:
    table = Stack().of("AWS::DynamoDB::Table")["StateTable"]
    of_faces = {each["IndexName"] for each in table["LocalSecondaryIndexes"]}
    assert {index for indexes in queried.values() for index in indexes} == of_faces
