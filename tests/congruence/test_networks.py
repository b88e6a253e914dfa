"""Our ONNX networks against the programs that their weights come from."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from PIL import Image

from faceline.models.build import onnx_bytes

pytestmark = pytest.mark.peers

AskPeer = Callable[..., dict[str, NDArray[Any]]]

_TOLERANCE = 1e-5


def _run(model: bytes, image: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


def test_mtcnn_networks_equal_those_of_facenet_pytorch(ask_peer: AskPeer, weight_files: dict[str, bytes]) -> None:
    random = np.random.default_rng(11)
    sizes = {"pnet": (2, 97, 130, 3), "rnet": (50, 24, 24, 3), "onet": (50, 48, 48, 3)}
    images = {name: random.integers(0, 256, size, dtype=np.uint8) for name, size in sizes.items()}
    theirs = ask_peer("mtcnn_networks", images)
    for network, image in images.items():
        ours = _run(onnx_bytes(f"mtcnn-{network}", weight_files[f"mtcnn-{network}"], network), image)
        assert ours.keys() == {key.split(".")[1] for key in theirs if key.startswith(network)}
        for output, values in ours.items():
            np.testing.assert_allclose(values, theirs[f"{network}.{output}"], rtol=0, atol=_TOLERANCE)


def test_embeddings_equal_those_of_dlib(
    ask_peer: AskPeer, weight_files: dict[str, bytes], chips: NDArray[np.uint8], tmp_path: Path
) -> None:
    weights = tmp_path / "dlib.dat"
    weights.write_bytes(weight_files["dlib-resnet"])
    theirs = ask_peer("dlib_embeddings", {"chips": chips}, weights)["embedding"]
    ours = _run(onnx_bytes("dlib-resnet.fp32", weight_files["dlib-resnet"], "dlib"), chips)["embedding"]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=_TOLERANCE)


def test_int8_embeddings_point_where_fp32_ones_do(weight_files: dict[str, bytes], chips: NDArray[np.uint8]) -> None:
    fp32, int8 = (
        _run(onnx_bytes(f"dlib-resnet.{precision}", weight_files["dlib-resnet"], "dlib"), chips)["embedding"]
        for precision in ("fp32", "int8")
    )
    cosine = (fp32 * int8).sum(axis=1) / np.linalg.norm(fp32, axis=1) / np.linalg.norm(int8, axis=1)
    assert cosine.min() >= 0.999


def test_emotions_equal_those_of_the_layers_as_keras_describes_them(
    ask_peer: AskPeer, weight_files: dict[str, bytes], faces: list[Image.Image]
) -> None:
    image = np.stack([np.asarray(face.convert("L").resize((64, 64)))[..., None] for face in faces])
    arrays: dict[str, NDArray[Any]] = {"image": image}
    with h5py.File(io.BytesIO(weight_files["mini-xception"])) as file:
        group = file["model_weights"]
        group.visititems(lambda name, item: arrays.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    theirs = ask_peer("emotion_probabilities", arrays)["probability"]
    ours = _run(onnx_bytes("mini-xception", weight_files["mini-xception"], "fer"), image)["probability"]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=_TOLERANCE)
    np.testing.assert_allclose(ours.sum(axis=1), 1, atol=1e-6)
