"""The HTTP interface on a real port, in this process."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from faceline.app import App
from faceline.web.protocol import BoundedProtocol
from faceline.web.server import Handler, create

KEY = "the key in admin.key"


@contextmanager
def serving(app: App, key: str = KEY, port: int = 0, rekognition: Handler | None = None) -> Iterator[str]:
    """Gives the URL. port: 0 picks a free one. rekognition: answers the Rekognition API."""
    web = create(app, key, lambda _: None, rekognition)
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else answers wait 40 ms for the client's ACK
        config = uvicorn.Config(
            web, http=BoundedProtocol, log_level="warning", lifespan="off", timeout_graceful_shutdown=3
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            web.state.queues.close()
            web.state.streams.close()
            server.should_exit = True
            thread.join()


def client(url: str, key: str = KEY) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False)
