"""CSV that spreadsheets open: what they would take for a formula is text."""

import csv
import io
from collections.abc import Iterable
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # OWASP, "CSV Injection"


def csv_line(cells: Iterable[object]) -> str:
    """A row with its newline. A text that begins as a formula gets an apostrophe before it; numbers stay numbers."""
    line = io.StringIO()
    # Before Python 3.13 only what is in the terminator is quoted, and a spreadsheet starts a row at a bare \r too.
    csv.writer(line, lineterminator="\r\n").writerow(map(_inert, cells))
    return line.getvalue().removesuffix("\r\n") + "\n"


def _inert(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
