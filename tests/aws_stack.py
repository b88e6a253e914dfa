"""`deploy/aws/template.yaml` on an AWS on loopback that enforces permissions; the functions run this tree's sources.

Each function is a process of this Python, started by the zip's `bootstrap` through the real `awslambdaric`, with the
keys of its own role. What the template leaves at values for real traffic (visibility timeouts) is shortened here.
"""

import hashlib
import io
import json
import os
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import faceline
from faceline.config import Settings
from faceline.events import ObjectCreated, to_json
from ministack import KEYS, environment, ministack
from ministack import program as installed

TEMPLATE = Path(__file__).parents[1] / "deploy" / "aws" / "template.yaml"
_SOURCES = Path(faceline.__file__).parents[1]
_CODE, _KEY, _STACK = "faceline-test-code", "functions.zip", "faceline"
# Short, so that what a killed process held comes back soon.
_VISIBILITY_S = 40
_PATIENCE_S = 240.0
_CONCURRENCY = 2


def program() -> str:
    """ministack's. A test without one is skipped, but fails in CI, where skipping would look like passing."""
    found = installed()
    if not found:
        (pytest.fail if os.environ.get("FACELINE_NO_SKIPS") else pytest.skip)("FACELINE_MINISTACK names no ministack")
    return found


def sized(quick: int, full: int) -> int:
    """How much of something a test takes: all of it where FACELINE_FULL is set, since CI has no time for that."""
    return full if os.environ.get("FACELINE_FULL") else quick


def bootstrap(models: Path, **settings: str) -> bytes:
    """A zip that holds nothing but how to start this Python on this tree. settings: FACELINE_… variables."""
    wanted = {"FACELINE_MODELS_DIR": str(models), "FACELINE_THREADS": "1", "FACELINE_LEASE_S": "6"} | settings
    exports = "".join(f"export {name}='{value}'\n" for name, value in wanted.items())
    script = f'#!/bin/sh\n{exports}PYTHONPATH={_SOURCES} exec {sys.executable} -m awslambdaric "$_HANDLER"\n'
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("bootstrap")
        info.external_attr = 0o755 << 16
        archive.writestr(info, script)
    return stream.getvalue()


class Aws:
    """The deployed stack and what tests do with it, with the keys of the account's owner."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.settings = Settings()
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            session = boto3.Session(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
            self._clients[service] = session.client(service, endpoint_url=self.url)
        return self._clients[service]

    def lead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """boto3 in this process uses it too, with the owner's keys."""
        for name, value in environment(self.url).items():
            monkeypatch.setenv(name, value)

    def deploy(self, code: bytes, parameters: Mapping[str, str]) -> None:
        """Raises RuntimeError with the events that failed."""
        s3, stacks = self.client("s3"), self.client("cloudformation")
        s3.create_bucket(Bucket=_CODE)
        s3.put_object(Bucket=_CODE, Key=_KEY, Body=code)
        s3.put_object(Bucket=_CODE, Key="template.yaml", Body=TEMPLATE.read_bytes())
        given = {"CodeBucket": _CODE, "CodeKey": _KEY, "VideoCodeKey": _KEY, "EndpointUrl": self.url}
        given |= {
            "Runtime": "provided.al2023",
            "TimeoutS": "60",
            "ReservedConcurrency": str(_CONCURRENCY),
            **parameters,
        }
        stacks.create_stack(
            StackName=_STACK,
            TemplateURL=f"{self.url}/{_CODE}/template.yaml",
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        self.wait(lambda: not self._stack["StackStatus"].endswith("_IN_PROGRESS"), "the stack")
        if self._stack["StackStatus"] != "CREATE_COMPLETE":
            events = stacks.describe_stack_events(StackName=_STACK)["StackEvents"]
            failed = [event for event in events if "FAILED" in event["ResourceStatus"]]
            raise RuntimeError(f"{self._stack.get('StackStatusReason')}: {failed}")
        self._shorten()

    def _shorten(self) -> None:
        """How long what a killed process held waits, which is six times a function's timeout."""
        sqs = self.client("sqs")
        for name in self.queues:
            sqs.set_queue_attributes(
                QueueUrl=self.queue_url(name), Attributes={"VisibilityTimeout": str(_VISIBILITY_S)}
            )

    @property
    def _stack(self) -> dict[str, Any]:
        stack: dict[str, Any] = self.client("cloudformation").describe_stacks(StackName=_STACK)["Stacks"][0]
        return stack

    @cached_property
    def outputs(self) -> dict[str, str]:
        return {each["OutputKey"]: each["OutputValue"] for each in self._stack.get("Outputs", [])}

    @cached_property
    def resources(self) -> list[dict[str, str]]:
        """LogicalResourceId, PhysicalResourceId, ResourceType of each."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=_STACK)
        return [resource for page in pages for resource in page["StackResourceSummaries"]]

    @cached_property
    def functions(self) -> list[str]:
        return [
            each["PhysicalResourceId"] for each in self.resources if each["ResourceType"] == "AWS::Lambda::Function"
        ]

    # Buckets

    def put(self, bucket: str, key: str, data: bytes) -> None:
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=data)

    def put_all(self, bucket: str, objects: Mapping[str, bytes]) -> None:
        for key, data in objects.items():
            self.put(bucket, key, data)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def objects(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        """What lies there, by key."""
        s3 = self.client("s3")
        return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in self.keys(bucket, prefix)}

    def documents(self, bucket: str, prefix: str = "") -> dict[str, Any]:
        return {key: json.loads(data) for key, data in self.objects(bucket, prefix).items()}

    def add_to_policy(self, bucket: str, statement: Mapping[str, Any]) -> None:
        """One more statement, with a Sid, in the bucket's policy."""
        self._put_policy(bucket, [*self._statements(bucket), dict(statement)])

    def take_from_policy(self, bucket: str, sid: str) -> None:
        self._put_policy(bucket, [each for each in self._statements(bucket) if each.get("Sid") != sid])

    def _statements(self, bucket: str) -> list[dict[str, Any]]:
        try:
            policy = self.client("s3").get_bucket_policy(Bucket=bucket)["Policy"]
        except self.client("s3").exceptions.ClientError:
            return []
        found: list[dict[str, Any]] = json.loads(policy)["Statement"]
        return found

    def _put_policy(self, bucket: str, statements: list[dict[str, Any]]) -> None:
        if not statements:
            self.client("s3").delete_bucket_policy(Bucket=bucket)
            return
        policy = {"Version": "2012-10-17", "Statement": statements}
        self.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))

    # Queues

    @cached_property
    def queues(self) -> list[str]:
        urls = self.client("sqs").list_queues().get("QueueUrls", [])
        return sorted(url.rpartition("/")[2] for url in urls)

    def queue_url(self, name: str) -> str:
        return str(self.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    def depth(self, name: str) -> tuple[int, int]:
        """How many messages of a queue are visible, and how many in flight."""
        found = self.client("sqs").get_queue_attributes(QueueUrl=self.queue_url(name), AttributeNames=["All"])
        attributes = found["Attributes"]
        names = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
        return int(attributes[names[0]]), int(attributes[names[1]])

    def is_idle(self) -> bool:
        """Whether no message waits or is being worked on but for answers and dead letters."""
        answers = self.settings.names.responses
        asked = [name for name in self.queues if not name.endswith("-dlq") and name != answers]
        return all(self.depth(name) == (0, 0) for name in asked)

    def send(self, name: str, body: str) -> None:
        self.client("sqs").send_message(QueueUrl=self.queue_url(name), MessageBody=body)

    def hold(self, name: str, body: str) -> str:
        """Sends a message and takes it out of its function's reach; its receipt handle."""
        sqs, functions, url = self.client("sqs"), self.client("lambda"), self.queue_url(name)
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        (source,) = functions.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
        held: list[dict[str, Any]] = []

        def is_held() -> bool:
            """What was on its way to the function when the mapping was disabled is lost to us: once more."""
            self.send(name, body)
            held.extend(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages", []))
            return bool(held)

        functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
        try:
            self.wait(is_held, f"a message of {name}")
        finally:
            functions.update_event_source_mapping(UUID=source["UUID"], Enabled=True)
        return str(held[0]["ReceiptHandle"])

    def drop(self, name: str, handle: str) -> None:
        """Deletes a message that was held, if it is still there."""
        sqs = self.client("sqs")
        with suppress(sqs.exceptions.ReceiptHandleIsInvalid):
            sqs.delete_message(QueueUrl=self.queue_url(name), ReceiptHandle=handle)

    def announce(self, name: str, bucket: str, key: str, data: bytes) -> None:
        """Says once more that an object was written, as S3 said it."""
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.send(name, to_json(ObjectCreated(bucket, key, etag, len(data), now)))

    def take_all(self, name: str, wait_s: int = 1) -> list[dict[str, Any]]:
        """Every message of a queue, taken out of it; the queue is empty `wait_s` long at the end."""
        sqs, url, found = self.client("sqs"), self.queue_url(name), []
        while messages := sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait_s,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found += messages
        return found

    def subscribed(self, topic: str, name: str) -> str:
        """A new queue that takes what is published to a topic, as it was published; its name."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allowed = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
        allowed |= {"Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}
        policy = {"Version": "2012-10-17", "Statement": [allowed]}
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        self.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        return name

    # Tables

    def items(self, table: str) -> list[dict[str, Any]]:
        """Every item of a table, as Python values."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        plain = TypeDeserializer().deserialize
        return [{name: plain(value) for name, value in item.items()} for page in pages for item in page["Items"]]

    # Functions

    def role(self, function: str) -> str:
        """The name of the role that a function has."""
        found = self.client("lambda").get_function_configuration(FunctionName=function)
        return str(found["Role"]).rpartition("/")[2]

    def invoke(self, function: str, event: Any) -> Any:
        """What a function answers to an event, waited for; its error as a dict with `errorMessage`."""
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read())

    def invoke_later(self, function: str, event: Any) -> None:
        self.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())

    def post(self, event: Mapping[str, Any]) -> tuple[int, bytes]:
        """One request to the frame detection's own address, signed as it asks for; (status, body)."""
        function = f"{self.settings.id}-frame-detection"
        url = self.client("lambda").get_function_url_config(FunctionName=function)["FunctionUrl"]
        request = AWSRequest("POST", url, data=json.dumps(event).encode(), headers={"Content-Type": "application/json"})
        keys = Credentials(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"])
        SigV4Auth(keys, "lambda", "us-east-1").add_auth(request)
        headers = dict(request.headers) | {"Host": urlsplit(url).netloc}
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request("POST", "/", request.body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def logs(self, function: str, since: float = 0.0) -> list[str]:
        """The lines that a function has printed in invocations that ended since then (Unix time)."""
        group, logs = f"/aws/lambda/{function}", self.client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=int(since * 1000))
        return [event["message"] for page in pages for event in page["events"]]

    def processes(self, function: str) -> list[int]:
        """The ids of the processes that run a function now."""
        wanted = {f"AWS_LAMBDA_FUNCTION_NAME={function}".encode(), f"AWS_ENDPOINT_URL={self.url}".encode()}
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if wanted <= _environment(entry)]

    def set_variable(self, function: str, name: str, value: str) -> None:
        """A setting that is no parameter of the template."""
        functions = self.client("lambda")
        now = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": now | {name: value}})
        functions.get_waiter("function_updated_v2").wait(FunctionName=function)

    def kill(self, function: str) -> int:
        """Kills every process that runs a function, as a machine that fails does; how many there were."""
        found = self.processes(function)
        for process in found:
            os.kill(process, signal.SIGKILL)
        self.wait(lambda: all(map(_is_dead, found)), "the death of the processes")
        return len(found)

    # Time

    def wait(self, condition: Callable[[], object], what: str, seconds: float = _PATIENCE_S) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen; {self._state()}"
            time.sleep(0.2)

    def settle(self, seconds: float = _PATIENCE_S) -> None:
        """Until every queue is worked off, twice in a row: a function may send on what it has just taken."""
        for _ in range(2):
            self.wait(self.is_idle, "the end of the work", seconds)
            time.sleep(0.3)

    def _state(self) -> str:
        return ", ".join(f"{name} {self.depth(name)}" for name in self.queues)


@contextmanager
def deployed(program: str, folder: Path, models: Path, settings: Mapping[str, str], **parameters: str) -> Iterator[Aws]:
    """A fresh one. settings: FACELINE_… variables of the functions; parameters: the template's."""
    with ministack(program, folder, auth=True) as url:
        aws = Aws(url)
        try:
            aws.deploy(bootstrap(models, **settings), parameters)
            yield aws
        finally:
            for function in aws.functions:
                aws.kill(function)


def _environment(process: Path) -> set[bytes]:
    try:
        return set((process / "environ").read_bytes().split(b"\0"))
    except OSError:  # it has ended, or is somebody else's
        return set()


def _is_dead(process: int) -> bool:
    """So that its parent can tell: one that is only ending has no environment any more."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
