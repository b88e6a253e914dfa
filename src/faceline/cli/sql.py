"""sql: questions to everything that was found."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from faceline.analytics.lake import Compacted
from faceline.app import App
from faceline.cli.options import Data, Json, common, existing
from faceline.cli.output import counted, note, print_json, print_table
from faceline.errors import UsageError
from faceline.spreadsheets import csv_line

_SLOW = 20_000  # documents read as JSON: from here on Parquet copies are felt


def register(app: typer.Typer) -> None:
    app.command()(sql)


def sql(
    context: typer.Context,
    query: Annotated[str | None, typer.Argument(help="One SELECT; SHOW TABLES says what there is.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000_000, help="Rows shown.")] = 1000,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values on standard output.")] = False,
    compact: Annotated[
        bool, typer.Option("--compact", help="Copy new results to Parquet, so that queries read them faster.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Ask for records, processed photos, clips and match reports in SQL; nothing can be changed by it."""
    if compact == (query is not None):
        raise UsageError("give a query, as in: faceline sql 'SELECT * FROM records', or --compact")
    if as_csv and as_json:
        raise UsageError("--csv and --json are two forms of one answer; give one of them")
    if as_csv and compact:
        raise UsageError("--compact answers no query; leave --csv out")
    with App(existing(common(context).settings(data))) as app:
        if compact:
            _show_compacted(app.lake.compact(), as_json)
            return
        assert query is not None
        answer = app.lake.query(query, limit)
    table = answer.table
    _show(_unique(table.columns), table.rows, as_json, as_csv)
    if table.more:
        note(f"these are the first {limit:,} rows; --limit asks for more")
    if answer.unreadable:
        files = counted(answer.unreadable, "file that is", "files that are")
        note(f"left out: {files} no result; see the table unreadable")
    if answer.read >= _SLOW:
        note(f"{answer.read:,} results were read from JSON; `faceline sql --compact` makes that faster")


def _show(columns: Sequence[str], rows: Sequence[Sequence[Any]], as_json: bool, as_csv: bool) -> None:
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif as_csv:
        sys.stdout.write(csv_line(columns))
        sys.stdout.writelines(csv_line(map(_cell, row)) for row in rows)
    else:
        print_table(columns, [[_cell(value) for value in row] for row in rows])


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _unique(columns: Sequence[str]) -> list[str]:
    """JSON objects have each name once: a second `n` is called `n_2`."""
    found: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in found:
            number += 1
            name = f"{column}_{number}"
        found.append(name)
    return found


def _show_compacted(done: Sequence[Compacted], as_json: bool) -> None:
    if as_json:
        print_json([asdict(each) for each in done])
        return
    rows = [(c.table, c.added, c.dropped, c.parts, f"{c.size_bytes / 1e6:.1f} MB") for c in done]
    print_table(("documents", "copied", "taken out", "files", "size"), rows)
