"""Calibrations of the user's own photos, with made embeddings."""

from pathlib import Path

import numpy as np
import pytest

from faceline.errors import InputError
from faceline.evaluation.embedded import EmbeddedPhotos
from faceline.evaluation.install import install
from faceline.models.spaces import provisional, scorer_of
from faceline.similarity import pair_scores
from networks import added

DIMENSIONS = 32


def made(people: int, each: int = 1, seed: int = 1) -> EmbeddedPhotos:
    """Clusters with a mean away from zero, like real embeddings."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(people, DIMENSIONS)), each, axis=0)
    rows = centres + 0.4 * rng.normal(size=centres.shape) + 0.2
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = np.repeat([f"n{i}" for i in range(people)], each)
    return EmbeddedPhotos(tuple(f"{i}.jpg" for i in range(len(rows))), names, rows.astype(np.float32), ())


@pytest.mark.parametrize(("people", "with_cohort"), [(800, False), (1300, True)])
def test_an_installed_calibration_holds_for_people_it_has_not_seen(
    people: int, with_cohort: bool, tmp_path: Path
) -> None:
    space = added(tmp_path)
    path, installed = install(tmp_path, space.model, made(people))
    assert path.is_file()
    assert (installed.cohort is not None) == with_cohort
    assert installed.measured_on["people"] == people
    scorer = scorer_of(space, tmp_path)
    assert scorer.calibration.measured
    others = made(700, seed=2)
    normalised = scorer.normalise(others.embeddings)
    strangers = pair_scores(normalised, normalised)[np.triu_indices(700, 1)]
    for similarity, rate in ((50, 1e-2), (80, 1e-3)):
        assert rate / 2 < (strangers >= scorer.calibration.score_at(similarity)).mean() < rate * 2


def test_photos_of_one_person_are_no_strangers(tmp_path: Path) -> None:
    _, installed = install(tmp_path, added(tmp_path).model, made(115, 8))
    assert installed.measured_on["stranger_pairs"] == (920 * 920 - 115 * 8 * 8) / 2


@pytest.mark.parametrize(("people", "each"), [(780, 1), (2, 500), (1, 900)])
def test_too_few_pairs_are_refused_and_nothing_is_kept(people: int, each: int, tmp_path: Path) -> None:
    space = added(tmp_path)
    with pytest.raises(InputError, match="pairs of strangers; to calibrate, 310,000 are needed"):
        install(tmp_path, space.model, made(people, each))
    assert not (tmp_path / "calibrations").exists()
    assert scorer_of(space, tmp_path).calibration == provisional(space.threshold)


def test_people_too_few_for_a_cohort_are_compared_by_plain_cosines(tmp_path: Path) -> None:
    _, installed = install(tmp_path, added(tmp_path).model, made(110, 11))
    assert installed.cohort is None


def test_of_very_many_photos_some_are_picked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.evaluation.install._MOST_PHOTOS", 900)
    _, installed = install(tmp_path, added(tmp_path).model, made(1_000))
    assert installed.measured_on["photos"] == 900
