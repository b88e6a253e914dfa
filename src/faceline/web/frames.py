"""`POST /frames`: a frame in, its face into the request queue."""

import asyncio
import tempfile
from functools import cached_property
from http import HTTPStatus
from typing import IO, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from faceline.app import App
from faceline.loading import worker_count
from faceline.pipelines.frames import COMPLETED
from faceline.web.uploads import IN_MEMORY, in_hand, received


class Frames:
    """As many frames at once as there are workers; the others wait, on disk when they are large."""

    def __init__(self, app: App) -> None:
        self._app = app

    def routes(self) -> list[Route]:
        return [Route("/frames", self.post, methods=["POST"])]

    async def post(self, request: Request) -> Response:
        limit = self._app.settings.max_upload_bytes
        with in_hand(request), tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
            if not await received(request, file, limit):
                error = f"the body is larger than {limit} bytes; raise max_upload_bytes or send a smaller frame"
                return JSONResponse({"error": error}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"Connection": "close"})
            async with self._turns:
                answer = await run_in_threadpool(self._answer, file)
        if isinstance(answer, list):
            return JSONResponse(answer)
        if answer["body"] == COMPLETED:
            return PlainTextResponse(answer["body"])
        return Response(answer["body"], answer["statusCode"], media_type="application/json")

    @cached_property
    def _turns(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(worker_count(self._app.settings))

    def _answer(self, file: IO[bytes]) -> dict[str, Any] | list[dict[str, Any]]:
        return self._app.frames.detection().handle_json(file.read())
