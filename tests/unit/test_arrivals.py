"""Events of objects on AWS: repeated ones, and equal bytes that were written again."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from faceline.errors import NotFoundError, StorageError
from faceline.events import ObjectCreated, to_json
from faceline.local.database import Database
from faceline.local.receipts import SqliteReceipts
from faceline.local.schema import STATE
from faceline.pipelines.arrivals import Arrivals
from faceline.pipelines.worker import BusyError
from faceline.ports import ClaimState, Receipts

EVENT = ObjectCreated("photos", "input/a.jpg", "etag", 7, "2026-01-31T12:00:00.000Z", sequencer="0A")


@dataclass
class Handler:
    """error: raised by the next call."""

    error: Exception | None = None
    handled: list[ObjectCreated] = field(default_factory=list)

    def __call__(self, event: ObjectCreated) -> dict[str, Any]:
        self.handled.append(event)
        error, self.error = self.error, None
        if error:
            raise error
        return {"status": "done", "number": len(self.handled)}


@pytest.fixture
def receipts(tmp_path: Path) -> Iterator[Receipts]:
    database = Database(tmp_path / "state.sqlite", STATE)
    yield SqliteReceipts(database)
    database.close()


def test_a_repeated_event_is_handled_once(receipts: Receipts) -> None:
    handler = Handler()
    arrivals = Arrivals(receipts, handler)
    first = arrivals.handle(EVENT)
    assert arrivals.handle(EVENT) == first
    arrivals.take(to_json(EVENT))
    assert len(handler.handled) == 1


def test_equal_bytes_that_are_written_again_are_handled_again_and_once(receipts: Receipts) -> None:
    handler = Handler()
    arrivals = Arrivals(receipts, handler)
    arrivals.handle(EVENT)
    again = replace(EVENT, sequencer="0B")
    assert arrivals.handle(again)["number"] == 2
    assert arrivals.handle(again)["number"] == 2


def test_an_event_that_arrives_after_a_later_one_of_the_same_bytes_does_nothing(receipts: Receipts) -> None:
    handler = Handler()
    arrivals = Arrivals(receipts, handler)
    arrivals.handle(replace(EVENT, sequencer="0B"))
    assert arrivals.handle(EVENT)["number"] == 1


def test_without_a_sequencer_equal_bytes_are_handled_once(receipts: Receipts) -> None:
    handler = Handler()
    arrivals = Arrivals(receipts, handler)
    arrivals.handle(replace(EVENT, sequencer=""))
    arrivals.handle(replace(EVENT, sequencer=""))
    assert len(handler.handled) == 1


@pytest.mark.parametrize("sequencer", ["0B", ""])
def test_a_photo_that_was_gone_is_handled_when_it_comes_back(receipts: Receipts, sequencer: str) -> None:
    handler = Handler(NotFoundError("photos has no input/a.jpg"))
    arrivals = Arrivals(receipts, handler)
    assert arrivals.handle(EVENT) == {"status": "gone", "reason": "photos has no input/a.jpg"}
    assert arrivals.handle(replace(EVENT, sequencer=sequencer))["status"] == "done"


def test_nothing_is_kept_of_a_photo_that_is_gone(receipts: Receipts) -> None:
    handler = Handler()
    arrivals = Arrivals(receipts, handler)
    arrivals.handle(EVENT)
    handler.error = NotFoundError("photos has no input/a.jpg")
    again = replace(EVENT, sequencer="0B")
    assert arrivals.handle(again)["status"] == "gone"
    assert receipts.result(EVENT.event_id) is None
    assert receipts.claim(EVENT.event_id, 60).state is ClaimState.MINE


@pytest.mark.parametrize("key", ["input/a/", "enroll/", "images/2026/"])
def test_a_folder_of_the_console_is_ignored(receipts: Receipts, key: str) -> None:
    handler = Handler()
    result = Arrivals(receipts, handler).handle(replace(EVENT, key=key))
    assert result["status"] == "ignored"
    assert "folders" in result["reason"]
    assert handler.handled == []


def test_a_failure_leaves_the_event_to_the_next_delivery(receipts: Receipts) -> None:
    handler = Handler(StorageError("no table"))
    arrivals = Arrivals(receipts, handler)
    with pytest.raises(StorageError):
        arrivals.handle(EVENT)
    assert arrivals.handle(EVENT)["status"] == "done"


def test_an_event_in_other_hands_is_busy(receipts: Receipts) -> None:
    receipts.claim(EVENT.event_id, 60)
    with pytest.raises(BusyError):
        Arrivals(receipts, Handler()).handle(EVENT)
