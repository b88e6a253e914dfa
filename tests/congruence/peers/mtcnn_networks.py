# mypy: ignore-errors
# The peers are not installed where the types are checked.
"""Runs in the peers' interpreter: facenet-pytorch's P-, R- and O-net on given pictures.

Arguments: input .npz (pnet, rnet, onet: uint8 NHWC RGB), output .npz. Class 1's probability is kept.
"""

import importlib
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch

# facenet-pytorch imports these at once; the networks alone never call them.
_UNUSED = (
    "requests",
    "requests.adapters",
    "tqdm",
    "tqdm.auto",
    "torchvision",
    "torchvision.ops",
    "torchvision.ops.boxes",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)


def main() -> None:
    given, result = (Path(a) for a in sys.argv[1:])
    sys.modules.update({name: MagicMock() for name in _UNUSED})
    mtcnn = importlib.import_module("facenet_pytorch.models.mtcnn")
    networks = {"pnet": mtcnn.PNet, "rnet": mtcnn.RNet, "onet": mtcnn.ONet}
    names = {"pnet": ["regression"], "rnet": ["regression"], "onet": ["regression", "landmarks"]}
    outputs = {}
    for name, kind in networks.items():
        network = kind()  # with the weights that the package carries
        network.train(False)
        image = torch.from_numpy(np.load(given)[name]).float().permute(0, 3, 1, 2)
        with torch.no_grad():
            *others, probability = network((image - 127.5) * 0.0078125)
        outputs[f"{name}.probability"] = probability[:, 1].numpy()
        for key, value in zip(names[name], others, strict=True):
            outputs[f"{name}.{key}"] = value.numpy()
    np.savez(result, **outputs)


main()
