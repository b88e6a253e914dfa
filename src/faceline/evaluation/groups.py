"""False matches and false non-matches within each group of photos that a manifest's column names."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceline.errors import InputError
from faceline.evaluation.accuracy import made_folds
from faceline.evaluation.comparisons import Comparisons, Ints, Photos, compare_all
from faceline.evaluation.rates import MIN_EXPECTED, Estimate, Statistic, Times, estimate
from faceline.files import read_text
from faceline.similarity import Scorer

MIN_SAME = 50  # same pairs; a rate measured on fewer says nothing
MIN_PEOPLE = 10


@dataclass(frozen=True, slots=True)
class At:
    """The similarity asked for, and the part of strangers that is expected to reach it."""

    similarity: float
    rate: float


@dataclass(frozen=True, slots=True)
class GroupRates:
    """Of the pairs whose photos are both in the group, at one similarity.

    false_match: the part of strangers that reaches it, None where fewer than ten are expected to by its claim.
    false_non_match: the part of same pairs that does not, missed photos among them; None with fewer than 50 pairs or
    ten people.
    """

    group: str
    photos: int
    people: int
    stranger_pairs: int
    same_pairs: int
    false_match: Estimate | None
    false_non_match: Estimate | None


def read_groups(manifest: Path, column: str) -> dict[str, str]:
    """The group of each photo of a manifest, by its path as `gallery.sources.expand` gives it.

    Raises InputError naming the line where the column is missing or empty.
    """
    groups: dict[str, str] = {}
    for line, row in _rows(manifest):
        value = row.get(column)
        if value is None or not str(value).strip():
            known = ", ".join(str(key) for key in row if key not in ("path", "name"))
            raise InputError(f"{manifest}: line {line} has no {column}; the other columns are {known or 'none'}")
        groups[str(manifest.parent / str(row.get("path")))] = str(value).strip()
    return groups


def rates_of_groups(
    photos: Photos, paths: Sequence[str], missed: Sequence[str], groups: Mapping[str, str], scorer: Scorer, at: At
) -> list[GroupRates]:
    """By group's name. paths: of the rows of `photos`; missed: of its missed photos."""
    of_row = np.array([groups[path] for path in paths], dtype=np.str_)
    of_missed = np.array([groups[path] for path in missed], dtype=np.str_)
    names = sorted(set(of_row.tolist()) | set(of_missed.tolist()))
    return [_rates(name, _some(photos, of_row == name, of_missed == name), scorer, at) for name in names]


def _rates(name: str, photos: Photos, scorer: Scorer, at: At) -> GroupRates:
    comparisons = compare_all(photos, scorer, made_folds(photos.count))
    same = len(comparisons.same.scores)
    some = len(np.unique(comparisons.same.first)) >= MIN_PEOPLE and same >= MIN_SAME
    score = scorer.calibration.score_at(at.similarity)
    refused, matched = _refused(comparisons, score), _matched(comparisons, score, at.rate)
    return GroupRates(
        group=name,
        photos=len(photos.people) + len(photos.missed),
        people=photos.count,
        stranger_pairs=comparisons.compared,
        same_pairs=same,
        false_match=estimate(matched, photos.count)[0],
        false_non_match=estimate(refused, photos.count)[0] if some else None,
    )


def _refused(comparisons: Comparisons, score: float) -> Statistic:
    same = comparisons.same
    below = same.scores < score

    def statistic(times: Times) -> list[float]:
        weights = times[same.first]
        total = float(weights.sum())
        return [float(weights[below].sum()) / total if total else np.nan]

    return statistic


def _matched(comparisons: Comparisons, score: float, rate: float) -> Statistic:
    strangers = comparisons.different
    start = int(np.searchsorted(strangers.scores, score))
    # Where not even the lowest listed score is below the asked one, some that reach it may not be listed.
    known = rate * comparisons.compared >= MIN_EXPECTED and (start > 0 or comparisons.complete)

    def statistic(times: Times) -> list[float]:
        total = comparisons.strangers_weight(times)
        weight = float(times[strangers.first[start:]] @ times[strangers.second[start:]])
        return [weight / total if known and total else np.nan]

    return statistic


def _some(photos: Photos, rows: NDArray[np.bool_], missed: NDArray[np.bool_]) -> Photos:
    """Only these, their people numbered from 0 again."""
    numbers, renumbered = np.unique(np.concatenate([photos.people[rows], photos.missed[missed]]), return_inverse=True)
    people: Ints = renumbered.astype(np.int32)
    count = int(rows.sum())
    return Photos(photos.embeddings[rows], people[:count], people[count:], len(numbers))


def _rows(manifest: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """As `gallery.sources` reads them, which raises for what is no manifest; with the number of the line."""
    lines = read_text(manifest, "utf-8-sig").splitlines()
    if manifest.suffix.lower() == ".csv":
        reader = csv.DictReader(lines)
        yield from ((reader.line_num, row) for row in reader)
    else:
        yield from ((number, json.loads(line)) for number, line in enumerate(lines, start=1) if line.strip())
