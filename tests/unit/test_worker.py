"""What a worker does with messages: once in effect, however often they come and whatever breaks."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import Clock
from faceline.errors import (
    FacelineError,
    InputError,
    MissingExtraError,
    ModelError,
    NotFoundError,
    SettingError,
    StorageError,
)
from faceline.events import ObjectCreated, to_json
from faceline.local.database import Database
from faceline.local.queue import SqliteQueue
from faceline.local.receipts import SqliteReceipts
from faceline.local.schema import STATE
from faceline.pipelines.receipted import Handler, Receipted
from faceline.pipelines.worker import BusyError, Worker
from faceline.ports import ClaimState, Message

MAX_RECEIVES = 3
PATIENCE_S = 30.0
EVENT = ObjectCreated("photos", "input/a.jpg", "etag-a", 7, "2026-01-31T12:00:00.000+00:00")
OTHER = ObjectCreated("photos", "input/b.jpg", "etag-b", 7, "2026-01-31T12:00:00.000+00:00")


class Bench:
    """A queue and receipts on a clock that tests move, and what the handler was given."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self.queue = SqliteQueue(database, "work", MAX_RECEIVES, now=now)
        self.receipts = SqliteReceipts(database, now=now)
        self.handled: list[str] = []

    def worker(self, handler: Handler | None = None, lease_s: float = 60.0) -> Worker:
        return Worker(self.queue, self.queue, self.receipted(handler, lease_s).take, lease_s)

    def receipted(self, handler: Handler | None = None, lease_s: float = 60.0) -> Receipted:
        def handle(event: ObjectCreated) -> dict[str, Any]:
            self.handled.append(event.key)
            return handler(event) if handler else {"status": "done", "key": event.key}

        return Receipted(self.receipts, handle, lease_s)

    def message(self) -> Message:
        (message,) = self.queue.receive()
        return message

    def depths(self) -> tuple[int, int, int]:
        depth = self.queue.depth()
        return depth["visible"], depth["in_flight"], depth["dead"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "state.sqlite", STATE)
    yield database
    database.close()


@pytest.fixture
def bench(database: Database, clock: Clock) -> Bench:
    return Bench(database, clock)


@pytest.fixture
def real_time(database: Database) -> Bench:
    return Bench(database, time.time)


def failing(error: Exception) -> Handler:
    def handle(event: ObjectCreated) -> dict[str, Any]:
        raise error

    return handle


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_a_message_is_handled_and_acknowledged(bench: Bench) -> None:
    bench.queue.send(to_json(EVENT))
    bench.worker().drain()
    assert bench.handled == [EVENT.key]
    assert bench.depths() == (0, 0, 0)


def test_an_event_that_is_done_gives_its_stored_result_and_is_acknowledged(bench: Bench) -> None:
    receipted = bench.receipted()
    first = receipted.handle(EVENT)
    assert receipted.handle(EVENT) == first == {"status": "done", "key": EVENT.key}
    bench.queue.send(to_json(EVENT))
    bench.worker().drain()
    assert bench.handled == [EVENT.key]
    assert bench.depths() == (0, 0, 0)


def test_an_event_that_another_worker_holds_comes_back(bench: Bench, clock: Clock) -> None:
    claim = bench.receipts.claim(EVENT.event_id, 60)
    bench.queue.send(to_json(EVENT))
    worker = bench.worker()
    with pytest.raises(BusyError, match="another worker"):
        bench.receipted().handle(EVENT)
    worker.take(bench.message())
    assert bench.handled == []
    assert bench.depths() == (0, 1, 0)
    bench.receipts.complete(EVENT.event_id, claim.token, "{}")
    clock.advance(1.1)
    worker.drain()
    assert bench.handled == []
    assert bench.depths() == (0, 0, 0)


def test_an_event_that_another_worker_holds_for_long_is_not_given_up(bench: Bench, clock: Clock) -> None:
    claim = bench.receipts.claim(EVENT.event_id, 600)
    bench.queue.send(to_json(EVENT))
    worker = bench.worker()
    for _ in range(2 * MAX_RECEIVES):
        worker.take(bench.message())
        clock.advance(1.1)
    assert bench.depths() == (1, 0, 0)
    bench.receipts.complete(EVENT.event_id, claim.token, "{}")
    worker.drain()
    assert bench.handled == []
    assert bench.depths() == (0, 0, 0)


def test_a_failing_handler_is_tried_again_ever_later_and_then_given_up_with_its_error(
    bench: Bench, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bench.queue.send(to_json(EVENT))
    worker = bench.worker(failing(RuntimeError("the engine broke")))
    for delay_s in (1, 2, 4):
        worker.take(bench.message())
        clock.advance(delay_s - 0.01)
        assert bench.depths() == (0, 1, 0)
        clock.advance(0.02)
        assert bench.depths() == (1, 0, 0)
    worker.drain()
    assert len(bench.handled) == MAX_RECEIVES
    (letter,) = bench.queue.list()
    assert (letter.receive_count, letter.body) == (MAX_RECEIVES, to_json(EVENT))
    assert "RuntimeError: the engine broke" in letter.reason
    assert [record.getMessage() for record in caplog.records] == ["message failed"] * MAX_RECEIVES


def test_a_redriven_message_is_handled_as_if_it_were_new(bench: Bench, clock: Clock) -> None:
    bench.queue.send(to_json(EVENT))
    worker = bench.worker(failing(StorageError("the disk is full")))
    for _ in range(MAX_RECEIVES + 1):
        worker.drain()
        clock.advance(60)
    assert bench.depths() == (0, 0, 1)
    assert bench.queue.redrive() == 1
    bench.worker().drain()
    assert bench.depths() == (0, 0, 0)
    assert bench.receipts.result(EVENT.event_id)


def test_after_a_failure_the_next_message_gets_its_turn(bench: Bench) -> None:
    def handle(event: ObjectCreated) -> dict[str, Any]:
        if event == EVENT:
            raise MemoryError
        return {}

    bench.queue.send(to_json(EVENT))
    bench.queue.send(to_json(OTHER))
    bench.worker(handle).drain()
    assert bench.handled == [EVENT.key, OTHER.key]
    assert bench.depths() == (0, 1, 0)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{{ template }}",
        '{"Records": [{"eventName": "ObjectCreated:Put"}]}',
        pytest.param('{"Records":[{"s3":' + "[" * 60_000, id="nested"),
        '{"bucket_name":"\\ud800","image_file_name":"\\ud800","request_id":"\\ud800"}',
    ],
)
def test_a_malformed_body_is_buried_at_once_with_the_reason(bench: Bench, body: str) -> None:
    bench.queue.send(body)
    bench.worker().drain()
    (letter,) = bench.queue.list()
    assert (letter.body, letter.receive_count) == (body, 1)
    assert "expected" in letter.reason
    assert bench.handled == []


def test_an_event_that_the_handler_refuses_for_good_is_buried(bench: Bench) -> None:
    bench.queue.send(to_json(EVENT))
    bench.worker(failing(InputError("the object key is refused"))).drain()
    assert bench.queue.list()[0].reason == "the object key is refused"
    assert bench.receipts.claim(EVENT.event_id, 60).state is ClaimState.MINE


def test_all_events_of_a_message_are_handled(bench: Bench) -> None:
    both = to_json(EVENT)[:-2] + ", " + to_json(OTHER).removeprefix('{"Records": [')
    bench.queue.send(both)
    bench.worker().drain()
    assert bench.handled == [EVENT.key, OTHER.key]
    assert bench.depths() == (0, 0, 0)


def test_when_one_event_of_a_message_fails_the_others_are_not_repeated(bench: Bench, clock: Clock) -> None:
    def handle(event: ObjectCreated) -> dict[str, Any]:
        if event == OTHER and len(bench.handled) < 3:
            raise StorageError("for a moment")
        return {}

    bench.queue.send(to_json(EVENT)[:-2] + ", " + to_json(OTHER).removeprefix('{"Records": ['))
    worker = bench.worker(handle)
    worker.drain()
    clock.advance(60)
    worker.drain()
    assert bench.handled == [EVENT.key, OTHER.key, OTHER.key]
    assert bench.depths() == (0, 0, 0)


def test_s3s_test_message_is_acknowledged(bench: Bench) -> None:
    bench.queue.send('{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"}')
    bench.worker().drain()
    assert bench.depths() == (0, 0, 0)


def test_a_photo_that_was_deleted_before_its_turn_is_gone_and_nothing_fails(bench: Bench) -> None:
    bench.queue.send(to_json(EVENT))
    missing = failing(NotFoundError("there is no photos/input/a.jpg"))
    bench.worker(missing).drain()
    assert bench.depths() == (0, 0, 0)
    assert bench.receipted(missing).handle(EVENT)["status"] == "gone"


def test_both_leases_are_extended_while_a_slow_handler_runs(
    bench: Bench, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times the lease passes on the clock, and no other worker gets the message or the event."""
    lease_s, beats = 0.3, {"message": 0, "receipt": 0}

    def count(of: type, name: str, original: Callable[..., bool]) -> None:
        def counted(*arguments: Any) -> bool:
            extended = original(*arguments)
            beats[name] += 1
            return extended

        monkeypatch.setattr(of, "extend", counted)

    def later(before: dict[str, int]) -> bool:
        return all(beats[name] >= before[name] + 2 for name in beats)

    def slow(event: ObjectCreated) -> dict[str, Any]:
        for _ in range(6):
            clock.advance(0.8 * lease_s)
            before = dict(beats)  # one beat of each may have read the clock before it moved: the second has not
            wait_until(partial(later, before))
            assert bench.queue.receive() == []
            assert bench.receipts.claim(event.event_id, lease_s).state is ClaimState.BUSY
        return {}

    count(SqliteQueue, "message", SqliteQueue.extend)
    count(SqliteReceipts, "receipt", SqliteReceipts.extend)
    bench.queue.send(to_json(EVENT))
    bench.worker(slow, lease_s).drain()
    assert bench.handled == [EVENT.key]
    assert bench.depths() == (0, 0, 0)


def test_a_worker_that_lost_its_leases_completes_nothing(bench: Bench, clock: Clock) -> None:
    """It was asleep, as a laptop is; meanwhile another worker took message and event."""

    def asleep(event: ObjectCreated) -> dict[str, Any]:
        clock.advance(61)
        (taken,) = bench.queue.receive()
        claim = bench.receipts.claim(event.event_id, 60)
        assert claim.state is ClaimState.MINE
        held.append((taken, claim.token))
        return {"status": "too late"}

    held: list[tuple[Message, str]] = []
    bench.queue.send(to_json(EVENT))
    bench.worker(asleep).take(bench.message())
    assert bench.receipts.result(EVENT.event_id) is None
    assert bench.depths() == (0, 1, 0)
    ((taken, token),) = held
    assert bench.receipts.complete(EVENT.event_id, token, '{"status": "right"}')
    assert bench.queue.acknowledge(taken)


def test_a_heartbeat_that_fails_for_a_moment_goes_on(
    real_time: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    extend, calls = SqliteReceipts.extend, []

    def flaky(self: SqliteReceipts, event_id: str, token: str, lease_s: float) -> bool:
        calls.append(time.monotonic())
        if len(calls) == 1:
            raise StorageError("the disk was busy")
        return extend(self, event_id, token, lease_s)

    def slow(event: ObjectCreated) -> dict[str, Any]:
        wait_until(lambda: len(calls) > 2)
        return {}

    monkeypatch.setattr(SqliteReceipts, "extend", flaky)
    with caplog.at_level(logging.WARNING):
        assert real_time.receipted(slow, lease_s=0.3).handle(EVENT) == {}
    assert any("could not be extended" in record.getMessage() for record in caplog.records)


def test_a_worker_outlives_a_queue_that_fails_for_a_moment(
    real_time: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receive, calls = SqliteQueue.receive, []

    def flaky(self: SqliteQueue, limit: int = 1, lease_s: float = 60.0, wait_s: float = 0.0) -> list[Message]:
        calls.append(limit)
        if len(calls) == 1:
            raise StorageError("the disk is full")
        return receive(self, limit, lease_s, wait_s)

    monkeypatch.setattr(SqliteQueue, "receive", flaky)
    real_time.queue.send(to_json(EVENT))
    stop = threading.Event()
    thread = threading.Thread(target=real_time.worker().run, args=(stop,))
    thread.start()
    wait_until(lambda: real_time.receipts.result(EVENT.event_id) is not None)
    stop.set()
    thread.join()
    assert len(calls) > 1
    assert "cannot reach its queue" in caplog.text


def test_stopping_finishes_the_message_in_hand(real_time: Bench) -> None:
    started, stop = threading.Event(), threading.Event()

    def slow(event: ObjectCreated) -> dict[str, Any]:
        started.set()
        assert stop.wait(PATIENCE_S)
        return {"status": "done"}

    real_time.queue.send(to_json(EVENT))
    real_time.queue.send(to_json(OTHER))
    thread = threading.Thread(target=real_time.worker(slow).run, args=(stop,))
    thread.start()
    assert started.wait(PATIENCE_S)
    stop.set()
    thread.join()
    assert real_time.handled == [EVENT.key]
    assert real_time.receipts.result(EVENT.event_id) == '{"status": "done"}'
    assert real_time.depths() == (1, 0, 0)


@pytest.mark.parametrize("error", [MissingExtraError("install it"), ModelError("pull it"), SettingError("mend it")])
def test_what_waits_for_somebody_to_install_something_is_told_once(bench: Bench, error: FacelineError) -> None:
    def work(_: str) -> None:
        raise error

    bench.queue.send("a message")
    Worker(bench.queue, bench.queue, work).drain()
    (letter,) = bench.queue.list()
    assert (letter.receive_count, letter.reason) == (1, str(error))
