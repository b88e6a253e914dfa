"""What a topic of SNS gets of a notice, and what its errors mean for the delivery."""

import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from faceline.aws.clients import Clients
from faceline.aws.notifier import SnsSender
from faceline.notices import MATCH_FOUND, Delivery, Notice, NotToldError, TargetGoneError, UnwantedNoticeError

NOTICE = Notice(
    "photo 1",
    MATCH_FOUND,
    "2026-11-21T10:00:00.000+00:00",
    "photos/zoë.jpg",
    "Zoë is like another customer.",
    ("Zoë",),
    99.5,
    None,
    {"matches": [{"person": "Zoë", "similarity": 99.5}]},
)
DELIVERY = Delivery("msg_0123", "topic", NOTICE, 1, "lease")


@pytest.fixture
def clients(aws: str) -> Clients:
    return Clients()


def subscribed(clients: Clients, fifo: bool = False) -> tuple[str, str]:
    """A topic's ARN and the URL of a queue that gets what it is told."""
    name = f"told-{uuid.uuid4().hex}{'.fifo' if fifo else ''}"
    attributes = {"FifoQueue": "true"} if fifo else {}
    url = clients.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    queue = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = clients.sns.create_topic(Name=name, Attributes={"FifoTopic": "true"} if fifo else {})["TopicArn"]
    clients.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    return topic, url


def told(clients: Clients, url: str) -> list[dict[str, Any]]:
    found = clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    return [json.loads(each["Body"]) for each in found.get("Messages", [])]


def refusing(clients: Clients, code: str, monkeypatch: pytest.MonkeyPatch) -> SnsSender:
    def publish(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "Publish")

    monkeypatch.setattr(clients.sns, "publish", publish)
    return SnsSender(clients, "arn:aws:sns:us-east-1:000000000000:topic", "shop")


def test_the_message_is_the_sentence_and_programs_find_the_rest_in_attributes(clients: Clients) -> None:
    topic, url = subscribed(clients)
    SnsSender(clients, topic, "shop").send(DELIVERY)
    (message,) = told(clients, url)
    assert message["Message"] == NOTICE.text
    assert message["Subject"] == "faceline: match found"
    attributes = {name: each["Value"] for name, each in message["MessageAttributes"].items()}
    assert json.loads(attributes.pop("data")) == NOTICE.data
    assert attributes == {
        "kind": MATCH_FOUND,
        "message_id": "msg_0123",
        "time": NOTICE.time,
        "installation": "shop",
        "similarity": "99.5",
    }


def test_only_the_sentence_and_its_document_name_people(clients: Clients) -> None:
    topic, url = subscribed(clients)
    SnsSender(clients, topic, "shop").send(DELIVERY)
    (message,) = told(clients, url)
    del message["Message"], message["MessageAttributes"]["data"]
    assert "zoë" not in json.dumps(message, ensure_ascii=False).lower()


def test_a_filter_policy_can_ask_for_a_kind(clients: Clients) -> None:
    topic, url = subscribed(clients)
    (subscription,) = clients.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    clients.sns.set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"],
        AttributeName="FilterPolicy",
        AttributeValue=json.dumps({"kind": [MATCH_FOUND], "similarity": [{"numeric": [">=", 99]}]}),
    )
    sender = SnsSender(clients, topic, "shop")
    sender.send(replace(DELIVERY, notice=replace(NOTICE, similarity=90.0)))
    sender.send(replace(DELIVERY, notice=replace(NOTICE, kind="person.seen")))
    sender.send(DELIVERY)
    assert [each["MessageAttributes"]["similarity"]["Value"] for each in told(clients, url)] == ["99.5"]


def test_a_document_that_is_larger_than_sns_takes_is_left_out(clients: Clients) -> None:
    topic, url = subscribed(clients)
    large = replace(NOTICE, data={"matches": ["ö" * 131_000]})
    SnsSender(clients, topic, "shop").send(replace(DELIVERY, notice=large))
    (message,) = told(clients, url)
    assert message["Message"] == NOTICE.text
    assert sorted(message["MessageAttributes"]) == ["installation", "kind", "message_id", "similarity", "time"]


def test_a_notice_without_document_and_similarity_is_told_too(clients: Clients) -> None:
    topic, url = subscribed(clients)
    SnsSender(clients, topic, "shop").send(replace(DELIVERY, notice=replace(NOTICE, data={}, similarity=None)))
    (message,) = told(clients, url)
    assert sorted(message["MessageAttributes"]) == ["installation", "kind", "message_id", "time"]


def test_a_fifo_topic_takes_a_repetition_once(clients: Clients) -> None:
    topic, url = subscribed(clients, fifo=True)
    sender = SnsSender(clients, topic, "shop")
    sender.send(DELIVERY)
    sender.send(DELIVERY)
    sender.send(replace(DELIVERY, message_id="msg_4567"))
    ids = [each["MessageAttributes"]["message_id"]["Value"] for each in told(clients, url)]
    assert sorted(ids) == ["msg_0123", "msg_4567"]


def test_a_topic_that_was_deleted_wants_nothing_any_more(clients: Clients) -> None:
    topic, _ = subscribed(clients)
    clients.sns.delete_topic(TopicArn=topic)
    with pytest.raises(TargetGoneError, match="NotFound"):
        SnsSender(clients, topic, "shop").send(DELIVERY)


def test_a_sentence_that_is_larger_than_sns_takes_is_never_tried_again(clients: Clients) -> None:
    topic, url = subscribed(clients)
    large = replace(NOTICE, text="ö" * 131_072)
    with pytest.raises(UnwantedNoticeError, match=r"262,2\d\d bytes with attributes, and SNS takes 262,144"):
        SnsSender(clients, topic, "shop").send(replace(DELIVERY, notice=large))
    assert told(clients, url) == []


@pytest.mark.parametrize("code", ["AuthorizationError", "InternalError", "ThrottledException", "KMSThrottling"])
def test_other_refusals_are_tried_again_with_their_reason(
    code: str, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotToldError, match=code) as refusal:
        refusing(clients, code, monkeypatch).send(DELIVERY)
    assert not isinstance(refusal.value, TargetGoneError | UnwantedNoticeError)


def test_an_sns_that_is_not_there_is_tried_again(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(NotToldError, match="SNS was not reached"):
        SnsSender(Clients(), "arn:aws:sns:us-east-1:000000000000:topic", "shop").send(DELIVERY)
