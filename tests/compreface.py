"""A server that speaks what CompreFace's REST API documents of listing and downloading saved examples.

https://github.com/exadel-inc/CompreFace/blob/master/docs/Rest-API-description.md
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEY = "00000000-0000-0000-0000-000000000002"


@dataclass
class Examples:
    """photos: image ids with subjects and bytes; no bytes: the photo was not kept. paged: as since version 0.6.

    said: what the list says instead, page after page. pause_s: before each byte of a photo.
    """

    photos: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    paged: bool = True
    asked: list[str] = field(default_factory=list)
    said: Callable[[int], str] | None = None
    pause_s: float = 0.0

    def add(self, subject: str, photo: bytes) -> str:
        image_id = str(uuid.uuid4())
        self.photos[image_id] = (subject, photo)
        return image_id


@contextmanager
def serving(examples: Examples) -> Iterator[str]:
    """Yields the server's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            examples.asked.append(self.path)
            if self.headers.get("x-api-key") != KEY:
                self._send(401, b'{"message": "API key is not valid", "code": 1}')
                return
            parts = urlsplit(self.path)
            inner = parts.path.removeprefix("/api/v1/recognition/faces")
            if inner == parts.path:
                self._send(404, b"")
            elif inner in ("", "/"):
                self._send(200, self._listed(parse_qs(parts.query)))
            else:
                image_id = inner.removeprefix("/").removesuffix("/img")
                self._send(200, examples.photos[image_id][1] if image_id in examples.photos else b"")

        def _listed(self, query: dict[str, list[str]]) -> bytes:
            if examples.said:
                return examples.said(int(query["page"][0])).encode()
            faces = [{"image_id": image_id, "subject": s} for image_id, (s, _) in examples.photos.items()]
            if not examples.paged:
                return json.dumps({"faces": faces}).encode()
            page, size = (int(query.get(key, [default])[0]) for key, default in (("page", "0"), ("size", "20")))
            pages = -(-len(faces) // size)
            document = {
                "faces": faces[page * size : (page + 1) * size],
                "page_number": page,
                "page_size": size,
                "total_pages": pages,
                "total_elements": len(faces),
            }
            return json.dumps(document).encode()

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for part in (body[n : n + 1] for n in range(len(body))) if examples.pause_s else (body,):
                time.sleep(examples.pause_s)
                with suppress(OSError):  # the client may have gone
                    self.wfile.write(part)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its own name)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
