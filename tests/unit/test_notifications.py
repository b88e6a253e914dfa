"""From a notice to its targets: rules, signatures, answers, back-off, and that no secret is ever shown."""

import json
import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from commands import wait_until
from contract.conftest import Clock
from faceline.config import load
from faceline.errors import MissingExtraError, SettingError
from faceline.local.database import Database
from faceline.local.outbox import SqliteOutbox
from faceline.local.schema import STATE
from faceline.notices import CLEARED, Notice, Route, message_id_of
from faceline.notify.rules import checked, routes, wants
from faceline.notify.senders import opened
from faceline.pipelines.notifying import Deliverer, Sweeper, backoff_s
from faceline.targets import Target
from receivers import SECRET, Receiver, dripping, receiving

PERSON = Notice(
    "1", "person.seen", "2026-11-21T10:00:00+00:00", "b/a.jpg", "Ada was seen in b/a.jpg", ("Ada",), 91.5, "door"
)
STRANGER = Notice("2", "unknown.seen", "2026-11-21T10:00:00+00:00", "b/a.jpg", "Somebody unknown was seen")
MATCH = Notice("3", "match.found", "2026-11-21T10:00:00+00:00", "b/a.jpg", "Ada matched Bob", ("Ada", "Bob"), 95.0)


def webhook(url: str = "https://example.org/hook", **more: Any) -> Target:
    return Target(name="hook", kind="webhook", url=url, **({"secret": SECRET} | more))


def to(kind: Any = "log", **more: Any) -> Target:
    return Target(name="log", kind=kind, **more)


# Rules


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({}, [PERSON, MATCH]),
        ({"kinds": ("match.*",)}, [MATCH]),
        ({"kinds": ("person.seen", "unknown.seen")}, [PERSON, STRANGER]),
        ({"unknown_people": True}, [PERSON, STRANGER, MATCH]),
        ({"people": ("Bob",)}, [MATCH]),
        ({"people": ("Eve",), "unknown_people": True}, [STRANGER]),
        ({"cameras": ("door", "gate")}, [PERSON]),
        ({"min_similarity": 92.0, "unknown_people": True}, [STRANGER, MATCH]),
    ],
)
def test_a_target_is_told_what_all_its_rules_let_through(rules: dict[str, Any], told: list[Notice]) -> None:
    assert [notice for notice in (PERSON, STRANGER, MATCH) if wants(to(**rules), notice)] == told


def test_only_brokers_are_told_that_a_sensor_is_to_go() -> None:
    notice = replace(PERSON, kind=CLEARED)
    assert [wants(target, notice) for target in (to(), to("mqtt", url="mqtt://h"))] == [False, True]


def test_two_targets_of_one_name_are_refused() -> None:
    with pytest.raises(SettingError, match=r"two .+ are called log"):
        checked([to(), to()])


# Targets


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "webhook", "url": "ftp://h/x", "secret": SECRET}, "needs a url http://… or https://…"),
        ({"kind": "webhook", "url": "https:///x", "secret": SECRET}, "needs a url"),
        ({"kind": "webhook", "url": "https://h/x"}, "needs a secret"),
        ({"kind": "webhook", "url": "https://h/x", "secret": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        ({"kind": "webhook", "url": "https://h/x", "secret": "whsec_not base64"}, "24 to 64 bytes"),
        ({"kind": "mqtt", "url": "tcp://h"}, "needs a url mqtt://… or mqtts://…"),
        ({"kind": "mqtt", "url": "mqtt://h", "secret": SECRET}, "needs no secret"),
        ({"kind": "apprise"}, "give an Apprise URL"),
        ({"kind": "log", "url": "https://h"}, "needs no url"),
        ({"kind": "pigeon"}, "pigeon"),
        ({"kind": "log", "name": "a b"}, "name"),
        ({"kind": "log", "tries": 0}, "tries"),
    ],
)
def test_a_target_that_cannot_be_told_is_refused_without_its_secret(
    wrong: dict[str, Any], said: str, tmp_path: Path
) -> None:
    environment = {"FACELINE_NOTIFY": json.dumps([{"name": "x"} | wrong])}
    with pytest.raises(SettingError) as refused:
        load(environment=environment, directory=tmp_path)
    assert said in str(refused.value)
    assert "FACELINE_NOTIFY" in str(refused.value)
    assert not any(secret in str(refused.value) for secret in (SECRET, "whsec_c2", "h/x"))


def test_targets_come_from_tables_of_the_settings_file(tmp_path: Path) -> None:
    text = f'[[notify]]\nname = "a"\nkind = "webhook"\nurl = "https://h/x"\nsecret = ["{SECRET}", "{SECRET}"]\n'
    (tmp_path / "faceline.toml").write_text(text)
    (target,) = load(environment={}, directory=tmp_path).notify
    assert target.secrets == (SECRET, SECRET)
    assert SECRET not in repr(load(environment={}, directory=tmp_path))
    assert target.address == "https://h"


def test_a_misspelt_table_is_refused_without_its_secret(tmp_path: Path) -> None:
    (tmp_path / "faceline.toml").write_text(f'[[notfy]]\nsecret = "{SECRET}"\n')
    with pytest.raises(SettingError, match="the nearest is notify") as refused:
        load(environment={}, directory=tmp_path)
    assert SECRET not in str(refused.value)


def test_url_and_secret_may_come_from_the_environment() -> None:
    target = webhook("https://h/${TOKEN}", secret="${KEY}")
    filled = target.filled({"TOKEN": "t", "KEY": SECRET})
    assert (filled.url, filled.secrets) == ("https://h/t", (SECRET,))
    with pytest.raises(SettingError, match="needs the environment's TOKEN"):
        target.filled({"KEY": SECRET})
    with pytest.raises(SettingError, match="24 to 64 bytes"):
        target.filled({"TOKEN": "t", "KEY": "whsec_"})


@pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")  # Apprise imports it
def test_an_apprise_url_that_apprise_does_not_know_is_refused_without_it() -> None:
    with pytest.raises(SettingError) as refused:
        opened(to("apprise", url="nothing://token"), "faceline")
    assert "token" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "url", "module", "package"),
    [("mqtt", "mqtt://h", "paho.mqtt.client", "paho-mqtt"), ("apprise", "json://h", "apprise", "apprise")],
)
def test_a_missing_extra_is_named(
    kind: str, url: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=f"pip install {package}"):
        opened(to(kind, url=url), "faceline")


# Delivery


class Bench:
    """An outbox, a clock that tests move, and one target."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.database = Database(folder / "state.sqlite", STATE)
        self.targets: list[Target] = []
        self.outbox = SqliteOutbox(self.database, self._routes, self.clock)
        self.given_up: list[int] = []

    def _routes(self, notice: Notice) -> Sequence[Route]:
        return routes(self.targets, notice)

    def deliverer(self, target: Target, later: Callable[[int], float] = lambda tries: 10.0) -> Deliverer:
        self.targets.append(target)
        return Deliverer(self.outbox, target, lambda: opened(target, "home"), 60.0, later, self.given_up.append)

    def state(self, notice: Notice = PERSON) -> tuple[str, str | None]:
        (found,) = self.outbox.get(message_id_of(notice.notice_id)).deliveries
        return found.state, found.reason


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.database.close()


def test_a_webhook_gets_a_signed_cloud_event(bench: Bench) -> None:
    with receiving() as receiver:
        deliverer = bench.deliverer(webhook(receiver.url))
        bench.outbox.put(PERSON)
        assert deliverer.drain() == 1
    (headers,) = receiver.requests
    assert headers["content-type"] == "application/cloudevents+json"
    message_id = message_id_of("1")
    assert receiver.events == {
        message_id: {
            "specversion": "1.0",
            "id": message_id,
            "source": "/faceline/home",
            "type": "faceline.person.seen",
            "time": "2026-11-21T10:00:00+00:00",
            "datacontenttype": "application/json",
            "subject": "b/a.jpg",
            "data": {
                "text": "Ada was seen in b/a.jpg",
                "people": ["Ada"],
                "similarity": 91.5,
                "camera": "door",
                "detail": {},
            },
        }
    }
    assert bench.state() == ("delivered", None)


def test_while_a_secret_is_changed_a_webhook_has_a_signature_of_each(bench: Bench) -> None:
    other = "whsec_" + "QUJD" * 10
    with receiving() as receiver:
        deliverer = bench.deliverer(webhook(receiver.url, secret=(other, SECRET)))
        bench.outbox.put(PERSON)
        deliverer.drain()
    assert receiver.requests[0]["webhook-signature"].count("v1,") == 2
    assert bench.state()[0] == "delivered"


def test_a_failed_delivery_is_tried_again_with_the_same_id_and_a_new_timestamp(bench: Bench) -> None:
    with receiving(lambda number: 500 if number == 0 else 204) as receiver:
        deliverer = bench.deliverer(webhook(receiver.url))
        bench.outbox.put(PERSON)
        deliverer.drain()
        assert bench.state() == ("waiting", "it answered 500 Internal Server Error")
        assert deliverer.drain() == 0
        bench.clock.advance(11)
        assert deliverer.drain() == 1
    assert bench.state()[0] == "delivered"
    first, second = receiver.requests
    assert first["webhook-id"] == second["webhook-id"]


@pytest.mark.parametrize("said", ["30", "date"])
def test_who_says_when_to_come_again_is_asked_then(bench: Bench, said: str) -> None:
    header = formatdate(Clock().seconds + 30, usegmt=True) if said == "date" else said
    with receiving(lambda number: 429 if number == 0 else 204, {"retry-after": header}) as receiver:
        deliverer = bench.deliverer(webhook(receiver.url), lambda tries: 1.0)
        bench.outbox.put(PERSON)
        bench.outbox.put(replace(PERSON, notice_id="other"))
        assert deliverer.drain() == 1
        bench.clock.advance(20)
        assert deliverer.drain() == 0
        bench.clock.advance(11)
        assert deliverer.drain() == 2
    assert len(receiver.taken) == 2


def test_who_wants_nothing_any_more_is_told_nothing_any_more(bench: Bench) -> None:
    with receiving(lambda number: 410) as receiver:
        deliverer = bench.deliverer(webhook(receiver.url))
        bench.outbox.put(PERSON)
        bench.outbox.put(replace(PERSON, notice_id="another"))
        deliverer.drain()
        bench.outbox.put(replace(PERSON, notice_id="other"))
        assert deliverer.drain() == 0
    assert bench.state() == ("dead", "it answered 410 Gone")
    assert bench.given_up == [2]
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("said", ["Mon, 20 Nov 2023 10:00:00 +99999999999999999999", "soon", "", "9" * 400])
def test_a_time_to_come_again_that_is_none_is_no_error(bench: Bench, said: str) -> None:
    with receiving(lambda number: 503, {"retry-after": said}) as receiver:
        deliverer = bench.deliverer(webhook(receiver.url))
        bench.outbox.put(PERSON)
        deliverer.drain()
    assert bench.state() == ("waiting", "it answered 503 Service Unavailable")


@pytest.mark.parametrize("sent", [[b"HTTP/1.1 200 OK\r\nx: ", b"y"], [b"HTTP/1.1 100 Continue\r\n\r\n"]])
def test_a_webhook_that_answers_for_ever_is_left_when_its_time_is_over(bench: Bench, sent: list[bytes]) -> None:
    with dripping(sent) as (url, ended):
        deliverer = bench.deliverer(webhook(url, timeout_s=0.5))
        bench.outbox.put(PERSON)
        started = time.monotonic()
        deliverer.drain()
        assert time.monotonic() - started < 3
        assert bench.state() == ("waiting", "no whole answer within 0.5 s")
        assert ended.wait(10), "the connection is still open"


def test_an_address_that_is_never_found_does_not_hold_up_the_stop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = threading.Event()

    def looked_up(*_: object, **__: object) -> Any:
        found.wait(20)
        raise OSError("not found")

    monkeypatch.setattr("socket.getaddrinfo", looked_up)
    deliverer = bench.deliverer(webhook("http://nowhere.example/hook", timeout_s=0.3))
    bench.outbox.put(PERSON)
    started = time.monotonic()
    deliverer.drain()
    found.set()
    assert time.monotonic() - started < 5
    assert bench.state() == ("waiting", "no whole answer within 0.3 s")


def test_of_what_a_webhook_says_only_the_beginning_is_kept(bench: Bench) -> None:
    with dripping([b"HTTP/1.1 500 " + b"a\xa0\x9b" * 9000 + b"\r\n\r\n"]) as (url, _):
        deliverer = bench.deliverer(webhook(url))
        bench.outbox.put(PERSON)
        deliverer.drain()
    assert bench.state() == ("waiting", f"it answered 500 {'a' * 100}")


def test_redirects_are_not_followed(bench: Bench) -> None:
    with (
        receiving() as elsewhere,
        receiving(lambda number: 307, {"location": elsewhere.url}) as receiver,
    ):
        deliverer = bench.deliverer(webhook(receiver.url))
        bench.outbox.put(PERSON)
        deliverer.drain()
    assert elsewhere.requests == []
    assert bench.state()[0] == "waiting"
    assert "redirects are not followed" in (bench.state()[1] or "")


def test_after_so_many_tries_a_delivery_is_dead(bench: Bench) -> None:
    with receiving(lambda number: 500) as receiver:
        deliverer = bench.deliverer(webhook(receiver.url, tries=3))
        bench.outbox.put(PERSON)
        for _ in range(5):
            deliverer.drain()
            bench.clock.advance(11)
    assert len(receiver.requests) == 3
    assert bench.state() == ("dead", "it answered 500 Internal Server Error")
    assert bench.given_up == [1]


def test_a_delivery_whose_process_always_dies_is_dead_in_the_end(bench: Bench) -> None:
    with receiving() as receiver:
        deliverer = bench.deliverer(webhook(receiver.url, tries=2))
        bench.outbox.put(PERSON)
        for _ in range(2):
            assert bench.outbox.claim("hook", 60)
            bench.clock.advance(61)
        deliverer.drain()
    assert receiver.requests == []
    assert bench.state()[0] == "dead"


@pytest.mark.parametrize(("answer", "reason"), [("reset", "no answer: "), ("silent", "no whole answer within 0.3 s")])
def test_a_lost_connection_says_no_address(
    bench: Bench, answer: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving(lambda number: answer) as receiver, caplog.at_level(logging.DEBUG, "faceline"):
        target = webhook(receiver.url.replace("hook", "hook/token-7"), timeout_s=0.3)
        deliverer = bench.deliverer(target)
        bench.outbox.put(PERSON)
        deliverer.drain()
    said = f"{bench.state()} {[(r.getMessage(), vars(r)) for r in caplog.records if r.name.startswith('faceline')]}"
    assert reason in said
    assert "token-7" not in said
    assert SECRET not in said
    assert "Ada" not in said


def test_a_server_that_fails_half_of_the_time_gets_each_notice_once_in_effect(bench: Bench) -> None:
    chance = random.Random(7)
    kinds: list[int | str] = [500, 503, "reset", "silent", "taken:500", "taken:reset", 204, 204, 204, 204, 204, 204]
    with receiving(lambda number: chance.choice(kinds)) as receiver:
        target = webhook(receiver.url, timeout_s=0.3, tries=1000)
        deliverers = [bench.deliverer(target)] * 2
        for number in range(60):
            bench.outbox.put(replace(PERSON, notice_id=str(number)))
        stop = threading.Event()
        threads = [threading.Thread(target=each.run, args=(stop,)) for each in deliverers]
        for thread in threads:
            thread.start()

        def done() -> bool:
            bench.clock.advance(1)
            return bench.outbox.waiting("hook") == 0

        wait_until(done, "the delivery of all")
        stop.set()
        for thread in threads:
            thread.join()
    assert set(receiver.events) == {message_id_of(str(number)) for number in range(60)}
    assert len(receiver.requests) > 80
    assert all(each.deliveries[0].state == "delivered" for each in bench.outbox.list())


def test_a_sender_that_cannot_be_made_delays_its_own_notices_only(bench: Bench) -> None:
    deliverer = bench.deliverer(webhook("https://h/${NOT_SET_ANYWHERE}"))
    bench.outbox.put(PERSON)
    deliverer.drain()
    assert bench.state() == ("waiting", "the target hook needs the environment's NOT_SET_ANYWHERE, which is not set")


@pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")  # Apprise imports it
def test_an_apprise_target_gets_the_text(bench: Bench) -> None:
    class Reading(Receiver):
        def take(self, headers: dict[str, str], body: bytes) -> int | str:
            self.bodies.append(body)
            return 200

    with receiving() as receiver:
        plain = Reading()
        receiver.take = plain.take  # type: ignore[method-assign]
        deliverer = bench.deliverer(to("apprise", url=receiver.url.replace("http", "json")))
        bench.outbox.put(PERSON)
        deliverer.drain()
    (body,) = plain.bodies
    assert json.loads(body)["message"] == "Ada was seen in b/a.jpg"
    assert bench.state()[0] == "delivered"


@pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")  # Apprise imports it
def test_an_apprise_target_that_fails_is_tried_again(bench: Bench) -> None:
    deliverer = bench.deliverer(to("apprise", url="json://127.0.0.1:1/x"))
    bench.outbox.put(PERSON)
    deliverer.drain()
    assert bench.state() == ("waiting", "Apprise could not deliver it; it does not say why")


def test_the_log_is_a_target(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    deliverer = bench.deliverer(to())
    bench.outbox.put(PERSON)
    with caplog.at_level(logging.INFO, "faceline"):
        deliverer.drain()
    assert "Ada was seen in b/a.jpg" in caplog.messages


def test_a_broker_that_is_not_there_is_a_failure_like_others(bench: Bench) -> None:
    deliverer = bench.deliverer(to("mqtt", url="mqtt://127.0.0.1:1"))
    bench.outbox.put(PERSON)
    deliverer.drain()
    assert bench.state() == ("waiting", "no connection to the broker: ConnectionRefusedError")


def test_the_wait_doubles_and_is_never_the_same_for_all() -> None:
    assert backoff_s(1, 1.0) == 5
    assert backoff_s(1, 0.0) == 2.5
    assert backoff_s(3, 1.0) == 20
    assert backoff_s(100, 1.0) == 12 * 3600
    assert 2 * 86_400 < sum(backoff_s(tries, 0.5) for tries in range(1, 20)) < 4 * 86_400


def test_the_sweeper_deletes_what_is_old(bench: Bench) -> None:
    bench.outbox.put(MATCH)
    bench.clock.advance(31 * 86_400)
    stop = threading.Event()
    thread = threading.Thread(target=Sweeper(bench.outbox, 30, []).run, args=(stop,))
    thread.start()
    wait_until(lambda: not bench.outbox.list(), "the sweep")
    stop.set()
    thread.join()
