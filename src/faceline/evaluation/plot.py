"""A picture of a report: histograms of both kinds of pairs, and the receiver operating characteristic."""

from pathlib import Path
from typing import TYPE_CHECKING

from faceline.errors import UsageError
from faceline.evaluation.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIMILARITIES = (0, 50, 80, 90, 99, 99.9)
_SAME, _DIFFERENT, _GREY = "#1b6ca8", "#c8553d", "#777777"


def save_plot(report: Report, path: Path) -> None:
    """Writes a PNG, PDF or SVG, as the suffix says.

    Raises UsageError when matplotlib is not installed, the suffix is none of these, or the file cannot be written.
    """
    try:
        # Only this command needs matplotlib; Figure draws on its own canvas and leaves pyplot's state alone.
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("a plot needs matplotlib: pip install matplotlib") from error
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"{path}: cannot write such a plot; name a file ending in .png, .pdf or .svg")
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_histograms(left, report)
    _draw_curves(right, report)
    figure.suptitle(f"{report.model}: {report.photos:,} photos of {report.people:,} people, {report.pairs:,} pairs")
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise UsageError(f"{path}: the plot cannot be written ({error}); name a writable file") from error


def _draw_histograms(axes: "Axes", report: Report) -> None:
    edges = report.histogram.edges
    for counts, label, colour in (
        (report.histogram.different, "different people", _DIFFERENT),
        (report.histogram.same, "same person", _SAME),
    ):
        if counts.sum():
            axes.stairs(counts / counts.sum(), edges, fill=True, alpha=0.55, color=colour, label=label)
    axes.axvline(report.default.accuracy.threshold, color="black", linewidth=1, linestyle="--", label="best threshold")
    # The scale of the score is even; the similarities are marked where they lie on it.
    ticks = [report.calibration.score_at(s) for s in _SIMILARITIES]
    axes.set_xticks(ticks, [f"{s:g}" for s in _SIMILARITIES], rotation=90)
    axes.set_xlabel("similarity (0–100)")
    axes.set_ylabel("part of the pairs")
    axes.set_xlim(float(edges[0]), float(edges[-1]))
    axes.legend(frameon=False)


def _draw_curves(axes: "Axes", report: Report) -> None:
    curves = [("default score", report.default.curve, _SAME)]
    if report.cosine:
        curves.append(("plain cosine", report.cosine.curve, _GREY))
    for label, curve, colour in curves:
        axes.plot(curve.false_match, curve.true_accept, label=label, color=colour)
    axes.set_xscale("log")
    axes.set_ylim(min([0.9, *(float(c.true_accept.min()) for _, c, _ in curves if len(c.true_accept))]) - 0.02, 1.005)
    axes.set_xlabel("strangers accepted (false-match rate)")
    axes.set_ylabel("same pairs accepted (TAR)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
