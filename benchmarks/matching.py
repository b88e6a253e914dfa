"""One person under two names: what workflow 5 finds when a part of LFW's people are renamed. Prints Markdown.

    python benchmarks/matching.py --data ../shared/data [--photos N]

Of every fifth person with two or more photos, half of the photos are given the name of an invented customer. All go
through the workflow by as many workers as there are cores. The people are those with an even sha256(name); cohort and
calibration of the second table come from the others, of the first from all of them, as faceline ships them.
"""

import argparse
import hashlib
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from reporting import Bar, bars, machine, number, table

from faceline.app import App
from faceline.config import load
from faceline.evaluation.calibrate import cross_fitted_strangers, fit
from faceline.evaluation.cohort import invent
from faceline.evaluation.embedded import embed_photos
from faceline.loading import image_limits, worker_count
from faceline.similarity import Scorer, pair_scores
from faceline.types import FaceRecord

Pair = frozenset[str]
Similarities = NDArray[np.float64]

_EVERY = 5
_THRESHOLDS = (50.0, 80.0, 90.0, 99.0)
_ENOUGH = 1200  # photos of others, for a calibration


def main() -> None:
    given = _arguments()
    ours, others = _halves(given.data / "lfw/images", given.photos)
    shown = dict(_renamed(ours))
    person_of = {name: photo.parent.name for name, photo in shown.items()}
    print("# One person under two names\n")
    print(machine())
    settings = load().with_(matching_most=4096)
    with tempfile.TemporaryDirectory() as folder, App(settings.with_(data=Path(folder))) as app:
        seconds = _work(app, shown)
        records = app.face_records.find(settings.names.matching_collection)
        collection = app.collection(settings.names.matching_collection)
        reported, refused = _reported(app, records)
        needed = collection.threshold()
        held_out = _scorer_of(app, others)
        similar = _similarities(collection.scorer, records)
    print(_summary(len(shown), len(records), refused, seconds, worker_count(settings)))
    thresholds = sorted({*_THRESHOLDS, needed})
    print(f"\n## By the shipped calibration\n\n{_rates(records, similar, person_of, thresholds)}")
    print(f"\nWith so many customers a notice needs {needed}.")
    print(f"\n## By other people's\n\n{_rates(records, _similarities(held_out, records), person_of, thresholds)}\n")
    print(bars(_bars(reported, _pairs(records, similar, settings.matching_min_similarity))))


def _halves(images: Path, most: int | None) -> tuple[list[Path], list[Path]]:
    """Photos by name: of the people to report on, at most so many, and of others."""
    photos = sorted(images.glob("*/*.jpg"))
    odd = [hashlib.sha256(photo.parent.name.encode()).digest()[-1] % 2 for photo in photos]
    ours, others = ([photo for photo, each in zip(photos, odd, strict=True) if each == side] for side in (0, 1))
    return ours[:most], others[: most and max(most, _ENOUGH)]


def _renamed(photos: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """What each image is called, and the photo."""
    several = 0
    for person, group in groupby(photos, lambda photo: photo.parent.name):
        own = list(group)
        several += len(own) > 1
        is_renamed = len(own) > 1 and several % _EVERY == 0
        for n, photo in enumerate(own):
            yield f"{f'Invented-{several}' if is_renamed and n >= len(own) // 2 else person}_{n:04}.jpg", photo


def _work(app: App, shown: dict[str, Path]) -> float:
    """Seconds from the first image taken to the last one done."""
    bucket, prefix = app.matching.place
    watcher = app.watcher()
    for name, photo in shown.items():
        watcher.announce(app.objects.put(bucket, f"{prefix}{name}", photo.read_bytes()))
    threads = [threading.Thread(target=worker.drain) for worker in app.matching.workers()]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def _reported(app: App, records: Sequence[FaceRecord]) -> tuple[Counter[Pair], int]:
    """How often each pair of images is in a report, and how many images were not indexed."""
    names = app.settings.names
    source_of = {record.face_id: record.source for record in records}
    pairs: Counter[Pair] = Counter()
    images = 0
    for info in app.objects.list(names.matches, app.settings.matching_output_prefix):
        report = json.loads(app.objects.get(names.matches, info.key, 50_000_000)[1])
        pairs.update(frozenset((report["Source"], source_of[m["Face"]["FaceId"]])) for m in report["Matches"])
        images += 1
    return pairs, images - len(records)


def _scorer_of(app: App, photos: Sequence[Path]) -> Scorer:
    """Cohort and calibration from these people."""
    labelled = [(photo, photo.parent.name) for photo in photos]
    analyzer = app.analyzer(app.settings.names.matching_collection)
    known = embed_photos(labelled, analyzer, image_limits(app.settings), worker_count(app.settings))
    fitted = fit(cross_fitted_strangers(known.embeddings, known.people))
    return Scorer(analyzer.model, fitted.calibration, invent(known.embeddings, known.people))


def _similarities(scorer: Scorer, records: Sequence[FaceRecord]) -> Similarities:
    """(n, n): of each face with each."""
    rows = scorer.normalise(np.stack([record.embedding.values for record in records]))
    return scorer.calibration.similarity(pair_scores(rows, rows)).round(2)


def _pairs(records: Sequence[FaceRecord], similar: Similarities, threshold: float) -> set[Pair]:
    """Images under different names that are at least so similar."""
    found = zip(*np.nonzero(np.triu(similar >= threshold, 1)), strict=True)
    pairs = ((records[i], records[j]) for i, j in found)
    return {frozenset((a.source, b.source)) for a, b in pairs if a.person != b.person}


def _rates(
    records: Sequence[FaceRecord], similar: Similarities, person_of: dict[str, str], thresholds: Sequence[float]
) -> str:
    everybody = _pairs(records, np.full_like(similar, 100.0), 0.0)
    true = {pair for pair in everybody if len({person_of[_name(source)] for source in pair}) == 1}
    renamed = {_customer(source) for pair in true for source in pair if _customer(source).startswith("Invented-")}
    rows = []
    for threshold in thresholds:
        found = _pairs(records, similar, threshold)
        right = found & true
        customers = {_customer(source) for pair in right for source in pair} & renamed
        rows.append(
            [f"{threshold:g}", number(len(found)), number(len(right)), _percent(len(right), len(found)),
             _percent(len(right), len(true)), f"{len(customers)} of {len(renamed)}"]
        )  # fmt: skip
    head = ("similarity", "pairs reported", "right", "precision", "recall", "renamed customers found")
    return f"{len(everybody):,} pairs of images under different names, {len(true)} of them one person's.\n\n" + table(
        head, rows
    )


def _summary(photos: int, indexed: int, refused: int, seconds: float, workers: int) -> str:
    return (
        f"\n{photos} LFW photos, {indexed} indexed, {refused} without a usable face; {workers} workers, "
        f"{number(photos / seconds)} images a second, detection to report."
    )


def _bars(reported: Counter[Pair], computed: set[Pair]) -> list[Bar]:
    once = sum(count == 1 for count in reported.values())
    return [
        Bar("pairs of a direct computation that are reported", len(computed & set(reported)), len(computed), True),
        Bar("reported pairs that it does not give", len(set(reported) - computed), 0, False),
        Bar("reported pairs that are reported once", once, len(reported), True),
    ]


def _name(source: str) -> str:
    return source.rpartition("/")[2]


def _customer(source: str) -> str:
    return _name(source).rpartition("_")[0]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the test data")
    parser.add_argument("--photos", type=int, help="only so many; default: all of the half")
    return parser.parse_args()


if __name__ == "__main__":
    main()
