"""dlib's face recognition ResNet → ONNX.

Davis King, "High Quality Face Recognition with Deep Metric Learning" (2017); weights CC0. The file's format stands in
`dlib_file`. A residual net in the manner of He et al. (arXiv 1512.03385): 29 convolutions, half the usual filters,
128 outputs.
"""

from dataclasses import dataclass

import numpy as np
import onnx

from faceline.errors import ModelError
from faceline.models.importers.dlib_file import Layer, Network, read_network
from faceline.models.importers.graph import FLOAT, UINT8, Floats, Graph, Port


def resnet(data: bytes, source: str) -> onnx.ModelProto:
    """Input `image`: uint8 (n, 150, 150, 3), RGB. Output `embedding`: float32 (n, 128), not normalised, as dlib's are.

    source: the file's name for messages. Raises ModelError when `data` is not such a network.
    """
    network = read_network(data, source)
    try:
        graph = _Builder(Graph(), network).build()
    except (ValueError, LookupError) as error:
        raise ModelError(f"{source} is no residual network as dlib's face recognition one is: {error}") from error
    image: Port = ("image", UINT8, ["n", *network.size, 3])
    return graph.model([image], [("embedding", FLOAT, ["n", 128])], f"dlib face recognition ResNet from {source}")


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, int, int]  # channels, height, width


class _Builder:
    """Goes through the layers from the input on. Result names carry the layer's position, so that they never change."""

    def __init__(self, graph: Graph, network: Network) -> None:
        self._graph = graph
        self._layers = network.layers
        self._means = np.array(network.means, np.float64)
        self._x = _Tensor(graph.nchw_floats("image"), (3, *network.size))
        self._tagged = self._addend = self._x

    def build(self) -> Graph:
        at = 0
        while at < len(self._layers):
            at += self._step(at)
        return self._graph

    def _step(self, at: int) -> int:
        """Emit the layer at this position; the number of layers that were used up."""
        layer = self._layers[at]
        match layer.kind:
            case "tag":
                return self._tag(is_skip=self._layers[at + 1].kind == "tag")
            case "con":
                self._conv(layer, self._layers[at + 1], first=at == 0, name=f"conv_{at}")
                return 2
            case "relu":
                self._x = _Tensor(self._graph.add("Relu", [self._x.name], f"relu_{at}"), self._x.shape)
            case "add_prev":
                self._add(f"add_{at}")
            case "max_pool":
                self._x = self._pooled("MaxPool", layer, f"pool_{at}")
            case "avg_pool" if layer.numbers[0]:
                self._x = self._pooled("AveragePool", layer, f"pool_{at}")
            case "avg_pool":
                name = self._graph.add("GlobalAveragePool", [self._x.name], f"pool_{at}")
                self._x = _Tensor(name, (self._x.shape[0], 1, 1))
            case "fc":
                flat = self._graph.add("Flatten", [self._x.name])
                self._graph.add("MatMul", [flat, self._graph.constant(layer.params)], "embedding")
        return 1

    def _tag(self, is_skip: bool) -> int:
        """A tag remembers where it stands. Tag and skip end a block, which is added later to its pooled input."""
        if not is_skip:
            self._tagged = self._addend = self._x
            return 1
        self._addend, self._x = self._x, self._tagged
        return 2

    def _conv(self, con: Layer, affine: Layer, first: bool, name: str) -> None:
        filters, rows, columns, stride, _, padding, _ = con.numbers
        channels, height, width = self._x.shape
        kernel, bias = con.params[:-filters].reshape(filters, channels, rows, columns), con.params[-filters:]
        factor, addend = _halves(affine)
        kernel, bias = kernel * factor[:, None, None, None], bias * factor + addend
        if first:
            kernel, bias = self._on_pixels(kernel, bias, padding)
        inputs = [self._x.name, self._graph.constant(kernel), self._graph.constant(bias)]
        self._graph.add("Conv", inputs, name, strides=[stride, stride], pads=[padding] * 4)
        shape = filters, _side(height, rows, stride, padding), _side(width, columns, stride, padding)
        self._x = _Tensor(name, shape)

    def _on_pixels(self, kernel: Floats, bias: Floats, padding: int) -> tuple[Floats, Floats]:
        """The first convolution with (x − mean) / 256 folded in, which is exact only because it has no padding."""
        if padding:
            raise ValueError("its first convolution is padded")
        kernel = kernel / np.float32(256)
        shift = np.einsum("oihw,i->o", kernel.astype(np.float64), self._means)
        return kernel, (bias - shift).astype(np.float32)

    def _pooled(self, operator: str, layer: Layer, name: str) -> _Tensor:
        rows, columns, stride, _, padding, _ = layer.numbers
        channels, height, width = self._x.shape
        if padding:
            raise ValueError("a pooling layer is padded")
        self._graph.add(operator, [self._x.name], name, kernel_shape=[rows, columns], strides=[stride, stride])
        return _Tensor(name, (channels, _side(height, rows, stride, 0), _side(width, columns, stride, 0)))

    def _add(self, name: str) -> None:
        """dlib's sum of unlike shapes: both are filled up with zeros at the end to the larger of each side."""
        channels, height, width = (max(pair) for pair in zip(self._x.shape, self._addend.shape, strict=True))
        shape = channels, height, width
        parts = [self._padded(part, shape) for part in (self._addend, self._x)]
        self._x = _Tensor(self._graph.add("Add", parts, name), shape)

    def _padded(self, x: _Tensor, shape: tuple[int, int, int]) -> str:
        """Filled up by a 1×1 convolution with ones: unlike Pad it keeps ONNX Runtime's fast layouts and can be int8."""
        if x.shape == shape:
            return x.name
        below, right = shape[1] - x.shape[1], shape[2] - x.shape[2]
        identity = np.eye(shape[0], x.shape[0], dtype=np.float32)[:, :, None, None]
        return self._graph.add(
            "Conv", [x.name, self._graph.constant(identity)], f"{x.name}_padded", pads=[0, 0, below, right]
        )


def _halves(affine: Layer) -> tuple[Floats, Floats]:
    if affine.kind != "affine":
        raise ValueError(f"a convolution is followed by {affine.kind} instead of affine")
    half = len(affine.params) // 2
    return affine.params[:half], affine.params[half:]


def _side(side: int, window: int, stride: int, padding: int) -> int:
    return (side + 2 * padding - window) // stride + 1
