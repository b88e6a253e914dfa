"""Live sources: what may be named as one, what comes from it, and what is said when nothing does."""

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faceline.cameras import Connection, Source, camera, connected
from faceline.errors import MissingExtraError, UsageError, VideoError
from faceline.video import live_process
from faceline.video.live_request import Backlog, LiveRequest, Pace
from faceline.videos import VideoFrame, VideoLimits
from streams import HttpCamera, RtspCamera, Scene

LIMITS = VideoLimits(timeout_s=2.0)
SECRET = "hush-hush"


def picture(n: int) -> NDArray[np.uint8]:
    """64 × 96; the brightness tells the number, 0–19, again and again."""
    return np.full((64, 96, 3), 30 + 10 * (n % 20), np.uint8)


@pytest.fixture
def scene() -> Scene:
    return Scene(picture, fps=20)


@pytest.fixture
def rtsp(scene: Scene) -> Iterator[RtspCamera]:
    with RtspCamera(scene) as running:
        yield running


@pytest.fixture
def http(scene: Scene) -> Iterator[HttpCamera]:
    with HttpCamera(scene) as running:
        yield running


def first(url: str, count: int, limits: VideoLimits = LIMITS) -> list[VideoFrame]:
    found: list[VideoFrame] = []
    with connected(camera(url), limits, 5.0) as connection:
        for frame in connection.frames:
            found.append(frame)
            if len(found) == count:
                break
    return found


def refused(url: str, limits: VideoLimits = LIMITS) -> str:
    """What is said of a camera that gives no frame; the password never."""
    with pytest.raises(VideoError) as caught:
        first(url, 1, limits)
    assert SECRET not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    return str(caught.value)


# Names


@pytest.mark.parametrize(
    ("text", "name", "source"),
    [
        (f"rtsp://ada:{SECRET}@camera.local:8554/live/1?user=ada&pw={SECRET}", "camera.local:8554/live/1", "network"),
        (f"HTTP://{SECRET}@[::1]:80/", "[::1]:80", "network"),
        ("rtsps://10.0.0.7", "10.0.0.7", "network"),
        ("/dev/null", "/dev/null", "device"),
        ("/dev/video7", "/dev/video7", "device"),
        ("avfoundation:0", "avfoundation:0", "device"),
        ("clips/a b.mp4", "clips/a b.mp4", "clip"),
    ],
)
def test_a_camera_is_named_by_its_address_without_what_is_secret(text: str, name: str, source: str) -> None:
    found = camera(text)
    assert (found.name, found.source) == (name, Source(source))
    assert SECRET not in repr(found)
    assert camera(text, "door").name == "door"


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"ftp://ada:{SECRET}@host/",
        f"file:///{SECRET}",
        f"rtsp://{SECRET} x@host/",
        f"rtsp://ada:{SECRET}@host/\r\nDESCRIBE x",
        f"rtsp://ada:{SECRET}@",
        f"rtsp://ada:{SECRET}@host:0/",
        f"rtsp://ada:{SECRET}@host:99999/",
        f"rtsp://ada:{SECRET}/x@host/",
        f"rtsp://ada:12#{SECRET}@host/",
        f"rtsp://ada:12/{SECRET}@host/",
        f"rtsp://[{SECRET}/",
        f"http://hóst/{SECRET}",
    ],
)
def test_what_is_no_camera_is_refused_without_showing_the_password(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        camera(text)
    assert SECRET not in str(caught.value)


def test_a_request_shows_no_password_and_comes_through_as_it_was() -> None:
    request = LiveRequest(f"rtsp://a:{SECRET}@host/", None, 5.0, 1, 2, 3, 4.0, None)
    assert SECRET not in repr(request)
    assert LiveRequest.of_text(request.text()) == request


# Which pictures are taken


@given(st.floats(1, 60), st.floats(0.5, 30), st.integers(0, 1000))
def test_of_steady_pictures_as_many_are_taken_as_are_wanted(fps: float, per_second: float, seed: int) -> None:
    jitter = np.random.default_rng(seed).uniform(-0.2, 0.2, 400) / max(fps, per_second)
    pace = Pace(per_second)
    taken = sum(pace.takes(n / fps + jitter[n]) for n in range(400))
    wanted = min(per_second / fps, 1) * 400
    assert wanted * 0.75 - 2 <= taken <= wanted * 1.01 + 2


def test_after_a_gap_pictures_are_not_made_up_for() -> None:
    pace = Pace(5)
    assert pace.takes(0)
    assert sum(pace.takes(100 + n / 100) for n in range(100)) <= 6


def test_a_second_in_which_nothing_had_to_be_waited_for_is_a_backlog() -> None:
    backlog = Backlog(waited_at=10.0)
    for n in range(50):
        backlog.heard(10 + n / 50, 10 + n / 50 + 0.001)
    assert not backlog.grows(10.99)
    assert backlog.grows(11.01)
    backlog.heard(11.01, 11.05)
    assert not backlog.grows(11.1)


# What comes


def test_rtsp_gives_the_newest_pictures_at_the_rate_asked_for(rtsp: RtspCamera, scene: Scene) -> None:
    found = first(rtsp.url(), 7)
    check_newest(found, scene)


@pytest.mark.parametrize("path", ["video.ts", "video.mjpg"])
def test_http_gives_the_newest_pictures_at_the_rate_asked_for(http: HttpCamera, scene: Scene, path: str) -> None:
    check_newest(first(http.url(path), 7), scene)


def check_newest(found: list[VideoFrame], scene: Scene) -> None:
    times = [frame.time_s for frame in found]
    assert times == sorted(times)
    assert times[-1] - times[2] == pytest.approx(0.8, abs=0.35)
    assert {frame.frame.pixels.shape for frame in found} == {(64, 96, 3)}
    check_present(found[-1], scene)


def check_present(last: VideoFrame, scene: Scene) -> None:
    """Every brightness comes once a second."""
    shown = round((float(last.frame.pixels.mean()) - 30) / 10)
    assert last.time_s - max(at for n, at in enumerate(scene.sent) if n % 20 == shown and at <= last.time_s) < 0.5


def test_user_name_and_password_reach_the_camera_and_nobody_else(scene: Scene) -> None:
    with RtspCamera(scene, "ada", "p@ss:/?#") as rtsp, HttpCamera(scene, "ada", "p@ss:/?#") as http:
        login = "ada:p%40ss%3A%2F%3F%23@"
        assert len(first(rtsp.url(login), 2)) == 2
        assert len(first(http.url("video.ts", login), 2)) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_command_line_and_environment_of_the_reader_show_no_password(
    rtsp: RtspCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", SECRET)
    with connected(camera(rtsp.url(f"ada:{SECRET}@")), LIMITS, 5.0) as connection:
        next(connection.frames)
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        shown = b"".join(
            (Path("/proc") / pid / what).read_bytes() for pid in children for what in ("cmdline", "environ")
        )
    assert b"faceline.video.live" in shown
    assert SECRET.encode() not in shown


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_reader_that_is_connected_can_open_nothing_more(rtsp: RtspCamera) -> None:
    with connected(camera(rtsp.url()), LIMITS, 5.0) as connection:
        next(connection.frames)
        child = str(_reader())
        limits = (Path("/proc") / child / "limits").read_text()
        open_ones = sorted(int(fd.name) for fd in (Path("/proc") / child / "fd").iterdir())
    most = re.search(r"Max open files +(\d+) +(\d+)", limits)
    assert most is not None
    assert int(most[1]) == int(most[2])
    assert set(range(int(most[1]))) <= set(open_ones)


def test_a_connection_can_be_stopped_by_another_thread(rtsp: RtspCamera, scene: Scene) -> None:
    def stopped(connection: Connection) -> None:
        next(connection.frames)
        scene.stalled.set()
        connection.stop()
        started = time.monotonic()
        with pytest.raises(VideoError, match="SIGKILL"):
            list(connection.frames)
        assert time.monotonic() - started < 1

    with connected(camera(rtsp.url()), LIMITS, 5.0) as connection:
        stopped(connection)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_reader_that_was_held_up_shows_the_present_again_at_once(rtsp: RtspCamera, scene: Scene) -> None:
    with connected(camera(rtsp.url()), LIMITS, 5.0) as connection:
        next(connection.frames)
        child = _reader()
        os.kill(child, signal.SIGSTOP)
        time.sleep(1.7)
        os.kill(child, signal.SIGCONT)
        check_present([next(connection.frames) for _ in range(4)][-1], scene)


# What is said when nothing comes


def test_a_wrong_password_is_told(scene: Scene) -> None:
    with RtspCamera(scene, "ada", "right") as rtsp, HttpCamera(scene, "ada", "right") as http:
        for url in (rtsp.url(f"ada:{SECRET}@"), rtsp.url(), http.url("video.ts", f"ada:{SECRET}@")):
            assert "refuses the user name or password (401)" in refused(url)


def test_a_port_where_nothing_listens_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        assert "refuses the connection" in refused(f"rtsp://ada:{SECRET}@127.0.0.1:{taken.getsockname()[1]}/")


def test_an_unknown_host_is_told() -> None:
    assert "its host no-such-camera.invalid is not known here" in refused("http://no-such-camera.invalid/")


def test_a_camera_that_says_nothing_is_told_after_the_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        said = refused(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/", VideoLimits(timeout_s=1.0))
    assert "was silent for 1 s" in said
    assert time.monotonic() - started < 3


def test_a_camera_that_falls_silent_is_told_after_the_timeout(http: HttpCamera, scene: Scene) -> None:
    with connected(camera(http.url("video.ts")), VideoLimits(timeout_s=1.0), 5.0) as connection:
        next(connection.frames)
        scene.stalled.set()
        with pytest.raises(VideoError, match="was silent for 1 s"):
            list(connection.frames)


@pytest.mark.parametrize("path", ["text", "missing"])
def test_what_is_no_video_is_told(http: HttpCamera, path: str) -> None:
    assert re.search("cannot be read|sends no video", refused(http.url(path)))


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "/etc/passwd", "concat:/etc/passwd", "data:text/plain,x", "rtsp://127.0.0.1/"]
)
def test_a_camera_can_send_us_to_no_file(scene: Scene, location: str) -> None:
    with HttpCamera(scene, location=location) as http:
        assert refused(http.url("elsewhere"))


def test_a_redirect_to_another_address_of_the_camera_is_followed(scene: Scene, http: HttpCamera) -> None:
    with HttpCamera(scene, location=http.url("video.ts")) as before:
        assert len(first(before.url("elsewhere"), 2)) == 2


@pytest.mark.parametrize("kind", [RtspCamera, HttpCamera])
def test_garbage_instead_of_pictures_is_told(scene: Scene, kind: type) -> None:
    scene.garbage.set()
    with kind(scene) as running:
        url = running.url() if kind is RtspCamera else running.url("video.ts")
        said = refused(url, VideoLimits(timeout_s=0.6))
    assert re.search("sends no picture|sends no video|silent|cannot be read", said)


def test_pictures_over_the_limit_are_told(rtsp: RtspCamera) -> None:
    assert "over the limit" in refused(rtsp.url(), VideoLimits(max_pixels=1000, timeout_s=2.0))


def test_a_device_that_is_not_there_is_told() -> None:
    assert "cannot be read" in refused("/dev/video99")


def test_a_missing_reader_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; sys.modules['av'] = None; from faceline.video.live import main; main()"
    monkeypatch.setattr(live_process, "PROGRAM", (sys.executable, "-P", "-c", code))
    with pytest.raises(MissingExtraError, match="pip install"):
        first("rtsp://127.0.0.1:1/", 1)


def _reader() -> int:
    """The process that reads the camera; other tests' programs may still be children of this one."""
    children = map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
    (reader,) = (child for child in children if b"faceline.video.live" in Path(f"/proc/{child}/cmdline").read_bytes())
    return reader
