"""Enrolled photos that are unlike their own person or like another, and the commands that list them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import Cli
from faceline.gallery.enrolled import template_of
from faceline.gallery.hygiene import Doubt, Misfit, misfits
from faceline.gallery.named_faces import NamedFaces
from faceline.similarity import pair_scores
from faceline.types import Vector
from made import MODEL, mixed, new_face, open_app, vector
from scanned import CALIBRATION, SCORER, gallery, people


def found(faces: NamedFaces, far: float = 50.0, close: float = 90.0) -> list[Misfit]:
    return misfits(faces, SCORER, far, close, 2, lambda _: None)


def like(person: int, count: int) -> list[Vector]:
    """So many photos of one person."""
    return [mixed(vector(person), vector(1000 * person + n), 0.8) for n in range(count)]


def similarity(a: Vector, b: Vector) -> float:
    scores = pair_scores(SCORER.normalise(a[None]), SCORER.normalise(b[None]))
    return float(CALIBRATION.similarity(scores[0, 0]))


def test_a_photo_of_somebody_else_is_told_with_whose_it_probably_is() -> None:
    ada, grace = like(1, 4), like(2, 4)
    faces = gallery([0, 0, 0, 0, 1, 1, 1], np.stack([*ada[:3], grace[3], *grace[:3]]))
    (misfit,) = found(faces)
    assert (misfit.doubt, misfit.face_id, misfit.name) == (Doubt.BOTH, "face-3", "name 00000")
    assert (misfit.nearest, misfit.photos) == ("name 00001", 4)
    assert misfit.own == pytest.approx(similarity(grace[3], template_of(np.stack(ada[:3]))), abs=0.01)
    assert misfit.nearest_similarity == pytest.approx(similarity(grace[3], template_of(np.stack(grace[:3]))), abs=0.01)
    assert misfit.advice == "look at it: it is probably name 00001"


def test_a_photo_of_nobody_else_is_only_far() -> None:
    faces = gallery([0, 0, 0, 1], np.stack([*like(1, 2), vector(7), vector(2)]))
    (misfit,) = found(faces)
    assert (misfit.doubt, misfit.face_id) == (Doubt.FAR, "face-2")
    assert "or not name 00000" in misfit.advice


def test_two_names_that_are_one_person_are_close_to_each_other() -> None:
    ada = like(1, 3)
    only, first, second = found(gallery([0, 1, 1, 2], np.stack([*ada, vector(9)])))
    assert {each.doubt for each in (only, first, second)} == {Doubt.CLOSE}
    assert {(each.own is None, each.nearest) for each in (only, first, second)} == {
        (True, "name 00001"),
        (False, "name 00000"),
    }


def test_of_two_photos_that_are_unlike_both_are_told() -> None:
    both = found(gallery([0, 0, 1], np.stack([vector(1), vector(2), vector(9)])))
    assert [each.face_id for each in both] == ["face-0", "face-1"]
    assert both[0].advice == "look at both photos of name 00000: they may show two people"


def test_a_single_person_has_no_nearest_other_and_an_empty_collection_no_misfits() -> None:
    alone = found(gallery([0, 0, 0], np.stack([*like(1, 2), vector(7)])))
    assert [(each.nearest, each.nearest_similarity) for each in alone] == [(None, 0.0)]
    faces = gallery([0], vector(1)[None])
    nobody = replace(faces, face_ids=(), names=(), owner=faces.owner[:0])
    assert found(nobody) == []


def test_all_faces_are_compared_with_all_names_as_brute_force_does() -> None:
    faces = gallery(*people(600, 3, 0.9))
    rows = faces.rows()
    templates = SCORER.normalise(np.stack([template_of(faces.embeddings.vectors[each]) for each in rows]))
    scores = pair_scores(faces.embeddings, templates)
    scores[np.arange(len(faces)), faces.owner] = -np.inf
    expected = CALIBRATION.similarity(scores.max(axis=1))
    told = {each.face_id: each for each in found(faces, far=0.0, close=80.0)}
    assert len(told) > 50
    assert set(told) == {faces.face_ids[row] for row in np.flatnonzero(expected >= 80.0)}
    for row in np.flatnonzero(expected >= 80.0):
        each = told[faces.face_ids[row]]
        assert each.nearest == faces.names[scores[row].argmax()]
        assert each.nearest_similarity == pytest.approx(expected[row], abs=0.01)


# The commands


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ada twice as Ada and once as Countess, with a photo of somebody else; Grace."""
    ada = like(1, 3)
    faces: Sequence[Any] = [
        new_face("a1", "Ada", ada[0]),
        new_face("a2", "Ada", ada[1]),
        new_face("a3", "Countess", ada[2]),
        new_face("a4", "Ada", vector(7)),
        new_face("g1", "Grace", vector(2)),
    ]
    with open_app(tmp_path / "data") as app:
        app.collections.create("c", MODEL)
        app.face_records.add("c", faces)
    return tmp_path / "data"


def test_the_scan_command_prints_writes_and_fills_the_queue(cli: Cli, data: Path, tmp_path: Path) -> None:
    result = cli("review", "scan", "--data", data, "-c", "c", "--out", tmp_path / "out", "--queue", "--json")
    assert result.code == 0, result.err
    assert [each["names"] for each in result.json["two_names"]] == [["Ada", "Countess"]]
    assert [each["name"] for each in result.json["two_people"]] == ["Ada"]
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"scan.json", "scan.csv", "scan.html"}
    assert "new in the review queue: 2 pairs" in result.err
    assert not list((data / "scans").iterdir())


def test_a_settled_pair_is_neither_scanned_nor_listed_again(cli: Cli, data: Path) -> None:
    before = cli("review", "hygiene", "--data", data, "-c", "c", "--json").json
    assert {(each["face_id"], each["doubt"]) for each in before["misfits"]} == {("a3", "close"), ("a4", "far")} | {
        (face_id, "close") for face_id in ("a1", "a2")
    }
    assert cli("review", "decide", "Ada", "Countess", "different", "--data", data, "-c", "c").code == 0
    scanned = cli("review", "scan", "--data", data, "-c", "c", "--json").json
    assert (scanned["two_names"], scanned["settled"]) == ([], 1)
    after = cli("review", "hygiene", "--data", data, "-c", "c", "--json").json
    assert [each["face_id"] for each in after["misfits"]] == ["a4"]


def test_what_people_read_says_what_was_compared(cli: Cli, data: Path) -> None:
    text = cli("review", "scan", "--data", data, "-c", "c").out
    assert "5 faces of 3 names, 10 pairs of faces compared." in text
    assert "Countess" in text
    assert "2 + 1" in text
    assert "not Ada; remove it" in cli("review", "hygiene", "--data", data, "-c", "c").out


@pytest.mark.parametrize("command", ["scan", "hygiene"])
def test_a_collection_that_does_not_exist_is_told(cli: Cli, data: Path, command: str) -> None:
    result = cli("review", command, "--data", data, "-c", "none")
    assert result.code == 2
    assert "there is no collection none" in result.err


def test_a_similarity_that_cannot_be_asked_for_is_told(cli: Cli, data: Path) -> None:
    result = cli("review", "scan", "--data", data, "-c", "c", "--min-similarity", "100")
    assert result.code == 2
    assert "100 is no similarity to ask for" in result.err
