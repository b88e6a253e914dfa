"""Which embeddings can be compared, and how: a model's id, its template and views, its cohort and calibration."""

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from faceline.errors import ModelError
from faceline.similarity import Calibration, Cohort, Scorer


@dataclass(frozen=True, slots=True)
class Space:
    """An embedding space. model: the id that every embedding, face record and collection carries.

    It names weights, template and views: a change of any of them makes other embeddings. Precision is not part of it.
    data: the name that its cohort and calibration are kept under. licence: of the weights.
    """

    model: str
    dimensions: int
    mirrored: bool
    data: str


BUILTIN = Space("dlib-resnet-v1+mtcnn5-150+mirror", 128, True, "dlib-resnet-v1")


def space_of(model: str) -> Space:
    """Raises ModelError for an id that this faceline does not have."""
    if model != BUILTIN.model:
        raise ModelError(f"this faceline has no model {model}; it has {BUILTIN.model}")
    return BUILTIN


def scorer_of(space: Space) -> Scorer:
    """The measured calibration and cohort that came with faceline."""
    return Scorer(space.model, calibration_of(space), cohort_of(space))


def calibration_of(space: Space) -> Calibration:
    document = json.loads((files("faceline.models") / "data" / f"{space.data}.calibration.json").read_text("utf-8"))
    return Calibration(tuple(document["scores"]), tuple(document["log_rates"]))


def cohort_of(space: Space) -> Cohort:
    """Kept as int8 directions; see docs/concepts/similarity.md for where they come from."""
    with (files("faceline.models") / "data" / f"{space.data}.cohort.npz").open("rb") as file, np.load(file) as archive:
        vectors = archive["vectors"].astype(np.float32)
        top = int(archive["top"])
    return Cohort(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), top)
