"""A client that asks an ASGI application with exactly the path, headers and body that a test gives."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Message

from faceline.app import App
from faceline.ports import ObjectInfo
from faceline.web.server import Handler, create

KEY = "the key in admin.key"
KNOWN = {"authorization": f"Bearer {KEY}"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    chunks_read: int = 0

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_problem(self, status: int, *words: str) -> bool:
        document = self.json
        told = all(word in document["detail"] for word in words)
        kind = self.headers["content-type"] == "application/problem+json"
        return self.status == status == document["status"] and kind and told and bool(document["title"])


@dataclass
class Client:
    """Calls the ASGI application with exactly the path and the headers that a test gives."""

    app: App
    announced: list[ObjectInfo] = field(default_factory=list)
    rekognition: Handler | None = None
    address: str = "127.0.0.1"  # of who asks
    reached: str = "127.0.0.1"  # our address that they came to
    announce: Callable[[ObjectInfo], object] | None = None  # instead of keeping them

    def __post_init__(self) -> None:
        self._web = create(self.app, KEY, self.announce or self.announced.append, self.rekognition)

    def ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        chunks: list[bytes | None] | None = None,
        query: bytes = b"",
    ) -> Answer:
        """chunks: of the body; None is a client that went away. query: as it stands in the URL."""
        given = {"host": "127.0.0.1:8765"} | (KNOWN if headers is None else headers)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
            "server": (self.reached, 8765),
            "client": (self.address, 50000),
        }
        return asyncio.run(self._call(scope, chunks or [b""]))

    async def _call(self, scope: dict[str, Any], chunks: list[bytes | None]) -> Answer:
        answer, waiting = Answer(0, {}, b""), list(chunks)

        async def receive() -> Message:
            chunk = waiting.pop(0) if waiting else None
            answer.chunks_read += 1
            if chunk is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        await self._web(scope, receive, send)
        return answer
