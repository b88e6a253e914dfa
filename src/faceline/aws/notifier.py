"""Notices to a topic of Amazon SNS."""

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from faceline.aws.clients import Clients, code_of
from faceline.notices import Delivery, NotToldError, TargetGoneError, UnwantedNoticeError

_MAX_BYTES = 256 * 1024  # of text and attributes, https://docs.aws.amazon.com/general/latest/gr/sns.html
_GONE = ("NotFound", "NotFoundException", "TopicNotFound")
_MAX_SUBJECT = 99


class SnsSender:
    """Implements `notices.Sender` (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html).

    The message is the notice's one sentence as it is, since people get it by e-mail and SMS. Programs have what they
    need in message attributes, which queues, functions and HTTPS endpoints get with it and others do not: `kind`,
    `message_id` (the same for each repetition), `time`, `installation`, `similarity` where there is one, and `data`,
    the notice's JSON document. Filter policies of subscriptions can ask for each but `data`. These are six at most: a
    queue with raw delivery takes ten. `data` is left out when the message would be larger than SNS takes; the sentence
    says what it is about. It names people as the sentence does, the other attributes do not.

    A FIFO topic takes a message id once in five minutes and keeps the order of each kind. Other topics may bring a
    message twice, and one whose answer was lost is published again, with the same message id.
    """

    def __init__(self, clients: Clients, topic_arn: str, installation: str) -> None:
        self._clients, self._topic_arn, self._installation = clients, topic_arn, installation

    def send(self, delivery: Delivery) -> None:
        kind, attributes = delivery.notice.kind, self._attributes(delivery)
        size = _size(delivery.notice.text, attributes)
        if size > _MAX_BYTES:
            raise UnwantedNoticeError(f"its text has {size:,} bytes with attributes, and SNS takes {_MAX_BYTES:,}")
        fifo = {"MessageDeduplicationId": delivery.message_id, "MessageGroupId": kind}
        try:
            self._clients.sns.publish(
                TopicArn=self._topic_arn,
                Message=delivery.notice.text,
                Subject=f"faceline: {kind.replace('.', ' ')}"[:_MAX_SUBJECT],
                MessageAttributes=attributes,
                **(fifo if self._topic_arn.endswith(".fifo") else {}),
            )
        except ClientError as error:
            gone = TargetGoneError if code_of(error) in _GONE else NotToldError
            raise gone(f"SNS answered {code_of(error)}: {error.response['Error'].get('Message', '')}") from error
        except BotoCoreError as error:
            raise NotToldError(f"SNS was not reached: {error}") from error

    def idle(self) -> None:
        """boto3 opens a connection again when it was closed meanwhile."""

    def close(self) -> None:
        """The clients belong to whoever made them."""

    def _attributes(self, delivery: Delivery) -> dict[str, dict[str, str]]:
        notice = delivery.notice
        texts = {
            "kind": notice.kind,
            "message_id": delivery.message_id,
            "time": notice.time,
            "installation": self._installation,
        }
        found = {name: _attribute("String", text) for name, text in texts.items() if text}
        if notice.similarity is not None:
            found["similarity"] = _attribute("Number", repr(round(notice.similarity, 4)))
        data = {"data": _attribute("String", json.dumps(notice.data, ensure_ascii=False))} if notice.data else {}
        return found | data if _size(notice.text, found | data) <= _MAX_BYTES else found


def _attribute(kind: str, value: str) -> dict[str, str]:
    return {"DataType": kind, "StringValue": value}


def _size(text: str, attributes: dict[str, dict[str, Any]]) -> int:
    """Bytes, as SNS counts them: names, types and values of the attributes too."""
    parts = [text, *(part for name, each in attributes.items() for part in (name, *each.values()))]
    return sum(len(part.encode()) for part in parts)
