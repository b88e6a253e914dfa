"""Exact search over many embeddings, and how long a collection takes to its first answer. Prints Markdown.

    python benchmarks/search.py [--peers PEERS/bin/python] [--rows 100000 1000000] [--people 10000 100000] [--threads 2]

The vectors are invented: drawn with the mean and covariance of faceline's cohort, so that they lie as real ones do.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from gallery_of_many import fill
from numpy.typing import NDArray
from reporting import Bar, bars, machine, median, number, spread, table, times_less

from faceline.engine.session import cores
from faceline.models.spaces import BUILTIN, cohort_of

_WORKERS = Path(__file__).parent
_PROBES = 50
_LIMIT = 64  # what a collection asks for
_LIMITS_MS = {100_000: 5.0, 1_000_000: 40.0}
_NOTES = f"""
One probe at a time over 128-dimensional vectors, the {_LIMIT} best rows; {_PROBES} probes after five that do not count;
the median, with the lowest and the highest, in ms of wall time. faceline's search is exact, of normalised scores (gain
and offset of each row); numpy: a matrix product and argpartition; faiss: IndexFlatIP. "by faceline" is their time by
ours.
"""
_LOADING = """
A collection of so many people, one face each, in SQLite: the time from opening it in a fresh process (imports not
counted) to the first answer, and to the second, when all is in memory.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="an interpreter that has faiss")
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--people", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--threads", type=int, default=cores())
    given = parser.parse_args()
    print("# Search\n")
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        print(f"\n## Exact search on {given.threads} threads")
        print(searches(Path(folder), given.rows, given.peers, given.threads), flush=True)
        print("\n## From SQLite to the first answer")
        print(loading(Path(folder), given.people, given.threads))


def searches(folder: Path, sizes: list[int], peers: Path | None, threads: int) -> str:
    rows, reached = [], []
    for size in sizes:
        np.save(folder / "vectors.npy", invented(size + _PROBES))
        np.save(folder / "probes.npy", np.load(folder / "vectors.npy", mmap_mode="r")[size:])
        found = {how: _search(how, python, folder, threads) for how, python in _pythons(peers).items()}
        ours = median(found["faceline"]["milliseconds"])
        for how, answer in found.items():
            theirs = median(answer["milliseconds"])
            ratio = "1" if how == "faceline" else number(times_less(ours, theirs))
            rows.append([f"{size:,}", f"{how} {answer['version']}", spread(answer["milliseconds"]), ratio])
        if size in _LIMITS_MS:
            reached.append(Bar(f"{size:,} rows, a query", ours, _LIMITS_MS[size], False, "ms"))
    return "\n".join([_NOTES, table(("rows", "", "ms a query", "by faceline"), rows), "", bars(reached)])


def loading(folder: Path, sizes: list[int], threads: int) -> str:
    rows = []
    for size in sizes:
        data = folder / f"{size}-people"
        vectors = invented(size + 1)
        fill(data, vectors[:-1])
        np.save(folder / "probe.npy", vectors[-1])
        command = [sys.executable, str(_WORKERS / "worker_gallery.py"), str(data), str(folder / "probe.npy")]
        answer = _run(command, "", threads)
        first, second = number(answer["first_s"]), number(answer["second_s"] * 1000)
        rows.append([f"{size:,}", first, second, number(answer["peak_mb"])])
    return "\n".join([_LOADING, table(("people", "first answer, s", "second, ms", "peak memory, MB"), rows)])


def invented(count: int) -> NDArray[np.float32]:
    """float32 (count, 128), rows of unit length, always the same."""
    cohort = cohort_of(BUILTIN).vectors
    mean, root = cohort.mean(axis=0), np.linalg.cholesky(np.cov(cohort.T) + 1e-9 * np.eye(cohort.shape[1]))
    random = np.random.default_rng(0)
    drawn = random.standard_normal((count, len(mean)), dtype=np.float32)
    for i in range(0, count, 100_000):
        part = drawn[i : i + 100_000] @ root.T.astype(np.float32) + mean
        drawn[i : i + 100_000] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return drawn


def _pythons(peers: Path | None) -> dict[str, Path]:
    here = Path(sys.executable)
    return {"faceline": here, "numpy": here} | ({"faiss": peers} if peers else {})


def _search(how: str, python: Path, folder: Path, threads: int) -> dict[str, Any]:
    job = {"how": how, "limit": _LIMIT, "vectors": str(folder / "vectors.npy"), "probes": str(folder / "probes.npy")}
    return _run([str(python), str(_WORKERS / "worker_search.py")], json.dumps(job), threads)


def _run(command: list[str], text: str, threads: int) -> dict[str, Any]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    done = subprocess.run(command, check=False, env=environment, input=text, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
