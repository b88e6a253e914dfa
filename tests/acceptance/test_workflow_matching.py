"""Workflow 5 with real photos: every pair of one person under two names is reported, once, whatever dies meanwhile."""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import Cli, Up, wait_until
from faceline.app import App
from faceline.config import Settings, load
from faceline.similarity import pair_scores
from lfw import renamed

IMAGES, MATCHES, COLLECTION = "faceline-images", "faceline-matches", "faceline-matching"
PEOPLE, PROCESSES, KILLS = 140, 4, 8
SETTINGS = {
    **{"FACELINE_LEASE_S": "1", "FACELINE_WORKERS": "1", "FACELINE_THREADS": "1"},
    **{"FACELINE_MATCHING_MOST": "4096", "FACELINE_MAX_RECEIVES": "50"},
    "FACELINE_MATCHING_PAIRWISE": "true",  # or what a notice needs would grow with the number of people
}

Pair = frozenset[str]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def opened(data: Path) -> App:
    return App(load(environment={}).with_(data=data, matching_most=4096))


def reports(app: App) -> Iterator[dict[str, Any]]:
    for info in app.objects.list(MATCHES, "output/"):
        yield json.loads(app.objects.get(MATCHES, info.key, 10_000_000)[1])


def reported(app: App, min_similarity: float) -> Counter[Pair]:
    """The pairs of images that reports say, and how often."""
    source_of = {record.face_id: record.source for record in app.face_records.find(COLLECTION)}
    return Counter(
        frozenset((report["Source"], source_of[match["Face"]["FaceId"]]))
        for report in reports(app)
        for match in report["Matches"]
        if match["Similarity"] >= min_similarity
    )


def computed(app: App, min_similarity: float) -> set[Pair]:
    """The same from all pairs of the indexed embeddings at once."""
    records, scorer = app.face_records.find(COLLECTION), app.scorer(COLLECTION)
    rows = scorer.normalise(np.stack([record.embedding.values for record in records]))
    similar = scorer.calibration.similarity(pair_scores(rows, rows)).round(2) >= min_similarity
    return {
        frozenset((records[i].source, records[j].source))
        for i, j in zip(*np.nonzero(np.triu(similar, 1)), strict=True)
        if records[i].person != records[j].person
    }


def test_reports_are_all_pairs_once_each_while_workers_are_killed(
    test_data: Path, models_dir: Path, data: Path
) -> None:
    shown = {name: photo for name, _, photo in renamed(test_data / "lfw" / "images", PEOPLE)}
    assert 300 <= len(shown) <= 600
    settings, moments = SETTINGS | {"FACELINE_MODELS_DIR": str(models_dir)}, random.Random(5)
    with opened(data) as app, ExitStack() as stack:
        watcher = app.watcher()
        for name, photo in shown.items():
            watcher.announce(app.objects.put(IMAGES, f"images/{name}", photo.read_bytes()))
        workers = [stack.enter_context(Up(data, "--worker", **settings)) for _ in range(PROCESSES)]
        for kill in range(KILLS):
            reached = len(shown) * (kill + 1) // (KILLS + 2)
            wait_until(lambda: app.matching.queue.depth()["visible"] < len(shown) - reached, "some progress")  # noqa: B023
            time.sleep(moments.uniform(0.0, 0.2))  # about as long as one photo takes
            victim = moments.randrange(PROCESSES)
            workers[victim].kill()
            workers[victim] = stack.enter_context(Up(data, "--worker", **settings))
        wait_until(lambda: app.matching.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}, "the end")
        for worker in workers:
            worker.ready()
            assert worker.stop() == 0
            assert "Traceback" not in worker.err
        assert len(list(reports(app))) == len(shown)
        indexed = app.face_records.find(COLLECTION)
        assert len({record.source for record in indexed}) == len(indexed) >= 0.98 * len(shown)
        for threshold in (50.0, 90.0):
            found, expected = reported(app, threshold), computed(app, threshold)
            assert set(found) == expected
            assert set(found.values()) == {1}
        assert sum("Invented" in source for pair in expected for source in pair) > 0.5 * len(expected) > 10
        told = {(notice.source, notice.people) for notice in told_of(app)}
        assert len(told) == len(told_of(app))
        assert told == set(worth_telling(app))


def told_of(app: App) -> list[Any]:
    return [told.notice for told in app.notices.list(limit=100_000) if told.notice.kind == "match.found"]


def worth_telling(app: App) -> Iterator[tuple[str, tuple[str, str]]]:
    """Every image with every other name that is as similar as a notice needs."""
    needed = Settings().matching_notify_similarity
    for report in reports(app):
        for name in {match["CustomerId"] for match in report["Matches"] if match["Similarity"] >= needed}:
            yield report["Source"], (report["CustomerID"], name)


def test_two_names_of_one_person_are_found_from_the_command_line(cli: Cli, photos: Path, tmp_path: Path) -> None:
    for source, name in (("ada.jpg", "Ada_0001.jpg"), ("another.jpg", "Eve_0001.jpg"), ("nobody.png", "Ida_1.png")):
        (photos / name).write_bytes((photos / source).read_bytes())
    first, second, third = (
        cli("put", photos / name, "--bucket", IMAGES, "--wait", "--json")
        for name in ("Ada_0001.jpg", "Eve_0001.jpg", "Ida_1.png")
    )
    assert first.json[0]["key"] == "images/Ada_0001.jpg"
    assert second.json[0]["result"] == {
        "status": "done",
        "matches": 1,
        "notices": 1,
        "report": "output/Eve_0001.jpg.json",
    }
    assert (third.code, third.json[0]["result"]["status"]) == (1, "refused")
    assert third.err.endswith("Ida_1.png: no face\n")
    folder = tmp_path / "faceline-data" / "buckets" / MATCHES / "output"
    report = json.loads((folder / "Eve_0001.jpg.json").read_text())
    (match,) = report["Matches"]
    assert (report["CustomerID"], match["CustomerId"]) == ("Eve", "Ada")
    assert match["Similarity"] > 90
    assert json.loads((folder / "Ida_1.png.json").read_text())["Matches"] == []


def test_images_come_in_by_folder_and_http_and_go_by_http(photos: Path, data: Path, models_dir: Path) -> None:
    with Up(data, FACELINE_MODELS_DIR=str(models_dir), FACELINE_SETTLE_S="0.1") as up:
        up.ready()
        folders = data / "buckets"
        (folders / IMAGES / "images" / "Ada_1.jpg").write_bytes((photos / "ada.jpg").read_bytes())
        wait_until((folders / MATCHES / "output" / "Ada_1.jpg.json").exists, "the first report")
        status, _ = up.ask("PUT", f"/buckets/{IMAGES}/images/Eve_1.jpg", (photos / "another.jpg").read_bytes())
        assert status == 201
        wait_until((folders / MATCHES / "output" / "Eve_1.jpg.json").exists, "the second report")
        report = json.loads(up.ask("GET", f"/buckets/{MATCHES}/output/Eve_1.jpg.json")[1])
        assert [match["CustomerId"] for match in report["Matches"]] == ["Ada"]
        assert up.ask("DELETE", f"/buckets/{IMAGES}/images/Ada_1.jpg")[0] == 204
        report = json.loads(up.ask("GET", f"/buckets/{MATCHES}/output/Eve_1.jpg.json")[1])
        assert report["Matches"] == []
        assert up.ask("GET", f"/buckets/{MATCHES}/output/Ada_1.jpg.json")[0] == 404
