"""Tokens and sessions as they are kept, and how wrong keys are counted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.conftest import Clock
from faceline.api_keys import ApiKey, ApiScope, digest
from faceline.errors import ConflictError, NotFoundError, UsageError
from faceline.local.api_keys import LONGEST_S, MOST_OF_KEY, UNUSED_S, SqliteApiKeys, SqliteSessions
from faceline.local.database import Database
from faceline.local.schema import STATE
from faceline.web.failures import Failures

ADMIN = digest("the admin key")
HOUR_S = 3600.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "state.sqlite", STATE)
    yield database
    database.close()


@pytest.fixture
def keys(database: Database) -> SqliteApiKeys:
    return SqliteApiKeys(database)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(database: Database, clock: Clock) -> SqliteSessions:
    return SqliteSessions(database, clock)


def everything_in(database: Database) -> bytes:
    database.checkpoint()
    return database.path.read_bytes()


# Tokens


def test_a_token_is_found_by_its_digest_with_its_name_and_scope(keys: SqliteApiKeys) -> None:
    made = {scope: keys.create(f"the-{scope}", scope) for scope in ApiScope}
    found = {scope: keys.find(digest(token)) for scope, token in made.items()}
    assert [(key.name, key.scope) for key in found.values() if key] == [(f"the-{scope}", scope) for scope in ApiScope]
    assert list(keys.list()) == list(found.values())


def test_of_a_token_only_its_hash_is_kept(keys: SqliteApiKeys, database: Database) -> None:
    token = keys.create("door", ApiScope.READ)
    content = everything_in(database)
    assert digest(token).encode() in content
    assert token.encode() not in content
    assert token.removeprefix("flt_").encode() not in content


def test_tokens_are_long_and_no_two_alike(keys: SqliteApiKeys) -> None:
    made = [keys.create(f"t{n}", ApiScope.READ) for n in range(20)]
    assert {len(token) for token in made} == {47}
    assert len(set(made)) == 20


@pytest.mark.parametrize("name", ["", "admin", "a b", "ä", "-x", "a/b", "x" * 65, "a\n"])
def test_a_name_that_can_be_none_is_refused(keys: SqliteApiKeys, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a token"):
        keys.create(name, ApiScope.READ)
    assert list(keys.list()) == []


def test_a_name_stands_for_one_token(keys: SqliteApiKeys) -> None:
    token = keys.create("door", ApiScope.READ)
    with pytest.raises(ConflictError, match="'door'"):
        keys.create("door", ApiScope.ADMIN)
    found = keys.find(digest(token))
    assert found is not None
    assert found.scope is ApiScope.READ


def test_a_revoked_token_is_gone_and_so_are_its_sessions_only(keys: SqliteApiKeys, sessions: SqliteSessions) -> None:
    door, desk = (keys.create(name, ApiScope.READ) for name in ("door", "desk"))
    of_door, of_desk = sessions.open(digest(door)), sessions.open(digest(desk))
    gone = keys.revoke("door")
    assert (gone.name, gone.scope) == ("door", ApiScope.READ)
    assert (keys.find(digest(door)), sessions.find(of_door)) == (None, None)
    assert sessions.find(of_desk) == digest(desk)
    with pytest.raises(NotFoundError, match="faceline tokens list"):
        keys.revoke("door")


def test_a_new_token_of_an_old_name_does_not_bring_the_old_one_back(keys: SqliteApiKeys) -> None:
    old = keys.create("door", ApiScope.ADMIN)
    keys.revoke("door")
    new = keys.create("door", ApiScope.READ)
    assert keys.find(digest(old)) is None
    assert isinstance(keys.find(digest(new)), ApiKey)


# Sessions


def test_a_session_is_found_by_its_secret_and_only_its_hash_is_kept(
    sessions: SqliteSessions, database: Database
) -> None:
    secret = sessions.open(ADMIN)
    assert sessions.find(secret) == ADMIN
    assert [sessions.find(text) for text in ("", digest(secret), secret[:-1])] == [None] * 3
    assert secret.encode() not in everything_in(database)


def test_a_session_ends_after_twelve_hours_without_use(sessions: SqliteSessions, clock: Clock) -> None:
    secret = sessions.open(ADMIN)
    clock.advance(UNUSED_S - 1)
    assert sessions.find(secret) == ADMIN
    clock.advance(UNUSED_S - 1)
    assert sessions.find(secret) == ADMIN
    clock.advance(UNUSED_S)
    assert sessions.find(secret) is None


def test_a_session_ends_after_seven_days_however_much_it_is_used(sessions: SqliteSessions, clock: Clock) -> None:
    secret = sessions.open(ADMIN)
    uses = []
    while sessions.find(secret):
        clock.advance(HOUR_S)
        uses.append(clock())
    assert len(uses) * HOUR_S == LONGEST_S == 7 * 24 * HOUR_S


def test_a_closed_session_is_over(sessions: SqliteSessions) -> None:
    secret, other = sessions.open(ADMIN), sessions.open(ADMIN)
    sessions.close(secret)
    sessions.close("no such")
    assert (sessions.find(secret), sessions.find(other)) == (None, ADMIN)


def test_sessions_that_are_over_do_not_pile_up(sessions: SqliteSessions, clock: Clock, database: Database) -> None:
    for _ in range(5):
        sessions.open(ADMIN)
    clock.advance(UNUSED_S)
    sessions.open(ADMIN)
    assert database.rows("SELECT COUNT(*) FROM sessions") == [(1,)]


def test_the_newest_hundred_sessions_of_a_key_live(sessions: SqliteSessions, clock: Clock) -> None:
    other, opened = sessions.open(digest("another")), []
    for _ in range(MOST_OF_KEY + 2):
        clock.advance(1)
        opened.append(sessions.open(ADMIN))
    assert [bool(sessions.find(secret)) for secret in (*opened[:4], opened[-1], other)] == [False] * 2 + [True] * 4


# Wrong keys


@pytest.fixture
def failures(clock: Clock) -> Failures:
    return Failures(clock)


def fail(failures: Failures, times: int, address: str = "192.0.2.1") -> None:
    for number in range(times):
        failures.failed(address, f"guess {number}")


def test_ten_wrong_keys_within_a_minute_make_their_address_wait(failures: Failures, clock: Clock) -> None:
    fail(failures, 9)
    assert failures.wait_s("192.0.2.1") == 0
    clock.advance(20)
    fail(failures, 1)
    assert failures.wait_s("192.0.2.1") == 40
    assert failures.wait_s("192.0.2.2") == 0
    clock.advance(40)
    assert failures.wait_s("192.0.2.1") == 0


def test_what_opened_from_there_before_does_not_wait_until_it_is_wrong_itself(failures: Failures) -> None:
    failures.opened("192.0.2.1", "good")
    fail(failures, 10)
    assert failures.wait_s("192.0.2.1", "good") == 0
    assert failures.wait_s("192.0.2.1", "other") > 0
    assert failures.wait_s("192.0.2.1", "guess 1") > 0
    failures.failed("192.0.2.1", "good")
    assert failures.wait_s("192.0.2.1", "good") > 0


@pytest.mark.parametrize(
    ("address", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("unknown", "unknown", True),
        ("unknown", "192.0.2.1", False),
    ],
)
def test_an_ipv6_network_counts_as_one_address(failures: Failures, address: str, other: str, same: bool) -> None:
    fail(failures, 10, address)
    assert (failures.wait_s(other) > 0) == same


def test_the_memory_of_wrong_keys_is_bounded(failures: Failures) -> None:
    for number in range(10_001):
        failures.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        failures.opened("192.0.2.1", f"good {number}")
    fail(failures, 10)
    assert (len(failures._failed), len(failures._good)) == (10_000, 1_000)
    assert failures.wait_s("192.0.2.1", "good 10000") == 0
    assert failures.wait_s("192.0.2.1", "good 0") > 0
