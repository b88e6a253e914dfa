"""Matching reports: whom the image of a customer is like."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

import msgspec

from faceline.app import App
from faceline.errors import NotFoundError
from faceline.gallery.names import user_id_of
from faceline.gallery.review import Answer, Kind, pair_of
from faceline.pipelines.customers import image_id_of_key
from faceline.pipelines.report_pages import Ratios, Report, ReportedMatch, ReportFilter
from faceline.similarity import strangers_as_alike
from faceline.types import BoxInParts, FaceRecord
from faceline.web.api.reviewing import verdict_on
from faceline.web.operations import Asked, Call, Operation

_TAG = "Match reports"

Similarity = Annotated[float, msgspec.Meta(ge=0, le=100)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class ReportsAsked(Asked, frozen=True, kw_only=True):
    """customer: whose image it is, or who is among the matches. min_similarity: of one of those matches."""

    customer: Text | None = None
    min_similarity: Similarity | None = None
    after: Text | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class ReportAsked(Asked, frozen=True, kw_only=True):
    """report: its name, as the list gives it: of its object, without the folder and `.json`."""

    report: Text


class ReportPicture(msgspec.Struct, frozen=True):
    """Where an image is stored."""

    bucket: str
    key: str


class ReportItem(msgspec.Struct, frozen=True):
    """matches: how many. similarity: of the best one, who is of `best_customer`."""

    report: str
    source: ReportPicture
    customer: str
    matches: int
    similarity: float | None
    best_customer: str | None


class ReportList(msgspec.Struct, frozen=True):
    """A page may have fewer items than were asked for, or none, though there are more: then `next` is not null."""

    items: list[ReportItem]
    next: str | None


class ReportMatch(msgspec.Struct, frozen=True):
    """source: the image of the matched face; None for a face that is no longer enrolled.

    verdict: what was decided about the two customers. meaning: how many pairs of strangers look this alike.
    """

    customer: str
    user_id: str
    similarity: float
    meaning: str
    face_id: str
    box: BoxInParts | None
    source: ReportPicture | None
    verdict: Answer | None


class ReportDetail(msgspec.Struct, frozen=True):
    """face_id, box: of the image's own face; None when it is no longer enrolled. collection: of all these faces."""

    report: str
    source: ReportPicture
    customer: str
    user_id: str
    collection: str
    face_id: str | None
    box: BoxInParts | None
    matches: list[ReportMatch]


def list_match_reports(call: Call, asked: ReportsAsked) -> ReportList:
    wanted = ReportFilter(asked.customer, asked.min_similarity)
    found, after = call.app.matching.report_pages.page(asked.after or "", asked.limit, wanted)
    return ReportList([_item(name, report, asked.customer) for name, report in found], after)


def get_match_report(call: Call, asked: ReportAsked) -> ReportDetail:
    app, report = call.app, call.app.matching.report_pages.get(asked.report)
    collection = app.settings.names.matching_collection
    own = _own_face(app, collection, report)
    faces = _faces(app, collection, [match.face.face_id for match in report.matches])
    others = {match.customer_id for match in report.matches} - {report.customer}
    verdicts = {
        other: verdict_on(app.reviews, collection, pair_of(Kind.PEOPLE, report.customer, other))
        for other in (others if faces else ())
    }
    return ReportDetail(
        report=asked.report,
        source=_picture(report.source),
        customer=report.customer,
        user_id=user_id_of(report.customer),
        collection=collection,
        face_id=own.face_id if own else None,
        box=_box_of(own) if own else None,
        matches=[_match(each, faces, verdicts) for each in report.matches],
    )


def _item(name: str, report: Report, customer: str | None) -> ReportItem:
    matches = report.of(customer)
    best = max(matches, key=lambda match: match.similarity, default=None)
    return ReportItem(
        report=name,
        source=_picture(report.source),
        customer=report.customer,
        matches=len(matches),
        similarity=best.similarity if best else None,
        best_customer=best.customer_id if best else None,
    )


def _match(match: ReportedMatch, faces: Mapping[str, FaceRecord], verdicts: Mapping[str, Answer | None]) -> ReportMatch:
    face = faces.get(match.face.face_id)
    box = match.face.bounding_box
    return ReportMatch(
        customer=match.customer_id,
        user_id=user_id_of(match.customer_id),
        similarity=match.similarity,
        meaning=strangers_as_alike(match.similarity),
        face_id=match.face.face_id,
        box=_box(box) if box else None,
        source=_picture(face.source) if face else None,
        verdict=verdicts.get(match.customer_id),
    )


def _own_face(app: App, collection: str, report: Report) -> FaceRecord | None:
    try:
        found = app.face_records.find(collection, person=image_id_of_key(report.source))
    except NotFoundError:  # the collection was dropped
        return None
    return next((face for face in found if face.source == report.source), None)


def _faces(app: App, collection: str, face_ids: list[str]) -> dict[str, FaceRecord]:
    try:
        return {face.face_id: face for face in app.face_records.find(collection, face_ids=face_ids)}
    except NotFoundError:
        return {}


def _picture(source: str) -> ReportPicture:
    bucket, _, key = source.partition("/")
    return ReportPicture(bucket, key)


def _box(ratios: Ratios) -> BoxInParts:
    return BoxInParts(ratios.left, ratios.top, ratios.width, ratios.height)


def _box_of(face: FaceRecord) -> BoxInParts | None:
    if face.image_size is None:
        return None
    (width, height), box = face.image_size, face.box
    return BoxInParts(box.left / width, box.top / height, box.width / width, box.height / height)


OPERATIONS = (
    Operation(
        "GET",
        "/api/v1/match-reports",
        "Matching reports, by name",
        _TAG,
        list_match_reports,
        asked=ReportsAsked,
        answer=ReportList,
    ),
    Operation(
        "GET",
        "/api/v1/match-reports/{report:path}",
        "One matching report, with its images and what was decided about its matches",
        _TAG,
        get_match_report,
        asked=ReportAsked,
        answer=ReportDetail,
        errors=(HTTPStatus.NOT_FOUND,),
    ),
)
