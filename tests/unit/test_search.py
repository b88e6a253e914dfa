"""The vector index against brute force."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from faceline.gallery.search import VectorIndex
from faceline.similarity import Normalised, pair_scores

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
    assert index._gain[2] == index._offset[2] == 0
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
