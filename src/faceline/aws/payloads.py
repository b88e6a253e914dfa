"""Bodies that SQS does not take, kept in the work bucket while the message carries where they are.

The bucket's lifecycle deletes what writers that died left under `queues/`.
"""

import json
import re

from faceline.aws.clients import Clients
from faceline.aws.objects import S3Objects
from faceline.errors import InputError, NotFoundError, StorageError

MAX_BODY_BYTES = 200_000  # SQS takes 256 KiB with the attributes, and so does Lambda of one record
_MAX_PAYLOAD_BYTES = 1 << 30
# All that SQS takes. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_TAKEN = re.compile("[\\t\\n\\r -\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]+")


class LostPayloadError(StorageError):
    """The body of a message is not where the message says that it is, or is no text."""


class Payloads:
    """queue: whose messages they are; a message can name no other object of the bucket."""

    def __init__(self, clients: Clients, bucket: str, queue: str) -> None:
        self._objects, self._bucket = S3Objects(clients), bucket
        self._folder = f"queues/{queue}/"

    def put(self, message_id: str, body: str) -> str:
        """The body's key, when SQS would not take it: too large, empty, or with control characters; else empty."""
        if _TAKEN.fullmatch(body) and len(body.encode()) <= MAX_BODY_BYTES:
            return ""
        key = f"{self._folder}{message_id}"
        self._objects.put(self._bucket, key, body.encode())
        return key

    def pointer(self, key: str) -> str:
        """The message's body in its place, for people."""
        return json.dumps({"body_is_at": f"s3://{self._bucket}/{key}"})

    def read(self, key: str) -> str:
        """Raises LostPayloadError when the key is none of this queue's, or its object is gone, no text or too large."""
        if not key.startswith(self._folder):
            raise LostPayloadError(f"a message has its body at {key!a}, where no body of its queue is; discard it")
        try:
            return self._objects.get(self._bucket, key, _MAX_PAYLOAD_BYTES)[1].decode()
        except NotFoundError as error:
            raise LostPayloadError(f"a message's body is gone from {self._bucket}/{key}; discard it") from error
        except (InputError, UnicodeDecodeError) as error:
            raise LostPayloadError(f"a message's body at {key!a} cannot be read ({error}); discard it") from error

    def delete(self, key: str, message_id: str) -> None:
        """Only the body of this message: what others sent may name another's."""
        if key == f"{self._folder}{message_id}":
            self._objects.delete(self._bucket, key)
