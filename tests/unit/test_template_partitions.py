"""Which partitions of the tables each function may read and write: who lacks a right to one cannot reach it by mistake.

The emulator does not know `dynamodb:LeadingKeys`, so what a role may is worked out here.
"""

import fnmatch
from typing import Any

import pytest

from faceline.aws.face_items import crop_partition, partition
from faceline.aws.notice_items import notice_pk
from templated import Stack

TELLING = '[{"name": "hook", "kind": "webhook", "url": "https://hooks.example.org/faces"}]'
ENROLLED, MATCHING, GALLERY = map(partition, ("my-face-collection", "faceline-matching", "faceline-embeddings"))
RECEIPT, NOTICE = "receipt#an event", notice_pk("msg_1")
WRITING = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
KEYS = {
    *(RECEIPT, NOTICE, ENROLLED, MATCHING, GALLERY, "collections", "target#sns", "quiet#sns#door"),
    *("consents#my-face-collection", "erasure"),
    *(crop_partition(name, "1f") for name in ("my-face-collection", "faceline-matching", "faceline-embeddings")),
    *(f"queue#faceline-{name}-queue" for name in ("photo", "enroll", "req", "resp", "clip", "matching", "notify")),
}
WRITTEN = {
    "ImageIngestion": {RECEIPT, "queue#faceline-photo-queue"},
    "Enrolment": {
        *(RECEIPT, "queue#faceline-enroll-queue", "collections", ENROLLED),
        crop_partition("my-face-collection", "1f"),
    },
    "FrameDetection": {"queue#faceline-req-queue", "queue#faceline-resp-queue"},
    "FrameRecognition": {"queue#faceline-req-queue", "queue#faceline-resp-queue"},
    "VideoSplitting": {RECEIPT, "queue#faceline-clip-queue", "collections", GALLERY},
    "FaceRecognition": set[str](),
    "MatchFaces": {
        *(RECEIPT, NOTICE, "queue#faceline-matching-queue", "collections", MATCHING),
        crop_partition("faceline-matching", "1f"),
    },
    "Notify": {NOTICE, "target#sns", "queue#faceline-notify-queue"},
}
READ = {
    "ImageIngestion": {RECEIPT, ENROLLED},
    "Enrolment": {RECEIPT, ENROLLED},
    "FrameDetection": {"queue#faceline-req-queue", "queue#faceline-resp-queue", ENROLLED},
    "FrameRecognition": {"queue#faceline-resp-queue", ENROLLED},
    "VideoSplitting": {RECEIPT, GALLERY},
    "FaceRecognition": {RECEIPT, "collections", ENROLLED, GALLERY},
    "MatchFaces": {RECEIPT, NOTICE, "target#sns", MATCHING},
    "Notify": {NOTICE, "target#sns"},
}


@pytest.fixture(scope="module")
def stack() -> Stack:
    return Stack()


def statements(stack: Stack, function: str) -> list[dict[str, Any]]:
    (policy,) = stack.of("AWS::IAM::Role")[f"{function}Role"]["Policies"]
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def of_state(stack: Stack, function: str) -> list[dict[str, Any]]:
    """Statements about the state table and its local indexes. In `by_due`, a global one, are only notices."""
    table = stack.arn("StateTable")
    said = [each for each in statements(stack, function) if str(each["Resource"]).find(table) >= 0]
    return [each for each in said if each["Resource"] != f"{table}/index/by_due"]


def reached(stack: Stack, function: str, writing: bool) -> set[str]:
    """The keys that it may write, or read."""
    found = set[str]()
    for statement in of_state(stack, function):
        patterns = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        if any((action in WRITING) == writing for action in listed(statement["Action"])):
            found |= {key for key in KEYS if any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns)}
    return found


def listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("function", WRITTEN)
def test_a_function_writes_only_the_partitions_that_it_has_to(stack: Stack, function: str) -> None:
    for engine in ("faceline", "rekognition"):
        assert reached(Stack(Engine=engine), function, writing=True) == WRITTEN[function]
    told = {NOTICE} if function in ("ImageIngestion", "FaceRecognition") else set()
    assert reached(Stack(NotifyTargets=TELLING), function, writing=True) == WRITTEN[function] | told


@pytest.mark.parametrize("function", READ)
def test_a_function_reads_only_the_partitions_that_it_has_to(stack: Stack, function: str) -> None:
    for engine in ("faceline", "rekognition"):
        assert reached(Stack(Engine=engine), function, writing=False) == READ[function]
    told = {NOTICE, "target#sns"} if function in ("ImageIngestion", "FaceRecognition") else set()
    assert reached(Stack(NotifyTargets=TELLING), function, writing=False) == READ[function] | told


@pytest.mark.parametrize("function", WRITTEN)
def test_a_request_without_a_key_is_refused(function: str) -> None:
    """`ForAllValues` is true of none: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html."""
    for statement in of_state(Stack(), function):
        assert statement["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}
    for statement in of_state(Stack(EndpointUrl="http://127.0.0.1:4566"), function):
        assert statement["Condition"].keys() == {"ForAllValues:StringLike"}


@pytest.mark.parametrize("function", WRITTEN)
def test_no_function_reads_a_whole_table(function: str) -> None:
    for stack in (Stack(), Stack(Engine="rekognition", NotifyTargets=TELLING)):
        actions = {action for each in statements(stack, function) for action in listed(each["Action"])}
        assert not actions & {"dynamodb:Scan", "dynamodb:PartiQLSelect", "dynamodb:BatchWriteItem"}


def test_every_function_is_looked_at(stack: Stack) -> None:
    assert stack.of("AWS::Lambda::Function").keys() == WRITTEN.keys() == READ.keys()
