"""Calibrations that `faceline evaluate --install` measured, in the models folder: one file for each model's id.

An .npz file: `scores` and `log_rates` of the calibration, `vectors` (int8) and `top` of the cohort where there is one,
`measured_on`, a JSON text that says what it was measured on.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceline.errors import ModelError
from faceline.models.manifest import exclusive, replace_file
from faceline.similarity import Calibration, Cohort
from faceline.types import Vector

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
_FOLDER = "calibrations"


@dataclass(frozen=True, slots=True)
class Installed:
    """cohort: None compares plain cosines. measured_on: photos, people, pairs of strangers, date."""

    calibration: Calibration
    cohort: Cohort | None
    measured_on: Mapping[str, Any]


def installed_path(directory: Path, model: str) -> Path:
    """Where the calibration of a model's id is, or would be."""
    return directory / _FOLDER / f"{model}.npz"


def install(directory: Path, model: str, made: Installed) -> Path:
    """Keeps it, in the place of an earlier one, and returns its file. Raises ModelError for a folder that cannot be
    written to."""
    path = installed_path(directory, model)
    with exclusive(path.parent):
        replace_file(path, as_bytes(made))
    return path


def uninstall(directory: Path, model: str) -> bool:
    """Goes back to what came with the model; whether there was another. Raises ModelError for a folder that cannot be
    written to."""
    path = installed_path(directory, model)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ModelError(f"{path} cannot be deleted ({error.strerror}); make its folder writable") from error
    return True


def as_bytes(made: Installed) -> bytes:
    """The .npz file."""
    arrays: dict[str, NDArray[Any]] = {
        "scores": np.array(made.calibration.scores),
        "log_rates": np.array(made.calibration.log_rates),
        "measured_on": np.array(json.dumps(dict(made.measured_on))),
    }
    if made.cohort is not None:
        arrays |= {"vectors": as_int8(made.cohort.vectors), "top": np.array(made.cohort.top)}
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def read_installed(directory: Path, model: str, dimensions: int) -> Installed | None:
    """None when there is none for this model. Raises ModelError when it is unreadable or damaged."""
    path = installed_path(directory, model)
    if not path.is_file():
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); make it readable") from error
    return from_bytes(content, dimensions, str(path))


def from_bytes(content: bytes, dimensions: int, source: str) -> Installed:
    """source: for messages. Raises ModelError when it is damaged."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return _installed(archive, dimensions)
    except (TypeError, RuntimeError, *_UNREADABLE) as error:
        raise ModelError(
            f"{source} is damaged ({error}); delete it, or make it again with `faceline evaluate --install`"
        ) from error


def as_int8(vectors: Vector) -> NDArray[np.int8]:
    """Directions, a quarter as large; (n, d)."""
    directions: NDArray[np.int8] = np.rint(vectors / np.abs(vectors).max() * 127).astype(np.int8)
    return directions


def _installed(archive: Mapping[str, NDArray[Any]], dimensions: int) -> Installed:
    scores, rates = (archive[name].astype(np.float64) for name in ("scores", "log_rates"))
    falls = scores.ndim == 1 and scores.shape == rates.shape and len(scores) >= 2
    if not falls or not (np.diff(scores) > 0).all() or not (np.diff(rates) < 0).all():
        raise ValueError("its scores and rates are no calibration")
    measured_on = json.loads(str(archive["measured_on"]))
    if not isinstance(measured_on, dict):
        raise ValueError("it does not say what it was measured on")  # noqa: TRY004 (a damaged file, no wrong call)
    calibration = Calibration(tuple(scores.tolist()), tuple(rates.tolist()))
    return Installed(calibration, _cohort(archive, dimensions) if "vectors" in archive else None, measured_on)


def _cohort(archive: Mapping[str, NDArray[Any]], dimensions: int) -> Cohort:
    vectors, top = archive["vectors"].astype(np.float32), int(archive["top"])
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if vectors.ndim != 2 or vectors.shape[1] != dimensions or not 0 < top <= len(vectors) or not lengths.all():
        raise ValueError(f"its cohort is not made of {dimensions} dimensions")
    return Cohort(vectors / lengths, top)
