"""One person under two names: from the upload to the report and the notice, with faces that are made up.

Of a made photo the second number says who is in it, and the third how much they look like somebody else besides:
at 95 the same person's similarity is about 55.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceline.app import App
from faceline.engine.analyzer import Sighting, Wanted
from faceline.erasure import Gone
from faceline.errors import ModelMismatchError, NotFoundError, SettingError, StorageError
from faceline.events import ObjectCreated, from_json, to_json
from faceline.gallery.review import Answer
from faceline.notices import Notice
from faceline.pipelines.customers import Customers
from faceline.pipelines.match_reports import MatchReports
from faceline.pipelines.matching import Matcher, Review
from faceline.pipelines.receipted import Receipted
from faceline.pipelines.worker import Worker
from faceline.types import Embedding, Frame, Pixels
from made import MODEL, MadeAnalyzer, event_of, mixed, open_app, photo, vector

IMAGES, MATCHES, COLLECTION = "faceline-images", "faceline-matches", "faceline-matching"
FACE_KEYS = {"FaceId", "BoundingBox", "ImageId", "ExternalImageId", "Confidence"}
LESS = 95  # salt of a photo that is like the same person's others, but not very


class MatchingAnalyzer(MadeAnalyzer):
    """poor: photos of this person are not usable."""

    poor: int | None = None

    def sight(self, frame: Frame, wanted: Wanted) -> list[Sighting]:
        faces = self.analyze([frame], wanted)[0]
        person, salt = int(frame.pixels[0, 1, 0]), int(frame.pixels[0, 2, 0])
        poor = person == self.poor
        seen = [replace(f, quality=replace(f.quality, reasons=("blurred",) if poor else ())) for f in faces]
        return [Sighting(face, np.array([[[person + n, salt, 0]]], np.uint8)) for n, face in enumerate(seen)]

    def embed_chips(self, chips: Sequence[Pixels]) -> list[Embedding]:
        return [Embedding(values_of(int(chip[0, 0, 0]), int(chip[0, 0, 1])), MODEL) for chip in chips]


def values_of(person: int, salt: int) -> Any:
    return mixed(vector(person), vector(person + 100), 1 - salt / 100)


class Told:
    """Stands in for the outbox."""

    def __init__(self) -> None:
        self.notices: dict[str, Notice] = {}

    def put(self, notice: Notice) -> bool:
        return self.notices.setdefault(notice.notice_id, notice) is notice

    @property
    def texts(self) -> list[str]:
        return [notice.text for notice in self.notices.values()]


class Matching:
    """Images go in as they do by `faceline put`."""

    def __init__(self, app: App) -> None:
        self.app, self.told = app, Told()
        app.matching._tells = self.told
        self.matcher: Matcher = app.matching.matcher()

    @property
    def worker(self) -> Worker:
        queue = self.app.matching.queue
        return Worker(queue, queue, Receipted(self.app.receipts, self.matcher.handle).take)

    def put(self, name: str, data: bytes) -> ObjectCreated:
        info = self.app.objects.put(IMAGES, f"images/{name}", data)
        self.app.watcher().announce(info)
        return event_of(info)

    def process(self, name: str, data: bytes) -> dict[str, Any]:
        event = self.put(name, data)
        self.worker.drain()
        result: dict[str, Any] = json.loads(self.app.receipts.result(event.event_id) or "null")
        return result

    def report(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.app.objects.get(MATCHES, f"output/{name}.json", 1_000_000)[1])
        return found

    def reports(self) -> list[str]:
        return [info.key for info in self.app.objects.list(MATCHES)]

    def pairs(self) -> list[frozenset[str]]:
        """The sources of each pair that a report says, as often as one does."""
        source_of = {record.face_id: record.source for record in self.app.face_records.find(COLLECTION)}
        documents = [json.loads(self.app.objects.get(MATCHES, key, 1_000_000)[1]) for key in self.reports()]
        return [frozenset((d["Source"], source_of[m["Face"]["FaceId"]])) for d in documents for m in d["Matches"]]

    def faces(self) -> list[str]:
        return sorted(record.source for record in self.app.face_records.find(COLLECTION))


@pytest.fixture
def matching(tmp_path: Path) -> Any:
    with open_app(tmp_path / "data", MatchingAnalyzer(), matching_pairwise=True) as app:
        yield Matching(app)


def opened(tmp_path: Path, **settings: Any) -> App:
    return open_app(tmp_path / "data", MatchingAnalyzer(), **settings)


# Reports


def test_the_report_is_exactly_the_contracts(matching: Matching) -> None:
    matching.process("Ada_0001.jpg", photo(person=1))
    result = matching.process("Eve_0007.jpg", photo(person=1, salt=LESS))
    report = matching.report("Eve_0007.jpg")
    (match,) = report.pop("Matches")
    assert report == {"Source": f"{IMAGES}/images/Eve_0007.jpg", "CustomerID": "Eve"}
    (first, _) = matching.app.face_records.find(COLLECTION)
    assert set(match) == {"Similarity", "Face", "CustomerId"}
    assert match["CustomerId"] == "Ada"
    assert match["Similarity"] == matching.app.scorer(COLLECTION).similarity_of(values_of(1, 0), values_of(1, LESS))
    assert match["Face"] == {
        "FaceId": first.face_id,
        "BoundingBox": {"Width": 0.625, "Height": 0.833333, "Left": 0.015625, "Top": 0.041667},
        "ImageId": first.image_id,
        "ExternalImageId": "Ada_0001.jpg",
        "Confidence": 99.5,
    }
    assert result == {"status": "done", "matches": 1, "notices": 0, "report": "output/Eve_0007.jpg.json"}


def test_the_first_image_has_an_empty_report(matching: Matching) -> None:
    matching.process("Ada_0001.jpg", photo(person=1))
    assert matching.report("Ada_0001.jpg")["Matches"] == []


def test_the_same_customers_images_are_not_reported(matching: Matching) -> None:
    for number in range(3):
        matching.process(f"Ada_{number:04}.jpg", photo(person=1, salt=number))
    assert matching.report("Ada_0002.jpg")["Matches"] == []
    assert len(matching.faces()) == 3


def test_strangers_are_not_reported(matching: Matching) -> None:
    matching.process("Ada_0001.jpg", photo(person=1))
    matching.process("Eve_0001.jpg", photo(person=2))
    assert matching.report("Eve_0001.jpg")["Matches"] == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [(photo(faces=0), "no face"), (photo(person=9), "poor quality: blurred"), (b"<html>", "not an image")],
)
def test_an_image_that_cannot_be_used_has_an_empty_report(matching: Matching, data: bytes, reason: str) -> None:
    matching.app.analyzer(COLLECTION).poor = 9  # type: ignore[attr-defined]
    result = matching.process("Ada_0001.jpg", data)
    assert result["status"] == "refused"
    assert reason in result["reason"]
    source = f"{IMAGES}/images/Ada_0001.jpg"
    assert matching.report("Ada_0001.jpg") == {"Source": source, "CustomerID": "Ada", "Matches": []}
    assert matching.faces() == []
    assert matching.app.matching.queue.list() == []


def test_of_several_faces_the_largest_is_indexed(matching: Matching) -> None:
    matching.process("Ada_0001.jpg", photo(faces=3, person=1))
    matching.process("Eve_0001.jpg", photo(person=2))
    matching.process("Eva_0001.jpg", photo(person=1))
    assert len(matching.faces()) == 3
    assert [m["CustomerId"] for m in matching.report("Eva_0001.jpg")["Matches"]] == ["Ada"]
    assert matching.report("Eve_0001.jpg")["Matches"] == []


def test_the_most_similar_come_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path, matching_most=2) as app:
        matching = Matching(app)
        for number in range(9):  # nearer than anybody, but the same customer
            matching.process(f"Eve_{number}.jpg", photo(person=1))
        for name, salt in (("Ada", 95), ("Ida", 93), ("Una", 94)):
            matching.process(f"{name}_1.jpg", photo(person=1, salt=salt))
        matching.process("Eve_x.jpg", photo(person=1))
        assert [m["CustomerId"] for m in matching.report("Eve_x.jpg")["Matches"]] == ["Ida", "Una"]


def test_less_similar_faces_are_left_out(tmp_path: Path) -> None:
    with opened(tmp_path, matching_min_similarity=80.0) as app:
        matching = Matching(app)
        matching.process("Ada_1.jpg", photo(person=1))
        matching.process("Eve_1.jpg", photo(person=1, salt=LESS))
        assert matching.report("Eve_1.jpg")["Matches"] == []


def test_one_photo_under_two_names_is_reported(matching: Matching) -> None:
    for name in ("Ada_1.jpg", "Eve_1.jpg"):
        matching.process(name, photo(person=1))
    (match,) = matching.report("Eve_1.jpg")["Matches"]
    assert (match["Similarity"], match["CustomerId"]) == (100.0, "Ada")


def test_images_of_one_name_in_two_folders_have_reports_of_their_own(matching: Matching) -> None:
    for name in ("a/Ada_1.jpg", "b/Ada_1.jpg", "Ada_1.jpg"):
        matching.process(name, photo(person=1))
    assert matching.reports() == [
        "output/Ada_1.jpg.json",
        "output/images/Ada_1.jpg.json",
        "output/images/b/Ada_1.jpg.json",
    ]
    assert matching.report("Ada_1.jpg")["Source"] == f"{IMAGES}/images/a/Ada_1.jpg"


# Once a pair


@pytest.mark.parametrize("workers", [1, 4])
def test_every_pair_is_reported_once_with_several_workers(matching: Matching, workers: int) -> None:
    shown = {f"{name}_{n}.jpg": photo(person=n % 3, salt=n % 90) for n in range(12) for name in ("Ada", "Eve")}
    for name, data in shown.items():
        matching.put(name, data)
    threads = [threading.Thread(target=matching.worker.drain) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {name: int(name[4:-4]) % 3 for name in shown}
    expected = [{a, b} for a, b in combinations(names, 2) if names[a] == names[b] and a[:3] != b[:3]]
    prefix = f"{IMAGES}/images/"
    found = [{source.removeprefix(prefix) for source in pair} for pair in matching.pairs()]
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))


class Slow(MatchReports):
    """meanwhile: called between the indexing of a face and the search for its like."""

    meanwhile: Callable[[], object] = lambda: None

    def key_of(self, source: str) -> str:
        type(self).meanwhile()
        return super().key_of(source)


def slow_matcher(matching: Matching, meanwhile: Callable[[], object]) -> Matcher:
    kind = type("Slowed", (Slow,), {"meanwhile": staticmethod(meanwhile)})
    reports = matching.matcher.reports
    copied = {field.name: getattr(reports, field.name) for field in fields(reports)}
    return replace(matching.matcher, reports=kind(**copied))


def test_two_images_that_are_indexed_together_are_reported_once(matching: Matching) -> None:
    both = threading.Barrier(2, timeout=20)
    matcher = slow_matcher(matching, both.wait)
    events = [matching.put(f"{name}_1.jpg", photo(person=1)) for name in ("Ada", "Eve")]
    threads = [threading.Thread(target=matcher.handle, args=(event,)) for event in events]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(matching.pairs()) == 1


def test_an_image_whose_worker_died_after_indexing_reports_what_came_before_and_no_more(matching: Matching) -> None:
    def die() -> None:
        raise StorageError("dead")

    event = matching.put("Ada_1.jpg", photo(person=1))
    with pytest.raises(StorageError):
        slow_matcher(matching, die).handle(event)
    assert len(matching.faces()) == 1
    matching.process("Eve_1.jpg", photo(person=1))
    matching.matcher.handle(event)
    assert [m["CustomerId"] for m in matching.report("Eve_1.jpg")["Matches"]] == ["Ada"]
    assert matching.report("Ada_1.jpg")["Matches"] == []


def test_an_image_that_is_worked_on_again_reports_what_it_did_before(matching: Matching) -> None:
    first = matching.put("Ada_1.jpg", photo(person=1))
    matching.worker.drain()
    matching.process("Eve_1.jpg", photo(person=1))
    later = matching.report("Eve_1.jpg")
    for event in (first, *from_json(to_json(first))):
        matching.matcher.handle(event)
    assert matching.report("Ada_1.jpg")["Matches"] == []
    assert matching.report("Eve_1.jpg") == later
    assert len(matching.faces()) == 2


def test_new_bytes_under_a_key_replace_face_and_report(matching: Matching) -> None:
    matching.process("Ada_1.jpg", photo(person=1))
    matching.process("Eve_1.jpg", photo(person=1))
    assert len(matching.pairs()) == 1
    matching.process("Ada_1.jpg", photo(person=1, salt=20))
    assert matching.report("Eve_1.jpg")["Matches"] == []
    assert [m["CustomerId"] for m in matching.report("Ada_1.jpg")["Matches"]] == ["Eve"]
    assert len(matching.faces()) == 2
    matching.process("Ada_1.jpg", photo(faces=0))
    assert matching.report("Ada_1.jpg")["Matches"] == []
    assert matching.faces() == [f"{IMAGES}/images/Eve_1.jpg"]


def test_bytes_that_change_while_they_are_looked_at_are_looked_at_again(matching: Matching) -> None:
    analyzer: Any = matching.app.analyzer(COLLECTION)

    def change(frame: Frame) -> None:
        analyzer.before = None
        matching.app.objects.put(IMAGES, "images/Ada_1.jpg", photo(person=2))

    analyzer.before = change
    matching.process("Eve_1.jpg", photo(person=2))
    analyzer.before = change
    matching.process("Ada_1.jpg", photo(person=1))
    assert [m["CustomerId"] for m in matching.report("Ada_1.jpg")["Matches"]] == ["Eve"]
    assert len(matching.faces()) == 2


# Deletion


def test_a_deleted_image_takes_its_face_and_all_that_reports_say_of_it_along(matching: Matching) -> None:
    for name in ("Ada_1.jpg", "Eve_1.jpg", "Ida_1.jpg"):
        event = matching.put(name, photo(person=1))
        matching.worker.drain()
    matching.app.delete_object(IMAGES, "images/Ada_1.jpg")
    assert matching.reports() == ["output/Eve_1.jpg.json", "output/Ida_1.jpg.json"]
    assert matching.report("Eve_1.jpg")["Matches"] == []
    assert [m["CustomerId"] for m in matching.report("Ida_1.jpg")["Matches"]] == ["Eve"]
    assert len(matching.faces()) == 2
    matching.app.delete_object(IMAGES, "images/Ida_1.jpg")
    assert matching.app.receipts.result(event.event_id) is None
    matching.process("Ada_1.jpg", photo(person=1))
    assert [m["CustomerId"] for m in matching.report("Ada_1.jpg")["Matches"]] == ["Eve"]


def test_an_image_that_is_deleted_while_it_is_looked_at_leaves_nothing(matching: Matching) -> None:
    analyzer: Any = matching.app.analyzer(COLLECTION)
    analyzer.before = lambda frame: matching.app.delete_object(IMAGES, "images/Ada_1.jpg")
    assert matching.process("Ada_1.jpg", photo(person=1))["status"] == "gone"
    assert (matching.faces(), matching.reports()) == ([], [])


def test_a_face_that_is_deleted_while_its_match_is_reported_is_not_in_the_report(matching: Matching) -> None:
    matching.process("Ada_1.jpg", photo(person=1))
    (ada,) = matching.app.face_records.find(COLLECTION)
    objects, put = matching.app.objects, matching.app.objects.put

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(objects, name)

        def put(self, bucket: str, key: str, data: bytes) -> Any:
            matching.app.face_records.remove(COLLECTION, [ada.face_id])
            return put(bucket, key, data)

    slow: Any = Slow()
    matching.matcher = replace(matching.matcher, reports=replace(matching.matcher.reports, objects=slow))
    matching.process("Eve_1.jpg", photo(person=1))
    assert matching.report("Eve_1.jpg")["Matches"] == []


def gone(name: str, **fields: Any) -> Gone:
    given: dict[str, Any] = {"name": name, "collections": (COLLECTION,), "everywhere": True} | fields
    return Gone(**given)


def test_a_forgotten_customers_reports_go_and_others_no_longer_say_them(matching: Matching) -> None:
    for name in ("Ada_1.jpg", "Eve_1.jpg", "Ida_1.jpg"):
        matching.process(name, photo(person=1))
    reports = matching.app.matching.reports
    assert reports.forget(gone("Nobody")) == 0
    assert reports.forget(gone("Eve", everywhere=False, collections=("staff",))) == 0
    assert reports.forget(gone("Eve")) == 2
    assert matching.reports() == ["output/Ada_1.jpg.json", "output/Ida_1.jpg.json"]
    assert [m["CustomerId"] for m in matching.report("Ida_1.jpg")["Matches"]] == ["Ada"]
    (ada, *_) = matching.app.face_records.find(COLLECTION)
    assert reports.forget(gone("whoever", face_ids=frozenset({ada.face_id}))) == 1
    assert matching.report("Ida_1.jpg")["Matches"] == []
    assert reports.forget(gone("whoever", sources=frozenset({f"{IMAGES}/images/Ida_1.jpg"}))) == 1
    assert matching.reports() == ["output/Ada_1.jpg.json"]


def test_nothing_of_a_forgotten_customer_stays_in_the_data_directory(matching: Matching) -> None:
    for name in ("Adalovelace_1.jpg", "Eve_1.jpg", "Adalovelace_2.jpg", "Ida_1.jpg"):
        matching.process(name, photo(person=1))
    matching.app.forget("Adalovelace")
    assert matching.pairs() == [{f"{IMAGES}/images/Eve_1.jpg", f"{IMAGES}/images/Ida_1.jpg"}]
    matching.app.close()
    files = [path for path in matching.app.settings.data.rglob("*") if path.is_file()]
    assert [path for path in files if b"Adalovelace" in str(path).encode() + path.read_bytes()] == []


def test_what_is_no_report_is_left_as_it_is(matching: Matching) -> None:
    matching.process("Ada_1.jpg", photo(person=1))
    odd = {"list": b"[]", "text": b"Ada", "other": b'{"Source": 1, "CustomerID": "Ada"}'}
    for name, data in odd.items():
        matching.app.objects.put(MATCHES, f"output/{name}.json", data)
    assert matching.app.matching.reports.forget(gone("Ada")) == 1
    assert matching.reports() == [f"output/{name}.json" for name in sorted(odd)]


# Customers


def test_the_customer_stands_before_the_last_underscore_of_the_name(matching: Matching) -> None:
    for name in ("a/Ada_Lovelace_0001.jpg", "portrait.jpg"):
        matching.process(name, photo(person=1))
    assert matching.report("Ada_Lovelace_0001.jpg")["CustomerID"] == "Ada_Lovelace"
    assert matching.report("portrait.jpg")["CustomerID"] == "portrait.jpg"


def test_an_image_of_a_customer_without_a_name_is_refused(matching: Matching) -> None:
    assert "blank" in matching.process("_0001.jpg", photo(person=1))["reason"]
    assert matching.report("_0001.jpg")["CustomerID"] == ""


@pytest.mark.parametrize(
    ("pattern", "customer"),
    [("^[a-z]+", "ada"), ("^([a-z]+)-(\\d+)", "ada"), ("-(\\d+)", "77"), ("no such", "ada-77"), ("(z)?ada", "ada")],
)
def test_a_pattern_may_say_what_the_customer_is(tmp_path: Path, pattern: str, customer: str) -> None:
    with opened(tmp_path, matching_customer=pattern) as app:
        matching = Matching(app)
        matching.process("ada-77_b.jpg", photo(person=1))
        assert matching.report("ada-77_b.jpg")["CustomerID"] == customer


@pytest.mark.parametrize(
    "pattern",
    [
        *("^(a+)+$", "(a|ab)*c", "(a?a)+$", "(?:a*)*?b", "((a{1,9}){1,9}){1,9}", ".*.*.*.*x", "(?=(a+)+b)"),
        *("a?" * 30 + "a" * 30, "(?>a+)+", "(a++)+", "(x)?(?(1)(a+)+|b)"),
    ],
)
def test_a_pattern_that_some_name_would_hang_is_refused_at_the_start(tmp_path: Path, pattern: str) -> None:
    with (
        opened(tmp_path, matching_customer=pattern) as app,
        pytest.raises(SettingError, match=r"tried on for hours; write .* such as"),
    ):
        app.workers()


@pytest.mark.parametrize(
    "pattern",
    ["^([A-Z]+)-", r"^(\w+?)_(?:\d{4})+", "^(?:(ada|bob)|x)-?", r"(\d+)-(\d+)-(\d+)", "(?i:^([a-z]{2,6})(-x)?)"],
)
def test_the_worst_name_for_a_pattern_takes_a_few_seconds_at_most(pattern: str, made_app: App) -> None:
    customers = Customers(made_app.objects, IMAGES, pattern=pattern)
    started = time.monotonic()
    for name in ("a" * 255, "1" * 255, "1-" * 127, "A" * 255):
        customers.of(f"images/{name}")
    assert time.monotonic() - started < 10


def test_a_bad_pattern_is_told_at_the_start(tmp_path: Path) -> None:
    with opened(tmp_path, matching_customer="([a-z") as app, pytest.raises(SettingError, match="matching_customer"):
        app.workers()


def test_a_manifest_goes_before_the_pattern_and_is_read_again_when_it_changed(tmp_path: Path) -> None:
    with opened(tmp_path, matching_manifest="customers.csv", matching_customer="^..") as app:
        matching = Matching(app)
        app.objects.put(
            IMAGES,
            "customers.csv",
            b"\xef\xbb\xbfcustomer,image,note\nLovelace,ada_1.jpg,\nByron,images/b/ada_1.jpg,x\n",
        )
        for name in ("ada_1.jpg", "b/ada_1.jpg", "eve_1.jpg"):
            matching.process(name, photo(person=1))
        assert matching.report("ada_1.jpg")["CustomerID"] == "Lovelace"
        assert matching.report("images/b/ada_1.jpg")["CustomerID"] == "Byron"
        assert matching.report("eve_1.jpg")["CustomerID"] == "ev"
        app.objects.put(IMAGES, "customers.csv", b"image,customer\nida_1.jpg,Bell\n")
        matching.process("ida_1.jpg", photo(person=1))
        assert matching.report("ida_1.jpg")["CustomerID"] == "Bell"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "there is no faceline-images/images/customers.csv"),
        (b"image,name\na,b\n", "must name the columns image and customer"),
        (b"image,customer\na.jpg\n", "line 2 needs an image and a customer"),
        (b"image,customer\na.jpg,A\na.jpg,B\n", "line 3 gives a.jpg another customer"),
        (b"image,customer\n\xff,B\n", "cannot be read"),
    ],
)
def test_without_its_manifest_nothing_is_indexed_under_a_guessed_name(
    tmp_path: Path, text: bytes | None, reason: str
) -> None:
    with opened(tmp_path, matching_manifest="images/customers.csv") as app:
        matching = Matching(app)
        if text is not None:
            manifest = matching.put("customers.csv", text)
            assert matching.matcher.handle(manifest)["status"] == "ignored"
            matching.worker.drain()
        matching.put("a.jpg", photo(person=1))
        with pytest.raises(SettingError, match=re.escape(reason)):
            matching.matcher.customers.of("images/a.jpg")
        matching.worker.drain()
        (letter,) = app.matching.queue.list()
        assert reason in letter.reason
        assert matching.faces() == []
        app.objects.put(IMAGES, "images/customers.csv", b"image,customer\na.jpg,Ada\n")
        app.matching.queue.redrive()
        matching.worker.drain()
        assert matching.report("a.jpg")["CustomerID"] == "Ada"


# Notices


def test_a_match_is_told_once_for_each_other_name(matching: Matching) -> None:
    for name, salt in (("Ada_1", 0), ("Ada_2", 40), ("Ida_1", LESS), ("Una_1", 91)):
        matching.process(f"{name}.jpg", photo(person=1, salt=salt))
    matching.told.notices.clear()
    event = matching.put("Eve_1.jpg", photo(person=1))
    for _ in range(2):
        matching.matcher.handle(event)
    source = f"{IMAGES}/images/Eve_1.jpg"
    similarity = matching.app.scorer(COLLECTION).similarity_of(values_of(1, 91), values_of(1, 0))
    assert 90 < similarity < 100
    assert matching.told.texts == [
        f"Eve, image {source}, matched Ada 2 times with max similarity 100.000",
        f"Eve, image {source}, matched Una 1 times with max similarity {similarity:.3f}",
    ]
    first = next(iter(matching.told.notices.values()))
    assert (first.kind, first.source, first.people, first.similarity) == ("match.found", source, ("Eve", "Ada"), 100.0)
    assert {**first.data, "Matches": [m["CustomerId"] for m in first.data["Matches"]]} == {
        "Source": source,
        "collection": COLLECTION,
        "CustomerID": "Eve",
        "Matches": ["Ada", "Ada"],
    }


def test_a_notice_needs_what_a_name_needs_unless_pairwise_is_set(tmp_path: Path) -> None:
    for pairwise, told in ((False, 0), (True, 1)):
        with opened(tmp_path / str(pairwise), matching_pairwise=pairwise, strangers_named=0.0001) as app:
            matching = Matching(app)
            matching.process("Ada_1.jpg", photo(person=1))
            matching.told.notices.clear()
            matching.process("Eve_1.jpg", photo(person=1, salt=91))
            (match,) = matching.report("Eve_1.jpg")["Matches"]
            assert 90 < match["Similarity"] < app.collection(COLLECTION).threshold()
            assert len(matching.told.texts) == told


def test_customers_who_are_known_to_be_different_are_reported_but_not_told(matching: Matching) -> None:
    settled = {("Eve", "Ada")}
    matching.matcher = replace(matching.matcher, review=Review(lambda a, b: (a, b) in settled))
    for name in ("Ada_1.jpg", "Eve_1.jpg"):
        matching.process(name, photo(person=1))
    assert len(matching.report("Eve_1.jpg")["Matches"]) == 1
    assert matching.told.texts == []


def test_matches_that_are_worth_telling_wait_for_review_until_they_are_settled(matching: Matching) -> None:
    for name, salt in (("Ada_1", 0), ("Ida_1", LESS), ("Eve_1", 0)):
        matching.process(f"{name}.jpg", photo(person=1, salt=salt))
    reviews = matching.app.reviews
    (waiting,) = reviews.open(COLLECTION, 10)
    assert (waiting.pair.a, waiting.pair.b) == ("Ada", "Eve")
    reviews.decide(COLLECTION, waiting.pair, Answer.DIFFERENT, "me")
    matching.told.notices.clear()
    matching.process("Eve_2.jpg", photo(person=1))
    assert matching.told.texts == []
    assert len(matching.report("Eve_2.jpg")["Matches"]) == 2


def test_without_the_consent_that_is_asked_for_nobody_is_indexed(tmp_path: Path) -> None:
    with opened(tmp_path, consent_required=True, matching_manifest="list.csv") as app:
        matching = Matching(app)
        app.objects.put(IMAGES, "list.csv", b"image,customer,consent\na.jpg,Ada,form 7\nb.jpg,Eve,\n")
        assert matching.process("a.jpg", photo(person=1))["status"] == "done"
        assert "no consent" in matching.process("b.jpg", photo(person=1))["reason"]
        assert matching.process("Ada_1.jpg", photo(person=1))["status"] == "done"
        assert app.consents.of(COLLECTION, "Ada") == ["form 7"]
        assert matching.report("b.jpg") == {"Source": f"{IMAGES}/images/b.jpg", "CustomerID": "Eve", "Matches": []}


# Events


def test_what_is_no_notification_goes_to_the_dead_letters(matching: Matching) -> None:
    queue = matching.app.matching.queue
    queue.send("not JSON")
    matching.worker.drain()
    (letter,) = queue.list()
    assert "not JSON" in letter.reason
    assert queue.name in [each.name for each in matching.app.queues()]


@pytest.mark.parametrize(("bucket", "key"), [(IMAGES, "other/Ada_1.jpg"), ("other", "images/Ada_1.jpg")])
def test_objects_in_other_places_are_not_worked_on(matching: Matching, bucket: str, key: str) -> None:
    info = matching.app.objects.put(bucket, key, photo(person=1))
    assert not matching.app.starts_work(bucket, key)
    assert matching.matcher.handle(event_of(info))["status"] == "ignored"


def test_a_foreign_notification_with_several_records_is_worked_on(matching: Matching) -> None:
    records = []
    for name in ("Ada Ö_1.jpg", "Eve+_1.jpg"):
        info = matching.app.objects.put(IMAGES, f"images/{name}", photo(person=1))
        records += json.loads(to_json(event_of(info)))["Records"]
    matching.app.matching.queue.send(json.dumps({"Records": records}))
    matching.worker.drain()
    assert [m["CustomerId"] for m in matching.report("Eve+_1.jpg")["Matches"]] == ["Ada Ö"]


def test_an_image_in_hand_while_the_collection_gets_another_model_is_looked_at_again(matching: Matching) -> None:
    analyzer: Any = matching.app.analyzer(COLLECTION)

    def once(frame: Frame) -> None:
        analyzer.before = None
        raise ModelMismatchError("made of another model")

    analyzer.before = once
    event = matching.put("Ada_1.jpg", photo(person=1))
    matching.app.matching.workers()[0].drain()
    assert json.loads(matching.app.receipts.result(event.event_id) or "null")["status"] == "done"


def test_a_dropped_collection_is_made_again(matching: Matching) -> None:
    matching.process("Ada_1.jpg", photo(person=1))
    matching.app.drop_collection(COLLECTION)
    matching.process("Eve_1.jpg", photo(person=1))
    assert matching.report("Eve_1.jpg")["Matches"] == []
    assert matching.faces() == [f"{IMAGES}/images/Eve_1.jpg"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"matching_bucket": "face-input-bucket"}, "matching_bucket and input_bucket are both face-input-bucket"),
        ({"matching_output_bucket": "faceline-stage-1"}, "matching_output_bucket and video_stage_bucket"),
        ({"matching_prefix": "images"}, "must be a folder that ends with /"),
        (
            {"matching_bucket": "one", "matching_output_bucket": "one", "matching_output_prefix": "images/out/"},
            "within",
        ),
        ({"matching_queue": "face-input-queue"}, "matching_queue is 'face-input-queue'"),
    ],
)
def test_places_that_cannot_be_told_apart_are_refused(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    with opened(tmp_path, **settings) as app, pytest.raises(SettingError, match=re.escape(said)):
        app.matching.workers()


def test_a_frame_queue_may_not_be_the_matching_queue(tmp_path: Path) -> None:
    with opened(tmp_path, frames_request_queue="same", matching_queue="same") as app, pytest.raises(SettingError):
        app.workers()


def test_images_of_a_customer_who_was_merged_are_of_whom_they_were_merged_into(matching: Matching) -> None:
    matching.process("Ada_1.jpg", photo(person=1))
    matching.process("Aida_1.jpg", photo(person=1, salt=40))
    matching.app.reviews.merge(COLLECTION, "Aida", "Ada", "me")
    matching.told.notices.clear()
    merger = replace(
        matching.matcher, review=Review(standing_for=partial(matching.app.merging.merged_into, COLLECTION))
    )
    merger.handle(matching.put("Aida_2.jpg", photo(person=1, salt=41)))
    assert matching.report("Aida_2.jpg")["CustomerID"] == "Ada"
    assert matching.report("Aida_2.jpg")["Matches"] == []
    assert matching.told.texts == []


def test_what_was_made_of_an_image_goes_though_its_file_was_taken_away(matching: Matching) -> None:
    matching.process("Ada_1.jpg", photo(person=1))
    key = "images/Ada_1.jpg"
    (matching.app.directory.buckets / IMAGES / key).unlink()
    matching.app.delete_object(IMAGES, key)
    assert matching.app.face_records.find(COLLECTION) == []
    with pytest.raises(NotFoundError):
        matching.report("Ada_1.jpg")
