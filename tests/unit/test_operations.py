"""Operations over HTTP: who may ask, and that nothing but what was meant is taken. Bodies have their limits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi import KNOWN, Client
from faceline.api_keys import ApiScope
from faceline.gallery.enrolment import Photo
from faceline.web.api.operations import OPERATIONS
from faceline.web.served import SERVED
from made import open_app, photo

LIMIT = 3_000
DETECT, COMPARE = "/api/v1/detect", "/api/v1/compare"
FORM = {**KNOWN, "content-type": "multipart/form-data; boundary=X"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with open_app(tmp_path / "data", max_image_bytes=LIMIT) as app:
        app.enroll(Photo(photo(person=3), "Ada", "ada.png"))
        yield Client(app)


def part(name: str, data: bytes, filename: str | None = "x.png") -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    return f'--X\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"


def form(*parts: bytes) -> list[bytes | None]:
    """In small pieces, as the network may cut it."""
    whole = b"".join(parts) + b"--X--\r\n"
    return [whole[n : n + 50] for n in range(0, len(whole), 50)]


def files_of(client: Client) -> list[str]:
    data = client.app.settings.data
    return sorted(str(path) for path in data.rglob("*") if not path.name.endswith(("-wal", "-shm")))


class TestWhoMayAsk:
    @pytest.mark.parametrize("operation", [*OPERATIONS, *SERVED], ids=lambda each: str(each.operation_id))
    def test_a_key_of_less_scope_is_refused(self, client: Client, operation: object) -> None:
        needed, method, path = (getattr(operation, name) for name in ("scope", "method", "path"))
        path = path.replace(":path", "")
        if needed is None:
            assert client.ask(method, path, headers={}).status == 200
            return
        assert client.ask(method, path, headers={}).status == 401
        if needed is not ApiScope.READ:
            lesser = ApiScope.READ if needed is ApiScope.ENROLL else ApiScope.ENROLL
            key = client.app.api_keys.create("lesser", lesser)
            refused = client.ask(method, path, headers={"authorization": f"Bearer {key}"})
            assert refused.is_problem(403, f"scope {needed}", lesser)


class TestParameters:
    @pytest.mark.parametrize(
        ("query", "words"),
        [
            (b"colection=a", ["unknown field", "colection"]),
            (b"attributes=age", ["attributes"]),
            (b"attributes=null", ["null", "leave it out"]),
            (b"collection=a&collection=b", ["collection", "twice"]),
            (b"collection=a%00b", ["collection", "NUL"]),
            (b"collection=" + b"a" * 1_025, ["collection", "1,024"]),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, client: Client, query: bytes, words: list[str]) -> None:
        assert client.ask("POST", DETECT, query=query, chunks=[photo()]).is_problem(400, *words)

    def test_what_the_path_says_cannot_be_said_in_the_query_too(self, client: Client) -> None:
        path = "/api/v1/collections/my-face-collection/people"
        assert client.ask("GET", path).status == 200
        assert client.ask("GET", path, query=b"collection=other").is_problem(400, "collection", "twice")

    def test_a_method_that_a_path_does_not_know_is_told_with_those_that_it_does(self, client: Client) -> None:
        answer = client.ask("TRACE", "/buckets/face-input-bucket/a.png")
        assert answer.is_problem(405, "TRACE")
        assert answer.headers["allow"] == "DELETE, GET, HEAD, PUT"


class TestBodies:
    def test_a_file_over_the_limit_is_refused_before_it_is_read(self, client: Client) -> None:
        refused = client.ask("POST", DETECT, {**KNOWN, "content-length": str(LIMIT + 1)}, [b"x"])
        assert refused.is_problem(413, f"{LIMIT}", "max_image_bytes")
        assert refused.chunks_read == 0
        assert client.ask("POST", DETECT, chunks=[b"x" * LIMIT, b"x", b"x"]).is_problem(413, "max_image_bytes")

    def test_json_that_is_not_as_expected_says_where(self, client: Client) -> None:
        path = "/api/v1/collections/my-face-collection/people"
        told = {b"{": "truncated", b'{"name": 3}': "$.name", b'{"name": "\xff"}': "start byte", b"": "truncated"}
        for body, word in told.items():
            assert client.ask("POST", path, chunks=[body]).is_problem(400, "the body is not as expected", word)
        assert client.ask("POST", path, chunks=[b" " * 1_000_001]).is_problem(413, "1000000")

    def test_two_files_are_compared(self, client: Client) -> None:
        answer = client.ask("POST", COMPARE, FORM, form(part("a", photo(salt=1)), part("b", photo(faces=2, person=1))))
        assert answer.status == 200
        assert not answer.json["same_person"]
        assert answer.json["verdict"] == "different"
        assert [len(answer.json[side]["others"]) for side in "ab"] == [0, 1]

    @pytest.mark.parametrize(
        ("parts", "words"),
        [
            ([part("a", photo())], ["a, b", "there came a"]),
            ([part("a", photo()), part("c", photo())], ["there came a, c"]),
            ([part("a", photo()), part("a", photo())], ["there came a, a"]),
            ([part("a", photo()), part("b", photo()), part("c", photo())], ["Too many files"]),
            ([part("a", photo()), part("b", b"text", filename=None)], ["Too many fields"]),
            ([b"--X\r\nnonsense"], ["cannot be read"]),
        ],
    )
    def test_other_parts_are_refused(self, client: Client, parts: list[bytes], words: list[str]) -> None:
        assert client.ask("POST", COMPARE, FORM, form(*parts)).is_problem(400, *words)

    @pytest.mark.parametrize(
        "kind", ["", "application/json", "multipart/form-data", "multipart/form-data; charset=idna"]
    )
    def test_a_body_of_another_kind_is_refused(self, client: Client, kind: str) -> None:
        headers = {**KNOWN, "content-type": kind}
        assert client.ask("POST", COMPARE, headers, form(part("a", photo()))).is_problem(400, "a, b")

    def test_each_file_has_the_limit_and_so_have_all_together(self, client: Client) -> None:
        large, small = part("a", b"x" * (LIMIT + 1)), part("b", photo())
        assert client.ask("POST", COMPARE, FORM, form(large, small)).is_problem(413, "max_image_bytes")
        endless = client.ask("POST", COMPARE, FORM, [part("a", b"x"), *[b"x" * LIMIT] * 100])
        assert endless.is_problem(413, "max_image_bytes")
        assert endless.chunks_read < 10

    def test_a_client_that_leaves_is_no_failure_of_ours(self, client: Client) -> None:
        assert client.ask("POST", COMPARE, FORM, [part("a", b"x"), None]).is_problem(400, "broke off")


class TestTrying:
    def test_a_photo_without_a_face_cannot_be_compared(self, client: Client) -> None:
        answer = client.ask("POST", COMPARE, FORM, form(part("a", photo()), part("b", photo(faces=0))))
        assert answer.is_problem(422, "photo b", "no face found")

    def test_who_is_in_a_photo_is_said_with_what_the_similarity_means(self, client: Client) -> None:
        query = b"collection=my-face-collection&attributes=emotions"
        found = client.ask("POST", DETECT, query=query, chunks=[photo(faces=2, person=3)]).json
        ada, nobody = found["faces"]
        assert (ada["who"]["decision"], ada["who"]["name"]) == ("match", "Ada")
        assert (nobody["who"]["decision"], nobody["who"]["name"]) == ("unknown", None)
        assert nobody["who"]["meaning"].endswith("pairs of strangers score this high.")
        assert ada["emotions"][0]["type"] == "happy"
        assert ada["box"] == {"left": 0.01562, "top": 0.04167, "width": 0.625, "height": 0.83333}

    def test_nothing_is_kept(self, client: Client) -> None:
        before = files_of(client)
        client.ask("POST", DETECT, query=b"collection=my-face-collection", chunks=[photo(person=9)])
        client.ask("POST", COMPARE, FORM, form(part("a", photo()), part("b", photo())))
        assert files_of(client) == before
        assert client.ask("GET", "/records").json == []
        assert client.ask("GET", "/api/v1/activity").json["items"] == []

    def test_an_unknown_collection_is_told(self, client: Client) -> None:
        assert client.ask("POST", DETECT, query=b"collection=nope", chunks=[photo()]).is_problem(404, "nope")

    def test_the_example_is_the_portrait(self, client: Client) -> None:
        answer = client.ask("GET", "/api/v1/example")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.body.startswith(b"\xff\xd8")
