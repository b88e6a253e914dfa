"""The vector index against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceline.gallery.search import VectorIndex, principal_axes
from faceline.similarity import Normalised, pair_scores
from faceline.types import Vector

DIMENSIONS = 6


def rows(n: int, seed: int = 0) -> Normalised:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    gain, offset = rng.uniform(0.5, 2, (2, n)).astype(np.float32)
    return Normalised(vectors, gain, offset)


def one(embeddings: Normalised, row: int) -> Normalised:
    some = slice(row, row + 1)
    return Normalised(embeddings.vectors[some], embeddings.gain[some], embeddings.offset[some])


def index_of(embeddings: Normalised) -> VectorIndex:
    index = VectorIndex(DIMENSIONS)
    index.put([f"k{i}" for i in range(len(embeddings.gain))], embeddings)
    return index


PROBE = rows(1, seed=99)


@given(n=st.integers(1, 300), limit=st.integers(1, 320), seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_search_is_exact(n: int, limit: int, seed: int) -> None:
    embeddings = rows(n, seed)
    expected = pair_scores(PROBE, embeddings)[0]
    hits = index_of(embeddings).search(PROBE, limit)
    order = np.argsort(-expected, kind="stable")[:limit]
    np.testing.assert_allclose(hits.scores, expected[order], atol=1e-5)
    assert len(set(hits.keys)) == min(n, limit)
    np.testing.assert_allclose([expected[int(key[1:])] for key in hits.keys], hits.scores, atol=1e-5)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 1000)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_after_any_changes_the_index_holds_what_a_dictionary_holds(changes: list[tuple[bool, int, int]]) -> None:
    index, held = VectorIndex(DIMENSIONS), dict[str, Normalised]()
    for put, number, seed in changes:
        key = f"k{number}"
        if put:
            held[key] = rows(1, seed)
            index.put([key], held[key])
        else:
            held.pop(key, None)
            index.remove([key])
    assert len(index) == len(held)
    hits = index.search(PROBE, 100)
    assert set(hits.keys) == set(held)
    for key, score in zip(hits.keys, hits.scores, strict=True):
        np.testing.assert_allclose(score, pair_scores(PROBE, held[key])[0, 0], atol=1e-5)


@given(n=st.integers(1, 300), limit=st.integers(1, 320), rank=st.integers(0, 299), seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_search_with_a_minimum_finds_the_best_of_what_reaches_it(n: int, limit: int, rank: int, seed: int) -> None:
    index = index_of(rows(n, seed))
    everything = index.search(PROBE, n)
    least = float(everything.scores[min(rank, n - 1)])
    hits = index.search(PROBE, limit, least)
    expected = int((everything.scores >= least).sum())
    assert hits.keys == everything.keys[: min(limit, expected)]
    assert index.search(PROBE, limit, float(everything.scores[0]) + 1).keys == ()


def test_rows_come_back_as_they_were_put() -> None:
    embeddings = rows(5)
    index = index_of(embeddings)
    np.testing.assert_array_equal(index.vectors(["k3", "k1"]), embeddings.vectors[[3, 1]])
    read = index.rows(["k4"])
    assert (read.gain[0], read.offset[0]) == (embeddings.gain[4], embeddings.offset[4])
    read.vectors[:] = 0
    np.testing.assert_array_equal(index.vectors(["k4"]), embeddings.vectors[[4]])
    with pytest.raises(KeyError):
        index.vectors(["nobody"])


def test_equal_rows_are_found_and_those_that_only_begin_alike_are_not() -> None:
    vectors = rows(4).vectors.copy()
    vectors[2] = vectors[0]
    vectors[3] = [vectors[0, 0], *vectors[1, 1:]]
    index = index_of(Normalised(vectors, np.ones(4, dtype=np.float32), np.zeros(4, dtype=np.float32)))
    assert index.equal(vectors[0]) == ["k0", "k2"]
    assert index.equal(-vectors[0]) == []
    index.remove(["k1"])
    assert index.equal(vectors[3]) == ["k3"]


def test_rows_without_a_gain_are_told_until_they_have_one() -> None:
    embeddings = rows(3)
    unknown = np.array([1, np.nan, np.nan], dtype=np.float32)
    index = index_of(Normalised(embeddings.vectors, unknown, unknown))
    assert index.unscored() == ["k1", "k2"]
    index.put(["k2"], one(embeddings, 2))
    assert index.unscored() == ["k1"]


def test_what_an_index_grew_out_of_is_overwritten() -> None:
    index = index_of(rows(3))
    before = index._vectors
    index.put([f"more {i}" for i in range(200)], rows(200))
    assert index._vectors is not before
    assert not before[:3].any()


def test_a_put_under_a_known_key_replaces_the_row() -> None:
    embeddings = rows(3)
    index = index_of(embeddings)
    index.put(["k1"], PROBE)
    assert len(index) == 3
    np.testing.assert_allclose(index.scores(PROBE, ["k1"]), pair_scores(PROBE, PROBE)[0], atol=1e-5)


def test_a_removed_row_is_overwritten() -> None:
    embeddings = rows(3)
    index = index_of(embeddings)
    gone = embeddings.vectors[0]
    index.remove(["k0", "nobody"])
    assert "k0" not in index
    assert len(index) == 2
    assert not (index._vectors[:3] == gone).all(axis=1).any()
    assert not index._vectors[2].any()
    assert index._first[2] == index._gain[2] == index._offset[2] == 0
    np.testing.assert_allclose(index.scores(PROBE, ["k2"]), pair_scores(PROBE, one(embeddings, 2))[0], atol=1e-5)


def test_equal_scores_come_in_the_order_they_were_put() -> None:
    same = one(rows(1), 0)
    index = VectorIndex(DIMENSIONS)
    for i in range(5):
        index.put([f"k{i}"], same)
    assert index.search(PROBE, 3).keys == ("k0", "k1", "k2")


def test_an_empty_index_and_no_limit_find_nothing() -> None:
    assert VectorIndex(DIMENSIONS).search(PROBE, 5).keys == ()
    assert index_of(rows(3)).search(PROBE, 0).keys == ()


def test_a_limit_above_the_rows_gives_them_all() -> None:
    assert len(index_of(rows(3)).search(PROBE, 10).keys) == 3


def test_the_index_grows_past_its_first_rows() -> None:
    embeddings = rows(1000)
    index = index_of(embeddings)
    np.testing.assert_allclose(index.scores(PROBE, ["k999"]), pair_scores(PROBE, one(embeddings, 999))[0], atol=1e-5)


def concentrated(rows: int, seed: int, spread: float) -> Vector:
    """float32 (rows, 24), unit length: mostly along 4 axes that are not the coordinates'. spread: of the others."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(7).normal(size=(24, 24)))[0]
    values = rng.normal(size=(rows, 24)) * np.array([3, 2, 1, 1] + [spread] * 20) @ turn
    unit: Vector = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.3, 2.0])
@pytest.mark.parametrize(("limit", "wanted"), [(1, None), (64, None), (3000, None), (5, 0.9), (4000, 0.99), (9, 5.0)])
def test_rows_that_are_passed_over_could_not_have_been_hits(spread: float, limit: int, wanted: float | None) -> None:
    vectors, probes = concentrated(2500, 1, spread), concentrated(20, 2, spread)
    rng = np.random.default_rng(3)
    gain, offset = (rng.uniform(0.4, 0.6, 2500).astype(np.float32), rng.uniform(-0.1, 0.1, 2500).astype(np.float32))
    keys = [str(n) for n in range(2500)]
    whole, pruned = VectorIndex(24), VectorIndex(24, principal_axes(concentrated(500, 4, spread), 4))
    for index in (whole, pruned):
        index.put(keys, Normalised(vectors, gain, offset))
        index.remove(keys[100:150])
    for probe in probes:
        asked = Normalised(probe[None], np.full(1, 0.5, np.float32), np.zeros(1, np.float32))
        a, b = (index.search(asked, limit, -np.inf if wanted is None else wanted) for index in (whole, pruned))
        assert a.scores == pytest.approx(b.scores, abs=1e-5)
        assert sorted(a.keys) == sorted(b.keys) or limit < len(keys)  # equal scores may change places, also at the end
        common = set(a.keys) & set(b.keys)
        assert len(common) >= len(a.keys) - 2


def test_the_axes_are_those_of_most_length() -> None:
    vectors = concentrated(500, 5, 0.0)
    axes = principal_axes(vectors, 4)
    assert axes.T @ axes == pytest.approx(np.eye(4), abs=1e-5)
    assert np.linalg.norm(vectors @ axes, axis=1) == pytest.approx(np.ones(500), abs=1e-5)
