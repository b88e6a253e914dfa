# mypy: ignore-errors
# The peers are not installed where the types are checked.
"""Runs in the peers' interpreter: dlib's own embeddings of aligned chips.

Arguments: dlib's .dat file, input .npz (chips: uint8 (n, 150, 150, 3) RGB), output .npz (embedding: float64 (n, 128)).
"""

import sys
from pathlib import Path

import dlib
import numpy as np


def main() -> None:
    weights, given, result = (Path(a) for a in sys.argv[1:])
    network = dlib.face_recognition_model_v1(str(weights))
    chips = np.load(given)["chips"]
    np.savez(result, embedding=[np.array(network.compute_face_descriptor(chip)) for chip in chips])


main()
