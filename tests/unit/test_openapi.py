"""The OpenAPI document and its page: everything that is served is in them, and what they print works."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.routing import Route

import reports
from asgi import Client
from faceline.activity import Entry, Kind
from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.gallery.ports import NewFace
from faceline.web import openapi
from faceline.web.api.operations import OPERATIONS
from faceline.web.commands import to_fill
from faceline.web.docs_page import fields_of, kind_of
from faceline.web.examples import example
from faceline.web.meanings import with_meanings
from faceline.web.pages import PAGES
from faceline.web.served import SERVED
from faceline.web.server import create
from made import MODEL, Workflow, open_app, photo, record, vector
from served import client as client_of
from served import serving

DOCUMENT = openapi.document((*OPERATIONS, *SERVED))
COMPONENTS = DOCUMENT["components"]["schemas"]
# They are looked at, and `POST /` is another API.
NOT_DESCRIBED = {page.path for page in PAGES} | {"/login", "/logout", "/docs"}
OPERATION_IDS = [*(each.operation_id for each in OPERATIONS), *(each.operation_id for each in SERVED)]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with open_app(tmp_path_factory.mktemp("data")) as app:
        yield Client(app)


@pytest.fixture(scope="module")
def page(client: Client) -> str:
    return html.unescape(client.ask("GET", "/docs").body.decode())


def told() -> list[tuple[str, str, dict[str, Any]]]:
    return [(m.upper(), path, each) for path, methods in DOCUMENT["paths"].items() for m, each in methods.items()]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


class TestDocument:
    def test_every_route_is_described_and_nothing_else(self, client: Client) -> None:
        routes = [each for each in create(client.app, "key", print).routes if isinstance(each, Route)]
        served = {(method, route.path) for route in routes for method in (route.methods or set()) - {"HEAD"}}
        described = {(method, path) for method, path, _ in told()}
        expected = {(method, path.replace(":path}", "}")) for method, path in served if path not in NOT_DESCRIBED}
        assert described == expected

    def test_operations_have_different_names(self) -> None:
        assert len(set(OPERATION_IDS)) == len(OPERATION_IDS)

    def test_parameters_of_the_path_are_those_that_it_names(self) -> None:
        for _, path, operation in told():
            in_path = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path)), path
            assert all(each["required"] for each in operation["parameters"] if each["in"] == "path")

    def test_what_is_referred_to_is_there(self) -> None:
        assert {name.removeprefix("#/components/schemas/") for name in references(DOCUMENT)} <= set(COMPONENTS)

    def test_writes_say_which_scope_they_need(self) -> None:
        for method, path, operation in told():
            if method != "GET":
                assert operation["security"], path

    def test_it_can_be_read_without_a_key(self, client: Client) -> None:
        answer = client.ask("GET", "/openapi.json", headers={})
        assert answer.status == 200
        assert answer.json == json.loads(json.dumps(DOCUMENT))


class TestMeanings:
    def test_a_docstring_is_told_at_the_fields_that_it_speaks_of(self) -> None:
        said = "A photo. width, height: in pixels. name: of the file; or: none."
        fields = {name: {"type": "string"} for name in ("width", "height", "name", "size")}
        told = with_meanings({"description": said, "properties": fields})
        assert told["description"] == "A photo."
        assert [told["properties"][name].get("description") for name in fields] == [
            "in pixels.",
            "in pixels.",
            "of the file; or: none.",
            None,
        ]

    def test_types_are_said_in_words(self) -> None:
        assert kind_of({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, {}) == (
            "list of text or null"
        )
        assert kind_of({"enum": ["same", "different"]}, {}) == "same | different"

    def test_fields_have_the_names_of_those_around_them(self) -> None:
        inner = {"type": "object", "properties": {"left": {"type": "number", "minimum": 0}}, "required": ["left"]}
        schema = {"type": "object", "properties": {"faces": {"type": "array", "items": {"$ref": "#/x/Box"}}}}
        fields = list(fields_of(schema, {"Box": inner}))
        assert [(field.name, field.kind, field.required) for field in fields] == [
            ("faces", "list of object", False),
            ("faces[].left", "number", True),
        ]


ANSWERS = [
    each.answer for each in OPERATIONS if isinstance(each.answer, type) and issubclass(each.answer, msgspec.Struct)
]


class TestExamples:
    @pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: str(answer.__name__))
    def test_an_example_is_what_its_type_says(self, answer: type) -> None:
        schemas, components = msgspec.json.schema_components([answer])
        assert isinstance(msgspec.convert(example(schemas[0], components), answer), answer)


NOW = "2026-01-31T12:00:00.000+00:00"
# Two never end; the made analyzer sees no frames of the queues; the others are of a clip.
LEFT = {"stream_activity", "events", "post_frames", "get_clip", "delete_clip", "get_clip_frame", "get_clip_video"}


class Knowing:
    """Who has a filled server, and puts what they know for the words in capitals."""

    def __init__(self, app: App, reader: httpx.Client) -> None:
        self.app, self.reader = app, reader
        self.workflow, self.salt = Workflow(app), 0
        app.collections.create(app.settings.names.matching_collection, MODEL)
        app.matching.make_buckets()
        self.staff = f"/api/v1/collections/{app.settings.collection}"

    def filled(self, command: str) -> str:
        """The command with its words; Ada and Grace are enrolled again where an earlier one took them away."""
        for number, name in enumerate(("Ada", "Grace", "Ada")):
            self.ask("POST", f"{self.staff}/faces?name={name}", content=self.photo(number))
        for word, _ in to_fill(command):
            command = re.sub(rf"\b{word}\b", str(getattr(self, word.lower())()), command)
        return command

    def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = self.reader.request(method, path, **body)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    def photo(self, person: int) -> bytes:
        self.salt += 1
        return photo(person=person, salt=self.salt % 256)

    def key(self) -> str:
        """Of a photo of somebody whom nobody has seen."""
        key = f"input/{self.salt}.png"
        self.workflow.process(key, self.photo(50 + self.salt % 200))
        return key

    def position(self) -> int:
        self.key()
        found: int = self.ask("GET", "/api/v1/activity")["items"][0]["position"]
        return found

    def appearance(self) -> int:
        self.app.activity.put(Entry(Kind.CAMERA, NOW, NOW, camera="door"), picture=photo())
        found: int = self.ask("GET", "/api/v1/activity?kind=camera")["items"][0]["position"]
        return found

    def face_id(self) -> str:
        return str(self.ask("GET", f"{self.staff}/people/Ada/faces")["items"][0]["face_id"])

    def group(self) -> Any:
        self.key()
        return self.ask("GET", f"{self.staff}/unknowns")["items"][0]

    def unknown_id(self) -> str:
        return str(self.group()["face_ids"][0])

    def group_id(self) -> str:
        return str(self.group()["group_id"])

    def receipt_id(self) -> str:
        return str(self.ask("DELETE", f"{self.staff}/people/Grace")["receipt"]["receipt"])

    def receipt_handle(self) -> str:
        messages = f"/queues/{self.app.settings.names.requests}/messages"
        self.reader.post(messages, content="text", headers={"content-type": "text/plain"})
        return str(self.ask("GET", messages)[0]["receipt_handle"])

    def entry(self) -> int:
        done = self.ask("POST", f"{self.staff}/people/Grace/rename", json={"name": f"Grace_{self.salt}"})
        return int(done["change"]["entry"])

    def label(self) -> str:
        made = replace(record(f"labelled {self.salt}", None, vector(9)), external_image_id="emp-1")
        self.app.face_records.add(self.app.settings.collection, [NewFace(made)])
        return "emp-1"

    def report(self) -> str:
        reports.put(self.app, reports.report("ada", reports.match("eve", 95.0)))
        return str(self.ask("GET", "/api/v1/match-reports")["items"][0]["report"])

    def message_id(self) -> str:
        self.app.queue.send("poison")
        (message,) = self.app.queue.receive()
        self.app.queue.bury(message, "why")
        return message.message_id


class TestPage:
    @pytest.mark.parametrize("name", OPERATION_IDS)
    def test_every_operation_has_its_place_and_a_command(self, page: str, name: str) -> None:
        article = page.partition(f'<article class="card" id="{name}">')[2].partition("</article>")[0]
        assert f'href="#{name}"' in page
        assert "\ncurl " in article or ">curl " in article

    def test_it_says_only_to_admin_where_the_key_lies(self, client: Client) -> None:
        folder = str(client.app.settings.data.resolve())
        for scope in ApiScope:
            token = client.app.api_keys.create(f"of-{scope}", scope)
            shown = client.ask("GET", "/docs", {"authorization": f"Bearer {token}"}).body.decode()
            assert (folder in shown) == (scope is ApiScope.ADMIN)
            assert "admin.key" in shown

    def test_it_works_without_scripts_of_its_own(self, page: str) -> None:
        assert "style=" not in page
        assert set(re.findall(r'(?:src|href)="([^"#]+)"', page)) >= {"/static/docs.css", "/openapi.json"}
        assert not re.findall(r'(?:src|href)="https?:', page)

    def test_the_printed_commands_work_in_their_order(self, tmp_path: Path) -> None:
        if shutil.which("curl") is None:
            pytest.skip("there is no curl on this machine (Debian: apt-get install curl)")
        for file in ("photo.jpg", "a.jpg", "b.jpg"):
            (tmp_path / file).write_bytes(photo(person=7))
        (tmp_path / "scan.json").write_text('{"two_names": [], "two_people": []}')
        with (
            open_app(tmp_path / "data", keep_unknown_faces=True) as app,
            serving(app, key=app.admin_key()) as url,
            client_of(url, app.admin_key()) as reader,
        ):
            shown = html.unescape(reader.get("/docs").text)
            told = re.findall(r'<article class="card" id="(\w+)">.*?<code>(curl.*?)</code>', shown, re.DOTALL)
            assert {name for name, _ in told} == set(OPERATION_IDS)
            knowing = Knowing(app, reader)
            answers = {name: self.answer(knowing.filled(line), tmp_path) for name, line in told if name not in LEFT}
        assert {name: answer for name, answer in answers.items() if answer[:1] != "2"} == {}

    @staticmethod
    def answer(command: str, folder: Path) -> str:
        """The status, and what was answered."""
        told = f"{command} --silent --write-out '%{{stderr}}%{{http_code}}'"
        done = subprocess.run(["sh", "-c", told], cwd=folder, capture_output=True, check=True)
        return (done.stderr + b" " + done.stdout[:300]).decode(errors="replace")
