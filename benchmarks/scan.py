"""All pairs of faces of a collection: how long `review scan` compares them, and its memory. Prints Markdown.

    python benchmarks/scan.py [--faces 10000 30000 100000] [--threads 2]

The vectors are invented: drawn with the mean and covariance of faceline's cohort, as in search.py; two faces a name,
one name in a hundred with a second one that is the same person.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from reporting import Bar, bars, machine, number, table
from search import invented

from faceline.engine.session import cores
from faceline.gallery.named_faces import NamedFaces
from faceline.models.spaces import BUILTIN, scorer_of
from faceline.pipelines.scanning import Ask, Scanner, Settled
from faceline.similarity import Rule

_LIMIT_S = {100_000: 300.0}
_NOTES = """
One process a row; 128-dimensional vectors, two faces a name, the threshold that the rule asks for. "normalise" is what
the cohort says of each face; "compare" is all pairs, with a checkpoint after each 512 faces; "report" the figures of
the pairs found and the groups within each name. Reading the faces from SQLite is not in it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, nargs="*", default=[10_000, 30_000, 100_000])
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.one, given.threads)))
        return
    print("# Full-gallery scan\n")
    print(machine())
    print(f"\n## All pairs on {given.threads} threads")
    print(scans(given.faces, given.threads))


def scans(sizes: list[int], threads: int) -> str:
    rows, reached = [], []
    for size in sizes:
        found = _in_a_process(size, threads)
        rate = found["pairs"] / found["compare_s"] / 1e6
        figures = (found["normalise_s"], found["compare_s"], found["report_s"], rate, found["peak_mb"])
        rows.append([f"{size:,}", f"{found['pairs']:,}", *map(number, figures), f"{found['two_names']:,}"])
        if size in _LIMIT_S:
            total = found["normalise_s"] + found["compare_s"] + found["report_s"]
            reached.append(Bar(f"{size:,} faces, all pairs", total, _LIMIT_S[size], False, "s"))
    head = ("faces", "pairs", "normalise, s", "compare, s", "report, s", "million pairs/s", "peak memory, MB", "found")
    return "\n".join([_NOTES, table(head, rows), "", bars(reached)])


def measured(size: int, threads: int) -> dict[str, Any]:
    """Times of each part in seconds, what was found, and this process's peak memory in MB."""
    vectors, scorer = faces(size), scorer_of(BUILTIN)
    started = time.perf_counter()
    embeddings = scorer.normalise(vectors)
    normalised = time.perf_counter()
    names = tuple(f"Person {n:06d}" for n in range(size // 2))
    ids = tuple(f"face {n}" for n in range(size))
    owner = np.arange(size, dtype=np.int32) // 2
    gallery = NamedFaces("scan", BUILTIN.model, ids, ids, names, owner, embeddings, 0)
    scanner = Scanner(gallery, scorer, Rule(), Ask(threads=threads))
    told = [time.perf_counter()]
    with tempfile.TemporaryDirectory() as folder:
        found = scanner.run(Path(folder) / "scan.npz", Settled(), lambda _: told.append(time.perf_counter()))
    ended = time.perf_counter()
    return {
        "pairs": found.pairs,
        "two_names": len(found.two_names),
        "normalise_s": normalised - started,
        "compare_s": told[-1] - told[0],
        "report_s": ended - told[-1],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 2**20),
    }


def faces(size: int) -> NDArray[np.float32]:
    """float32 (size, 128) of unit length: rows 2n and 2n + 1 are one name's; one name in a hundred is the next one."""
    centres = invented(size // 2)
    centres[100::100] = centres[99::100][: len(centres[100::100])]
    rows = np.repeat(centres, 2, axis=0)
    mean = rows.mean(axis=0)
    random = np.random.default_rng(1)
    spread = 0.5 * float(np.linalg.norm(centres - mean, axis=1).mean()) / np.sqrt(rows.shape[1])
    for i in range(0, size, 50_000):
        part = rows[i : i + 50_000]
        part += spread * random.standard_normal(part.shape, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return rows


def _in_a_process(size: int, threads: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", str(size), "--threads", str(threads)]
    done = subprocess.run(command, check=False, env=os.environ, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
