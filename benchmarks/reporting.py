"""What every benchmark prints its Markdown with: medians, ratios, bars, tables, and what it ran on."""

import os
import platform
import shlex
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from faceline.engine.session import cores
from faceline.models.cpu import cpu_identity

_PACKAGES = ("faceline", "onnxruntime", "numpy", "pillow")


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that has to be reached. at_least: else it may be at most `limit`."""

    what: str
    value: float
    limit: float
    at_least: bool
    unit: str = ""

    @property
    def reached(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def row(self) -> list[str]:
        sign = "≥" if self.at_least else "≤"
        answer = "reached" if self.reached else "**missed**"
        unit = f" {self.unit}" if self.unit else ""
        return [self.what, f"{number(self.value)}{unit}", f"{sign} {self.limit:g}{unit}", answer]


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def spread(values: Sequence[float]) -> str:
    """`12.3 (11.9–12.8)`: median, lowest, highest."""
    return f"{number(median(values))} ({number(min(values))}–{number(max(values))})"


def times_less(ours: float, theirs: float) -> float:
    """How many times as much the other one takes. ours: above 0."""
    if ours <= 0:
        raise ValueError(f"a cost of {ours} cannot be compared with")
    return theirs / ours


def number(value: float) -> str:
    """Three significant figures, without an exponent; whole numbers whole."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are taken as they are."""
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    lines.insert(1, "|" + " --- |" * len(head))
    return "\n".join(lines)


def bars(reached: Iterable[Bar]) -> str:
    return table(("bar", "measured", "wanted", ""), [bar.row() for bar in reached])


def command_line() -> str:
    """What was typed, from the repository's root."""
    script = Path(sys.argv[0]).resolve()
    root = Path(__file__).resolve().parents[1]
    name = str(script.relative_to(root)) if script.is_relative_to(root) else script.name
    return shlex.join(["python", name, *sys.argv[1:]])


def machine(more_versions: dict[str, str] | None = None) -> str:
    """The command, the machine, the date and the versions, as the lines that a section opens with."""
    identity = cpu_identity()
    vnni = "yes" if "vnni" in identity else "no"
    versions = {name: version(name) for name in _PACKAGES} | (more_versions or {})
    listed = ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))
    lines = [
        f"`{command_line()}`",
        "",
        f"- {datetime.now(UTC).date().isoformat()}, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}",
        f"- CPU: {identity}; VNNI: {vnni}; cores: {cores()}; load before: {os.getloadavg()[0]:.1f}",
        f"- {listed}",
    ]
    return "\n".join(lines)
