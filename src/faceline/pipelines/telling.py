"""What of a result is worth telling: who was seen in a photo, in a clip, before a camera; that a job ended."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from faceline.notices import PERSON_SEEN, UNKNOWN_SEEN, VIDEO_JOB_ENDED, Notice
from faceline.pipelines.documents import box_document
from faceline.ports import ObjectInfo, VideoJob, VideoOutcome
from faceline.types import Appearance, Decision, Identification

if TYPE_CHECKING:  # whoever works on photos, in a function that starts cold, needs nothing of cameras
    from faceline.pipelines.watching import CameraEvent

Tell = Callable[[Notice], object]


def untold(notice: Notice) -> None:
    """A `Tell` where nobody is told anything."""


def in_photo(info: ObjectInfo, when: str, collection: str, found: Sequence[Identification]) -> Iterator[Notice]:
    """One for each person, by their best face, and one for all strangers. The same bytes again give the same."""
    source, event = f"{info.bucket}/{info.key}", f"photo {info.bucket}/{info.key} {info.etag}"
    for name, who in _best(found).items():
        data: dict[str, Any] = {"collection": collection, "box": box_document(who.face.box), "etag": info.etag}
        text = f"{name} was seen in {source}, similarity {who.similarity:.2f}"
        yield Notice(_id(event, name), PERSON_SEEN, when, source, text, (name,), round(who.similarity, 2), data=data)
    strangers = [who for who in found if who.decision is Decision.UNKNOWN and who.face.quality.usable]
    if strangers:
        data = {"collection": collection, "boxes": [box_document(who.face.box) for who in strangers], "etag": info.etag}
        text = f"{_people(len(strangers))} seen in {source}"
        yield Notice(_id(event, ""), UNKNOWN_SEEN, when, source, text, data=data)


def in_clip(source: str, etag: str, when: str, collection: str, found: Sequence[Appearance]) -> Iterator[Notice]:
    """One for each person, however often they appear, and one for all strangers."""
    event = f"clip {source} {etag}"
    for name, who in _best([each.who for each in found]).items():
        theirs = [each for each in found if each.who.name == name]
        data = {"collection": collection, "appearances": [_times(each) for each in theirs]}
        text = f"{name} was seen in {source}, similarity {who.similarity:.2f}"
        yield Notice(_id(event, name), PERSON_SEEN, when, source, text, (name,), round(who.similarity, 2), data=data)
    strangers = [each for each in found if each.who.decision is Decision.UNKNOWN and each.who.face.quality.usable]
    if strangers:
        data = {"collection": collection, "appearances": [_times(each) for each in strangers]}
        text = f"{_people(len(strangers))} seen in {source}"
        yield Notice(_id(event, ""), UNKNOWN_SEEN, when, source, text, data=data)


def at_camera(event: "CameraEvent", collection: str) -> Notice | None:
    """None for a face that may be two people, or that is too poor to be told from others."""
    from faceline.pipelines.watching import event_document  # noqa: PLC0415 (as above)

    who, camera = event.appearance.who, event.camera
    data = event_document(event) | {"collection": collection}
    when = _text(event.time)
    notice_id = _id(f"camera {camera} {event.first_seen.isoformat()}", str(event.appearance.number))
    if who.decision is Decision.MATCH and who.name:
        text = f"{who.name} is at {camera}, similarity {who.similarity:.2f}"
        similarity = round(who.similarity, 2)
        return Notice(notice_id, PERSON_SEEN, when, camera, text, (who.name,), similarity, camera, data)
    if who.decision is Decision.UNKNOWN and who.face.quality.usable:
        return Notice(
            notice_id, UNKNOWN_SEEN, when, camera, f"Somebody unknown is at {camera}", camera=camera, data=data
        )
    return None


def job_ended(job: VideoJob, outcome: VideoOutcome) -> Notice:
    """source: the topic that the job names. data: the message that Amazon Rekognition publishes there.

    Developer guide, "Calling Amazon Rekognition Video operations", "Getting the completion status".
    """
    task, now = job.task, datetime.now(UTC)
    api = "StartFaceDetection" if task.collection is None else "StartFaceSearch"
    data: dict[str, Any] = {
        "JobId": job.job_id,
        "Status": outcome.state.value,
        "API": api,
        "JobTag": task.tag,
        "Timestamp": round(now.timestamp() * 1000),
        "Video": {"S3ObjectName": task.key, "S3Bucket": task.bucket},
    }
    text = f"The job {job.job_id} ({api} of {task.bucket}/{task.key}) ended: {outcome.state.value}"
    said = {name: value for name, value in data.items() if value is not None}
    return Notice(f"video-job {job.job_id}", VIDEO_JOB_ENDED, _text(now), task.topic or "", text, data=said)


def _best(found: Sequence[Identification]) -> dict[str, Identification]:
    best: dict[str, Identification] = {}
    for who in found:
        if who.name and (who.name not in best or who.similarity > best[who.name].similarity):
            best[who.name] = who
    return best


def _times(each: Appearance) -> dict[str, Any]:
    return {"first_s": round(each.first_s, 3), "last_s": round(each.last_s, 3), "frames": each.frames}


def _people(count: int) -> str:
    return "Somebody unknown was" if count == 1 else f"{count} unknown people were"


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _id(event: str, who: str) -> str:
    """Of any length: the outbox keeps a hash of it."""
    return json.dumps([event, who])
