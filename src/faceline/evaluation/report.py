"""How well faces of labelled photos are recognised, as one frozen report."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from faceline.errors import InputError, UsageError
from faceline.evaluation.accuracy import Accuracy, cross_validate, made_folds
from faceline.evaluation.comparisons import Comparisons, Folds, Histogram, Photos, compare_all
from faceline.evaluation.curves import Curve, curve_of
from faceline.evaluation.embedded import EmbeddedPhotos
from faceline.evaluation.groups import At, GroupRates, rates_of_groups, read_groups
from faceline.evaluation.listed import compare_listed
from faceline.evaluation.pairs import Pair, people_of, read_pairs
from faceline.evaluation.people import Named, Searches, found_first, identified, named, search_first_photos
from faceline.evaluation.rates import Estimate, estimate, false_matches, true_accepts
from faceline.evaluation.suggest import Suggestion, suggest
from faceline.files import is_file, is_folder, read_text
from faceline.gallery.sources import expand
from faceline.similarity import Calibration, Rule, Scorer, rate_at_similarity
from faceline.types import Refusal

Embed = Callable[[Sequence[tuple[Path, str]]], EmbeddedPhotos]
DEFAULT_RULE = Rule()


@dataclass(frozen=True, slots=True)
class Asked:
    """What else to say. false_match_rate: suggests a similarity for it, with gallery_size people enrolled. group: a
    column of the manifest; rates are told for the pairs within each of its values."""

    false_match_rate: float | None = None
    gallery_size: int = 1
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one score. threshold: the score that tells most pairs right. tar: at rates.FALSE_MATCH_RATES. tpir: at
    people.FALSE_POSITIVE_RATES; it and rank1 are None where nobody has two photos, and their entries where there are
    too few strangers."""

    accuracy: Accuracy
    tar: tuple[Estimate | None, ...]
    rank1: Estimate | None
    tpir: tuple[Estimate | None, ...] | None
    curve: Curve


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What was measured.

    pairs: how many, same_pairs of them of one person, missed photos included. balanced: whether the accuracy weighs
    both kinds half each, as for folders, where strangers are nearly all. folds: how many the accuracy was
    cross-validated over. default: the score that faceline uses; cosine: the plain one, None where that is the same.
    claims: the false-match rates measured at rates.CLAIMED_SIMILARITIES. named: what the rule answers, for folders.
    suggested, groups: what was asked for besides; the groups' rates are at the similarity groups_at.
    """

    model: str
    calibration: Calibration
    photos: int
    people: int
    pairs: int
    same_pairs: int
    folds: int
    balanced: bool
    default: Measured
    cosine: Measured | None
    claims: tuple[Estimate | None, ...]
    named: Named | None
    enrolled: int
    missed: tuple[Refusal, ...]
    histogram: Histogram
    suggested: Suggestion | None = None
    groups: tuple[GroupRates, ...] | None = None
    groups_at: float = 0.0


def is_labelled(target: Path) -> bool:
    """Whether it names the person on every photo: a folder, or a manifest with path and name; no file of pairs."""
    if is_folder(target) or target.suffix.lower() == ".jsonl":
        return True
    try:
        columns = next(csv.reader(read_text(target, "utf-8-sig").splitlines()), [])
    except (OSError, ValueError, csv.Error):
        return False  # whoever reads it says why
    return "path" in columns and "name" in columns


def evaluate(
    target: Path, embed: Embed, scorer: Scorer, rule: Rule = DEFAULT_RULE, asked: Asked | None = None
) -> Report:
    """Measures on a CSV of pairs, or on a folder `Name/photo.jpg` or a manifest: all pairs, and one against all.

    embed: gives the embeddings of photos with names, as `embedded.embed_photos` does. A photo that is missed counts
    against: its pairs as told wrong, its same pairs as not accepted, as a known probe as not found; it is no false
    match, and no stranger. Raises UsageError for a target that is neither, InputError with the line of a malformed CSV.
    """
    asked = asked or Asked()
    if is_labelled(target):
        return _evaluate_labelled(target, embed, scorer, rule, asked)
    if asked.group:
        raise UsageError(f"{target} has no groups; --group needs a manifest with the columns path, name, {asked.group}")
    if not is_file(target):
        raise UsageError(f"{target}: no such file or folder; give a CSV of pairs or a folder Name/photo.jpg")
    return _evaluate_pairs(target, embed, scorer, asked)


def photos_of(embedded: EmbeddedPhotos, name_of: dict[str, str]) -> Photos:
    """name_of: the name on every photo, missed ones too."""
    numbers = {name: number for number, name in enumerate(sorted(set(name_of.values())))}
    missed = np.array([numbers[name_of[path]] for path, _ in embedded.missed], dtype=np.int32)
    people = np.array([numbers[str(name)] for name in embedded.people], dtype=np.int32)
    return Photos(embedded.embeddings, people, missed, len(numbers))


def _evaluate_labelled(target: Path, embed: Embed, scorer: Scorer, rule: Rule, asked: Asked) -> Report:
    if asked.group and is_folder(target):
        raise UsageError(f"{target} is a folder; --group needs a manifest with the columns path, name, {asked.group}")
    items = expand(target)
    groups = read_groups(target, asked.group) if asked.group else None
    embedded = embed([(item.path, item.name) for item in items])
    _need_faces(target, embedded)
    photos = photos_of(embedded, {str(item.path): item.name for item in items})
    folds = made_folds(photos.count)

    def measure(by: Scorer, fallback: float) -> tuple[Comparisons, Searches | None, Measured]:
        comparisons = compare_all(photos, by, folds)
        searches = search_first_photos(photos, by)
        return comparisons, searches, _measured(comparisons, searches, True, fallback)

    comparisons, searches, measured = measure(scorer, _fallback(scorer, rule))
    cosine = measure(_plain(scorer), np.inf)[2] if scorer.cohort else None
    report = _report(scorer, comparisons, measured, cosine, embedded)
    answers = named(searches, scorer.calibration, rule) if searches else None
    enrolled = searches.enrolled if searches else 0
    report = replace(report, named=answers, enrolled=enrolled, folds=len(np.unique(folds)), balanced=True)
    report = _suggesting(report, comparisons, asked)
    if groups is None:
        return report
    suggested = report.suggested
    similarity = suggested.similarity.value if suggested else rule.min_similarity
    at = At(similarity, suggested.rate if suggested else rate_at_similarity(similarity))
    missed = [path for path, _ in embedded.missed]
    rates = rates_of_groups(photos, embedded.paths, missed, groups, scorer, at)
    return replace(report, groups=tuple(rates), groups_at=similarity)


def _suggesting(report: Report, comparisons: Comparisons, asked: Asked) -> Report:
    if asked.false_match_rate is None:
        return report
    found = suggest(comparisons, report.calibration, asked.false_match_rate, asked.gallery_size)
    return replace(report, suggested=found)


def _evaluate_pairs(target: Path, embed: Embed, scorer: Scorer, asked: Asked) -> Report:
    pairs = read_pairs(target)
    people = people_of(pairs)
    embedded = embed([(photo, str(person)) for photo, person in people.items()])
    _need_faces(target, embedded)
    folds = _folds_of(pairs, people)

    def measure(by: Scorer, fallback: float) -> tuple[Comparisons, Measured]:
        comparisons = compare_listed(pairs, embedded, people, folds, by)
        return comparisons, _measured(comparisons, None, False, fallback)

    comparisons, measured = measure(scorer, _fallback(scorer, DEFAULT_RULE))
    cosine = measure(_plain(scorer), np.inf)[1] if scorer.cohort else None
    report = _report(scorer, comparisons, measured, cosine, embedded)
    return _suggesting(replace(report, folds=len(np.unique(folds))), comparisons, asked)


def _measured(comparisons: Comparisons, searches: Searches | None, balanced: bool, fallback: float) -> Measured:
    return Measured(
        cross_validate(comparisons, balanced, fallback),
        tuple(estimate(true_accepts(comparisons), comparisons.people)),
        estimate(found_first(searches), searches.people)[0] if searches else None,
        tuple(estimate(identified(searches), searches.people)) if searches else None,
        curve_of(comparisons),
    )


def _report(
    scorer: Scorer, comparisons: Comparisons, measured: Measured, cosine: Measured | None, embedded: EmbeddedPhotos
) -> Report:
    same = len(comparisons.same.scores)
    return Report(
        model=scorer.model,
        calibration=scorer.calibration,
        photos=len(embedded.paths) + len(embedded.missed),
        people=comparisons.people,
        pairs=same + comparisons.compared + comparisons.lost,
        same_pairs=same,
        folds=0,
        balanced=False,
        default=measured,
        cosine=cosine,
        claims=tuple(estimate(false_matches(comparisons, scorer.calibration), comparisons.people)),
        named=None,
        enrolled=0,
        missed=tuple(Refusal(path, reason.removeprefix(f"{path}: ")) for path, reason in embedded.missed),
        histogram=comparisons.histogram,
    )


def _folds_of(pairs: Sequence[Pair], people: dict[Path, int]) -> Folds:
    """int16 (2, n). The file's folds where it has at least two, else made ones, in which a person is in one only."""
    given = sorted({pair.fold for pair in pairs if pair.fold is not None})
    if len(given) >= 2:
        fold = [given.index(str(pair.fold)) for pair in pairs]
        return np.array([fold, fold], dtype=np.int16)
    fold_of = made_folds(max(people.values()) + 1)
    return np.array([[fold_of[people[p.path_a]], fold_of[people[p.path_b]]] for p in pairs], dtype=np.int16).T


def _plain(scorer: Scorer) -> Scorer:
    return Scorer(scorer.model, scorer.calibration, None)


def _fallback(scorer: Scorer, rule: Rule) -> float:
    return scorer.calibration.score_at(rule.min_similarity)


def _need_faces(target: Path, embedded: EmbeddedPhotos) -> None:
    if not embedded.paths:
        path, reason = embedded.missed[0]
        raise InputError(f"{target}: no photo can be used; the first is {path}: {reason}")
