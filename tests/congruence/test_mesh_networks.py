"""Our face mesh and iris networks against LiteRT, which runs the files that they come from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from PIL import Image

from faceline.models.build import onnx_bytes

pytestmark = pytest.mark.peers

AskPeer = Callable[..., dict[str, NDArray[Any]]]

_TOLERANCE_PX = 1e-3  # of 192 and 64; measured: 1.4e-4


@pytest.mark.parametrize(("model", "side", "names"), [("face-mesh", 192, "points"), ("iris", 64, "contour iris")])
def test_points_equal_those_of_litert(
    model: str,
    side: int,
    names: str,
    ask_peer: AskPeer,
    weight_files: dict[str, bytes],
    faces: list[Image.Image],
    tmp_path: Path,
) -> None:
    weights = tmp_path / "network.tflite"
    weights.write_bytes(weight_files[model])
    noise = np.random.default_rng(3).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    image = np.concatenate([noise, [np.asarray(face.resize((side, side))) for face in faces]]).astype(np.uint8)
    theirs = ask_peer("tflite_outputs", {"image": image}, weights)
    session = ort.InferenceSession(onnx_bytes(model, weight_files[model], "tflite"), providers=["CPUExecutionProvider"])
    ours = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"image": image}), strict=True))
    for number, name in enumerate(names.split()):
        found = ours[name].reshape(len(image), -1)
        np.testing.assert_allclose(found, theirs[str(number)], rtol=0, atol=_TOLERANCE_PX)
    if "presence" in ours:
        np.testing.assert_allclose(ours["presence"], 1 / (1 + np.exp(-theirs["1"][:, 0])), rtol=0, atol=1e-5)
