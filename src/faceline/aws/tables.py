"""The two DynamoDB tables, as `CreateTable` takes them. The template has the same, and a test compares both.

The state table keeps everything under `pk` and `sk`. All items of one collection share `pk`, so that its local indexes
can be read consistently. The results table has an item a face. Times that end an item are Unix seconds in `expires_at`.
"""

from typing import Any

EXPIRES = "expires_at"
_STRING, _NUMBER = "S", "N"


def state_table(name: str) -> dict[str, Any]:
    """Receipts, notices, deduplication ids, collections with their faces.

    Local indexes of a collection's faces: `by_generation`, `by_position`, `by_person`, `by_label`, `by_image`. Global:
    `by_due`, deliveries of a target by when they are due.
    """
    local = {
        "by_generation": ("generation", _NUMBER),
        "by_position": ("position", _NUMBER),
        "by_person": ("person", _STRING),
        "by_label": ("label", _STRING),
        "by_image": ("image_id", _STRING),
    }
    types = {"pk": _STRING, "sk": _STRING, "due_target": _STRING, "due_at": _NUMBER, **dict(local.values())}
    return _table(name, ("pk", "sk"), types) | {
        "LocalSecondaryIndexes": [_index(each, "pk", key) for each, (key, _) in local.items()],
        "GlobalSecondaryIndexes": [_index("by_due", "due_target", "due_at")],
    }


def results_table(name: str) -> dict[str, Any]:
    """`FaceRecognitionResults`. `object` is bucket/key; `day` the first ten letters of `timestamp`."""
    indexed = {"by_image": "image_id", "by_person": "person", "by_face": "face_id", "by_status": "status"}
    indexed["by_day"] = "day"
    types = {"object": _STRING, "face_number": _NUMBER, "timestamp": _STRING}
    types |= dict.fromkeys(indexed.values(), _STRING)
    return _table(name, ("object", "face_number"), types) | {
        "GlobalSecondaryIndexes": [_index(each, key, "timestamp") for each, key in indexed.items()],
    }


def _table(name: str, keys: tuple[str, str], types: dict[str, str]) -> dict[str, Any]:
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": each, "AttributeType": kind} for each, kind in types.items()],
        "KeySchema": _keys(*keys),
    }


def _index(name: str, first: str, second: str) -> dict[str, Any]:
    return {"IndexName": name, "KeySchema": _keys(first, second), "Projection": {"ProjectionType": "ALL"}}


def _keys(first: str, second: str) -> list[dict[str, str]]:
    return [{"AttributeName": first, "KeyType": "HASH"}, {"AttributeName": second, "KeyType": "RANGE"}]
