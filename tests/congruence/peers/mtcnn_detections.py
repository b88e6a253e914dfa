# mypy: ignore-errors
# The peers are not installed where the types are checked.
"""Runs in the peers' interpreter: facenet-pytorch's whole detector, smallest face 40 px, on given pictures.

Arguments: input .npz (0, 1, …: uint8 HWC RGB), output .npz (0.boxes (n, 4), 0.landmarks (n, 5, 2), …).
torchvision has no build for this torch: the two functions of it that are called are defined here.
"""

import importlib
import sys
import types
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch


def batched_nms(boxes, scores, groups, threshold):
    """Greedy suppression among boxes of one group; indices, best score first."""
    kept = []
    for i in torch.argsort(scores, descending=True).tolist():
        x1, y1 = torch.maximum(boxes[i, 0], boxes[kept, 0]), torch.maximum(boxes[i, 1], boxes[kept, 1])
        x2, y2 = torch.minimum(boxes[i, 2], boxes[kept, 2]), torch.minimum(boxes[i, 3], boxes[kept, 3])
        shared = (x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        overlap = shared / (area[i] + area[kept] - shared)
        if not bool(((overlap > threshold) & (groups[kept] == groups[i])).any()):
            kept.append(i)
    return torch.tensor(kept, dtype=torch.long)


def main() -> None:
    given, result = (Path(a) for a in sys.argv[1:])
    modules = ("requests", "requests.adapters", "tqdm", "tqdm.auto", "torchvision", "torchvision.ops")
    sys.modules.update({name: MagicMock() for name in modules})
    boxes_module = types.ModuleType("torchvision.ops.boxes")
    boxes_module.batched_nms = batched_nms
    transforms = types.ModuleType("torchvision.transforms")
    functional = types.ModuleType("torchvision.transforms.functional")
    functional.to_tensor = lambda image: torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    transforms.functional = functional
    sys.modules["torchvision.ops.boxes"] = boxes_module
    sys.modules["torchvision.transforms"] = transforms
    sys.modules["torchvision.transforms.functional"] = functional
    detector = importlib.import_module("facenet_pytorch.models.mtcnn").MTCNN(keep_all=True, min_face_size=40)
    outputs = {}
    for name, picture in np.load(given).items():
        boxes, _, landmarks = detector.detect(picture, landmarks=True)
        found = len(boxes) if boxes is not None else 0
        outputs[f"{name}.boxes"] = np.asarray(boxes if found else np.empty((0, 4)), dtype=np.float64)
        outputs[f"{name}.landmarks"] = np.asarray(landmarks if found else np.empty((0, 5, 2)), dtype=np.float64)
    np.savez(result, **outputs)


main()
