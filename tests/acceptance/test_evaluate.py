"""`evaluate` with the built-in model on real photos (FACELINE_TEST_DATA)."""

import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from faceline.config import load
from faceline.engine.analyzer import Analyzer
from faceline.evaluation.cohort import invent, stranger_cosine
from faceline.evaluation.document import report_document
from faceline.evaluation.embedded import EmbeddedPhotos, embed_photos
from faceline.evaluation.report import Embed, evaluate
from faceline.loading import image_limits, open_analyzer
from faceline.models.spaces import BUILTIN, cohort_of, scorer_of


@pytest.fixture(scope="module")
def lfw() -> Path:
    folder = Path(os.environ.get("FACELINE_TEST_DATA", "/nonexistent")) / "lfw"
    if not folder.is_dir():
        if os.environ.get("FACELINE_NO_SKIPS"):
            pytest.fail("FACELINE_TEST_DATA has no lfw folder; in CI this is a failure")
        pytest.skip("FACELINE_TEST_DATA has no lfw folder")
    return folder


@pytest.fixture(scope="module")
def embed(lfw: Path) -> Embed:
    settings = load()
    analyzer: Analyzer = open_analyzer(settings)

    def run(photos: Sequence[tuple[Path, str]]) -> EmbeddedPhotos:
        return embed_photos(photos, analyzer, image_limits(settings), workers=2)

    return partial(run)


@pytest.fixture(scope="module")
def some_people(lfw: Path, embed: Embed) -> EmbeddedPhotos:
    """One photo of each of 300 people."""
    people = sorted((lfw / "images").iterdir())[::5][:300]
    return embed([(min(person.iterdir()), person.name) for person in people])


def test_one_fold_of_the_official_pairs_is_told_right(lfw: Path, embed: Embed, tmp_path: Path) -> None:
    lines = (lfw / "pairs.csv").read_text().splitlines()
    (tmp_path / "images").symlink_to((lfw / "images").absolute())
    (tmp_path / "pairs.csv").write_text("\n".join([lines[0], *(line for line in lines if line.startswith("1,"))]))
    document = report_document(evaluate(tmp_path / "pairs.csv", embed, scorer_of(BUILTIN)))
    assert document["pairs"] == 600
    assert document["missed"] == []
    assert document["accuracy"] >= 0.98
    assert document["cosine"]["accuracy"] >= 0.975
    assert 20 < document["threshold"] < 95


def test_a_small_tree_gives_rates_and_one_against_all(lfw: Path, embed: Embed, tmp_path: Path) -> None:
    folders = sorted((lfw / "images").iterdir())
    several = [f for f in folders if len(list(f.iterdir())) >= 3][:25]
    single = [f for f in folders if len(list(f.iterdir())) == 1][:25]
    for person in several + single:
        (tmp_path / person.name).mkdir()
        for photo in sorted(person.iterdir())[:3]:
            shutil.copy(photo, tmp_path / person.name)
    (tmp_path / several[0].name / "zz_not_a_photo.jpg").write_text("<html>")
    document = report_document(evaluate(tmp_path, embed, scorer_of(BUILTIN)))
    assert (document["photos"], document["people"]) == (101, 50)
    assert len(document["missed"]) == 1
    assert document["missed"][0]["source"].endswith("zz_not_a_photo.jpg")
    assert document["accuracy"] >= 0.95
    assert document["tar"]["1e-2"]["value"] >= 0.9
    assert document["tar"]["1e-4"] is None
    assert document["rank1"] >= 0.9
    assert document["rule"]["strangers_named"]["value"] <= 0.04


def test_the_shipped_cohort_matches_real_people_no_more_often_than_strangers_do(some_people: EmbeddedPhotos) -> None:
    """The people of LFW are those it was invented from."""
    embeddings, people = some_people.embeddings, some_people.people
    cohort = cohort_of(BUILTIN).vectors
    strangers = np.where(people[:, None] == people, -1, embeddings @ embeddings.T)
    for rate in (1e-2, 1e-3):
        threshold = stranger_cosine(embeddings, people, rate)
        assert (cohort @ embeddings.T >= threshold).mean() <= (strangers >= threshold).mean()
    assert (cohort @ embeddings.T).max() <= strangers.max()


def test_an_invented_cohort_matches_its_sources_no_more_often_than_unrelated_faces_do(
    some_people: EmbeddedPhotos,
) -> None:
    own = np.arange(len(some_people.people)) % 2 == 0
    sources, unrelated = some_people.embeddings[own], some_people.embeddings[~own]
    cohort = invent(sources, some_people.people[own], size=1000).vectors
    for rate in (1e-3, 1e-4):
        threshold = stranger_cosine(sources, some_people.people[own], rate)
        invented, real = ((faces @ sources.T >= threshold).any(axis=1).mean() for faces in (cohort, unrelated))
        assert invented <= real
