"""Pagination tokens and repeated requests."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceline.rekognition.errors import WireError
from faceline.rekognition.repeats import Repeats
from faceline.rekognition.tokens import Pages, name_of, number_of

PAGES = Pages(b"secret", ("ListFaces", "staff", None, ["a"]))
NAMES = st.text("abcXYZ019_.-", min_size=1, max_size=255)


@given(st.integers(1, 2**63))
def test_a_token_leads_back_to_its_place(place: int) -> None:
    assert PAGES.place(PAGES.token(place)) == place


def test_without_a_token_a_query_starts_at_the_beginning() -> None:
    assert PAGES.place(None) == 0


@pytest.mark.parametrize(
    "other",
    [
        replace(PAGES, key=b"another"),
        replace(PAGES, query=("ListUsers", "staff", None, ["a"])),
        replace(PAGES, query=("ListFaces", "guests", None, ["a"])),
        replace(PAGES, query=("ListFaces", "staff", "ann", ["a"])),
        replace(PAGES, query=("ListFaces", "staff", None, ["b"])),
    ],
)
def test_a_token_is_good_for_its_own_query_only(other: Pages) -> None:
    with pytest.raises(WireError, match="start over") as raised:
        other.place(PAGES.token(7))
    assert raised.value.code == "InvalidPaginationTokenException"


@given(st.text(max_size=255))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        PAGES.place(text)


def test_a_changed_token_is_refused() -> None:
    raw = bytearray(base64.b85decode(PAGES.token(7)))
    raw[-1] ^= 1
    with pytest.raises(WireError):
        PAGES.place(base64.b85encode(bytes(raw)).decode())


@given(NAMES)
def test_a_name_survives_as_a_number(name: str) -> None:
    assert name_of(number_of(name)) == name


@pytest.mark.parametrize("letter", ["a", "z", "-"])
def test_the_longest_name_fits_into_a_token(letter: str) -> None:
    token = PAGES.token(number_of(letter * 255))
    assert len(token) <= 255
    assert name_of(PAGES.place(token)) == letter * 255


def test_a_repeated_request_has_the_first_answer_and_no_second_effect() -> None:
    repeats, calls = Repeats(), []

    def do() -> dict[str, int]:
        calls.append(1)
        return {"n": len(calls)}

    assert repeats.once(("CreateUser", "t"), "ann", do) == repeats.once(("CreateUser", "t"), "ann", do) == {"n": 1}
    assert repeats.once(("DeleteUser", "t"), "ann", do) == {"n": 2}


def test_a_token_that_comes_with_another_request_is_refused() -> None:
    repeats = Repeats()
    repeats.once(("CreateUser", "t"), "ann", dict)
    with pytest.raises(WireError, match="make a new one") as raised:
        repeats.once(("CreateUser", "t"), "ben", dict)
    assert raised.value.code == "IdempotentParameterMismatchException"


def test_a_failed_request_may_be_sent_again() -> None:
    repeats = Repeats()
    with pytest.raises(ZeroDivisionError):
        repeats.once(("CreateUser", "t"), "ann", lambda: {"n": 1 // 0})
    assert repeats.once(("CreateUser", "t"), "ann", lambda: {"n": 1}) == {"n": 1}


def test_a_request_that_overtakes_its_first_sending_waits_for_that_answer() -> None:
    repeats, calls, go = Repeats(), [], threading.Event()

    def slow() -> dict[str, int]:
        calls.append(1)
        go.wait(10)
        return {"n": len(calls)}

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(repeats.once, ("CreateUser", "t"), "ann", slow) for _ in range(4)]
        while not calls:
            pass
        go.set()
        assert [answer.result() for answer in answers] == [{"n": 1}] * 4
    assert len(calls) == 1


def test_tokens_are_forgotten_after_hours() -> None:
    seconds = [0.0]
    repeats = Repeats(clock=lambda: seconds[0])
    repeats.once(("CreateUser", "t"), "ann", dict)
    seconds[0] = 9 * 3600.0
    assert repeats.once(("CreateUser", "t"), "ben", lambda: {"n": 1}) == {"n": 1}
