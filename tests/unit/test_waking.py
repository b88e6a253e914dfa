"""What wakes those who bring notices, over the embedded profile's outbox and queue."""

import json
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from faceline.local.database import Database
from faceline.local.outbox import SqliteOutbox
from faceline.local.queue import SqliteQueue
from faceline.local.schema import STATE
from faceline.notices import (
    MATCH_FOUND,
    Delivery,
    Notice,
    NotToldError,
    Route,
    Sender,
    UnwantedNoticeError,
    message_id_of,
)
from faceline.pipelines.notifying import Deliverer
from faceline.pipelines.waking import Waking, wake
from faceline.ports import Message
from faceline.targets import Target

TARGET = Target(name="sns", kind="apprise", url="arn:aws:sns:eu-central-1:000000000000:notices", tries=3)
NOTICE = Notice("image 1", MATCH_FOUND, "2026-01-31T12:00:00.000+00:00", "images/a.jpg", "a is like b")
MAX_RECEIVES = 2


class Outbox(SqliteOutbox):
    def next_at(self, message_id: str, targets: Collection[str]) -> float | None:
        waits = """SELECT target, next_at FROM deliveries
                   WHERE message_id = ? AND done_at IS NULL AND died_at IS NULL"""
        rows = self._database.rows(waits, (message_id,))
        return min((float(next_at) for target, next_at in rows if target in targets), default=None)


@dataclass
class Told:
    """refusals: how often the target does not take it before it does. refusal: how it says so."""

    refusals: int = 0
    count: int = 0
    refusal: type[NotToldError] = NotToldError

    def send(self, delivery: Delivery) -> None:
        if self.refusals:
            self.refusals -= 1
            raise self.refusal("away")
        self.count += 1

    def idle(self) -> None:
        pass

    def close(self) -> None:
        pass


class Place:
    """An outbox, a queue, and a target."""

    def __init__(self, database: Database) -> None:
        self.targets = [TARGET.name]
        self.outbox = Outbox(database, lambda notice: [Route(each) for each in self.targets])
        self.queue = SqliteQueue(database, "notify", 99)
        self.told = Told()

    def waking(self, going: Callable[[], bool] = lambda: True, retry_s: float = 0.0) -> Waking:
        deliverer = Deliverer(self.outbox, TARGET, self._sender, backoff_s=lambda tries: retry_s)
        return Waking(self.outbox, [deliverer], MAX_RECEIVES, going=going)

    def _sender(self) -> Sender:
        return self.told

    def put(self) -> None:
        self.outbox.put(NOTICE)
        wake(self.queue, message_id_of(NOTICE.notice_id))

    def received(self, wait_s: float = 0.0) -> Message:
        (message,) = self.queue.receive(1, wait_s=wait_s)
        return message


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    database = Database(tmp_path / "state.sqlite", STATE)
    yield Place(database)
    database.close()


def test_a_message_has_its_notice_told_and_is_done(place: Place) -> None:
    place.put()
    place.waking().take(place.queue, place.received())
    assert place.told.count == 1
    assert place.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}


def test_a_message_too_many_tells_nothing_and_is_done(place: Place) -> None:
    place.put()
    wake(place.queue, message_id_of(NOTICE.notice_id))
    for _ in range(2):
        place.waking().take(place.queue, place.received())
    assert place.told.count == 1
    assert place.queue.depth()["visible"] == 0


def test_a_message_comes_back_when_its_notice_is_due_again(place: Place) -> None:
    place.told.refusals = 1
    place.put()
    started = time.monotonic()
    place.waking(retry_s=1.5).take(place.queue, place.received())
    assert (place.told.count, place.queue.depth()["in_flight"] + place.queue.depth()["visible"]) == (0, 1)
    place.waking().take(place.queue, place.received(wait_s=5))
    assert place.told.count == 1
    assert time.monotonic() - started >= 1.4
    assert place.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}


def test_a_notice_that_takes_more_tries_than_its_message_has_deliveries_is_left_to_the_schedule(place: Place) -> None:
    place.told.refusals = MAX_RECEIVES
    place.put()
    taken = 0
    while messages := place.queue.receive(1, wait_s=3):
        place.waking(retry_s=0.1).take(place.queue, messages[0])
        taken += 1
    assert (taken, place.told.count) == (MAX_RECEIVES, 0)
    assert place.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}
    time.sleep(0.15)
    assert place.waking().drain() == 1
    assert place.told.count == 1


def test_a_notice_that_is_due_after_the_next_schedule_keeps_no_message_waiting(place: Place) -> None:
    place.told.refusals = 1
    place.put()
    place.waking(retry_s=3600.0).take(place.queue, place.received())
    assert place.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}
    assert place.outbox.get(message_id_of(NOTICE.notice_id)).deliveries[0].state == "waiting"


def test_a_notice_that_is_given_up_leaves_no_message(place: Place) -> None:
    place.told.refusals = 99
    place.put()
    place.waking().drain()
    while messages := place.queue.receive(1, wait_s=3):
        place.waking().take(place.queue, messages[0])
    assert place.outbox.get(message_id_of(NOTICE.notice_id)).deliveries[0].state == "dead"
    assert place.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}


def test_a_message_does_not_wait_for_a_target_that_is_no_more(place: Place) -> None:
    place.targets = [TARGET.name, "taken out"]
    place.put()
    place.waking().take(place.queue, place.received())
    assert place.told.count == 1
    assert place.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}


def test_without_time_nothing_is_told_and_the_message_comes_back(place: Place) -> None:
    place.put()
    place.waking(going=lambda: False).take(place.queue, place.received())
    assert place.told.count == 0
    assert place.queue.depth()["dead"] == 0
    place.waking().take(place.queue, place.received(wait_s=5))
    assert place.told.count == 1


@pytest.mark.parametrize("body", ["rubbish", "[]", "{}", '{"notice": 7}'])
def test_a_message_that_names_no_notice_is_buried(place: Place, body: str) -> None:
    place.queue.send(body)
    place.waking().take(place.queue, place.received())
    (letter,) = place.queue.list()
    assert 'expected {"notice": …}' in letter.reason


def test_an_outbox_that_cannot_be_used_gives_the_message_back_with_the_reason(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(message_id: str, targets: Collection[str]) -> float | None:
        raise OSError("no table")

    place.put()
    monkeypatch.setattr(place.outbox, "next_at", broken)
    place.waking().take(place.queue, place.received())
    assert place.queue.depth()["dead"] == 0
    assert place.queue.depth()["visible"] + place.queue.depth()["in_flight"] == 1


def test_a_message_says_the_notice_and_nothing_of_it(place: Place) -> None:
    place.put()
    document = json.loads(place.received().body)
    assert document["notice"] == message_id_of(NOTICE.notice_id)
    assert document.keys() == {"notice", "request_id"}


def test_a_notice_that_a_target_will_never_take_is_dead_at_once_with_the_reason(place: Place) -> None:
    place.put()
    place.told.refusals, place.told.refusal = 9, UnwantedNoticeError
    place.waking().take(place.queue, place.received())
    (told,) = place.outbox.dead()
    ((state,),) = [told.deliveries]
    assert (state.tries, state.reason) == (1, "away")
    assert place.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}


@dataclass
class Hanging(Told):
    """Does not answer before another target was told."""

    other_told: threading.Event = field(default_factory=threading.Event)

    def send(self, delivery: Delivery) -> None:
        if not self.other_told.wait(10):
            raise NotToldError("the other target was not told meanwhile")
        super().send(delivery)


@dataclass
class Freeing(Told):
    """Says when it was told."""

    told: threading.Event = field(default_factory=threading.Event)

    def send(self, delivery: Delivery) -> None:
        super().send(delivery)
        self.told.set()


def test_a_target_that_does_not_answer_takes_no_time_from_the_others(place: Place) -> None:
    freeing = Freeing()
    hanging, other = Hanging(other_told=freeing.told), msgspec.structs.replace(TARGET, name="other")
    place.targets = [TARGET.name, other.name]
    place.outbox.put(NOTICE)
    deliverers = [Deliverer(place.outbox, TARGET, lambda: hanging), Deliverer(place.outbox, other, lambda: freeing)]
    assert Waking(place.outbox, deliverers, MAX_RECEIVES).drain() == 2
    assert (hanging.count, freeing.count) == (1, 1)
