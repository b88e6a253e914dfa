"""Python's values as DynamoDB's items have them, and back.

Numbers are decimals of up to 38 digits there
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html): a float of 64
bits comes back as it was, but 97.0 as 97, for which the caller makes a float where one is due.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from faceline.errors import StorageError

Item = dict[str, dict[str, Any]]

MAX_ACTIONS = 100  # of one transaction
_LONGEST_KEY_BYTES = 1024  # DynamoDB takes 2,048 for a partition key and 1,024 for a sort key
_SMALLEST, _LARGEST = 1e-130, 9.9e125


def to_item(values: Mapping[str, Any]) -> Item:
    """What is None is left out, so that an index without it does not list the item. Raises as `to_value`."""
    return {name: to_value(value) for name, value in values.items() if value is not None}


def from_item(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Attributes that are not there are not in the answer either."""
    return {name: from_value(value) for name, value in item.items()}


def to_value(value: Any) -> dict[str, Any]:
    """str, bool, int, float, bytes, None, set of str, and lists and dicts of them.

    Raises StorageError for floats that DynamoDB does not have and TypeError for other types.
    """
    if isinstance(value, float):
        return {"N": _decimal(value)}
    if isinstance(value, dict):
        return {"M": {str(name): to_value(each) for name, each in value.items()}}
    if isinstance(value, list | tuple):
        return {"L": [to_value(each) for each in value]}
    return _simple(value)


def from_value(value: Mapping[str, Any]) -> Any:
    """Numbers without a fraction are int."""
    ((kind, content),) = value.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return _number(content)
        case "SS":
            return set(content)
        case "L":
            return [from_value(each) for each in content]
        case "M":
            return {name: from_value(each) for name, each in content.items()}
        case _:
            return content


def key_text(text: str) -> str:
    """A text as a part of a key: itself, or a hash of it when it is longer than a key may be."""
    if len(text.encode()) <= _LONGEST_KEY_BYTES:
        return text
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _simple(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case bytes() | bytearray() | memoryview():
            return {"B": bytes(value)}
        case set() | frozenset():
            return {"SS": sorted(value)}
        case _:
            raise TypeError(f"DynamoDB has no {type(value).__name__}")


def _decimal(value: float) -> str:
    if value == 0:
        return "0"
    if not math.isfinite(value) or not _SMALLEST <= abs(value) <= _LARGEST:
        raise StorageError(f"{value} cannot be stored: DynamoDB's numbers are finite, of 1e-130 to 9.9e125")
    return repr(value)


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdigit() else float(text)
