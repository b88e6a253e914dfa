"""Our InceptionResnetV1 against facenet-pytorch's, with random weights in each of torch's formats."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from faceline.config import Settings
from faceline.engine.align import BOX_160, cut
from faceline.engine.pyramid import Pyramid
from faceline.engine.session import Model
from faceline.engine.trial import try_out
from faceline.loading import Networks
from faceline.models.added import Form
from faceline.models.adding import Adder, Asked, Terms
from faceline.models.importers.facenet import inception_resnet_v1
from faceline.models.spaces import spaces
from faceline.types import Frame

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


def test_faces_are_cut_and_embedded_as_facenet_pytorch_does_it(ask_peer: AskPeer, tmp_path: Path) -> None:
    """From the detector's box to the embedding, so that galleries made by it (`data.pt`) can be compared with."""
    pictures, boxes = _pictures()
    given = {str(i): picture for i, picture in enumerate(pictures)} | {"boxes": np.array(boxes)}
    theirs = ask_peer("facenet_chips", given, tmp_path)
    pyramids = [Pyramid(Frame(p, p.shape[1], p.shape[0])) for p in pictures]
    nowhere = np.zeros((5, 2), dtype=np.float32)
    chips = np.stack([cut(p, np.array(box), nowhere, BOX_160) for p, box in zip(pyramids, boxes, strict=True)])
    # Another Pillow may round a pixel differently.
    assert np.abs(chips.astype(int) - theirs["chips"]).max() <= 1
    assert (chips == theirs["chips"]).mean() > 0.999

    folder = tmp_path / "models"
    data = (tmp_path / "zip.pt").read_bytes()
    Adder(folder, try_out).add(data, "zip.pt", Asked("facenet", Form(template="box-160")), Terms("MIT"))
    (_, space) = spaces(folder)
    embedder = Networks(Settings(models_dir=folder)).embedder(space)
    ours = embedder.embed(chips)
    assert np.abs(theirs["embedding"] - theirs["embedding"][:1]).max() > 0.05
    np.testing.assert_allclose(ours, theirs["embedding"], rtol=0, atol=1e-4)


def _pictures() -> tuple[list[NDArray[np.uint8]], list[list[float]]]:
    """Large and small boxes, some beyond the picture's edge, in a photo and its halves."""
    from skimage import data  # noqa: PLC0415 - heavy, and only these tests need it

    photo: NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]
    small = np.ascontiguousarray(photo[::3, ::3])
    boxes = [[168.4, 60.7, 280.9, 190.2], [-12.5, -3.2, 511.7, 530.1], [300.0, 300.0, 340.5, 351.99]]
    return [photo, photo, photo, small], [*boxes, [56.1, 20.3, 93.9, 64.0]]
