"""How long a function needs until it can search a large collection on AWS, and how much memory that takes.

    FACELINE_MINISTACK=… PYTHONPATH=src:tests python benchmarks/aws_gallery.py 10000 100000

The collection's snapshot is put into ministack's bucket as an earlier reader would have left it. Each size is read by a
process of its own: `changes` to the end through boto3, all rows normalised, ten searches. A collection of 300 faces is
read from the table. Then a warm process looks ten times whether anything changed. `cpu_s` is the process's own time, as
a function with one virtual CPU needs it; `peak_mb` is what came on top of Python, numpy and boto3.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from gallery_of_many import made_face

from faceline.aws.clients import Clients
from faceline.aws.collections import DynamoCollections
from faceline.aws.face_items import body_of, face_item, mark_of
from faceline.aws.face_records import DynamoFaceRecords
from faceline.aws.face_snapshot import Pieces, Snapshot
from faceline.aws.face_table import FaceTable, meta_key
from faceline.aws.snapshots import Snapshots
from faceline.aws.tables import state_table
from faceline.gallery.collection import Collection
from faceline.models.spaces import BUILTIN, scorer_of
from faceline.similarity import Rule
from faceline.types import Embedding
from ministack import environment, ministack, program

_PLACE = "faceline-bench"
_SMALL = 300


def main() -> None:
    found = program()
    if not found:
        sys.exit("FACELINE_MINISTACK does not name the program ministack")
    with tempfile.TemporaryDirectory() as folder, ministack(found, Path(folder)) as url:
        os.environ.update(environment(url))
        clients = Clients()
        clients.dynamodb.create_table(**state_table(_PLACE))
        clients.s3.create_bucket(Bucket=_PLACE)
        _add_small(clients)
        print(_timed("small"))
        for size in map(int, sys.argv[1:]):
            size_mb = _add_large(clients, f"faces-{size}", size)
            print(_timed(f"faces-{size}") | {"snapshot_mb": size_mb})


def _add_small(clients: Clients) -> None:
    DynamoCollections(clients, _PLACE, Snapshots(clients, _PLACE)).create("small", BUILTIN.model)
    records = DynamoFaceRecords(clients, _PLACE, Snapshots(clients, _PLACE))
    vectors = _vectors(_SMALL)
    for start in range(0, _SMALL, 20):
        records.add("small", [made_face(n, vectors[n]) for n in range(start, start + 20)])


def _add_large(clients: Clients, name: str, size: int) -> float:
    """Only its snapshot, its meta and its last face; returns the snapshot's megabytes."""
    vectors = _vectors(size)
    bodies = (body_of(made_face(n, vectors[n]).record).encode() for n in range(size))
    data = np.frombuffer(vectors.tobytes(), dtype=np.uint8)
    pieces = Pieces(data, np.arange(1, size + 1, dtype=np.int64) * vectors.shape[1] * 4)
    last = face_item(name, size, made_face(size - 1, vectors[size - 1]))
    generations = np.arange(1, size + 1, dtype=np.int64)
    snapshot = Snapshot(size, generations, Pieces.of(bodies), pieces, mark=mark_of(last))
    if not Snapshots(clients, _PLACE).write(name, snapshot, None):
        raise RuntimeError(f"{name} has a snapshot already")
    DynamoCollections(clients, _PLACE, Snapshots(clients, _PLACE)).create(name, BUILTIN.model)
    clients.dynamodb.put_item(TableName=_PLACE, Item=last)
    clients.dynamodb.update_item(
        TableName=_PLACE,
        Key=meta_key(name),
        UpdateExpression="SET newest = :newest",
        ExpressionAttributeValues={":newest": {"N": str(size)}},
    )
    listed = clients.s3.list_objects_v2(Bucket=_PLACE, Prefix=f"collections/{name}.faces")
    return round(listed["Contents"][0]["Size"] / 1e6, 1)


def _vectors(size: int) -> np.ndarray:
    vectors = np.random.default_rng(size).normal(size=(size, BUILTIN.dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _timed(name: str) -> dict[str, float | str]:
    """In a process of its own, as a function's is."""
    answer = subprocess.run([sys.executable, __file__, "--read", name], check=True, capture_output=True, text=True)
    return dict(json.loads(answer.stdout))


def read(name: str) -> dict[str, float | str]:
    clients = Clients()
    before_mb = _peak_mb()
    records = DynamoFaceRecords(clients, _PLACE, Snapshots(clients, _PLACE))
    collection = Collection(name, records, scorer_of(BUILTIN), Rule())
    start, cpu = time.perf_counter(), time.process_time()
    faces = collection.faces()
    followed = time.perf_counter()
    collection.refresh()
    ready, cpu_ready = time.perf_counter(), time.process_time()
    probes = [Embedding(vector, BUILTIN.model) for vector in _vectors(10)]
    for probe in probes:
        collection.search(probe)
    searched = time.perf_counter()
    newest = FaceTable(clients, _PLACE).meta(name).newest
    asked = time.perf_counter()
    for _ in range(10):
        records.changes(name, newest, 100)
    looked = time.perf_counter()
    return {
        "collection": name,
        "faces": faces,
        "load_s": round(followed - start, 2),
        "normalise_s": round(ready - followed, 2),
        "cpu_s": round(cpu_ready - cpu, 2),
        "search_ms": round((searched - ready) * 100, 1),
        "look_ms": round((looked - asked) * 100, 1),
        "peak_mb": round(_peak_mb() - before_mb),
    }


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()  # ru_maxrss would be the parent's, where that was larger
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        print(json.dumps(read(sys.argv[2])))
    else:
        main()
