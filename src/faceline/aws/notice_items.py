"""Notices and their deliveries as items of the state table.

A notice and what is to be delivered of it share `pk`. In the index `by_due` are the notices by when they were put
(`due_target` is `notices`), deliveries by when they are due (`waiting#<target>`) and dead ones by when they died
(`dead`); a delivered one is in no index.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from faceline.notices import Delivery, DeliveryState, Notice, Told

NOTICES, DEAD_LETTERS = "notices", "dead"
WAITING, DELIVERED, DEAD = "waiting", "delivered", "dead"
NOTICE = "notice"  # its `sk`
_FREE = {"lease": None, "done_at": None, "reason": None}


def notice_pk(message_id: str) -> str:
    return f"notice#{message_id}"


def delivery_sk(target: str) -> str:
    return f"delivery#{target}"


def waiting_for(target: str) -> str:
    return f"waiting#{target}"


def notice_item(notice: Notice, message_id: str, now: float) -> dict[str, Any]:
    return {
        "pk": notice_pk(message_id),
        "sk": NOTICE,
        "due_target": NOTICES,
        "due_at": now,
        "message_id": message_id,
        "kind": notice.kind,
        "event_time": notice.time,
        "about": notice.source,
        "said": notice.text,
        "people": list(notice.people),
        "similarity": notice.similarity,
        "camera": notice.camera,
        "document": json.dumps(notice.data, ensure_ascii=False),
    }


def notice_of(item: dict[str, Any]) -> Notice:
    """Its `notice_id` is the message id: the event's own is not kept."""
    similarity = item.get("similarity")
    return Notice(
        item["message_id"],
        item["kind"],
        item["event_time"],
        item["about"],
        item["said"],
        tuple(item["people"]),
        None if similarity is None else float(similarity),
        item.get("camera"),
        json.loads(item["document"]),
    )


def delivery_item(message_id: str, target: str, now: float) -> dict[str, Any]:
    key = {"pk": notice_pk(message_id), "sk": delivery_sk(target)}
    return key | {"message_id": message_id, "target": target} | waiting(target, now)


def waiting(target: str, now: float) -> dict[str, Any]:
    """What makes a delivery due now, and as new."""
    return {"delivery_state": WAITING, "due_target": waiting_for(target), "due_at": now, "tries": 0, **_FREE}


def delivered(now: float) -> dict[str, Any]:
    return {"delivery_state": DELIVERED, "due_target": None, "due_at": None, **_FREE, "done_at": now}


def dead(now: float, reason: str) -> dict[str, Any]:
    return {
        "delivery_state": DEAD,
        "due_target": DEAD_LETTERS,
        "due_at": now,
        "lease": None,
        "done_at": now,
        "reason": reason,
    }


def mine(delivery: Delivery) -> dict[str, Any]:
    """What the item has as long as this delivery holds it."""
    return {"delivery_state": WAITING, "lease": delivery.lease}


def told_of(items: Iterable[dict[str, Any]]) -> Told | None:
    """All of one `pk`. None when the notice is gone."""
    by_key = {each["sk"]: each for each in items}
    notice = by_key.pop(NOTICE, None)
    if notice is None:
        return None
    return Told(notice["message_id"], notice_of(notice), tuple(_state(each) for each in by_key.values()))


def _state(item: dict[str, Any]) -> DeliveryState:
    state, target, tries, reason = item["delivery_state"], item["target"], item["tries"], item.get("reason")
    if state == WAITING:
        return DeliveryState(target, state, tries, next_at=moment(item["due_at"]), reason=reason)
    return DeliveryState(target, state, tries, done_at=moment(item["done_at"]), reason=reason)


def moment(seconds: float) -> str:
    """Unix time as UTC ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
