"""Reads dlib's serialised ResNet into plain records.

Format, as found in `dlib_face_recognition_resnet_model_v1.dat`: int: a control byte (low nibble n = bytes that
follow, 1–8; bit 7 = negative), then n bytes little-endian. bool: ASCII 0 or 1. float: int mantissa, int exponent,
m·2^e. string: int length, bytes. tensor: int 2, ints n, k, rows, columns, raw little-endian float32. alias tensor:
int 1, four ints. A network is the loss layer, then one version number per layer from the outermost in, then the input
layer, then each layer's details from the innermost out.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faceline.errors import ModelError

Floats = NDArray[np.float32]

_ADD_LAYER = 2
_TAG_OR_SKIP = 1
_INNERMOST = 3


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """kind: tag, con, affine, relu, add_prev, max_pool, avg_pool or fc; `tag` stands for dlib's skip layers, too.

    params: con: kernels OIHW, then biases, flat; affine: factors, then addends; fc: (inputs, outputs). numbers: con:
    filters, rows, columns, stride y, x, padding y, x; pools: the same without filters, rows 0 for the whole picture.
    """

    kind: str
    params: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """means: of R, G, B, 0–255. size: rows, columns of the input. layers: innermost (next to the input) first."""

    means: tuple[float, float, float]
    size: tuple[int, int]
    layers: list[Layer]


def read_network(data: bytes, source: str) -> Network:
    """The network in a dlib `.dat` file. source: the file's name for messages. Raises ModelError when it is damaged."""
    try:
        return _Reader(data).network()
    except (ValueError, OverflowError, UnicodeDecodeError) as error:
        raise ModelError(f"{source} is not a readable dlib network: {error}; fetch it again") from error


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

    def network(self) -> Network:
        self._expect(self._int(), 1, "the loss layer's version")
        self._expect(self._string(), "loss_metric_2", "the loss")
        self._float(), self._float()  # margin and threshold of the training
        versions = self._versions()
        self._expect(self._string(), "input_rgb_image_sized", "the input layer")
        means = (self._float(), self._float(), self._float())
        size = (self._int(), self._int())
        layers = [self._layer(version) for version in reversed(versions)]
        return Network(means, size, layers)

    def _versions(self) -> list[int]:
        versions = [self._int()]
        while versions[-1] != _INNERMOST:
            if versions[-1] not in (_ADD_LAYER, _TAG_OR_SKIP):
                raise ValueError(f"unknown layer version {versions[-1]} at byte {self.at}")
            versions.append(self._int())
        return versions

    def _layer(self, version: int) -> Layer:
        if version == _TAG_OR_SKIP:
            return Layer("tag")
        layer = self._details()
        for _ in range(3):
            self._bool()
        self._tensor(), self._tensor()  # gradient and cached output
        if version == _INNERMOST:
            self._tensor(), self._int()  # gradient and sample expansion
        else:
            self._tensor()
        return layer

    def _details(self) -> Layer:
        match name := self._string():
            case "con_4":
                return self._con()
            case "affine_":
                return self._affine()
            case "relu_" | "add_prev_":
                return Layer(name.rstrip("_"))
            case "max_pool_2" | "avg_pool_2":
                return Layer(name.removesuffix("_2"), numbers=self._ints(6))
            case "fc_2":
                return self._fc()
        raise ValueError(f"unknown layer {name!r} before byte {self.at}")

    def _con(self) -> Layer:
        params, numbers = self._tensor(), self._ints(7)
        self._aliases(2)
        self._floats(4)  # learning rates and weight decays
        return Layer("con", params.reshape(-1), numbers)

    def _affine(self) -> Layer:
        params = self._tensor()
        self._aliases(2)
        self._int()
        return Layer("affine", params.reshape(-1))

    def _fc(self) -> Layer:
        outputs, inputs = self._ints(2)
        params = self._tensor()
        self._aliases(2)
        self._expect(self._int(), 1, "the dense layer's bias mode")
        self._floats(4)
        return Layer("fc", params.reshape(inputs, outputs))

    def _take(self, count: int) -> bytes:
        part = self.data[self.at : self.at + count]
        if len(part) != count:
            raise ValueError(f"it ends at byte {len(self.data)}, where {count} bytes from {self.at} on were expected")
        self.at += count
        return part

    def _int(self) -> int:
        control = self._take(1)[0]
        size = control & 0x0F
        if not 1 <= size <= 8 or control & 0x70:
            raise ValueError(f"byte {self.at - 1} begins no integer")
        value = int.from_bytes(self._take(size), "little")
        return -value if control & 0x80 else value

    def _ints(self, count: int) -> tuple[int, ...]:
        return tuple(self._int() for _ in range(count))

    def _bool(self) -> bool:
        byte = self._take(1)
        if byte not in (b"0", b"1"):
            raise ValueError(f"byte {self.at - 1} is no truth value")
        return byte == b"1"

    def _float(self) -> float:
        mantissa, exponent = self._int(), self._int()
        return math.ldexp(mantissa, exponent)

    def _floats(self, count: int) -> list[float]:
        return [self._float() for _ in range(count)]

    def _string(self) -> str:
        length = self._int()
        if not 0 <= length <= 64:
            raise ValueError(f"a name of {length} bytes at byte {self.at}")
        return self._take(length).decode("ascii")

    def _tensor(self) -> Floats:
        self._expect(self._int(), 2, "a tensor's version")
        shape = self._ints(4)
        if min(shape) < 0:
            raise ValueError(f"a tensor of shape {shape} at byte {self.at}")
        raw = self._take(4 * math.prod(shape))
        return np.frombuffer(raw, "<f4").astype(np.float32).reshape(shape)

    def _aliases(self, count: int) -> None:
        for _ in range(count):
            self._expect(self._int(), 1, "an alias tensor's version")
            self._ints(4)

    def _expect(self, found: object, wanted: object, what: str) -> None:
        if found != wanted:
            raise ValueError(f"{what} is {found!r} instead of {wanted!r} before byte {self.at}")
