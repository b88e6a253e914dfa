"""How results look to people and to programs. Progress and notes go to standard error."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 500  # columns of tables that go to a file or a pipe: nobody wants paths folded there
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def print_json(document: Any) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a file name that is not UTF-8, or a terminal of another encoding
        text = json.dumps(document, indent=2)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def print_json_line(document: dict[str, Any]) -> None:
    """For streams, which are read line by line, and for errors, which may end one."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """A line for people, on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(_lines(text), markup=False)


def print_text(text: str) -> None:
    """A line of results."""
    Console(highlight=False, soft_wrap=True).print(_lines(text), markup=False)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> None:
    """Cells are shown as text; None as a dash. Without a terminal the table is wide enough for whole paths."""
    if not rows:
        note("nothing to show")
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    console.print(table)


def counted(number: int, one: str, many: str) -> str:
    """`1 photo`, `2 photos`."""
    return f"{number} {one if number == 1 else many}"


@contextmanager
def progress_bar(label: str, total: int | None, shown: bool = True) -> Iterator[Any]:
    """Yields advance(count). The bar shows on a terminal only, with what is done and how long it will take."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal)) as progress:
        task = progress.add_task(label, total=total)

        def advance(count: int = 1) -> None:
            progress.advance(task, count)

        yield advance


def _cell(value: object) -> Text:
    if value is None:
        return Text("–")
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return Text(_visible(text))


def _lines(text: str) -> str:
    """The text with its lines, and with nothing else in it that a terminal obeys."""
    return "\n".join(map(_visible, text.split("\n")))


def _visible(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
