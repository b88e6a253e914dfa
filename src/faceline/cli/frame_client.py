"""A client of `POST /frames` that is told of the answers by server-sent events."""

import base64
import json
import threading
import time
import uuid
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from faceline.errors import FacelineError, InputError, UsageError

if TYPE_CHECKING:
    import httpx

_AGAIN_S = 0.5
_POST_S = 60.0
_SILENCE_S = 40.0  # the server says every 15 s that it is there


class UnansweredError(InputError):
    """No answer within the time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """seconds: from the sending to the answer's arrival."""

    request_id: str
    result: str
    seconds: float


class FrameClient:
    """Shared by threads at will. queue: where the answers come. timeout_s: for each answer, with all repetitions.

    A server that goes away for a while is asked again, with the same request_id: there is one answer all the same.
    """

    def __init__(self, url: str, key: str, queue: str, timeout_s: float) -> None:
        import httpx  # noqa: PLC0415 (other commands start faster without)

        self._timeout_s = timeout_s
        self._queue = f"/queues/{queue}"
        if not key.isascii():
            raise UsageError("--key has characters that no key has; it is in the data directory's admin.key")
        headers = {"Authorization": f"Bearer {key}"}
        timeout = httpx.Timeout(_POST_S, read=_SILENCE_S)
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, trust_env=False)
        except (httpx.InvalidURL, ValueError) as error:
            raise InputError(f"{url!r} is no address of a server: {error}") from error
        self._errors = (httpx.RequestError, httpx.StreamError)
        self._changed = threading.Condition()
        self._asked: set[str] = set()
        self._told: dict[str, tuple[str, str, float]] = {}  # by request_id: message_id, result, when
        self._listening, self._refused, self._stopped = False, "", False
        self._last_id: str | None = None
        self._listener = threading.Thread(target=self._listen, name="frame-answers", daemon=True)

    def __enter__(self) -> Self:
        """Raises FacelineError when nobody is there."""
        try:
            self._http.get("/healthz")
        except self._errors as error:
            raise FacelineError(
                f"no server answers at {self._http.base_url}: {error}; is faceline up there?"
            ) from error
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._http.close()

    def stop(self) -> None:
        """Whoever waits gets UnansweredError."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def ask(self, filename: str, content: bytes) -> Answer:
        """Raises InputError for a frame that is refused, UnansweredError, and FacelineError when we are refused."""
        request_id, deadline = uuid.uuid4().hex, time.monotonic() + self._timeout_s
        self._wait(lambda: self._listening, deadline, "the server does not tell of answers")
        frame = {"request_id": request_id, "content": base64.b64encode(content).decode(), "filename": filename}
        self._asked.add(request_id)
        started = time.monotonic()
        self._post(frame, deadline)
        self._wait(lambda: request_id in self._told, deadline, f"no answer within {self._timeout_s:g} s")
        message_id, result, at = self._told.pop(request_id)
        self._delete(message_id)
        return Answer(request_id, result, at - started)

    def _post(self, frame: dict[str, str], deadline: float) -> None:
        while True:
            try:
                response = self._http.post("/frames", json=frame)
            except self._errors as error:
                problem = str(error) or type(error).__name__
            else:
                if response.status_code == 200:
                    return
                if response.status_code not in (502, 503):
                    raise InputError(_said(response))
                problem = _said(response)
            if time.monotonic() + _AGAIN_S > deadline or self._stopped:
                raise UnansweredError(f"the server does not take it: {problem}")
            time.sleep(_AGAIN_S)

    def _delete(self, message_id: str) -> None:
        try:
            self._http.delete(f"{self._queue}/messages/{message_id}")
        except self._errors:
            return  # the queue's own time limit deletes it

    def _wait(self, condition: Any, deadline: float, otherwise: str) -> None:
        with self._changed:
            reached = self._changed.wait_for(
                lambda: condition() or self._stopped or self._refused, deadline - time.monotonic()
            )
            if self._refused:
                raise FacelineError(self._refused)
            if not reached or not condition():
                raise UnansweredError(otherwise)

    def _listen(self) -> None:
        while not self._stopped:
            try:
                self._follow()
            except self._errors:
                time.sleep(_AGAIN_S)
            except (RuntimeError, ValueError, KeyError) as error:
                if not self._stopped:  # else the connection was closed under us
                    self._refuse(f"the server does not speak as faceline does: {error}")
                return

    def _follow(self) -> None:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self._last_id} if self._last_id else {})
        with self._http.stream("GET", f"{self._queue}/events", headers=headers) as response:
            if response.status_code != 200:
                response.read()
                self._refuse(_said(response))
                return
            with self._changed:
                self._listening = True
                self._changed.notify_all()
            number = self._last_id
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    number = value
                elif name == "data":
                    self._take(json.loads(value))
                elif not line:
                    self._last_id = number

    def _take(self, message: dict[str, str]) -> None:
        try:
            document = json.loads(message["body"])
            request_id, result = str(document["request_id"]), str(document["result"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return  # somebody else's message, in words of their own
        with self._changed:
            if request_id not in self._asked:
                return
            self._told[request_id] = (message["message_id"], result, time.monotonic())
            self._changed.notify_all()

    def _refuse(self, problem: str) -> None:
        with self._changed:
            self._refused, self._stopped = problem, True
            self._changed.notify_all()


def _said(response: "httpx.Response") -> str:
    """What an answer that is no success says of it."""
    try:
        document = response.json()
        return str(document.get("error") or document.get("detail") or document)
    except (ValueError, AttributeError):
        return f"{response.status_code} {response.reason_phrase}"
