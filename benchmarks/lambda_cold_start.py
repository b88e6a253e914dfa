"""The image function on AWS: its cold start, its time outside the engine, the size of its zip. Prints Markdown.

    python benchmarks/lambda_cold_start.py --data ../shared/data --peers PEERS/bin/python [--zip FILE] [--quick]

Builds the zip with `faceline build lambda` for this Python, unless one is given, unpacks it and starts its `bootstrap`
again and again: Lambda's own runtime interface client, with nothing but the zip's packages, on one core. Lambda's
runtime API comes from `tests/runtime_api.py`; S3 and DynamoDB are those of ministack, to which FACELINE_MINISTACK
leads.
"""

import argparse
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from processes import Competitor, ask, peers
from reporting import Bar, bars, machine, median, number, spread, table

from faceline.aws.clients import Clients
from faceline.aws.tables import results_table, state_table
from faceline.building.archive import UNPACKED_LIMIT_BYTES
from faceline.building.lambda_zip import Built, build_zip
from faceline.building.target import Arch, Target
from faceline.config import Settings, load

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from ministack import environment, ministack, program
from runtime_api import Function, running

_HERE = Path(__file__).parent
_TIMEOUT_S = 120.0
_NOTES = """
Cold start: from the start of the process to its first question for an event; by then the packages are imported, the
models loaded and the collection of {known} people read. First photo: from then on, by S3's event of one LFW photo,
until the answer. The file cache is warm: what Lambda needs besides, to fetch the zip and start its machine, is not in
these figures, and cannot be measured here. Medians of {runs} fresh processes on one core, with the lowest and the
highest.
"""
_PEERS = """
No peer has a handler. Theirs is from the start of the interpreter until the first photo is embedded, on the same core,
without any of AWS: the least that a function glued around them takes.
"""
_WARM = """
One process, {photos} LFW photos one after the other. Engine: faces found, aligned and embedded. The rest: the event,
decoding, the receipt, S3, DynamoDB and the search in the collection, with ministack's answers in it, which are no
measure of AWS's; so below it what of the rest is the function's own processor time: boto3's requests for the most part.
"""


@dataclass(frozen=True, slots=True)
class Given:
    """photos: those that are asked about. known: one photo of each person who is enrolled."""

    root: Path
    settings: dict[str, str]
    folder: Path
    known: Sequence[Path]
    photos: Sequence[Path]


@dataclass(frozen=True, slots=True)
class Warm:
    """One invocation: the whole of it, in the engine, and the process's own processor time outside the engine."""

    whole_s: float
    engine_s: float
    other_cpu_s: float


def main() -> None:
    asked = _arguments()
    print("# The image function on AWS\n")
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        sizes, file = _sizes(asked, Path(folder))
        with zipfile.ZipFile(file) as archive:
            archive.extractall(Path(folder) / "task")
        bootstrap = Path(folder) / "task/bootstrap"
        bootstrap.chmod(0o755)
        with _aws(Path(folder)) as settings:
            runs, photos = (2, 5) if asked.quick else (9, 50)
            given = Given(bootstrap.parent, settings, Path(folder), *_photos(asked.data / "lfw/images", 10, photos))
            _enrol(given)
            cold = [_cold(given, number) for number in range(runs + 1)][1:]
            warm = _warm(given)
    theirs = [(peer.name, _peer(peer, given.photos[0], runs)) for peer in peers(asked.peers)]
    print(_report(cold, warm, theirs, sizes, given))


def _report(
    cold: Sequence[tuple[float, float]],
    warm: Sequence[Warm],
    theirs: Sequence[tuple[str, Sequence[float]]],
    sizes: Sequence[tuple[str, Built]],
    given: Given,
) -> str:
    started, first = [start for start, _ in cold], [first for _, first in cold]
    both = [sum(each) for each in cold]
    rows = [["faceline's function", spread(started), spread(first), spread(both)]]
    rows += [[name, "", "", spread(seconds)] for name, seconds in theirs]
    largest = max(built.unpacked_bytes for _, built in sizes)
    reached = [
        Bar("cold start, one core", median(started), 1.5, False, "s"),
        Bar("largest zip, unpacked", largest / 2**20, UNPACKED_LIMIT_BYTES / 2**20, False, "MB"),
    ]
    return "\n".join(
        [
            _NOTES.format(known=len(given.known), runs=len(cold)) + _PEERS,
            table(("", "cold start, s", "first photo, s", "until the first answer, s"), rows),
            _WARM.format(photos=len(warm)),
            table(
                ("a photo", "ms"),
                [
                    ["whole invocation", spread([1000 * each.whole_s for each in warm])],
                    ["engine", spread([1000 * each.engine_s for each in warm])],
                    ["the rest", spread([1000 * (each.whole_s - each.engine_s) for each in warm])],
                    ["of it our processor time", spread([1000 * each.other_cpu_s for each in warm])],
                ],
            ),
            "",
            table(("zip", "packed, MB", "unpacked, MB"), [[name, *_megabytes(built)] for name, built in sizes]),
            "",
            bars(reached),
        ]
    )


def _megabytes(built: Built) -> list[str]:
    return [number(built.packed_bytes / 2**20), number(built.unpacked_bytes / 2**20)]


def _sizes(asked: argparse.Namespace, folder: Path) -> tuple[list[tuple[str, Built]], Path]:
    """All zips' sizes, and the one to run."""
    python, settings = f"{sys.version_info.major}.{sys.version_info.minor}", load()
    file = asked.zip or folder / "own.zip"
    own = _given(file) if asked.zip else build_zip(file, settings, Target(python, _arch()))
    sizes = [(f"all functions but splitting, {_arch()}", own)]
    if not asked.quick:
        other: Arch = "arm64" if _arch() == "x86_64" else "x86_64"
        for arch, video in ((_arch(), True), (other, False), (other, True)):
            name = f"{'splitting' if video else 'all functions but splitting'}, {arch}"
            sizes.append((name, build_zip(folder / "other.zip", settings, Target(python, arch), video)))
    return sizes, file


def _given(file: Path) -> Built:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    compiled = any(entry.filename.endswith(".pyc") for entry in entries)
    return Built(file, file.stat().st_size, sum(entry.file_size for entry in entries), compiled)


def _arch() -> Arch:
    return "arm64" if os.uname().machine in ("arm64", "aarch64") else "x86_64"


@contextmanager
def _aws(folder: Path) -> Iterator[dict[str, str]]:
    """A ministack with what the function needs; what leads it there."""
    found = program()
    if not found:
        sys.exit("FACELINE_MINISTACK does not name the program ministack (docs/how-to/run-on-aws.md)")
    with ministack(found, folder) as url:
        os.environ.update(environment(url))
        clients, settings = Clients(), Settings()
        for bucket in (settings.input_bucket, settings.aws_names.work):
            clients.s3.create_bucket(Bucket=bucket)
        for made in (state_table(settings.aws_names.state), results_table(settings.aws_names.results)):
            clients.dynamodb.create_table(**made)
        yield environment(url)


def _photos(images: Path, known: int, photos: int) -> tuple[list[Path], list[Path]]:
    """The first photo of each of so many people who have two; and so many photos: theirs, then others'."""
    people = [sorted(folder.glob("*.jpg")) for folder in sorted(images.iterdir()) if folder.is_dir()]
    several = [own for own in people if len(own) > 1][:known]
    others = [own[0] for own in people if len(own) == 1]
    return [own[0] for own in several], [*(own[1] for own in several), *others][:photos]


def _enrol(given: Given) -> None:
    with _function(given, "faceline.lambdas.enrolment") as function:
        for photo in given.known:
            _ask(function, photo, f"enroll/{photo.parent.name}/{photo.name}")


def _cold(given: Given, round_: int) -> tuple[float, float]:
    """Seconds to the first question for an event, and to the answer to the first one."""
    photo = given.photos[0]
    with _function(given, "faceline.lambdas.image_ingestion") as function:
        _, took_s = _ask(function, photo, f"input/cold-{round_}-{photo.name}")
        return function.ready_s, took_s


def _warm(given: Given) -> list[Warm]:
    """Of each invocation but the first."""
    first = given.photos[0]
    with _function(given, "worker_lambda.image_ingestion") as function:
        _ask(function, first, f"input/first-{first.name}")
        asked = [_ask(function, photo, f"input/{photo.name}") for photo in given.photos]
    return [Warm(took_s, payload["engine_s"], payload["other_cpu_s"]) for payload, took_s in asked]


def _ask(function: Function, photo: Path, key: str) -> tuple[Any, float]:
    bucket = Settings().input_bucket
    Clients().s3.put_object(Bucket=bucket, Key=key, Body=photo.read_bytes())
    created = {"bucket": {"name": bucket}, "object": {"key": quote(key), "size": photo.stat().st_size, "eTag": key}}
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": created}
    answer = function.invoke({"Records": [record]}, _TIMEOUT_S)
    results = answer.payload.get("answer", answer.payload).get("results", [{}])
    if answer.failed or "error" in results[0]:
        sys.exit(f"{key} failed: {answer.payload}")
    return answer.payload, answer.took_s


@contextmanager
def _function(given: Given, handler: str) -> Iterator[Function]:
    """The zip's process on one core. Only the interpreter's own library lies beside the zip's packages."""
    interpreter = str(Path(sys.base_prefix) / "bin")
    told = {
        "PATH": f"{interpreter}:/usr/bin:/bin",
        "PYTHONPATH": str(_HERE) if handler.startswith("worker_lambda") else "",
        "PYTHONNOUSERSITE": "1",
        "FACELINE_MODELS_DIR": str(given.root / "models"),
    }
    command = ("taskset", "-c", str(_core()), str(given.root / "bootstrap"))
    with running(handler, given.settings | told, given.folder, command=command) as function:
        yield function


def _peer(peer: Competitor, photo: Path, runs: int) -> list[float]:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {_core()})  # what is started stays there
    try:
        answers = [ask(peer, task="start", photos=[str(photo)], min_face=40) for _ in range(runs + 1)][1:]
    finally:
        os.sched_setaffinity(0, cores)
    return [answer["at"] - answer["started"] for answer in answers]


def _core() -> int:
    return max(os.sched_getaffinity(0))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the test data")
    parser.add_argument("--peers", type=Path, required=True, help="the interpreter that has the peers")
    parser.add_argument("--zip", type=Path, help="of `faceline build lambda`, for this Python, instead of a new one")
    parser.add_argument("--quick", action="store_true", help="few repetitions, one zip: shows that all works")
    return parser.parse_args()


if __name__ == "__main__":
    main()
