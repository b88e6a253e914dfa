"""Made photos of people with names, for tests of the evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from faceline.evaluation.embedded import EmbeddedPhotos
from faceline.similarity import Calibration, Cohort, Scorer
from faceline.types import Vector

PEOPLE, DIMENSIONS = 60, 16
CALIBRATION = Calibration((0.0, 0.3, 0.55, 0.8), (-0.30103, -1.0, -2.0, -4.0))


def unit(rows: np.ndarray[Any, np.dtype[np.float64]]) -> Vector:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / lengths, dtype=np.float32)


RNG = np.random.default_rng(3)
CENTRES = RNG.normal(size=(PEOPLE, DIMENSIONS))
SCORER = Scorer("made", CALIBRATION, Cohort(unit(RNG.normal(size=(200, DIMENSIONS))), 40))
PLAIN = Scorer("made", CALIBRATION)


def embed(photos: Sequence[tuple[Path, str]]) -> EmbeddedPhotos:
    """Made from the paths: folder `p7` is person 7, `miss….jpg` has no face."""
    found = [(path, name) for path, name in photos if not path.name.startswith("miss")]
    rows = []
    for path, _ in found:
        person = int(path.parent.name.removeprefix("p"))
        noise = np.random.default_rng([person, int(path.stem)]).normal(size=DIMENSIONS)
        rows.append(CENTRES[person] + 0.5 * noise)
    missed = tuple((str(path), f"{path}: no face") for path, _ in photos if path.name.startswith("miss"))
    embeddings = unit(np.array(rows)) if rows else np.empty((0, 0), dtype=np.float32)
    return EmbeddedPhotos(tuple(str(p) for p, _ in found), np.array([n for _, n in found]), embeddings, missed)


def tree(folder: Path, counts: Sequence[int], *more: str) -> Path:
    names = [f"p{person}/{i}.jpg" for person, count in enumerate(counts) for i in range(count)]
    for name in [*names, *more]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder
