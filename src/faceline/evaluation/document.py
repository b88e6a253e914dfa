"""A report as a JSON document and as tables for people. Rates are parts of one (0–1), similarities 0–100."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from faceline.evaluation.groups import GroupRates
from faceline.evaluation.people import FALSE_POSITIVE_RATES, Named
from faceline.evaluation.rates import CLAIMED_SIMILARITIES, FALSE_MATCH_RATES, Estimate
from faceline.evaluation.report import Measured, Report
from faceline.evaluation.suggest import Suggestion
from faceline.similarity import rate_at_similarity

_DIGITS = 5
_OUTCOMES = ("strangers_named", "known_right", "known_wrong", "known_unknown", "known_ambiguous")


def report_document(report: Report) -> dict[str, Any]:
    """What `faceline evaluate --json` prints; docs/reference/evaluation.md describes each key."""
    similarity = float(report.calibration.similarity(report.default.accuracy.threshold))
    document: dict[str, Any] = {
        "model": report.model,
        "calibrated": report.calibration.measured,
        "photos": report.photos,
        "people": report.people,
        "pairs": report.pairs,
        "same_pairs": report.same_pairs,
        "folds": report.folds,
        "accuracy_weighs": "same and different half each" if report.balanced else "every pair the same",
        "threshold": round(similarity, 2),
        **_measured(report.default),
    }
    if report.cosine:
        document["cosine"] = {"threshold": round(report.cosine.accuracy.threshold, 4), **_measured(report.cosine)}
    document["false_matches"] = {
        str(claimed): {"claimed": rate_at_similarity(claimed), "measured": _estimate(measured)}
        for claimed, measured in zip(CLAIMED_SIMILARITIES, report.claims, strict=True)
    }
    if report.named:
        document["rule"] = _named(report.named, report.enrolled)
    if report.suggested:
        document["suggested"] = _suggested(report.suggested)
    if report.groups is not None:
        document["groups_at"] = round(report.groups_at, 2)
        document["groups"] = [_group(each) for each in report.groups]
    document["missed"] = [{"source": refusal.source, "reason": refusal.reason} for refusal in report.missed]
    return document


_MANY_PAIRS = 10_000


def report_table(report: Report) -> Group:
    """For a rich console."""
    weighs = ", same and different half each" if report.balanced else ""
    title = f"{report.model}: {report.photos} photos of {report.people} people, {report.pairs:,} pairs"
    notes = [f"accuracy over {report.folds} folds{weighs}; intervals: 95 %, people drawn anew"]
    if not report.calibration.measured:
        notes.append("this model has no measured calibration: its similarities are provisional")
    if report.pairs < _MANY_PAIRS:
        notes.append("–: too few pairs to tell")
    notes += [f"missed: {refusal.source}: {refusal.reason}" for refusal in report.missed]
    parts: list[Table | Text] = [_scores_table(report, title), _claims_table(report)]
    if report.named:
        parts.append(_named_table(report.named, report.enrolled))
    if report.groups is not None:
        parts.append(_groups_table(report.groups, report.groups_at))
    if report.suggested:
        parts.append(Text(suggestion_text(report.suggested)))
    return Group(*parts, Text("\n".join(notes)))


def rate_label(rate: float) -> str:
    """0.01 → 1e-2."""
    mantissa, exponent = f"{rate:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def percent(estimate: Estimate | None) -> str:
    """`98.72 % (98.11–99.20)`."""
    if estimate is None:
        return "–"
    value = f"{100 * estimate.value:.2f} %"
    return value if estimate.ci95 is None else f"{value} ({100 * estimate.ci95[0]:.2f}–{100 * estimate.ci95[1]:.2f})"


def suggestion_text(suggested: Suggestion) -> str:
    """For people, in lines."""
    s = suggested
    value = f"{s.similarity.value:.2f}"
    if s.similarity.ci95:
        value += f" ({s.similarity.ci95[0]:.2f}–{s.similarity.ci95[1]:.2f})"
    lines = [f"For a false-match rate of {rate_label(s.rate)}, ask for similarity {value}."]
    if not s.measured:
        lines.append(
            f"That is what the calibration says: {s.pairs:,} pairs of strangers are too few to measure it, "
            f"{s.needed_pairs:,} are needed."
        )
    elif s.true_accepts:
        lines.append(f"Of same pairs, {percent(s.true_accepts)} reach it.")
    if s.gallery_size > 1:
        lines.append(
            f"Among {s.gallery_size:,} people, {100 * s.strangers_named:.2g} % of strangers are like somebody."
        )
    return "\n".join(lines)


def _suggested(suggested: Suggestion) -> dict[str, Any]:
    s = suggested
    return {
        "false_match_rate": s.rate,
        "gallery_size": s.gallery_size,
        "similarity": round(s.similarity.value, 2),
        "similarity_ci95": [round(end, 2) for end in s.similarity.ci95] if s.similarity.ci95 else None,
        "measured": s.measured,
        "pairs": s.pairs,
        "needed_pairs": s.needed_pairs,
        "true_accepts": _estimate(s.true_accepts),
        "strangers_named": _round(s.strangers_named),
    }


def _group(group: GroupRates) -> dict[str, Any]:
    rates = {name: _estimate(getattr(group, name)) for name in ("false_match", "false_non_match")}
    counts = {name: getattr(group, name) for name in ("group", "photos", "people", "stranger_pairs", "same_pairs")}
    return counts | rates


def _groups_table(groups: Sequence[GroupRates], at: float) -> Table:
    title = f"Within each group, at similarity {at:.2f}"
    columns = ("group", "photos", "people", "strangers matched", "same pairs refused")
    table = Table(*columns, title=title, title_justify="left")
    for group in groups:
        few = f"too few pairs ({group.stranger_pairs:,})", f"too few pairs ({group.same_pairs:,})"
        rates = (group.false_match, group.false_non_match)
        cells = [percent(rate) if rate else text for rate, text in zip(rates, few, strict=True)]
        table.add_row(escape(group.group), str(group.photos), str(group.people), *cells)
    return table


def _measured(measured: Measured) -> dict[str, Any]:
    accuracy = measured.accuracy.estimate
    document: dict[str, Any] = {
        "accuracy": round(accuracy.value, _DIGITS) if accuracy else None,
        "accuracy_ci95": _interval(accuracy),
        "threshold_score": round(measured.accuracy.threshold, 4),
        "tar": _rates(FALSE_MATCH_RATES, measured.tar),
    }
    if measured.tpir is not None:
        document["rank1"] = round(measured.rank1.value, _DIGITS) if measured.rank1 else None
        document["rank1_ci95"] = _interval(measured.rank1)
        document["tpir"] = _rates(FALSE_POSITIVE_RATES, measured.tpir)
    return document


def _rates(rates: Sequence[float], estimates: Sequence[Estimate | None]) -> dict[str, Any]:
    return {rate_label(rate): _estimate(estimate) for rate, estimate in zip(rates, estimates, strict=True)}


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else {"value": _round(estimate.value), "ci95": _interval(estimate)}


def _interval(estimate: Estimate | None) -> list[float] | None:
    return [_round(end) for end in estimate.ci95] if estimate and estimate.ci95 else None


def _round(rate: float) -> float:
    """Small rates keep three figures."""
    return float(f"{rate:.3g}") if rate < 0.01 else round(rate, _DIGITS)


def _named(named: Named, enrolled: int) -> dict[str, Any]:
    outcomes = {name: _estimate(getattr(named, name)) for name in _OUTCOMES}
    return {"people": enrolled, "threshold": named.threshold, **outcomes}


def _scores_table(report: Report, title: str) -> Table:
    table = Table("", "default score", title=title, title_justify="left")
    columns = [report.default]
    if report.cosine:
        table.add_column("plain cosine")
        columns.append(report.cosine)
    table.add_row("accuracy", *(percent(c.accuracy.estimate) for c in columns))
    similarity = float(report.calibration.similarity(report.default.accuracy.threshold))
    thresholds = [f"similarity {similarity:.1f}", f"cosine {columns[-1].accuracy.threshold:.4f}"]
    table.add_row("best threshold", *thresholds[: len(columns)])
    for i, rate in enumerate(FALSE_MATCH_RATES):
        table.add_row(f"TAR at FMR {rate_label(rate)}", *(percent(c.tar[i]) for c in columns))
    if report.default.tpir is not None:
        table.add_row("rank-1", *(percent(c.rank1) for c in columns))
        for i, rate in enumerate(FALSE_POSITIVE_RATES):
            table.add_row(f"TPIR at FPIR {rate:.0%}", *(percent(c.tpir[i] if c.tpir else None) for c in columns))
    return table


def _claims_table(report: Report) -> Table:
    table = Table("similarity", "claimed strangers above", "measured", title="Calibration", title_justify="left")
    for similarity, measured in zip(CLAIMED_SIMILARITIES, report.claims, strict=True):
        rate = rate_at_similarity(similarity)
        text = "–" if measured is None else f"{measured.value:.2g}"
        if measured and measured.ci95:
            text += f" ({measured.ci95[0]:.2g}–{measured.ci95[1]:.2g})"
        table.add_row(str(similarity), f"1 in {1 / rate:,.0f} ({rate:.0e})", text)
    return table


def _named_table(named: Named, enrolled: int) -> Table:
    title = f"Identification among {enrolled} people, at similarity {named.threshold:.2f}"
    table = Table("", "of these probes", title=title, title_justify="left")
    for name in _OUTCOMES:
        table.add_row(name.replace("_", " "), percent(getattr(named, name)))
    return table
