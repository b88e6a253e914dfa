"""Anybody's ONNX embedder → ours: uint8 (n, side, side, 3) RGB `image` in, float32 (n, d) `embedding` out.

What the maker asks to be done with the pixels becomes nodes before the network. Nothing that the file names outside of
itself is opened: networks with external data are refused. https://github.com/onnx/onnx/blob/main/docs/IR.md
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError, EncodeError
from onnx import TensorProto, compose, helper

from faceline.errors import ModelError
from faceline.models.added import Form, Kind
from faceline.models.importers.graph import FLOAT, UINT8

MAX_BYTES = 2**30
_OLDEST_OPSET = 7  # from here on Sub and Mul broadcast
_PIXELS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8}
_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE}
_LEAST_DIMENSIONS = 16  # of an embedding, where a network has other outputs too
# A network that sees one face needs no loops, and one without them always ends.
_LOOPS = {"Loop", "Scan"}
_YUNET = {f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)}


class RefusedError(ValueError):
    """The message goes on from the file's name."""


def read(data: bytes, source: str) -> onnx.ModelProto:
    """source: the file's name for messages. Raises ModelError when it is no ONNX file, or refers to other files."""
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ModelError(f"{source} is not an ONNX file; export the network as ONNX") from error
    if not model.graph.node:
        raise ModelError(f"{source} is not an ONNX file, or an empty one; export the network as ONNX")
    try:
        _refuse_what_reaches_out(model)
    except RefusedError as error:
        raise ModelError(f"{source} {error}; export the network as one ONNX file without them") from error
    return model


def kind_of(model: onnx.ModelProto) -> Kind:
    """By its outputs: YuNet's are like no other's."""
    return "detector" if {output.name for output in model.graph.output} >= _YUNET else "embedder"


def embedder(model: onnx.ModelProto, form: Form, source: str, batches: bool = True) -> bytes:
    """The network in our form, as an ONNX file. batches: whether it is let take several faces at once; otherwise one.

    Raises ModelError, with what the network takes and gives, when it is no embedder of chips of this template.
    """
    try:
        _check_opset(model)
        given = _input(model, form)
        output = _output(model)
        data: bytes = _wrapped(model, given, output, form, batches).SerializeToString(deterministic=True)
    except RefusedError as error:
        raise ModelError(f"{source} {error}") from error
    except (TypeError, ValueError, LookupError, AttributeError, EncodeError) as error:
        raise ModelError(f"{source} is damaged ({error}); export the network again") from error
    return data


def _refuse_what_reaches_out(model: onnx.ModelProto) -> None:
    for message in _messages(model):
        if isinstance(message, onnx.TensorProto):
            if message.data_location == TensorProto.EXTERNAL or message.external_data:
                raise RefusedError("keeps its numbers in other files")
        elif isinstance(message, onnx.NodeProto) and message.op_type in _LOOPS:
            raise RefusedError("has loops, which no embedder may have here")


def _messages(root: Any) -> Iterable[Any]:
    """All messages inside, wherever they are: tensors also hide in attributes, branches and functions."""
    waiting = [root]
    while waiting:
        message = waiting.pop()
        yield message
        for field, value in message.ListFields():
            if field.type == field.TYPE_MESSAGE:
                waiting.extend([value] if hasattr(value, "ListFields") else value)


def _check_opset(model: onnx.ModelProto) -> None:
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)
    if opset < _OLDEST_OPSET:
        raise RefusedError(f"is of ONNX opset {opset}; convert it to {_OLDEST_OPSET} or later")


def _input(model: onnx.ModelProto, form: Form) -> onnx.ValueInfoProto:
    """The one input that is no weight, with pixels of this template's side."""
    weights = {weight.name for weight in model.graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise RefusedError(f"takes {len(inputs)} inputs instead of one picture")
    tensor, sides = inputs[0].type.tensor_type, _sides(inputs[0])
    wanted = f"pixels, (n, 3, {form.side}, {form.side}) or (n, {form.side}, {form.side}, 3), as {form.template} says"
    if tensor.elem_type not in _PIXELS or len(sides) != 4 or not (_planes_first(sides) or sides[3] == 3):
        raise RefusedError(f"takes {_written(inputs[0])} instead of {wanted}")
    picture = sides[2:] if _planes_first(sides) else sides[1:3]
    if any(side not in (None, form.side) for side in picture):
        raise RefusedError(f"takes {_written(inputs[0])} instead of {wanted}; choose another template")
    return inputs[0]


def _output(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    """The one output that may be an embedding; beside it others (a norm, say) may be given."""
    outputs: list[onnx.ValueInfoProto] = list(model.graph.output)
    if len(outputs) > 1:
        outputs = [o for o in outputs if int(np.prod([s or 1 for s in _sides(o)[1:]])) >= _LEAST_DIMENSIONS]
    if len(outputs) != 1 or outputs[0].type.tensor_type.elem_type not in _FLOATS:
        shapes = ", ".join(map(_written, model.graph.output))
        raise RefusedError(f"gives {shapes or 'nothing'} instead of one vector for each face")
    return outputs[0]


def _wrapped(
    model: onnx.ModelProto, given: onnx.ValueInfoProto, output: onnx.ValueInfoProto, form: Form, batches: bool
) -> onnx.ModelProto:
    renamed = compose.add_prefix(model, "given/")
    graph = renamed.graph
    pixels, kind = f"given/{given.name}", given.type.tensor_type.elem_type
    before = _prepared(form, _planes_first(_sides(given)), kind, pixels)
    after = [
        helper.make_node("Flatten", [f"given/{output.name}"], ["faceline/flat"], axis=1),
        helper.make_node("Cast", ["faceline/flat"], ["embedding"], to=FLOAT),
    ]
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    for value in [v for v in graph.input if v.name == pixels]:
        graph.input.remove(value)
    count = "n" if batches else 1
    image = helper.make_tensor_value_info("image", UINT8, [count, form.side, form.side, 3])
    graph.input.insert(0, image)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("embedding", FLOAT, [count, "d"]))
    del graph.value_info[:]  # they may name a batch of one
    renamed.doc_string = "in faceline's form"
    return renamed


def _prepared(form: Form, planes_first: bool, kind: int, target: str) -> list[onnx.NodeProto]:
    """`image` → what the network takes, under its name. Constants are nodes: old files list initialisers as inputs."""
    nodes = [helper.make_node("Cast", ["image"], ["faceline/floats"], to=FLOAT)]
    at = "faceline/floats"

    def step(operator: str, numbers: tuple[float, ...]) -> None:
        nonlocal at
        to = f"faceline/{operator}"
        value = helper.make_tensor(f"{to}/value", TensorProto.FLOAT, [len(numbers)], numbers)
        nodes.append(helper.make_node("Constant", [], [f"{to}/constant"], value=value))
        nodes.append(helper.make_node(operator, [at, f"{to}/constant"], [to]))
        at = to

    if form.channels == "bgr":
        order = helper.make_tensor("faceline/bgr", TensorProto.INT64, [3], [2, 1, 0])
        nodes.append(helper.make_node("Constant", [], ["faceline/order"], value=order))
        nodes.append(helper.make_node("Gather", [at, "faceline/order"], ["faceline/bgr"], axis=3))
        at = "faceline/bgr"
    step("Sub", form.mean)
    step("Mul", form.scale)
    if planes_first:
        nodes.append(helper.make_node("Transpose", [at], ["faceline/planes"], perm=[0, 3, 1, 2]))
        at = "faceline/planes"
    return [*nodes, helper.make_node("Cast", [at], [target], to=kind)]


def _sides(value: onnx.ValueInfoProto) -> list[int | None]:
    """None for what varies."""
    return [d.dim_value or None for d in value.type.tensor_type.shape.dim]


def _planes_first(sides: list[int | None]) -> bool:
    return sides[1] == 3 or (sides[1] is None and sides[3] != 3)


def _written(value: onnx.ValueInfoProto) -> str:
    kind = value.type.tensor_type.elem_type
    name = TensorProto.DataType.Name(kind).lower() if kind in TensorProto.DataType.values() else "no tensor"
    return f"{name} ({', '.join(str(side or '?') for side in _sides(value))})"
