"""Logs: one line an event, for people or as JSON. Everything else logs through `logging.getLogger("faceline…")`.

Every line that is written while somebody is `following` a request says which one.
"""

import json
import logging
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

# What may stand in any log, header and URN as it is.
_SAFE = re.compile(r"[A-Za-z0-9._~:=@/+-]{1,128}")
_FOLLOWED: ContextVar[str] = ContextVar("request_id", default="")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """time (UTC ISO 8601), level, logger, message, and whatever the call gave as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= _extras(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """`12:30:01 INFO message  key=value …`"""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        extras = "".join(f"  {name}={value}" for name, value in _extras(record).items())
        text = f"{time} {record.levelname:<7} {record.getMessage()}{extras}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure(
    log_format: str = "text",
    level: int = logging.INFO,
    stream: TextIO | None = None,
    also: Callable[[logging.LogRecord], bool] | None = None,
) -> None:
    """Sends the logs of faceline, and the warnings of its HTTP server, to `stream` (standard error), replacing what an
    earlier call set up. also: a filter that every line passes, to add to it what the process knows.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    handler.addFilter(followed)
    if also:
        handler.addFilter(also)
    for name, least in (("faceline", level), ("uvicorn", max(level, logging.WARNING))):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(least)
        logger.propagate = False


def new_request_id() -> str:
    return uuid.uuid4().hex


def request_id() -> str:
    """Of the request that is followed here; empty outside of one."""
    return _FOLLOWED.get()


@contextmanager
def following(request_id: str) -> Iterator[str]:
    """Within the block, log lines and what is sent on carry this id. One that is empty, or that is not up to 128 safe
    characters, is replaced by a new one. Yields the id. A new thread needs the context of the one that starts it.
    """
    used = request_id if _SAFE.fullmatch(request_id) else new_request_id()
    token = _FOLLOWED.set(used)
    try:
        yield used
    finally:
        _FOLLOWED.reset(token)


def followed(record: logging.LogRecord) -> bool:
    """A filter of handlers that lets everything pass, with its `request_id`, unless the line has one of its own."""
    if _FOLLOWED.get() and not hasattr(record, "request_id"):
        record.request_id = _FOLLOWED.get()
    return True


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}
