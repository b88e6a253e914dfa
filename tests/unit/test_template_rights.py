"""Who may do what on AWS: the roles of the template, who may send to its queues, and that nothing runs in a circle."""

import base64
import fnmatch
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from faceline.config import load
from templated import TEMPLATE, Stack


@pytest.fixture(scope="module")
def stack() -> Stack:
    return Stack()


def statements(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of every function: its logical name, and what it may do."""
    for name, role in stack.of("AWS::IAM::Role").items():
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name.removesuffix("Role"), statement


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("engine", ["faceline", "rekognition"])
def test_parliament_finds_nothing_in_any_role(engine: str, tmp_path: Path) -> None:
    for name, role in Stack(Engine=engine).of("AWS::IAM::Role").items():
        for policy in role["Policies"]:
            (tmp_path / f"{name}.json").write_text(json.dumps(policy["PolicyDocument"]))
    command = [sys.executable, "-m", "parliament.cli", "--directory", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)
    assert len(list(tmp_path.iterdir())) == len(Stack().of("AWS::Lambda::Function"))


def test_permissions_name_their_actions_and_resources(stack: Stack) -> None:
    both = [*statements(stack), *statements(Stack(Engine="rekognition"))]
    for name, statement in both:
        assert not any("*" in action for action in listed(statement["Action"])), (name, statement)
        if statement["Sid"] != "RekognitionAnywhere":  # the action knows no resources
            assert all(resource.startswith("arn:aws:") for resource in listed(statement["Resource"])), (name, statement)


def test_the_template_says_of_every_permission_who_needs_it() -> None:
    lines = TEMPLATE.read_text().splitlines()
    said = [before for before, line in pairwise(lines) if re.match(r" {14}- (Sid|Fn::If):", line)]
    assert len(said) > 60
    assert all(re.match(r" {14}# .+\.$", before) for before in said)


def test_rekognition_is_allowed_only_as_the_engine(stack: Stack) -> None:
    actions = {action for _, statement in statements(stack) for action in listed(statement["Action"])}
    assert not any(action.startswith("rekognition:") for action in actions)
    asking = {name for name, statement in statements(Stack(Engine="rekognition")) if "Rekognition" in statement["Sid"]}
    assert asking == {"ImageIngestion", "Enrolment", "MatchFaces"}


def receiving(stack: Stack) -> Iterator[tuple[str, list[str]]]:
    """Each queue that buckets send to: its ARN, and `bucket ARN/prefix` of what starts work."""
    places: dict[str, list[str]] = {}
    for name, bucket in stack.of("AWS::S3::Bucket").items():
        for rule in bucket.get("NotificationConfiguration", {}).get("QueueConfigurations", []):
            filters = rule.get("Filter", {}).get("S3Key", {}).get("Rules", [])
            prefix = next((each["Value"] for each in filters), "")
            places.setdefault(rule["Queue"], []).append(f"{stack.arn(name)}/{prefix}")
    yield from places.items()


def test_only_the_bucket_of_this_account_may_send_to_a_queue(stack: Stack) -> None:
    senders = dict(receiving(stack))
    policies = [each["PolicyDocument"]["Statement"] for each in stack.of("AWS::SQS::QueuePolicy").values()]
    allowing = [each for statements in policies for each in statements if each["Effect"] == "Allow"]
    assert {each["Resource"] for each in allowing} == senders.keys()
    for statement in allowing:
        assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "0" * 12}
        from_buckets = listed(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
        assert sorted(from_buckets) == sorted(place.partition("/")[0] for place in senders[statement["Resource"]])


def starts(stack: Stack) -> dict[str, set[str]]:
    """Of every function, the ARNs that start it: queues, `bucket/prefix*` and itself."""
    sources = {
        each["FunctionName"]: {each["EventSourceArn"]} for each in stack.of("AWS::Lambda::EventSourceMapping").values()
    }
    behind = dict(receiving(stack))
    return {
        name: {
            stack.arn(name),
            *(found := sources.get(function["FunctionName"], set())),
            *(f"{place}*" for queue in found for place in behind.get(queue, [])),
        }
        for name, function in stack.of("AWS::Lambda::Function").items()
    }


def effects(stack: Stack) -> dict[str, set[str]]:
    """Of every function, the ARNs where it may leave something that could start another."""
    leaving = {"s3:PutObject", "sqs:SendMessage", "lambda:InvokeFunction", "sns:Publish"}
    # A message is sent anew only when another one ends, or is begun for the first time.
    bounded = ("SendAnew",)
    found: dict[str, set[str]] = {name: set() for name in stack.of("AWS::Lambda::Function")}
    for name, statement in statements(stack):
        if leaving & set(listed(statement["Action"])) and statement["Sid"] not in bounded:
            found[name] |= set(listed(statement["Resource"]))
    return found


def meet(first: str, second: str) -> bool:
    """Whether two patterns that end in * or not have an ARN in common."""
    return fnmatch.fnmatchcase(first.rstrip("*"), second) or fnmatch.fnmatchcase(second.rstrip("*"), first)


def follows(stack: Stack) -> dict[str, set[str]]:
    """Of every function, those that what it leaves may start."""
    causes = starts(stack)
    return {
        name: {
            other
            for other, places in causes.items()
            if any(meet(place, written) for place in places for written in written_to)
        }
        for name, written_to in effects(stack).items()
    }


def test_no_function_starts_itself_nor_in_a_circle(stack: Stack) -> None:
    after = follows(stack)
    assert after["VideoSplitting"] == {"FaceRecognition"}
    assert after["FrameDetection"] == {"FrameRecognition"}
    assert after["MatchFaces"] == {"Notify"}
    for name in after:
        reached, ahead = set[str](), set(after[name])
        while ahead:
            reached |= ahead
            ahead = {further for each in ahead for further in after[each]} - reached
        assert name not in reached, f"{name} starts itself, by {reached}"
    functions = stack.of("AWS::Lambda::Function").values()
    assert {each["RecursiveLoop"] for each in functions} == {"Terminate"}


def test_a_circle_would_be_found(stack: Stack) -> None:
    ingestion = stack.resources["ImageIngestionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    written = next(each for each in ingestion if each["Sid"] == "WriteResults")
    before = written["Resource"]
    try:
        written["Resource"] = before.replace("processed/", "")
        assert "ImageIngestion" in follows(stack)["ImageIngestion"]
    finally:
        written["Resource"] = before


def test_five_functions_may_give_a_message_back_to_their_own_queue_and_who_tells_notices_is_none(stack: Stack) -> None:
    sending = {
        name
        for name, statement in statements(stack)
        if "sqs:SendMessage" in listed(statement["Action"]) and starts(stack)[name] & set(listed(statement["Resource"]))
    }
    assert sending == {"ImageIngestion", "Enrolment", "FrameRecognition", "VideoSplitting", "MatchFaces"}


def test_photos_and_clips_may_tell_only_where_somebody_wants_it(stack: Stack) -> None:
    secret = f"whsec_{base64.b64encode(bytes(32)).decode()}"
    hook = {"name": "hook", "kind": "webhook", "url": "https://hooks.example.org/faces", "secret": secret}
    telling = Stack(NotifyTargets=json.dumps([hook]))
    more = [name for name, statement in statements(telling) if statement["Sid"] in ("Outbox", "WakeNotify")]
    assert sorted(more) == ["FaceRecognition", "FaceRecognition", "ImageIngestion", "ImageIngestion", "MatchFaces"]
    assert [name for name, statement in statements(stack) if statement["Sid"] == "WakeNotify"] == ["MatchFaces"]
    for name in ("ImageIngestion", "FaceRecognition", "MatchFaces", "Notify"):
        variables = telling.of("AWS::Lambda::Function")[name]["Environment"]["Variables"]
        assert [target.name for target in load(environment=variables, directory=Path("/nonexistent")).notify] == [
            "hook"
        ]
