"""A deployment on ministack with somebody in all of its stores, put there by the workflows with made faces."""

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from aws_made import Made, make
from faceline.aws.snapshots import Snapshots
from faceline.aws_app import AwsApp
from faceline.aws_operations import reached
from faceline.engine.analyzer import Sighting, Wanted
from faceline.pipelines.arrivals import Arrivals
from faceline.ports import WorkQueue
from faceline.types import Embedding, Frame, Pixels, Vector
from made import MODEL, MadeAnalyzer, event_of, mixed, photo, vector

NAME, OTHER = "zerlinda", "grace"
WHO, ANOTHER = 0, 1  # of made faces
ALIKE = 99


class _Analyzer(MadeAnalyzer):
    """Also for images of customers, which are looked at in two steps; with ALIKE it is somebody like them."""

    def sight(self, frame: Frame, wanted: Wanted) -> list[Sighting]:
        person, salt = int(frame.pixels[0, 1, 0]), int(frame.pixels[0, 2, 0])
        faces = self.analyze([frame], wanted)[0]
        return [Sighting(face, np.array([[[person + n, salt, 0]]], np.uint8)) for n, face in enumerate(faces)]

    def embed_chips(self, chips: Sequence[Pixels]) -> list[Embedding]:
        seen = [(int(chip[0, 0, 0]), int(chip[0, 0, 1])) for chip in chips]
        return [Embedding(alike(person) if salt == ALIKE else vector(person), MODEL) for person, salt in seen]


def alike(person: int) -> Vector:
    return mixed(vector(person), vector(person + 100), 0.95)


class Deployment:
    """What it does is done in this process, one event after the other."""

    def __init__(self, made: Made, min_changes: int) -> None:
        self.made, self.settings = made, made.settings
        self.app = opened(made, min_changes)

    def put(self, bucket: str, key: str, data: bytes) -> dict[str, Any]:
        """The result of an upload."""
        app = self.app
        event = event_of(app.objects.put(bucket, key, data))
        handler = app.images.handle if bucket == self.settings.input_bucket else app.matching.handle
        return Arrivals(app.receipts, handler).handle(event)

    def photo(self, key: str, faces: int = 1, person: int = WHO, salt: int = 0) -> dict[str, Any]:
        return self.put(self.settings.input_bucket, key, photo(faces, person, salt))

    def document(self, bucket: str, key: str) -> Any:
        return json.loads(self.app.objects.get(bucket, key, 10**6)[1])

    def keys(self, bucket: str) -> list[str]:
        return [info.key for info in self.app.objects.list(bucket)]

    def fill(self) -> None:
        """With two people: who is to go, in everything; and somebody else, in photos and results with them."""
        app, names = self.app, self.settings.names
        app.collections.create(self.settings.collection, MODEL)
        app.consents.note(self.settings.collection, NAME, f"form of {NAME}")
        self.photo(f"enroll/{NAME}/1.png")
        self.photo(f"enroll/{OTHER}/1.png", person=ANOTHER, salt=1)
        app.collection().refresh()
        self.photo("input/both.png", faces=2, salt=2)
        self.photo(f"input/{NAME}_2.png", salt=3)
        self.photo("input/other.png", person=ANOTHER, salt=4)
        self.put(names.images, f"images/{NAME}_01.png", photo(1, WHO, 5))
        self.put(names.images, "images/eve_01.png", photo(1, WHO, ALIKE))
        seen = {"source": f"{names.input}/party.mp4", "appearances": [{"name": NAME}, {"name": OTHER}]}
        app.objects.put(names.input, "party.mp4", b"a clip")
        app.videos.outputs.put("party", seen, [NAME, OTHER], None)
        self.bury(app.queue_of(app.names.photos), f"no such photo as {NAME}.jpg")

    def bury(self, queue: WorkQueue, body: str) -> None:
        queue.send(body)
        (message,) = queue.receive(1, 30.0, wait_s=5.0)
        assert queue.bury(message, f"nobody can read {body}")

    def stored(self) -> dict[str, bytes]:
        """Every value of every item and every object, and every key, by where it lies."""
        found: dict[str, bytes] = {}
        app, names = self.app, self.settings.names
        for table in (app.names.state, app.names.results):
            pages = app.clients.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
            for number, item in enumerate(item for page in pages for item in page["Items"]):
                found[f"{table} {number}"] = b"\0".join(_values(item))
        for bucket in (self.settings.input_bucket, *names[:4], names.images, names.matches, app.names.work):
            for info in app.objects.list(bucket):
                data = app.objects.get(bucket, info.key, 10**8)[1]
                found[f"{bucket}/{info.key}"] = info.key.encode() + b"\0" + data
        return found


def deployed(min_changes: int = 1000, **settings: Any) -> Deployment:
    """min_changes: of a collection, for a snapshot."""
    function = f"f{uuid.uuid4().hex[:10]}"
    made = make(aws_recognition_function=function, **settings)
    made.clients.sqs.create_queue(QueueName=f"{function}-dlq")
    return Deployment(made, min_changes)


def opened(made: Made, min_changes: int = 1000) -> AwsApp:
    """As in a process of its own."""
    app = reached(made.settings)
    analyzer: Any = _Analyzer()
    app.engines._analyzers[MODEL] = analyzer  # where the real one would be kept
    app.__dict__["snapshots"] = Snapshots(app.clients, app.names.work, min_changes)
    return app


def _values(value: Any) -> Iterator[bytes]:
    """Of DynamoDB's own notation."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield str(name).encode()
            yield from _values(each)
    elif isinstance(value, list):
        for each in value:
            yield from _values(each)
    else:
        yield value if isinstance(value, bytes) else str(value).encode()
