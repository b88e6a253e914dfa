"""A calibration of the user's own: measured on labelled photos, kept in the models folder, used from then on."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceline.errors import InputError
from faceline.evaluation.calibrate import StrangerPairs, cross_fitted_strangers, fit, stranger_pairs
from faceline.evaluation.cohort import invent
from faceline.evaluation.embedded import EmbeddedPhotos
from faceline.models.calibrations import Installed
from faceline.models.calibrations import install as keep
from faceline.similarity import Cohort
from faceline.types import Vector

# The rate is counted down to one pair of strangers in 10,000, and the tail is fitted to the 30 and more beyond.
MIN_PAIRS = 310_000
# Each half of the people gives a cohort to the other, and so only half of the pairs count.
_MIN_PEOPLE = 120
_MOST_PHOTOS = 4_000  # 8 million pairs are plenty, and fit into memory
_BOOTSTRAPS = 50  # for intervals that are kept, not used


def install(directory: Path, model: str, photos: EmbeddedPhotos) -> tuple[Path, Installed]:
    """Keeps what `measure` finds as the calibration of a model's id, and says where.

    Raises InputError for too few pairs of strangers, ModelError for a models folder that cannot be written to.
    """
    made = measure(model, photos)
    return keep(directory, model, made), made


def measure(model: str, photos: EmbeddedPhotos) -> Installed:
    """Which score strangers reach how often, by a model's id.

    photos: of many people, rightly labelled. With 120 people or more, and twice as many pairs as are needed, a cohort
    is invented, as the built-in model has one; of more than 4,000 photos so many are picked. Raises InputError for too
    few pairs of strangers.
    """
    embeddings, people = _some(photos)
    pairs = _pairs(people)
    if pairs < MIN_PAIRS:
        raise InputError(
            f"{len(people)} photos of {len(np.unique(people))} people make {pairs:,} pairs of strangers; to calibrate, "
            f"{MIN_PAIRS:,} are needed: about 800 photos of as many people"
        )
    strangers, cohort = _measured(embeddings, people)
    try:
        fitted = fit(strangers, _BOOTSTRAPS)
    except ValueError as error:
        raise InputError(f"no calibration can be made: {error}") from error
    return Installed(
        fitted.calibration,
        cohort,
        {
            "model": model,
            "photos": len(people),
            "people": len(np.unique(people)),
            "stranger_pairs": fitted.stranger_pairs,
            "cohort": cohort is not None,
            "intervals": fitted.intervals,
            "made": datetime.now(UTC).date().isoformat(),
        },
    )


def _measured(embeddings: Vector, people: NDArray[np.str_]) -> tuple[StrangerPairs, Cohort | None]:
    names, numbers = np.unique(people, return_inverse=True)
    if len(names) >= _MIN_PEOPLE and _pairs(people) >= 2 * MIN_PAIRS:
        with suppress(InputError):  # people too alike to invent others: the plain cosine will do
            return cross_fitted_strangers(embeddings, people), invent(embeddings, people)
    return stranger_pairs(embeddings, numbers, None), None


def _some(photos: EmbeddedPhotos) -> tuple[Vector, NDArray[np.str_]]:
    rows = np.sort(np.random.default_rng(0).permutation(len(photos.people))[:_MOST_PHOTOS])
    return photos.embeddings[rows], photos.people[rows]


def _pairs(people: NDArray[np.str_]) -> int:
    of_person = np.unique(people, return_counts=True)[1]
    return int(of_person.sum() ** 2 - (of_person**2).sum()) // 2
