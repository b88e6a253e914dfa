"""Workflow 2: a frame that a client sent → its face into the request queue → whose it is into the response queue.

Nothing here knows which queues these are: the same two objects answer HTTP and workers, or stand behind handlers.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from faceline.engine.analyzer import Analyzer, Sighting, Wanted
from faceline.errors import InputError, StorageError
from faceline.gallery.collection import Collection
from faceline.images import ImageLimits
from faceline.pipelines.frame_messages import (
    FaceRequest,
    RefusalError,
    body_of,
    checked,
    decoded,
    deduplication_id,
    face_message,
    face_request,
    is_gateway_event,
    parsed,
    picture,
    response,
)
from faceline.pipelines.naming import UNKNOWN, name_of, principal
from faceline.ports import Queue
from faceline.types import Face

COMPLETED = "Face detection completed"
NO_FACE = "No-Face"
_MAX_BATCH = 1000
_SMALLEST = 0.3  # of the shorter side of a crop
_LEAST_PX = 12

_log = logging.getLogger("faceline.pipelines.frames")


@dataclass(frozen=True, slots=True)
class FrameDetection:
    """The first half: finds the face. Exactly one answer comes of a request_id when both queues remember ids.

    wanted: how faces are looked for; without embeddings.
    """

    requests: Queue
    responses: Queue
    analyzer: Analyzer
    limits: ImageLimits
    wanted: Wanted

    def handle(self, event: object) -> dict[str, Any] | list[dict[str, Any]]:
        """`{"statusCode", "body"}`: the text `Face detection completed`, or a JSON text `{"error"}`.

        event: `{"request_id", "content", "filename"}`; a list of at most 1,000 of them, for a list of answers; or an
        event of API Gateway or of a Lambda function URL, whose `body` is one of both as JSON text
        (https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html). Raises only what is no fault of the frame:
        ModelError.
        """
        if not is_gateway_event(event):
            return self._answers(event) if isinstance(event, list) else self._answer(event)
        try:
            document = body_of(event)
        except RefusalError as error:
            return _refusal(error)
        if not isinstance(document, list):
            return self._answer(document)
        answers = self._answers(document)
        return {"statusCode": 200, "body": json.dumps(answers)} if isinstance(answers, list) else answers

    def handle_json(self, data: bytes) -> dict[str, Any] | list[dict[str, Any]]:
        """`handle` of an event in JSON, as it comes over HTTP."""
        try:
            event = parsed(data)
        except RefusalError as error:
            return _refusal(error)
        return self.handle(event)

    def _answers(self, frames: list[Any]) -> dict[str, Any] | list[dict[str, Any]]:
        if len(frames) > _MAX_BATCH:
            return _refusal(RefusalError(400, f"a list of {len(frames):,} frames; at most {_MAX_BATCH:,} are taken"))
        return [self._answer(frame) for frame in frames]

    def _answer(self, fields: object) -> dict[str, Any]:
        try:
            self._take(fields)
        except RefusalError as error:
            return _refusal(error)
        return {"statusCode": 200, "body": COMPLETED}

    def _take(self, fields: object) -> None:
        request_id, content, filename = checked(fields)
        frame = decoded(content, filename, self.limits)
        found = self.analyzer.sight(frame, self.wanted)
        try:
            if found:
                face = found[principal([sighting.face for sighting in found])].face
                body = face_message(request_id, filename, frame, face)
                self.requests.send(body, deduplication_id(request_id))
            else:
                self.responses.send(response(request_id, NO_FACE), deduplication_id(request_id))
        except StorageError as error:
            raise RefusalError(502, f"the queue does not take it: {error}; send the frame again") from error
        _log.info("frame taken", extra={"request_id": ascii(request_id), "faces": len(found)})


@dataclass(frozen=True, slots=True)
class FrameRecognition:
    """The second half: says whose the face is. collection: None knows nobody.

    nearest_wins: the most similar person is named, however unlike. wanted: as for detection; its smallest face does not
    count, a crop is of one face.
    """

    responses: Queue
    analyzer: Analyzer
    collection: Collection | None
    limits: ImageLimits
    wanted: Wanted
    nearest_wins: bool = False

    def take(self, body: str) -> None:
        """One message of the request queue. Raises InputError for one that nobody can be answered about."""
        self.answer([face_request(body)])

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """`{"batchItemFailures": [{"itemIdentifier"}]}`: the messages to deliver again, all others are answered.

        event: of an SQS queue, `{"Records": [{"messageId", "body"}]}`
        (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html).
        """
        failed, requests = [], {}
        for record in event["Records"]:
            try:
                requests[record["messageId"]] = face_request(record["body"])
            except InputError as error:
                _log.error("message refused", extra={"message_id": record["messageId"], "reason": str(error)})
                failed.append(record["messageId"])
        try:
            self.answer(list(requests.values()))
        except Exception:  # noqa: BLE001 (whatever it was, the queue delivers them again; answers are sent once)
            _log.exception("messages failed", extra={"count": len(requests)})
            failed += requests
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    def answer(self, requests: Sequence[FaceRequest]) -> None:
        """Sends the answers; the faces are embedded together. Safe to repeat.

        A message without a picture that shows a face is answered too, with `No-Face`: somebody waits for it.
        """
        sightings = [self._sighting(request) for request in requests]
        embeddings = iter(self.analyzer.embed_chips([sighting.chip for sighting in sightings if sighting]))
        for request, sighting in zip(requests, sightings, strict=True):
            who = self._name(replace(sighting.face, embedding=next(embeddings))) if sighting else NO_FACE
            self.responses.send(response(request.request_id, who), deduplication_id(request.request_id))
            _log.info("frame answered", extra={"request_id": ascii(request.request_id), "face": bool(sighting)})

    def _sighting(self, request: FaceRequest) -> Sighting | None:
        """The face is looked for again: a crop says nothing of its landmarks."""
        try:
            frame = picture(request.content, request.filename, self.limits)
        except InputError as error:
            _log.warning("no picture in a message", extra={"request_id": ascii(request.request_id), "reason": error})
            return None
        smallest = max(int(min(frame.width, frame.height) * _SMALLEST), _LEAST_PX)
        found = self.analyzer.sight(frame, replace(self.wanted, min_face_px=smallest))
        return found[0] if found else None

    def _name(self, face: Face) -> str:
        if self.collection is None:
            return UNKNOWN
        (who,) = self.collection.identify([face])
        return name_of(who, self.nearest_wins)


def _refusal(error: RefusalError) -> dict[str, Any]:
    return {"statusCode": error.status, "body": json.dumps({"error": str(error)})}
