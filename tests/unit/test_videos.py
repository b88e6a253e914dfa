"""Clips that PyAV makes here, sound and unsound: what `faceline.videos` gives and refuses."""

import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faceline import videos
from faceline.errors import MissingExtraError, VideoDamagedError, VideoError, VideoLimitError
from faceline.video import messages, process
from faceline.video.messages import GarbledError, Kind
from faceline.video.sampling import Clock, Sampler
from faceline.videos import Sampling, VideoFrame, VideoLimits

Pixels = NDArray[np.uint8]
LIMITS = VideoLimits()
FPS = 20
UNTURNED = (1, 0, 0, 1)


def picture(number: int) -> Pixels:
    """96 × 64, darker on the left; the brightness tells the number, 0–59, and noise makes packets large."""
    noise = np.random.default_rng(number).integers(0, 12, (64, 96, 3), dtype=np.uint8)
    noise[:, 48:] += 20
    return np.asarray(noise + 10 + 3 * number, np.uint8)


def clip(path: Path, numbers: list[int], codec: str = "libx264", **stream: Any) -> Path:
    """A clip in which frame i is `picture(i)`, shown at numbers[i] / FPS seconds. stream: settings of its encoder."""
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as container:
        out = container.add_stream(codec, rate=FPS)
        assert isinstance(out, av.VideoStream)
        settings = {"width": 96, "height": 64, "gop_size": 10, "pix_fmt": "yuv420p", "bit_rate": 3_000_000}
        for name, value in (settings | stream).items():
            setattr(out, name, value)
        out.codec_context.time_base = Fraction(1, FPS)
        for i, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(out.encode(frame))
        container.mux(out.encode(None))
    return path


def sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        out = container.add_stream("aac", rate=8000)
        assert isinstance(out, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(out.encode(frame))
        container.mux(out.encode(None))
    return path


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The clip with this matrix (a, b, c, d) in its track's header, as telephones write it."""
    data = bytearray(path.read_bytes())
    a, b, c, d = (65536 * value for value in matrix)
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def number_of(frame: VideoFrame) -> int:
    """Which `picture` it shows, by the brightness of its darker half (mean noise 5.5 over 10)."""
    return round((float(np.sort(frame.frame.pixels.reshape(-1))[: frame.frame.pixels.size // 2].mean()) - 15.5) / 3)


def until_damaged(path: Path) -> tuple[list[VideoFrame], VideoError | None]:
    found: list[VideoFrame] = []
    try:
        for frame in videos.frames(path, LIMITS):
            found.append(frame)  # noqa: PERF402 - what came before the error is wanted
    except VideoError as error:
        return found, error
    return found, None


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("clips") / "plain.mp4", list(range(60)))


def test_every_frame_comes_in_order_with_its_time_and_number(plain: Path) -> None:
    found = list(videos.frames(plain, LIMITS))
    assert [frame.number for frame in found] == [number_of(frame) for frame in found] == list(range(60))
    assert [frame.time_s for frame in found] == pytest.approx([i / FPS for i in range(60)])
    first = found[0].frame
    assert first.pixels.shape == (64, 96, 3)
    assert first.pixels.dtype == np.uint8
    assert first.pixels.flags.c_contiguous
    assert (first.width, first.height, first.source) == (96, 64, str(plain))


def test_a_clip_is_described(plain: Path) -> None:
    info = videos.probe(plain, LIMITS)
    assert (info.width, info.height, info.fps, info.frames, info.rotation) == (96, 64, 20, 60, 0)
    assert info.duration_s == pytest.approx(3)


def test_one_decoder_gives_the_description_and_the_frames(plain: Path) -> None:
    with videos.opened(plain, LIMITS, Sampling(1)) as opened:
        assert opened.info == videos.probe(plain, LIMITS)
        assert [frame.number for frame in opened.frames] == [0, 20, 40]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi", ".ts", ".flv"])
def test_every_container_gives_the_same_frames(tmp_path: Path, suffix: str) -> None:
    path = clip(tmp_path / f"clip{suffix}", list(range(20)))
    found = list(videos.frames(path, LIMITS))
    assert [number_of(frame) for frame in found] == list(range(20))
    start = found[0].time_s  # where the sound would begin, in some containers one or two frames earlier
    assert [frame.time_s - start for frame in found] == pytest.approx([i / FPS for i in range(20)], abs=2e-3)


@pytest.mark.parametrize(("codec", "suffix"), [("libvpx-vp9", ".webm"), ("mpeg4", ".mp4"), ("mjpeg", ".avi")])
def test_other_codecs_are_read(tmp_path: Path, codec: str, suffix: str) -> None:
    path = clip(
        tmp_path / f"clip{suffix}", list(range(12)), codec, pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p"
    )
    assert len(list(videos.frames(path, LIMITS))) == 12


def test_five_a_second_are_the_frames_at_multiples_of_a_fifth(plain: Path) -> None:
    found = list(videos.frames(plain, LIMITS, Sampling(5)))
    assert [frame.number for frame in found] == list(range(0, 60, 4))


def test_of_uneven_frames_the_first_at_or_after_each_multiple_is_taken(tmp_path: Path) -> None:
    path = clip(tmp_path / "uneven.mkv", [0, 1, 2, 9, 11, 12, 19, 21, 22, 50, 51, 59, 61])
    found = list(videos.frames(path, LIMITS, Sampling(2)))
    assert [round(frame.time_s * FPS) for frame in found] == [0, 11, 21, 50, 61]
    assert [frame.number for frame in found] == [number_of(frame) for frame in found] == [0, 4, 7, 9, 12]


def test_at_most_so_many_frames_come(plain: Path) -> None:
    assert [frame.number for frame in videos.frames(plain, LIMITS, Sampling(5, 3))] == [0, 4, 8]
    assert [frame.number for frame in videos.frames(plain, LIMITS, videos.FIRST_FRAME)] == [0]


@pytest.mark.parametrize(
    ("matrix", "rotation", "dark"),
    [
        (UNTURNED, 0, "left"),
        ((0, 1, -1, 0), 90, "top"),
        ((-1, 0, 0, -1), 180, "right"),
        ((0, -1, 1, 0), 270, "bottom"),
        ((-1, 0, 0, 1), 0, "right"),
        ((1, 0, 0, -1), 180, "left"),
        ((0, 1, 1, 0), 90, "top"),
    ],
)
def test_frames_are_upright(tmp_path: Path, matrix: tuple[int, int, int, int], rotation: int, dark: str) -> None:
    path = turned(clip(tmp_path / "turned.mp4", [0, 1]), matrix)
    info, frame = videos.probe(path, LIMITS), next(iter(videos.frames(path, LIMITS))).frame
    size = (64, 96) if rotation % 180 else (96, 64)
    assert (info.width, info.height) == (frame.width, frame.height) == frame.pixels.shape[1::-1] == size
    assert info.rotation == rotation
    assert frame.pixels.flags.c_contiguous
    grey = frame.pixels.mean(2)
    middle = grey.shape[0] // 2, grey.shape[1] // 2
    sides = {"left": grey[:, : middle[1]], "right": grey[:, middle[1] :]}
    sides |= {"top": grey[: middle[0]], "bottom": grey[middle[0] :]}
    assert min(sides, key=lambda side: float(sides[side].mean())) == dark


def test_a_large_clip_comes_reduced_and_keeps_its_size(plain: Path) -> None:
    frame = next(iter(videos.frames(plain, VideoLimits(decode_pixels=96 * 64 // 4)))).frame
    assert (frame.pixels.shape, frame.width, frame.height, frame.scale) == ((32, 48, 3), 96, 64, 2.0)


def test_oblong_pixels_become_square(tmp_path: Path) -> None:
    path = clip(tmp_path / "dvd.mp4", [0, 1], sample_aspect_ratio=Fraction(4, 3))
    frame = next(iter(videos.frames(path, LIMITS))).frame
    assert (frame.width, frame.height, frame.pixels.shape) == (128, 64, (64, 128, 3))


@pytest.mark.parametrize("tenth", range(1, 10))
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_clip_that_is_cut_off_gives_its_whole_frames_and_then_says_so(
    plain: Path, tmp_path: Path, suffix: str, tenth: int
) -> None:
    whole = plain if suffix == ".mp4" else clip(tmp_path / "whole.mkv", list(range(60)))
    data = whole.read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: len(data) * tenth // 10])
    found, error = until_damaged(path)
    assert isinstance(error, VideoDamagedError if found else VideoError)
    assert str(error).startswith(f"{path}: ")
    assert [number_of(frame) for frame in found] == [frame.number for frame in found] == list(range(len(found)))
    assert 6 * tenth - 12 <= len(found) <= 6 * tenth + 6


def test_a_clip_whose_index_comes_last_and_is_cut_off_is_refused(plain: Path, tmp_path: Path) -> None:
    data = plain.read_bytes()
    start = data.index(b"moov") - 4
    (size,) = struct.unpack_from(">I", data, start)
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[:start] + data[start + size :])
    with pytest.raises(VideoError, match=r"cut\.mp4: is not a video, or is damaged at its start"):
        list(videos.frames(path, LIMITS))


def damaged(plain: Path, path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    data = bytearray(plain.read_bytes())
    start = data.index(b"mdat") + 4
    for at in rng.integers(start + (len(data) - start) // 5, len(data) - 100, 3):
        data[at : at + 60] = rng.bytes(60)
    path.write_bytes(data)
    return path


def test_what_was_patched_up_is_left_out_with_all_that_refers_to_it(plain: Path, tmp_path: Path) -> None:
    """H.264 has no checksums: a few frames decode to something else and nobody can know, fewer than 1 in 40."""
    sound_frames = [frame.frame.pixels for frame in videos.frames(plain, LIMITS)]
    given = wrong = 0
    for seed in range(10):
        found, error = until_damaged(damaged(plain, tmp_path / "damaged.mp4", seed))
        assert isinstance(error, VideoDamagedError)
        assert "damaged from" in str(error)
        given += len(found)
        wrong += sum(not np.array_equal(frame.frame.pixels, sound_frames[frame.number]) for frame in found)
    assert 300 < given < 600
    assert wrong < given / 40


def text_file(path: Path, text: str) -> None:
    path.write_text(text)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "text.mp4": (lambda path: text_file(path, "no video\n" * 99), "is not a video"),
    "empty.mp4": (lambda path: text_file(path, ""), r"empty \(0 bytes\)"),
    "page.mp4": (lambda path: text_file(path, "<html>not found</html>"), "is not a video"),
    "list.mp4": (lambda path: text_file(path, "#EXTM3U\n#EXTINF:9,\nplain.mp4\n#EXT-X-ENDLIST\n"), "is not a video"),
    "concat.mp4": (lambda path: text_file(path, "ffconcat version 1.0\nfile plain.mp4\n"), "is not a video"),
    "description.sdp": (lambda path: text_file(path, "v=0\nm=video 9 RTP/AVP 96\n"), "is not a video"),
    "song.m4a": (sound, "sound but no video"),
    "missing.mp4": (lambda path: None, "no such file"),
    "folder.mp4": (Path.mkdir, "is a directory"),
    "pipe.mp4": (os.mkfifo, "not a regular file"),
    "nul\0.mp4": (lambda path: None, "cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_video_is_refused_by_name(tmp_path: Path, plain: Path, name: str) -> None:
    (tmp_path / "plain.mp4").write_bytes(plain.read_bytes())
    make, message = REFUSED[name]
    path = tmp_path / name
    make(path)
    with pytest.raises(VideoError, match=message) as caught:
        videos.probe(path, LIMITS)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_is_never_taken_for_an_address(tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a|b.mp4", "-i.mp4", "%d.mp4", "pipe:0"):
        Path(name).write_bytes(plain.read_bytes())
        assert videos.probe(Path(name), LIMITS).frames == 60


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (VideoLimits(max_bytes=1000), "raise max_video_bytes"),
        (VideoLimits(max_pixels=6000), "claims 96 × 64 pixels.*raise max_video_pixels"),
        (VideoLimits(max_duration_s=2), "lasts 3 s or longer.*raise max_video_s"),
    ],
)
def test_a_clip_over_a_limit_is_refused_with_the_limit(plain: Path, limits: VideoLimits, message: str) -> None:
    with pytest.raises(VideoLimitError, match=message):
        videos.probe(plain, limits)


def test_times_beyond_the_limit_end_a_clip_that_announced_less(tmp_path: Path) -> None:
    path = clip(tmp_path / "long.mkv", [0, 1, 2, 3, 4 * FPS])
    data = path.read_bytes()
    duration = data.index(b"\x44\x89\x88") + 3  # Matroska's Duration, in milliseconds
    path.write_bytes(data[:duration] + struct.pack(">d", 1000.0) + data[duration + 8 :])
    assert videos.probe(path, VideoLimits(max_duration_s=3)).duration_s == 1
    found: list[float] = []
    with pytest.raises(VideoLimitError, match="over the limit of 3 s"):
        for frame in videos.frames(path, VideoLimits(max_duration_s=3)):
            found.append(round(frame.time_s * FPS))  # noqa: PERF401 - what came before the error is wanted
    assert found == [0, 1, 2, 3]


def test_a_picture_that_claims_60000_by_60000_pixels_is_refused(tmp_path: Path) -> None:
    path = clip(tmp_path / "huge.avi", list(range(5)), "mjpeg", pix_fmt="yuvj420p")
    data = path.read_bytes().replace(struct.pack(">HH", 64, 96), struct.pack(">HH", 60000, 60000))
    data = data.replace(struct.pack("<ii", 96, 64), struct.pack("<ii", 60000, 60000))
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"huge\.avi: "):
        list(videos.frames(path, LIMITS))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
def test_a_decoder_that_needs_too_much_memory_is_stopped(tmp_path: Path) -> None:
    path = clip(tmp_path / "large.mp4", [0, 1, 2], width=3840, height=2160)
    with pytest.raises(VideoLimitError, match=r"needs more than 150 MB to decode; .* raise video_memory_mb"):
        list(videos.frames(path, VideoLimits(memory_mb=150)))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
def test_memory_that_no_decoder_can_start_with_is_an_error_too(plain: Path) -> None:
    with pytest.raises(VideoError, match=r"plain\.mp4: "):
        videos.probe(plain, VideoLimits(memory_mb=60))


def decoder_that(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    start = "import os, signal, sys, time\nfrom faceline.video.messages import *\nsay = sys.stdout.buffer.raw.write\n"
    monkeypatch.setattr(process, "PROGRAM", (sys.executable, "-P", "-c", start + textwrap.dedent(code)))


INFO = "say(pack(Kind.INFO, Info(96, 64, 0, False, 1.0, 20.0, 20)))\n"
HEAD = "say(FrameHead(96, 64, 96, 64, 288, 0, False, 0.0, 0).pack())\n"
MISBEHAVED = {
    "crashes": (INFO + "os.kill(os.getpid(), signal.SIGSEGV)", "its decoder ended by SIGSEGV"),
    "is killed": ("os.kill(os.getpid(), signal.SIGKILL)", "its decoder ended by SIGKILL"),
    "stops": (INFO, "its decoder ended with status 0"),
    "fails": ("sys.exit(3)", "its decoder ended with status 3"),
    "prints": (INFO + "say(b'Traceback (most recent call last)')", "sent garbage"),
    "prints braces": ("say(HEAD.pack(MAGIC, 1, 2) + b'{}')", "sent garbage"),
    "stops inside a frame": (INFO + HEAD + "say(bytes(1000))", "its decoder ended with status 0"),
    "describes twice": (INFO + INFO, "sent garbage"),
    "uses up its time": (INFO + "os.kill(os.getpid(), signal.SIGXCPU)", "used up its processor time"),
    "sends a huge frame": (INFO + HEAD.replace("96, 64", "60000, 60000"), "sent garbage"),
}


@pytest.mark.parametrize("what", MISBEHAVED)
def test_a_decoder_that_misbehaves_is_an_error_of_the_clip(
    plain: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    code, message = MISBEHAVED[what]
    decoder_that(monkeypatch, code)
    with pytest.raises(VideoError, match=message) as caught:
        list(videos.frames(plain, LIMITS))
    assert str(caught.value).startswith(f"{plain}: ")


@pytest.mark.parametrize("code", ["time.sleep(60)", INFO + HEAD + "say(bytes(1000)); time.sleep(60)"])
def test_a_silent_decoder_is_stopped(plain: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    decoder_that(monkeypatch, code)
    with pytest.raises(VideoLimitError, match=r"made no progress for 0\.5 s"):
        list(videos.frames(plain, VideoLimits(timeout_s=0.5)))


def test_a_decoder_that_only_says_it_is_alive_is_waited_for(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive = "for _ in range(6):\n    say(pack(Kind.ALIVE))\n    time.sleep(0.2)\n"
    decoder_that(monkeypatch, INFO + alive + "say(pack(Kind.END))")
    assert list(videos.frames(plain, VideoLimits(timeout_s=0.9))) == []


def test_without_pyav_the_error_says_what_to_install(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "sys.modules['av'] = None; sys.argv = ['', sys.argv[1]]\nfrom faceline.video.reader import main\nmain()"
    decoder_that(monkeypatch, code)
    with pytest.raises(MissingExtraError, match="pip install av"):
        videos.probe(plain, LIMITS)


def test_the_decoder_is_told_no_secrets(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    decoder_that(monkeypatch, "say(pack(Kind.ERROR, Failure(Reason.UNUSABLE, ' '.join(os.environ))))")
    with pytest.raises(VideoError, match="PATH") as caught:
        videos.probe(plain, LIMITS)
    assert "AWS" not in str(caught.value)


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc")


@needs_proc
def test_ending_early_ends_the_decoder_and_leaves_nothing_open(plain: Path) -> None:
    before, others = sorted(os.listdir("/proc/self/fd")), children()  # noqa: PTH208
    for _ in range(3):
        found: Iterator[VideoFrame] = videos.frames(plain, LIMITS)
        next(found)
        assert len(children()) == len(others) + 1
        found.close()  # type: ignore[attr-defined]
        assert (sorted(os.listdir("/proc/self/fd")), children()) == (before, others)  # noqa: PTH208
    with pytest.raises(VideoLimitError):
        videos.probe(plain, VideoLimits(max_pixels=1))
    assert (sorted(os.listdir("/proc/self/fd")), children()) == (before, others)  # noqa: PTH208


@needs_proc
def test_an_open_decoder_may_open_and_write_nothing(plain: Path) -> None:
    others = children()
    with videos.opened(plain, LIMITS) as opened:
        next(opened.frames)
        (decoder,) = set(children()) - set(others)
        text = Path(f"/proc/{decoder}/limits").read_text()
    limits = {line[:26].strip(): line[26:].split()[:2] for line in text.splitlines()}
    assert limits["Max open files"] == limits["Max file size"] == limits["Max core file size"] == ["0", "0"]
    assert limits["Max address space"] == [str(LIMITS.memory_mb * 2**20)] * 2


@needs_proc
def test_a_decoder_ends_when_its_reader_is_killed(plain: Path, tmp_path: Path) -> None:
    path = clip(tmp_path / "long.mp4", list(range(80)), width=960, height=640)
    code = (
        "import sys, time, pathlib, faceline.videos as v, os\n"
        f"f = v.frames(pathlib.Path({str(path)!r}), v.VideoLimits()); next(f)\n"
        "print(open(f'/proc/self/task/{os.getpid()}/children').read(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        decoder = int(reader.stdout.readline())
        reader.send_signal(signal.SIGKILL)
        reader.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{decoder}").exists() and "Z" not in Path(f"/proc/{decoder}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_clock_never_runs_backwards_and_fills_in_what_is_missing() -> None:
    clock = Clock(fps=10)
    assert [clock.read(time) for time in (0.0, None, 0.15, 5.0, 0.2, None, 6.0)] == pytest.approx(
        [0.0, 0.1, 0.15, 5.0, 5.1, 5.2, 6.0]
    )
    assert Clock(fps=None).read(-3.0) == 0.0


@given(st.lists(st.floats(0, 100), min_size=1).map(sorted), st.floats(0.01, 100))
def test_no_two_samples_share_a_period(times: list[float], per_second: float) -> None:
    sampler = Sampler(per_second, None)
    taken = []
    for time_s in times:
        if sampler.wants(time_s):
            sampler.take(time_s)
            taken.append(time_s)
    periods = [int((time_s + 1e-3) * per_second) for time_s in taken]
    assert taken[0] == times[0]
    assert len(set(periods)) == len(periods)
    assert set(periods) == {int((time_s + 1e-3) * per_second) for time_s in times}


@given(st.binary(max_size=120))
def test_any_bytes_are_a_message_or_garbled(data: bytes) -> None:
    readers: list[Callable[[bytes], object]] = [messages.info, messages.failure]
    readers.append(lambda body: messages.frame_head(body, 1_000_000))
    for read in readers:
        try:
            read(data)
        except GarbledError:
            continue
    if len(data) >= messages.HEAD.size and data[:4] != messages.MAGIC:
        with pytest.raises(GarbledError):
            messages.head(data[: messages.HEAD.size])
    assert messages.head(messages.HEAD.pack(messages.MAGIC, Kind.END, 0)) == (Kind.END, 0)
