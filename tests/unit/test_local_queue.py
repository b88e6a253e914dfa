"""What is particular to the queue in SQLite."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contract.conftest import Clock
from faceline.local.database import Database
from faceline.local.queue import SqliteQueue
from faceline.local.schema import STATE


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "state.sqlite", STATE)
    yield database
    database.close()


def test_queues_of_one_file_do_not_mix(database: Database) -> None:
    requests, responses = SqliteQueue(database, "requests"), SqliteQueue(database, "responses")
    requests.send("question", "id-1")
    responses.send("answer", "id-1")
    assert [message.body for message in requests.receive(limit=10)] == ["question"]
    (answer,) = responses.receive(limit=10)
    responses.bury(answer, "unwanted")
    assert requests.redrive() == 0
    assert requests.depth() == {"visible": 0, "in_flight": 1, "dead": 0}


def test_a_waiting_receiver_is_woken_by_a_send(database: Database) -> None:
    queue = SqliteQueue(database, "work")
    received: list[str] = []
    waiter = threading.Thread(target=lambda: received.extend(m.body for m in queue.receive(wait_s=60)))
    waiter.start()
    queue.send("at last")
    waiter.join(timeout=30)
    assert received == ["at last"]


def test_a_waiting_receiver_sees_what_another_process_sent(database: Database) -> None:
    waiting, other = SqliteQueue(database, "work"), SqliteQueue(database, "work")
    received: list[str] = []
    waiter = threading.Thread(target=lambda: received.extend(m.body for m in waiting.receive(wait_s=60)))
    waiter.start()
    other.send("from afar")
    waiter.join(timeout=30)
    assert received == ["from afar"]


def test_messages_outlive_the_process_that_sent_them(tmp_path: Path) -> None:
    first = Database(tmp_path / "state.sqlite", STATE)
    SqliteQueue(first, "work").send("kept")
    first.close()
    second = Database(tmp_path / "state.sqlite", STATE)
    assert SqliteQueue(second, "work").receive()[0].body == "kept"
    second.close()


class TestRemembering:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def queue(self, database: Database, clock: Clock) -> SqliteQueue:
        return SqliteQueue(database, "work", 3, now=clock, remembers_s=3600)

    def test_an_id_is_not_queued_again_after_the_acknowledgement(self, queue: SqliteQueue) -> None:
        first = queue.send("one", "id-1")
        queue.acknowledge(queue.receive()[0])
        assert queue.send("one again", "id-1") == first
        assert queue.receive() == []

    def test_an_id_is_free_again_when_the_time_is_over(self, queue: SqliteQueue, clock: Clock) -> None:
        first = queue.send("one", "id-1")
        clock.advance(3599)
        assert queue.send("two", "id-1") == first
        clock.advance(2)
        assert queue.send("three", "id-1") != first
        assert [message.body for message in queue.receive(limit=10)] == ["three"]

    def test_what_nobody_fetched_ends_with_the_time(self, queue: SqliteQueue, clock: Clock) -> None:
        queue.send("alive")
        queue.send("dead", "id-1")
        queue.bury(queue.receive(limit=2)[1], "bad")
        clock.advance(3601)
        assert queue.receive() == []
        assert queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}

    def test_others_of_the_file_end_too_and_those_that_do_not_remember_stay(
        self, queue: SqliteQueue, database: Database, clock: Clock
    ) -> None:
        other = SqliteQueue(database, "other", now=clock, remembers_s=60)
        plain = SqliteQueue(database, "plain", now=clock)
        other.send("one", "id-1")
        plain.send("one", "id-1")
        clock.advance(61)
        queue.receive()
        assert other.depth()["visible"] == 0
        assert plain.depth()["visible"] == 1

    def test_equal_ids_of_two_queues_are_two(self, queue: SqliteQueue, database: Database) -> None:
        other = SqliteQueue(database, "other", remembers_s=3600)
        assert queue.send("one", "id-1") != other.send("one", "id-1")

    def test_messages_without_an_id_are_all_queued(self, queue: SqliteQueue) -> None:
        queue.send("same")
        queue.send("same")
        assert len(queue.receive(limit=10)) == 2

    def test_many_that_send_one_id_at_once_send_one_message(self, queue: SqliteQueue) -> None:
        with ThreadPoolExecutor(8) as pool:
            ids = set(pool.map(lambda n: queue.send(str(n), "id-1"), range(40)))
        assert len(ids) == 1
        assert len(queue.receive(limit=10)) == 1


class TestListening:
    @pytest.fixture
    def queue(self, database: Database) -> SqliteQueue:
        return SqliteQueue(database, "work")

    def test_all_that_came_after_a_number_is_told_and_hidden_from_nobody(self, queue: SqliteQueue) -> None:
        queue.send("before")
        number = queue.newest()
        for body in ("one", "two", "three"):
            queue.send(body)
        held = queue.receive()
        told = queue.after(number)
        assert [message.body for message in told] == ["one", "two", "three"]
        assert [message.body for message in queue.after(told[1].number)] == ["three"]
        assert [message.body for message in queue.after(number, limit=1)] == ["one"]
        assert [message.body for message in [*held, *queue.receive(limit=10)]] == ["before", "one", "two", "three"]

    def test_numbers_grow_when_the_newest_message_is_gone(self, queue: SqliteQueue) -> None:
        queue.send("one")
        number = queue.newest()
        queue.acknowledge(queue.receive()[0])
        queue.send("two")
        assert [message.body for message in queue.after(number)] == ["two"]

    def test_the_dead_and_other_queues_are_not_told_of(self, queue: SqliteQueue, database: Database) -> None:
        queue.send("bad")
        queue.bury(queue.receive()[0], "bad")
        SqliteQueue(database, "other").send("other")
        assert queue.after(0) == []

    def test_a_message_is_removed_by_its_id_whoever_holds_it(self, queue: SqliteQueue, database: Database) -> None:
        message_id = queue.send("one")
        (held,) = queue.receive()
        assert not SqliteQueue(database, "other").remove(message_id)
        assert queue.remove(message_id)
        assert not queue.remove(message_id)
        assert not queue.acknowledge(held)
