"""Invented embeddings: of nobody, and nobody's likeness."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faceline.errors import InputError
from faceline.evaluation.calibrate import StrangerPairs, cross_fitted_strangers, fit
from faceline.evaluation.cohort import MATCH_RATE, invent, stranger_cosine
from faceline.types import Vector

DIMENSIONS = 64


def made(people: int, each: int, seed: int) -> tuple[Vector, NDArray[np.str_]]:
    """Clusters in a space with a few strong axes and a mean away from zero, like real embeddings."""
    rng = np.random.default_rng(seed)
    strength = 1 / np.sqrt(np.arange(1, DIMENSIONS + 1))
    centres = np.repeat(rng.normal(size=(people, DIMENSIONS)), each, axis=0)
    rows: NDArray[Any] = (centres + 0.5 * rng.normal(size=centres.shape)) * strength + 0.3
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), np.repeat([f"n{i}" for i in range(people)], each)


def test_inventions_resemble_their_sources_no_more_than_unrelated_people_do() -> None:
    embeddings, people = made(200, 3, seed=1)
    unrelated, _ = made(500, 1, seed=2)
    cohort = invent(embeddings, people, size=500)
    for rate in (1e-3, 1e-4):
        threshold = stranger_cosine(embeddings, people, rate)
        invented, real = ((v @ embeddings.T).max(axis=1) >= threshold for v in (cohort.vectors, unrelated))
        assert invented.mean() <= real.mean()
    assert (cohort.vectors @ embeddings.T).max() < stranger_cosine(embeddings, people, MATCH_RATE)


def test_a_cohort_has_the_asked_size_unit_rows_and_a_tenth_that_counts() -> None:
    cohort = invent(*made(200, 2, seed=1), size=300)
    assert cohort.vectors.shape == (300, DIMENSIONS)
    assert cohort.vectors.dtype == np.float32
    assert cohort.top == 30
    np.testing.assert_allclose(np.linalg.norm(cohort.vectors, axis=1), 1, atol=1e-5)


def test_the_same_seed_invents_the_same() -> None:
    photos = made(200, 2, seed=1)
    np.testing.assert_array_equal(invent(*photos, size=100).vectors, invent(*photos, size=100).vectors)


def test_too_few_people_are_refused() -> None:
    with pytest.raises(InputError, match="at least 50 people, got 20"):
        invent(*made(20, 2, seed=1))


def test_a_fitted_calibration_holds_for_people_it_has_not_seen() -> None:
    embeddings, people = made(1200, 1, seed=1)
    fitted = fit(cross_fitted_strangers(embeddings, people), bootstraps=20)
    others, others_people = made(700, 1, seed=2)
    cohort = invent(embeddings, people)
    normalised = cohort.normalise(others)
    cosines = others @ others.T
    scores = cosines * (normalised.gain[:, None] + normalised.gain) - normalised.offset[:, None] - normalised.offset
    strangers = scores[np.triu(others_people[:, None] != others_people[None], 1)]
    for similarity, rate in ((50, 1e-2), (80, 1e-3)):
        measured = (strangers >= fitted.calibration.score_at(similarity)).mean()
        assert rate / 2 < measured < rate * 2
    assert (np.diff(fitted.calibration.scores) > 0).all()
    assert all(low <= high for low, high in fitted.intervals)
    assert fitted.stranger_pairs == 600 * 599


def test_too_few_pairs_are_not_calibrated() -> None:
    pairs = np.arange(5000, dtype=np.intp)
    strangers = StrangerPairs(np.linspace(0, 1, 5000, dtype=np.float32), pairs, pairs + 5000, 10_000)
    with pytest.raises(ValueError, match="too few to calibrate"):
        fit(strangers, bootstraps=2)


def test_people_who_are_too_alike_are_refused() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 4))  # so few axes that every invention is a copy
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with pytest.raises(InputError, match="too few or too alike"):
        invent(rows.astype(np.float32), np.array([f"n{i}" for i in range(60)]), size=100)
