"""InceptionResnetV1 from made weights; tests/congruence compares the whole network with facenet-pytorch's."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faceline.engine.session import Model
from faceline.errors import ModelError
from faceline.models.importers import facenet
from faceline.models.importers.facenet import inception_resnet_v1
from faceline.models.importers.graph import FLOAT, Graph

Arrays = dict[str, NDArray[Any]]


class Recorder(facenet._Weights):
    """Makes up what the network asks for, so that the tests need no list of 700 names of their own."""

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        random = np.random.default_rng(len(self.arrays))
        if name.endswith(("running_var", "bn.weight")):
            made = random.uniform(0.5, 1.5, shape)
        elif name.endswith(("running_mean", "bias")):
            made = random.normal(0, 0.3, shape)
        else:
            made = random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        self.arrays[name] = made.astype(np.float32)
        return self.arrays[name]


@pytest.fixture(scope="module")
def weights() -> Arrays:
    recorder = Recorder({})
    facenet._built(recorder)
    return recorder.arrays


def _saved(arrays: Arrays) -> bytes:
    """The state dict as torch would write it."""
    kinds = {"float32": b"FloatStorage", "int64": b"LongStorage", "float16": b"HalfStorage"}
    items, stream = b"", io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for i, (name, array) in enumerate(arrays.items()):
            strides = [step // array.itemsize for step in array.copy().strides]
            storage = b"(" + _text("storage") + b"ctorch\n" + kinds[str(array.dtype)] + b"\n" + _text(str(i))
            storage += _text("cpu") + _int(array.size) + b"tQ"
            place = _int(0) + b"".join(b"(" + b"".join(map(_int, part)) + b"t" for part in (array.shape, strides))
            items += _text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + place + b"\x89NtR"
            archive.writestr(f"made/data/{i}", array.tobytes())
        archive.writestr("made/data.pkl", b"\x80\x02}(" + items + b"u.")
    return stream.getvalue()


def _text(text: str) -> bytes:
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


def _int(value: int) -> bytes:
    return b"J" + value.to_bytes(4, "little")


def test_the_network_takes_pixels_and_gives_512_numbers_of_unit_length(weights: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "facenet.onnx"
    path.write_bytes(inception_resnet_v1(_saved(weights), "facenet.pt").SerializeToString())
    model = Model(path)
    assert model.inputs == {"image": ("tensor(uint8)", ["n", 160, 160, 3])}
    image = np.random.default_rng(3).integers(0, 256, (2, 160, 160, 3), dtype=np.uint8)
    embedding = model.run({"image": image})["embedding"]
    assert embedding.shape == (2, 512)
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
    # A second run alone, and a picture with red and blue exchanged.
    np.testing.assert_allclose(model.run({"image": image[:1]})["embedding"], embedding[:1], atol=1e-5)
    assert np.abs(model.run({"image": image[..., ::-1]})["embedding"] - embedding).max() > 0.01


def test_the_published_networks_have_23_million_weights(weights: Arrays) -> None:
    trained = sum(a.size for name, a in weights.items() if not name.endswith(("running_mean", "running_var")))
    assert trained == 23_482_624


def test_counters_and_the_layer_of_classes_are_left_out(weights: Arrays) -> None:
    further = {
        "conv2d_1a.bn.num_batches_tracked": np.array(7),
        "logits.weight": np.ones((10, 512), np.float32),
        "logits.bias": np.ones(10, np.float32),
    }
    plain = inception_resnet_v1(_saved(weights), "facenet.pt")
    with_further = inception_resnet_v1(_saved(weights | further), "facenet.pt")
    assert with_further.graph.SerializeToString() == plain.graph.SerializeToString()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block8.conv2d.bias": None}, "for 'block8.conv2d.bias' it has nothing"),
        ({"last_linear.weight": np.ones((128, 1792), np.float32)}, r"it has float32 \(128, 1792\)"),
        ({"last_bn.weight": np.ones(512, np.float16)}, r"it has float16 \(512,\)"),
        ({"last_bn.running_var": np.full(512, -1, np.float32)}, "negative variances"),
        ({"last_bn.bias": np.full(512, np.nan, np.float32)}, "finite"),
        ({"block9.conv2d.bias": np.ones(3, np.float32)}, "it holds 'block9.conv2d.bias' too"),
    ],
)
def test_another_network_is_refused(weights: Arrays, change: dict[str, Any], message: str) -> None:
    changed = {name: array for name, array in (weights | change).items() if array is not None}
    with pytest.raises(ModelError, match=f"facenet.pt is not facenet-pytorch's InceptionResnetV1: .*{message}"):
        inception_resnet_v1(_saved(changed), "facenet.pt")


def test_convolution_normalisation_and_scale_are_what_they_are_one_after_another(tmp_path: Path) -> None:
    """A residual step on one pixel, where convolutions are matrix products."""
    random = np.random.default_rng(8)
    x = random.normal(size=(1, 6, 1, 1)).astype(np.float32)
    shapes = {"a.conv.weight": (4, 6, 1, 1), "b.conv2d.weight": (6, 4, 1, 1), "b.conv2d.bias": (6,)}
    arrays: Arrays = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    arrays |= {f"a.bn.{part}": random.uniform(0.5, 2, 4).astype(np.float32) for part in ("weight", "bias")}
    arrays |= {f"a.bn.running_{part}": random.uniform(0.5, 2, 4).astype(np.float32) for part in ("mean", "var")}
    builder = facenet._Builder(Graph(), facenet._Weights(arrays))
    branch = builder.basic("x", "a", (6, 4))
    result = builder.residual("x", "b", (4, 6), [branch], scale=0.17)
    path = tmp_path / "step.onnx"
    ports = [(name, FLOAT, [1, 6, 1, 1]) for name in ("x", result)]
    path.write_bytes(builder.graph.model([ports[0]], [ports[1]], "").SerializeToString())  # type: ignore[list-item]
    convolved = arrays["a.conv.weight"][:, :, 0, 0] @ x.ravel() - arrays["a.bn.running_mean"]
    hidden = convolved / np.sqrt(arrays["a.bn.running_var"] + 1e-3) * arrays["a.bn.weight"] + arrays["a.bn.bias"]
    out = arrays["b.conv2d.weight"][:, :, 0, 0] @ np.maximum(hidden, 0) + arrays["b.conv2d.bias"]
    np.testing.assert_allclose(Model(path).run({"x": x})[result].ravel(), 0.17 * out + x.ravel(), rtol=1e-5, atol=1e-5)
