"""StartFaceDetection, GetFaceDetection, StartFaceSearch and GetFaceSearch: faces of stored videos, found meanwhile.

Amazon Rekognition developer guide, "Calling Amazon Rekognition Video operations".
"""

from faceline.errors import ConflictError, NotFoundError, ObjectKeyError, QuotaError
from faceline.ports import VideoJob, VideoJobState, VideoOutcome, VideoSighting, VideoTask
from faceline.rekognition.answers import Document, box_document, face_detail, face_document, video_metadata
from faceline.rekognition.call import Call
from faceline.rekognition.detection import attributes_of
from faceline.rekognition.errors import WireError, invalid
from faceline.rekognition.photos import not_there, place_of
from faceline.rekognition.shapes import GetFaceSearch, OfVideoJob, StartFaceDetection, StartFaceSearch
from faceline.rekognition.tokens import Pages
from faceline.types import FaceRecord

_MOST_JOBS = 20  # at once: Amazon's quota
_PAGE = 1000
_NOT_ENDED = VideoOutcome(VideoJobState.IN_PROGRESS)


def start_face_detection(call: Call, request: StartFaceDetection) -> Document:
    attributes = sorted(attributes_of([request.face_attributes or "DEFAULT"]))
    task = VideoTask(*_video(call, request), request.job_tag, tuple(attributes), topic=_topic(request))
    return _started(call, request, task)


def start_face_search(call: Call, request: StartFaceSearch) -> Document:
    call.model_of(request.collection_id)
    least = 80.0 if request.face_match_threshold is None else request.face_match_threshold
    task = VideoTask(*_video(call, request), request.job_tag, (), request.collection_id, least, _topic(request))
    return _started(call, request, task)


def get_face_detection(call: Call, request: OfVideoJob) -> Document:
    """Faces by time; the larger first of those in the same frame."""
    job = call.app.video_jobs.get(request.job_id)
    if job.task.collection is not None:
        raise NotFoundError(f"{job.job_id} is a job of StartFaceSearch; ask GetFaceSearch")
    answer, sightings = _page(call, request, job, by_person=False)
    size = _size(job)
    faces = [{"Timestamp": each.time_ms, "Face": face_detail(each.face, size)} for each in sightings]
    return answer | {"Faces": faces}


def get_face_search(call: Call, request: GetFaceSearch) -> Document:
    """Everybody seen; those like enrolled faces with these, unless they were deleted since."""
    job = call.app.video_jobs.get(request.job_id)
    if job.task.collection is None:
        raise NotFoundError(f"{job.job_id} is a job of StartFaceDetection; ask GetFaceDetection")
    call.allow(job.task.collection)
    answer, sightings = _page(call, request, job, by_person=request.sort_by == "INDEX")
    matches = _matches(call, job, {each.person for each in sightings if each.person is not None})
    return answer | {"Persons": [_person(each, _size(job), matches) for each in sightings]}


def _started(call: Call, request: StartFaceDetection | StartFaceSearch, task: VideoTask) -> Document:
    """A `ClientRequestToken` is good for one key and operation, and for as long as its job is kept."""
    token = request.client_request_token
    if token is not None:
        token = f"{call.key.access_key_id} {type(request).__name__} {token}"
    try:
        job = call.app.jobs.start(task, token, _MOST_JOBS)
    except ConflictError as error:
        raise WireError("IdempotentParameterMismatchException", str(error)) from error
    except QuotaError as error:
        raise WireError("LimitExceededException", str(error)) from error
    return {"JobId": job.job_id}


def _topic(request: StartFaceDetection | StartFaceSearch) -> str | None:
    """The topic of the `NotificationChannel`: the source of the notice that tells when the job ended."""
    channel = request.notification_channel
    return None if channel is None else channel.sns_topic_arn


def _video(call: Call, request: StartFaceDetection | StartFaceSearch) -> tuple[str, str]:
    """Bucket and key of an object that is there. Raises WireError."""
    if request.video.s3_object is None:
        raise invalid("Video needs S3Object")
    bucket, key = place_of(call, request.video.s3_object, "Video")
    try:
        size_bytes = call.app.objects.head(bucket, key).size
    except (NotFoundError, ObjectKeyError) as error:
        raise not_there(f"{error}; check the bucket and the name") from error
    limit = call.app.settings.max_video_bytes
    if size_bytes > limit:
        message = f"{bucket}/{key} has {size_bytes:,} bytes, at most {limit:,} are read (the setting max_video_bytes)"
        raise WireError("VideoTooLargeException", message)
    return bucket, key


def _page(call: Call, request: OfVideoJob, job: VideoJob, by_person: bool) -> tuple[Document, list[VideoSighting]]:
    """What both answers have, and the sightings of this page."""
    outcome = job.outcome or _NOT_ENDED
    answer: Document = {
        "JobId": job.job_id,
        "JobStatus": outcome.state,
        "Video": {"S3Object": {"Bucket": job.task.bucket, "Name": job.task.key}},
    }
    optional = {
        "JobTag": job.task.tag,
        "StatusMessage": outcome.message or None,
        "VideoMetadata": None if outcome.video is None else video_metadata(outcome.video),
    }
    answer |= {name: value for name, value in optional.items() if value is not None}
    pages = Pages(call.app.page_key, ("VideoJob", job.job_id, by_person))
    after, limit = pages.place(request.next_token), min(request.max_results or _PAGE, _PAGE)
    if outcome.state is not VideoJobState.SUCCEEDED:
        return answer, []
    rows = call.app.video_jobs.page(job.job_id, after, limit + 1, by_person)
    if len(rows) > limit:
        answer["NextToken"] = pages.token(rows[limit - 1][0])
    return answer, [sighting for _, sighting in rows[:limit]]


def _size(job: VideoJob) -> tuple[int, int]:
    """The video's width and height; of any size while there are no faces whose boxes it would scale."""
    video = job.outcome.video if job.outcome else None
    return (video.width, video.height) if video else (1, 1)


def _matches(call: Call, job: VideoJob, people: set[int]) -> dict[int, list[Document]]:
    """The `FaceMatches` of each of these, without faces that are not enrolled any more."""
    assert job.task.collection is not None
    found = {number: found for number, found in (job.outcome or _NOT_ENDED).matches.items() if number in people}
    ids = sorted({match.face_id for matches in found.values() for match in matches})
    records: dict[str, FaceRecord] = {}
    if ids:
        known = call.app.face_records.find(job.task.collection, face_ids=ids)
        records = {record.face_id: record for record in known}
    return {
        number: [
            {"Similarity": match.similarity, "Face": face_document(records[match.face_id])}
            for match in matches
            if match.face_id in records
        ]
        for number, matches in found.items()
    }


def _person(sighting: VideoSighting, size: tuple[int, int], matches: dict[int, list[Document]]) -> Document:
    assert sighting.person is not None
    person = {
        "Index": sighting.person,
        "BoundingBox": box_document(sighting.face.box, size),
        "Face": face_detail(sighting.face, size),
    }
    answer: Document = {"Timestamp": sighting.time_ms, "Person": person}
    found = matches.get(sighting.person)
    return answer | ({"FaceMatches": found} if found else {})
