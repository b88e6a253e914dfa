"""Runs a network that nobody knows once, in a process of its own: a file made to do harm ends that one only.

    python -m faceline.engine.trial FILE SIDE

writes `[dimensions, why]` as JSON: what comes of noise.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from faceline.errors import ModelError

_MEMORY_BYTES = 8 * 2**30
_TIMEOUT_S = 120
_FACES = 3  # in a batch
_TELLS_APART = 1e-4  # the least distance of embeddings of different noise


class Tried(NamedTuple):
    """dimensions: of the embeddings; 0 of a detector. why: it cannot be used, as the rest of a sentence."""

    dimensions: int
    why: str


def try_out(path: Path, side: int) -> Tried:
    """Whether an ONNX file in our form gives one finite vector for each face, the same alone as among others.

    side: of the chips, in pixels; 0 for a detector, which must give what a YuNet does.
    """
    command = [sys.executable, "-P", "-m", "faceline.engine.trial", str(path), str(side)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603
    except subprocess.TimeoutExpired:
        return Tried(0, f"does not answer within {_TIMEOUT_S} seconds")
    try:
        dimensions, why = json.loads(done.stdout)
        return Tried(int(dimensions), str(why))
    except ValueError:
        return Tried(0, f"cannot be run: the process that tried it ended with {done.returncode}")


def main(path: Path, side: int) -> Tried:
    """What the process does."""
    from faceline.engine.session import Model  # noqa: PLC0415 (not before the memory is limited)
    from faceline.engine.yunet import Yunet  # noqa: PLC0415

    faces = np.random.default_rng(0).integers(0, 256, (_FACES, side, side, 3), dtype=np.uint8)
    try:
        model = Model(path)
        if not side:
            Yunet(model)
            return Tried(0, "")
        fixed = isinstance(model.inputs["image"][1][0], int)
        alone = np.concatenate([model.run({"image": face[None]})["embedding"] for face in faces])
        together = alone if fixed else model.run({"image": faces})["embedding"]
    except ModelError as error:
        return Tried(0, _short(error.__cause__ or error))
    except Exception as error:  # noqa: BLE001 (ONNX Runtime's own exceptions share no public base class)
        return Tried(0, _short(error))
    return _judged(alone, together)


def _judged(alone: np.ndarray, together: np.ndarray) -> Tried:
    if together.shape != alone.shape or len(alone) != _FACES:
        return Tried(0, f"gives {together.shape} for {_FACES} faces instead of one vector for each")
    lengths = np.linalg.norm(alone, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        return Tried(0, "gives vectors that are not finite or have no length; check mean and scale")
    unit = alone / lengths
    if np.linalg.norm(unit[0] - unit[1]) < _TELLS_APART:
        return Tried(0, "gives the same vector for different pictures; check mean and scale")
    if np.abs(together / lengths - unit).max() > 1e-2:
        return Tried(0, "gives other vectors for several faces together than for each alone")
    return Tried(alone.shape[1], "")


def _short(error: BaseException) -> str:
    return f"cannot be run: {' '.join(str(error).split())[:300]}"


def _limit() -> None:
    """Memory and processor time, where the platform has such limits."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 (not on Windows)

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _limit()
    report = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no part of the answer
    os.write(report, json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))).encode())
