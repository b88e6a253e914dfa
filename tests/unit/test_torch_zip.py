"""Files of torch, made here byte by byte: torch itself is no part of these tests' environment."""

import io
import pickle
import struct
import time
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from faceline.errors import InputError, ModelError
from faceline.models.importers.torch_gallery import gallery_bytes, read_gallery
from faceline.models.importers.torch_zip import read_state_dict

_FLOATS = np.arange(12, dtype="<f4")
_END = b"."


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _int(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


def _tuple(*numbers: int) -> bytes:
    return b"(" + b"".join(map(_int, numbers)) + b"t"


def _tensor(
    key: str = "0",
    count: int = 12,
    place: tuple[int, tuple[int, ...], tuple[int, ...]] = (0, (3, 4), (4, 1)),
    kind: str = "FloatStorage",
    further: bytes = b"",
) -> bytes:
    """place: offset, shape, strides."""
    offset, shape, strides = place
    storage = b"(" + _text("storage") + f"ctorch\n{kind}\n".encode() + _text(key) + _text("cpu") + _int(count) + further
    described = (
        storage + b"tQ" + _int(offset) + _tuple(*shape) + _tuple(*strides) + b"\x89ccollections\nOrderedDict\n)R"
    )
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + described + b"tR"


def _dict(**items: bytes) -> bytes:
    return b"}(" + b"".join(_text(name) + item for name, item in items.items()) + b"u"


def _archive(pickled: bytes, storages: dict[str, bytes] | None = None, **further: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("root/data.pkl", b"\x80\x02" + pickled + _END)
        for key, raw in ({"0": _FLOATS.tobytes()} if storages is None else storages).items():
            archive.writestr(f"root/data/{key}", raw)
        for name, raw in further.items():
            archive.writestr(f"root/{name}", raw)
    return stream.getvalue()


def _refused(data: bytes, message: str) -> None:
    """As a state dict and as a gallery, by the error of each that names the file."""
    with pytest.raises(ModelError, match=f"weights.pt .*{message}.*fetch it again"):
        read_state_dict(data, "weights.pt")
    with pytest.raises(InputError, match=r"data.pt .*torch.save\(\[embeddings, names\]"):
        read_gallery(data, "data.pt")


def test_a_tensor_has_its_shape_and_numbers() -> None:
    arrays = read_state_dict(_archive(_dict(weight=_tensor())), "weights.pt")
    np.testing.assert_array_equal(arrays["weight"], _FLOATS.reshape(3, 4))
    assert not arrays["weight"].flags.writeable


def test_strided_tensors_and_those_with_an_offset_show_their_part_of_the_storage() -> None:
    pickled = _dict(
        turned=_tensor(place=(0, (4, 3), (1, 4))),
        column=_tensor(place=(2, (3,), (4,))),
        one=_tensor(place=(11, (), ())),
        none=_tensor(place=(0, (0, 4), (4, 1))),
    )
    arrays = read_state_dict(_archive(pickled), "weights.pt")
    np.testing.assert_array_equal(arrays["turned"], _FLOATS.reshape(3, 4).T)
    np.testing.assert_array_equal(arrays["column"], [2, 6, 10])
    assert arrays["one"] == 11
    assert arrays["none"].shape == (0, 4)


@pytest.mark.parametrize(("kind", "dtype"), [("FloatStorage", "f4"), ("HalfStorage", "f2"), ("LongStorage", "i8")])
def test_each_kind_of_number_is_read(kind: str, dtype: str) -> None:
    raw = np.arange(6, dtype=f"<{dtype}").tobytes()
    pickled = _dict(weight=_tensor("93889551359904", 6, (0, (6,), (1,)), kind))
    array = read_state_dict(_archive(pickled, {"93889551359904": raw}), "weights.pt")["weight"]
    assert array.dtype == np.dtype(dtype)
    assert array.tolist() == list(range(6))


def test_modules_of_torchscript_are_read_by_the_names_of_their_parts() -> None:
    inner = b"c__torch__.torch.nn.Linear\nLinear\n)\x81" + _dict(weight=_tensor(), training=b"\x89") + b"b"
    outer = b"c__torch__.___torch_mangle_3\nNet\n)\x81" + _dict(first=inner, training=b"\x89", hook=b"N") + b"b"
    assert list(read_state_dict(_archive(outer), "script.pt")) == ["first.weight"]


def _old(pickled: bytes, storages: dict[str, bytes], keys: list[str] | None = None, little: bool = True) -> bytes:
    header = [
        0x1950A86A20F9469CFC6C,
        1001,
        {"protocol_version": 1001, "little_endian": little, "type_sizes": {"int": 4}},
    ]
    start = b"".join(pickle.dumps(part, protocol=2) for part in header)
    listed = pickle.dumps(list(storages) if keys is None else keys, protocol=2)
    raw = b"".join(struct.pack("<q", len(value) // 4) + value for value in storages.values())
    return start + b"\x80\x02" + pickled + _END + listed + raw


def test_files_of_before_torch_1_6_are_read() -> None:
    pickled = _dict(a=_tensor("94", further=b"N"), b=_tensor("7", 2, (0, (2,), (1,)), further=b"N"))
    data = _old(pickled, {"94": _FLOATS.tobytes(), "7": _FLOATS[:2].tobytes()})
    arrays = read_state_dict(data, "old.pt")
    np.testing.assert_array_equal(arrays["a"], _FLOATS.reshape(3, 4))
    np.testing.assert_array_equal(arrays["b"], [0, 1])


def test_damaged_files_of_before_torch_1_6_are_refused() -> None:
    pickled, storages = _dict(a=_tensor("94", further=b"N")), {"94": _FLOATS.tobytes()}
    whole = _old(pickled, storages)
    read_state_dict(whole, "old.pt")
    for length in range(20, len(whole), 7):
        _refused(whole[:length], "")
    _refused(_old(pickled, storages, keys=["95"]), "list of storages")
    nested: Any = "94"
    for _ in range(60):  # its text would have 2^60 parts
        nested = [nested, nested]
    _refused(_old(pickled, storages, keys=[nested]), "list of storages")
    _refused(_old(pickled, {"94": b"1234"}), "another size")
    _refused(_old(pickled, storages, little=False), "little-endian")


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"cos\nsystem\n(" + _text("id") + b"tR", "asks for 'os.system', which is forbidden"),
        (b"c__builtin__\neval\n(" + _text("1") + b"tR", "forbidden"),
        (b"\x8c\x02os\x8c\x06system\x93", "forbidden"),
        (b"(" + _text("id") + b"ios\nsystem\n", "operation INST"),
        (b"ctorch\nFloatStorage\n(I1\ntR", "operation INT"),
        (b"ctorch\nFloatStorage\n(" + _int(1) + b"tR", "damaged"),
        (_dict(a=_tensor(place=(0, (13,), (1,)))), "larger than its storage"),
        (_dict(a=_tensor(place=(1, (3, 4), (4, 1)))), "beyond its storage"),
        (_dict(a=_tensor(place=(0, (2,), (2**40,)))), "beyond its storage"),
        (_dict(a=_tensor(place=(0, (2**31, 2**31), (0, 0)))), "larger than its storage"),
        (_dict(a=_tensor(place=(-1, (3,), (1,)))), "whole numbers"),
        (_dict(a=_tensor(place=(3, (3,), (-1,)))), "whole numbers"),
        (_dict(a=_tensor(place=(0, (1,) * 40, (1,) * 40))), "no proper shape"),
        (_dict(a=_tensor(place=(0, (3, 4), (1,)))), "no proper shape"),
        (_dict(a=_tensor(count=11, place=(0, (3,), (1,)))), "44 bytes"),
        (_dict(a=_tensor(count=2**40, place=(0, (3,), (1,)))), "bytes long"),
        (_dict(a=_tensor(key="1")), "root/data/1"),
        (_dict(a=_tensor(key="../data.pkl")), "data.pkl"),
        (_dict(a=_tensor(kind="UntypedStorage")), "forbidden"),
        (_dict(a=_tensor()) + b"(" + b"}" * 5 + b"tu", "damaged"),
        (b"}(" + _tuple(1) + b"Nu", "key that is no text"),
        (_text("weights"), "holds no state dict"),
        (b"", "damaged"),
        (b"]q\x00h\x00ah\x01", "damaged"),
    ],
)
def test_what_no_file_of_torch_says_is_refused(pickled: bytes, message: str) -> None:
    _refused(_archive(pickled), message)


def _deep(levels: int) -> bytes:
    return b")" + b"\x85" * levels


def _laughs(levels: int) -> bytes:
    """A dict that holds the one before twice, and so on."""
    inner = _dict(a=_tensor()) + b"q\x00"
    for level in range(levels):
        inner += b"0" if level < 0 else b""
        inner += (
            b"}(" + _text("x") + b"h" + bytes([level]) + _text("y") + b"h" + bytes([level]) + b"uq" + bytes([level + 1])
        )
    return inner


def _itself() -> bytes:
    return b"}q\x00(" + _text("self") + b"h\x00u"


@pytest.mark.parametrize(
    "pickled",
    [
        _deep(1_000_000),
        b"}(" + _deep(1_000_000) + b"Nu",
        b"]" * 1_000_000,
        b"(" * 3_000_000,
        b"N" * 3_000_000,
        _laughs(60),
        _itself(),
    ],
    ids=["tuples in tuples", "such a tuple as a key", "lists", "marks", "nothing again and again", "laughs", "itself"],
)
def test_nesting_without_end_is_refused_soon(pickled: bytes) -> None:
    start = time.process_time()
    _refused(_archive(pickled), "")
    assert time.process_time() - start < 60


def test_a_file_that_is_no_archive_is_refused() -> None:
    for data in (b"", b"PK\x03\x04", b"\x80\x02}.", b"<html>" * 1000, _archive(_dict(a=_tensor()))[:-10]):
        _refused(data, "not a readable file of torch")


def test_damage_anywhere_ends_in_the_one_error() -> None:
    whole = _archive(_dict(a=_tensor()))
    random = np.random.default_rng(5)
    for _ in range(400):
        damaged = bytearray(whole)
        for at in random.integers(0, len(whole), 3):
            damaged[at] = random.integers(0, 256)
        try:
            read_state_dict(bytes(damaged), "weights.pt")
        except ModelError as error:
            assert str(error).startswith("weights.pt ")


def _rewritten(change: Callable[[zipfile.ZipFile], None]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("root/data.pkl", b"\x80\x02" + _dict(a=_tensor()) + _END)
        change(archive)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused() -> None:
    def change(archive: zipfile.ZipFile) -> None:
        for raw in (_FLOATS, -_FLOATS):
            archive.writestr("root/data/0", raw.tobytes())

    _refused(_rewritten(change), "same name")


def test_bombs_are_refused_before_they_unfold() -> None:
    def change(archive: zipfile.ZipFile) -> None:
        archive.writestr("root/data/0", bytes(200 * 2**20), zipfile.ZIP_DEFLATED, 9)

    _refused(_rewritten(change), "compressed or overlaps")


def test_entries_that_share_their_bytes_are_refused() -> None:
    raw = bytes(48_000)
    storages = {str(i): b"" for i in range(20)}
    pickled = _dict(
        **{f"t{i}": _tensor(str(i), 12_000, (0, (12_000,), (1,))) for i in range(20)}, big=_tensor("big", 12_000)
    )
    data = _archive(pickled, storages | {"big": raw})
    stream = io.BytesIO(data)
    with zipfile.ZipFile(stream, "a") as archive:
        big = archive.getinfo("root/data/big")
        for i in range(20):
            entry = archive.getinfo(f"root/data/{i}")
            entry.file_size, entry.compress_size, entry.CRC = big.file_size, big.compress_size, big.CRC
            entry.header_offset = big.header_offset
        archive.comment = b"changed"
    with pytest.raises(ModelError, match=r"weights\.pt is damaged"):
        read_state_dict(stream.getvalue(), "weights.pt")


def test_archives_without_or_with_two_pickles_and_big_endian_ones_are_refused() -> None:
    def second(archive: zipfile.ZipFile) -> None:
        archive.writestr("other/data.pkl", b"\x80\x02}.")

    _refused(_rewritten(second), "no data.pkl, or several")
    _refused(_archive(_dict(a=_tensor()), byteorder=b"big"), "not little-endian")


def _gallery(*tensors: bytes, names: tuple[str, ...], storages: dict[str, bytes]) -> bytes:
    return _archive(b"](](" + b"".join(tensors) + b"e](" + b"".join(map(_text, names)) + b"ee", storages)


def _embedding(key: str, shape: tuple[int, int] = (1, 512)) -> bytes:
    return _tensor(key, 512, (0, shape, (shape[1], 1)))


def _filled(number: float) -> bytes:
    return np.full(512, number, "<f4").tobytes()


def test_a_gallery_is_read_as_it_is_written() -> None:
    random = np.random.default_rng(2)
    embeddings = random.normal(size=(40, 512)).astype(np.float32)
    names = [f"person {i} – 名前" for i in range(39)] + [""]
    data = gallery_bytes(embeddings, names)
    read, who = read_gallery(data, "data.pt")
    np.testing.assert_array_equal(read, embeddings)
    assert who == names
    assert gallery_bytes(embeddings, names) == data


def test_an_empty_gallery_is_one_too() -> None:
    embeddings, names = read_gallery(gallery_bytes(np.empty((0, 512), np.float32), []), "data.pt")
    assert embeddings.shape == (0, 512)
    assert names == []


def test_embeddings_and_names_that_do_not_go_together_are_not_written() -> None:
    with pytest.raises(ValueError, match="2 names need embeddings"):
        gallery_bytes(np.ones((3, 512), np.float32), ["a", "b"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda one: _gallery(_embedding("0"), names=("a", "b"), storages={"0": one}), "1 embeddings for 2 names"),
        (lambda one: _gallery(_embedding("0", (512, 1)), names=("a",), storages={"0": one}), "number 1"),
        (lambda one: _gallery(_text("no"), names=("a",), storages={"0": one}), "no float32 tensor"),
        (lambda one: _gallery(_embedding("0"), names=("a",), storages={"0": bytes(2048)}), "of length 0;"),
        (lambda one: _gallery(_embedding("0"), names=("a",), storages={"0": b"\xff" * 2048}), "of length nan"),
        (lambda one: _gallery(_embedding("0"), names=("a",), storages={"0": _filled(1e-42)}), "of length 2"),
        (lambda one: _gallery(_embedding("0"), names=("a",), storages={"0": _filled(3e38)}), "of length 6"),
        (lambda one: _gallery(*[_embedding("0")] * 300, names=("a",) * 300, storages={"0": one}), "again and again"),
        (lambda one: _archive(_dict(a=_tensor())), "no list of embeddings"),
        (lambda one: _archive(b"](](]ee"), "damaged|no list"),
    ],
)
def test_what_is_no_gallery_is_refused(data: Callable[[bytes], bytes], message: str) -> None:
    one = np.ones(512, "<f4").tobytes()
    with pytest.raises(InputError, match=rf"data\.pt .*({message}).*save it again"):
        read_gallery(data(one), "data.pt")


def test_galleries_of_the_reference_data_are_read(test_data: Any) -> None:
    for name, count in {"gallery5_data": 5, "gallery79_video_data": 79, "gallery90_data": 90}.items():
        embeddings, names = read_gallery((test_data / "cse546" / f"{name}.pt").read_bytes(), name)
        assert len(names) == count
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
