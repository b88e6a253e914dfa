"""Times searches for one probe over stored vectors, in the interpreter that has the library.

A job as JSON on standard input: `how` (faceline, numpy, faiss), `vectors` and `probes` (.npy files, rows of unit
length), `limit`. The answer on standard output: `milliseconds` of each probe, `rows` found for each, `version`.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float32]]
Search = Callable[[Array], Any]
_CHUNK = 50_000
_NORMALISED = 5_000  # so many rows get gains and offsets of their own; the others repeat them, at the same cost


def with_faceline(vectors: Array, limit: int) -> tuple[Search, str]:
    from faceline import __version__  # noqa: PLC0415 (each library is in an interpreter of its own)
    from faceline.gallery.search import VectorIndex, principal_axes  # noqa: PLC0415
    from faceline.models.spaces import (  # noqa: PLC0415
        BUILTIN,
        cohort_of,
        scorer_of,
    )
    from faceline.similarity import Normalised  # noqa: PLC0415

    scorer = scorer_of(BUILTIN)
    some = scorer.normalise(np.array(vectors[:_NORMALISED]))
    index = VectorIndex(vectors.shape[1], principal_axes(cohort_of(BUILTIN).vectors))
    for i in range(0, len(vectors), _CHUNK):
        part = np.array(vectors[i : i + _CHUNK])
        rows = np.arange(i, i + len(part)) % len(some.gain)
        index.put([str(i + j) for j in range(len(part))], Normalised(part, some.gain[rows], some.offset[rows]))
    zero = np.zeros(1, dtype=np.float32)
    return lambda probe: index.search(Normalised(probe, zero, zero), limit).keys, __version__


def with_numpy(vectors: Array, limit: int) -> tuple[Search, str]:
    matrix = np.array(vectors)

    def search(probe: Array) -> Any:
        scores = matrix @ probe[0]
        best = np.argpartition(scores, -limit)[-limit:]
        return best[np.argsort(-scores[best])]

    return search, np.__version__


def with_faiss(vectors: Array, limit: int) -> tuple[Search, str]:
    import faiss  # type: ignore[import-not-found]  # noqa: PLC0415

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.array(vectors))
    return lambda probe: index.search(probe, limit)[1][0], str(faiss.__version__)


HOW = {"faceline": with_faceline, "numpy": with_numpy, "faiss": with_faiss}


def main() -> None:
    job = json.load(sys.stdin)
    probes = np.load(job["probes"])
    search, version = HOW[job["how"]](np.load(job["vectors"], mmap_mode="r"), job["limit"])
    found, milliseconds = [], []
    for probe in np.concatenate([probes[:5], probes]):
        start = time.perf_counter()
        rows = search(probe[None])
        milliseconds.append((time.perf_counter() - start) * 1000)
        found.append([int(row) for row in rows])
    print(json.dumps({"milliseconds": milliseconds[5:], "rows": found[5:], "version": version}))


if __name__ == "__main__":
    main()
