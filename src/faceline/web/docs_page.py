"""`/docs`: the OpenAPI document as a page, made on the server out of the parts that all pages are made of."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.web import openapi
from faceline.web.commands import Here, curl, to_fill
from faceline.web.examples import Schema, example, resolved
from faceline.web.openapi import Served
from faceline.web.operations import MAX_TEXT, Operation
from faceline.web.pages import Templates

Document = Mapping[str, Any]

_PROBLEM = """{
  "type": "about:blank",
  "title": "Not Found",
  "status": 404,
  "detail": "there is no collection nope; make it, enroll somebody into it, or see `faceline collections`"
}"""
_DEEPEST = 4  # fields within fields
_BOUNDS = (
    ("minimum", "at least"),
    ("maximum", "at most"),
    ("minLength", "characters at least"),
    ("maxLength", "characters at most"),
    ("maxItems", "entries at most"),
    ("default", "otherwise"),
)


@dataclass(frozen=True, slots=True)
class Field:
    """name: with those that it lies in, as `faces[].box.left`. about: what is meant, and its bounds."""

    name: str
    kind: str
    required: bool
    about: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """media: its type. kind, about: of the whole. fields: of JSON and of forms. example: None for what is no JSON."""

    media: str
    kind: str
    about: str
    fields: Sequence[Field]
    example: str | None


@dataclass(frozen=True, slots=True)
class Described:
    """An operation as the page shows it. anchor: its operationId. scope: empty for what needs no key.

    to_fill: words of the command that only the reader knows, and where they are told.
    """

    anchor: str
    method: str
    path: str
    summary: str
    about: Sequence[str]
    scope: str
    parameters: Sequence[Field]
    body: Body | None
    status: str
    answer: Body | None
    errors: Sequence[str]
    curl: str
    to_fill: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    anchor: str
    operations: Sequence[Described]


class DocsPage:
    """operations: everything that is served. It is described once, when somebody first asks."""

    def __init__(self, app: App, templates: Templates, operations: Sequence[Operation | Served]) -> None:
        self._app, self._templates, self._operations = app, templates, operations

    def routes(self) -> list[Route]:
        return [Route("/docs", self.page), Route("/openapi.json", self.raw)]

    async def raw(self, request: Request) -> Response:
        return JSONResponse(self._document)

    async def page(self, request: Request) -> Response:
        settings = self._app.settings
        context = {
            "title": "HTTP API",
            "collection": settings.collection,
            "matching": settings.names.matching_collection,
            "groups": self._groups(self._here(request)),
            "problem": _PROBLEM,
        }
        return self._templates.page("docs", request, context)

    def _here(self, request: Request) -> Here:
        settings = self._app.settings
        may_all = request.state.caller.scope.covers(ApiScope.ADMIN)  # to others our folders are no matter
        folder = settings.data.resolve() if may_all else Path()
        return Here(str(request.base_url), folder / "admin.key", settings)

    def _groups(self, here: Here) -> list[Group]:
        described: dict[str, list[Described]] = {tag["name"]: [] for tag in self._document["tags"]}
        for path, methods in self._document["paths"].items():
            for method, operation in methods.items():
                shown = self._described(here, method.upper(), path, operation)
                described[operation["tags"][0]].append(shown)
        return [Group(name, anchor_of(name), sorted(each, key=_turn)) for name, each in described.items()]

    def _described(self, here: Here, method: str, path: str, operation: Document) -> Described:
        status = next(iter(operation["responses"]))
        success = operation["responses"][status]
        command = curl(here, method, path, operation, self._components)
        scopes = [scope for each in operation["security"] for scope in each["key"]]
        return Described(
            anchor=operation["operationId"],
            method=method,
            path=path,
            summary=operation["summary"],
            about=[_flowing(part) for part in operation["description"].split("\n\n")[:-1]],  # the scope stands apart
            scope=scopes[0] if scopes else "",
            parameters=[self._parameter(each) for each in operation["parameters"]],
            body=self._body(operation.get("requestBody", {})),
            status=f"{status} {HTTPStatus(int(status)).phrase}",
            answer=self._body(success),
            errors=[code for code in operation["responses"] if code != status],
            curl=command,
            to_fill=to_fill(command),
        )

    def _parameter(self, parameter: Document) -> Field:
        schema, place = parameter["schema"], parameter["in"]
        about = _about({**schema, "description": parameter.get("description", "")})
        return Field(parameter["name"], kind_of(schema, self._components), parameter["required"], about, place)

    def _body(self, described: Document) -> Body | None:
        for media, content in described.get("content", {}).items():
            schema = content.get("schema")
            if schema is None:
                return Body(media, "", "", (), None)
            is_json = media == "application/json"
            shown = _printed(example(schema, self._components)) if is_json else None
            about = resolved(schema, self._components).get("description", "")
            fields = list(fields_of(schema, self._components))
            return Body(media, kind_of(schema, self._components), _flowing(about), fields, shown)
        return None

    @cached_property
    def _document(self) -> Document:
        return openapi.document(self._operations)

    @property
    def _components(self) -> Mapping[str, Schema]:
        components: Mapping[str, Schema] = self._document["components"]["schemas"]
        return components


def _turn(described: Described) -> int:
    """Within a group: what is put first is there to be asked for, and is deleted last."""
    return {"PUT": 0, "DELETE": 2}.get(described.method, 1)


def anchor_of(name: str) -> str:
    return "tag-" + re.sub(r"\W+", "-", name.lower()).strip("-")


def kind_of(schema: Schema, components: Mapping[str, Schema]) -> str:
    """A schema's type in words: `list of text`, `number or null`."""
    schema = resolved(schema, components)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(kind_of(each, components) for each in choices))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "prefixItems" in schema:
        return f"[{', '.join(kind_of(each, components) for each in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}), components)}"
    if schema.get("format") == "binary":
        return "file"
    return {"string": "text", "integer": "whole number", "boolean": "true | false"}.get(
        str(schema.get("type")), str(schema.get("type", "anything"))
    )


def fields_of(schema: Schema, components: Mapping[str, Schema], within: str = "", depth: int = 0) -> Iterator[Field]:
    """The fields of an object, with those of the objects in it."""
    schema = resolved(schema, components)
    if schema.get("type") == "array":
        yield from fields_of((schema.get("items") or {}), components, f"{within}[]", depth)
    for choice in schema.get("anyOf", ()):
        yield from fields_of(choice, components, within, depth)
    if depth > _DEEPEST:
        return
    for name, of_one in schema.get("properties", {}).items():
        path = f"{within}.{name}" if within else name
        about = _about({"description": resolved(_inner(of_one), components).get("description", ""), **of_one})
        yield Field(path, kind_of(of_one, components), name in schema.get("required", ()), about)
        yield from fields_of(of_one, components, path, depth + 1)


def _inner(schema: Schema) -> Schema:
    """What a list is of, or what is there where it may be null."""
    choices = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(choices) == 1:
        return _inner(choices[0])
    return _inner(schema["items"]) if schema.get("type") == "array" and schema.get("items") else schema


def _about(schema: Schema) -> str:
    said = _flowing(schema.get("description", ""))
    bounds = [f"{words} {_plain(schema[key])}" for key, words in _BOUNDS if schema.get(key) not in (None, "", MAX_TEXT)]
    return " ".join(filter(None, (said, f"({', '.join(bounds)})" if bounds else "")))


def _printed(value: object) -> str:
    """JSON, with short lists of numbers and words in one line each."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return re.sub(r"\[[^\[\]{}]{1,80}\]", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)


def _plain(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value).lower()


def _flowing(text: str) -> str:
    """Without the line breaks of the source."""
    return " ".join(text.split())
