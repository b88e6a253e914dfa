"""Workflow 5 on AWS on loopback with permissions enforced: every pair is reported once, and told of once."""

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from aws_stack import Aws, deployed, program, sized
from embedded import differences, opened, put_in
from faceline.aws.clients import Clients
from faceline.aws.face_records import DynamoFaceRecords
from faceline.aws.snapshots import Snapshots
from faceline.gallery.ports import FaceQuery
from lfw import renamed

IMAGES, MATCHES, COLLECTION = "faceline-images", "faceline-matches", "faceline-matching"
QUEUE, FUNCTION = "faceline-matching-queue", "faceline-match-faces"
PEOPLE, KILLS = sized(15, 60), sized(1, 3)
# Or what a notice needs would grow with the number of people.
SETTINGS = {"matching_pairwise": True}

Document = dict[str, Any]
Objects = Mapping[str, bytes]


@pytest.fixture
def stack(tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with deployed(program(), tmp_path, models_dir, {"FACELINE_MATCHING_PAIRWISE": "true"}) as aws:
        aws.lead(monkeypatch)
        yield aws


@pytest.fixture
def images(test_data: Path, photos: Path) -> Objects:
    """Of customers, of whom some have two names; one shows nobody and one is no image, and neither has a customer."""
    shown = renamed(test_data / "lfw" / "images", PEOPLE)
    found = {f"images/{name}": photo.read_bytes() for name, _, photo in shown}
    nobody = {"images/Nobody_0001.png": (photos / "nobody.png").read_bytes()}
    return found | nobody | {"images/Text_0001.jpg": (test_data / "edge" / "text.jpg").read_bytes()}


def test_every_pair_is_reported_and_told_of_once_whatever_is_repeated_or_killed(
    stack: Aws, images: Objects, tmp_path: Path, models_dir: Path
) -> None:
    told = stack.subscribed(stack.outputs["TopicArn"], "told")
    stack.put_all(IMAGES, images)
    for key in random.Random(5).sample(sorted(images), len(images) // 2):
        stack.announce(QUEUE, IMAGES, key, images[key])
    for kill in range(KILLS):
        reached = len(images) * (kill + 1) // (KILLS + 2)
        stack.wait(lambda: len(stack.keys(MATCHES, "output/")) >= reached, "some progress")  # noqa: B023
        assert stack.kill(FUNCTION) > 0
    stack.settle()
    reports = stack.documents(MATCHES, "output/")
    assert set(reports) == {f"output/{Path(key).name}.json" for key in images}
    check_shape(reports)
    pairs = Counter(pair for report in reports.values() for pair in pairs_of(report))
    assert set(pairs.values()) == {1}
    assert sum(any("Invented" in image for image in pair) for pair in pairs) > 3
    assert Counter(message["Body"] for message in stack.take_all(told)) == Counter(worth_telling(reports))
    check_embedded_says_the_same(images, reports, tmp_path, models_dir)


def pairs_of(report: Document) -> Iterator[frozenset[str]]:
    own = Path(report["Source"]).name
    for match in report["Matches"]:
        yield frozenset((own, match["Face"]["ExternalImageId"]))


def check_shape(reports: Mapping[str, Document]) -> None:
    """The contract's names, and no others."""
    for key, report in reports.items():
        assert set(report) == {"Source", "CustomerID", "Matches"}
        name = Path(key).stem
        assert (report["Source"], report["CustomerID"]) == (f"{IMAGES}/images/{name}", name.rsplit("_", 1)[0])
        for match in report["Matches"]:
            assert set(match) == {"Similarity", "Face", "CustomerId"}
            assert set(match["Face"]) == {"FaceId", "BoundingBox", "ImageId", "ExternalImageId", "Confidence"}
            assert match["CustomerId"] != report["CustomerID"]


def worth_telling(reports: Mapping[str, Document]) -> Iterator[str]:
    """A sentence for each image and each other name that is as similar as a notice needs."""
    for report in reports.values():
        of: dict[str, list[float]] = {}
        for match in report["Matches"]:
            of.setdefault(match["CustomerId"], []).append(match["Similarity"])
        for name, similarities in of.items():
            near = [each for each in similarities if each >= 90]
            if near:
                said = f"matched {name} {len(near)} times with max similarity {max(near):.3f}"
                yield f"{report['CustomerID']}, image {report['Source']}, {said}"


def check_embedded_says_the_same(images: Objects, reports: Mapping[str, Document], folder: Path, models: Path) -> None:
    """The images go in there in the order in which the functions indexed them, so that the same ones report."""
    clients = Clients()
    faces = DynamoFaceRecords(clients, "faceline-state", Snapshots(clients, "faceline-work"))
    placed = faces.page(COLLECTION, 0, len(images) + 1, FaceQuery())
    order = [record.source.partition("/")[2] for _, record in placed]
    assert len(order) == len(set(order)) >= 0.95 * len(images)
    rest = [key for key in images if key not in order]
    with opened(folder, models, SETTINGS) as app:
        for worker in app.matching.workers():
            put_in(app, IMAGES, {key: images[key] for key in [*order, *rest]}, worker.drain)
        own = {info.key: app.objects.get(MATCHES, info.key, 10_000_000)[1] for info in app.objects.list(MATCHES)}
    said = {key: json.loads(data) for key, data in own.items() if key.startswith("output/")}
    assert list(differences(said, dict(reports))) == []
