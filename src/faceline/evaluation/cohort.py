"""Invented embeddings of nobody, for score normalisation.

In the PCA basis of many people's embeddings, each block of 16 axes is taken from a different random person; the mean
is added and the length made one. Then every invention that is as similar to any real photo as one pair of strangers in
1,000 is thrown away: what is left resembles real people less than strangers do, so that it gives nobody away, and it
normalises the people it came from as well as others (docs/concepts/similarity.md has the figures).
"""

import numpy as np
from numpy.typing import NDArray

from faceline.errors import InputError
from faceline.similarity import Cohort
from faceline.types import Vector

_BLOCK = 16
_MIN_PEOPLE = 50
_TOP_SHARE = 0.1
_MAX_DRAWS = 200  # times the size asked for; of LFW's people every fourth invention is kept
MATCH_RATE = 1e-3


def invent(embeddings: Vector, people: NDArray[np.str_], size: int = 4000, seed: int = 0) -> Cohort:
    """embeddings: float32 (n, d), rows of unit length. people: (n,), whose photo each row is.

    Raises InputError for fewer than 50 people, or when nearly everything invented resembles one of them.
    """
    photos_of = [np.flatnonzero(people == name) for name in np.unique(people)]
    if len(photos_of) < _MIN_PEOPLE:
        raise InputError(f"a cohort needs at least {_MIN_PEOPLE} people, got {len(photos_of)}; add photos of others")
    rng = np.random.default_rng(seed)
    mean = embeddings.mean(axis=0)
    axes = np.linalg.svd(embeddings - mean, full_matrices=False)[2]
    coordinates = (embeddings - mean) @ axes.T
    limit = stranger_cosine(embeddings, people, MATCH_RATE)
    kept: list[Vector] = []
    for _ in range(_MAX_DRAWS):
        if sum(map(len, kept)) >= size:
            break
        drawn = _mixed(coordinates, photos_of, size, rng) @ axes + mean
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        kept.append(drawn[(drawn @ embeddings.T).max(axis=1) < limit].astype(np.float32))
    else:
        raise InputError(f"the {len(photos_of)} people are too few or too alike to invent {size} others; add people")
    return Cohort(np.concatenate(kept)[:size], round(size * _TOP_SHARE))


def stranger_cosine(embeddings: Vector, people: NDArray[np.str_], rate: float) -> float:
    """The cosine that this part of the pairs of different people exceeds."""
    cosines = embeddings @ embeddings.T
    strangers = cosines[np.triu(people[:, None] != people[None], 1)]
    return float(np.quantile(strangers, 1 - rate))


def _mixed(coordinates: Vector, photos_of: list[NDArray[np.intp]], size: int, rng: np.random.Generator) -> Vector:
    mixed = np.empty((size, coordinates.shape[1]), dtype=np.float32)
    for first in range(0, coordinates.shape[1], _BLOCK):
        donors = [rng.choice(photos_of[p]) for p in rng.integers(len(photos_of), size=size)]
        mixed[:, first : first + _BLOCK] = coordinates[donors, first : first + _BLOCK]
    return mixed
