"""Whom the suite talks to, and clients of it that look at every answer before botocore parses it."""

from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import OperationModel

from conformance.shapes import problems_of_response

Client = Any  # boto3 makes the classes of its clients when it runs
Arguments = dict[str, Any]

_ONCE = Config(retries={"total_max_attempts": 1})


@dataclass(frozen=True)
class Service:
    """endpoint_url: of our server; None for AWS."""

    session: boto3.Session
    endpoint_url: str | None

    @property
    def aws(self) -> bool:
        return self.endpoint_url is None

    def client(self, config: Config | None = None) -> Client:
        """Of ours, one that never asks twice; at AWS botocore's own retries stay, since AWS throttles."""
        settings = (Config() if self.aws else _ONCE).merge(config or Config())
        client = self.session.client("rekognition", endpoint_url=self.endpoint_url, config=settings)
        # AWS answers what its model's bounds forbid with a code that the model does not name.
        others = frozenset({"ValidationException"} if self.aws else ())

        def check(operation_model: OperationModel, response_dict: dict[str, Any], **_: object) -> None:
            wrong = problems_of_response(operation_model, response_dict, others)
            assert not wrong, f"{operation_model.name}: " + "; ".join(wrong)

        client.meta.events.register("before-parse.rekognition", check)
        return client

    def with_keys(self, access_key_id: str, secret: str) -> "Service":
        session = boto3.Session(access_key_id, secret, region_name=self.session.region_name)
        return Service(session, self.endpoint_url)


def refusal(client: Client, operation: str, arguments: Arguments) -> ClientError:
    """The error that this call must raise, as the class that the client has for its code."""
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**arguments)
    error = caught.value
    assert type(error) is client.exceptions.from_code(code_of(error))
    return error


def code_of(error: ClientError) -> str:
    code: str = error.response["Error"]["Code"]
    return code
