"""What every outbox must do. A subclass gives the fixtures `outbox` and `connect`."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from contract.conftest import Clock
from faceline.erasure import Gone
from faceline.errors import NotFoundError
from faceline.local.outbox import SqliteOutbox
from faceline.notices import CLEARED, Notice, Route, message_id_of

Connect = Callable[[], AbstractContextManager[SqliteOutbox]]
ADA = Notice(
    "photo 1",
    "person.seen",
    "2026-11-21T10:00:00.000+00:00",
    "face-input-bucket/input/a.jpg",
    "Ada was seen in face-input-bucket/input/a.jpg",
    ("Ada",),
    91.5,
    "door",
    {"box": {"left": 1}, "collection": "staff"},
)


def chosen(notice: Notice) -> Sequence[Route]:
    """`all` hears everything, `calm` at most once a minute."""
    if notice.kind == CLEARED:
        return [Route("broker")]
    return [Route("all", "here"), Route("calm", "here", 60)] if notice.kind == "person.seen" else []


def seen(number: int, at: str = "10:00:00", **changes: Any) -> Notice:
    return replace(ADA, notice_id=f"photo {number}", time=f"2026-11-21T{at}.000+00:00", **changes)


def claims_won(connect: Connect) -> list[str]:
    """Run in another process: which of the deliveries this process may send."""
    with connect() as outbox:
        won = []
        while delivery := outbox.claim("all", 600):
            won.append(delivery.message_id)
        return won


def puts_won(connect: Connect) -> int:
    """Run in another process: how many of 60 notices were new to the outbox, and not quiet."""
    with connect() as outbox:
        return sum(outbox.put(seen(n)) for n in range(60))


def states(outbox: SqliteOutbox, number: int = 1) -> dict[str, str]:
    found = outbox.get(message_id_of(f"photo {number}"))
    return {each.target: each.state for each in found.deliveries}


class OutboxContract:
    @pytest.fixture
    def outbox(self) -> SqliteOutbox:
        """The adapter, on the clock `clock`, with the routes `chosen`."""
        raise NotImplementedError

    @pytest.fixture
    def connect(self) -> Connect:
        """Opens the same outbox in another process, on real time; it must be possible to pickle it."""
        raise NotImplementedError

    def test_a_notice_is_kept_once(self, outbox: SqliteOutbox) -> None:
        assert outbox.put(seen(1)) is True
        assert outbox.put(seen(1, text="the same again")) is False
        (told,) = outbox.list()
        assert replace(told.notice, notice_id="photo 1") == seen(1)
        assert states(outbox) == {"all": "waiting", "calm": "waiting"}

    def test_the_message_id_says_nothing_of_the_event(self, outbox: SqliteOutbox) -> None:
        outbox.put(seen(1))
        delivery = outbox.claim("all", 60)
        assert delivery
        assert delivery.message_id.startswith("msg_")
        assert "." not in delivery.message_id  # Standard Webhooks: what is signed is id.timestamp.body
        assert "photo" not in delivery.message_id

    def test_a_claimed_delivery_is_nobody_elses_until_its_lease_ends(self, outbox: SqliteOutbox, clock: Clock) -> None:
        outbox.put(seen(1))
        first = outbox.claim("all", 60)
        assert first
        assert first.tries == 1
        assert outbox.claim("all", 60) is None
        clock.advance(61)
        second = outbox.claim("all", 60)
        assert second
        assert (second.message_id, second.tries) == (first.message_id, 2)
        assert outbox.delivered(first) is False
        assert outbox.delivered(second) is True
        clock.advance(61)
        assert outbox.claim("all", 60) is None

    def test_a_lease_can_be_extended(self, outbox: SqliteOutbox, clock: Clock) -> None:
        outbox.put(seen(1))
        delivery = outbox.claim("all", 60)
        assert delivery
        clock.advance(50)
        assert outbox.extend(delivery, 60)
        clock.advance(50)
        assert outbox.claim("all", 60) is None

    def test_a_failed_delivery_comes_again_when_it_is_due(self, outbox: SqliteOutbox, clock: Clock) -> None:
        outbox.put(seen(1))
        delivery = outbox.claim("all", 60)
        assert delivery
        outbox.retry(delivery, 30, "it answered 500")
        assert outbox.claim("all", 60) is None
        clock.advance(31)
        again = outbox.claim("all", 60)
        assert again
        assert again.tries == 2

    def test_a_pause_holds_up_all_that_waits_for_the_target(self, outbox: SqliteOutbox, clock: Clock) -> None:
        outbox.put(seen(1))
        outbox.put(seen(2))
        outbox.pause("all", 100)
        assert outbox.claim("all", 60) is None
        assert outbox.claim("calm", 60)
        clock.advance(101)
        assert outbox.claim("all", 60)

    def test_dead_letters_are_listed_and_can_be_driven_again(self, outbox: SqliteOutbox) -> None:
        outbox.put(seen(1))
        delivery = outbox.claim("all", 60)
        assert delivery
        outbox.bury(delivery, "it answered 500")
        (dead,) = outbox.dead()
        assert next((d.target, d.state, d.reason) for d in dead.deliveries) == ("all", "dead", "it answered 500")
        assert outbox.claim("all", 60) is None
        assert outbox.redrive([delivery.message_id], "calm") == 0
        assert outbox.redrive() == 1
        again = outbox.claim("all", 60)
        assert again
        assert again.tries == 1

    def test_a_target_that_ended_is_told_nothing_until_its_address_changes_or_it_is_resumed(
        self, outbox: SqliteOutbox
    ) -> None:
        outbox.put(seen(1))
        assert outbox.end("all", "here", "it answered 410 Gone") == 1
        assert states(outbox)["all"] == "dead"
        outbox.put(seen(2, "11:00:00"))
        assert states(outbox, 2) == {"calm": "waiting"}
        assert outbox.ended("all", "here") == "it answered 410 Gone"
        assert outbox.ended("all", "elsewhere") is None
        outbox.resume("all")
        outbox.put(seen(3, "12:00:00"))
        assert states(outbox, 3)["all"] == "waiting"

    def test_a_person_at_a_camera_is_told_once_in_a_quiet_time(self, outbox: SqliteOutbox) -> None:
        quiet = seen(2, "10:00:59")
        outbox.put(seen(1))
        outbox.put(quiet)
        outbox.put(seen(3, "10:00:30", camera="gate"))
        outbox.put(seen(4, "10:00:30", people=("Bob",)))
        outbox.put(seen(5, "10:01:01"))
        outbox.put(seen(6, "10:01:02", camera=None))
        outbox.put(seen(7, "10:01:02", camera=None))
        assert [n for n in range(1, 8) if "calm" in states(outbox, n)] == [1, 3, 4, 5, 6, 7]
        assert all("all" in states(outbox, n) for n in range(1, 8))

    def test_a_replay_sends_under_the_same_id(self, outbox: SqliteOutbox) -> None:
        outbox.put(seen(1))
        delivery = outbox.claim("all", 60)
        assert delivery
        outbox.delivered(delivery)
        assert outbox.replay(delivery.message_id, "all") == 1
        again = outbox.claim("all", 60)
        assert again
        assert again.message_id == delivery.message_id
        assert outbox.replay(delivery.message_id, "other") == 0
        assert outbox.replay(delivery.message_id, "other", whatever=True) == 1
        with pytest.raises(NotFoundError):
            outbox.replay("msg_0")

    def test_what_is_old_and_waits_for_nobody_goes(self, outbox: SqliteOutbox, clock: Clock) -> None:
        outbox.put(seen(1, kind="match.found"))
        outbox.put(seen(2))
        clock.advance(31 * 86_400)
        assert outbox.sweep(32, ["all"]) == 0
        assert outbox.sweep(30, ["all"]) == 1
        assert [told.notice.kind for told in outbox.list()] == ["person.seen"]
        assert outbox.sweep(30, ["another"]) == 1  # nobody will ever take it

    def test_several_processes_share_the_deliveries(self, outbox: SqliteOutbox, connect: Connect) -> None:
        for number in range(60):
            outbox.put(seen(number))
        with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
            won = [each for some in pool.map(claims_won, [connect] * 3) for each in some]
        assert len(won) == len(set(won)) == 60

    def test_several_processes_put_each_notice_once_and_keep_one_quiet_time(
        self, outbox: SqliteOutbox, connect: Connect
    ) -> None:
        with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
            assert sum(pool.map(puts_won, [connect] * 3)) == 60
        assert len(outbox.list(1000)) == 60
        assert sum("calm" in states(outbox, number) for number in range(60)) == 1

    def test_notices_that_name_a_forgotten_person_go(self, outbox: SqliteOutbox) -> None:
        outbox.put(seen(1))
        outbox.put(seen(2, people=(), text="somebody was like ada"))
        outbox.put(seen(3, people=(), text="a photo", data={"deep": [{"key": "input/ada_0001.jpg"}]}))
        outbox.put(seen(4, people=(), text="a photo", data={"FaceId": "face-7"}))
        kept = [
            seen(5, people=("Ada Lovelace",), text="Ada Lovelace was seen"),
            seen(6, people=("Adam",), text="Adam was seen"),
        ]
        for notice in kept:
            outbox.put(notice)
        assert outbox.forget(Gone("Ada", (), True, frozenset({"face-7"}))) == 4
        left = [told.notice.text for told in outbox.list() if told.notice.kind != CLEARED]
        assert sorted(left) == ["Ada Lovelace was seen", "Adam was seen"]

    def test_who_is_forgotten_in_one_collection_stays_in_notices_of_others(self, outbox: SqliteOutbox) -> None:
        outbox.put(seen(1))
        outbox.put(seen(2, data={"collection": "guests"}))
        assert outbox.forget(Gone("Ada", ("guests",), False)) == 1
        assert [told.notice.data["collection"] for told in outbox.list()] == ["staff"]

    def test_targets_that_keep_something_are_told_that_it_is_to_go_without_a_name(self, outbox: SqliteOutbox) -> None:
        outbox.put(seen(1))
        outbox.forget(Gone("Ada", (), True))
        delivery = outbox.claim("broker", 60)
        assert delivery
        assert delivery.notice.kind == CLEARED
        assert "Ada" not in str(delivery)
