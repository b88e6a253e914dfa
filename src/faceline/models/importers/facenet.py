"""FaceNet's InceptionResnetV1 from torch weights → ONNX.

Szegedy et al., Inception-v4 and the impact of residual connections (arXiv 1602.07261), in the smaller form of David
Sandberg's facenet; Schroff et al., FaceNet (arXiv 1503.03832). Names and shapes of the weights are those of
facenet-pytorch's public model (MIT), whose published state dicts were trained on VGGFace2 and CASIA-WebFace.

Batch normalisation, the blocks' scales and the pixels' (x − 127.5) / 128 are folded into the convolutions.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from faceline.errors import ModelError
from faceline.models.importers.graph import FLOAT, UINT8, Floats, Graph, Port
from faceline.models.importers.torch_zip import read_state_dict

SIDE = 160
DIMENSIONS = 512
_EPSILON = 1e-3
# Of training only: how often statistics were updated, and the classes' layer behind the embedding.
_UNUSED = (".num_batches_tracked", "logits.weight", "logits.bias")

Size = tuple[int, int]


def inception_resnet_v1(data: bytes, source: str) -> onnx.ModelProto:
    """Input `image`: uint8 (n, 160, 160, 3), RGB. Output `embedding`: float32 (n, 512), rows of unit length.

    data: a state dict as facenet-pytorch publishes it, or a TorchScript copy of the model. source: the file's name for
    messages. Raises ModelError when `data` is not this network.
    """
    weights = _Weights(read_state_dict(data, source))
    try:
        graph = _built(weights)
        weights.expect_no_more()
    except ValueError as error:
        raise ModelError(f"{source} is not facenet-pytorch's InceptionResnetV1: {error}; fetch it again") from error
    image: Port = ("image", UINT8, ["n", SIDE, SIDE, 3])
    output: Port = ("embedding", FLOAT, ["n", DIMENSIONS])
    return graph.model([image], [output], f"FaceNet InceptionResnetV1 from {source}")


@dataclass(slots=True)
class _Weights:
    """The state dict; each array is taken once."""

    arrays: dict[str, NDArray[Any]]
    _taken: set[str] = field(default_factory=set)

    def take(self, name: str, *shape: int) -> Floats:
        """Raises ValueError when there is no such float32 array of this shape, made of finite numbers."""
        array = self.arrays.get(name)
        if array is None or array.shape != shape or array.dtype != np.float32:
            found = "nothing" if array is None else f"{array.dtype} {array.shape}"
            raise ValueError(f"for {name!r} it has {found} instead of float32 {shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name!r} is not made of finite numbers")
        self._taken.add(name)
        return array

    def normalisation(self, name: str, channels: int) -> tuple[Floats, Floats]:
        """Factor and addend (channels,) that do the work of a batch normalisation."""
        mean, variance, gamma, beta = (
            self.take(f"{name}.{part}", channels) for part in ("running_mean", "running_var", "weight", "bias")
        )
        if (variance < 0).any():
            raise ValueError(f"{name!r} has negative variances")
        factor = gamma / np.sqrt(variance + np.float32(_EPSILON))
        return factor, beta - mean * factor

    def expect_no_more(self) -> None:
        """Raises ValueError when the file holds what this network has no place for."""
        rest = [name for name in self.arrays if name not in self._taken and not name.endswith(_UNUSED)]
        if rest:
            raise ValueError(f"it holds {rest[0][:80]!r} too")


@dataclass(frozen=True, slots=True)
class _Builder:
    graph: Graph
    weights: _Weights

    def basic(self, x: str, name: str, channels: Size, size: Size = (1, 1), stride: int = 1, same: bool = False) -> str:
        """Convolution, batch normalisation, ReLU. channels: in, out. size: rows, columns. same: pads with zeros."""
        factor, addend = self.weights.normalisation(f"{name}.bn", channels[1])
        kernel = self.weights.take(f"{name}.conv.weight", channels[1], channels[0], *size) * factor[:, None, None, None]
        if name == "conv2d_1a":
            kernel, addend = _on_pixels(kernel, addend)
        pads = [size[0] // 2, size[1] // 2] * 2 if same else [0] * 4
        inputs = [x, self.graph.constant(kernel), self.graph.constant(addend)]
        return self.graph.add("Relu", [self.graph.add("Conv", inputs, strides=[stride, stride], pads=pads)])

    def residual(self, x: str, name: str, channels: Size, branches: list[str], scale: float = 1.0) -> str:
        """x + scale · (1×1 convolution of the branches side by side). channels: of the branches together, of x."""
        kernel = self.weights.take(f"{name}.conv2d.weight", channels[1], channels[0], 1, 1) * np.float32(scale)
        bias = self.weights.take(f"{name}.conv2d.bias", channels[1]) * np.float32(scale)
        return self.graph.add("Add", [self.graph.conv(self.concat(branches), kernel, bias), x])

    def concat(self, parts: list[str]) -> str:
        return self.graph.add("Concat", parts, axis=1)


def _built(weights: _Weights) -> Graph:
    b = _Builder(Graph(), weights)
    x = _stem(b)
    for i in range(5):
        x = _block35(b, x, f"repeat_1.{i}")
    x = _mixed_6a(b, x)
    for i in range(10):
        x = _block17(b, x, f"repeat_2.{i}")
    x = _mixed_7a(b, x)
    for i in range(5):
        x = b.graph.add("Relu", [_block8(b, x, f"repeat_3.{i}", 0.2)])
    _embedding(b, _block8(b, x, "block8", 1.0))
    return b.graph


def _stem(b: _Builder) -> str:
    """(n, 256, 17, 17)."""
    x = b.basic(b.graph.nchw_floats("image"), "conv2d_1a", (3, 32), (3, 3), stride=2)
    x = b.basic(x, "conv2d_2a", (32, 32), (3, 3))
    x = b.basic(x, "conv2d_2b", (32, 64), (3, 3), same=True)
    x = b.basic(b.graph.max_pool(x, 3, 2), "conv2d_3b", (64, 80))
    x = b.basic(x, "conv2d_4a", (80, 192), (3, 3))
    return b.basic(x, "conv2d_4b", (192, 256), (3, 3), stride=2)


def _block35(b: _Builder, x: str, name: str) -> str:
    one = b.basic(x, f"{name}.branch0", (256, 32))
    two = b.basic(x, f"{name}.branch1.0", (256, 32))
    two = b.basic(two, f"{name}.branch1.1", (32, 32), (3, 3), same=True)
    three = b.basic(x, f"{name}.branch2.0", (256, 32))
    three = b.basic(three, f"{name}.branch2.1", (32, 32), (3, 3), same=True)
    three = b.basic(three, f"{name}.branch2.2", (32, 32), (3, 3), same=True)
    return b.graph.add("Relu", [b.residual(x, name, (96, 256), [one, two, three], 0.17)])


def _block17(b: _Builder, x: str, name: str) -> str:
    one = b.basic(x, f"{name}.branch0", (896, 128))
    two = b.basic(x, f"{name}.branch1.0", (896, 128))
    two = b.basic(two, f"{name}.branch1.1", (128, 128), (1, 7), same=True)
    two = b.basic(two, f"{name}.branch1.2", (128, 128), (7, 1), same=True)
    return b.graph.add("Relu", [b.residual(x, name, (256, 896), [one, two], 0.1)])


def _block8(b: _Builder, x: str, name: str, scale: float) -> str:
    """Without the ReLU behind it: the last one has none."""
    one = b.basic(x, f"{name}.branch0", (1792, 192))
    two = b.basic(x, f"{name}.branch1.0", (1792, 192))
    two = b.basic(two, f"{name}.branch1.1", (192, 192), (1, 3), same=True)
    two = b.basic(two, f"{name}.branch1.2", (192, 192), (3, 1), same=True)
    return b.residual(x, name, (384, 1792), [one, two], scale)


def _mixed_6a(b: _Builder, x: str) -> str:
    """17×17 → 8×8, 256 → 896 channels."""
    one = b.basic(x, "mixed_6a.branch0", (256, 384), (3, 3), stride=2)
    two = b.basic(x, "mixed_6a.branch1.0", (256, 192))
    two = b.basic(two, "mixed_6a.branch1.1", (192, 192), (3, 3), same=True)
    two = b.basic(two, "mixed_6a.branch1.2", (192, 256), (3, 3), stride=2)
    return b.concat([one, two, b.graph.max_pool(x, 3, 2)])


def _mixed_7a(b: _Builder, x: str) -> str:
    """8×8 → 3×3, 896 → 1792 channels."""
    one = b.basic(x, "mixed_7a.branch0.0", (896, 256))
    one = b.basic(one, "mixed_7a.branch0.1", (256, 384), (3, 3), stride=2)
    two = b.basic(x, "mixed_7a.branch1.0", (896, 256))
    two = b.basic(two, "mixed_7a.branch1.1", (256, 256), (3, 3), stride=2)
    three = b.basic(x, "mixed_7a.branch2.0", (896, 256))
    three = b.basic(three, "mixed_7a.branch2.1", (256, 256), (3, 3), same=True)
    three = b.basic(three, "mixed_7a.branch2.2", (256, 256), (3, 3), stride=2)
    return b.concat([one, two, three, b.graph.max_pool(x, 3, 2)])


def _embedding(b: _Builder, x: str) -> None:
    """Mean over the picture, dense layer with its batch normalisation, unit length."""
    g = b.graph
    factor, addend = b.weights.normalisation("last_bn", DIMENSIONS)
    kernel = b.weights.take("last_linear.weight", DIMENSIONS, 1792) * factor[:, None]
    x = g.add("Flatten", [g.add("GlobalAveragePool", [x])])
    x = g.add("Gemm", [x, g.constant(kernel.T), g.constant(addend)])
    # As torch does: a vector of zeros stays one instead of becoming a division by zero.
    length = g.add("Max", [g.add("ReduceL2", [x], axes=[1], keepdims=1), g.constant(np.array(1e-12, np.float32))])
    g.add("Div", [x, length], "embedding")


def _on_pixels(kernel: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """The first convolution for pixels 0–255, exact because it has no padding."""
    kernel = kernel / np.float32(128)
    shift = kernel.sum(axis=(1, 2, 3), dtype=np.float64) * 127.5
    return kernel, (bias - shift).astype(np.float32)
