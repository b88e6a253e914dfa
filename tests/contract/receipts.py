"""What every store of receipts must do. A subclass gives the fixtures `receipts` and `connect`."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager

import pytest

from contract.conftest import Clock
from faceline.ports import ClaimState, Receipts

Connect = Callable[[], AbstractContextManager[Receipts]]


def claims_won(connect: Connect) -> list[int]:
    """Run in another process: which of 100 events this process may handle."""
    with connect() as receipts:
        return [n for n in range(100) if receipts.claim(f"event {n}", 600).state is ClaimState.MINE]


class ReceiptsContract:
    @pytest.fixture
    def receipts(self) -> Receipts:
        """The adapter, on the clock `clock`."""
        raise NotImplementedError

    @pytest.fixture
    def connect(self) -> Connect:
        """Opens the same receipts in another process, on real time; it must be possible to pickle it."""
        raise NotImplementedError

    def test_the_first_claim_is_mine(self, receipts: Receipts) -> None:
        claim = receipts.claim("event", 60)
        assert claim.state is ClaimState.MINE
        assert claim.token

    def test_a_held_event_is_busy(self, receipts: Receipts) -> None:
        receipts.claim("event", 60)
        assert receipts.claim("event", 60).state is ClaimState.BUSY
        assert receipts.claim("other event", 60).state is ClaimState.MINE

    def test_a_completed_event_gives_its_result_for_good(self, receipts: Receipts, clock: Clock) -> None:
        claim = receipts.claim("event", 60)
        assert receipts.complete("event", claim.token, '{"faces": 2, "who": "Zoë"}')
        clock.advance(1_000_000)
        again = receipts.claim("event", 60)
        assert (again.state, again.result) == (ClaimState.DONE, '{"faces": 2, "who": "Zoë"}')

    def test_an_empty_result_is_a_result(self, receipts: Receipts) -> None:
        claim = receipts.claim("event", 60)
        receipts.complete("event", claim.token, "")
        assert receipts.claim("event", 60).state is ClaimState.DONE

    def test_an_event_whose_holder_died_can_be_claimed_after_the_lease(self, receipts: Receipts, clock: Clock) -> None:
        first = receipts.claim("event", 60)
        clock.advance(61)
        second = receipts.claim("event", 60)
        assert second.state is ClaimState.MINE
        assert second.token != first.token

    def test_a_lost_claim_can_do_nothing(self, receipts: Receipts, clock: Clock) -> None:
        lost = receipts.claim("event", 60)
        clock.advance(61)
        held = receipts.claim("event", 60)
        assert not receipts.complete("event", lost.token, "late")
        assert not receipts.extend("event", lost.token, 600)
        receipts.release("event", lost.token)
        assert receipts.complete("event", held.token, "right")
        assert receipts.claim("event", 60).result == "right"

    def test_a_result_is_never_replaced(self, receipts: Receipts) -> None:
        claim = receipts.claim("event", 60)
        assert receipts.complete("event", claim.token, "first")
        assert not receipts.complete("event", claim.token, "second")
        receipts.release("event", claim.token)
        assert receipts.claim("event", 60).result == "first"

    def test_extending_keeps_the_claim(self, receipts: Receipts, clock: Clock) -> None:
        claim = receipts.claim("event", 60)
        clock.advance(50)
        assert receipts.extend("event", claim.token, 60)
        clock.advance(50)
        assert receipts.claim("event", 60).state is ClaimState.BUSY

    def test_a_released_event_can_be_claimed_at_once(self, receipts: Receipts) -> None:
        claim = receipts.claim("event", 60)
        receipts.release("event", claim.token)
        assert receipts.claim("event", 60).state is ClaimState.MINE
        assert not receipts.complete("event", claim.token, "late")

    def test_of_four_processes_exactly_one_wins_each_event(self, receipts: Receipts, connect: Connect) -> None:
        with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
            won = [event for events in pool.map(claims_won, [connect] * 4) for event in events]
        assert sorted(won) == list(range(100))
        assert receipts.claim("event 0", 60).state is ClaimState.BUSY
