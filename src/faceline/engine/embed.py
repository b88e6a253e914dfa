"""Chips → embeddings of unit length."""

import numpy as np
from numpy.typing import NDArray

from faceline.engine.session import Model
from faceline.types import Pixels, Vector

_BATCH = 32


class Embedder:
    """model: uint8 (n, side, side, 3) RGB named `image` → float32 (n, d) named `embedding`; n may be fixed.

    mirrored: embeds each chip and its mirror image and takes the mean; twice the cost for fewer errors.
    """

    def __init__(self, model: Model, mirrored: bool = True) -> None:
        self._model = model
        self._mirrored = mirrored
        fixed = model.inputs["image"][1][0]
        self._batch = fixed if isinstance(fixed, int) else _BATCH

    def embed(self, chips: NDArray[np.uint8]) -> Vector:
        """float32 (n, d), rows of unit length. chips: uint8 (n, side, side, 3) RGB."""
        raw = self._run(chips)
        if self._mirrored:
            raw = raw + self._run(np.ascontiguousarray(chips[:, :, ::-1]))
        unit: Vector = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        return unit

    def _run(self, chips: Pixels) -> Vector:
        step = self._batch
        parts = [self._model.run({"image": chips[i : i + step]})["embedding"] for i in range(0, len(chips), step)]
        return np.concatenate(parts)
