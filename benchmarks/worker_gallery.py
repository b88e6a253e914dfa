"""Opens a data directory's collection in a fresh process and answers one probe, on one core or as many as there are.

Arguments: the data directory, a .npy file with one probe of unit length. Prints JSON: seconds from opening the
collection to the first answer, and of the second one; megabytes resident at the end.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from worker import peak_mb

from faceline.app import App
from faceline.config import load
from faceline.models.spaces import BUILTIN
from faceline.types import Embedding


def main() -> None:
    probe = Embedding(np.load(sys.argv[2]), BUILTIN.model)
    with App(load().with_(data=Path(sys.argv[1]))) as app:
        times = [time.perf_counter()]
        for _ in range(2):
            app.collection().search(probe)
            times.append(time.perf_counter())
    print(json.dumps({"first_s": times[1] - times[0], "second_s": times[2] - times[1], "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
