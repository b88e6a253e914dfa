"""What makes each deployed function use each of its permissions: photos, clips, messages, what others left behind."""

import itertools
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from acceptance.conftest import jpeg, varied
from acceptance.test_aws_frames import event
from aws_permissions import Permission
from aws_stack import Aws
from faceline.aws.face_items import FACE, partition
from faceline.aws.face_table import meta_key
from faceline.aws.items import to_item
from faceline.aws.notice_items import delivery_item, notice_item
from faceline.aws_storage import TOPIC
from faceline.events import ObjectCreated, to_json
from faceline.models.importers.torch_gallery import DIMENSIONS, gallery_bytes
from faceline.notices import MATCH_FOUND, Notice
from faceline.pipelines.staging import MANIFEST, StagedClip, StagedFrame, StagedVideo
from runtime_api import ACCOUNT

PHOTOS, CLIPS, STAGE, IMAGES, EMBEDDINGS = (
    f"faceline-{name}" for name in ("photos", "input", "stage-1", "images", "embeddings")
)
NOTIFY, STATE, HOOK = "faceline-notify-queue", "faceline-state", "hook"
MATCHING, WORK = "faceline-matching", "faceline-work"
_NOBODY_UNDERSTANDS = "nobody understands this"
_MAX_RECEIVES = "5"  # of the template
_BATCH = 100  # items that one request gives by their keys
_MANY = 3000  # changes of a collection, which then has a snapshot, and an old one if it had one

Do = Callable[[], object]


class Uses:
    """clip: shows the face of the portrait. answers: to the frames that were posted."""

    def __init__(self, stack: Aws, portrait: Image.Image, clip: bytes) -> None:
        self._stack, self._portrait, self._clip = stack, portrait, clip
        self._nobody = varied(Image.new("RGB", (64, 64)), 0)
        self._large = _large(portrait)
        self._number = itertools.count(3)  # the second is Ada's in `prepare`
        self._before: dict[str, str] = {}
        self.answers: list[str] = []
        self._known = (
            self._of_images() | self._of_frames() | self._of_videos() | self._of_matching() | self._of_notices()
        )

    @property
    def functions(self) -> set[str]:
        return set(self._known)

    def of(self, permission: Permission) -> Sequence[Do]:
        """What its function does, first that which the permission is for: that of most of its words."""
        known, words = self._known[permission.function], str(permission).split()
        fitting = [key for key in known if set(key.split()) <= set(words)]
        likely = max(fitting, key=lambda key: len(key.split()))
        return [known[likely], *(do for key, do in known.items() if key != likely)]

    def prepare(self) -> None:
        """Somebody is known in photos, a customer by an image, and a gallery took the place of another after many
        changes.
        """
        self._stack.put(PHOTOS, "enroll/Ada.jpg", varied(self._portrait, 2))
        self._stack.put(IMAGES, "images/Ada_1.jpg", self._face())
        self._gallery()
        self._stack.settle()
        self._change_much(EMBEDDINGS)
        self._gallery()
        self._stack.settle()

    # By function: words of its permissions, of which all must fit, and what uses them.

    def _of_images(self) -> dict[str, dict[str, Do]]:
        ingestion, enrolment, known = "faceline-image-ingestion", "faceline-enrolment", self._stack.settings.collection
        return {
            ingestion: {
                "": self._photo,
                "StateChanges dynamodb:DeleteItem": partial(self._unreadable, ingestion, "input/"),
                "Snapshots": self._after_many_changes(ingestion, known, self._photo),
                **self._of_queue(ingestion, "faceline-photo-queue"),
            },
            enrolment: {
                "": self._labelled,
                "StateChanges dynamodb:DeleteItem": partial(self._unreadable, enrolment, "enroll/"),
                **self._of_queue(enrolment, "faceline-enroll-queue"),
            },
        }

    def _of_frames(self) -> dict[str, dict[str, Do]]:
        recognition, known = "faceline-frame-recognition", self._stack.settings.collection
        return {
            "faceline-frame-detection": {
                "": self._frame,
                "SendNoFace": self._nobody_in_frame,
                "WritePayloads": self._large_frame,
            },
            recognition: {
                "": self._frame,
                "Payloads": self._large_frame,
                "Snapshots": self._after_many_changes(recognition, known, self._frame),
                **self._of_queue(recognition, "faceline-req-queue"),
            },
        }

    def _of_videos(self) -> dict[str, dict[str, Do]]:
        splitting, recognition, known = "video-splitting", "face-recognition", self._stack.settings.collection
        return {
            splitting: {
                "": self._new_clip,
                "StagedFrames": self._bad_clip,
                "Output": self._bad_clip,
                "Stage s3:DeleteObject": self._bad_clip,
                f"ReadClips {EMBEDDINGS}/*": self._gallery,
                "StateReads": self._gallery,
                "StateIndexes": self._gallery,
                "Snapshots": self._gallery,
                "Snapshots s3:GetObject": self._gallery_removed_meanwhile,
                **self._of_queue(splitting, "faceline-clip-queue"),
            },
            recognition: {
                "": self._staged,
                f"ReadFrames {CLIPS}/*": self._new_clip,
                "Outbox": self._staged_clip,
                "WakeNotify": self._staged_clip,
                f"Snapshots {WORK}/collections/{known}.faces": partial(self._sought_in, recognition, known),
                f"Snapshots {WORK}/collections/{EMBEDDINGS}.faces": partial(self._sought_in, recognition, EMBEDDINGS),
            },
        }

    def _of_matching(self) -> dict[str, dict[str, Do]]:
        function, queue = "faceline-match-faces", "faceline-matching-queue"
        return {
            function: {
                "": self._image,
                "Reports s3:GetObject": self._replaced,
                "Reports s3:DeleteObject": partial(self._vanished, queue),
                f"StateIndexes table/{STATE}/index/by_position": self._like_many,
                "StateLists": self._alike,
                "WakeNotify": self._alike,
                "Snapshots": self._after_many_changes(function, MATCHING, self._image),
                **self._of_queue(function, queue),
            }
        }

    def _of_notices(self) -> dict[str, dict[str, Do]]:
        function = "faceline-notify"
        return {
            function: {
                "": self._leftover,
                "BuryMessages": partial(self._poison, function, NOTIFY),
                "TakeMessages": partial(self._poison, function, NOTIFY),
                "StatePuts": self._waiting,
                "Publish": self._match,
            }
        }

    def _of_queue(self, function: str, queue: str) -> dict[str, Do]:
        """What is the same for all that work off a queue of photos, frames or clips."""
        return {
            "BuryMessages": partial(self._poison, function, queue),
            "TakeMessages": partial(self._poison, function, queue),
            "SendAnew": partial(self._unbegun, function, queue),
        }

    # Photos and frames

    def _face(self) -> bytes:
        """Ada's, in another photo each time."""
        return varied(self._portrait, next(self._number))

    def _put(self, bucket: str, key: str) -> None:
        """A face; and nobody where this was done before, so that what was made of it then has to go."""
        before, self._before[bucket] = self._before.get(bucket), key
        self._stack.put(bucket, key, self._face())
        if before:
            self._stack.put(bucket, before, self._nobody)

    def _photo(self) -> None:
        self._put(PHOTOS, f"input/{_new()}.jpg")

    def _labelled(self) -> None:
        self._stack.put(PHOTOS, f"enroll/Ada/{_new()}.jpg", self._face())

    def _unreadable(self, function: str, prefix: str) -> None:
        """A photo of a bucket where the function may not read."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        created = ObjectCreated(CLIPS, f"{prefix}{_new()}.jpg", _new(), 1, now)
        self._stack.invoke(function, json.loads(to_json(created)))

    def _frame(self) -> None:
        self._post(self._face())

    def _nobody_in_frame(self) -> None:
        self._post(self._nobody)

    def _large_frame(self) -> None:
        """Whose message is too large for the queue."""
        self._post(self._large, "\N{GRINNING FACE}" * 1000)  # 12 bytes each

    def _post(self, photo: bytes, name: str = "") -> None:
        frame = event(f"{_new()}{name}", photo) | {"filename": f"{name}.jpg"}
        self.answers.append(str(self._stack.post(frame)))

    def _after_many_changes(self, function: str, collection: str, do: Do) -> Do:
        """By a process that has nothing of the collection yet, and looks for a snapshot of it."""

        def done() -> None:
            self._change_much(collection)
            self._stack.kill(function)
            do()

        return done

    def _sought_in(self, function: str, collection: str) -> None:
        self._stack.set_variable(function, "FACELINE_VIDEO_COLLECTION", collection)
        self._after_many_changes(function, collection, self._staged)()

    def _change_much(self, collection: str) -> None:
        """As by faces that came and went since."""
        self._stack.client("dynamodb").update_item(
            TableName=STATE,
            Key=meta_key(collection),
            UpdateExpression="ADD newest :many, version :one",
            ExpressionAttributeValues=to_item({":many": _MANY, ":one": 1}),
        )

    # Clips and gallery files

    def _new_clip(self) -> None:
        self._stack.put(CLIPS, f"{_new()}.mp4", self._clip)

    def _bad_clip(self) -> None:
        self._stack.put(CLIPS, f"{_new()}.mp4", b"no video")

    def _gallery(self, key: str = "data.pt") -> None:
        """Of other embeddings each time, so that those of the last one under this key have to go."""
        rows = np.random.default_rng(next(self._number)).normal(size=(2, DIMENSIONS)).astype(np.float32)
        self._stack.put(EMBEDDINGS, key, gallery_bytes(rows, ["Ada", "Grace"]))

    def _gallery_removed_meanwhile(self) -> None:
        """A file whose older faces somebody else removes between their being found and their removal: they are in the
        index, and not where their ids lead.
        """
        key, item = f"{_new()}.pt", self._any_face(EMBEDDINGS)
        item.pop("generation", None)
        told = json.loads(item["face"]["S"]) | {"face_id": _new(), "source": f"{EMBEDDINGS}/{key}"}
        changes = to_item({"sk": f"{FACE}{_new()}", "face": json.dumps(told)})
        self._stack.client("dynamodb").put_item(TableName=STATE, Item=item | changes)
        self._gallery(key)

    def _any_face(self, collection: str) -> dict[str, Any]:
        """The item of one that was stored there."""
        found = self._stack.client("dynamodb").query(
            TableName=STATE,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :face)",
            ExpressionAttributeValues=to_item({":pk": partition(collection), ":face": FACE}),
            Limit=1,
        )
        item: dict[str, Any] = found["Items"][0]
        return item

    def _staged(self) -> None:
        """As `_put`, by calls."""
        before, self._before[STAGE] = self._before.get(STAGE), f"{_new()}.jpg"
        self._stack.put(STAGE, self._before[STAGE], self._face())
        self._recognise(self._before[STAGE])
        if before:
            self._stack.put(STAGE, before, self._nobody)
            self._recognise(before)

    def _staged_clip(self) -> None:
        """All frames of it, as they are staged with another video mode than here, so that somebody is told of."""
        stem = _new()
        frames = [StagedFrame(f"{stem}/output-{n:02}.jpg", n / 2, n) for n in (1, 2)]
        video = StagedVideo(CLIPS, f"{stem}.mp4", _new(), 1.0, *self._portrait.size, 2.0)
        for frame in frames:
            self._stack.put(STAGE, frame.key, self._face())
        self._stack.put(STAGE, f"{stem}/{MANIFEST}", StagedClip(video, frames).to_json())
        self._recognise(f"{stem}/{MANIFEST}")

    def _recognise(self, key: str) -> None:
        self._stack.invoke("face-recognition", {"bucket_name": STAGE, "image_file_name": key})

    # Customers

    def _image(self) -> None:
        """Of another customer each time, and all look alike."""
        self._put(IMAGES, f"images/{_new()}_1.jpg")

    def _alike(self) -> None:
        """Of two customers, so that the later one's match is told of."""
        for _ in range(2):
            self._stack.put(IMAGES, f"images/{_new()}_1.jpg", self._face())

    def _replaced(self) -> None:
        """An image that shows nobody any more, whose face is in other images' reports."""
        name = f"{_new()}_1"
        self._stack.put(IMAGES, f"images/{name}.jpg", self._face())
        self._stack.wait(lambda: self._stack.keys("faceline-matches", f"output/{name}"), "its report")
        self._stack.put(IMAGES, f"images/{name}.jpg", self._nobody)

    def _like_many(self) -> None:
        """An image that is like more faces of one person than a request for items may name."""
        item, dynamodb = self._any_face(MATCHING), self._stack.client("dynamodb")
        newest = int(dynamodb.get_item(TableName=STATE, Key=meta_key(MATCHING))["Item"]["newest"]["N"])
        for number in range(newest + 1, newest + _BATCH + 2):
            face_id = _new()
            told = json.loads(item["face"]["S"]) | {"face_id": face_id, "source": f"elsewhere/{face_id}"}
            place = to_item({"sk": f"{FACE}{face_id}", "generation": number, "position": number})
            dynamodb.put_item(TableName=STATE, Item=item | place | to_item({"face": json.dumps(told)}))
        dynamodb.update_item(
            TableName=STATE,
            Key=meta_key(MATCHING),
            UpdateExpression="ADD newest :more, faces :more, version :one",
            ExpressionAttributeValues=to_item({":more": _BATCH + 1, ":one": 1}),
        )
        self._image()

    def _vanished(self, queue: str) -> None:
        """An image that was deleted before its turn came: its report, if it had one, has to go."""
        self._stack.announce(queue, IMAGES, f"images/{_new()}_1.jpg", b"gone")

    # Notices

    def _leftover(self) -> None:
        """A delivery whose notice DynamoDB deleted first."""
        self._stack.send(NOTIFY, self._due(HOOK))

    def _waiting(self) -> None:
        """A notice that is not due when its message comes once more."""
        self._stack.invoke("faceline-notify", {"Records": [_last_delivery(NOTIFY, self._due(HOOK, after_s=60.0))]})

    def _match(self) -> None:
        """A notice for the topic."""
        told = datetime.now(UTC).isoformat(timespec="milliseconds")
        notice = Notice(_new(), MATCH_FOUND, told, f"{IMAGES}/images/1.jpg", "Ada looks like Grace")
        item = notice_item(notice, f"msg_{notice.notice_id}", time.time())
        self._stack.client("dynamodb").put_item(TableName=STATE, Item=to_item(item))
        self._stack.send(NOTIFY, self._due(TOPIC, item["message_id"]))

    def _due(self, target: str, message_id: str = "", after_s: float = 0.0) -> str:
        """Has something to be brought to a target; the message that wakes whoever brings it."""
        item = delivery_item(message_id or f"msg_{_new()}", target, time.time() + after_s)
        self._stack.client("dynamodb").put_item(TableName=STATE, Item=to_item(item))
        return json.dumps({"notice": item["message_id"]})

    # Messages

    def _poison(self, function: str, queue: str) -> None:
        self._deliver(function, queue, self._stack.hold(queue, _NOBODY_UNDERSTANDS), [])

    def _unbegun(self, function: str, queue: str) -> None:
        """A message that came for the last time, behind another that did, so that it is not begun."""
        before = _last_delivery(queue, _NOBODY_UNDERSTANDS)
        self._deliver(function, queue, self._stack.hold(queue, _NOBODY_UNDERSTANDS), [before])

    def _deliver(self, function: str, queue: str, handle: str, before: Sequence[Mapping[str, Any]]) -> None:
        """A message that was held, behind others: at once, whatever else is in the queue."""
        records = [*before, _last_delivery(queue, _NOBODY_UNDERSTANDS, handle)]
        self._stack.invoke(function, {"Records": records})
        self._stack.drop(queue, handle)


def _last_delivery(queue: str, body: str, handle: str = "of a message that is gone") -> Mapping[str, Any]:
    """A record of a Lambda event (https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html)."""
    return {
        "messageId": _new(),
        "receiptHandle": handle,
        "body": body,
        "attributes": {"ApproximateReceiveCount": _MAX_RECEIVES, "SentTimestamp": "1769860800000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{queue}",
        "awsRegion": "us-east-1",
    }


def _large(portrait: Image.Image) -> bytes:
    """The face amid noise that no JPEG makes small: at such a size its crop, too, has about 150 KB."""
    width, height, random = 800, 500, np.random.default_rng(1)
    shown = np.asarray(portrait.resize((width, height)), dtype=np.float32) + random.normal(0, 50, (height, width, 1))
    greys = random.integers(0, 2, (height, width, 1))
    colours = random.integers(0, 2, (height // 2, width // 2, 3)).repeat(2, axis=0).repeat(2, axis=1)
    pixels = 255 * (0.65 * greys + 0.35 * colours)
    face = slice(100, 300), slice(248, 512)
    pixels[face] = shown[face]
    return jpeg(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))


def _new() -> str:
    return uuid.uuid4().hex[:12]
