"""The importer of TensorFlow Lite files, on made ones: a tiny network with the face mesh's input and outputs."""

import random
import struct
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from faceline.errors import ModelError
from faceline.models.importers import tflite
from faceline.models.importers.tflite_file import read_network

Floats = NDArray[Any]

_CODES = {"ADD": 0, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "MAX_POOL_2D": 17, "RESHAPE": 22, "PAD": 34, "PRELU": 54}
_SAME, _VALID = 0, 1


# A writer of FlatBuffers: a table is a list of fields, a field None, a (struct format, number), or what it points at.


def _flatbuffer(root: list[Any]) -> bytes:
    data = bytearray(b"\0\0\0\0TFL3")
    _point(data, 0, root)
    return bytes(data)


def _point(data: bytearray, at: int, thing: Any) -> None:
    data += b"\0" * (-len(data) % 4)
    if isinstance(thing, list):
        _table(data, at, thing)
    elif isinstance(thing, tuple):
        _vector(data, at, thing)
    else:
        raw = thing.encode() if isinstance(thing, str) else thing
        struct.pack_into("<I", data, at, len(data) - at)
        data += struct.pack("<I", len(raw)) + raw


def _table(data: bytearray, at: int, fields: list[Any]) -> None:
    distances = [4 + 4 * i if field is not None else 0 for i, field in enumerate(fields)]
    vtable = len(data)
    data += struct.pack(f"<{2 + len(fields)}H", 4 + 2 * len(fields), 4 + 4 * len(fields), *distances)
    data += b"\0" * (-len(data) % 4)
    table = len(data)
    struct.pack_into("<I", data, at, table - at)
    data += struct.pack("<i", table - vtable) + b"\0" * (4 * len(fields))
    for distance, value in zip(distances, fields, strict=True):
        if isinstance(value, _Number):
            struct.pack_into(value.form, data, table + distance, value.value)
        elif value is not None:
            _point(data, table + distance, value)


def _vector(data: bytearray, at: int, items: tuple[Any, ...]) -> None:
    start = len(data)
    struct.pack_into("<I", data, at, start - at)
    whole = all(isinstance(item, int) for item in items)
    data += struct.pack(f"<I{len(items)}i", len(items), *(items if whole else [0] * len(items)))
    for i, item in enumerate(() if whole else items):
        _point(data, start + 4 + 4 * i, item)


@dataclass(frozen=True)
class _Number:
    form: str
    value: int


def _byte(value: int) -> _Number:
    return _Number("<b", value)


def _int(value: int) -> _Number:
    return _Number("<i", value)


@dataclass
class _Made:
    """A network in the making. add: returns the index of its result."""

    tensors: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [[]])
    operators: list[Any] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    def tensor(self, shape: tuple[int, ...], values: Floats | None = None) -> int:
        if values is not None:
            self.buffers.append([values.tobytes()])
        kind = 2 if values is not None and values.dtype == np.int32 else 0
        buffer = _Number("<I", len(self.buffers) - 1 if values is not None else 0)
        self.tensors.append([shape, _byte(kind), buffer, f"tensor {len(self.tensors)}"])
        return len(self.tensors) - 1

    def weights(self, values: Floats) -> int:
        return self.tensor(values.shape, values)

    def add(self, kind: str | int, inputs: tuple[int, ...], shape: tuple[int, ...], options: list[Any]) -> int:
        self.codes.append(kind if isinstance(kind, int) else _CODES[kind])
        output = self.tensor(shape)
        code = _Number("<I", len(self.codes) - 1)
        self.operators.append([code, inputs, (output,), _byte(1), options])
        return output

    def file(self, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> bytes:
        graph = [tuple(self.tensors), inputs, outputs, tuple(self.operators)]
        codes = tuple([_byte(code)] for code in self.codes)
        return _flatbuffer([_int(3), codes, (graph,), "made", tuple(self.buffers)])


def _window(padding: int, stride: int) -> list[Any]:
    return [_byte(padding), _int(stride), _int(stride), _byte(0)]


def _depthwise(padding: int, stride: int) -> list[Any]:
    return [_byte(padding), _int(stride), _int(stride), _int(1), _byte(0)]


def _pooling(size: int) -> list[Any]:
    return [_byte(_VALID), _int(size), _int(size), _int(size), _int(size), _byte(0)]


@dataclass(frozen=True)
class _Weights:
    first: Floats
    first_bias: Floats
    slopes: Floats
    depth: Floats
    depth_bias: Floats
    points: Floats
    points_bias: Floats
    presence: Floats
    presence_bias: Floats


@cache
def _weights() -> _Weights:
    rng = np.random.default_rng(8)

    def some(*shape: int) -> Floats:
        return (rng.normal(size=shape) / 8).astype(np.float32)

    return _Weights(
        some(2, 3, 3, 3), some(2), some(1, 1, 2), some(1, 3, 3, 4), some(4),
        some(1404, 3, 3, 4), some(1404), some(1, 3, 3, 4), some(1),
    )  # fmt: skip


def _mesh_file(pads: tuple[int, ...] = (0, 0, 0, 0, 0, 0, 0, 2)) -> bytes:
    """192 → conv, stride 8 → PReLU → pool to 12 → 2 channels more → depthwise, stride 4, added to itself → heads."""
    w, made = _weights(), _Made()
    image = made.tensor((1, 192, 192, 3))
    kernel, bias = made.weights(w.first), made.weights(w.first_bias)
    x = made.add("CONV_2D", (image, kernel, bias), (1, 24, 24, 2), _window(_SAME, 8))
    x = made.add("PRELU", (x, made.weights(w.slopes)), (1, 24, 24, 2), [])
    x = made.add("MAX_POOL_2D", (x,), (1, 12, 12, 2), _pooling(2))
    amounts = made.weights(np.array(pads, np.int32).reshape(4, 2))
    x = made.add("PAD", (x, amounts), (1, 12, 12, 4), [])
    kernel, bias = made.weights(w.depth), made.weights(w.depth_bias)
    x = made.add("DEPTHWISE_CONV_2D", (x, kernel, bias), (1, 3, 3, 4), _depthwise(_SAME, 4))
    x = made.add("ADD", (x, x), (1, 3, 3, 4), [_byte(0)])
    heads = []
    for kernel_values, bias_values in ((w.points, w.points_bias), (w.presence, w.presence_bias)):
        kernel, bias = made.weights(kernel_values), made.weights(bias_values)
        y = made.add("CONV_2D", (x, kernel, bias), (1, 1, 1, len(bias_values)), _window(_VALID, 3))
        heads.append(made.add("RESHAPE", (y,), (1, len(bias_values)), []))
    return made.file((image,), (heads[0], heads[1]))


def _windows(x: Floats, size: int, stride: int) -> Floats:
    """(n, h, w, c, size, size) of x (n, h, w, c), padded as TensorFlow's SAME."""
    missing = max((-(-x.shape[1] // stride) - 1) * stride + size - x.shape[1], 0)
    pad = (missing // 2, missing - missing // 2)
    padded = np.pad(x, ((0, 0), pad, pad, (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]


def _expected(image: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """By the book: no folding, channels last."""
    w = _weights()
    x = np.einsum("nyxcij,oijc->nyxo", _windows(image / 255.0, 3, 8), w.first) + w.first_bias
    x = np.where(x > 0, x, x * w.slopes[0, 0])
    x = x.reshape(len(x), 12, 2, 12, 2, 2).max(axis=(2, 4))
    x = np.pad(x, ((0, 0), (0, 0), (0, 0), (0, 2)))
    x = 2 * (np.einsum("nyxcij,ijc->nyxc", _windows(x, 3, 4), w.depth[0]) + w.depth_bias)
    points = np.einsum("nijc,oijc->no", x, w.points) + w.points_bias
    presence = np.einsum("nijc,oijc->no", x, w.presence) + w.presence_bias
    return points.reshape(-1, 468, 3), 1 / (1 + np.exp(-presence[:, 0]))


def test_a_network_computes_what_its_file_describes() -> None:
    image = np.random.default_rng(2).integers(0, 256, (3, 192, 192, 3), dtype=np.uint8)
    model = tflite.face_mesh(_mesh_file(), "made.tflite").SerializeToString()
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    points, presence = session.run(["points", "presence"], {"image": image})
    expected_points, expected_presence = _expected(image)
    np.testing.assert_allclose(points, expected_points, atol=1e-4)
    np.testing.assert_allclose(presence, expected_presence, atol=1e-6)
    assert np.ptp(expected_points) > 1


def test_weights_are_read_as_they_were_written() -> None:
    network = read_network(_mesh_file(), "made.tflite")
    found = [tensor.values for tensor in network.tensors if tensor.values is not None]
    assert len(found) == 10
    assert np.array_equal(found[0], _weights().first)
    assert [operator.kind for operator in network.operators][:3] == ["CONV_2D", "PRELU", "MAX_POOL_2D"]


def test_an_operator_that_is_not_read_is_named() -> None:
    made = _Made()
    image = made.tensor((1, 192, 192, 3))
    output = made.add(25, (image,), (1, 1), [])
    with pytest.raises(ModelError, match=r"^odd\.tflite .*operator 25 is none of ADD, .*PRELU; fetch it again"):
        tflite.face_mesh(made.file((image,), (output,)), "odd.tflite")


def test_another_network_is_refused() -> None:
    with pytest.raises(ModelError, match=r"other\.tflite has inputs and outputs of the shapes .*192.* not the"):
        tflite.iris(_mesh_file(), "other.tflite")


def test_a_fused_activation_is_refused() -> None:
    made = _Made()
    image = made.tensor((1, 192, 192, 3))
    kernel, bias = made.weights(_weights().first), made.weights(_weights().first_bias)
    outputs = [
        made.add("CONV_2D", (image, kernel, bias), shape, [_byte(_SAME), _int(8), _int(8), _byte(1)])
        for shape in ((1, 1404), (1, 1))
    ]
    with pytest.raises(ModelError, match=r"cannot follow: a CONV_2D with the options .*'activation': 1"):
        tflite.face_mesh(made.file((image,), (outputs[0], outputs[1])), "fused.tflite")


def test_a_negative_padding_is_refused() -> None:
    with pytest.raises(ModelError, match="a PAD by 'tensor"):
        tflite.face_mesh(_mesh_file((0, 0, 0, 0, 0, 0, 0, -1)), "odd.tflite")


def test_a_graph_whose_shapes_do_not_fit_is_refused() -> None:
    made = _Made()
    image = made.tensor((1, 192, 192, 3))
    kernel, bias = made.weights(_weights().first), made.weights(_weights().first_bias)
    x = made.add("CONV_2D", (image, kernel, bias), (1, 1404), _window(_SAME, 8))
    y = made.add("ADD", (image, x), (1, 1), [_byte(0)])
    with pytest.raises(ModelError, match=r"from odd\.tflite: its graph does not fit together"):
        tflite.face_mesh(made.file((image,), (x, y)), "odd.tflite")


def test_a_result_that_nothing_computes_is_refused() -> None:
    made = _Made()
    image, loose = made.tensor((1, 192, 192, 3)), made.tensor((1, 1404))
    output = made.add("ADD", (loose, loose), (1, 1), [_byte(0)])
    with pytest.raises(ModelError, match="'tensor 1' is used before it is computed"):
        tflite.face_mesh(made.file((image,), (loose, output)), "odd.tflite")


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x08\0\0\0TFL3", b"\xff\xff\xff\xffTFL3", b"\x89PNG\r\n\x1a\n" * 9])
def test_a_file_of_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match=r"^no\.tflite is not a TensorFlow Lite network that we read"):
        tflite.face_mesh(data, "no.tflite")


@pytest.mark.parametrize("part", [0.001, 0.005, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(part: float) -> None:
    data = _mesh_file()
    with pytest.raises(ModelError, match=r"^short\.tflite"):
        tflite.face_mesh(data[: int(len(data) * part)], "short.tflite")


def test_a_damaged_file_is_refused_or_read_but_never_crashes() -> None:
    data = _mesh_file()
    rng = random.Random(4)
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        # The tables lie before the weights.
        damaged[rng.randrange(data.index(_weights().first.tobytes()))] = rng.choice((0, 1, 127, 128, 255))
        try:
            tflite.face_mesh(bytes(damaged), "damaged.tflite")
        except ModelError:
            refused += 1
    assert refused > 100


def test_a_vector_that_claims_more_than_the_file_holds_is_refused() -> None:
    made = _Made()
    image = made.tensor((1, 192, 192, 3))
    data = bytearray(made.file((image,), (image,)))
    at = data.index(struct.pack("<I4i", 4, 1, 192, 192, 3))
    struct.pack_into("<I", data, at, 0x7FFFFFFF)
    with pytest.raises(ModelError, match="2147483647 elements at byte"):
        read_network(bytes(data), "long.tflite")
