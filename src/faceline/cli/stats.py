"""stats: figures over everything that was found, and pictures of them."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from faceline.analytics.charts import save_charts
from faceline.analytics.statistics import BIN, Statistics, statistics
from faceline.app import App
from faceline.cli.options import Data, Json, common, existing
from faceline.cli.output import counted, note, print_json, print_table, print_text


def register(app: typer.Typer) -> None:
    app.command()(stats)


def stats(
    context: typer.Context,
    since: Annotated[str | None, typer.Option(help="From then on; UTC, ISO 8601.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw them: a PNG, PDF or SVG; needs matplotlib.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Matches by similarity, suspects of each customer, faces and persons over time, statuses."""
    settings = existing(common(context).settings(data))
    with App(settings) as app:
        found = statistics(app.lake, since)
    if plot:
        save_charts(found, plot, settings.matching_notify_similarity)
    if as_json:
        print_json(_document(found))
    else:
        _show(found)
    if found.unreadable:
        note(f"left out: {counted(found.unreadable, 'file that is', 'files that are')} no report; see `faceline sql`")


def _document(found: Statistics) -> dict[str, Any]:
    bins = [{"from": n * BIN, "to": (n + 1) * BIN, "matches": count} for n, count in enumerate(found.similarities)]
    return asdict(found) | {"similarities": bins}


def _show(found: Statistics) -> None:
    since = f" since {found.since}" if found.since else ""
    told = (
        counted(found.faces, "face", "faces"),
        counted(found.reports, "match report", "match reports"),
        counted(found.matches, "match", "matches"),
    )
    print_text(f"{', '.join(told)}{since}")
    if found.statuses:
        print_table(("status", "records"), list(found.statuses.items()))
    if found.matches:
        rows = [(f"{n * BIN}–{(n + 1) * BIN}", count) for n, count in enumerate(found.similarities) if count]
        print_table(("similarity", "matches"), rows)
    if found.suspects:
        suspects = [(s.customer, s.others, s.matches, s.similarity, s.most_similar) for s in found.suspects]
        print_table(("customer", "like others", "matches", "highest similarity", "with"), suspects)
    if found.over_time:
        print_table(
            (found.period, "faces", "matched", "persons"),
            [(p.start, p.faces, p.matched, p.persons) for p in found.over_time],
        )
