"""Our handlers in processes of the runtime interface client, and what they leave behind."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from aws_made import Made
from faceline.aws.queue import SqsQueue
from faceline.aws.records import DynamoRecords
from faceline.ports import RecordQuery
from ministack import environment
from runtime_api import Answer, Function, running

SAMPLES = Path(__file__).parent / "events"


@contextmanager
def leading_to(url: str) -> Iterator[None]:
    """As the fixture `aws`, for as long as one likes."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(url).items():
            patch.setenv(name, value)
        yield


def start(made: Made, handler: str, folder: Path, **environment: str) -> AbstractContextManager[Function]:
    """environment: what differs from what the template gives."""
    return running(f"faceline.lambdas.{handler}", made.environment | environment, folder, handler)


def logged(folder: Path, handler: str) -> list[dict[str, Any]]:
    text = (folder / f"{handler}.log").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def counted(folder: Path, handler: str, metric: str) -> float:
    return sum(sum(line.get(metric, [])) for line in logged(folder, handler) if "_aws" in line)


def queue(made: Made, name: str) -> SqsQueue:
    names, s = made.settings.aws_names, made.settings
    return SqsQueue(made.clients, name, names.state, names.work, s.max_receives)


def rows(made: Made, key: str) -> list[tuple[str, str | None]]:
    records = DynamoRecords(made.clients, made.settings.aws_results_table)
    return [(row.status, row.person) for row in records.query(RecordQuery(image=key))]


def received(made: Made, name: str, limit: int = 10) -> list[str]:
    """The bodies of all that arrives within a short time."""
    bodies: list[str] = []
    while records := made.batch(name, wait_s=1)["Records"]:
        bodies += [record["body"] for record in records]
        if len(bodies) >= limit:
            break
    return bodies


def ok(answer: Answer) -> Any:
    assert not answer.failed, answer.payload
    return answer.payload


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.json").read_text(encoding="utf-8")
