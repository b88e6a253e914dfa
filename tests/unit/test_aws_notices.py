"""Notices of a deployment: told by a schedule too, counted when they are given up, looked after from elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from aws_made import Made, make
from commands import Cli
from faceline.aws.observing import Invocation
from faceline.aws_app import AwsApp
from faceline.notices import PERSON_SEEN, Notice, message_id_of
from faceline.targets import Target
from receivers import SECRET, Receiver, receiving

SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event"}


@dataclass(frozen=True)
class Context:
    aws_request_id: str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    function_name: str = "faceline-notify"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


class Place:
    """A deployment that tells one webhook of people, once each. statuses: what that answers, then 204."""

    def __init__(self, receiver: Receiver, statuses: list[int]) -> None:
        self.receiver, self.statuses = receiver, statuses
        hook = Target(name="hook", kind="webhook", url=receiver.url, secret=SECRET, tries=1)
        self.made: Made = make(notify=(hook,))
        self.app = AwsApp(self.made.settings)

    def put(self, name: str) -> str:
        """Keeps a notice; its message id."""
        notice = Notice(name, PERSON_SEEN, "2026-11-21T10:00:00.000+00:00", "b/a.jpg", "Ada was seen", ("Ada",))
        self.app.notices.put(notice)
        return message_id_of(name)

    def wakes(self) -> None:
        invocation = Invocation(Context())
        self.app.told(SCHEDULED, invocation)
        invocation.publish()

    def state(self, message_id: str) -> str:
        (delivery,) = self.app.notices.get(message_id).deliveries
        return delivery.state


@pytest.fixture
def place(aws: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    statuses: list[int] = []
    with receiving(lambda number: statuses.pop(0) if statuses else 204) as receiver:
        place = Place(receiver, statuses)
        for name, value in place.made.environment.items():
            monkeypatch.setenv(name, value)
        yield place


def counted(printed: str) -> dict[str, Any]:
    (line,) = (each for each in printed.splitlines() if "not_told" in each and "_aws" in each)
    document: dict[str, Any] = json.loads(line)
    return document


def test_a_schedule_has_told_what_no_message_says(place: Place) -> None:
    message_id = place.put("one")
    place.wakes()
    assert place.state(message_id) == "delivered"
    assert [*place.receiver.taken] == [message_id]


def test_no_message_is_sent_for_a_notice_that_only_a_target_of_old_waits_for(place: Place) -> None:
    other = AwsApp(place.made.settings.with_(notify=()))
    message_id = place.put("one")
    other.put(Notice("one", PERSON_SEEN, "2026-11-21T10:00:00.000+00:00", "b/a.jpg", "Ada was seen", ("Ada",)))
    assert place.state(message_id) == "waiting"
    assert place.app.queue_of(place.app.names.notify).depth() == {"visible": 0, "in_flight": 0, "dead": 0}


def test_what_is_given_up_is_counted(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.statuses[:] = [500, 500]
    place.put("one")
    place.put("two")
    place.wakes()
    found = counted(capsys.readouterr().out)
    assert (found["not_told"], found["function"]) == ([1, 1], "faceline-notify")


def test_what_waits_for_a_target_that_ended_is_counted(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.statuses[:] = [410]
    place.put("one")
    place.put("two")
    place.wakes()
    assert counted(capsys.readouterr().out)["not_told"] == [2]


def test_notifications_are_listed_and_dead_ones_tried_again(place: Place, cli: Cli) -> None:
    place.statuses[:] = [500]
    dead = place.put("one")
    place.wakes()
    told = place.put("two")
    place.wakes()
    found = {each["message_id"]: each for each in cli("aws", "notifications", "list", "--json").json}
    assert {key: each["deliveries"][0]["state"] for key, each in found.items()} == {dead: "dead", told: "delivered"}
    assert cli("aws", "notifications", "list", "--since", "2100-01-01", "--json").json == []
    assert [each["message_id"] for each in cli("aws", "notifications", "dead", "--json").json] == [dead]
    assert "it answered 500" in cli("aws", "notifications", "dead").out
    assert cli("aws", "notifications", "redrive", "--target", "another", "--json").json == {"deliveries": 0}
    again = cli("aws", "notifications", "redrive", dead)
    assert again.out == "1 delivery is tried again, within ten minutes.\n"
    place.wakes()
    assert place.state(dead) == "delivered"


def test_a_notification_that_there_is_not_is_refused_with_where_they_are(place: Place, cli: Cli) -> None:
    refused = cli("aws", "notifications", "redrive", "msg_0")
    assert refused.code == 2
    assert "see `faceline aws notifications list`" in refused.err


def test_a_target_that_ended_is_told_again_when_it_is_resumed(place: Place, cli: Cli) -> None:
    place.statuses[:] = [410]
    missed = place.put("one")
    place.wakes()
    assert place.app.notices.ended("hook", place.app.targets[0].fingerprint) == "it answered 410 Gone"
    assert cli("aws", "notifications", "resume", "hook").out == "hook is told again from now on.\n"
    again = cli("aws", "notifications", "resume", "hook")
    assert (again.code, "no target hook has ended" in again.err) == (2, True)
    assert cli("aws", "notifications", "redrive", "--target", "hook", "--json").json == {"deliveries": 1}
    later = place.put("two")
    place.wakes()
    assert [place.state(each) for each in (missed, later)] == ["delivered", "delivered"]
