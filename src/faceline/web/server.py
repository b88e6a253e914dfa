"""The HTTP interface: photos in, results out. Everything that touches storage runs in threads."""

import re
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, BinaryIO, cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from faceline.api_keys import ApiScope, Caller
from faceline.app import App
from faceline.errors import FacelineError, NotFoundError, UsageError
from faceline.ports import ObjectInfo, RecordQuery
from faceline.web import operations, pages, uploads
from faceline.web.access import Access
from faceline.web.api.operations import OPERATIONS
from faceline.web.docs_page import DocsPage
from faceline.web.frames import Frames
from faceline.web.login import Login
from faceline.web.metrics import Metrics
from faceline.web.origins import Origins
from faceline.web.problems import faceline_error, gone, http_error, problem
from faceline.web.queues import Queues
from faceline.web.readiness import obstacles
from faceline.web.served import SERVED
from faceline.web.sessions import Callers
from faceline.web.streams import Streams
from faceline.web.tracing import Tracing
from faceline.web.uploads import IN_MEMORY, in_hand, received

Handler = Callable[[Request], Awaitable[Response]]
_QUERY = ("image", "person", "since", "until", "status")


def create(app: App, key: str, announce: Callable[[ObjectInfo], Any], rekognition: Handler | None = None) -> Starlette:
    """key: the admin key. announce: called with each uploaded object that starts work.

    rekognition: answers `POST /`, which carries signatures of its own instead of the key; None: nobody does. What it
    gives has `state.queues` and `state.streams`, whose `close` ends the requests that wait for news.
    """
    endpoints = _Endpoints(app, announce)
    # First: its clients send many small requests, and each passes by all routes before its own.
    routes: list[BaseRoute] = [Route("/", rekognition, methods=["POST"])] if rekognition else []
    routes += [
        Route("/healthz", endpoints.health),
        Route("/readyz", endpoints.ready),
        Route("/records", endpoints.records),
        Route("/buckets/{bucket}", endpoints.list_objects),
        Route("/buckets/{bucket}/{key:path}", endpoints.get_object, methods=["GET"]),
        Route("/buckets/{bucket}/{key:path}", endpoints.put_object, methods=["PUT"]),
        Route("/buckets/{bucket}/{key:path}", endpoints.delete_object, methods=["DELETE"]),
    ]
    queues = Queues(app)
    routes += [*Frames(app).routes(), *queues.routes()]
    streams = Streams(app)
    routes += [*streams.routes(), *operations.routes(OPERATIONS, app)]
    metrics = Metrics(app)
    routes.append(Route("/metrics", metrics.metrics))
    templates, callers = pages.Templates(), Callers(app, key)
    routes += [*pages.routes(app, templates), *Login(app, callers, templates).routes()]
    routes += DocsPage(app, templates, (*OPERATIONS, *SERVED)).routes()
    handlers = {FacelineError: faceline_error, HTTPException: http_error, ClientDisconnect: gone}
    middleware = [
        Middleware(Tracing, observe=metrics.observe),
        Middleware(Access, callers=callers, origins=Origins.of(app.settings)),
    ]
    starlette = Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)
    starlette.state.queues, starlette.state.streams = queues, streams
    starlette.state.uploads = uploads.seats()
    return starlette


class _Endpoints:
    def __init__(self, app: App, announce: Callable[[ObjectInfo], Any]) -> None:
        self._app, self._announce = app, announce

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        in_the_way = await run_in_threadpool(obstacles, self._app)
        if in_the_way:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "; ".join(in_the_way))
        depth = await run_in_threadpool(self._app.queue.depth)
        return JSONResponse({"status": "ready", "queue": depth})

    async def records(self, request: Request) -> Response:
        given = request.query_params
        unknown = set(given) - {*_QUERY, "limit"}
        if unknown:
            raise UsageError(f"unknown parameter {sorted(unknown)[0]}; there are {', '.join(_QUERY)} and limit")
        image, person, since, until, status = (given.get(name) for name in _QUERY)
        query = RecordQuery(image, person, since, until, status, _limit(given.get("limit", "1000")))
        found = await run_in_threadpool(self._app.records.query, query)
        return JSONResponse([asdict(record) for record in found])

    async def list_objects(self, request: Request) -> Response:
        bucket, prefix = request.path_params["bucket"], request.query_params.get("prefix", "")
        infos = await run_in_threadpool(lambda: list(self._app.objects.list(bucket, prefix)))
        return JSONResponse([asdict(info) for info in infos])

    async def get_object(self, request: Request) -> Response:
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        info = await run_in_threadpool(self._app.objects.head, bucket, key)
        kind = "application/json" if key.endswith(".json") else "application/octet-stream"
        # nosniff and attachment: an uploaded page must never run as one of ours.
        headers = {
            "ETag": f'"{info.etag}"',
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "attachment",
        }
        return StreamingResponse(self._app.objects.stream(bucket, key), media_type=kind, headers=headers)

    async def put_object(self, request: Request) -> Response:
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        with in_hand(request), tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
            if not await received(request, file, self._app.settings.max_upload_bytes):
                limit = f"{self._app.settings.max_upload_bytes} bytes; raise max_upload_bytes or send a smaller file"
                detail = f"{key}: larger than {limit}"
                return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, {"Connection": "close"})
            refusal = await run_in_threadpool(self._refusal, request.state.caller, bucket, key)
            if refusal:
                return problem(HTTPStatus.FORBIDDEN, refusal)
            info = await run_in_threadpool(self._app.objects.put, bucket, key, cast(BinaryIO, file))
        if self._app.starts_work(bucket, key):
            await run_in_threadpool(self._announce, info)
        return JSONResponse(asdict(info), HTTPStatus.CREATED)

    def _refusal(self, caller: Caller, bucket: str, key: str) -> str | None:
        """Why somebody may not put a file in here. Who cannot delete must not get round that by replacing."""
        if caller.scope.covers(ApiScope.ADMIN):
            return None
        if not self._app.starts_work(bucket, key) or bucket == self._app.settings.names.embeddings:
            return f"{bucket}/{key} is no place for photos or clips; {caller.name} needs a key of scope admin for it"
        try:
            self._app.objects.head(bucket, key)
        except NotFoundError:
            return None
        return f"{bucket}/{key} is there already; replacing it needs a key of scope admin, or choose another name"

    async def delete_object(self, request: Request) -> Response:
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        await run_in_threadpool(self._app.delete_object, bucket, key)
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _limit(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,5}", text) or int(text) > 100_000:
        raise UsageError(f"limit must be a number from 1 to 100000, not {text[:20]!r}")
    return int(text)
