"""The restricted reader of joblib files, and MTCNN's importer on made weights."""

import pickle
import struct
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from faceline.errors import ModelError
from faceline.models.importers import mtcnn
from faceline.models.unpickle import read_arrays

Floats = NDArray[Any]
Shapes = dict[str, list[tuple[int, ...]]]

_CONVS: Shapes = {
    "pnet": [(3, 3, 3, 10), (3, 3, 10, 16), (3, 3, 16, 32)],
    "rnet": [(3, 3, 3, 28), (3, 3, 28, 48), (2, 2, 48, 64), (576, 128)],
    "onet": [(3, 3, 3, 32), (3, 3, 32, 64), (3, 3, 64, 64), (2, 2, 64, 128), (1152, 256)],
}
_HEADS: Shapes = {
    "pnet": [(1, 1, 32, 4), (1, 1, 32, 2)],
    "rnet": [(128, 4), (128, 2)],
    "onet": [(256, 4), (256, 10), (256, 2)],
}


def _text(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def _array(array: Floats, kind: str = "f4") -> bytes:
    """One array as joblib writes it: a pickled wrapper, then one byte of padding's length, padding, raw bytes."""
    shape = b"(" + b"".join(b"J" + struct.pack("<i", side) for side in array.shape) + b"t"
    dtype = _text("numpy") + _text("dtype") + b"\x93" + _text(kind) + b"\x89\x88\x87R"
    dtype += b"(K\x03" + _text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    wrapper = _text("joblib.numpy_pickle") + _text("NumpyArrayWrapper") + b"\x93)\x81}("
    wrapper += _text("subclass") + _text("numpy") + _text("ndarray") + b"\x93" + _text("shape") + shape
    wrapper += _text("order") + _text("C") + _text("dtype") + dtype
    wrapper += _text("allow_mmap") + b"\x88" + _text("numpy_array_alignment_bytes") + b"K\x10ub"
    return wrapper + b"\x03\xff\xff\xff" + array.tobytes()


def _file(arrays: list[Floats]) -> bytes:
    pickled = b"\x80\x04](" + b"".join(_array(a) for a in arrays) + b"e."
    packed: bytes = lz4.frame.compress(pickled)
    return packed


def _weights(network: str) -> list[Floats]:
    random = np.random.default_rng(7)
    shapes: list[tuple[int, ...]] = []
    for kernel in _CONVS[network]:
        shapes += [kernel, kernel[-1:], (1, 1, kernel[-1]) if len(kernel) == 4 else kernel[-1:]]
    for kernel in _HEADS[network]:
        shapes += [kernel, kernel[-1:]]
    return [random.normal(0, 0.1, shape).astype(np.float32) for shape in shapes]


def test_arrays_are_read_as_they_were_written() -> None:
    arrays = _weights("pnet")
    read = read_arrays(_file(arrays), "pnet.lz4")
    assert len(read) == len(arrays)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, read, strict=True))


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_with_a_forbidden_global_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "ran"
    data = lz4.frame.compress(pickle.dumps([_Evil(marker)], protocol=protocol))
    with pytest.raises(ModelError, match=r"^bad\.lz4 asks for .*, which is forbidden"):
        read_arrays(data, "bad.lz4")
    assert not marker.exists()


@pytest.mark.parametrize(("module", "name"), [("posix", "system"), ("builtins", "eval"), ("numpy", "load")])
def test_a_forbidden_global_is_named(module: str, name: str) -> None:
    data = lz4.frame.compress(b"\x80\x04" + _text(module) + _text(name) + b"\x93.")
    with pytest.raises(ModelError, match=rf"asks for '{module}\.{name}', which is forbidden"):
        read_arrays(data, "bad.lz4")


def test_a_pickle_operation_that_no_list_needs_is_refused() -> None:
    data = lz4.frame.compress(b"\x80\x02U\x01xQ.")  # BINPERSID
    with pytest.raises(ModelError, match="pickle operation"):
        read_arrays(data, "bad.lz4")


@pytest.mark.parametrize("content", [{"a": 1}, "text", [1, 2], ["a"], None])
def test_a_pickle_of_something_else_is_refused(content: object) -> None:
    with pytest.raises(ModelError, match=r"list of (float32 )?arrays"):
        read_arrays(lz4.frame.compress(pickle.dumps(content)), "other.lz4")


def test_arrays_of_another_kind_are_refused() -> None:
    data = lz4.frame.compress(b"\x80\x04](" + _array(np.zeros(3), kind="f8") + b"e.")
    with pytest.raises(ModelError, match="not little-endian float32"):
        read_arrays(data, "doubles.lz4")


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_a_truncated_lz4_file_is_refused(part: float) -> None:
    data = _file(_weights("pnet"))
    with pytest.raises(ModelError, match=r"short\.lz4"):
        read_arrays(data[: int(len(data) * part)], "short.lz4")


@pytest.mark.parametrize("length", range(0, 900, 7))
def test_a_truncated_pickle_is_refused(length: int) -> None:
    pickled = lz4.frame.decompress(_file(_weights("pnet")))
    with pytest.raises(ModelError, match=r"short\.lz4"):
        read_arrays(lz4.frame.compress(pickled[:length]), "short.lz4")


def test_a_pickle_that_refers_to_nothing_is_refused() -> None:
    for pickled in (b"\x80\x04h\x05.", b"\x80\x04t.", b"\x80\x04b.", b"\x80\x04]R.", b"\x80\x04]]e.", b"."):
        with pytest.raises(ModelError, match=r"odd\.lz4"):
            read_arrays(lz4.frame.compress(pickled), "odd.lz4")


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ModelError, match="not the expected network"):
        mtcnn.rnet(_file(_weights("onet")), "rnet.lz4")


def _run(model: Any, image: NDArray[np.uint8]) -> dict[str, Floats]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


def _prelu(x: Floats, slopes: Floats) -> Floats:
    return np.where(x > 0, x, x * slopes.reshape(-1))


def _conv(x: Floats, kernel: Floats, bias: Floats) -> Floats:
    """x (n, h, w, c), kernel HWIO."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    summed: Floats = np.einsum("nyxcij,ijco->nyxo", windows, kernel) + bias
    return summed


def _pool(x: Floats, size: int, ceil: bool) -> Floats:
    extra = [(-(side - size)) % 2 if ceil else 0 for side in x.shape[1:3]]
    padded = np.pad(x, ((0, 0), (0, extra[0]), (0, extra[1]), (0, 0)), constant_values=-np.inf)
    pooled: Floats = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::2, ::2].max(
        axis=(-1, -2)
    )
    return pooled


def _softmax_face(x: Floats) -> Floats:
    exponents = np.exp(x)
    face: Floats = exponents[..., 1] / exponents.sum(axis=-1)
    return face


@pytest.mark.parametrize("size", [(12, 12), (13, 20), (31, 18)])
def test_pnet_computes_what_its_description_says(size: tuple[int, int]) -> None:
    a = _weights("pnet")
    image = np.random.default_rng(1).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    x = (image.astype(np.float32) - 127.5) / 128
    x = _pool(_prelu(_conv(x, a[0], a[1]), a[2]), 2, ceil=True)
    x = _prelu(_conv(_prelu(_conv(x, a[3], a[4]), a[5]), a[6], a[7]), a[8])
    found = _run(mtcnn.pnet(_file(a), "pnet.lz4"), image)
    height, width = (-(-(side - 2) // 2) - 4 for side in size)
    assert found["probability"].shape == (2, height, width)
    np.testing.assert_allclose(found["probability"], _softmax_face(_conv(x, a[11], a[12])), atol=1e-5)
    np.testing.assert_allclose(found["regression"], _conv(x, a[9], a[10]).transpose(0, 3, 1, 2), atol=1e-5)


def test_rnet_computes_what_its_description_says() -> None:
    a = _weights("rnet")
    image = np.random.default_rng(1).integers(0, 256, (5, 24, 24, 3), dtype=np.uint8)
    x = _pool(_prelu(_conv((image.astype(np.float32) - 127.5) / 128, a[0], a[1]), a[2]), 3, ceil=True)
    x = _pool(_prelu(_conv(x, a[3], a[4]), a[5]), 3, ceil=False)
    x = _prelu(_conv(x, a[6], a[7]), a[8]).transpose(0, 2, 1, 3).reshape(5, -1)  # flattened w, h, c
    x = _prelu(x @ a[9] + a[10], a[11])
    found = _run(mtcnn.rnet(_file(a), "rnet.lz4"), image)
    np.testing.assert_allclose(found["probability"], _softmax_face(x @ a[14] + a[15]), atol=1e-5)
    np.testing.assert_allclose(found["regression"], x @ a[12] + a[13], atol=1e-5)


def test_onet_gives_landmarks_for_every_crop() -> None:
    found = _run(mtcnn.onet(_file(_weights("onet")), "onet.lz4"), np.zeros((3, 48, 48, 3), np.uint8))
    assert {name: value.shape for name, value in found.items()} == {
        "probability": (3,),
        "regression": (3, 4),
        "landmarks": (3, 10),
    }


@pytest.mark.parametrize("network", ["rnet", "onet"])
def test_no_crops_give_no_results(network: str) -> None:
    side = {"rnet": 24, "onet": 48}[network]
    model = getattr(mtcnn, network)(_file(_weights(network)), network)
    found = _run(model, np.zeros((0, side, side, 3), np.uint8))
    assert found["probability"].shape == (0,)
