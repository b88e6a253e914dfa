"""The requests and errors of our operations are those of botocore's model, member by member."""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import botocore.session
import msgspec
import pytest

from faceline.rekognition import shapes
from faceline.rekognition.operations import NOT_OFFERED, OPERATIONS

MODEL = botocore.session.get_session().get_service_model("rekognition")
JSON_TYPES = {"string": str, "integer": int, "float": float, "blob": bytes, "map": dict, "list": list}


def bare(hint: Any) -> tuple[Any, msgspec.Meta | None]:
    """A member's type without None, and its constraints."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (part for part in get_args(hint) if part is not types.NoneType)
    if get_origin(hint) is Annotated:
        kind, *metas = get_args(hint)
        return kind, metas[0]
    return hint, None


def differences(hint: Any, shape: Any, path: str) -> Iterator[str]:
    """Where our type and botocore's shape disagree."""
    kind, meta = bare(hint)
    if shape.type_name == "structure":
        yield from struct_differences(kind, shape, path)
        return
    said = {name: value for name, value in shape.metadata.items() if name in ("min", "max", "pattern", "enum")}
    if get_origin(kind) is Literal:
        if set(get_args(kind)) != set(said["enum"]):
            yield f"{path}: enumeration"
        return
    if (get_origin(kind) or kind) is not JSON_TYPES[shape.type_name]:
        yield f"{path}: {kind} is not a {shape.type_name}"
    if shape.name != "ImageBlob":  # its most is a quota, checked elsewhere
        yield from constraint_differences(meta or msgspec.Meta(), said, path)
    if shape.type_name == "list":
        yield from differences(get_args(kind)[0], shape.member, f"{path}[]")
    if shape.type_name == "map":
        yield from differences(get_args(kind)[0], shape.key, f"{path}.key")
        yield from differences(get_args(kind)[1], shape.value, f"{path}.value")


def constraint_differences(meta: msgspec.Meta, said: dict[str, Any], path: str) -> Iterator[str]:
    least = meta.min_length if meta.min_length is not None else meta.ge
    most = meta.max_length if meta.max_length is not None else meta.le
    if (least or 0) != said.get("min", 0):
        yield f"{path}: at least {least}, not {said.get('min')}"
    if most != said.get("max"):
        yield f"{path}: at most {most}, not {said.get('max')}"
    pattern = said.get("pattern", "").strip("^$").replace("0-9-_", r"0-9\-_").replace(r"\.\-_", r".\-_")
    if r"\p{" not in pattern and (meta.pattern or "^\\Z") != f"^{pattern}\\Z":
        yield f"{path}: {meta.pattern} is not {pattern}"


def struct_differences(kind: type[msgspec.Struct], shape: Any, path: str) -> Iterator[str]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    if fields.keys() != shape.members.keys():
        yield f"{path}: {fields.keys() ^ shape.members.keys()}"
    hints = get_type_hints(kind, vars(shapes), include_extras=True)
    for name, field in fields.items():
        if field.required != (name in shape.required_members):
            yield f"{path}.{name}: required"
        yield from differences(hints[field.name], shape.members[name], f"{path}.{name}")


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_request_has_the_members_and_constraints_of_the_model(name: str) -> None:
    assert list(differences(OPERATIONS[name].request, MODEL.operation_model(name).input_shape, name)) == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_answers_the_errors_of_the_model(name: str) -> None:
    assert OPERATIONS[name].modelled == {shape.name for shape in MODEL.operation_model(name).error_shapes}


def test_every_operation_of_the_model_is_either_offered_or_said_not_to_be() -> None:
    assert NOT_OFFERED.isdisjoint(OPERATIONS)
    assert {*NOT_OFFERED, *OPERATIONS} == set(MODEL.operation_names)
