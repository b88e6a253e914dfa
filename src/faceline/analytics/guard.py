"""What a query may say: one SELECT, over our tables and a few functions that make rows.

DuckDB's own locks refuse files, extensions and settings. This one is for what they leave: functions that take a
pointer, that run SQL from a text, or that reach into the process.
"""

import json
from collections.abc import Iterator
from typing import Any

from faceline.analytics.tables import Tables
from faceline.analytics.views import NEEDED
from faceline.errors import UsageError

_ROW_FUNCTIONS = frozenset(
    ("unnest", "range", "generate_series", "generate_subscripts", "repeat", "repeat_row", "json_each", "json_tree")
) | frozenset(
    ("summary", "duckdb_columns", "duckdb_functions", "duckdb_keywords", "duckdb_schemas", "duckdb_tables")
) | frozenset(("duckdb_types", "duckdb_views", "pragma_table_info", "pragma_version", "pg_timezone_names"))  # fmt: skip
_DEPTH = "depth limit"  # DuckDB's own refusal names a setting that nobody can set here
_DEEPEST = 800  # levels of JSON, two or three for each of an expression's
_TOO_DEEP = "the query is nested too deeply; write lists (IN, list_sum) instead of long chains, or steps (WITH)"
_SAY = "a query is one SELECT (or SHOW, DESCRIBE, SUMMARIZE, VALUES)"


def needed(tables: Tables, sql: str) -> list[str]:
    """The tables of documents that a query needs. Raises UsageError for what may not be asked."""
    try:
        tree = json.loads(tables.one("SELECT json_serialize_sql(?)", [sql]))
    except RecursionError as error:
        raise UsageError(_TOO_DEEP) from error
    if tree["error"]:
        if _DEPTH in tree.get("error_message", ""):
            raise UsageError(_TOO_DEEP)
        if tree["error_type"] == "parser":
            raise UsageError(f"this is no SQL: {tree['error_message']}")
        raise UsageError(f"only reading is possible: {_SAY}")
    if len(tree["statements"]) != 1:
        raise UsageError(f"{len(tree['statements'])} statements were given: {_SAY}")
    words: set[str] = set()
    for node in _nodes(tree["statements"][0]):
        _check(node)
        words |= {value.casefold() for value in node.values() if isinstance(value, str)}
    return sorted(set().union(*(NEEDED[word] for word in words & NEEDED.keys())))


def _check(node: dict[str, Any]) -> None:
    if node.get("type") == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).casefold()
        if name not in _ROW_FUNCTIONS:
            raise UsageError(f"{name}() cannot be used here; SHOW TABLES says what there is to read")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects within. Raises UsageError for one that is nested more deeply than every Python can read."""
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _DEEPEST:
            raise UsageError(_TOO_DEEP)
        if isinstance(node, dict):
            yield node
        if isinstance(node, dict | list):
            waiting += [(each, depth + 1) for each in (node.values() if isinstance(node, dict) else node)]
