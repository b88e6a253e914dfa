"""up: the whole of faceline in one process, until it is told to stop."""

import errno
import ipaddress
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Annotated, Any

import typer
import uvicorn
from threadpoolctl import threadpool_limits

from faceline.app import App
from faceline.cli.options import CollectionName, Data, common
from faceline.cli.output import print_text
from faceline.config import Settings, url_of
from faceline.errors import ConflictError, StorageError, UsageError
from faceline.rekognition.endpoint import Endpoint
from faceline.web.protocol import BoundedProtocol
from faceline.web.server import create

_log = logging.getLogger("faceline.cli.up")
_LAST_REQUESTS_S = 3  # how long a slow upload may hold up the stopping


def register(app: typer.Typer) -> None:
    app.command()(up)


def up(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="8765 unless set, 0 picks a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 unless set.")] = None,
    worker: Annotated[bool, typer.Option("--worker", help="Only help another `up` with the work.")] = False,
    front: Annotated[bool, typer.Option("--front", help="Leave the work to `up --worker`.")] = False,
    data: Data = None,
    collection: CollectionName = None,
) -> None:
    """Run everything: HTTP, watched bucket folders, workers. Stops on SIGTERM or Ctrl-C, work in hand finished."""
    if worker and front:
        raise UsageError("--worker and --front exclude each other: one works, the other takes in what there is to do")
    settings = common(context).settings(data, collection, logging.INFO).with_(port=port, host=host)
    with App(settings) as app:
        app.actor = "up"
        if worker:
            with stop_signal() as stop, working(app):
                print_text(f"faceline works on {settings.data.resolve()}")
                sys.stdout.flush()
                stop()
            return
        serve(app, front)


def serve(app: App, front: bool = False) -> None:
    """Until SIGTERM or SIGINT. front: only HTTP, watched folders, and finding faces in frames; others do the work."""
    app.up_lock().check()  # before the port is taken, which the other one may hold too
    host = app.settings.host
    with closing(_listening(host, app.settings.port)) as listener, _locked(app, listener.getsockname()[1]):
        for prefix in (app.places.input_prefix, app.places.enroll_prefix):
            app.objects.make_bucket(app.places.bucket, prefix)
        for bucket in app.videos.names[:4]:
            app.objects.make_bucket(bucket)
        app.matching.make_buckets()
        app.objects.sweep()
        app.erasure.note_settings(app.actor)
        if app.erasure.journal.unfinished():
            _log.warning("an erasure was cut off; repeat `faceline forget` with the same name to finish it")
        app.frames.responses.sweep()
        watcher = app.watcher()
        app.access_keys.ensure_default()
        rekognition = Endpoint(app)
        web = create(app, app.admin_key(), watcher.announce, rekognition.answer)
        config = uvicorn.Config(
            web,
            http=BoundedProtocol,
            log_config=None,  # `telemetry` writes its lines as ours
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=_LAST_REQUESTS_S,
        )
        server = uvicorn.Server(config)
        with (
            closing(rekognition),
            stop_signal() as stop,
            working(app, front),
            _started(watcher),
            _serving(server, listener),
            closing(web.state.queues),  # first: who waits for messages would hold up the stopping
            closing(web.state.streams),
        ):
            url = url_of(host, listener.getsockname()[1])
            _warn_of_others(host)
            print_text(f"faceline is up: {url}, data in {app.settings.data.resolve()}")
            print_text(f"Log in there with the key in {app.settings.data.resolve() / 'admin.key'}")
            print_text(f"Rekognition clients: endpoint_url={url}, keys in {app.access_keys.path.resolve()}")
            if elsewhere := _elsewhere(app.settings, listener.getsockname()[1]):
                print_text(f"From other machines: {elsewhere}")
            sys.stdout.flush()
            stop()
            _log.info("stopping: finishing the work in hand")


@contextmanager
def working(app: App, idle: bool = False) -> Iterator[None]:
    """Workers in threads; on leaving each finishes the message it holds. idle: the models are loaded, nobody works."""
    stop = threading.Event()
    # Each thread works on a photo of its own: a matrix product that takes the other's core only makes both wait.
    threadpool_limits(1, "blas")
    app.analyzer()  # loads the models, or fails, before anybody is told that we are up
    workers = [] if idle else app.workers()
    threads = [
        threading.Thread(target=worker.run, args=(stop,), name=f"worker-{n}") for n, worker in enumerate(workers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def stop_signal() -> Iterator[Callable[[], None]]:
    """Yields a function that returns once SIGTERM or SIGINT came; on leaving the signals are as they were.

    A signal that comes while we are still starting counts too.
    """
    arrived = threading.Event()
    before = {number: signal.signal(number, lambda *_: arrived.set()) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop() -> None:
        while not arrived.wait(0.5):  # a bounded wait: on Windows an endless one would not be interrupted
            pass

    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _serving(server: uvicorn.Server, listener: socket.socket) -> Iterator[None]:
    # In a thread of its own uvicorn leaves the signals to us.
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http")
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        if not server.started:
            raise StorageError(f"the HTTP server did not start on {listener.getsockname()}; its message is above")
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _started(watcher: Any) -> Iterator[None]:
    watcher.start()
    try:
        yield
    finally:
        watcher.stop()


@contextmanager
def _locked(app: App, port: int) -> Iterator[None]:
    lock = app.up_lock()
    lock.acquire(port, app.settings.host)
    try:
        yield
    finally:
        lock.release()


def _elsewhere(settings: Settings, port: int) -> str:
    """Where people at other machines find it; empty where it listens to this one only, or that is not known."""
    if settings.public_url or settings.host not in ("0.0.0.0", "::"):  # noqa: S104 (nothing is bound here)
        return settings.public_url
    family, far = (socket.AF_INET6, "2001:db8::1") if ":" in settings.host else (socket.AF_INET, "192.0.2.1")
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asked:
        asked.connect((far, 9))  # sends nothing: by which of our addresses it would go
        return url_of(asked.getsockname()[0], port)
    return ""


def _warn_of_others(host: str) -> None:
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    if host != "localhost":
        _log.warning(
            "other machines reach %s, and there is no TLS: keys, photos and names can be read on the way. "
            "Put a reverse proxy before it: docs/how-to/put-behind-a-reverse-proxy.md",
            host,
        )


def _listening(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise UsageError(f"host {host}: {error.strerror}; choose an address of this machine with --host") from error
    family, _, _, _, address = found[0]
    # With the protocol's name asyncio turns Nagle's algorithm off; without, every answer takes 40 ms longer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen()  # now, so that of two that start together only one gets the port
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"host {host} is no address of this machine; choose one with --host") from error
        raise ConflictError(
            f"port {port} on {host} is taken ({error.strerror}); stop what listens there, or choose another with --port"
        ) from error
    return listener
