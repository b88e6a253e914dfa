"""dlib's file format and its importer on a made network with every kind of layer, and the int8 variant of that."""

import json
import struct
from importlib.resources import files
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from faceline.errors import ModelError
from faceline.models.importers.dlib import resnet
from faceline.models.importers.dlib_file import read_network
from faceline.models.importers.quantise import quantised, shipped_ranges

Floats = NDArray[Any]


def _int(value: int) -> bytes:
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def _float(value: float) -> bytes:
    mantissa, exponent = np.frexp(value)
    return _int(int(mantissa * 2**24)) + _int(int(exponent) - 24)


def _string(text: str) -> bytes:
    return _int(len(text)) + text.encode()


def _tensor(values: Floats | None = None) -> bytes:
    flat = np.zeros(0, np.float32) if values is None else values
    shape = (0, 0, 0, 0) if values is None else (*flat.shape, *[1] * (4 - flat.ndim))
    return _int(2) + b"".join(_int(side) for side in shape) + struct.pack(f"<{flat.size}f", *flat.reshape(-1))


_ALIAS = _int(1) + _int(1) * 4
_BOOLS = b"010"


class _Made:
    """A file in dlib's format, given layer by layer from the input on."""

    def __init__(self, side: int = 40) -> None:
        self.random = np.random.default_rng(3)
        self.side = side
        self.details: list[bytes] = []  # innermost first, without what the add_layer around them adds
        self.versions: list[int] = []

    def _add(self, details: bytes) -> None:
        is_first = not self.versions
        self.versions.append(3 if is_first else 2)
        gradient = _tensor() + _int(2) if is_first else _tensor()
        self.details.append(details + _BOOLS + _tensor() * 2 + gradient)

    def tag(self) -> None:
        self.versions.append(1)
        self.details.append(b"")

    def conv(self, channels: int, filters: int, size: int, stride: int, padding: int) -> tuple[Floats, Floats]:
        count = filters * channels * size * size
        params = self.random.normal(0, 1 / np.sqrt(channels * size), count + filters).astype(np.float32)
        numbers = b"".join(_int(n) for n in (filters, size, size, stride, stride, padding, padding))
        self._add(_string("con_4") + _tensor(params) + numbers + _ALIAS * 2 + _float(1.0) * 4)
        affine = self.random.uniform(0.5, 1.5, 2 * filters).astype(np.float32)
        self._add(_string("affine_") + _tensor(affine) + _ALIAS * 2 + _int(0))
        kernel, bias = params[:count].reshape(filters, channels, size, size), params[count:]
        return kernel * affine[:filters, None, None, None], bias * affine[:filters] + affine[filters:]

    def plain(self, name: str, *numbers: int) -> None:
        self._add(_string(name) + b"".join(_int(n) for n in numbers))

    def dense(self, inputs: int) -> Floats:
        params = self.random.normal(0, 1, (inputs, 128)).astype(np.float32)
        self._add(_string("fc_2") + _int(128) + _int(inputs) + _tensor(params) + _ALIAS * 2 + _int(1) + _float(1.0) * 4)
        return params

    def file(self) -> bytes:
        versions = b"".join(_int(v) for v in reversed(self.versions))
        head = _int(1) + _string("loss_metric_2") + _float(0.04) + _float(0.6) + versions
        head += _string("input_rgb_image_sized") + b"".join(_float(m) for m in (122.782, 117.001, 104.298))
        return head + _int(self.side) * 2 + b"".join(self.details)


def _conv(x: Floats, weights: tuple[Floats, Floats], stride: int, padding: int) -> Floats:
    kernel, bias = weights
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    summed: Floats = np.einsum("ncyxij,ocij->noyx", windows, kernel) + bias[:, None, None]
    return summed


def _pool(x: Floats, size: int, stride: int, how: Any) -> Floats:
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    pooled: Floats = how(windows, axis=(-1, -2))
    return pooled


def _sum(a: Floats, b: Floats) -> Floats:
    shape = np.maximum(a.shape, b.shape)
    padded = [np.pad(part, [(0, int(more)) for more in shape - part.shape]) for part in (a, b)]
    total: Floats = padded[0] + padded[1]
    return total


def _made() -> tuple[bytes, Any]:
    """A file, and the function from images to embeddings that it stands for; sides and channels of sums differ."""
    made = _Made()
    first = made.conv(3, 4, 7, 2, 0)
    made.plain("relu_")
    made.plain("max_pool_2", 3, 3, 2, 2, 0, 0)
    made.tag()
    a = made.conv(4, 4, 3, 1, 1)
    made.plain("relu_")
    b = made.conv(4, 4, 3, 1, 1)
    made.plain("add_prev_")
    made.plain("relu_")
    made.tag()
    c = made.conv(4, 6, 5, 2, 0)
    made.plain("relu_")
    d = made.conv(6, 6, 3, 1, 1)
    made.tag()
    made.tag()
    made.plain("avg_pool_2", 2, 2, 2, 2, 0, 0)
    made.plain("add_prev_")
    made.plain("relu_")
    made.plain("avg_pool_2", 0, 0, 1, 1, 0, 0)
    dense = made.dense(6)

    def run(image: NDArray[np.uint8]) -> Floats:
        means = np.array([122.782, 117.001, 104.298], np.float32)
        x = ((image.astype(np.float32) - means) / 256).transpose(0, 3, 1, 2)
        x = _pool(np.maximum(_conv(x, first, 2, 0), 0), 3, 2, np.max)
        x = np.maximum(_sum(x, _conv(np.maximum(_conv(x, a, 1, 1), 0), b, 1, 1)), 0)
        block = _conv(np.maximum(_conv(x, c, 2, 0), 0), d, 1, 1)
        x = np.maximum(_sum(block, _pool(x, 2, 2, np.mean)), 0)
        embedding: Floats = x.mean(axis=(2, 3)) @ dense
        return embedding

    return made.file(), run


def _embeddings(model: Any, image: NDArray[np.uint8]) -> Floats:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: Floats = session.run(["embedding"], {"image": image})[0]
    return found


def _images() -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)


def test_a_dlib_network_computes_what_its_layers_say() -> None:
    data, run = _made()
    found = _embeddings(resnet(data, "made.dat"), _images())
    np.testing.assert_allclose(found, run(_images()), rtol=1e-4, atol=1e-4)


def test_every_layer_of_a_dlib_file_is_read() -> None:
    network = read_network(_made()[0], "made.dat")
    assert network.size == (40, 40)
    assert network.means == pytest.approx((122.782, 117.001, 104.298), abs=1e-4)
    assert [layer.kind for layer in network.layers][:5] == ["con", "affine", "relu", "max_pool", "tag"]
    assert network.layers[-1].params.shape == (6, 128)


def test_a_truncated_dlib_file_is_refused_wherever_it_ends() -> None:
    data = _made()[0]
    for length in range(0, len(data), 13):
        with pytest.raises(ModelError, match=r"short\.dat is not a readable dlib network"):
            read_network(data[:length], "short.dat")


def test_a_file_that_is_no_dlib_network_is_refused() -> None:
    for data in (b"", b"hello, I am no network", b"\x01\x01\x01\x05abcde", b"\x88" * 40, _int(1) + _int(10**15)):
        with pytest.raises(ModelError, match=r"odd\.dat"):
            read_network(data, "odd.dat")


def test_an_unknown_layer_is_named() -> None:
    made = _Made()
    made.plain("dropout_2")
    with pytest.raises(ModelError, match="unknown layer 'dropout_2'"):
        read_network(made.file(), "new.dat")


def test_a_network_whose_convolution_lacks_its_affine_layer_is_refused() -> None:
    made = _Made()
    made.conv(3, 4, 3, 2, 0)
    network = made.file().replace(_string("affine_"), _string("relu_"), 1)
    with pytest.raises(ModelError):
        resnet(network, "odd.dat")


def _ranges_of(model: Any, image: NDArray[np.uint8]) -> dict[str, tuple[float, float]]:
    names = [node.output[0] for node in model.graph.node if node.op_type in ("Relu", "Conv")]
    for name in names:
        model.graph.output.add().name = name
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = session.run(names, {"image": image})
    into_relu = {node.input[0] for node in model.graph.node if node.op_type == "Relu"}
    pairs = zip(names, values, strict=True)
    return {name: (float(v.min()), float(v.max())) for name, v in pairs if name not in into_relu}


def test_the_int8_variant_points_where_the_fp32_one_does() -> None:
    data, run = _made()
    model = resnet(data, "made.dat")
    ranges = _ranges_of(resnet(data, "made.dat"), _images())
    found, wanted = _embeddings(quantised(model, ranges), _images()), run(_images())
    cosine = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosine.min() > 0.995


def test_ranges_of_another_network_are_refused() -> None:
    with pytest.raises(ModelError, match="belong to another network"):
        quantised(resnet(_made()[0], "made.dat"), {"relu_9999": (0.0, 1.0)})


def test_the_shipped_ranges_hold_nothing_but_limits_per_tensor() -> None:
    ranges = shipped_ranges("dlib-resnet")
    assert len(ranges) == 48
    assert all(low <= high for low, high in ranges.values())
    document = json.loads((files("faceline.models") / "data" / "dlib-resnet.ranges.json").read_text("utf-8"))
    assert set(document) == {"about", "ranges"}
