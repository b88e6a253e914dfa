# mypy: ignore-errors
# The peers are not installed where the types are checked.
"""Runs in the peers' interpreter: what facenet-pytorch cuts out of pictures, and what its network makes of that.

Arguments: a folder, input .npz (0, 1, …: uint8 HWC RGB; boxes: (n, 4), one for each), output .npz (chips: uint8
(n, 160, 160, 3), embedding: float32 (n, 512)). The network's random weights are written into the folder as `zip.pt`.
torchvision has no build for this torch: the one function of it that is called is defined here.
"""

import importlib
import sys
import types
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch
from PIL import Image

_UNUSED = ("requests", "requests.adapters", "tqdm", "tqdm.auto", "torchvision", "torchvision.ops")


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
    sys.modules.update({name: MagicMock() for name in (*_UNUSED, "torchvision.ops.boxes")})
    transforms = types.ModuleType("torchvision.transforms")
    functional = types.ModuleType("torchvision.transforms.functional")
    functional.to_tensor = lambda image: torch.from_numpy(np.array(image)).permute(2, 0, 1).float()
    transforms.functional = functional
    sys.modules["torchvision.transforms"] = transforms
    sys.modules["torchvision.transforms.functional"] = functional
    torch.manual_seed(11)
    torch.set_grad_enabled(False)
    mtcnn = importlib.import_module("facenet_pytorch.models.mtcnn")
    network = importlib.import_module("facenet_pytorch.models.inception_resnet_v1")
    arrays = np.load(given)
    cut = importlib.import_module("facenet_pytorch.models.utils.detect_face").extract_face
    chips = torch.stack([cut(Image.fromarray(arrays[str(i)]), box) for i, box in enumerate(arrays["boxes"])])
    image = mtcnn.fixed_image_standardization(chips)
    model = network.InceptionResnetV1(classify=True, num_classes=20)
    model.classify = False
    randomise(model, image)
    torch.save(model.state_dict(), folder / "zip.pt")
    seen = chips.permute(0, 2, 3, 1).numpy()
    np.savez(result, chips=seen.astype(np.uint8), embedding=model(image).numpy())


main()
