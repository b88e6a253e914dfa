"""Statistics as one picture: similarities, suspects, faces and persons over time, statuses."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from faceline.analytics.statistics import BIN, Statistics
from faceline.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that differ for every kind of sight: Okabe and Ito, https://jfly.uni-koeln.de/color/
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
_STATUSES = {"matched": _BLUE, "unknown": _ORANGE, "ambiguous": "#E69F00", "detected": _GREEN}
_FONTS = (
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
)
_MOST_BARS = 15
_NAME = 24  # characters of a customer that are shown
_FEW = 40  # points that are marked, so that one by itself can be seen


def save_charts(found: Statistics, path: Path, notify_similarity: float) -> None:
    """Writes a PNG, PDF or SVG, as the suffix says. notify_similarity: from where on a match is told.

    Raises MissingExtraError without matplotlib, UsageError when the suffix is none of these or the file cannot be
    written.
    """
    try:
        # Only this command needs matplotlib; Figure draws on its own canvas and leaves pyplot's state alone.
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("a plot needs matplotlib: pip install matplotlib") from error
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"{path}: cannot write such a plot; name a file ending in .png, .pdf or .svg")
    with _drawing():
        figure = Figure(figsize=(13, 9), layout="constrained")
        _draw(figure, found, notify_similarity)
        try:
            figure.savefig(path, dpi=110)
        except OSError as error:
            raise UsageError(f"{path}: the plot cannot be written ({error}); name a writable file") from error


@contextmanager
def _drawing() -> Iterator[None]:
    """Names of all scripts: with the fonts that are there, else as boxes; in an SVG they stay text."""
    import matplotlib  # noqa: PLC0415
    from matplotlib.font_manager import get_font_names  # noqa: PLC0415

    fonts = ["DejaVu Sans", *(name for name in _FONTS if name in get_font_names())]
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": fonts}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _draw(figure: "Figure", found: Statistics, notify_similarity: float) -> None:
    (similarities, suspects), (times, statuses) = figure.subplots(2, 2)
    _draw_similarities(similarities, found, notify_similarity)
    _draw_suspects(suspects, found)
    _draw_times(times, found)
    _draw_statuses(statuses, found)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(_headline(found), fontsize=14)


def _headline(found: Statistics) -> str:
    since = f", since {found.since[:10]}" if found.since else ""
    return f"{_n(found.faces, 'face')} · {_n(found.reports, 'match report')} · {_n(found.matches, 'match')}{since}"


def _draw_similarities(axes: "Axes", found: Statistics, notify_similarity: float) -> None:
    axes.set_title("Matches with other customers, by similarity", loc="left")
    if not found.matches:
        _draw_nothing(axes, "no matches yet")
        return
    first = next(n for n, count in enumerate(found.similarities) if count) * BIN
    first = min(first, 50)
    counts = found.similarities[first // BIN :]
    edges = list(range(first, 101, BIN))
    axes.bar([left + BIN / 2 for left in edges[:-1]], counts, BIN * 0.92, color=_BLUE)
    axes.axvline(notify_similarity, color=_ORANGE, linestyle="--", linewidth=1.5)
    axes.annotate(
        f"notified from {notify_similarity:g} on ",
        (notify_similarity, 1), xycoords=("data", "axes fraction"), ha="right", va="top", color=_ORANGE,
    )  # fmt: skip
    axes.set_xticks(edges[:: 1 if len(edges) <= 12 else 2])
    axes.set_xlim(first, 100)
    axes.set_xlabel("similarity (0–100)")
    axes.set_ylabel("matches")
    _count_from_zero(axes, max(counts))


def _draw_suspects(axes: "Axes", found: Statistics) -> None:
    axes.set_title("Customers matched with the most other customers", loc="left")
    shown = found.suspects[:_MOST_BARS]
    if not shown:
        _draw_nothing(axes, "no matches yet")
        return
    places = range(len(shown))
    axes.barh(places, [each.others for each in shown], 0.7, color=_BLUE)
    axes.set_yticks(places, [_short(each.customer) for each in shown])
    for place, each in zip(places, shown, strict=True):
        text = f" {each.similarity:.2f} with {_short(each.most_similar)}"
        axes.annotate(text, (each.others, place), va="center", fontsize=8, color=_GREY)
    axes.set_xlabel("other customers matched; beside it the highest similarity")
    most = max(each.others for each in shown)
    axes.set_xlim(0, most * 1.6)  # room for the text
    axes.set_xticks(_whole_ticks(most))
    axes.set_ylim(max(len(shown), 5) - 0.2, -0.8)  # the first is at the top


def _draw_times(axes: "Axes", found: Statistics) -> None:
    axes.set_title(f"Faces found and persons recognised, by {found.period}", loc="left")
    if not found.over_time:
        _draw_nothing(axes, "no faces yet")
        return
    days = [datetime.fromisoformat(point.start).replace(tzinfo=UTC) for point in found.over_time]
    places = [day.timestamp() / 86_400 for day in days]
    lines = (
        ("faces", [p.faces for p in found.over_time], _GREY, "o-", 9),
        ("faces matched", [p.matched for p in found.over_time], _BLUE, "s-", 7),
        ("different persons", [p.persons for p in found.over_time], _ORANGE, "D--", 4),
    )
    for label, values, colour, style, size in lines:
        # Smaller ones over larger ones: all are seen where they have one value.
        axes.plot(places, values, style, markersize=size if len(days) <= _FEW else 0, color=colour, label=label)
    _date(axes, days, found.period)
    axes.set_ylabel(f"number in each {found.period}")
    _count_from_zero(axes, max(point.faces for point in found.over_time), room=1.25)
    axes.legend(frameon=False, loc="upper left", ncols=3)


def _draw_statuses(axes: "Axes", found: Statistics) -> None:
    axes.set_title("Records by status", loc="left")
    if not found.statuses:
        _draw_nothing(axes, "no records yet")
        return
    shown = list(found.statuses.items())
    places = range(len(shown))
    bars = axes.barh(places, [n for _, n in shown], 0.6, color=[_STATUSES.get(status, _GREY) for status, _ in shown])
    axes.bar_label(bars, [f"{n:,}" for _, n in shown], padding=4)
    axes.set_yticks(places, [status for status, _ in shown])
    axes.set_xlabel("faces (errors: photos)")
    most = max(n for _, n in shown)
    axes.set_xlim(0, most * 1.15)
    axes.set_xticks(_whole_ticks(most), [f"{n:,}" for n in _whole_ticks(most)])
    axes.set_ylim(max(len(shown), 4) - 0.2, -0.8)


def _draw_nothing(axes: "Axes", text: str) -> None:
    axes.set_axis_off()
    axes.annotate(text, (0.5, 0.5), xycoords="axes fraction", ha="center", va="center", color=_GREY, fontsize=12)


def _date(axes: "Axes", days: list[datetime], period: str) -> None:
    """As many dates as can be read, each at a point."""
    shown = days[:: max(1, -(-len(days) // 7))]
    one_year = shown[0].year == days[-1].year
    form = "%b %Y" if period == "month" else "%d %b" if one_year else "%d %b %Y"
    axes.set_xticks([day.timestamp() / 86_400 for day in shown], [day.strftime(form).lstrip("0") for day in shown])
    if len(days) == 1:
        axes.margins(x=1)
    first = "weeks from Monday on, " if period == "week" else ""
    axes.set_xlabel(f"{first}{f'{days[0].year}, ' if one_year else ''}UTC")


def _count_from_zero(axes: "Axes", most: int, room: float = 1.1) -> None:
    ticks = _whole_ticks(most)
    axes.set_yticks(ticks, [f"{n:,}" for n in ticks])
    axes.set_ylim(0, max(most, 1) * room)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)


def _whole_ticks(most: int) -> list[int]:
    """From 0 to `most` in about five steps of 1, 2 or 5 times a power of ten: half a face is none."""
    step, factors = 1, (2, 2.5, 2)
    number = 0
    while most / step > 6:
        step = int(step * factors[number % 3])
        number += 1
    return list(range(0, most + 1, step))


def _short(name: str) -> str:
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name).replace("$", r"\$")
    return plain if len(plain) <= _NAME else f"{plain[: _NAME - 1]}…"


def _n(number: int, word: str) -> str:
    many = f"{word}es" if word.endswith("ch") else f"{word}s"
    return f"{number:,} {word if number == 1 else many}"
