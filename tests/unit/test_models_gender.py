"""The importer of dlib's gender network, on made weights in a file of the real one's form."""

import random
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from faceline.errors import ModelError
from faceline.models.importers.gender import gender

Floats = NDArray[Any]
Change = Callable[[onnx.ModelProto], object]

_MEANS = np.array([122.782, 117.001, 104.298], dtype=np.float32)


class _Chain:
    """Writes operators one behind the other, as the package's converter does."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.random = np.random.default_rng(4)

    def add(self, operator: str, *shapes: tuple[int, ...], **attributes: Any) -> None:
        names = [f"weight_{len(self.weights) + i}" for i in range(len(shapes))]
        for name, shape in zip(names, shapes, strict=True):
            # Sizes that keep values alive: fan-in for kernels, near 1 for factors.
            fan_in = shape[0] if operator == "Gemm" else np.prod(shape[1:])
            size = float(2 / fan_in) ** 0.5 if len(shape) in (2, 4) and 1 not in shape else 0.1
            values = self.random.normal(1.0 if operator == "Mul" else 0.0, size, shape).astype(np.float32)
            self.weights.append(numpy_helper.from_array(values, name))
        value = self.nodes[-1].output[0] if self.nodes else "images"
        output = "probabilities" if operator == "Softmax" else f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, [value, *names], [output], **attributes))

    def convolution(self, channels_in: int, channels: int) -> None:
        kernel = (channels, channels_in, 3, 3)
        self.add("Conv", kernel, (channels,), kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
        self.add("Mul", (1, channels, 1, 1))
        self.add("Add", (1, channels, 1, 1))
        self.add("Relu")

    def pool(self) -> None:
        size: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0] * 4}
        self.add("AveragePool", ceil_mode=0, count_include_pad=0, **size)

    def dense(self, channels_in: int, channels: int) -> None:
        self.add("Mul", (1,))
        self.add("Flatten", axis=1)
        self.add("Gemm", (channels_in, channels), (channels,), alpha=1.0, beta=1.0, transA=0, transB=0)

    def file(self) -> bytes:
        ports = [
            helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 32, 32]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2]),
        ]
        graph = helper.make_graph(self.nodes, "made", ports[:1], ports[1:], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        serialised: bytes = model.SerializeToString()
        return serialised


@cache
def _file() -> bytes:
    chain = _Chain()
    chain.convolution(3, 32)
    chain.convolution(32, 32)
    chain.pool()
    chain.convolution(32, 64)
    chain.convolution(64, 64)
    chain.pool()
    chain.dense(4096, 16)
    chain.add("Relu")
    chain.dense(16, 2)
    chain.add("Softmax", axis=1)
    return chain.file()


def _changed(change: Change) -> bytes:
    model = onnx.load_model_from_string(_file())
    change(model)
    serialised: bytes = model.SerializeToString()
    return serialised


def _run(model: bytes, name: str, values: Floats) -> Floats:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    found: Floats = session.run(None, {name: values})[0]
    return found


def test_bytes_give_what_the_file_gives_for_prepared_floats() -> None:
    image = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    prepared = np.ascontiguousarray(((image - _MEANS) / 256).transpose(0, 3, 1, 2), dtype=np.float32)
    expected = _run(_file(), "images", prepared)
    found = _run(gender(_file(), "made.onnx").SerializeToString(), "image", image)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected[:, 0]) > 0.01  # else a constant would pass


def test_the_models_input_and_output_are_named_as_those_of_the_other_networks() -> None:
    model = gender(_file(), "made.onnx")
    assert [value.name for value in model.graph.input] == ["image"]
    assert [value.name for value in model.graph.output] == ["probability"]
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8


def _elsewhere(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def _transposed(model: onnx.ModelProto) -> None:
    kernel = model.graph.initializer[0]
    kernel.dims[:] = [3, 32, 3, 3]


def _not_finite(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[1]
    tensor.raw_data = b"\0\0\xc0\x7f" + tensor.raw_data[4:]


def _shortened(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.raw_data = tensor.raw_data[:-4]


def _strided(model: onnx.ModelProto) -> None:
    strides = next(a for a in model.graph.node[0].attribute if a.name == "strides")
    strides.ints[:] = [2, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.graph.node.pop(3), "its operators are Conv, Mul, Add, Conv"),
        (lambda m: setattr(m.graph.node[3], "op_type", "Tanh"), "its operators are Conv, Mul, Add, Tanh"),
        (lambda m: setattr(m.graph.node[3], "domain", "elsewhere"), "its operators are"),
        (_strided, "a Conv has the attributes"),
        (lambda m: m.graph.node[0].attribute.append(helper.make_attribute("group", 3)), "a Conv has the attributes"),
        (lambda m: m.graph.node[0].attribute.pop(0), "a Conv has the attributes"),
        (lambda m: m.graph.node[4].input.__setitem__(0, "images"), "a Conv is not fed by the operator before it"),
        (lambda m: m.graph.node[0].input.pop(), "a Conv is not fed by the operator before it"),
        (lambda m: m.graph.input[0].type.tensor_type.shape.dim.pop(), r"its inputs and outputs are .*\(3, 32\)"),
        (lambda m: m.graph.input.append(m.graph.input[0]), "its inputs and outputs are"),
        (lambda m: m.graph.output.pop(), "its inputs and outputs are"),
        (lambda m: setattr(m.graph.output[0], "name", "value_3"), "its output is 'value_3'"),
        (lambda m: m.graph.initializer.pop(0), "weight_0"),
        (_elsewhere, "'weight_0' keeps its numbers in another file"),
        (_transposed, r"'weight_0' has the shape \(3, 32, 3, 3\), not float32 \(32, 3, 3, 3\)"),
        (lambda m: setattr(m.graph.initializer[0], "data_type", TensorProto.INT32), "'weight_0' has the shape"),
        (_shortened, "cannot reshape array"),
        (_not_finite, "'weight_1' is not made of finite numbers"),
    ],
)
def test_another_graph_is_refused(change: Change, message: str) -> None:
    with pytest.raises(ModelError, match=rf"^odd\.onnx is not dlib's gender network in ONNX: .*{message}"):
        gender(_changed(change), "odd.onnx")


@pytest.mark.parametrize("data", [b"", b"\0", b"<html>not found</html>", b"\xff" * 1000])
def test_what_is_no_onnx_file_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match=r"^page\.html is not dlib's gender network"):
        gender(data, "page.html")


def test_damaged_files_never_end_in_anything_but_a_refusal_or_a_model() -> None:
    rng, whole = random.Random(5), _file()
    refused = 0
    for _ in range(60):
        data = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.3 else whole)
        # The names, shapes and attributes lie in the first bytes of the file, and in the last.
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(min(len(data), 3000) or 1) % max(len(data), 1)] = rng.randrange(256)
        try:
            gender(bytes(data), "damaged.onnx")
        except ModelError:
            refused += 1
    assert refused > 20
