"""What every queue and its dead letters must do. A subclass gives the fixtures `queue` and `connect`."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection

import pytest

from contract.conftest import Clock
from faceline.ports import Message, Queue, WorkQueue

MAX_RECEIVES = 3
_SPAWN = multiprocessing.get_context("spawn")


Connect = Callable[[], AbstractContextManager[WorkQueue]]


def receive_all(connect: Connect) -> list[str]:
    """Run in another process: takes and acknowledges until nothing is left."""
    bodies = []
    with connect() as queue:
        while messages := queue.receive(limit=3, lease_s=600):
            bodies += [message.body for message in messages if queue.acknowledge(message)]
    return bodies


def receive_and_hang(connect: Connect, pipe: Connection) -> None:
    """Run in another process: takes one message and never finishes."""
    with connect() as queue:
        pipe.send(queue.receive(lease_s=60)[0].body)
        signal.pause()


class QueueContract:
    @pytest.fixture
    def queue(self) -> WorkQueue:
        """The adapter: on the clock `clock`, with MAX_RECEIVES."""
        raise NotImplementedError

    @pytest.fixture
    def connect(self) -> Connect:
        """Opens the same queue in another process, on real time; it must be possible to pickle it."""
        raise NotImplementedError

    def test_a_sent_message_is_received_with_its_body(self, queue: Queue) -> None:
        message_id = queue.send("hello, Zoë")
        (message,) = queue.receive()
        assert (message.message_id, message.body, message.receive_count) == (message_id, "hello, Zoë", 1)

    def test_an_empty_queue_gives_nothing_at_once(self, queue: Queue) -> None:
        assert queue.receive(limit=10) == []

    def test_waiting_on_an_empty_queue_ends_with_nothing(self, queue: Queue) -> None:
        assert queue.receive(wait_s=0.1) == []

    def test_messages_come_in_the_order_they_were_sent(self, queue: Queue, clock: Clock) -> None:
        for number in range(5):
            queue.send(str(number))
            clock.advance(1)
        assert [message.body for message in queue.receive(limit=10)] == ["0", "1", "2", "3", "4"]

    def test_no_more_than_the_limit_is_received(self, queue: Queue) -> None:
        for number in range(5):
            queue.send(str(number))
        assert len(queue.receive(limit=2)) == 2

    def test_a_leased_message_is_hidden_from_others(self, queue: Queue) -> None:
        queue.send("one")
        assert queue.receive()
        assert queue.receive() == []

    def test_a_message_comes_back_when_its_lease_runs_out(self, queue: Queue, clock: Clock) -> None:
        queue.send("one")
        (first,) = queue.receive(lease_s=60)
        clock.advance(61)
        (second,) = queue.receive()
        assert (second.message_id, second.receive_count) == (first.message_id, 2)
        assert second.lease != first.lease

    def test_an_acknowledged_message_never_comes_back(self, queue: Queue, clock: Clock) -> None:
        queue.send("one")
        (message,) = queue.receive()
        assert queue.acknowledge(message)
        clock.advance(3600)
        assert queue.receive() == []

    def test_a_lost_lease_can_do_nothing(self, queue: Queue, clock: Clock) -> None:
        queue.send("one")
        (lost,) = queue.receive(lease_s=60)
        clock.advance(61)
        (held,) = queue.receive(lease_s=60)
        assert not queue.acknowledge(lost)
        assert not queue.extend(lost, 600)
        assert not queue.release(lost)
        assert queue.receive() == []
        assert queue.acknowledge(held)

    def test_extending_keeps_the_message_hidden(self, queue: Queue, clock: Clock) -> None:
        queue.send("one")
        (message,) = queue.receive(lease_s=60)
        clock.advance(50)
        assert queue.extend(message, 60)
        clock.advance(50)
        assert queue.receive() == []
        assert queue.acknowledge(message)

    def test_a_released_message_is_back_at_once(self, queue: Queue) -> None:
        queue.send("one")
        (message,) = queue.receive()
        assert queue.release(message)
        assert queue.receive()[0].receive_count == 2

    def test_a_message_released_with_a_delay_is_back_after_it(self, queue: Queue, clock: Clock) -> None:
        queue.send("one")
        (message,) = queue.receive()
        assert queue.release(message, delay_s=30)
        assert queue.receive() == []
        clock.advance(31)
        assert queue.receive()

    def test_a_deduplication_id_that_is_queued_is_not_queued_twice(self, queue: Queue) -> None:
        first = queue.send("one", "event-1")
        assert queue.send("one again", "event-1") == first
        assert queue.send("other", "event-2") != first
        assert [message.body for message in queue.receive(limit=10)] == ["one", "other"]

    def test_a_deduplication_id_that_is_in_flight_is_not_queued_twice(self, queue: Queue) -> None:
        queue.send("one", "event-1")
        assert queue.receive()
        queue.send("one", "event-1")
        assert queue.receive() == []

    def test_a_deduplication_id_is_free_again_after_the_acknowledgement(self, queue: Queue) -> None:
        queue.send("one", "event-1")
        queue.acknowledge(queue.receive()[0])
        queue.send("two", "event-1")
        assert queue.receive()[0].body == "two"

    def test_messages_without_a_deduplication_id_are_all_queued(self, queue: Queue) -> None:
        queue.send("same")
        queue.send("same")
        assert len(queue.receive(limit=10)) == 2

    def test_depth_counts_each_message_once(self, queue: WorkQueue) -> None:
        for number in range(4):
            queue.send(str(number))
        held, buried = queue.receive(limit=2)
        queue.bury(buried, "bad")
        assert queue.depth() == {"visible": 2, "in_flight": 1, "dead": 1}
        queue.acknowledge(held)
        assert queue.depth() == {"visible": 2, "in_flight": 0, "dead": 1}

    def test_four_processes_receive_each_of_500_messages_exactly_once(self, queue: Queue, connect: Connect) -> None:
        sent = [f"message {number}" for number in range(500)]
        for body in sent:
            queue.send(body)
        with ProcessPoolExecutor(4, mp_context=_SPAWN) as pool:
            received = [body for bodies in pool.map(receive_all, [connect] * 4) for body in bodies]
        assert sorted(received) == sorted(sent)

    def test_the_message_of_a_killed_consumer_comes_back(self, queue: Queue, connect: Connect, clock: Clock) -> None:
        queue.send("one")
        ours, theirs = _SPAWN.Pipe()
        consumer = _SPAWN.Process(target=receive_and_hang, args=(connect, theirs))
        consumer.start()
        with ours, theirs:
            assert ours.recv() == "one"
        assert consumer.pid is not None
        os.kill(consumer.pid, signal.SIGKILL)
        consumer.join()
        consumer.close()
        assert queue.receive() == []
        clock.advance(3600)
        (message,) = queue.receive()
        assert (message.body, message.receive_count) == ("one", 2)


class DeadLettersContract:
    @pytest.fixture
    def queue(self) -> WorkQueue:
        """The adapter: on the clock `clock`, with MAX_RECEIVES."""
        raise NotImplementedError

    def test_a_message_received_too_often_goes_to_the_dead_letters(self, queue: WorkQueue, clock: Clock) -> None:
        message_id = queue.send("poison")
        poison(queue, clock)
        assert queue.receive() == []
        (letter,) = queue.list()
        assert (letter.message_id, letter.body, letter.receive_count) == (message_id, "poison", MAX_RECEIVES)
        assert str(MAX_RECEIVES) in letter.reason

    def test_poison_does_not_hide_the_messages_behind_it(self, queue: WorkQueue, clock: Clock) -> None:
        queue.send("poison")
        poison(queue, clock)
        queue.send("good")
        assert [message.body for message in queue.receive(limit=1)] == ["good"]

    def test_a_buried_message_keeps_the_reason(self, queue: WorkQueue, clock: Clock) -> None:
        queue.send("bad")
        (message,) = queue.receive()
        assert queue.bury(message, "it is not JSON")
        clock.advance(3600)
        assert queue.receive() == []
        assert [(letter.body, letter.reason) for letter in queue.list()] == [("bad", "it is not JSON")]

    def test_a_buried_message_can_no_longer_be_acknowledged(self, queue: WorkQueue) -> None:
        queue.send("bad")
        (message,) = queue.receive()
        queue.bury(message, "bad")
        assert not queue.acknowledge(message)
        assert not queue.bury(message, "again")
        assert len(queue.list()) == 1

    def test_a_lost_lease_cannot_bury(self, queue: WorkQueue, clock: Clock) -> None:
        queue.send("one")
        (lost,) = queue.receive(lease_s=60)
        clock.advance(61)
        queue.receive()
        assert not queue.bury(lost, "late")
        assert queue.list() == []

    def test_a_postponed_message_comes_back_after_its_delay(self, queue: WorkQueue, clock: Clock) -> None:
        queue.send("later")
        (message,) = queue.receive()
        assert queue.postpone(message, 30, "busy")
        assert queue.receive() == []
        clock.advance(31)
        assert queue.receive()[0].message_id == message.message_id

    def test_a_message_that_is_postponed_again_and_again_does_not_die_of_it(self, queue: WorkQueue) -> None:
        message_id = queue.send("later", "event-1")
        for _ in range(2 * MAX_RECEIVES):
            (message,) = queue.receive()
            assert queue.postpone(message, 0.0, "busy")
        (message,) = queue.receive()
        assert (message.message_id, message.body, queue.list()) == (message_id, "later", [])
        assert queue.acknowledge(message)
        assert queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}

    def test_a_lost_lease_cannot_postpone(self, queue: WorkQueue, clock: Clock) -> None:
        queue.send("one")
        (lost,) = queue.receive(lease_s=60)
        clock.advance(61)
        (held,) = queue.receive()
        assert not queue.postpone(lost)
        assert queue.acknowledge(held)

    def test_dead_letters_are_listed_oldest_first_up_to_the_limit(self, queue: WorkQueue, clock: Clock) -> None:
        bury_each(queue, clock, ["a", "b", "c"])
        assert [letter.body for letter in queue.list()] == ["a", "b", "c"]
        assert [letter.body for letter in queue.list(limit=2)] == ["a", "b"]

    def test_redriven_messages_start_with_a_fresh_receive_count(self, queue: WorkQueue, clock: Clock) -> None:
        queue.send("poison")
        poison(queue, clock)
        queue.receive()
        assert queue.redrive() == 1
        assert queue.list() == []
        assert queue.receive()[0].receive_count == 1

    def test_only_the_named_dead_letters_are_redriven(self, queue: WorkQueue, clock: Clock) -> None:
        ids = bury_each(queue, clock, ["a", "b"])
        assert queue.redrive([ids[1], "no such message"]) == 1
        assert [message.body for message in queue.receive(limit=10)] == ["b"]
        assert [letter.body for letter in queue.list()] == ["a"]

    def test_only_dead_letters_that_are_named_are_discarded(self, queue: WorkQueue, clock: Clock) -> None:
        ids = bury_each(queue, clock, ["a", "b", "c"])
        living = queue.send("living")
        assert queue.discard([ids[1], living, "no such message"]) == 1
        assert [letter.body for letter in queue.list()] == ["a", "c"]
        assert (queue.discard(), queue.discard()) == (2, 0)
        assert [message.body for message in queue.receive(limit=10)] == ["living"]

    def test_redriving_nothing_is_no_error(self, queue: WorkQueue) -> None:
        assert queue.redrive() == 0
        assert queue.redrive([]) == 0

    def test_a_dead_lettered_deduplication_id_is_not_queued_again(self, queue: WorkQueue, clock: Clock) -> None:
        message_id = queue.send("poison", "event-1")
        poison(queue, clock)
        queue.receive()
        assert queue.send("poison", "event-1") == message_id
        assert queue.receive() == []


def poison(queue: Queue, clock: Clock) -> None:
    """Receives the only message as often as is allowed, failing each time."""
    for _ in range(MAX_RECEIVES):
        assert queue.receive(lease_s=60)
        clock.advance(61)


def bury_each(queue: WorkQueue, clock: Clock, bodies: list[str]) -> list[str]:
    buried: list[Message] = []
    for body in bodies:
        queue.send(body)
        buried += queue.receive()
        queue.bury(buried[-1], f"{body} is bad")
        clock.advance(1)
    return [message.message_id for message in buried]
