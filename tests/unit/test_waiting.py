"""Clients that wait for messages and leave at a bad moment: nothing is lost, nobody waits in vain."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faceline.errors import StorageError
from faceline.local.database import Database
from faceline.local.queue import SqliteQueue
from faceline.local.schema import STATE
from faceline.web.waiting import Waiting


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[SqliteQueue]:
    database = Database(tmp_path / "state.sqlite", STATE)
    yield SqliteQueue(database, "work")
    database.close()


class Slow:
    """A queue that says when somebody looks, and waits until it may answer."""

    def __init__(self, queue: SqliteQueue) -> None:
        self._queue = queue
        self.looked, self.go = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def receive(self, *arguments: Any) -> Any:
        messages = self._queue.receive(*arguments)
        self.looked.set()
        self.go.wait(10)
        return messages


async def until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["gone", "cancelled"])
def test_what_was_received_for_one_that_left_meanwhile_is_given_back(queue: SqliteQueue, how: str) -> None:
    slow: Any = Slow(queue)

    async def leave_while_it_looks() -> None:
        waiting, gone = Waiting(slow), asyncio.get_running_loop().create_future()
        task = asyncio.create_task(waiting.receive(1, 3600, 10, gone))
        await until(slow.looked.is_set)
        if how == "gone":
            gone.set_result(None)
            assert await task == []
        else:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert queue.depth()["in_flight"] == 1
        slow.go.set()
        await until(lambda: queue.depth()["visible"] == 1)

    queue.send("one")
    asyncio.run(leave_while_it_looks())
    assert queue.receive()[0].body == "one"


def test_messages_go_to_those_who_came_first(queue: SqliteQueue) -> None:
    async def three() -> list[list[str]]:
        waiting, gone = Waiting(queue), asyncio.get_running_loop().create_future()
        tasks = []
        for _ in range(3):
            tasks.append(asyncio.create_task(waiting.receive(1, 60, 5, gone)))
            await asyncio.sleep(0.01)
        for body in "abc":
            queue.send(body)
        return [[message.body for message in await task] for task in tasks]

    assert asyncio.run(three()) == [["a"], ["b"], ["c"]]


def test_a_storage_that_fails_is_told_to_all_and_the_next_may_try(
    queue: SqliteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageError("the disk is gone")

    async def wait() -> None:
        waiting, gone = Waiting(queue), asyncio.get_running_loop().create_future()
        with monkeypatch.context() as broken:
            broken.setattr(queue, "after", fail)
            found = await asyncio.gather(
                waiting.receive(1, 60, 5, gone), waiting.after(0, 5), waiting.after(0, 5), return_exceptions=True
            )
            assert [str(error) for error in found] == ["the disk is gone"] * 3
        queue.send("one")
        assert [message.body for message in await waiting.after(0, 5)] == ["one"]

    asyncio.run(wait())


def test_nobody_looks_while_nobody_waits(queue: SqliteQueue) -> None:
    async def wait() -> None:
        waiting, gone = Waiting(queue), asyncio.get_running_loop().create_future()
        assert await waiting.receive(1, 60, 0.1, gone) == []
        await asyncio.sleep(0.1)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(wait())


def test_a_reader_behind_gets_what_it_missed_and_one_ahead_only_what_is_new(queue: SqliteQueue) -> None:
    async def both() -> tuple[list[str], list[str]]:
        waiting = Waiting(queue)
        behind, ahead = await asyncio.gather(waiting.after(0, 5), waiting.after(number, 5))
        return [m.body for m in behind], [m.body for m in ahead]

    queue.send("old")
    number = queue.newest()
    queue.send("new")
    assert asyncio.run(both()) == (["old", "new"], ["new"])
