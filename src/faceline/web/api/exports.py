"""Downloads of results and decisions, as CSV for spreadsheets and as JSON, streamed."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from itertools import chain, islice
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response, StreamingResponse

from faceline.app import App
from faceline.gallery.review import Reviewed
from faceline.pipelines.report_pages import ReportFilter
from faceline.ports import Record, RecordQuery
from faceline.spreadsheets import csv_line
from faceline.web.api.reviewing import pair_item
from faceline.web.operations import Asked, Call, Media, Operation

_TAG = "Exports"
_PAGE = 500
_CSV, _JSON = "text/csv", "application/json"
_BOX = ("left", "top", "width", "height")
_RECORD = ("timestamp", "bucket", "key", "image_id", "face_number", "status", "person", "face_id", "confidence")
_PAIR = (
    *("kind", "a", "b", "person", "similarity", "pairs", "found_by", "found_at"),
    *("verdict", "decided_by", "decided_at", "note"),
)
_REPORT = ("report", "source", "customer", "match", "similarity", "face_id", *_BOX)

Text = Annotated[str, msgspec.Meta(max_length=1024)]
Row = Mapping[str, Any]


class RecordsExported(Asked, frozen=True, kw_only=True):
    """As of `GET /records`. image: an image's name or key. person: a name or a face id. since, until: of the time when
    the photo was worked on, ISO 8601; since is inclusive, until exclusive.
    """

    image: Text | None = None
    person: Text | None = None
    since: Text | None = None
    until: Text | None = None
    status: Text | None = None


class ReviewExported(Asked, frozen=True, kw_only=True):
    """state: only pairs to look at, or only those with a verdict. Default: these, then those."""

    collection: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None
    state: Literal["open", "decided"] | None = None


class ReportsExported(Asked, frozen=True, kw_only=True):
    """customer: whose image it is, or who is among the matches. min_similarity: of the matches that are told."""

    customer: Text | None = None
    min_similarity: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None


def export_records_csv(call: Call, asked: RecordsExported) -> Response:
    columns = (*_RECORD, *_BOX, "emotions", "error")
    rows = (_flat(record) for record in _records(call.app, asked))
    return _file("records.csv", _CSV, _table(columns, rows))


def export_records_json(call: Call, asked: RecordsExported) -> Response:
    return _file("records.json", _JSON, _array(asdict(record) for record in _records(call.app, asked)))


def export_review_csv(call: Call, asked: ReviewExported) -> Response:
    return _file("review.csv", _CSV, _table(_PAIR, _pairs(call.app, asked)))


def export_review_json(call: Call, asked: ReviewExported) -> Response:
    return _file("review.json", _JSON, _array(_pairs(call.app, asked)))


def export_match_reports_csv(call: Call, asked: ReportsExported) -> Response:
    return _file("match-reports.csv", _CSV, _table(_REPORT, _matches(call.app, asked)))


def _records(app: App, asked: RecordsExported) -> Iterator[Record]:
    query = RecordQuery(asked.image, asked.person, asked.since, asked.until, asked.status)
    return chain.from_iterable(app.records.pages(query=query))


def _flat(record: Record) -> Row:
    emotions = [f"{each['type']} {each['confidence']:.1f}" for each in record.emotions or ()]
    return {**asdict(record), **(record.bounding_box or {}), "emotions": ", ".join(emotions)}


def _pairs(app: App, asked: ReviewExported) -> Iterator[Row]:
    collection = asked.collection or app.settings.collection
    app.collections.model(collection)  # what is not there is told before the answer begins
    if asked.state:
        found = _every(app, collection, asked.state)
    else:  # the unsure are both: they come once
        waiting = (each for each in _every(app, collection, "open") if each.verdict is None)
        found = chain(waiting, _every(app, collection, "decided"))
    return (msgspec.to_builtins(pair_item(each)) for each in found)


def _every(app: App, collection: str, state: str) -> Iterator[Reviewed]:
    look = app.reviews.open if state == "open" else app.reviews.decided
    page: Sequence[Reviewed] = look(collection, _PAGE)
    while page:
        yield from page
        page = look(collection, _PAGE, page[-1])


def _matches(app: App, asked: ReportsExported) -> Iterator[Row]:
    least = asked.min_similarity or 0.0
    for name, report in app.matching.report_pages.all(ReportFilter(asked.customer, least)):
        for match in report.of(asked.customer):
            if match.similarity >= least:
                box = msgspec.structs.asdict(match.face.bounding_box) if match.face.bounding_box else {}
                told = {"report": name, "source": report.source, "customer": report.customer}
                found = {"match": match.customer_id, "similarity": match.similarity, "face_id": match.face.face_id}
                yield told | found | box


def _table(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    yield csv_line(columns)
    for row in rows:
        yield csv_line(row.get(column) for column in columns)


def _array(rows: Iterable[Row]) -> Iterator[str]:
    start = "[\n"
    for row in rows:
        yield start + json.dumps(row, ensure_ascii=False)
        start = ",\n"
    yield "[]\n" if start == "[\n" else "\n]\n"


def _file(name: str, kind: str, lines: Iterator[str]) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    # The first row is made now: what is wrong with the question is told as an error, not as half a file.
    begun = list(islice(lines, 2))
    return StreamingResponse(_joined(chain(begun, lines)), HTTPStatus.OK, headers, media_type=kind)


def _joined(lines: Iterator[str]) -> Iterator[bytes]:
    """Some hundred lines at a time: each piece costs a change of threads."""
    piece: list[str] = []
    for line in lines:
        piece.append(line)
        if len(piece) == _PAGE:
            yield "".join(piece).encode()
            piece = []
    yield "".join(piece).encode()


_ABSENT = (HTTPStatus.NOT_FOUND,)
OPERATIONS = (
    Operation(
        "GET",
        "/api/v1/exports/records.csv",
        "The records of all photos, a row a face, for spreadsheets",
        _TAG,
        export_records_csv,
        asked=RecordsExported,
        answer=Media(_CSV),
    ),
    Operation(
        "GET",
        "/api/v1/exports/records.json",
        "The records of all photos",
        _TAG,
        export_records_json,
        asked=RecordsExported,
        answer=Media(_JSON),
    ),
    Operation(
        "GET",
        "/api/v1/exports/review.csv",
        "Pairs to review and decided ones, for spreadsheets",
        _TAG,
        export_review_csv,
        asked=ReviewExported,
        answer=Media(_CSV),
        errors=_ABSENT,
    ),
    Operation(
        "GET",
        "/api/v1/exports/review.json",
        "Pairs to review and decided ones",
        _TAG,
        export_review_json,
        asked=ReviewExported,
        answer=Media(_JSON),
        errors=_ABSENT,
    ),
    Operation(
        "GET",
        "/api/v1/exports/match-reports.csv",
        "The matches of all matching reports, a row each, for spreadsheets",
        _TAG,
        export_match_reports_csv,
        asked=ReportsExported,
        answer=Media(_CSV),
    ),
)
