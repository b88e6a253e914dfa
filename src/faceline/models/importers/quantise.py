"""fp32 ONNX → int8 ONNX in QDQ form, from activation ranges that were measured beforehand and ship with the package.

Activations: uint8 with zero point; weights: int8, symmetric, one scale per output channel; biases: int32. Between
QuantizeLinear and DequantizeLinear ONNX Runtime runs convolutions, sums and pools on integers. Jacob et al., arXiv
1712.05877.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np
import onnx
from onnx import numpy_helper

from faceline.errors import ModelError
from faceline.models.importers.graph import Array, Floats, Graph

Ranges = Mapping[str, tuple[float, float]]

_KEEPS_RANGE = ("MaxPool", "AveragePool")


def shipped_ranges(name: str) -> Ranges:
    """Tensor name → lowest and highest value seen over aligned chips; see `benchmarks/calibrate_int8.py`."""
    text = (files("faceline.models") / "data" / f"{name}.ranges.json").read_text("utf-8")
    return {tensor: (low, high) for tensor, (low, high) in json.loads(text)["ranges"].items()}


def quantised(model: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    """The same network with int8 convolutions; what comes behind the last tensor with a range stays fp32.

    Raises ModelError when a convolution's input has no range, that is, when the ranges belong to another network.
    """
    return _Quantiser(model, ranges).run()


@dataclass(frozen=True, slots=True)
class _Scale:
    scale: np.float32
    zero_point: np.uint8


@dataclass(slots=True)
class _Quantiser:
    model: onnx.ModelProto
    ranges: Ranges
    graph: Graph = field(default_factory=Graph)
    scales: dict[str, _Scale] = field(default_factory=dict)  # of the tensors that come out of a DequantizeLinear
    arrays: dict[str, Array] = field(default_factory=dict)

    def run(self) -> onnx.ModelProto:
        self.arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.model.graph.initializer}
        for node in self.model.graph.node:
            self._node(node)
        made = onnx.ModelProto()
        made.CopyFrom(self.model)
        del made.graph.node[:], made.graph.initializer[:]
        made.graph.node.extend(self.graph.nodes)
        made.graph.initializer.extend(self.graph.constants)
        made.doc_string += ", convolutions in int8"
        onnx.checker.check_model(made, full_check=True)
        return made

    def _node(self, node: onnx.NodeProto) -> None:
        (output,) = node.output
        if node.op_type == "Cast":
            self._dequantise(node.input[0], output, _Scale(np.float32(1), np.uint8(0)))  # pixels are uint8 already
        elif node.op_type == "Relu" and output in self.ranges:
            # The node itself goes: a lowest value of 0 cuts off as ReLU does.
            self._quantise(node.input[0], output, _scale(self.ranges[output]))
        elif node.op_type in _KEEPS_RANGE and node.input[0] in self.scales:
            self._quantise(self._copy(node, f"{output}_float"), output, self.scales[node.input[0]])
        elif output in self.ranges:
            self._quantise(self._copy(node, f"{output}_float"), output, _scale(self.ranges[output]))
        else:
            self._copy(node, output)

    def _copy(self, node: onnx.NodeProto, output: str) -> str:
        """The node with its constants kept, a convolution's in int8; returns `output`, its new output's name."""
        inputs = self._int8_inputs(node) if node.op_type == "Conv" else [self._input(name) for name in node.input]
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        del copy.input[:], copy.output[:]
        copy.input.extend(inputs)
        copy.output.append(output)
        copy.name = f"node_{output}"
        self.graph.nodes.append(copy)
        return output

    def _input(self, name: str) -> str:
        return self.graph.constant(self.arrays[name]) if name in self.arrays else name

    def _int8_inputs(self, conv: onnx.NodeProto) -> list[str]:
        x, kernel, *bias = conv.input
        if x not in self.scales:
            raise ModelError(f"the int8 ranges lack {x}, the input of {conv.name}: they belong to another network")
        weights, scales = _int8(self.arrays[kernel].astype(np.float32))
        bias_scales = scales * self.scales[x].scale
        biases = [np.rint(self.arrays[name].astype(np.float32) / bias_scales).astype(np.int32) for name in bias]
        return [x, self._constant(weights, scales), *(self._constant(values, bias_scales) for values in biases)]

    def _constant(self, values: Array, scales: Floats) -> str:
        """One scale per output channel, which is the first axis."""
        zeros = np.zeros(len(scales), values.dtype)
        inputs = [self.graph.constant(part) for part in (values, scales, zeros)]
        return self.graph.add("DequantizeLinear", inputs, axis=0)

    def _quantise(self, x: str, output: str, scale: _Scale) -> None:
        inputs = [x, self.graph.constant(np.array(scale.scale)), self.graph.constant(np.array(scale.zero_point))]
        self._dequantise(self.graph.add("QuantizeLinear", inputs), output, scale)

    def _dequantise(self, x: str, output: str, scale: _Scale) -> None:
        inputs = [x, self.graph.constant(np.array(scale.scale)), self.graph.constant(np.array(scale.zero_point))]
        self.graph.add("DequantizeLinear", inputs, output)
        self.scales[output] = scale


def _scale(limits: tuple[float, float]) -> _Scale:
    """Zero is always a value of its own: padding and ReLU need it exactly."""
    low, high = min(limits[0], 0.0), max(limits[1], 0.0)
    scale = np.float32((high - low) / 255)
    return _Scale(scale, np.uint8(round(-low / float(scale))))


def _int8(kernel_oihw: Floats) -> tuple[Array, Floats]:
    largest = np.abs(kernel_oihw).max(axis=(1, 2, 3))
    scales = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(127)
    return np.rint(kernel_oihw / scales[:, None, None, None]).astype(np.int8), scales
