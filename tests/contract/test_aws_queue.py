"""Queues in SQS under the contracts, standard and FIFO."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from contract import queues
from contract.queues import MAX_RECEIVES, DeadLettersContract, QueueContract
from faceline.aws.clients import Clients
from faceline.aws.queue import SqsQueue
from sqs import Journalled, Place, SqsClock, made


@pytest.fixture
def clock(clients: Clients, tmp_path: Path) -> SqsClock:
    return SqsClock(clients, tmp_path / "hidden")


@pytest.fixture
def place(clients: Clients, stores: tuple[str, str]) -> Place:
    return made(clients, stores, MAX_RECEIVES)


@pytest.fixture
def queue(clients: Clients, place: Place, clock: SqsClock, tmp_path: Path) -> SqsQueue:
    queue = place.queue(Journalled(clients, tmp_path / "hidden", clock))
    queue.now = clock
    return queue


@contextmanager
def open_queue(place: Place, journal: Path) -> Iterator[SqsQueue]:
    yield place.queue(Journalled(Clients("path"), journal, time.time))


class OnSqs:
    @pytest.fixture
    def queue(self, queue: SqsQueue) -> SqsQueue:
        return queue

    @pytest.fixture
    def connect(self, place: Place, tmp_path: Path) -> queues.Connect:
        return partial(open_queue, place, tmp_path / "hidden")


class TestSqsQueue(OnSqs, QueueContract): ...


class TestSqsDeadLetters(OnSqs, DeadLettersContract): ...


class OnFifo(OnSqs):
    @pytest.fixture
    def place(self, clients: Clients, stores: tuple[str, str]) -> Place:
        return made(clients, stores, MAX_RECEIVES, fifo=True)


class TestFifoQueue(OnFifo, QueueContract): ...


class TestFifoDeadLetters(OnFifo, DeadLettersContract): ...
