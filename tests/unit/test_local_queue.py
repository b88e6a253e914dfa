"""What is particular to the queue in SQLite."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

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
