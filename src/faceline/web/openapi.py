"""The OpenAPI 3.1 document of the operations (https://spec.openapis.org/oas/v3.1.1.html)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from faceline import __version__
from faceline.web.operations import Media, Operation, Upload

_EVERYWHERE = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_KEY = "The admin key, or one made with `faceline tokens`."
_REFERENCE = "#/components/schemas/{name}"


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457. detail: what was wrong with which input, and what to do."""

    type: str
    title: str
    status: int
    detail: str


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    kinds = [each.asked for each in operations] + [Problem]
    kinds += [each.answer for each in operations if _is_json(each.answer)]
    kinds += [each.body for each in operations if _is_json(each.body)]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    of_kind = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        path = each.path.replace(":path}", "}")
        paths.setdefault(path, {})[each.method.lower()] = _described(each, of_kind, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "faceline", "version": __version__, "summary": "Face recognition that anyone can run."},
        "security": [{"key": []}],
        "tags": [{"name": name} for name in dict.fromkeys(each.tag for each in operations)],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in _asked_names(operations)},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": _KEY}},
        },
    }


def _is_json(kind: Any) -> bool:
    return kind is not None and not isinstance(kind, Media | Upload)


def _asked_names(operations: Sequence[Operation]) -> set[str]:
    return {each.asked.__name__ for each in operations}


def _described(operation: Operation, of_kind: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.run.__name__,
        "summary": operation.summary,
        "description": f"Needs a key of scope `{operation.scope}` or more.",
        "tags": [operation.tag],
        "parameters": _parameters(operation, components),
        "responses": _responses(operation, of_kind),
    }
    if isinstance(operation.body, Upload):
        schema = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        described["requestBody"] = {"required": True, "content": schema}
    elif operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": of_kind[operation.body]}},
        }
    return described


def _parameters(operation: Operation, components: dict[str, Any]) -> list[dict[str, Any]]:
    schema = components[operation.asked.__name__]
    required, in_path = set(schema.get("required", ())), operation.parameters_in_path
    return [
        {
            "name": name,
            "in": "path" if name in in_path else "query",
            "required": name in required or name in in_path,
            "schema": {key: value for key, value in of_one.items() if key != "description"},
            **({"description": of_one["description"]} if "description" in of_one else {}),
        }
        for name, of_one in schema["properties"].items()
    ]


def _responses(operation: Operation, of_kind: dict[Any, Any]) -> dict[str, Any]:
    statuses = dict.fromkeys((*_EVERYWHERE, *operation.errors))
    refused = {"application/problem+json": {"schema": of_kind[Problem]}}
    responses: dict[str, Any] = {
        str(status.value): {"description": status.phrase, "content": refused} for status in statuses
    }
    if operation.answer is None:
        return {"204": {"description": "Done."}, **responses}
    if isinstance(operation.answer, Media):
        content: dict[str, Any] = {operation.answer.kind: {}}
    else:
        content = {"application/json": {"schema": of_kind[operation.answer]}}
    return {str(operation.status.value): {"description": "Done.", "content": content}, **responses}
