"""The Rekognition API under load: latency, requests a second, time outside inference, memory. Prints Markdown.

    python benchmarks/load.py --data ../shared/data [--requests 1000] [--long 20000] [--peers PEERS/bin/python]

A `faceline up` of its own, 100,000 invented people in the collection that is searched, LFW photos as requests.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gallery_of_many import fill
from PIL import Image
from processes import ask, peers
from reporting import Bar, bars, machine, number, table, times_less
from search import invented

from faceline.app import App
from faceline.config import load

_PEOPLE = 100_000
_CLIENTS = (1, 10, 50)
_OUTSIDE = 0.15
_FLAT = 1.1
_PHOTOS = 200
_SEARCHED, _INDEXED = "my-face-collection", "indexed"
_NOTES = """
{requests} requests for each row, after {warm} that do not count; clients in one other process on the same cores, each
asking again when answered. Outside inference: the part of the server's CPU time (user and system, all threads) that is
not spent in `Analyzer.analyze`: HTTP, signatures, JSON, base64, decoding the JPEG, searching, storing. The searched
collection has 100,000 invented people, FaceMatchThreshold is 99.
"""


@dataclass(frozen=True, slots=True)
class Server:
    process: "subprocess.Popen[bytes]"
    port: int
    key: str
    secret: str
    log: Path

    def cpu_s(self) -> float:
        """User and system seconds of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def spent_s(self) -> tuple[float, float]:
        """In inference and in decoding images, as its log says so far."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        inference, decoding = (sum(float(line.get(n, 0)) for line in lines) for n in ("inference_ms", "decoding_ms"))
        return inference / 1000, decoding / 1000


@dataclass(frozen=True, slots=True)
class Case:
    operation: str
    extra: dict[str, Any]
    labelled: bool = False


CASES = (
    Case("DetectFaces", {}),
    # What keeps strangers out of so large a collection is 99.99; at 80 each answer would list some dozens of them.
    Case("SearchFacesByImage", {"CollectionId": _SEARCHED, "FaceMatchThreshold": 99.0}),
    Case("IndexFaces", {"CollectionId": _INDEXED, "MaxFaces": 1}, labelled=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the test data")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--long", type=int, default=20_000, help="requests of the memory test")
    parser.add_argument("--operations", nargs="*", default=[case.operation for case in CASES])
    parser.add_argument("--peers", type=Path, help="the interpreter that has face_recognition")
    given = parser.parse_args()
    photos = sorted((given.data / "lfw/images").glob("*/*.jpg"))[:_PHOTOS]
    print("# The Rekognition API under load\n")
    print(machine())
    print(_NOTES.format(requests=f"{given.requests:,}", warm=given.requests // 10))
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        crowd = [plain(given.data / "photos/facenet-pytorch/data/multiface.jpg", Path(folder))]
        rows, outside = [], []
        for case in (case for case in CASES if case.operation in given.operations):
            for name, some, clients, least in runs(photos, crowd, given.requests):
                row, share = measured(server, case, clients, least, some)
                rows.append([name, *row])
                outside.append((f"{case.operation}, {name}, {clients} clients", clients, share))
        head = ("photos", "operation", "clients", "p50 ms", "p95 ms", "p99 ms", "requests/s")
        print(table((*head, "CPU ms a request", "outside inference", "of it decoding"), rows), flush=True)
        saturated = [
            Bar(f"{what}: outside inference", share, _OUTSIDE, False)
            for what, clients, share in outside
            if clients == _CLIENTS[-1]
        ]
        print("\n## Memory\n")
        readings, flat = memory(server, photos, given.long)
        print(readings)
        print("\n" + bars([*saturated, flat]))
    if given.peers:
        print(compared(given.peers, photos, float(rows[0][7])))


def plain(photo: Path, folder: Path) -> Path:
    """The photo as a baseline JPEG; the original is a progressive one, which takes thrice as long to decode."""
    copy = folder / "crowd.jpg"
    Image.open(photo).save(copy, quality=90)
    return copy


def runs(photos: list[Path], crowd: list[Path], requests: int) -> Iterator[tuple[str, list[Path], int, int]]:
    """Name, photos, clients and requests of each row of a case."""
    for clients in _CLIENTS:
        yield "LFW, 250×250", photos, clients, requests
    yield "720p, 6 faces", crowd, _CLIENTS[-1], max(requests // 5, 50)


@contextmanager
def serving(data: Path) -> Iterator[Server]:
    fill(data, invented(_PEOPLE))
    with App(load().with_(data=data)) as app:
        app.create_collection(_INDEXED, {})
        app.access_keys.ensure_default()
        key = app.access_keys.list()[0]
    log = data / "up.log"
    environment = os.environ | {"FACELINE_LOG_FORMAT": "json"}
    command = [sys.executable, "-m", "faceline", "up", "--port", "0", "--data", str(data)]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().decode().partition("127.0.0.1:")[2].partition(",")[0])
        yield Server(process, port, key.access_key_id, key.secret, log)
    finally:
        process.terminate()
        process.wait()


def measured(server: Server, case: Case, clients: int, requests: int, photos: list[Path]) -> tuple[list[str], float]:
    """The row of one case, and the part of the CPU time outside inference."""
    sent(server, case, clients, requests // 10, photos)
    before = server.cpu_s(), *server.spent_s()
    done = sent(server, case, clients, requests, photos)
    after = server.cpu_s(), *server.spent_s()
    cpu_s, inference_s, decoding_s = (now - then for now, then in zip(after, before, strict=True))
    if done["failed"]:
        raise SystemExit(f"{case.operation}: {len(done['failed'])} requests failed with {set(done['failed'])}")
    p50, p95, p99 = (float(np.percentile(done["seconds"], p)) * 1000 for p in (50, 95, 99))
    rate = requests / done["wall_s"]
    share = 1 - inference_s / cpu_s
    cells = [number(v) for v in (p50, p95, p99, rate, cpu_s * 1000 / requests)]
    shares = [f"{share:.1%}", f"{decoding_s / cpu_s:.1%}"]
    return [case.operation, str(clients), *cells, *shares], share


def sent(server: Server, case: Case, clients: int, requests: int, photos: list[Path]) -> dict[str, Any]:
    job = {
        "port": server.port,
        "key": server.key,
        "secret": server.secret,
        "operation": case.operation,
        "photos": [str(photo) for photo in photos],
        "extra": case.extra,
        "labelled": case.labelled,
        "clients": clients,
        "requests": requests,
    }
    script = str(Path(__file__).parent / "worker_load.py")
    command = [sys.executable, script]
    done = subprocess.run(command, input=json.dumps(job), check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def memory(server: Server, photos: list[Path], requests: int) -> tuple[str, Bar]:
    """Resident memory along many requests of all three kinds."""
    rows, parts = [], 10
    for part in range(parts):
        for case in CASES[:2]:
            sent(server, case, 10, requests // parts // 2, photos)
        rows.append((f"{(part + 1) * requests // parts:,}", number(server.resident_mb())))
    last, early = float(rows[-1][1].replace(",", "")), float(rows[0][1].replace(",", ""))
    text = table(("requests (DetectFaces and SearchFacesByImage, 10 clients)", "resident MB"), rows)
    return text, Bar(f"memory after {requests:,} requests, by that after a tenth", last / early, _FLAT, False, "x")


def compared(python: Path, photos: list[Path], cpu_ms: float) -> str:
    peer = next(peer for peer in peers(python) if peer.name == "face_recognition")
    done = ask(peer, task="cpu", photos=[str(photo) for photo in photos[:40]], min_face=40, repetitions=3)
    theirs = float(np.median(done["milliseconds"]))
    return (
        f"\nNo peer speaks this API. face_recognition, called without any server, takes {number(theirs)} ms of CPU for "
        f"such a photo (detection and embedding, one thread, dlib without BLAS): {number(times_less(cpu_ms, theirs))} "
        "times what a whole DetectFaces request takes here."
    )


if __name__ == "__main__":
    main()
