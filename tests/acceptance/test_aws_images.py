"""Workflow 1 on AWS on loopback with permissions enforced: photos, poison, repetitions, killed functions."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from aws_stack import Aws, deployed, program, sized
from embedded import differences, opened, put_in, without_ids_and_times
from faceline.aws.clients import Clients
from faceline.aws.queue import SqsQueue
from faceline.aws.records import DynamoRecords
from faceline.ports import Record, RecordQuery
from lfw import enrolled_and_seen
from receivers import SECRET, Receiver, receiving

BUCKET, QUEUE, FUNCTION = "faceline-photos", "faceline-photo-queue", "faceline-image-ingestion"
KNOWN, PHOTOS, KILLS = sized(15, 60), sized(50, 200), sized(1, 3)
DENIED = "input/denied/"
# S3 has no folders, and events encode what is no plain letter.
AWKWARD = "input/in a folder/déjà vu+100%.jpg"
BROKEN = ("text.jpg", "zero.jpg", "corrupt_middle.jpg", "bomb_header_60000x60000.png")
ALL = RecordQuery(limit=100_000)

Objects = Mapping[str, bytes]


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def stack(tmp_path: Path, models_dir: Path, hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """It tells `hook` of people in photos; the topic is told of matches only."""
    target = {"name": "hook", "kind": "webhook", "url": hook.url, "secret": SECRET, "kinds": ["person.seen"]}
    with deployed(program(), tmp_path, models_dir, {}, NotifyTargets=json.dumps([target])) as aws:
        aws.lead(monkeypatch)
        yield aws


@pytest.fixture
def enrolled(test_data: Path) -> Objects:
    return {f"enroll/{name}.jpg": photo.read_bytes() for name, photo in _lfw(test_data)[0].items()}


@pytest.fixture
def seen(test_data: Path) -> Objects:
    found = {f"input/{photo.name}": photo.read_bytes() for photo in _lfw(test_data)[1]}
    return found | {AWKWARD: found[min(found)]}


@pytest.fixture
def broken(test_data: Path) -> Objects:
    return {f"input/{name}": (test_data / "edge" / name).read_bytes() for name in BROKEN}


def _lfw(test_data: Path) -> tuple[dict[str, Path], list[Path]]:
    return enrolled_and_seen(test_data / "lfw" / "images", KNOWN, PHOTOS)


def records(stack: Aws) -> list[Record]:
    return DynamoRecords(Clients(), stack.settings.aws_names.results).query(ALL)


def said(rows: list[Record]) -> list[Any]:
    rows = sorted(rows, key=lambda row: (row.key, row.face_number))
    return [without_ids_and_times(asdict(row)) for row in rows]


def test_every_photo_has_its_results_once_whatever_is_repeated_killed_broken_or_denied(
    stack: Aws, hook: Receiver, enrolled: Objects, seen: Objects, broken: Objects, tmp_path: Path, models_dir: Path
) -> None:
    stack.put_all(BUCKET, enrolled)
    stack.settle()
    denied = {f"{DENIED}{Path(key).name}": seen[key] for key in list(seen)[:2]}
    deny(stack)
    stack.put_all(BUCKET, {**seen, **broken, **denied})
    repeat(stack, seen)
    for kill in range(KILLS):
        reached = len(seen) * (kill + 1) // (KILLS + 2)
        stack.wait(lambda: len(stack.keys(BUCKET, "processed/")) >= reached, "some progress")  # noqa: B023
        assert stack.kill(FUNCTION) > 0
    stack.send(QUEUE, "no notification")
    stack.settle()
    check_dead_letters_say_why(stack, denied)
    results, before = stack.documents(BUCKET, "processed/"), records(stack)
    assert len(results) == len(seen) + len(broken)
    assert {Path(row.key).name for row in before if row.status == "error"} == set(BROKEN)
    allow(stack)
    assert queue(stack).redrive() == len(denied) + 1
    stack.settle()
    assert len(stack.documents(BUCKET, "processed/")) == len(seen) + len(broken) + len(denied)
    check_exactly_once(records(stack), hook)
    check_embedded_says_the_same(stack, (enrolled, {**seen, **broken, **denied}), tmp_path, models_dir)


def queue(stack: Aws) -> SqsQueue:
    names = stack.settings.aws_names
    return SqsQueue(Clients(), QUEUE, names.state, names.work, stack.settings.max_receives)


def deny(stack: Aws) -> None:
    """Nobody but the account's owner reads what lies under DENIED."""
    statement = {"Sid": "Denied", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject"}
    stack.add_to_policy(BUCKET, statement | {"Resource": f"arn:aws:s3:::{BUCKET}/{DENIED}*"})


def allow(stack: Aws) -> None:
    stack.take_from_policy(BUCKET, "Denied")


def repeat(stack: Aws, objects: Objects) -> None:
    """Every event once more: of half of the photos S3's own, of the others one that is written by hand."""
    for n, (key, data) in enumerate(objects.items()):
        if n % 2:
            stack.put(BUCKET, key, data)
        else:
            stack.announce(QUEUE, BUCKET, key, data)


def check_dead_letters_say_why(stack: Aws, denied: Objects) -> None:
    letters = queue(stack).list()
    assert len(letters) == len(denied) + 1
    assert sum("s3:GetObject" in letter.reason for letter in letters) == len(denied)
    assert sum("JSON" in letter.reason for letter in letters) == 1


def check_exactly_once(rows: list[Record], hook: Receiver) -> None:
    """One record a face, and one event for each person in each photo, whatever was sent twice on its way."""
    assert set(Counter((row.key, row.face_number) for row in rows).values()) == {1}
    people = Counter((f"{BUCKET}/{key}", name) for key, name in {(row.key, row.person) for row in rows if row.person})
    assert len(people) > KNOWN * 0.9
    told = Counter((event["subject"], *event["data"]["people"]) for event in hook.events.values())
    assert told == people


def check_embedded_says_the_same(stack: Aws, objects: tuple[Objects, Objects], folder: Path, models: Path) -> None:
    with opened(folder, models, {"input_bucket": BUCKET}) as app:
        for each in objects:
            put_in(app, BUCKET, each, app.worker().drain)
        assert said(app.records.query(ALL)) == said(records(stack))
        processed = {info.key: app.objects.get(BUCKET, info.key, 10_000_000)[1] for info in app.objects.list(BUCKET)}
        own = {key: json.loads(data) for key, data in processed.items() if key.startswith("processed/")}
    assert list(differences(own, stack.documents(BUCKET, "processed/"))) == []
