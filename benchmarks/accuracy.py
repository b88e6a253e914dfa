"""How accurate faceline is on LFW when the cohort and the calibration come from other people. Prints Markdown.

    python benchmarks/accuracy.py ../shared/data/lfw [--cache FILE.npz] [--out FILE.md]

The people are split in halves by sha256(name) mod 2; cohort and calibration come from one half and the report from the
other, both ways. Intervals are 95 %, from drawing people (not pairs) with replacement.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceline.config import load
from faceline.evaluation.accuracy import made_folds
from faceline.evaluation.calibrate import cross_fitted_strangers, fit
from faceline.evaluation.cohort import invent
from faceline.evaluation.comparisons import Comparisons, Ints, Photos, compare_all
from faceline.evaluation.document import percent, rate_label
from faceline.evaluation.embedded import EmbeddedPhotos, embed_photos
from faceline.evaluation.people import (
    FALSE_POSITIVE_RATES,
    Searches,
    find,
    found_first,
    identified,
    outcomes,
    search_first_photos,
)
from faceline.evaluation.rates import (
    CLAIMED_SIMILARITIES,
    FALSE_MATCH_RATES,
    Estimate,
    Statistic,
    Times,
    estimate,
    false_matches,
    true_accepts,
)
from faceline.evaluation.report import Report, evaluate
from faceline.gallery.sources import expand
from faceline.loading import image_limits, open_analyzer, wanted, worker_count
from faceline.models.spaces import BUILTIN, scorer_of
from faceline.similarity import Rule, Scorer, pair_scores, rate_at_similarity
from faceline.types import Vector

RULE = Rule()
ENROLLED = 3
_ENROLLED_PEOPLE, _DRAWS = (10, 50, 100, 250, 400), 12
# What a person with several enrolled photos is compared by. A mean of unit length is nearer to strangers than a photo
# is, a mean as long as it comes out further away; divided by the root of its length it keeps the calibration.
WAYS = {
    "one": "> 3: one photo",
    "mean": "> 3: mean of 3, unit length",
    "damped": "> 3: mean of 3, over the root of its length",
    "best": "> 3: best of 3",
}
FIGURES = (
    *(f"TAR at FMR {rate_label(r)}" for r in FALSE_MATCH_RATES),
    "rank-1",
    *(f"TPIR at FPIR {r:.0%}" for r in FALSE_POSITIVE_RATES),
)


@dataclass(frozen=True, slots=True)
class Half:
    """People that are reported on, and the scorer made from the other people."""

    photos: Photos
    scorer: Scorer

    @property
    def cosine(self) -> Scorer:
        return Scorer(self.scorer.model, self.scorer.calibration, None)


@dataclass(frozen=True, slots=True)
class Both:
    """A statistic on each half, and the mean of the two."""

    halves: tuple[Statistic, Statistic]
    people: tuple[int, int]

    def __call__(self, times: Times) -> list[float]:
        first, second = np.split(times, [self.people[0]])
        pair = (self.halves[0](first), self.halves[1](second))
        return [(a + b) / 2 for a, b in zip(*pair, strict=True)]

    def estimates(self) -> list[Estimate | None]:
        return estimate(self, sum(self.people))

    def rows(self) -> list[list[str]]:
        """For each value: both halves, and the mean with its interval."""
        each = [h(np.ones(n)) for h, n in zip(self.halves, self.people, strict=True)]
        return [
            [*(f"{100 * v:.2f}" for v in values), percent(mean)]
            for *values, mean in zip(*each, self.estimates(), strict=True)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "faceline-accuracy-lfw.npz")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    embedded = embeddings_of(given.lfw / "images", given.cache)
    halves = halves_of(embedded)
    sections = (
        f"# Accuracy on {len(embedded.paths):,} LFW photos, {len(embedded.missed)} missed\n\n{BUILTIN.model}",
        "## The official pairs (shipped cohort)\n\n" + official_pairs(given.lfw / "pairs.csv", embedded),
        "## People never seen: halves, cross-fitted\n\n" + cross_fitted(halves),
        "## The calibration on people never seen\n\n" + calibration_check(halves),
        f"## The default rule, and {ENROLLED} photos a person against one\n\n" + several_photos(halves),
        "## Searches by the table of thresholds\n\n" + searched(halves),
        "## All people at once, plain cosine and the shipped cohort\n\n" + whole(embedded),
    )
    text = "\n\n".join(sections) + "\n"
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")


def embeddings_of(images: Path, cache: Path) -> EmbeddedPhotos:
    """From the cache where it is there: delete it after a change of the engine."""
    if not cache.is_file():
        settings = load()
        analyzer = open_analyzer(settings)
        photos = [(item.path, item.name) for item in expand(images)]
        made = embed_photos(photos, analyzer, image_limits(settings), worker_count(settings), None, wanted(settings))
        reasons = np.array(made.missed, dtype=np.str_).reshape(-1, 2)
        np.savez(cache, paths=made.paths, people=made.people, embeddings=made.embeddings, missed=reasons)
    with np.load(cache) as kept:
        missed = tuple((str(path), str(reason)) for path, reason in kept["missed"].reshape(-1, 2))
        return EmbeddedPhotos(tuple(map(str, kept["paths"])), kept["people"], kept["embeddings"], missed)


def halves_of(embedded: EmbeddedPhotos) -> tuple[Half, Half]:
    half = np.array([hashlib.sha256(name.encode()).digest()[-1] % 2 for name in embedded.people.tolist()])
    return _half(embedded, half == 0), _half(embedded, half == 1)


def _half(embedded: EmbeddedPhotos, own: np.ndarray) -> Half:
    """`own` are reported on; the scorer is made from the others."""
    embeddings, people = embedded.embeddings[~own], embedded.people[~own]
    calibration = fit(cross_fitted_strangers(embeddings, people)).calibration
    return Half(
        _photos(embedded.embeddings[own], embedded.people[own]),
        Scorer(BUILTIN.model, calibration, invent(embeddings, people)),
    )


def _photos(embeddings: Vector, people: np.ndarray) -> Photos:
    names, numbers = np.unique(people, return_inverse=True)
    return Photos(embeddings, numbers.astype(np.int32), np.empty(0, dtype=np.int32), len(names))


def both(halves: tuple[Half, Half], statistic: Callable[[Half], Statistic]) -> Both:
    first, second = halves
    return Both((statistic(first), statistic(second)), (first.photos.count, second.photos.count))


def figures(photos: Photos, scorer: Scorer) -> Statistic:
    comparisons, searches = _compared(photos, scorer), _searched(photos, scorer)
    parts = (true_accepts(comparisons), found_first(searches), identified(searches, min_expected=0))
    return lambda times: [value for part in parts for value in part(times)]


def _compared(photos: Photos, scorer: Scorer) -> Comparisons:
    return compare_all(photos, scorer, made_folds(photos.count))


def _searched(photos: Photos, scorer: Scorer) -> Searches:
    searches = search_first_photos(photos, scorer)
    assert searches is not None
    return searches


def cross_fitted(halves: tuple[Half, Half]) -> str:
    cosine = both(halves, lambda half: figures(half.photos, half.cosine))
    default = both(halves, lambda half: figures(half.photos, half.scorer))
    ahead = estimate(
        lambda times: [d - c for d, c in zip(default(times), cosine(times), strict=True)], sum(cosine.people)
    )
    columns = zip(FIGURES, cosine.rows(), default.rows(), map(points, ahead), strict=True)
    head = ("%", "cosine, half 0", "half 1", "mean", "default, half 0", "half 1", "mean", "default ahead, points")
    return table(head, ([name, *c, *d, a] for name, c, d, a in columns))


def searched(halves: tuple[Half, Half]) -> str:
    """How many strangers a search for faces names that takes the rule's threshold for so many faces."""
    rng, rows = np.random.default_rng(0), []
    for several in (False, True):
        for enrolled in _ENROLLED_PEOPLE:
            draws = [[_strangers(half, enrolled, several, rng) for _ in range(_DRAWS)] for half in halves]
            (first, second), faces = np.array(draws)[:, :, 0].mean(axis=1), np.array(draws)[:, :, 1].mean()
            way = "all their photos" if several else "one photo each"
            threshold = RULE.threshold(round(faces))
            rates = (f"{100 * rate:.2f}" for rate in (first, second, (first + second) / 2))
            rows.append([str(enrolled), way, f"{faces:.0f}", f"{threshold:.2f}", *rates])
    head = ("people enrolled", "with", "faces", "threshold", "strangers named %, half 0", "half 1", "mean")
    return table(head, rows)


def _strangers(half: Half, enrolled: int, several: bool, rng: np.random.Generator) -> tuple[float, int]:
    """The part of the others' photos that match anybody, and how many faces there are to match."""
    photos, scorer = half.photos, half.scorer
    inside = np.isin(photos.people, rng.choice(photos.count, enrolled, replace=False))
    rows = np.flatnonzero(inside)
    if not several:
        rows = rows[np.unique(photos.people[rows], return_index=True)[1]]
    gallery, probes = (scorer.normalise(photos.embeddings[some]) for some in (rows, ~inside))
    best = pair_scores(gallery, probes).max(axis=0)
    matched = scorer.calibration.similarity(best) >= RULE.threshold(len(rows))
    return float(matched.mean()), len(rows)


def calibration_check(halves: tuple[Half, Half]) -> str:
    measured = both(halves, lambda half: false_matches(_compared(half.photos, half.scorer), half.scorer.calibration))
    each = [h(np.ones(n)) for h, n in zip(measured.halves, measured.people, strict=True)]
    rows = []
    for i, similarity in enumerate(CLAIMED_SIMILARITIES):
        claimed = rate_at_similarity(similarity)
        mean = measured.estimates()[i]
        assert mean is not None
        assert mean.ci95 is not None
        ends = "–".join(f"{end / claimed:.2f}" for end in mean.ci95)
        ratios = [f"{half[i] / claimed:.2f}" for half in each]
        rows.append([str(similarity), rate_label(claimed), *ratios, f"{mean.value / claimed:.2f} ({ends})"])
    return table(("similarity", "claimed rate", "measured / claimed, half 0", "half 1", "mean"), rows)


def several_photos(halves: tuple[Half, Half]) -> str:
    names = ("rank-1", "TPIR at FPIR 1 %", "strangers named", "known named rightly", "wrongly", "unknown", "ambiguous")
    first_photos = both(halves, lambda half: _rule_figures(_searched(half.photos, half.scorer), half))
    columns = [("every person with ≥ 2: one photo", first_photos)]
    for how, title in WAYS.items():
        columns.append((title, both(halves, _several(how, cosine=False))))
        columns.append((f"{title}, cosine", both(halves, _several(how, cosine=True))))
    cells = [[percent(e) for e in column.estimates()] for _, column in columns]
    for (title, _), column in zip(columns, cells, strict=True):
        column[2:] = ["–"] * 5 if title.endswith("cosine") else column[2:]
    return table(("people enrolled with", *names), ([t, *cell] for (t, _), cell in zip(columns, cells, strict=True)))


def _several(how: str, cosine: bool) -> Callable[[Half], Statistic]:
    return lambda half: _rule_figures(_enrolled(half.photos, half.cosine if cosine else half.scorer, how), half)


def _rule_figures(searches: Searches, half: Half) -> Statistic:
    parts = (
        found_first(searches),
        identified(searches, (0.01,), min_expected=0),
        outcomes(searches, half.scorer.calibration, RULE),
    )
    return lambda times: [value for part in parts for value in part(times)]


def _enrolled(photos: Photos, scorer: Scorer, how: str) -> Searches:
    """People with more than ENROLLED photos are enrolled with their first ones; strangers: a photo of each other one.

    how: one of WAYS.
    """
    rank = np.array([np.sum(photos.people[:i] == person) for i, person in enumerate(photos.people)])
    many = np.bincount(photos.people)[photos.people] > ENROLLED
    rows = np.flatnonzero(many & (rank < (1 if how == "one" else ENROLLED)))
    templates, people = photos.embeddings[rows], photos.people[rows]
    if how in ("mean", "damped"):
        templates, people = _means(templates, people, 1.0 if how == "mean" else 0.5)
    gallery = scorer.normalise(templates)
    known, unknown = (
        find(photos.embeddings[probes], photos.people[probes], gallery, people, scorer)
        for probes in (many & (rank >= ENROLLED), ~many & (rank == 0))
    )
    return Searches(known, unknown, len(np.unique(people)), photos.count)


def _means(embeddings: Vector, people: Ints, power: float) -> tuple[Vector, Ints]:
    """Each person's mean, divided by this power of its length."""
    whose = np.unique(people)
    means = np.stack([embeddings[people == person].mean(axis=0) for person in whose])
    return (means / np.linalg.norm(means, axis=1, keepdims=True) ** power).astype(np.float32), whose


def official_pairs(path: Path, embedded: EmbeddedPhotos) -> str:
    report = _evaluated(path, embedded)
    assert report.cosine is not None
    accuracies = [percent(m.accuracy.estimate) for m in (report.default, report.cosine)]
    return table(
        ("pairs", "folds", "missed", "accuracy, default score", "accuracy, plain cosine"),
        [[str(report.pairs), str(report.folds), str(len(report.missed)), *accuracies]],
    )


def whole(embedded: EmbeddedPhotos) -> str:
    """The default score here is too good by a little: its cohort was invented from these very people."""
    photos, scorer = _photos(embedded.embeddings, embedded.people), scorer_of(BUILTIN)
    plain = Scorer(scorer.model, scorer.calibration, None)
    columns = [estimate(figures(photos, by), photos.count) for by in (plain, scorer)]
    rows = [[name, percent(c), percent(d)] for name, c, d in zip(FIGURES, *columns, strict=True)]
    answers = estimate(outcomes(_searched(photos, scorer), scorer.calibration, RULE), photos.count)
    names = ("strangers named", "known named rightly", "wrongly", "unknown", "ambiguous")
    rows += [[name, "–", percent(answer)] for name, answer in zip(names, answers, strict=True)]
    return table(("", "plain cosine", "default, cohort from these people"), rows)


def _evaluated(path: Path, embedded: EmbeddedPhotos) -> Report:
    row_of = {path: row for row, path in enumerate(embedded.paths)}

    def embed(photos: Sequence[tuple[Path, str]]) -> EmbeddedPhotos:
        asked = [(str(photo), name) for photo, name in photos]
        there = [(photo, name) for photo, name in asked if photo in row_of]
        missed = tuple(m for m in embedded.missed if m[0] in dict(asked))
        vectors = embedded.embeddings[[row_of[photo] for photo, _ in there]]
        return EmbeddedPhotos(tuple(p for p, _ in there), np.array([n for _, n in there]), vectors, missed)

    return evaluate(path, embed, scorer_of(BUILTIN))


def points(difference: Estimate | None) -> str:
    if difference is None or difference.ci95 is None:
        return "–"
    return f"{100 * difference.value:+.2f} ({100 * difference.ci95[0]:+.2f} to {100 * difference.ci95[1]:+.2f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    lines.insert(1, "|" + " --- |" * len(head))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
