"""Notices reach real receivers, each once in effect, whatever breaks on the way."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import paho.mqtt.client as mqtt
import pytest
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion

from commands import Up, environment, run, wait_until
from faceline.app import App
from faceline.config import Settings
from faceline.erasure import Gone
from faceline.notices import MATCH_FOUND, PERSON_SEEN, Notice, message_id_of
from faceline.targets import Target
from receivers import SECRET, broker, free_port, receiving
from streams import face_of, walking

COUNT = 60
_WORKER = """
import sys, threading
from faceline.app import App
from faceline.config import load
with App(load()) as app:
    threads = [threading.Thread(target=each.run, args=(threading.Event(),)) for each in app.notify.workers()]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


def seen(number: int, name: str = "Ada", **more: Any) -> Notice:
    time_ = f"2026-11-21T10:{number // 60:02}:{number % 60:02}.000+00:00"
    return Notice(f"event {number}", PERSON_SEEN, time_, "door", f"{name} is at door", (name,), 93.0, "door", **more)


def put(data: Path, target: Target, notices: list[Notice]) -> None:
    with App(Settings(data=data, notify=(target,))) as app:
        for notice in notices:
            app.notices.put(notice)


def waiting(data: Path, target: Target) -> int:
    with App(Settings(data=data, notify=(target,))) as app:
        return app.notices.waiting(target.name)


def worker(data: Path, target: dict[str, Any]) -> subprocess.Popen[bytes]:
    settings = {"FACELINE_DATA": str(data), "FACELINE_NOTIFY": json.dumps([target]), "FACELINE_LEASE_S": "1"}
    return subprocess.Popen([sys.executable, "-c", _WORKER], env=environment(**settings), stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_between_sending_and_marking_it_sends_again_under_the_same_id(tmp_path: Path, seed: int) -> None:
    """A receiver that fails half of the time and processes that are killed -9: every id arrives, and no other."""
    chance = random.Random(seed)
    answers: list[int | str] = ["taken:500", "taken:reset", 204, 204]
    data = tmp_path / "data"
    with receiving(lambda number: chance.choice(answers)) as receiver:
        table: dict[str, Any] = {
            "name": "hook",
            "kind": "webhook",
            "url": receiver.url,
            "secret": SECRET,
            "timeout_s": 1,
            "tries": 999,
        }
        target = Target(**table)
        put(data, target, [seen(number) for number in range(COUNT)])
        for kill in range(1, 5):
            process = worker(data, table)
            wait_until(lambda: len(receiver.requests) >= kill * 10, "some requests")  # noqa: B023 (called at once)
            process.send_signal(signal.SIGKILL)
            process.wait()
        processes = [worker(data, table), worker(data, table)]
        with App(Settings(data=data, notify=(target,))) as app:

            def done() -> bool:
                # The back-off is for real receivers: here what failed is due at once.
                app.notices._database.write("UPDATE deliveries SET next_at = 0 WHERE lease IS NULL AND done_at IS NULL")
                return app.notices.waiting("hook") == 0

            wait_until(done, "the delivery of all")
        for process in processes:
            process.kill()
            process.wait()
    ids = {message_id_of(f"event {number}") for number in range(COUNT)}
    assert set(receiver.events) == ids
    assert receiver.taken.total() > COUNT  # some came twice: by the id the receiver knows them
    assert {headers["webhook-id"] for headers in receiver.requests} == ids


def film(path: Path, astronaut: NDArray[np.uint8]) -> None:
    """Three seconds of a face that walks."""
    picture = walking(face_of(astronaut))
    with av.open(str(path), "w") as container:
        out = container.add_stream("mpeg4", rate=15)
        assert isinstance(out, av.VideoStream)
        out.width, out.height, out.pix_fmt, out.bit_rate = 480, 360, "yuv420p", 4_000_000
        for n in range(45):
            frame = av.VideoFrame.from_ndarray(picture(n), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 15)
            container.mux(out.encode(frame))
        container.mux(out.encode(None))


def test_watch_tells_who_is_at_a_camera_and_up_who_is_in_a_photo(
    tmp_path: Path, models_dir: Path, astronaut: NDArray[np.uint8], astronaut_jpeg: bytes
) -> None:
    (tmp_path / "ada.jpg").write_bytes(astronaut_jpeg)
    film(tmp_path / "walk.mp4", astronaut)
    with receiving() as receiver:
        table: dict[str, Any] = {
            "name": "hook",
            "kind": "webhook",
            "url": receiver.url,
            "secret": SECRET,
            "quiet_s": 60,
        }
        settings = {"FACELINE_NOTIFY": json.dumps([table]), "FACELINE_MODELS_DIR": str(models_dir)}
        assert run(tmp_path, "enroll", "ada.jpg", "--name", "Ada", **settings).code == 0
        watched = run(tmp_path, "watch", "walk.mp4", "--name", "door", "--fast", **settings)
        assert watched.code == 0, watched.err
        (event,) = receiver.events.values()
        assert (event["type"], event["subject"], event["data"]["camera"]) == ("faceline.person.seen", "door", "door")
        assert run(tmp_path, "watch", "walk.mp4", "--name", "door", "--fast", **settings).code == 0
        assert len(receiver.events) == 1  # quiet, also after a restart
        assert run(tmp_path, "put", "ada.jpg", **settings).code == 0
        with Up(tmp_path / "faceline-data", **settings) as up:
            up.ready()
            wait_until(lambda: len(receiver.events) == 2, "the photo")
            assert up.stop() == 0
        assert {each["subject"] for each in receiver.events.values()} == {"door", "face-input-bucket/input/ada.jpg"}


class Subscriber:
    """Everything that a broker says, as Home Assistant hears it."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._ready = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="listener")
        self.client.username_pw_set("home", "p@ss/word")
        self.client.on_message = lambda _c, _u, m: self.messages.append((m.topic, bytes(m.payload), m.retain))
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe("#", qos=1)
        assert self._ready.wait(10)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for topic, payload, _ in self.messages if "/events/" in topic]

    def last(self, topic: str) -> bytes | None:
        found = [payload for name, payload, _ in self.messages if name == topic]
        return found[-1] if found else None

    def kept(self) -> dict[str, bytes]:
        """By topic, the last payload, where it is not empty."""
        return {topic: payload for topic, payload in {t: p for t, p, _ in self.messages}.items() if payload}

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def listening(port: int) -> Iterator[Subscriber]:
    subscriber = Subscriber(port)
    try:
        yield subscriber
    finally:
        subscriber.close()


@contextmanager
def delivering(app: App) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=each.run, args=(stop,)) for each in app.notify.workers()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[tuple[int, App]]:
    """A broker that wants a password, and an installation that tells it."""
    port = free_port()
    url = f"mqtt://home:p%40ss%2Fword@127.0.0.1:{port}"
    target = Target(name="home", kind="mqtt", url=url, timeout_s=5)
    with broker(tmp_path, port, "home:p@ss/word"), App(Settings(data=tmp_path / "data", notify=(target,))) as app:
        yield port, app


def test_a_broker_gets_each_notice_once(home: tuple[int, App]) -> None:
    port, app = home
    with listening(port) as subscriber:
        with delivering(app):
            for number in range(COUNT):
                app.notices.put(seen(number))
            wait_until(lambda: app.notices.waiting("home") == 0, "the delivery of all")
        wait_until(lambda: subscriber.last("faceline/faceline/availability") == b"offline", "the end")
        events = subscriber.events()
    assert Counter(event["id"] for event in events) == Counter(message_id_of(f"event {n}") for n in range(COUNT))
    assert {event["type"] for event in events} == {"faceline.person.seen"}


def test_home_assistant_finds_sensors_for_people_cameras_and_matches(home: tuple[int, App]) -> None:
    port, app = home
    match = Notice("m", MATCH_FOUND, "2026-11-21T10:00:00+00:00", "b/k", "Ada matched Bob", ("Ada", "Bob"), 95.0)
    with delivering(app):
        for notice in (seen(1), seen(3, "Bob"), seen(2, "Ada"), match):
            app.notices.put(notice)
        wait_until(lambda: app.notices.waiting("home") == 0, "the delivery of all")
    with listening(port) as later:  # what is retained is there for who comes later
        wait_until(lambda: len(later.kept()) == 9, "the sensors")
        kept = later.kept()
    configs = {topic: json.loads(text) for topic, text in kept.items() if topic.endswith("/config")}
    assert all(topic.startswith("homeassistant/sensor/") for topic in configs)
    assert sorted(each["name"] for each in configs.values()) == ["Ada", "Bob", "Camera door", "Last match"]
    assert len({each["unique_id"] for each in configs.values()}) == 4
    states = {each["name"]: json.loads(kept[each["state_topic"]]) for each in configs.values()}
    assert states["Ada"]["state"] == "2026-11-21T10:00:02.000+00:00"
    assert states["Camera door"]["state"] == "Bob"  # who came last, not who was told last
    assert states["Last match"]["state"] == "Ada matched Bob"
    assert {each["availability_topic"] for each in configs.values()} == {"faceline/faceline/availability"}
    assert kept["faceline/faceline/availability"] == b"offline"
    assert not any("Ada" in topic for topic in kept)


def test_who_is_forgotten_is_nowhere_in_the_broker(home: tuple[int, App]) -> None:
    port, app = home
    with delivering(app):
        for notice in (seen(1), seen(2, "Bob"), seen(3)):
            app.notices.put(notice)
        wait_until(lambda: app.notices.waiting("home") == 0, "the delivery of all")
    app.notices.forget(Gone("Ada", (), True))
    with delivering(app):
        wait_until(lambda: app.notices.waiting("home") == 0, "the clearing")
    with listening(port) as later:
        wait_until(lambda: "faceline/faceline/availability" in later.kept(), "what is kept")
        time.sleep(0.3)
        assert not any(b"Ada" in payload for payload in later.kept().values())
        assert any(b"Bob" in payload for payload in later.kept().values())


def test_a_broker_that_is_gone_for_a_while_gets_everything_later(tmp_path: Path) -> None:
    port = free_port()
    target = Target(name="home", kind="mqtt", url=f"mqtt://home:p%40ss%2Fword@127.0.0.1:{port}", timeout_s=1)
    with App(Settings(data=tmp_path / "data", notify=(target,))) as app, delivering(app):
        with broker(tmp_path, port, "home:p@ss/word"):
            app.notices.put(seen(1))
            wait_until(lambda: app.notices.waiting("home") == 0, "the first")
        app.notices.put(seen(2))
        wait_until(lambda: app.notices.list()[0].deliveries[0].reason, "the failure")
        with broker(tmp_path, port, "home:p@ss/word"), listening(port) as subscriber:
            wait_until(lambda: app.notices.waiting("home") == 0, "the second")
            wait_until(subscriber.events, "it")
            assert {event["id"] for event in subscriber.events()} == {message_id_of("event 2")}


def test_a_wrong_password_is_said_without_it(tmp_path: Path) -> None:
    port = free_port()
    target = Target(name="home", kind="mqtt", url=f"mqtt://home:wrong@127.0.0.1:{port}", timeout_s=5)
    with (
        broker(tmp_path, port, "home:right"),
        App(Settings(data=tmp_path / "data", notify=(target,))) as app,
        delivering(app),
    ):
        app.notices.put(seen(1))
        wait_until(lambda: app.notices.list()[0].deliveries[0].reason, "the failure")
        (delivery,) = app.notices.list()[0].deliveries
    assert delivery.reason == "the broker refuses the connection: Not authorized"
