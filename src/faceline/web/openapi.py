"""The OpenAPI 3.1 document of the operations (https://spec.openapis.org/oas/v3.1.1.html)."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from faceline import __version__
from faceline.api_keys import ApiScope
from faceline.web.meanings import common_meaning, with_meanings
from faceline.web.operations import MAX_TEXT, Asked, Files, Media, Nothing, Operation, Upload

_OPEN = (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE)
_GUARDED = (*_OPEN, HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS)
_KEY = "The admin key, or one made with `faceline tokens`."
_REFERENCE = "#/components/schemas/{name}"
_BYTES = {"type": "string", "format": "binary"}


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457. detail: what was wrong with which input, and what to do. instance: says the id of the request."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


@dataclass(frozen=True, slots=True)
class Served:
    """A route that is no `Operation`, as the document describes it. The fields are as there.

    scope: None for what is open to everybody. failure: what errors beside problem documents look
    like.
    """

    method: str
    path: str
    summary: str
    tag: str
    operation_id: str
    asked: type[Asked] = Nothing
    body: Any = None
    answer: Any = None
    scope: ApiScope | None = ApiScope.READ
    status: HTTPStatus = HTTPStatus.OK
    errors: Sequence[HTTPStatus] = ()
    failure: Any = None
    details: str = ""


def document(operations: Sequence[Operation | Served]) -> dict[str, Any]:
    kinds = [kind for each in operations for kind in _kinds(each)] + [Problem]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    components = {name: with_meanings(schema) for name, schema in components.items()}
    writer = _Writer(dict(zip(kinds, schemas, strict=True)), components)
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        path = each.path.replace(":path}", "}")
        paths.setdefault(path, {})[each.method.lower()] = writer.operation(each)
    return {
        "openapi": "3.1.0",
        "info": {"title": "faceline", "version": __version__, "summary": "Face recognition that anyone can run."},
        "tags": [{"name": name} for name in dict.fromkeys(each.tag for each in operations)],
        "paths": paths,
        "components": {
            "schemas": writer.without_parameters(operations),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": _KEY}},
        },
    }


def _kinds(operation: Operation | Served) -> list[Any]:
    given = (operation.asked, operation.answer, operation.body, getattr(operation, "failure", None))
    return [kind for kind in given if kind is not None and not isinstance(kind, Media | Upload | Files)]


@dataclass(frozen=True, slots=True)
class _Writer:
    """schemas: by the type that each describes. components: what they refer to, by name."""

    schemas: dict[Any, dict[str, Any]]
    components: dict[str, Any]

    def without_parameters(self, operations: Sequence[Operation | Served]) -> dict[str, Any]:
        """The components but for the parameters, which stand where they are used."""
        asked = {self._name(each.asked) for each in operations}
        return {name: schema for name, schema in self.components.items() if name not in asked}

    def operation(self, operation: Operation | Served) -> dict[str, Any]:
        described: dict[str, Any] = {
            "operationId": operation.operation_id,
            "summary": operation.summary,
            "description": _description(operation),
            "tags": [operation.tag],
            "security": [{"key": [str(operation.scope)]}] if operation.scope else [],
            "parameters": self._parameters(operation),
            "responses": self._responses(operation),
        }
        if operation.body is not None:
            described["requestBody"] = {"required": True, "content": self._body(operation.body)}
        return described

    def _body(self, body: Any) -> dict[str, Any]:
        match body:
            case Upload():
                return {"application/octet-stream": {"schema": _BYTES}}
            case Files(names):
                properties = dict.fromkeys(names, _BYTES)
                form = {"type": "object", "properties": properties, "required": list(names)}
                return {"multipart/form-data": {"schema": {**form, "additionalProperties": False}}}
            case Media(kind=kind):
                return {kind: {"schema": {"type": "string"}}}
            case kind:
                return {"application/json": {"schema": self.schemas[kind]}}

    def _parameters(self, operation: Operation | Served) -> list[dict[str, Any]]:
        schema = self.components[self._name(operation.asked)]
        required = schema.get("required", ())
        return [
            {
                "name": name,
                "in": "path" if f"{{{name}}}" in operation.path.replace(":path}", "}") else "query",
                "required": name in required,
                "schema": _parameter(of_one, {} if isinstance(operation, Served) else {"maxLength": MAX_TEXT}),
                **({"description": said} if (said := of_one.get("description") or common_meaning(name)) else {}),
            }
            for name, of_one in schema["properties"].items()
        ]

    def _responses(self, operation: Operation | Served) -> dict[str, Any]:
        status = HTTPStatus.NO_CONTENT if operation.answer is None else operation.status
        answer: dict[str, Any] = {"description": status.phrase}
        if isinstance(operation.answer, Media):
            answer["content"] = {operation.answer.kind: {}}
        elif operation.answer is not None:
            answer["content"] = {"application/json": {"schema": self.schemas[operation.answer]}}
        refused = {"application/problem+json": {"schema": self.schemas[Problem]}}
        failure = getattr(operation, "failure", None)
        if failure is not None:
            refused["application/json"] = {"schema": self.schemas[failure]}
        statuses = {each.value: {"description": each.phrase, "content": refused} for each in _errors(operation)}
        if isinstance(operation.answer, Media):
            statuses |= {each.value: {"description": each.phrase} for each in operation.answer.also}
        return {str(status.value): answer, **{str(value): statuses[value] for value in sorted(statuses)}}

    def _name(self, kind: Any) -> str:
        return str(self.schemas[kind]["$ref"]).rpartition("/")[2]


def _errors(operation: Operation | Served) -> list[HTTPStatus]:
    """What may be answered beside success, as far as it is known: 408 and 413 where there is a body, 404 where the path
    names something.
    """
    found = [*(_GUARDED if operation.scope else _OPEN), *operation.errors]
    if operation.body is not None:
        found += [HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE]
    if "{" in operation.path:
        found.append(HTTPStatus.NOT_FOUND)
    return list(dict.fromkeys(found))


def _description(operation: Operation | Served) -> str:
    needed = f"Needs a key of scope `{operation.scope}` or more." if operation.scope else "Needs no key."
    said = operation.details if isinstance(operation, Served) else inspect.getdoc(operation.run)
    return f"{said}\n\n{needed}" if said else needed


def _parameter(schema: dict[str, Any], of_text: dict[str, Any]) -> dict[str, Any]:
    """Without null, which no text of a URL stands for: a parameter that is not given is left out. of_text: what holds
    for text that has no rule of its own.
    """
    kept = {key: value for key, value in schema.items() if key not in ("description", "anyOf")}
    if kept.get("default", ...) is None:
        del kept["default"]
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) > 1:
        return {**kept, "anyOf": choices}
    plain = {**kept, **(choices[0] if choices else {})}
    return {**of_text, **plain} if plain.get("type") == "string" else plain
