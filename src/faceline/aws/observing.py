"""What a function says of itself: log lines as everywhere in faceline, and metrics in CloudWatch's embedded format.

The lines are `telemetry.JsonFormatter`'s, with Lambda's `function_name`, `function_request_id` and `cold_start` added
under the names that Powertools has for them. Its Logger is not used: that calls the time and the place of a line
otherwise, and one question would be asked in two ways of the two profiles. The metrics are Powertools'
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
namespace `faceline`, dimension `function`; `photos` (or clips, frames, messages: what the function works on), `faces`,
`errors`, `dead_letters`, and `latency_ms`, the work on one of them.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from logging import LogRecord
from typing import Any, Protocol, TextIO, TypeVar

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from faceline.telemetry import configure, following

NAMESPACE = "faceline"
_FAILED = 500  # of HTTP, and greater
_BAD = frozenset({"error", "refused"})

T = TypeVar("T")
R = TypeVar("R")


class Context(Protocol):
    """What Lambda tells a handler of the invocation (docs.aws.amazon.com/lambda/latest/dg/python-context.html)."""

    @property
    def aws_request_id(self) -> str: ...

    @property
    def function_name(self) -> str: ...

    def get_remaining_time_in_millis(self) -> int: ...


class Invocation:
    """Counts what one invocation does."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._metrics = AmazonCloudWatchEMFProvider(
            namespace=NAMESPACE, default_dimensions={"function": context.function_name}
        )

    def left_s(self) -> float:
        """Until Lambda ends it, in seconds."""
        return self._context.get_remaining_time_in_millis() / 1000

    def count(self, name: str, number: float = 1) -> None:
        self._metrics.add_metric(name, "Count", number)

    def counting(self, work: Callable[[T], R]) -> Callable[[T], R]:
        """The same work, with its time, its faces and its failures counted."""

        def counted(asked: T) -> R:
            started = time.perf_counter()
            try:
                result = work(asked)
            except Exception:
                self.count("errors")
                raise
            finally:
                latency_ms = round((time.perf_counter() - started) * 1000, 1)
                self._metrics.add_metric("latency_ms", "Milliseconds", latency_ms)
            self._count_result(result)
            return result

        return counted

    def publish(self) -> None:
        """Prints what was counted, for CloudWatch Logs to read."""
        if self._metrics.metric_set:
            self._metrics.flush_metrics()

    def _count_result(self, result: object) -> None:
        for each in result if isinstance(result, list) else [result]:
            said: Mapping[str, Any] = each if isinstance(each, dict) else {}
            self.count("photos")
            if isinstance(said.get("faces"), int):
                self.count("faces", said["faces"])
            if said.get("status") in _BAD or said.get("statusCode", 0) >= _FAILED:
                self.count("errors")


class Observing:
    """One for a process, made when it starts: from then on its logs are JSON lines. stream: standard output."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._cold = True
        self._facts: Mapping[str, object] = {}
        configure("json", stream=stream or sys.stdout, also=self._say)

    @contextmanager
    def invocation(self, context: Context) -> Iterator[Invocation]:
        """Within the block, lines say whose they are, and follow Lambda's request where they follow no other."""
        self._facts = {
            "function_name": context.function_name,
            "function_request_id": context.aws_request_id,
            "cold_start": self._cold,
        }
        self._cold = False
        invocation = Invocation(context)
        try:
            with following(context.aws_request_id):
                yield invocation
        finally:
            invocation.publish()

    def _say(self, record: LogRecord) -> bool:
        vars(record).update(self._facts)  # one invocation at a time: Lambda gives a process no second
        return True
