"""What deploy/aws/template.yaml makes and functions need, made directly on ministack for one test each."""

import json
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from faceline.aws.clients import Clients
from faceline.aws.tables import results_table, state_table
from faceline.config import Settings

HIDDEN_S = 60


@dataclass(frozen=True, slots=True)
class Made:
    """settings: with names that no other test has."""

    settings: Settings
    clients: Clients

    @property
    def environment(self) -> dict[str, str]:
        """What leads a function's process to it."""
        given = {
            "id": self.settings.id,
            "input_bucket": self.settings.input_bucket,
            "aws_results_table": self.settings.aws_results_table,
            "aws_topic": self.settings.aws_topic,
            "max_receives": str(self.settings.max_receives),
            "lease_s": f"{self.settings.lease_s:g}",
        }
        return {f"FACELINE_{name.upper()}": value for name, value in given.items()}

    def url(self, queue: str) -> str:
        return str(self.clients.sqs.get_queue_url(QueueName=queue)["QueueUrl"])

    def batch(self, queue: str, limit: int = 10, wait_s: int = 2) -> dict[str, Any]:
        """A delivery as an event source mapping makes it (docs.aws.amazon.com/lambda/latest/dg/with-sqs.html)."""
        answer = self.clients.sqs.receive_message(
            QueueUrl=self.url(queue),
            MaxNumberOfMessages=limit,
            WaitTimeSeconds=wait_s,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return {"Records": [_record(message, queue) for message in answer.get("Messages", ())]}

    def put(self, bucket: str, key: str, data: bytes) -> dict[str, Any]:
        """Puts an object; the event that S3 sends of it."""
        self.clients.s3.put_object(Bucket=bucket, Key=key, Body=data)
        return self.created(bucket, key)

    def created(self, bucket: str, key: str, sequencer: str = "01") -> dict[str, Any]:
        head = self.clients.s3.head_object(Bucket=bucket, Key=key)
        etag = head["ETag"].strip('"')
        entity = {"key": quote_plus(key, safe="/"), "size": head["ContentLength"], "eTag": etag, "sequencer": sequencer}
        s3 = {"bucket": {"name": bucket}, "object": entity}
        request = {"x-amz-request-id": uuid.uuid4().hex}
        record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "2026-01-31T12:00:00.000Z"}
        return {"Records": [record | {"responseElements": request, "s3": s3}]}

    def send(self, queue: str, body: Any) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.clients.sqs.send_message(QueueUrl=self.url(queue), MessageBody=text)

    def read(self, bucket: str, key: str) -> Any:
        return json.loads(self.clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def make(topic: bool = False, **settings: Any) -> Made:
    """settings: further ones."""
    prefix = f"t{uuid.uuid4().hex[:10]}"
    clients = Clients()
    arn = clients.sns.create_topic(Name=f"{prefix}-notices")["TopicArn"] if topic else ""
    given = {"max_receives": 3, "lease_s": 12.0} | settings
    s = Settings(
        id=prefix,
        input_bucket=f"{prefix}-photos",
        aws_results_table=f"{prefix}-results",
        aws_topic=arn,
        **given,
    )
    names, aws_names = s.names, s.aws_names
    for bucket in (s.input_bucket, *names[:4], names.images, names.matches, aws_names.work):
        clients.s3.create_bucket(Bucket=bucket)
    for table in (state_table(aws_names.state), results_table(aws_names.results)):
        clients.dynamodb.create_table(**table)
    queues = (names.requests, names.responses, names.matching, aws_names.photos, aws_names.enroll)
    for queue in (*queues, aws_names.clips, aws_names.notify):
        _make_queue(clients, queue, s.max_receives)
    return Made(s, clients)


def _make_queue(clients: Clients, name: str, max_receives: int) -> None:
    dead = clients.sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
    attributes = clients.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    redrive = {"deadLetterTargetArn": attributes["QueueArn"], "maxReceiveCount": max_receives}
    clients.sqs.create_queue(
        QueueName=name, Attributes={"VisibilityTimeout": str(HIDDEN_S), "RedrivePolicy": json.dumps(redrive)}
    )


def _record(message: dict[str, Any], queue: str) -> dict[str, Any]:
    attributes = message.get("MessageAttributes", {})
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {"stringValue": each.get("StringValue", ""), "dataType": each["DataType"]}
            for name, each in attributes.items()
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
        "awsRegion": "us-east-1",
    }
