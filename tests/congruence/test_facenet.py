"""Our InceptionResnetV1 against facenet-pytorch's, with random weights in each of torch's formats."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from faceline.engine.session import Model
from faceline.models.importers.facenet import inception_resnet_v1

pytestmark = pytest.mark.peers

AskPeer = Callable[..., dict[str, NDArray[Any]]]


def test_embeddings_equal_those_of_facenet_pytorch(ask_peer: AskPeer, faces: list[Image.Image], tmp_path: Path) -> None:
    noise = np.random.default_rng(11).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)
    image = np.concatenate([noise, [np.asarray(face.resize((160, 160))) for face in faces]])
    theirs = ask_peer("facenet_embeddings", {"image": image}, tmp_path)["embedding"]
    onnx = [inception_resnet_v1((tmp_path / f"{n}.pt").read_bytes(), n) for n in ("zip", "old", "script")]
    assert len({m.graph.SerializeToString(deterministic=True) for m in onnx}) == 1
    path = tmp_path / "facenet.onnx"
    path.write_bytes(onnx[0].SerializeToString())
    ours = Model(path).run({"image": image})["embedding"]
    # Random weights must not make all pictures one, or any two networks would agree.
    assert np.abs(theirs - theirs[:1]).max() > 0.05
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
