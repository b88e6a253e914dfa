"""Workflows 3 and 4 on AWS on loopback with permissions enforced: clips in, names out."""

import csv
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aws_stack import Aws, deployed, program, sized
from embedded import differences, opened, put_in

PHOTOS, CLIPS, STAGE, OUTPUT = "faceline-photos", "faceline-input", "faceline-stage-1", "faceline-output"
# How many clips are put in, how many a second, and how soon after the first all must have their names. The reference
# workload is the full size; in CI they come faster, so that it ends sooner.
UPLOADS, PER_SECOND, WITHIN_S = sized(16, 100), sized(4, 1), 300.0


@contextmanager
def stack_with_people(folder: Path, models: Path, test_data: Path, mode: str) -> Iterator[Aws]:
    """Who is in the clips is enrolled from one of their frames."""
    with deployed(program(), folder, models, {}, VideoMode=mode) as aws:
        frames = test_data / "cse546" / "frames"
        shown = {row["label"]: frame(frames, row["video"]) for row in identities(test_data)}
        aws.put_all(PHOTOS, {f"enroll/{name}.jpg": data for name, data in shown.items()})
        aws.settle()
        yield aws


def identities(test_data: Path) -> list[dict[str, str]]:
    text = (test_data / "cse546" / "video_identities.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def frame(frames: Path, video: str) -> bytes:
    return sorted(frames.glob(f"{Path(video).stem}_f*.jpg"))[0].read_bytes()


def clips(test_data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((test_data / "cse546" / "test_case_1").glob("*.mp4"))}


def names(test_data: Path) -> dict[str, str]:
    return {Path(row["video"]).stem: row["label"] for row in identities(test_data)}


def test_all_frames_of_the_eight_clips_are_staged_and_named_as_embedded(
    tmp_path: Path, models_dir: Path, test_data: Path
) -> None:
    with stack_with_people(tmp_path, models_dir, test_data, "all") as stack:
        stack.put_all(CLIPS, clips(test_data))
        stack.put_all(CLIPS, {"bad.mp4": b"no video"})
        stack.wait(lambda: len(stack.keys(OUTPUT)) == 2 * len(clips(test_data)) + 1, "the results")
        stack.settle()
        texts = {key: data.decode() for key, data in stack.objects(OUTPUT).items() if key.endswith(".txt")}
        assert texts == {f"{stem}.txt": name for stem, name in names(test_data).items()}
        assert all(re.fullmatch(r"test_\d/(output-\d{2}\.jpg|frames\.json)", key) for key in stack.keys(STAGE))
        documents = {key: json.loads(data) for key, data in stack.objects(OUTPUT).items() if key.endswith(".json")}
        assert documents["bad.json"]["error"].startswith("bad.mp4: ")
        staged = stack.keys(STAGE)
    frames = test_data / "cse546" / "frames"
    with opened(tmp_path, models_dir, {"input_bucket": PHOTOS}) as app:
        for row in identities(test_data):
            put_in(app, PHOTOS, {f"enroll/{row['label']}.jpg": frame(frames, row["video"])}, app.worker().drain)
        split, recognise = app.videos.workers()
        put_in(app, CLIPS, {**clips(test_data), "bad.mp4": b"no video"}, split.drain)
        recognise.drain()
        own = {info.key: app.objects.get(OUTPUT, info.key, 10_000_000)[1] for info in app.objects.list(OUTPUT)}
        assert [info.key for info in app.objects.list(STAGE)] == staged
    said = {key: json.loads(data) for key, data in own.items() if key.endswith(".json")}
    assert list(differences(said, documents)) == []


def test_uploads_have_their_names_in_time_though_functions_die(
    tmp_path: Path, models_dir: Path, test_data: Path
) -> None:
    known, shown = names(test_data), list(clips(test_data).items())
    expected = {}
    with stack_with_people(tmp_path, models_dir, test_data, "first") as stack:
        started = time.monotonic()
        for n in range(UPLOADS):
            name, data = shown[n % len(shown)]
            stack.put(CLIPS, f"test_{n:02}.mp4", data)
            expected[f"test_{n:02}.txt"] = known[Path(name).stem]
            if n % 40 == 20:
                stack.kill("video-splitting")
            time.sleep(max(0.0, started + (n + 1) / PER_SECOND - time.monotonic()))
        left_s = started + WITHIN_S - time.monotonic()
        stack.wait(lambda: set(expected) <= set(stack.keys(OUTPUT)), "all names", left_s)
        assert stack.keys(STAGE) == sorted(f"test_{n:02}.jpg" for n in range(UPLOADS))
        texts = {key: data.decode() for key, data in stack.objects(OUTPUT).items() if key.endswith(".txt")}
    assert all(re.fullmatch(r"test_\d{2}\.txt", key) for key in texts)
    assert texts == expected
