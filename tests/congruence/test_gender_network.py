"""Our gender network against the file that it is made from, run unchanged by ONNX Runtime."""

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

from faceline.models.build import onnx_bytes

pytestmark = pytest.mark.peers

_TOLERANCE = 1e-5
_MEANS = np.array([122.782, 117.001, 104.298], dtype=np.float32)


def test_probabilities_equal_those_of_the_unchanged_file(
    weight_files: dict[str, bytes], faces: list[Image.Image]
) -> None:
    noise = np.random.default_rng(6).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    edges = np.stack([np.full((32, 32, 3), value, np.uint8) for value in (0, 255)])
    image = np.concatenate([noise, edges, [np.asarray(face.resize((32, 32))) for face in faces]]).astype(np.uint8)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    theirs = ort.InferenceSession(weight_files["gender"], options, providers=["CPUExecutionProvider"])
    prepared = np.ascontiguousarray(((image.astype(np.float32) - _MEANS) / 256).transpose(0, 3, 1, 2))
    expected = theirs.run(["probabilities"], {"images": prepared})[0]
    model = onnx_bytes("gender", weight_files["gender"], "gender-v1.onnx")
    ours = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = ours.run(["probability"], {"image": image})[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=_TOLERANCE)
    assert np.ptp(expected[:, 0]) > 0.5
