"""Values from files that anybody may have written: each is of its kind and in its range, or a ValueError in words."""

import reprlib
import unicodedata
from datetime import UTC, datetime
from typing import Any, NoReturn

_MOST_PX = 1_000_000.0
_MOST_LETTERS = 10_000
_LANDMARKS = 5


def number(value: Any, what: str, least: float, most: float) -> float:
    """Neither NaN nor Infinity, which JSON does not have and Python reads."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{what} must be a number from {least:.10g} to {most:.10g}, not {reprlib.repr(value)}")
    return float(value)


def whole(value: Any, what: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{what} must be a whole number from {least} to {most}, not {reprlib.repr(value)}")
    return value


def text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} must be text, not {reprlib.repr(value)}")  # noqa: TRY004 (a damaged file)
    if len(value) > _MOST_LETTERS or any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in value):
        raise ValueError(f"{what} must be at most {_MOST_LETTERS} characters without control characters")
    return value


def numbers(value: Any, what: str, count: int) -> list[Any]:
    """A list of so many; what is in it is yet to be looked at."""
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(f"{what} must be {count} numbers, not {reprlib.repr(value)}")
    return value


def coordinate(value: Any, what: str) -> float:
    return number(value, what, -_MOST_PX, _MOST_PX)


def side(value: Any, what: str) -> float:
    """Of a box, in pixels; boxes are rounded to tenths."""
    return number(value, what, 0.1, _MOST_PX)


def image_size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    width, height = (whole(each, "image_size", 1, int(_MOST_PX)) for each in numbers(value, "image_size", 2))
    return width, height


def landmarks(value: Any, what: str) -> tuple[tuple[float, float], ...]:
    """Five points (x, y)."""
    if not isinstance(value, list) or len(value) != _LANDMARKS:
        raise ValueError(f"{what} must be {_LANDMARKS} points (x, y), not {reprlib.repr(value)}")
    pairs = (numbers(point, what, 2) for point in value)
    return tuple((coordinate(x, what), coordinate(y, what)) for x, y in pairs)


def moment(value: Any, what: str) -> str:
    """UTC ISO 8601 with milliseconds."""
    try:
        when = datetime.fromisoformat(text(value, what))
        utc = when.astimezone(UTC) if when.tzinfo else None
    except (ValueError, OverflowError):
        utc = None
    if utc is None:
        raise ValueError(f"{what} must be a time as 2026-01-31T12:00:00+00:00, not {reprlib.repr(value)}")
    return utc.isoformat(timespec="milliseconds")


def no_constant(name: str) -> NoReturn:
    """For `json.loads(parse_constant=…)`."""
    raise ValueError(f"{name} is no number")
