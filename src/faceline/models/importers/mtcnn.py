"""MTCNN's three networks: joblib lists of Keras weights → ONNX.

Zhang, Zhang, Li, Qiao, arXiv 1604.02878. Source: `pnet.lz4`, `rnet.lz4`, `onet.lz4` of the PyPI package `mtcnn` 1.0.0
(MIT), each a list of float32 arrays: kernels HWIO, bias, PReLU slopes (1, 1, C) layer after layer; dense kernels (in,
out); heads.

All three take `image`: uint8 (n, height, width, 3), RGB, and give float32 `probability` of a face, 0–1, and
`regression`: how far the box's x1, y1, x2, y2 are off, in parts of its side. Shapes stand at each function.
"""

import numpy as np
import onnx

from faceline.errors import ModelError
from faceline.models.importers.graph import FLOAT, UINT8, Floats, Graph, Port
from faceline.models.unpickle import read_arrays

_Shapes = tuple[tuple[int, ...], ...]


def pnet(data: bytes, source: str) -> onnx.ModelProto:
    """P-net, for pictures of any size: one cell for every 12×12 window, 2 pixels apart.

    Output: `probability` (n, h, w), `regression` (n, 4, h, w), where h = ceil((height − 2) / 2) − 4, w likewise.
    source: the file's name for messages. Raises ModelError when `data` is not this network.
    """
    a = _checked(data, source, _PNET)
    g = Graph()
    x = g.max_pool(_prelu(g, _first_conv(g, a[0], a[1]), a[2]), 2, 2, ceil=True)
    x = _prelu(g, g.conv(x, _oihw(a[3]), a[4]), a[5])
    x = _prelu(g, g.conv(x, _oihw(a[6]), a[7]), a[8])
    g.conv(x, _oihw(a[9]), a[10], output="regression")
    kernel, bias = _folded_softmax(a[11], a[12])
    face = g.add("Sigmoid", [g.conv(x, _oihw(kernel), bias)])
    g.add("Squeeze", [face, g.constant(np.array([1]))], "probability")
    outputs: list[Port] = [("probability", FLOAT, ["n", "h", "w"]), ("regression", FLOAT, ["n", 4, "h", "w"])]
    return g.model([("image", UINT8, ["n", "height", "width", 3])], outputs, f"MTCNN P-net from {source}")


def rnet(data: bytes, source: str) -> onnx.ModelProto:
    """R-net. Input (n, 24, 24, 3); output `probability` (n,), `regression` (n, 4). Raises ModelError as `pnet` does."""
    a = _padded_to_16(_checked(data, source, _RNET), layers=2)
    g = Graph()
    x = g.max_pool(_prelu(g, _first_conv(g, a[0], a[1]), a[2]), 3, 2, ceil=True)
    x = g.max_pool(_prelu(g, g.conv(x, _oihw(a[3]), a[4]), a[5]), 3, 2)
    x = _prelu(g, g.conv(x, _oihw(a[6]), a[7]), a[8])
    x = _prelu(g, g.conv(x, _as_conv(a[9], 3), a[10]), a[11])
    _heads(g, x, {"regression": (a[12], a[13])}, (a[14], a[15]))
    outputs: list[Port] = [("probability", FLOAT, ["n"]), ("regression", FLOAT, ["n", 4])]
    return g.model([("image", UINT8, ["n", 24, 24, 3])], outputs, f"MTCNN R-net from {source}")


def onet(data: bytes, source: str) -> onnx.ModelProto:
    """O-net. Input (n, 48, 48, 3); output as `rnet` and `landmarks` (n, 10). Raises ModelError as `pnet` does.

    landmarks: five x, then five y, in parts of the box's side: eyes, nose, mouth corners as seen in the image.
    """
    a = _checked(data, source, _ONET)
    g = Graph()
    x = g.max_pool(_prelu(g, _first_conv(g, a[0], a[1]), a[2]), 3, 2, ceil=True)
    x = g.max_pool(_prelu(g, g.conv(x, _oihw(a[3]), a[4]), a[5]), 3, 2)
    x = g.max_pool(_prelu(g, g.conv(x, _oihw(a[6]), a[7]), a[8]), 2, 2, ceil=True)
    x = _prelu(g, g.conv(x, _oihw(a[9]), a[10]), a[11])
    x = _prelu(g, g.conv(x, _as_conv(a[12], 3), a[13]), a[14])
    _heads(g, x, {"regression": (a[15], a[16]), "landmarks": (a[17], a[18])}, (a[19], a[20]))
    outputs: list[Port] = [
        ("probability", FLOAT, ["n"]),
        ("regression", FLOAT, ["n", 4]),
        ("landmarks", FLOAT, ["n", 10]),
    ]
    return g.model([("image", UINT8, ["n", 48, 48, 3])], outputs, f"MTCNN O-net from {source}")


def _layers(shapes: _Shapes, heads: _Shapes) -> _Shapes:
    """Shapes of all arrays: kernel, bias and slopes for each layer, kernel and bias for each head."""
    body = [s for kernel in shapes for s in (kernel, kernel[-1:], (1, 1, *kernel[-1:])[-len(kernel) + 1 :])]
    return tuple(body) + tuple(s for kernel in heads for s in (kernel, kernel[-1:]))


_PNET = _layers(((3, 3, 3, 10), (3, 3, 10, 16), (3, 3, 16, 32)), ((1, 1, 32, 4), (1, 1, 32, 2)))
_RNET = _layers(((3, 3, 3, 28), (3, 3, 28, 48), (2, 2, 48, 64), (576, 128)), ((128, 4), (128, 2)))
_ONET = _layers(
    ((3, 3, 3, 32), (3, 3, 32, 64), (3, 3, 64, 64), (2, 2, 64, 128), (1152, 256)), ((256, 4), (256, 10), (256, 2))
)


def _checked(data: bytes, source: str, shapes: _Shapes) -> list[Floats]:
    arrays = read_arrays(data, source)
    found = tuple(a.shape for a in arrays)
    if found != shapes:
        raise ModelError(f"{source} holds arrays of the shapes {found}, not the expected network; fetch it again")
    return arrays


def _first_conv(g: Graph, kernel_hwio: Floats, bias: Floats) -> str:
    """The first layer for pixels 0–255: (x − 127.5) / 128 is folded in, which is exact because it has no padding."""
    kernel = _oihw(kernel_hwio) / np.float32(128)
    shift = kernel.sum(axis=(1, 2, 3), dtype=np.float64) * 127.5
    return g.conv(g.nchw_floats("image"), kernel, (bias - shift).astype(np.float32))


def _prelu(g: Graph, x: str, slopes: Floats) -> str:
    """PReLU as Relu(x)·(1 − a) + a·x: ONNX Runtime's own PRelu is much slower on CPUs."""
    a = slopes.reshape(-1, 1, 1)
    positive = g.add("Mul", [g.add("Relu", [x]), g.constant(1 - a)])
    return g.add("Add", [positive, g.add("Mul", [x, g.constant(a)])])


def _heads(g: Graph, x: str, linear: dict[str, tuple[Floats, Floats]], face: tuple[Floats, Floats]) -> None:
    """The dense outputs on x (n, c, 1, 1)."""
    x = g.add("Flatten", [x])
    for name, (kernel, bias) in linear.items():
        g.add("Gemm", [x, g.constant(kernel), g.constant(bias)], name)
    kernel, bias = _folded_softmax(*face)
    logit = g.add("Gemm", [x, g.constant(kernel), g.constant(bias)])
    g.add("Sigmoid", [g.add("Squeeze", [logit, g.constant(np.array([1]))])], "probability")


def _folded_softmax(kernel: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """Softmax over (no face, face) is the sigmoid of the difference: one output instead of two."""
    return kernel[..., 1:] - kernel[..., :1], bias[1:] - bias[:1]


def _oihw(kernel_hwio: Floats) -> Floats:
    return kernel_hwio.transpose(3, 2, 0, 1)


def _as_conv(dense: Floats, side: int) -> Floats:
    """A dense kernel whose inputs were flattened in the order (w, h, c) as a convolution OIHW over side × side."""
    whcn = dense.reshape(side, side, -1, dense.shape[1])
    return whcn.transpose(3, 2, 1, 0)


def _padded_to_16(arrays: list[Floats], layers: int) -> list[Floats]:
    """The first `layers` convolutions with idle channels added: ONNX Runtime is fast in blocks of 16 channels only."""
    padded = list(arrays)
    for i in range(layers):
        extra = -len(arrays[3 * i + 1]) % 16
        for j, axis in ((3 * i, 3), (3 * i + 1, 0), (3 * i + 2, 2), (3 * i + 3, 2)):
            width = [(0, extra if k == axis else 0) for k in range(padded[j].ndim)]
            padded[j] = np.pad(padded[j], width)
    return padded
