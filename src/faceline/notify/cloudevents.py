"""A notice as programs get it: a CloudEvents 1.0 envelope (https://github.com/cloudevents/spec, json-format)."""

import json
from typing import Any

from faceline.notices import Notice

CONTENT_TYPE = "application/cloudevents+json"


def event(notice: Notice, message_id: str, source: str) -> dict[str, Any]:
    """source: of all events of this installation, as a path. What the notice is about is the event's subject."""
    data = {
        "text": notice.text,
        "people": list(notice.people),
        "similarity": notice.similarity,
        "camera": notice.camera,
        "detail": notice.data,
    }
    return {
        "specversion": "1.0",
        "id": message_id,
        "source": source,
        "type": f"faceline.{notice.kind}",
        "time": notice.time,
        "datacontenttype": "application/json",
        **({"subject": notice.source} if notice.source else {}),  # an empty one is not allowed
        "data": data,
    }


def encoded(notice: Notice, message_id: str, source: str) -> bytes:
    return json.dumps(event(notice, message_id, source), ensure_ascii=False).encode()
