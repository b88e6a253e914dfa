"""Values as DynamoDB's items have them."""

import math
from typing import Any

import pytest

from faceline.aws.items import from_item, from_value, key_text, to_item, to_value
from faceline.errors import StorageError


@pytest.mark.parametrize(
    "value",
    [
        *("", "Zoë", True, 0, -(10**30), 0.1 + 0.2, -1.5e-7, b"\x00\xff", {"a", "b"}, None),
        [1, "two", [None]],
        {"deep": {"er": [0.5, {"x": False}]}},
    ],
)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    found = from_value(to_value(value))
    assert (found, type(found)) == (value, type(value))


def test_an_attribute_that_is_none_is_not_there() -> None:
    assert to_item({"a": None, "b": "x"}) == {"b": {"S": "x"}}
    assert from_item({"b": {"S": "x"}}) == {"b": "x"}


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e200, 1e-200])
def test_a_number_that_dynamodb_does_not_have_is_refused(value: float) -> None:
    with pytest.raises(StorageError, match="cannot be stored"):
        to_value(value)


def test_a_minus_zero_is_zero() -> None:
    assert to_value(-0.0) == {"N": "0"}


def test_a_text_that_is_too_long_for_a_key_is_hashed() -> None:
    assert key_text("ö" * 512) == "ö" * 512
    assert key_text("ö" * 513).startswith("sha256:")
    assert key_text("ö" * 513) != key_text("ö" * 514)
