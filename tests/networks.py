"""Made ONNX embedders, as makers publish them: block means of the pixels through one matrix."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from faceline.models.added import Form
from faceline.models.adding import Adder, Asked, Terms
from faceline.models.spaces import Space, spaces

BLOCKS = 4


def matrix(dimensions: int = 32) -> NDArray[np.float32]:
    """float32 (48, dimensions)."""
    return np.random.default_rng(5).normal(size=(3 * BLOCKS * BLOCKS, dimensions)).astype(np.float32)


def embedder(
    side: int = 112,
    batch: int | str = "N",
    planes_first: bool = True,
    dimensions: int = 32,
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """Input `data`, output `fc1`. The weights are among the inputs too, as in old files, where the batch is fixed."""
    shape = [batch, 3, side, side] if planes_first else [batch, side, side, 3]
    nodes = [] if planes_first else [helper.make_node("Transpose", ["data"], ["planes"], perm=[0, 3, 1, 2])]
    block = side // BLOCKS
    nodes += [
        helper.make_node("Cast", ["data" if planes_first else "planes"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("AveragePool", ["floats"], ["blocks"], kernel_shape=[block, block], strides=[block, block]),
        helper.make_node("Constant", [], ["shape"], value=numpy_helper.from_array(np.array(_flat(batch)), "shape")),
        helper.make_node("Reshape", ["blocks", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["fc1"]),
    ]
    inputs = [helper.make_tensor_value_info("data", kind, shape)]
    weights = numpy_helper.from_array(matrix(dimensions), "weights")
    if isinstance(batch, int):
        inputs.append(helper.make_tensor_value_info("weights", TensorProto.FLOAT, list(weights.dims)))
    output = helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [batch, dimensions])
    graph = helper.make_graph(nodes, "made", inputs, [output], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def expected(image: NDArray[Any], dimensions: int = 32) -> NDArray[Any]:
    """(n, dimensions): what `embedder` makes of (n, side, side, 3), as it is fed."""
    n, side = image.shape[:2]
    block = side // BLOCKS
    means = image.reshape(n, BLOCKS, block, BLOCKS, block, 3).astype(np.float64).mean(axis=(2, 4))
    vectors: NDArray[Any] = means.transpose(0, 3, 1, 2).reshape(n, -1) @ matrix(dimensions)
    return vectors


def yunet() -> onnx.ModelProto:
    """Its inputs and outputs, of any size; sees no face."""
    nodes, outputs = [], []
    for stride in (8, 16, 32):
        nodes.append(
            helper.make_node(
                "AveragePool", ["input"], [f"cells{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2
            )
        )
        for kind, length in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items():
            name = f"{kind}_{stride}"
            kernel = numpy_helper.from_array(np.zeros((length, 3, 1, 1), np.float32), f"{name}/kernel")
            shape = numpy_helper.from_array(np.array([1, length, -1]), f"{name}/shape")
            nodes += [
                helper.make_node("Constant", [], [f"{name}/k"], value=kernel),
                helper.make_node("Constant", [], [f"{name}/s"], value=shape),
                helper.make_node("Conv", [f"cells{stride}", f"{name}/k"], [f"{name}/map"]),
                helper.make_node("Reshape", [f"{name}/map", f"{name}/s"], [f"{name}/rows"]),
                helper.make_node("Transpose", [f"{name}/rows"], [name], perm=[0, 2, 1]),
            ]
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "cells", length]))
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "height", "width"])
    graph = helper.make_graph(nodes, "made", [picture], outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def added(directory: Path, name: str = "mine", form: Form | None = None) -> Space:
    """A made embedder in this models folder, which was tried out by nobody."""
    form = form or FORM
    data = embedder(form.side).SerializeToString()
    Adder(directory, lambda *_: (32, "")).add(data, "made.onnx", Asked(name, form), Terms("MIT"))
    return next(space for space in spaces(directory) if space.name == name)


FORM = Form(template="arcface-112", threshold=0.363)


def _flat(batch: int | str) -> list[int]:
    """A batch that is fixed is fixed in the middle too, as exporters do it."""
    return [batch if isinstance(batch, int) else -1, 3 * BLOCKS * BLOCKS]
