"""boto3's clients as every adapter here needs them, and AWS's errors said in faceline's words at this one place.

Where a service is, boto3 itself is told: `AWS_ENDPOINT_URL`, or `AWS_ENDPOINT_URL_S3` and its like for one service
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html); keys and region as for every AWS tool. The
region may be in `AWS_REGION`, too, which AWS's other tools read and boto3 does not; it goes first, as with them.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Literal

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from faceline.errors import StorageError

Client = Any  # boto3's clients are made at run time and have no types

_ADVICE = {
    "AccessDenied": "its role or user may not do that; give it the permission that the message names",
    "AccessDeniedException": "its role or user may not do that; give it the permission that the message names",
    "AuthorizationError": "its role or user may not do that; give it the permission that the message names",
    "InvalidClientTokenId": "the access key is not known; check AWS_ACCESS_KEY_ID",
    "InvalidAccessKeyId": "the access key is not known; check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret key is wrong; check AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "the session has expired; log in again",
    "ExpiredTokenException": "the session has expired; log in again",
    "NoSuchBucket": "there is no such bucket; deploy the template, or set the bucket's name",
    "ResourceNotFoundException": "there is no such table or function; deploy the template, or set its name",
    "QueueDoesNotExist": "there is no such queue; deploy the template, or set its name",
    "AWS.SimpleQueueService.NonExistentQueue": "there is no such queue; deploy the template, or set its name",
    "ProvisionedThroughputExceededException": "the table is asked too often; try again, or use on-demand capacity",
    "ThrottlingException": "AWS is asked too often; try again",
    "SlowDown": "S3 is asked too often; try again",
}


class Clients:
    """One of each service in a process, made when first needed; threads may share them.

    s3_addressing: `path` for stores that do not know buckets as host names.
    """

    def __init__(self, s3_addressing: Literal["auto", "path", "virtual"] = "auto") -> None:
        self._addressing = s3_addressing
        self._lock = threading.RLock()
        self._made: dict[str, Client] = {}

    @property
    def s3(self) -> Client:
        return self._client("s3")

    @property
    def sqs(self) -> Client:
        return self._client("sqs")

    @property
    def dynamodb(self) -> Client:
        return self._client("dynamodb")

    @property
    def sns(self) -> Client:
        return self._client("sns")

    @property
    def functions(self) -> Client:
        return self._client("lambda")

    @property
    def rekognition(self) -> Client:
        return self._client("rekognition")

    @cached_property
    def _session(self) -> Session:
        """botocore's: boto3's would load its transfers of files, a tenth of a cold start, for nothing."""
        return Session()

    def _client(self, service: str) -> Client:
        with self._lock, said(service):
            if service not in self._made:
                config = Config(
                    retries={"mode": "standard", "max_attempts": 5},
                    connect_timeout=5,
                    read_timeout=60,
                    max_pool_connections=32,
                    s3={"addressing_style": self._addressing},
                    # By default newer botocore sends checksums that S3-compatible stores may refuse.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                )
                region = os.environ.get("AWS_REGION") or None
                self._made[service] = self._session.create_client(service, region, config=config)
            return self._made[service]


def code_of(error: ClientError) -> str:
    """AWS's own name of an error, such as `ConditionalCheckFailedException`, or `404` for a HEAD of nothing."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def said(what: str) -> Iterator[None]:
    """Errors of AWS as StorageError with what to do. what: which table, queue or object was used, for the message."""
    try:
        yield
    except ClientError as error:
        advice = _ADVICE.get(code_of(error), "see what AWS says")
        raise StorageError(f"cannot use {what}: {advice} ({error})") from error
    except BotoCoreError as error:
        raise StorageError(f"cannot use {what}: {error}; check AWS_ENDPOINT_URL, the region and the keys") from error
