"""faceline beside face_recognition and facenet-pytorch: CPU time, recall, cold start, memory. Prints Markdown.

    python benchmarks/peers.py --data ../shared/data --peers PEERS/bin/python [--quick] [--sizes]

The peers have an interpreter of their own; benchmarks/README.md says how to make it. Everything runs on one thread, one
process at a time, at equal smallest faces.
"""

import argparse
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from processes import ask, peers
from recall import recall
from reporting import machine
from sizes import sizes
from speed import Photos, speed
from startup import startup

_CROWD = "photos/facenet-pytorch/data/multiface.jpg"


def main() -> None:
    given = _arguments()
    with tempfile.TemporaryDirectory() as folder, _unpacked(given.face_recognition_models) as models:
        crowd = _crowd(given.data / _CROWD, Path(folder))
        few, many = (20, 40) if given.quick else (200, 1000)
        others = peers(given.peers, models)
        versions = [ask(p, task="cpu", photos=[str(crowd)], min_face=80, repetitions=1)["versions"] for p in others]
        print("# faceline and its peers\n")
        print(machine({name: v for found in versions for name, v in found.items() if name not in ("numpy", "pillow")}))
        sets = [
            Photos("720p, 6 faces", [crowd], 5 if given.quick else 15, barred=True),
            Photos(f"LFW, {few}", _lfw(given.data, few), 5),
        ]
        print("\n## CPU time a photo")
        print(speed(sets, others), flush=True)
        print("\n## Faces found")
        print(recall(given.data, _lfw(given.data, many), others), flush=True)
        print("\n## Cold start and memory")
        print(startup(_lfw(given.data, few), crowd, others), flush=True)
        if given.sizes:
            print("\n## Installed size")
            print(sizes(others, models))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the test data")
    parser.add_argument("--peers", type=Path, required=True, help="the interpreter that has the peers")
    parser.add_argument("--face-recognition-models", type=Path, help="its source archive, if the peers lack it")
    parser.add_argument("--quick", action="store_true", help="few photos and repetitions: shows that all works")
    parser.add_argument("--sizes", action="store_true", help="installs faceline afresh and measures it")
    return parser.parse_args()


@contextmanager
def _unpacked(archive: Path | None) -> Iterator[Path | None]:
    """Where to import face_recognition_models from; gone afterwards: one of its files is not for commercial use."""
    if archive is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
        yield next(Path(folder).iterdir())


def _crowd(photo: Path, folder: Path) -> Path:
    """The photo of six faces at 1280 × 720."""
    path = folder / "crowd_720p.jpg"
    with Image.open(photo) as image:
        image.convert("RGB").resize((1280, 720), Image.Resampling.LANCZOS).save(path, quality=92)
    return path


def _lfw(data: Path, count: int) -> list[Path]:
    """So many photos, evenly spread over the people."""
    photos = sorted((data / "lfw/images").rglob("*.jpg"))
    return photos[:: max(1, len(photos) // count)][:count]


if __name__ == "__main__":
    main()
