"""Requests to the Rekognition API, signed by botocore, to an application in this process."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from asgi import Answer, Client
from faceline.access_keys import AccessKey
from faceline.app import App
from faceline.rekognition.endpoint import Endpoint

URL = "http://127.0.0.1:8765/"


def signed_headers(operation: str, body: bytes, key: AccessKey) -> dict[str, str]:
    headers = {"X-Amz-Target": f"RekognitionService.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", URL, headers, body)
    SigV4Auth(Credentials(key.access_key_id, key.secret), "rekognition", "us-east-1").add_auth(request)
    return {"host": "127.0.0.1:8765"} | {name.lower(): value for name, value in request.headers.items()}


@dataclass
class Rekognition:
    """now: the server's time."""

    app: App
    now: datetime | None = None

    def __post_init__(self) -> None:
        self.app.access_keys.ensure_default()
        self.key = self.app.access_keys.list()[0]
        self.endpoint = Endpoint(self.app, lambda: self.now or datetime.now(UTC))
        self._client = Client(self.app, rekognition=self.endpoint.answer)

    def ask(self, operation: str, body: bytes | dict[str, Any], key: AccessKey | None = None) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(signed_headers(operation, raw, key or self.key), raw)

    def send(self, headers: dict[str, str], *chunks: bytes) -> Answer:
        length = {"content-length": str(sum(map(len, chunks)))}
        return self._client.ask("POST", "/", length | headers, list(chunks))
