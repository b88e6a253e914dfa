"""Made galleries for what compares all faces of a collection."""

from collections.abc import Sequence

import numpy as np

from faceline.gallery.named_faces import NamedFaces
from faceline.models.spaces import BUILTIN, cohort_of
from faceline.similarity import Calibration, Rule, Scorer
from faceline.types import Vector
from made import MODEL

CALIBRATION = Calibration((-20.0, 0.0, 22.0, 35.0, 42.0, 48.0, 55.0), (-0.1, -0.3, -2.0, -3.0, -4.0, -5.0, -6.0))
SCORER = Scorer(MODEL, CALIBRATION, cohort_of(BUILTIN))
RULE = Rule()


def gallery(owners: Sequence[int], vectors: Vector, scorer: Scorer = SCORER) -> NamedFaces:
    """Faces 0, 1, … of names that sort as their numbers do."""
    ids = tuple(f"face-{n}" for n in range(len(owners)))
    names = tuple(f"name {n:05d}" for n in range(max(owners) + 1))
    sources = tuple(f"photos/{name}.jpg" for name in ids)
    return NamedFaces("c", MODEL, ids, sources, names, np.array(owners, np.int32), scorer.normalise(vectors), 0)


def people(count: int, of_each: int, spread: float, seed: int = 1) -> tuple[list[int], Vector]:
    """Owners and unit vectors: each name's around a centre of its own, or, one in ten, around another name's."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(count, 128))
    owners = [n for n in range(count) for _ in range(of_each)]
    around = [n - 1 if n % 10 == 5 else n for n in owners]
    rows = centres[around] + spread * random.normal(size=(len(owners), 128))
    return owners, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
