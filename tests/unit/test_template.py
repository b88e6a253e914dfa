"""The template of the AWS profile: what it makes is what the code needs, and nobody may more than that."""

import ast
import base64
import io
import json
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_stack import program
from faceline.aws.tables import EXPIRES, results_table, state_table
from faceline.config import Settings, load
from ministack import environment, ministack
from templated import TEMPLATE, Stack

LAMBDAS = Path(__file__).parents[2] / "src" / "faceline" / "lambdas.py"
PEOPLE = {"AWS::S3::Bucket", "AWS::DynamoDB::Table"}  # what holds their data
TIMEOUTS = Stack().template["Parameters"]["TimeoutS"]["AllowedValues"]


@pytest.fixture(scope="module")
def stack() -> Stack:
    return Stack(AlarmEmail="ops@example.org", KeptDays="30")


def settings_of(function: dict[str, Any]) -> Settings:
    return load(environment=function["Environment"]["Variables"], directory=Path("/nonexistent"))


def test_cfn_lint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([program, TEMPLATE], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_settings_of_the_functions_are_settings_and_name_what_the_template_makes(stack: Stack) -> None:
    buckets = {each["BucketName"] for each in stack.of("AWS::S3::Bucket").values()}
    queues = {each["QueueName"] for each in stack.of("AWS::SQS::Queue").values()}
    tables = {each["TableName"] for each in stack.of("AWS::DynamoDB::Table").values()}
    functions = stack.of("AWS::Lambda::Function")
    for function in functions.values():
        settings = settings_of(function)
        n, aws = settings.names, settings.aws_names
        named = {n.input, n.stage, n.output, n.embeddings, n.images, n.matches, aws.work, settings.input_bucket}
        assert named == buckets
        live = {n.requests, n.responses, n.matching, aws.photos, aws.enroll, aws.clips, aws.notify}
        assert queues == {*live, *(f"{each}-dlq" for each in live), f"{aws.recognition}-dlq"}
        assert tables == {aws.results, aws.state}
        assert aws.recognition in {each["FunctionName"] for each in functions.values()}


def test_names_and_engine_can_be_chosen() -> None:
    chosen = Stack(
        Prefix="mine", PhotosBucket="my-photos", RecognitionFunctionName="who", Engine="rekognition", MaxReceives="3"
    )
    settings = settings_of(chosen.of("AWS::Lambda::Function")["ImageIngestion"])
    assert (settings.id, settings.input_bucket, settings.engine, settings.max_receives) == (
        "mine",
        "my-photos",
        "rekognition",
        3,
    )
    assert chosen.of("AWS::SQS::Queue")["FaceRecognitionDead"]["QueueName"] == "who-dlq"
    assert chosen.of("AWS::SQS::Queue")["PhotoQueue"]["RedrivePolicy"]["maxReceiveCount"] == "3"


def test_tables_are_those_of_the_code(stack: Stack) -> None:
    made = {each["TableName"]: each for each in stack.of("AWS::DynamoDB::Table").values()}
    for wanted in (state_table("faceline-state"), results_table("FaceRecognitionResults")):
        table = made[wanted["TableName"]]
        assert {name: table.get(name) for name in wanted} == wanted
        assert table["TimeToLiveSpecification"] == {"AttributeName": EXPIRES, "Enabled": True}
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["SSESpecification"] == {"SSEEnabled": True}


def test_every_handler_is_one_of_lambdas(stack: Stack) -> None:
    defined = {node.name for node in ast.parse(LAMBDAS.read_text()).body if isinstance(node, ast.FunctionDef)}
    for function in stack.of("AWS::Lambda::Function").values():
        module, _, handler = function["Handler"].rpartition(".")
        assert (module, handler in defined) == ("faceline.lambdas", True), handler


def test_an_image_replaces_the_zips() -> None:
    for function in Stack(ImageUri="images/faceline:1", CodeBucket="none").of("AWS::Lambda::Function").values():
        assert function["Code"] == {"ImageUri": "images/faceline:1"}
        assert "Runtime" not in function
        assert "Handler" not in function
        assert function["ImageConfig"]["Command"][0].startswith("faceline.lambdas.")


@pytest.mark.parametrize("timeout_s", TIMEOUTS)
def test_queues_hide_messages_six_times_as_long_as_their_function_may_take(timeout_s: int) -> None:
    stack = Stack(TimeoutS=str(timeout_s))
    queues = stack.of("AWS::SQS::Queue")
    for source in stack.of("AWS::Lambda::EventSourceMapping").values():
        queue = next(name for name in queues if stack.arn(name) == source["EventSourceArn"])
        function = stack.of("AWS::Lambda::Function")
        timeout = next(
            int(each["Timeout"]) for each in function.values() if each["FunctionName"] == source["FunctionName"]
        )
        assert int(queues[queue]["VisibilityTimeout"]) >= 6 * timeout
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    slow = [
        each["Threshold"] for each in stack.of("AWS::CloudWatch::Alarm").values() if each["MetricName"] == "Duration"
    ]
    assert {int(each) for each in slow} == {timeout_s * 800}


def test_queues_keep_dead_letters_longer_than_messages_and_encrypt_both(stack: Stack) -> None:
    queues = stack.of("AWS::SQS::Queue")
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] is True
        if name.endswith("Dead"):
            assert queue["MessageRetentionPeriod"] == 14 * 86_400
        elif name != "ResponseQueue":  # clients look at one another's answers
            assert queue["RedrivePolicy"]["deadLetterTargetArn"] == stack.arn(f"{name}Dead")
            assert queue["MessageRetentionPeriod"] < 14 * 86_400


def test_buckets_are_private_encrypted_and_clean_up_after_broken_uploads(stack: Stack) -> None:
    policies = {each["Bucket"]: each["PolicyDocument"] for each in stack.of("AWS::S3::BucketPolicy").values()}
    for name, bucket in stack.of("AWS::S3::Bucket").items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        assert any("AbortIncompleteMultipartUpload" in rule for rule in bucket["LifecycleConfiguration"]["Rules"])
        assert "VersioningConfiguration" not in bucket, "what is forgotten must be gone"
        (statement,) = policies[bucket["BucketName"]]["Statement"]
        assert (statement["Effect"], statement["Action"], statement["Principal"]) == ("Deny", "s3:*", "*")
        assert statement["Resource"] == [stack.arn(name), f"{stack.arn(name)}/*"]
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_queues_and_the_topic_refuse_whoever_comes_without_tls(stack: Stack) -> None:
    refused: dict[str, set[str]] = {}
    for kind, places in (("AWS::SQS::QueuePolicy", "Queues"), ("AWS::SNS::TopicPolicy", "Topics")):
        for policy in stack.of(kind).values():
            (denied,) = (each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Deny")
            assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            assert denied["Principal"] == "*"
            refused |= {
                place: {*denied["Action"]} if kind.endswith("TopicPolicy") else {denied["Action"]}
                for place in policy[places]
            }
    queues = {each["QueueName"]: {"sqs:*"} for each in stack.of("AWS::SQS::Queue").values()}
    assert refused == queues | {stack.arn("Topic"): {"sns:Publish", "sns:Subscribe"}}
    emulated = Stack(EndpointUrl="http://127.0.0.1:4566")
    policies = [*emulated.of("AWS::SQS::QueuePolicy").values(), *emulated.of("AWS::SNS::TopicPolicy").values()]
    assert {each["Effect"] for policy in policies for each in policy["PolicyDocument"]["Statement"]} == {"Allow"}


def test_uploads_and_results_end_after_the_days_that_are_kept_and_enrolled_photos_do_not(stack: Stack) -> None:
    ending = {
        f"{each['BucketName']}/{rule['Prefix']}": rule["ExpirationInDays"]
        for each in stack.of("AWS::S3::Bucket").values()
        for rule in each["LifecycleConfiguration"]["Rules"]
        if rule["Id"].startswith("kept-days")
    }
    assert ending == dict.fromkeys(
        [
            "faceline-photos/input/",
            "faceline-photos/processed/",
            "faceline-input/",
            "faceline-stage-1/",
            "faceline-output/",
            "faceline-images/images/",
            "faceline-matches/output/",
        ],
        "30",
    )
    for bucket in Stack().of("AWS::S3::Bucket").values():
        assert not any(rule["Id"].startswith("kept-days") for rule in bucket["LifecycleConfiguration"]["Rules"])


def test_peoples_data_outlive_the_stack(stack: Stack) -> None:
    for name, each in stack.resources.items():
        policies = (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy"))
        assert policies == (("RetainExceptOnCreate", "Retain") if each["Type"] in PEOPLE else (None, None)), name


def test_every_queue_and_function_has_its_alarms(stack: Stack) -> None:
    alarms = stack.of("AWS::CloudWatch::Alarm").values()
    watched = {(each["MetricName"], each["Dimensions"][0]["Value"]) for each in alarms}
    for name, queue in stack.of("AWS::SQS::Queue").items():
        if name != "ResponseQueue":
            metric = "ApproximateNumberOfMessagesVisible" if name.endswith("Dead") else "ApproximateAgeOfOldestMessage"
            assert (metric, queue["QueueName"]) in watched
    for function in stack.of("AWS::Lambda::Function").values():
        assert {(metric, function["FunctionName"]) for metric in ("Errors", "Throttles", "Duration")} <= watched
    assert ("not_told", stack.of("AWS::Lambda::Function")["Notify"]["FunctionName"]) in watched
    assert {tuple(each["AlarmActions"]) for each in alarms} == {(stack.arn("AlarmTopic"),)}


def test_nothing_mails_or_bills_without_an_address() -> None:
    quiet = Stack()
    assert not quiet.of("AWS::Budgets::Budget")
    assert "AlarmTopic" not in quiet.resources
    assert not any("AlarmActions" in each for each in quiet.of("AWS::CloudWatch::Alarm").values())


def test_spending_is_bounded(stack: Stack) -> None:
    for function in stack.of("AWS::Lambda::Function").values():
        assert int(function["ReservedConcurrentExecutions"]) <= 5
    for source in stack.of("AWS::Lambda::EventSourceMapping").values():
        assert 2 <= int(source["ScalingConfig"]["MaximumConcurrency"]) <= 5
    assert {each["RetentionInDays"] for each in stack.of("AWS::Logs::LogGroup").values()} == {30}
    assert {each["BillingMode"] for each in stack.of("AWS::DynamoDB::Table").values()} == {"PAY_PER_REQUEST"}
    assert "ReservedConcurrentExecutions" not in Stack(ReservedConcurrency="0").of("AWS::Lambda::Function")["Notify"]


def test_frames_are_posted_by_those_who_may_unless_it_is_opened() -> None:
    closed, opened = Stack(), Stack(FrameUrlAuth="NONE")
    assert closed.of("AWS::Lambda::Url")["FrameUrl"]["AuthType"] == "AWS_IAM"
    assert not [each for each in closed.of("AWS::Lambda::Permission").values() if each["Principal"] == "*"]
    allowed = {each["Action"] for each in opened.of("AWS::Lambda::Permission").values() if each["Principal"] == "*"}
    assert allowed == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}


def test_every_ten_minutes_a_schedule_has_due_notices_told_and_only_that_schedule_may(stack: Stack) -> None:
    (rule,) = stack.of("AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == "rate(10 minutes)"
    assert [each["Arn"] for each in rule["Targets"]] == [stack.arn("Notify")]
    (allowed,) = stack.of("AWS::Lambda::Permission").values()
    assert allowed == {
        "FunctionName": "faceline-notify",
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": stack.arn("NotifySchedule"),
    }


def test_athena_knows_the_reports_and_the_view_over_them(stack: Stack) -> None:
    tables = {each["TableInput"]["Name"]: each["TableInput"] for each in stack.of("AWS::Glue::Table").values()}
    reports, view = tables["face_match_output"], tables["matchingstats"]
    assert reports["StorageDescriptor"]["Location"] == "s3://faceline-matches/output/"
    assert [each["Name"] for each in reports["StorageDescriptor"]["Columns"]] == ["source", "customerid", "matches"]
    encoded = view["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
    said = json.loads(base64.b64decode(encoded))
    columns = [each["Name"] for each in view["StorageDescriptor"]["Columns"]]
    assert [each["name"] for each in said["columns"]] == columns == ["customerid", "similarity", "suspect_match"]
    assert said["schema"] == "faceline"
    assert ' FROM "faceline"."face_match_output" ' in said["originalSql"]
    assert all(each["PartitionKeys"] == [] and "SerdeInfo" in each["StorageDescriptor"] for each in tables.values())


def test_the_dashboard_shows_every_function_and_every_queue(stack: Stack) -> None:
    (dashboard,) = stack.of("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(dashboard["DashboardBody"])["widgets"]
    metrics = [metric for each in widgets for metric in each["properties"]["metrics"]]
    shown = {metric[-1] for metric in metrics}
    assert len(metrics) < 50, "above which a dashboard costs"
    assert shown >= {each["QueueName"] for each in stack.of("AWS::SQS::Queue").values()}
    assert shown >= {each["FunctionName"] for each in stack.of("AWS::Lambda::Function").values()}


def test_cloudformation_takes_the_template_from_s3() -> None:
    assert len(TEMPLATE.read_bytes()) < 1_000_000


@pytest.fixture(scope="module")
def enforcing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where an AWS on loopback listens that enforces permissions."""
    with ministack(program(), tmp_path_factory.mktemp("enforcing"), auth=True) as url:
        yield url


@pytest.mark.parametrize(
    "chosen",
    [
        {"CodeBucket": "code"},
        {"CodeBucket": "code", "KeptDays": "30", "AlarmEmail": "ops@example.org", "FrameUrlAuth": "NONE"},
        {"ImageUri": "images/faceline:1", "Engine": "rekognition", "PhotosBucket": "my-photos"},
    ],
)
def test_the_template_deploys(enforcing: str, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str]) -> None:
    for name, value in environment(enforcing).items():
        monkeypatch.setenv(name, value)
    name = f"t{uuid.uuid4().hex[:8]}"
    own = {f"{each}FunctionName": f"{name}-{each.lower()}" for each in ("Splitting", "Recognition")}
    asked = {"Prefix": name, "ResultsTableName": name, "EndpointUrl": enforcing, **own, **chosen}
    asked = {each: value.replace("my-", f"{name}-") for each, value in asked.items()} | {"Runtime": "provided.al2023"}
    s3, formation = boto3.client("s3"), boto3.client("cloudformation")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="faceline.zip", Body=zip_of(bootstrap="#!/bin/sh\nexit 1\n"))
    s3.put_object(Bucket="code", Key="template.yaml", Body=TEMPLATE.read_bytes())
    formation.create_stack(
        StackName=name,
        TemplateURL=f"{enforcing}/code/template.yaml",
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": each, "ParameterValue": value} for each, value in asked.items()],
    )
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    pages = formation.get_paginator("list_stack_resources").paginate(StackName=name)
    made = {each["LogicalResourceId"] for page in pages for each in page["StackResourceSummaries"]}
    assert made == Stack(**asked).resources.keys()
    notified = s3.get_bucket_notification_configuration(Bucket=asked.get("PhotosBucket", f"{name}-photos"))
    assert len(notified["QueueConfigurations"]) == 2


def zip_of(**files: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return stream.getvalue()
