"""Match reports as workflow 5 writes them, made up, and where they are put."""

import json
import os
from typing import Any

from faceline.app import App

MATCHES = "faceline-matches"
LONG_AGO_NS = 1_700_000_000_000_000_000


def match(other: str, similarity: float) -> dict[str, Any]:
    image = f"{other}_0001.jpg"
    box = {"Width": 0.25, "Height": 0.5, "Left": 0.125, "Top": 0.0625}
    ids = {"FaceId": "face-1", "ImageId": "image-1", "ExternalImageId": image}
    return {"Similarity": similarity, "Face": ids | {"BoundingBox": box, "Confidence": 99.5}, "CustomerId": other}


def report(customer: str, *matches: dict[str, Any], number: int = 1) -> dict[str, Any]:
    source = f"faceline-images/images/{customer}_{number:04}.jpg"
    return {"Source": source, "CustomerID": customer, "Matches": list(matches)}


def put(app: App, document: dict[str, Any] | bytes, key: str = "") -> str:
    """As written long ago, so that it counts as settled; returns the key."""
    if isinstance(document, dict):
        key = key or f"output/{document['Source'].rpartition('/')[2]}.json"
        document = json.dumps(document, ensure_ascii=False).encode()
    app.objects.put(MATCHES, key, document)
    os.utime(app.objects.root / MATCHES / key, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return key


def rows(app: App, sql: str) -> list[list[Any]]:
    return app.lake.query(sql).table.rows
