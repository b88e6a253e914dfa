"""A short way to write ONNX graphs: each operation returns the name of its result."""

from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# Both are as old as the operators allow, so that every ONNX Runtime from 1.20 on loads the files.
OPSET = 17
IR_VERSION = 9

Array = NDArray[np.generic]
Floats = NDArray[np.float32]
Attribute = int | float | str | list[int]
Port = tuple[str, int, list[int | str]]  # name, TensorProto type, shape with names for what varies

UINT8 = int(TensorProto.UINT8)
FLOAT = int(TensorProto.FLOAT)


@dataclass(slots=True)
class Graph:
    """Nodes and constants in the order in which they were added."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, operator: str, inputs: list[str], output: str = "", **attributes: Attribute) -> str:
        """Append one node and return its output's name, `output` or a made one."""
        name = output or f"{operator}_{len(self.nodes)}"
        node = helper.make_node(operator, inputs, [name], name=f"node_{name}")
        node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
        self.nodes.append(node)
        return name

    def constant(self, array: Array) -> str:
        """Keep an array in the file and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def conv(
        self, x: str, kernel_oihw: Floats, bias: Floats, stride: int = 1, padding: int = 0, output: str = ""
    ) -> str:
        """Cross-correlation plus bias, `padding` zeros on each side."""
        inputs = [x, self.constant(kernel_oihw), self.constant(bias)]
        return self.add("Conv", inputs, output, strides=[stride, stride], pads=[padding] * 4)

    def max_pool(self, x: str, size: int, stride: int, ceil: bool = False) -> str:
        """Unpadded pooling; `ceil` keeps windows that stick out at the end."""
        return self.add("MaxPool", [x], kernel_shape=[size, size], strides=[stride, stride], ceil_mode=int(ceil))

    def nchw_floats(self, image: str) -> str:
        """uint8 (n, h, w, c) → float32 (n, c, h, w), values unchanged."""
        return self.add("Cast", [self.add("Transpose", [image], perm=[0, 3, 1, 2])], to=FLOAT)

    def model(self, inputs: list[Port], outputs: list[Port], comment: str) -> onnx.ModelProto:
        """The finished, checked model."""
        ports = [[helper.make_tensor_value_info(*port) for port in side] for side in (inputs, outputs)]
        graph = helper.make_graph(self.nodes, "faceline", ports[0], ports[1], self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="faceline")
        made.doc_string = comment
        onnx.checker.check_model(made, full_check=True)
        return made
