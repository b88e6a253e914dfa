"""What every table of results must do. A subclass gives the fixture `records`."""

from dataclasses import replace

import pytest

from faceline.errors import UsageError
from faceline.ports import Record, RecordQuery, Records

ANNA = Record(
    image_id="party.jpg",
    timestamp="2026-01-01T12:00:00.000+00:00",
    face_id="face-1",
    person="Anna Möller",
    confidence=97.25,
    bounding_box={"left": -1.5, "top": 2.0, "width": 30.0, "height": 40.0},
    emotions=[{"type": "happy", "confidence": 88.5}],
    bucket="photos",
    key="input/2026/party.jpg",
    etag="etag-1",
    status="matched",
)
STRANGER = replace(ANNA, face_id=None, person=None, confidence=99.0, emotions=None, status="unknown", face_number=1)
FAILED = Record(
    image_id="broken.jpg",
    timestamp="2026-01-01T13:00:00.000+00:00",
    face_id=None,
    person=None,
    confidence=0.0,
    bounding_box=None,
    emotions=None,
    bucket="photos",
    key="input/broken.jpg",
    etag="etag-2",
    status="error",
    error="not an image",
)


class RecordsContract:
    @pytest.fixture
    def records(self) -> Records:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _filled(self, records: Records) -> None:
        records.replace("photos", FAILED.key, [FAILED])
        records.replace("photos", ANNA.key, [STRANGER, ANNA])

    def test_records_come_back_as_they_were_by_time_key_and_face(self, records: Records) -> None:
        assert records.query(RecordQuery()) == [ANNA, STRANGER, FAILED]

    def test_replacing_leaves_no_row_of_before(self, records: Records) -> None:
        records.replace("photos", ANNA.key, [replace(STRANGER, face_number=0)])
        assert records.query(RecordQuery(image=ANNA.key)) == [replace(STRANGER, face_number=0)]

    def test_replacing_with_nothing_leaves_nothing(self, records: Records) -> None:
        records.replace("photos", ANNA.key, [])
        assert records.query(RecordQuery()) == [FAILED]

    def test_a_refused_replacement_changes_nothing(self, records: Records) -> None:
        with pytest.raises(UsageError, match="yesterday"):
            records.replace("photos", ANNA.key, [ANNA, replace(ANNA, timestamp="yesterday", face_number=1)])
        assert records.query(RecordQuery(image=ANNA.key)) == [ANNA, STRANGER]

    def test_equal_keys_in_two_buckets_are_two_photos(self, records: Records) -> None:
        records.replace("other-photos", ANNA.key, [replace(ANNA, bucket="other-photos")])
        assert records.delete("photos", ANNA.key) == 2
        assert [record.bucket for record in records.query(RecordQuery(person="face-1"))] == ["other-photos"]

    @pytest.mark.parametrize("image", ["party.jpg", "input/2026/party.jpg"])
    def test_an_image_is_found_by_name_or_by_key(self, records: Records, image: str) -> None:
        assert records.query(RecordQuery(image=image)) == [ANNA, STRANGER]

    @pytest.mark.parametrize("person", ["Anna Möller", "face-1"])
    def test_a_person_is_found_by_name_or_by_face(self, records: Records, person: str) -> None:
        assert records.query(RecordQuery(person=person)) == [ANNA]

    def test_a_status_is_found(self, records: Records) -> None:
        assert records.query(RecordQuery(status="error")) == [FAILED]

    def test_since_is_inclusive_and_until_is_exclusive(self, records: Records) -> None:
        assert records.query(RecordQuery(since=FAILED.timestamp)) == [FAILED]
        assert records.query(RecordQuery(until=FAILED.timestamp)) == [ANNA, STRANGER]

    @pytest.mark.parametrize(
        "since", ["2026-01-01T13:00:00Z", "2026-01-01T14:00:00+01:00", "2026-01-01T13:00", "2026-01-01 12:59:59.999"]
    )
    def test_times_mean_the_same_in_any_iso_form(self, records: Records, since: str) -> None:
        assert records.query(RecordQuery(since=since)) == [FAILED]

    def test_a_bad_time_is_named(self, records: Records) -> None:
        with pytest.raises(UsageError, match="last week"):
            records.query(RecordQuery(since="last week"))

    def test_all_conditions_must_hold(self, records: Records) -> None:
        assert records.query(RecordQuery(image="party.jpg", status="unknown", since="2026-01-01")) == [STRANGER]
        assert records.query(RecordQuery(image="party.jpg", status="error")) == []

    def test_the_limit_keeps_the_newest_rows(self, records: Records) -> None:
        assert records.query(RecordQuery(limit=1)) == [FAILED]
        assert records.query(RecordQuery(limit=2)) == [STRANGER, FAILED]

    @pytest.mark.parametrize("rows", [1, 2, 3, 10])
    def test_pages_hold_every_row_once_by_key_and_face(self, rows: int, records: Records) -> None:
        pages = list(records.pages(rows))
        assert [record for page in pages for record in page] == [ANNA, STRANGER, FAILED]
        assert all(0 < len(page) <= rows for page in pages)

    @pytest.mark.parametrize("rows", [1, 10])
    def test_pages_hold_what_was_asked_for_whatever_the_limit(self, rows: int, records: Records) -> None:
        pages = list(records.pages(rows, RecordQuery(image="party.jpg", limit=1)))
        assert [record for page in pages for record in page] == [ANNA, STRANGER]

    def test_forgetting_takes_the_name_out_of_every_row_of_the_person(self, records: Records) -> None:
        assert records.forget(str(ANNA.person)) == 1
        assert records.query(RecordQuery(person=ANNA.person)) == []
        nameless = replace(ANNA, person=None, face_id=None, status="forgotten")
        assert records.query(RecordQuery(image=ANNA.key)) == [nameless, STRANGER]
        assert records.forget("nobody") == 0

    def test_deleting_says_how_many_rows_there_were(self, records: Records) -> None:
        assert records.delete("photos", ANNA.key) == 2
        assert records.delete("photos", ANNA.key) == 0

    def test_a_name_with_a_quote_is_only_a_name(self, records: Records) -> None:
        assert records.query(RecordQuery(person="' OR 1=1 --")) == []
