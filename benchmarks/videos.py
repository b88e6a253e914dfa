"""Clips: × real time at 5 sampled frames a second, beside facenet-pytorch; memory over an hour of video. Markdown.

    python benchmarks/videos.py --data ../shared/data --peers PEERS/bin/python [--quick] [--only speed|memory]

The 720p clip is facenet-pytorch's example (1080p, 105 frames) made smaller and shown again and again for a minute; the
second is the 640 × 360 one of `ageitgey`. Both go through faceline's public API and through what facenet-pytorch's
examples do (MTCNN on each frame, every face embedded), on two threads, smallest face 40 pixels, nobody enrolled. The
peer decodes by PyAV within its process. faceline embeds each followed face a few times: the point of following. Memory
is the second clip's, a minute of it again and again: twenty that may fill what is kept, then an hour that may not.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import av
from processes import FACELINE, Competitor, ask
from reporting import Bar, bars, machine, median, number, spread, table, times_less

_RATE = 5
_THREADS = 2
_MINUTE_S = 60
_FILLING = 20


def main() -> None:
    given = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        source = given.data / "photos/facenet-pytorch/examples/video.mp4"
        seconds = 10 if given.quick else _MINUTE_S
        shown = looped(source, Path(folder) / "720p.mp4", (1280, 720), seconds)
        small = given.data / "photos/ageitgey/examples/short_hamilton_clip.mp4"
        facenet = Competitor("facenet-pytorch", "worker_facenet.py", given.peers, {"PYTHONPATH": ""})
        print("# Clips\n")
        print(machine())
        if given.only != "memory":
            print(_speed({"720p": shown, "640 × 360": small}, facenet, 1 if given.quick else 3), flush=True)
        soaked = looped(small, Path(folder) / "small.mp4", (640, 360), seconds)
        if given.only != "speed":
            print(_memory(soaked, seconds, 3 if given.quick else _FILLING + 60))


def looped(source: Path, target: Path, size: tuple[int, int], seconds: float) -> Path:
    """The clip in another size, from its start again whenever it ends, H.264 at its own rate."""
    with av.open(str(source)) as container:
        rate = container.streams.video[0].average_rate
        pictures = [frame.reformat(*size).to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    with av.open(str(target), "w") as container:
        out: Any = container.add_stream("libx264", rate=rate, options={"preset": "veryfast"})
        out.width, out.height, out.pix_fmt = *size, "yuv420p"
        for number_ in range(int(seconds * rate)):
            frame = av.VideoFrame.from_ndarray(pictures[number_ % len(pictures)], format="yuv420p")
            container.mux(out.encode(frame))
        container.mux(out.encode(None))
    return target


def _speed(clips: dict[str, Path], peer: Competitor, repetitions: int) -> str:
    rows, reached = [], []
    for name, clip in clips.items():
        with av.open(str(clip)) as container:
            duration_s = container.duration / 1e6
        job = {"task": "video", "clip": str(clip), "per_second": _RATE, "min_face": 40, "repetitions": repetitions}
        ours = ask(FACELINE.with_settings(follow_per_second=str(_RATE), min_face_px="40"), _THREADS, **job)
        theirs = ask(peer, _THREADS, **job)
        for who, answer in ((FACELINE.name, ours), (peer.name, theirs)):
            clock = median(answer["clock_s"])
            rows.append(
                (name, who, number(duration_s / clock), spread([each / duration_s for each in answer["clock_s"]]),
                 number(median(answer["cpu_s"]) / duration_s), str(answer["faces"]), number(answer["peak_mb"]))
            )  # fmt: skip
        ratio = times_less(median(ours["clock_s"]), median(theirs["clock_s"]))
        reached.append(Bar(f"{name}: × real time", duration_s / median(ours["clock_s"]), 3, at_least=True))
        reached.append(Bar(f"{name}: times as quick as {peer.name}", ratio, 1, at_least=True))
    head = ("clip", "", "× real time", "s per second of video", "CPU s per second", "faces", "peak MB")
    return f"\n{table(head, rows)}\n\nfaces: faceline's are appearances, the peer's single faces.\n\n{bars(reached)}\n"


def _memory(clip: Path, seconds: float, times: int) -> str:
    """ONNX Runtime's arena grows when both threads happen to need the most at once, more and more seldom."""
    faceline = FACELINE.with_settings(follow_per_second=str(_RATE), min_face_px="40")
    resident = ask(faceline, _THREADS, task="soak", clip=str(clip), per_second=_RATE, repetitions=times)["resident_mb"]
    filled = min(_FILLING, times - 2)
    marks = [*range(0, times - 1, max(times // 8, 1)), times - 1]
    rows = [[f"{number(resident[i])} MB" for i in marks]]
    minutes = [f"after {(i + 1) * seconds / 60:.0f} min" for i in marks]
    growth = max(resident[filled:]) - max(resident[:filled])
    went_on = (times - filled) * seconds / 60
    bar = Bar(f"growth over the last {went_on:.0f} minutes of video", growth, 5, at_least=False, unit="MB")
    return f"\n## Memory\n\n{table(minutes, rows)}\n\n{bars([bar])}\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the test data")
    parser.add_argument("--peers", type=Path, required=True, help="the interpreter that has facenet-pytorch and av")
    parser.add_argument("--only", choices=["speed", "memory"], help="one of the two; both unless said")
    parser.add_argument("--quick", action="store_true", help="short and once: shows that all works")
    return parser.parse_args()


if __name__ == "__main__":
    main()
