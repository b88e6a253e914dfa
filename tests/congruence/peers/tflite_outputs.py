# mypy: ignore-errors
# The peers are not installed where the types are checked.
"""Runs in the peers' interpreter: a TensorFlow Lite network by LiteRT, the runtime that it was made for.

Arguments: the .tflite file, input .npz (image: uint8 (n, h, w, 3) RGB), output .npz (each output, flat, under its
number).
"""

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    weights, given, result = (Path(a) for a in sys.argv[1:])
    interpreter = Interpreter(str(weights))
    interpreter.allocate_tensors()
    outputs = interpreter.get_output_details()
    rows = [[] for _ in outputs]
    for image in np.load(given)["image"]:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None].astype(np.float32) / 255)
        interpreter.invoke()
        for row, output in zip(rows, outputs, strict=True):
            row.append(interpreter.get_tensor(output["index"]).ravel())
    np.savez(result, **{str(i): np.stack(row) for i, row in enumerate(rows)})


main()
