"""Over HTTP: what goes in and out, and that bad input is never our failure."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi import KNOWN, Client
from faceline.api_keys import ApiScope
from faceline.ports import Record
from made import open_app, photo

BUCKET = "face-input-bucket"
PATH = f"/buckets/{BUCKET}"
LIMIT = 2_000_000
RECORD = Record(
    image_id="party.jpg",
    timestamp="2026-01-31T12:00:00.000+00:00",
    face_id="face-1",
    person="Zoë",
    confidence=97.25,
    bounding_box={"left": 1.0, "top": 2.0, "width": 3.0, "height": 4.0},
    emotions=None,
    bucket=BUCKET,
    key="input/party.jpg",
    etag="etag-1",
    status="matched",
)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with open_app(tmp_path / "data", max_upload_bytes=LIMIT) as app:
        app.objects.make_bucket(BUCKET)
        yield Client(app)


class TestObjects:
    def test_an_uploaded_photo_is_stored_and_announced(self, client: Client) -> None:
        data = photo()
        answer = client.ask("PUT", f"{PATH}/input/Zoë 1.png", chunks=[data[:7], data[7:]])
        assert answer.status == 201
        assert answer.json["key"] == "input/Zoë 1.png"
        assert answer.json["size"] == len(data)
        info, stored = client.app.objects.get(BUCKET, "input/Zoë 1.png", LIMIT)
        assert stored == data
        assert client.announced == [info]
        assert answer.json["etag"] == info.etag

    def test_only_admin_replaces_what_is_there_or_puts_elsewhere_than_work_begins(self, client: Client) -> None:
        names, objects = client.app.settings.names, client.app.objects
        token = {"authorization": f"Bearer {client.app.api_keys.create('door', ApiScope.ENROLL)}"}
        places = [(BUCKET, "input/a.png"), (BUCKET, "enroll/Ada.png"), (names.input, "a.mp4")]
        for bucket, key in places:
            path = f"/buckets/{bucket}/{key}"
            assert client.ask("PUT", path, token, [b"theirs"]).status == 201
            assert client.ask("PUT", path, token, [b"garbage"]).is_problem(403, "scope admin", f"{bucket}/{key}")
            assert objects.get(bucket, key, LIMIT)[1] == b"theirs"
            assert client.ask("PUT", path, chunks=[b"ours"]).status == 201
            assert objects.get(bucket, key, LIMIT)[1] == b"ours"
        elsewhere = [(BUCKET, "processed/a.json"), (names.embeddings, "data.pt"), ("new-bucket", "input/a.png")]
        elsewhere += [(names.output, "a.json"), (names.matches, "output/a.json")]
        for bucket, key in elsewhere:
            answer = client.ask("PUT", f"/buckets/{bucket}/{key}", token, [b"x"])
            assert answer.is_problem(403, "scope admin", f"{bucket}/{key}")
            assert client.ask("GET", f"/buckets/{bucket}/{key}").status == 404
        assert len(client.announced) == 2 * len(places)

    @pytest.mark.parametrize("key", ["processed/a.json", "elsewhere/a.png", "inputs/a.png"])
    def test_other_uploads_start_nothing(self, client: Client, key: str) -> None:
        assert client.ask("PUT", f"{PATH}/{key}", chunks=[b"x"]).status == 201
        assert client.ask("PUT", "/buckets/another-bucket/input/a.png", chunks=[b"x"]).status == 201
        assert client.announced == []

    def test_an_enrolment_is_announced(self, client: Client) -> None:
        client.ask("PUT", f"{PATH}/enroll/Ada.png", chunks=[photo()])
        assert [info.key for info in client.announced] == ["enroll/Ada.png"]

    def test_an_object_is_read_as_it_was_written_and_never_as_a_page_of_ours(self, client: Client) -> None:
        client.ask("PUT", f"{PATH}/input/page.html", chunks=[b"<script>"])
        answer = client.ask("GET", f"{PATH}/input/page.html")
        assert (answer.status, answer.body) == (200, b"<script>")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"] == "attachment"
        assert answer.headers["etag"] == f'"{client.app.objects.head(BUCKET, "input/page.html").etag}"'

    def test_json_is_said_to_be_json(self, client: Client) -> None:
        client.app.objects.put(BUCKET, "processed/a.json", b'{"faces": []}')
        answer = client.ask("GET", f"{PATH}/processed/a.json")
        assert (answer.headers["content-type"], answer.json) == ("application/json", {"faces": []})

    def test_objects_are_listed_by_prefix(self, client: Client) -> None:
        for key in ("input/b.png", "input/a.png", "processed/a.json"):
            client.app.objects.put(BUCKET, key, b"x")
        listed = client.ask("GET", PATH, query=b"prefix=input/")
        assert [entry["key"] for entry in listed.json] == ["input/a.png", "input/b.png"]
        assert set(listed.json[0]) == {"bucket", "key", "etag", "size", "modified_at"}
        assert len(client.ask("GET", PATH).json) == 3

    def test_a_deleted_object_is_gone(self, client: Client) -> None:
        client.app.objects.put(BUCKET, "input/a.png", b"x")
        for _ in range(2):
            assert client.ask("DELETE", f"{PATH}/input/a.png").status == 204
        assert client.ask("GET", f"{PATH}/input/a.png").is_problem(404, "input/a.png")

    @pytest.mark.parametrize("path", ["/buckets/no-such-bucket", "/buckets/no-such-bucket/a.png", f"{PATH}/a.png"])
    def test_what_is_not_there_is_not_found(self, client: Client, path: str) -> None:
        assert client.ask("GET", path).is_problem(404)

    @pytest.mark.parametrize(
        "key",
        [
            "../state.sqlite",
            "input/../../state.sqlite",
            "..",
            "/etc/passwd",
            "a//b",
            "input/",
            "nul\x00.png",
            "tab\t.png",
            "..\\state.sqlite",
            "x/" * 512 + "x",
            "é" * 513,
            "\udcff.png",
        ],
        ids=lambda key: ascii(key)[:30],
    )
    @pytest.mark.parametrize("method", ["PUT", "GET", "HEAD", "DELETE"])
    def test_a_key_that_could_leave_its_bucket_is_refused(self, client: Client, method: str, key: str) -> None:
        assert client.ask(method, f"{PATH}/{key}", chunks=[b"x"]).is_problem(400, "refused") or method == "HEAD"
        assert client.announced == []
        assert sorted(path.name for path in client.app.directory.buckets.iterdir()) == [BUCKET]

    @pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
    def test_a_key_with_a_line_break_is_no_path_at_all(self, client: Client, method: str) -> None:
        assert client.ask(method, f"{PATH}/line\nbreak.png", chunks=[b"x"]).is_problem(404)

    @pytest.mark.parametrize("bucket", ["..", "UPPER", "a", "a" * 64, "a\x00b", "\udcff\udcff\udcff", "."])
    def test_a_bad_bucket_is_refused(self, client: Client, bucket: str) -> None:
        for method in ("GET", "PUT", "DELETE"):
            assert client.ask(method, f"/buckets/{bucket}/a.png", chunks=[b"x"]).is_problem(400, "bucket")
        assert client.ask("GET", f"/buckets/{bucket}").is_problem(400, "bucket")

    def test_a_key_that_is_a_folder_already_is_a_conflict(self, client: Client) -> None:
        client.app.objects.put(BUCKET, "input/a/b.png", b"x")
        assert client.ask("PUT", f"{PATH}/input/a", chunks=[b"x"]).is_problem(409, "folder")

    def test_a_large_upload_is_refused_before_it_is_read_to_its_end(self, client: Client) -> None:
        answer = client.ask("PUT", f"{PATH}/input/a.png", chunks=[b"x" * 1_000_000] * 50)
        assert answer.is_problem(413, str(LIMIT))
        assert answer.chunks_read == 3
        assert answer.headers["connection"] == "close"
        assert client.announced == []
        assert client.ask("GET", f"{PATH}/input/a.png").status == 404

    def test_an_upload_that_says_it_is_too_large_is_not_read_at_all(self, client: Client) -> None:
        answer = client.ask("PUT", f"{PATH}/input/a.png", KNOWN | {"content-length": str(LIMIT + 1)}, [b"x"] * 3)
        assert answer.is_problem(413, str(LIMIT))
        assert answer.chunks_read == 0

    def test_an_upload_of_just_the_limit_is_taken(self, client: Client) -> None:
        answer = client.ask("PUT", f"{PATH}/input/a.png", KNOWN | {"content-length": str(LIMIT)}, [b"x" * LIMIT])
        assert answer.status == 201

    @pytest.mark.parametrize("length", ["", "many", "-1", "²", "9" * 5000])
    def test_a_malformed_length_is_nobodys_failure(self, client: Client, length: str) -> None:
        headers = KNOWN | {"content-length": length}
        assert client.ask("PUT", f"{PATH}/input/a.png", headers, [b"x"]).status in (201, 400, 413)

    def test_an_upload_that_breaks_off_leaves_the_old_object(self, client: Client) -> None:
        client.app.objects.put(BUCKET, "input/a.png", b"old")
        answer = client.ask("PUT", f"{PATH}/input/a.png", chunks=[b"new ", None])
        assert answer.status < 500
        assert client.app.objects.get(BUCKET, "input/a.png", 10)[1] == b"old"
        assert client.announced == []


class TestRecords:
    @pytest.fixture(autouse=True)
    def _one_record(self, client: Client) -> None:
        client.app.records.replace(RECORD.bucket, RECORD.key, [RECORD])

    @pytest.mark.parametrize(
        "query",
        [
            b"",
            b"image=party.jpg",
            b"image=input/party.jpg",
            b"person=Zo%C3%AB",
            b"person=face-1",
            b"status=matched",
            b"since=2026-01-31",
            b"until=2026-02-01T00:00:00Z",
            b"since=2026-01-31T13:00:00%2B01:00",
            b"limit=1",
            b"image=party.jpg&person=face-1&limit=100000",
        ],
    )
    def test_every_condition_finds_the_record(self, client: Client, query: bytes) -> None:
        assert [row["person"] for row in client.ask("GET", "/records", query=query).json] == ["Zoë"]

    @pytest.mark.parametrize(
        "query", [b"image=other.jpg", b"person=Ada", b"status=error", b"since=2026-02-01", b"image=%00", b"person=%FF"]
    )
    def test_a_condition_that_does_not_hold_finds_nothing(self, client: Client, query: bytes) -> None:
        assert client.ask("GET", "/records", query=query).json == []

    def test_a_row_has_the_columns_of_the_table(self, client: Client) -> None:
        (row,) = client.ask("GET", "/records").json
        assert set(row) == {
            *("image_id", "timestamp", "face_id", "person", "confidence", "bounding_box", "emotions"),
            *("bucket", "key", "etag", "status", "face_number", "error"),
        }

    @pytest.mark.parametrize(
        ("query", "named"),
        [
            (b"limit=0", "limit"),
            (b"limit=-1", "limit"),
            (b"limit=", "limit"),
            (b"limit=ten", "limit"),
            (b"limit=100001", "limit"),
            (b"limit=%C2%B2", "limit"),
            (b"limit=" + b"9" * 5000, "limit"),
            (b"limit=1e3", "limit"),
            (b"since=yesterday", "yesterday"),
            (b"until=2026-13-01", "2026-13-01"),
            (b"since=%00", "time"),
            (b"people=Ada", "people"),
            (b"limit=1&Person=Ada", "Person"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_a_bad_parameter_is_named(self, client: Client, query: bytes, named: str) -> None:
        assert client.ask("GET", "/records", query=query).is_problem(400, named)

    @pytest.mark.parametrize(
        "time",
        [
            "0001-01-01T00:00:00%2B23:59",
            "9999-12-31T23:59:59.999999-23:59",
            "0001-01-01",
            "9999-12-31",
            "2026-W01",
            "20260131T12",
            "2026-01-31T12:00:00%2B00:00:00.5",
        ],
    )
    def test_times_at_the_ends_of_the_calendar_are_nobodys_failure(self, client: Client, time: str) -> None:
        assert client.ask("GET", "/records", query=f"since={time}&until={time}".encode()).status in (200, 400)


class TestProblems:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/nothing-here", 404),
            ("POST", "/records", 405),
            ("POST", PATH, 405),
            ("PATCH", f"{PATH}/a.png", 405),
        ],
    )
    def test_unknown_paths_and_methods_are_problems_too(
        self, client: Client, method: str, path: str, status: int
    ) -> None:
        assert client.ask(method, path).is_problem(status, method, path)

    def test_a_storage_that_fails_is_said_to_be_unavailable(self, client: Client) -> None:
        client.app.close()
        assert client.ask("GET", "/records").is_problem(503, "closed")

    def test_readiness_shows_the_queue(self, client: Client) -> None:
        client.app.queue.send("one")
        assert client.ask("GET", "/readyz", {}).json == {
            "status": "ready",
            "queue": {"visible": 1, "in_flight": 0, "dead": 0},
        }
