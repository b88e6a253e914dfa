"""What a function says of itself: log lines, and metrics in the embedded format."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from faceline.aws.observing import Invocation, Observing
from faceline.telemetry import configure, following

LAMBDAS = {"function_name", "function_request_id", "cold_start"}


@dataclass(frozen=True)
class Context:
    aws_request_id: str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    function_name: str = "faceline-image-ingestion"

    def get_remaining_time_in_millis(self) -> int:
        return 2500


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    found = [logging.getLogger(name) for name in ("faceline", "uvicorn")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in found]
    yield
    for logger, state in zip(found, before, strict=True):
        logger.handlers[:], logger.level, logger.propagate = state


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def metrics(printed: str) -> dict[str, Any]:
    (line,) = printed.splitlines()
    document: dict[str, Any] = json.loads(line)
    return document


def test_a_line_has_the_fields_of_a_local_line_and_lambdas_own(stream: io.StringIO) -> None:
    log, local = logging.getLogger("faceline.pipelines.images"), io.StringIO()
    configure("json", stream=local)
    with following("abc"):
        log.info("photo done", extra={"key": "input/a.jpg", "faces": 2})
    with Observing(stream).invocation(Context()), following("abc"):
        log.info("photo done", extra={"key": "input/a.jpg", "faces": 2})
    (here,), (there,) = lines(local), lines(stream)
    assert there.keys() - here.keys() == LAMBDAS
    assert {name: there[name] for name in here if name != "time"} == {n: here[n] for n in here if n != "time"}
    assert there["function_name"] == "faceline-image-ingestion"
    assert there["function_request_id"] == "8476a536-e9f4-11e8-9739-2dfe598c3fcd"


def test_an_exception_is_one_line(stream: io.StringIO) -> None:
    with Observing(stream).invocation(Context()):
        try:
            int("no number")
        except ValueError:
            logging.getLogger("faceline.aws").exception("frame failed")
    (line,) = lines(stream)
    assert line["exception"].splitlines()[-1] == "ValueError: invalid literal for int() with base 10: 'no number'"


def test_only_the_first_invocation_of_a_process_is_cold(stream: io.StringIO) -> None:
    observing, log = Observing(stream), logging.getLogger("faceline.aws")
    for number in range(3):
        with observing.invocation(Context(aws_request_id=str(number))):
            log.info("here")
    assert [(line["cold_start"], line["function_request_id"]) for line in lines(stream)] == [
        (True, "0"),
        (False, "1"),
        (False, "2"),
    ]


def test_what_follows_no_request_follows_lambdas(stream: io.StringIO) -> None:
    with Observing(stream).invocation(Context()):
        logging.getLogger("faceline.aws").info("here")
    assert lines(stream)[0]["request_id"] == Context().aws_request_id


def test_metrics_are_printed_once_in_the_embedded_format(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with Observing(stream).invocation(Context()) as invocation:
        work = invocation.counting(lambda faces: {"status": "done", "faces": faces})
        assert work(2) == {"status": "done", "faces": 2}
        work(1)
        invocation.count("dead_letters")
    document = metrics(capsys.readouterr().out)
    (told,) = document["_aws"]["CloudWatchMetrics"]
    assert (told["Namespace"], told["Dimensions"]) == ("faceline", [["function"]])
    assert {each["Name"]: each["Unit"] for each in told["Metrics"]} == {
        "photos": "Count",
        "faces": "Count",
        "dead_letters": "Count",
        "latency_ms": "Milliseconds",
    }
    assert document["function"] == "faceline-image-ingestion"
    assert (document["photos"], document["faces"], document["dead_letters"]) == ([1.0, 1.0], [2.0, 1.0], [1.0])
    assert len(document["latency_ms"]) == 2


def test_failures_are_counted_as_errors_and_raised(stream: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(asked: int) -> None:
        raise ZeroDivisionError

    with Observing(stream).invocation(Context()) as invocation:
        with pytest.raises(ZeroDivisionError):
            invocation.counting(fail)(1)
        invocation.counting(lambda _: {"status": "error", "reason": "no picture"})(1)
        invocation.counting(lambda _: [{"statusCode": 200}, {"statusCode": 502}, {"statusCode": 400}])(1)
    document = metrics(capsys.readouterr().out)
    assert document["errors"] == [1.0, 1.0, 1.0]
    assert document["photos"] == [1.0, 1.0, 1.0, 1.0]
    assert len(document["latency_ms"]) == 3


def test_an_invocation_that_did_nothing_prints_no_metrics(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with Observing(stream).invocation(Context()):
        pass
    assert capsys.readouterr().out == ""


def test_what_was_counted_before_an_invocation_failed_is_printed(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        with Observing(stream).invocation(Context()) as invocation:
            invocation.count("photos")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert metrics(capsys.readouterr().out)["photos"] == [1.0]


def test_a_list_of_a_thousand_frames_is_counted_whole(stream: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    with Observing(stream).invocation(Context()) as invocation:
        invocation.counting(lambda _: [{"statusCode": 200}] * 1000)(1)
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(sum(each.get("photos", [])) for each in documents) == 1000
    assert all(len(each.get("photos", [])) <= 100 for each in documents)  # of values, which the format takes


def test_the_time_left_is_lambdas() -> None:
    assert Invocation(Context()).left_s() == 2.5
