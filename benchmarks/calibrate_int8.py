"""Measures the activation ranges that dlib-resnet's int8 variant is built from. Only the ranges are kept, never a chip.

    python benchmarks/calibrate_int8.py CHIPS.npy --weights dlib_face_recognition_resnet_model_v1.dat --into RANGES.json

CHIPS.npy: uint8 (n, 150, 150, 3) RGB, aligned as `faceline.engine.align` does it; 128 are taken, evenly spread.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from faceline.models.importers.dlib import resnet

_CHIPS = 128


def _tensors(model: onnx.ModelProto) -> list[str]:
    """What becomes uint8: every ReLU's result, and every convolution's that goes into no ReLU."""
    into_relu = {node.input[0] for node in model.graph.node if node.op_type == "Relu"}
    wanted = (n.output[0] for n in model.graph.node if n.op_type in ("Relu", "Conv") and n.output[0] not in into_relu)
    return list(wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    given = parser.parse_args()
    model = resnet(given.weights.read_bytes(), given.weights.name)
    names = _tensors(model)
    model.graph.output.extend(onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in names)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    chips = np.load(given.chips, mmap_mode="r")
    chosen = chips[:: max(1, len(chips) // _CHIPS)][:_CHIPS]
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for chip in chosen:
        values = session.run(names, {"image": chip[None]})
        low, high = np.minimum(low, [v.min() for v in values]), np.maximum(high, [v.max() for v in values])
    ranges = {n: [float(f"{a:.5g}"), float(f"{b:.5g}")] for n, a, b in zip(names, low, high, strict=True)}
    about = f"lowest and highest value of each tensor over {len(chosen)} aligned chips, by benchmarks/calibrate_int8.py"
    given.into.write_text(json.dumps({"about": about, "ranges": ranges}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
