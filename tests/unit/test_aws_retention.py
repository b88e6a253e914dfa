"""What a deployment with KeptDays keeps of uploads, and how long."""

import time
from typing import Any

from made import MODEL
from on_aws import Deployment, deployed

_DAY_S = 86_400.0


def _receipts(there: Deployment) -> dict[str, Any]:
    """By event id, those of photos and those of who owns a result."""
    items = there.app.clients.dynamodb.scan(TableName=there.app.names.state, ConsistentRead=True)["Items"]
    found = {item["event_id"]["S"]: item for item in items if item["pk"]["S"].startswith("receipt#")}
    return {event_id.partition("@")[0]: item for event_id, item in found.items()}


def _uploaded(kept_days: float) -> Deployment:
    there = deployed(results_kept_days=kept_days)
    there.app.collections.create(there.settings.collection, MODEL)
    there.photo("input/ann.png")
    return there


def test_the_keys_of_uploads_end_with_them(aws: str) -> None:
    there = _uploaded(30.0)
    bucket, before = there.settings.input_bucket, time.time() + 29 * _DAY_S
    ends = {event_id: float(item["expires_at"]["N"]) for event_id, item in _receipts(there).items()}
    assert set(ends) == {f"{bucket}/input/ann.png", f"owner:{bucket}/processed/ann.json"}
    assert all(before < end < before + 2 * _DAY_S for end in ends.values())


def test_without_kept_days_receipts_stay(aws: str) -> None:
    receipts = _receipts(_uploaded(0.0))
    assert len(receipts) == 2
    assert not [event_id for event_id, item in receipts.items() if "expires_at" in item]


def test_what_is_to_be_swept_at_amazon_rekognition_is_remembered_until_it_is(aws: str) -> None:
    there = deployed(results_kept_days=30.0, engine="rekognition")
    engine: Any = there.app.faces("customers")
    assert not engine._traces.mark("images/ann_1.jpg", ["ann"])
    (mark,) = _receipts(there).values()
    assert "expires_at" not in mark
