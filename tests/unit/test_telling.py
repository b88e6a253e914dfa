"""What of results is told: who was seen in photos, in clips, before cameras; that jobs ended."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from commands import Cli
from faceline.app import App
from faceline.erasure import Gone
from faceline.notices import Notice
from faceline.pipelines.telling import at_camera, in_clip, in_photo, job_ended
from faceline.pipelines.watching import CameraEvent
from faceline.ports import ObjectInfo, VideoJob, VideoJobState, VideoOutcome, VideoTask
from faceline.targets import Target
from faceline.types import Appearance, Candidate, Decision, Face, Identification
from made import Workflow, face, open_app, photo
from receivers import SECRET, receiving

EVERYTHING = Target(name="log", kind="log", unknown_people=True)
MOMENT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
INFO = ObjectInfo("b", "input/a.jpg", "etag-1", 7, "2026-11-21T10:00:00+00:00")


def who(name: str | None, similarity: float = 90.0, shown: Face | None = None) -> Identification:
    decision = Decision.MATCH if name else Decision.UNKNOWN
    candidates = [Candidate(name, similarity, "face-1")] if name else []
    return Identification(shown or face(), decision, name, similarity, 80.0, tuple(candidates))


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[Workflow]:
    with open_app(tmp_path / "data", notify=(EVERYTHING,)) as app:
        yield Workflow(app)


def told(app: App) -> list[tuple[str, tuple[str, ...], str]]:
    return sorted((each.notice.kind, each.notice.people, each.notice.source) for each in app.notices.list())


# Photos


def test_a_photo_tells_each_person_and_that_there_are_strangers(flow: Workflow) -> None:
    flow.process("enroll/Ada.png", photo(person=1))
    flow.process("input/party.png", photo(person=1, salt=1))
    flow.process("input/stranger.png", photo(person=9, salt=2))
    assert told(flow.app) == [
        ("person.seen", ("Ada",), "face-input-bucket/input/party.png"),
        ("unknown.seen", (), "face-input-bucket/input/stranger.png"),
    ]
    (known,) = [each.notice for each in flow.app.notices.list() if each.notice.people]
    assert known.text == "Ada was seen in face-input-bucket/input/party.png, similarity 100.00"
    assert known.similarity == 100.0
    assert known.data["collection"] == flow.app.settings.collection


def test_the_same_bytes_again_are_not_told_again_and_new_bytes_are(flow: Workflow) -> None:
    flow.process("enroll/Ada.png", photo(person=1))
    for salt in (1, 1, 2):
        flow.process("input/a.png", photo(person=1, salt=salt))
    assert len(told(flow.app)) == 2


def test_without_somebody_who_wants_it_nothing_of_who_was_seen_is_kept(made_app: App) -> None:
    flow = Workflow(made_app)
    flow.process("enroll/Ada.png", photo(person=1))
    flow.process("input/a.png", photo(person=1, salt=1))
    assert made_app.notices.list() == []


def test_one_notice_for_a_person_who_is_in_a_photo_twice_by_the_better_face() -> None:
    (notice,) = in_photo(INFO, "2026-11-21T10:00:00+00:00", "staff", [who("Ada", 85), who("Ada", 95), who("Ada", 90)])
    assert notice.similarity == 95


def test_a_face_that_is_too_poor_is_no_stranger() -> None:
    assert list(in_photo(INFO, "2026-11-21T10:00:00+00:00", "staff", [who(None, shown=face(reasons=("small",)))])) == []


def test_strangers_are_counted() -> None:
    (notice,) = in_photo(INFO, "2026-11-21T10:00:00+00:00", "staff", [who(None), who(None)])
    assert notice.text == "2 unknown people were seen in b/input/a.jpg"
    assert notice.people == ()


# Clips and cameras


def appearance(found: Identification, number: int = 1) -> Appearance:
    return Appearance(number, found, 1.0, 2.0, 1.5, 9, None)  # type: ignore[arg-type]


def test_a_clip_tells_each_person_once_however_often_they_appear() -> None:
    found = [appearance(who("Ada", 85)), appearance(who("Ada", 95)), appearance(who("Bob")), appearance(who(None))]
    notices = list(in_clip("b/a.mp4", "etag", "2026-11-21T10:00:00+00:00", "staff", found))
    assert [(each.kind, each.people, each.similarity) for each in notices] == [
        ("person.seen", ("Ada",), 95),
        ("person.seen", ("Bob",), 90),
        ("unknown.seen", (), None),
    ]
    assert len(notices[0].data["appearances"]) == 2
    again = in_clip("b/a.mp4", "etag", "2026-11-21T11:00:00+00:00", "staff", found)
    assert [each.notice_id for each in again] == [each.notice_id for each in notices]


def at(found: Identification) -> CameraEvent:
    return CameraEvent("door", appearance(found), MOMENT, MOMENT, MOMENT, None)


def test_a_camera_tells_who_is_there() -> None:
    notice = at_camera(at(who("Ada", 93.456)), "staff")
    assert notice
    assert (notice.kind, notice.camera, notice.people, notice.similarity) == ("person.seen", "door", ("Ada",), 93.46)
    assert notice.text == "Ada is at door, similarity 93.46"
    stranger = at_camera(at(who(None)), "staff")
    assert stranger
    assert (stranger.kind, stranger.text) == ("unknown.seen", "Somebody unknown is at door")


def test_a_camera_says_nothing_of_faces_that_could_be_anybody() -> None:
    assert at_camera(at(who(None, shown=face(reasons=("small",)))), "staff") is None
    two = Identification(face(), Decision.AMBIGUOUS, None, 90.0, 80.0, ())
    assert at_camera(at(two), "staff") is None


# Jobs


def test_a_job_that_ended_is_told_as_amazon_says_it() -> None:
    task = VideoTask("videos", "a.mp4", "tag", (), "staff", 80.0, "arn:aws:sns:us-east-1:000000000000:done")
    notice = job_ended(VideoJob("job-1", task), VideoOutcome(VideoJobState.SUCCEEDED))
    assert notice.kind == "video.job.ended"
    assert notice.source == "arn:aws:sns:us-east-1:000000000000:done"
    assert isinstance(notice.data.pop("Timestamp"), int)
    assert notice.data == {
        "JobId": "job-1",
        "Status": "SUCCEEDED",
        "API": "StartFaceSearch",
        "JobTag": "tag",
        "Video": {"S3ObjectName": "a.mp4", "S3Bucket": "videos"},
    }


# Erasure


def test_of_a_forgotten_person_no_byte_is_left_in_the_files(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with open_app(data, notify=(EVERYTHING.__class__(name="calm", kind="log", quiet_s=60),)) as app:
        for number in range(300):
            name = "Zebulon Quux" if number % 3 == 0 else f"Somebody {number}"
            time_ = f"2026-11-21T10:00:{number % 60:02}+00:00"
            app.notices.put(
                Notice(str(number), "person.seen", time_, "door", f"{name} is at door", (name,), 90.0, "door")
            )
        assert app.notices.forget(Gone("Zebulon Quux", (), True)) == 100
        assert len(app.notices.list(1000)) == 200
        left = [path.name for path in data.rglob("*") if path.is_file() and b"Zebulon Quux" in path.read_bytes()]
    assert left == []


# The command


@pytest.fixture
def hooked(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cli, Any, Callable[[], None]]]:
    """A command line whose settings name a webhook, and a function that delivers what is due."""
    with receiving() as receiver:
        table = {"name": "hook", "kind": "webhook", "url": receiver.url, "secret": SECRET}
        monkeypatch.setenv("FACELINE_NOTIFY", json.dumps([table]))

        def deliver() -> None:
            from faceline.config import load  # noqa: PLC0415

            with App(load()) as app:
                for each in app.notify.deliverers():
                    each.drain()

        yield cli, receiver, deliver


def put(notice: Notice) -> None:
    from faceline.config import load  # noqa: PLC0415

    with App(load()) as app:
        app.notices.put(notice)


ADA = Notice("1", "match.found", "2026-11-21T10:00:00+00:00", "b/k", "Ada matched Bob", ("Ada", "Bob"), 95.0)


def test_a_test_tells_the_target_at_once(hooked: tuple[Cli, Any, Callable[[], None]]) -> None:
    cli, receiver, _ = hooked
    done = cli("notifications", "test", "hook", "--json")
    assert done.code == 0
    (message_id,) = receiver.events
    assert done.json == {"target": "hook", "message_id": message_id}
    assert receiver.events[message_id]["type"] == "faceline.test"
    receiver.answer = lambda number: 500
    failed = cli("notifications", "test", "hook")
    assert (failed.code, failed.err) == (1, "faceline: it answered 500 Internal Server Error\n")
    unknown = cli("notifications", "test", "hok")
    assert unknown.code == 2
    assert "there are hook" in unknown.err


def test_what_was_told_is_listed_and_sent_again(hooked: tuple[Cli, Any, Callable[[], None]]) -> None:
    cli, receiver, deliver = hooked
    put(ADA)
    (waiting,) = cli("notifications", "list", "--json").json
    assert [(each["target"], each["state"]) for each in waiting["deliveries"]] == [("hook", "waiting")]
    deliver()
    assert "Ada matched Bob" in cli("notifications", "list").out
    assert cli("notifications", "replay", waiting["message_id"], "--json").json == {"deliveries": 1}
    deliver()
    assert cli("notifications", "replay", "--since", "2026-01-01", "--target", "hook", "--json").json == {
        "deliveries": 1
    }
    deliver()
    assert receiver.taken == {waiting["message_id"]: 3}
    assert cli("notifications", "replay").code == 2
    assert cli("notifications", "replay", "--since", "yesterday").code == 2
    assert cli("notifications", "list", "--since", "2999-01-01", "--json").json == []


def test_a_target_that_is_gone_is_said_and_a_test_brings_it_back(hooked: tuple[Cli, Any, Callable[[], None]]) -> None:
    cli, receiver, deliver = hooked
    receiver.answer = lambda number: 410
    put(ADA)
    deliver()
    (state,) = cli("notifications", "targets", "--json").json
    assert (state["dead"], state["ended"]) == (1, "it answered 410 Gone")
    assert state["address"] == receiver.url.removesuffix("/hook")
    assert SECRET not in cli("notifications", "targets").out
    (dead,) = cli("notifications", "dead", "--json").json
    assert dead["text"] == "Ada matched Bob"
    receiver.answer = lambda number: 204
    assert cli("notifications", "test", "hook").code == 0
    assert cli("notifications", "redrive", "--json").json == {"deliveries": 1}
    for wrong in (["nope"], [dead["message_id"], "nope"], ["--target", "nope"]):
        refused = cli("notifications", "redrive", *wrong)
        assert (refused.code, "nope" in refused.err, refused.out) == (2, True, "")
    deliver()
    (state,) = cli("notifications", "targets", "--json").json
    assert (state["dead"], state["waiting"], state["ended"]) == (0, 0, None)
    assert receiver.taken[dead["message_id"]] == 1
