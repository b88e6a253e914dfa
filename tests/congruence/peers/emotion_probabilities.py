# mypy: ignore-errors
# The peers are not installed where the types are checked.
"""Runs in the peers' interpreter: mini-Xception rebuilt in torch, layer by layer as the Keras file describes it.

Arguments: input .npz (image: uint8 (n, 64, 64, 1) grey; weights under their HDF5 paths), output .npz (probability:
(n, 7)). Nothing is folded: batch normalisation and pixel scaling run as layers of their own.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


class Network:
    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.arrays = arrays

    def weight(self, layer: str, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[f"{layer}/{layer}_1/{name}:0"])

    def conv(self, x: Tensor, layer: str, **options: int) -> Tensor:
        return functional.conv2d(x, self.weight(layer, "kernel").permute(3, 2, 0, 1), **options)

    def separable(self, x: Tensor, number: int) -> Tensor:
        layer = f"separable_conv2d_{number}"
        depthwise = self.weight(layer, "depthwise_kernel").permute(2, 3, 0, 1)
        x = functional.conv2d(x, depthwise, padding=1, groups=x.shape[1])
        return functional.conv2d(x, self.weight(layer, "pointwise_kernel").permute(3, 2, 0, 1))

    def norm(self, x: Tensor, number: int) -> Tensor:
        layer = f"batch_normalization_{number}"
        mean, variance, gamma, beta = (
            self.weight(layer, name) for name in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return functional.batch_norm(x, mean, variance, gamma, beta, eps=1e-3)

    def run(self, image: Tensor) -> Tensor:
        x = (image / 255 - 0.5) * 2
        x = self.norm(self.conv(x, "conv2d_1"), 1).relu()
        x = self.norm(self.conv(x, "conv2d_2"), 2).relu()
        for block in range(4):
            shortcut = self.norm(self.conv(x, f"conv2d_{block + 3}", stride=2), 3 * block + 3)
            x = self.norm(self.separable(x, 2 * block + 1), 3 * block + 4).relu()
            x = self.norm(self.separable(x, 2 * block + 2), 3 * block + 5)
            x = functional.max_pool2d(same_padded(x), 3, 2) + shortcut
        x = self.conv(x, "conv2d_7", padding=1) + self.weight("conv2d_7", "bias")[:, None, None]
        return x.mean(dim=(2, 3)).softmax(dim=1)


def same_padded(x: Tensor) -> Tensor:
    """TensorFlow's SAME for a window of 3 and a stride of 2: the odd pixel of padding goes to the end."""
    total = [max((-(-side // 2) - 1) * 2 + 3 - side, 0) for side in x.shape[-2:]]
    height, width = total
    pads = (width // 2, width - width // 2, height // 2, height - height // 2)
    return functional.pad(x, pads, value=-torch.inf)


def main() -> None:
    given, result = (Path(a) for a in sys.argv[1:])
    arrays = dict(np.load(given))
    image = torch.from_numpy(arrays.pop("image")).float().permute(0, 3, 1, 2)
    with torch.no_grad():
        np.savez(result, probability=Network(arrays).run(image).numpy())


main()
