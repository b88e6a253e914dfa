"""Workflows 1 and 5 over real photos by both engines: ours, and Amazon's client against our own Rekognition endpoint.

Our endpoint speaks Amazon Rekognition's protocol and has our networks behind it, so that both must agree on everything
but the last digits of boxes. What Amazon's own networks would say of these photos is not known here.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from amazon import rekognition
from faceline.app import App
from faceline.assembly.images import ImageWork
from faceline.assembly.matching import MatchingWork
from faceline.aws.clients import Clients
from faceline.aws.faces import Kept, rekognition_engine
from faceline.config import Settings
from faceline.faces import FacesOf
from faceline.loading import image_limits
from faceline.notices import Notice
from faceline.ports import Record, RecordQuery
from lfw import enrolled_and_seen, renamed
from made import BUCKET, event_of

IMAGES, MATCHES = "faceline-images", "faceline-matches"
KNOWN, PHOTOS, CUSTOMERS = 6, 24, 14


class Told:
    """Stands in for the outbox."""

    def __init__(self) -> None:
        self.people: set[tuple[str, ...]] = set()

    def put(self, notice: Notice) -> bool:
        self.people.add((notice.source, *notice.people))
        return True


class Engine:
    """One engine's stores and workflows."""

    def __init__(self, app: App, faces: FacesOf) -> None:
        self.app, self.faces, self.told = app, faces, Told()
        self.images, self.matching = ImageWork(app, faces), MatchingWork(app, faces, self.told)
        for bucket in (BUCKET, IMAGES, MATCHES):
            app.objects.make_bucket(bucket)

    def upload(self, key: str, data: bytes) -> dict[str, Any]:
        return self.images.handle(event_of(self.app.objects.put(BUCKET, key, data)))

    def match(self, name: str, data: bytes) -> dict[str, Any]:
        return self.matching.handle(event_of(self.app.objects.put(IMAGES, f"images/{name}", data)))

    def rows(self, key: str | None = None) -> list[Record]:
        rows = self.app.records.query(RecordQuery(image=key))
        return sorted(rows, key=lambda row: (row.key, row.face_number))

    def seen(self, key: str | None = None) -> list[tuple[str, int, str, str | None]]:
        return [(row.key, row.face_number, row.status, row.person) for row in self.rows(key)]

    def pairs(self) -> dict[tuple[str, str], float]:
        """The names of each image and of those that its report says, with the similarity."""
        found = {}
        for info in self.app.objects.list(MATCHES, "output/"):
            report = json.loads(self.app.objects.get(MATCHES, info.key, 10**7)[1])
            for match in report["Matches"]:
                found[(report["Source"], match["Face"]["ExternalImageId"])] = match["Similarity"]
        return found


@pytest.fixture
def engines(tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Engine, Engine, App]]:
    """Ours, and Amazon's with the app that stands in for Amazon."""
    base = Settings(models_dir=models_dir, matching_pairwise=True, attributes=("emotions",))
    with ExitStack() as stack:
        ours, theirs, amazon = (
            stack.enter_context(App(base.with_(data=tmp_path / name))) for name in ("ours", "theirs", "amazon")
        )
        for name, value in stack.enter_context(rekognition(amazon)).items():
            monkeypatch.setenv(name, value)
        clients = Clients()
        kept = Kept(theirs.face_records, theirs.collections, theirs.receipts, theirs.keeping)
        faces = rekognition_engine(clients, theirs.settings, image_limits(theirs.settings), kept)
        yield Engine(ours, ours.own_engine.loaded), Engine(theirs, faces), amazon
        clients.rekognition.close()


def test_both_engines_write_the_same_records_of_real_photos(
    test_data: Path, engines: tuple[Engine, Engine, App]
) -> None:
    ours, theirs, amazon = engines
    enrolled, seen = enrolled_and_seen(test_data / "lfw" / "images", KNOWN, PHOTOS)
    people = test_data / "photos" / "ageitgey" / "examples" / "knn_examples"
    enrolled |= {folder.name: min(folder.iterdir()) for folder in (people / "train").iterdir()}
    for engine in (ours, theirs):
        for name, photo in enrolled.items():
            assert engine.upload(f"enroll/{name}.jpg", photo.read_bytes()) == {"status": "enrolled"}, name
        for photo in [*seen, *sorted((people / "test").iterdir())]:
            assert engine.upload(f"input/{photo.name}", photo.read_bytes())["status"] == "done"
        engine.upload("input/nothing.jpg", b"<html>")
    assert theirs.seen() == ours.seen()
    named = [row for row in ours.rows() if row.status == "matched"]
    assert len(named) >= 12
    assert {row.person for row in theirs.rows("obama_and_biden.jpg")} == {"obama", "biden", None}
    for mine, other in zip(ours.rows(), theirs.rows(), strict=True):
        if mine.bounding_box and other.bounding_box:
            assert other.bounding_box == pytest.approx(mine.bounding_box, abs=0.5)
        assert [e["type"] for e in other.emotions or []] == [e["type"] for e in mine.emotions or []]
    assert {record.face_id for record in theirs.app.face_records.find("my-face-collection")} == {
        record.face_id for record in amazon.face_records.find("my-face-collection")
    }


def test_both_engines_report_the_same_pairs_of_real_photos(
    test_data: Path, engines: tuple[Engine, Engine, App]
) -> None:
    ours, theirs, amazon = engines
    images = list(renamed(test_data / "lfw" / "images", CUSTOMERS))
    for engine in (ours, theirs):
        for name, _, photo in [*images, *images[:3]]:  # three events come twice
            assert engine.match(name, photo.read_bytes())["status"] in ("done", "refused")
    assert theirs.pairs().keys() == ours.pairs().keys()
    assert theirs.told.people == ours.told.people
    assert len(ours.told.people) >= 1
    assert list(theirs.pairs().values()) == pytest.approx(list(ours.pairs().values()), abs=0.02)
    assert len(amazon.face_records.find("faceline-matching")) == len(theirs.app.face_records.find("faceline-matching"))


def test_a_photo_of_several_people_is_refused_by_both(test_data: Path, engines: tuple[Engine, Engine, App]) -> None:
    both = test_data / "photos" / "ageitgey" / "examples" / "knn_examples" / "test" / "obama_and_biden.jpg"
    refused = [engine.upload("enroll/obama.jpg", both.read_bytes()) for engine in engines[:2]]
    assert refused[0] == refused[1]
    assert refused[0]["status"] == "refused"
    assert refused[0]["reason"].startswith("several faces (")


def test_a_photo_over_5_mb_is_named_by_its_place(
    tmp_path: Path, astronaut_jpeg: bytes, engines: tuple[Engine, Engine, App]
) -> None:
    theirs, amazon = engines[1:]
    large = astronaut_jpeg + bytes(5_300_000)
    amazon.objects.put(BUCKET, "input/large.jpg", large)
    assert theirs.upload("input/large.jpg", large)["faces"] == 1
