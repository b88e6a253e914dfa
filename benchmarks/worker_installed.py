"""Prints the size in bytes of each installed distribution named, of all of them without names.

Python's byte code is left out. Of torch's default build for Linux the parts for GPUs are left out: its CPU build has
none of them.
"""

import json
import sys
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path


def size(found: Distribution) -> int:
    paths = [found.locate_file(file) for file in found.files or [] if "__pycache__" not in file.parts]
    gpu = ("cuda", "nvshmem", "nvrtc")
    kept = [
        p for p in map(str, paths) if "/torch/lib/" not in p or not any(word in p.rsplit("/", 1)[1] for word in gpu)
    ]
    return sum(_bytes(path) for path in kept)


def _bytes(path: str) -> int:
    file = Path(path)
    return file.stat().st_size if file.is_file() else 0


def main() -> None:
    wanted = [distribution(name) for name in sys.argv[1:]] or list(distributions())
    print(json.dumps({found.metadata["Name"]: size(found) for found in wanted}))


if __name__ == "__main__":
    main()
