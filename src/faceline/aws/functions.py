"""Calls of Lambda functions that nobody waits for."""

import json
from collections.abc import Mapping
from typing import Any

from faceline.aws.clients import Clients, said


class Functions:
    """Asynchronous invocation: Lambda queues the event, tries a failed one again, and then tells its destination.

    https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def start(self, name: str, payload: Mapping[str, Any]) -> None:
        """name: of the function, or its ARN. Raises StorageError where Lambda does not take it."""
        with said(f"the function {name}"):
            self._clients.functions.invoke(
                FunctionName=name, InvocationType="Event", Payload=json.dumps(dict(payload)).encode()
            )
