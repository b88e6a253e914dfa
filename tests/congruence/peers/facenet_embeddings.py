# mypy: ignore-errors
# The peers are not installed where the types are checked.
"""Runs in the peers' interpreter: facenet-pytorch's InceptionResnetV1 with random weights.

Arguments: a folder, input .npz (image: uint8 (n, 160, 160, 3) RGB), output .npz (embedding: float32 (n, 512)). The
weights are written into the folder: `zip.pt` and `old.pt`, state dicts in torch's two formats, the latter with the
layer of classes that the published ones have, and `script.pt`, a TorchScript copy.
"""

import importlib
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch

# facenet-pytorch imports these at once; the network alone never calls them.
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


def randomise(model, image) -> None:
    """New layers' batch normalisations do nothing, and signals die out on their way; here both are as when trained."""
    for module in model.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0, 0.3)
            module.momentum = 1.0
    model.train()
    model(image)
    model.eval()


def main() -> None:
    folder, given, result = (Path(a) for a in sys.argv[1:])
    sys.modules.update({name: MagicMock() for name in _UNUSED})
    torch.manual_seed(11)
    torch.set_grad_enabled(False)
    network = importlib.import_module("facenet_pytorch.models.inception_resnet_v1")
    model = network.InceptionResnetV1(classify=True, num_classes=20)
    model.classify = False
    image = (torch.from_numpy(np.load(given)["image"]).float().permute(0, 3, 1, 2) - 127.5) / 128
    randomise(model, image)
    torch.save(model.state_dict(), folder / "zip.pt")
    torch.save(model.state_dict(), folder / "old.pt", _use_new_zipfile_serialization=False)
    torch.jit.trace(model, image[:1]).save(str(folder / "script.pt"))
    np.savez(result, embedding=model(image).numpy())


main()
