# mypy: ignore-errors
# The peers are not installed where the types are checked.
"""facenet-pytorch as its README uses it: MTCNN, then InceptionResnetV1 on all faces of a photo at once.

The recognition weights are random: they cost what the published ones cost, which need a download. Two functions of
torchvision that facenet-pytorch calls are replaced here, since it breaks with the torchvision of a present torch; the
time that non-maximum suppression takes is not counted, as torchvision's own is compiled and almost free.
"""

import sys
import time
import types

import numpy as np
import torch
from PIL import Image
from worker import Box, Job, serve

_uncounted = [0.0]


def batched_nms(boxes, scores, classes, threshold):
    start = time.process_time()
    offsets = classes[:, None] * (boxes.max() + 1 if len(boxes) else 0)
    keep = _nms((boxes + offsets).numpy(), scores.numpy(), threshold)
    _uncounted[0] += time.process_time() - start
    return torch.from_numpy(keep)


def _nms(boxes, scores, threshold):
    order, keep = np.argsort(-scores, kind="stable"), []
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    while len(order):
        best, order = order[0], order[1:]
        keep.append(best)
        corner = np.minimum(boxes[order, 2:], boxes[best, 2:]) - np.maximum(boxes[order, :2], boxes[best, :2])
        shared = np.prod(np.maximum(corner, 0), axis=1)
        order = order[shared <= threshold * (areas[order] + areas[best] - shared)]
    return np.array(keep, dtype=np.int64)


def to_tensor(pixels):
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _stand_in(name, **functions):
    module = types.ModuleType(name)
    module.__dict__.update(functions)
    sys.modules[name] = module
    return module


def _stand_ins():
    """Only what facenet-pytorch imports; requests and tqdm serve its downloads."""
    functional = _stand_in("torchvision.transforms.functional", to_tensor=to_tensor)
    _stand_in("torchvision")
    _stand_in("torchvision.transforms", functional=functional)
    _stand_in("torchvision.ops")
    _stand_in("torchvision.ops.boxes", batched_nms=batched_nms)
    _stand_in("requests")
    _stand_in("requests.adapters", HTTPAdapter=object)
    _stand_in("tqdm")
    _stand_in("tqdm.auto", tqdm=None)


_stand_ins()
from facenet_pytorch import MTCNN, InceptionResnetV1  # noqa: E402 (needs the stand-ins)


class Facenet:
    packages = ("facenet-pytorch", "torch", "numpy", "pillow")

    def __init__(self, min_face: int) -> None:
        self._mtcnn = MTCNN(keep_all=True, min_face_size=min_face)
        self._resnet = InceptionResnetV1(num_classes=1).eval()

    @property
    def uncounted_s(self) -> float:
        return _uncounted[0]

    def analyze(self, photo: str) -> list[Box]:
        return self._analyzed(Image.open(photo).convert("RGB"))

    def _analyzed(self, image: Image.Image) -> list[Box]:
        boxes, _ = self._mtcnn.detect(image)
        faces = self._mtcnn.extract(image, boxes, None)
        if faces is not None:
            self._resnet(faces)
        return _as_boxes(boxes)

    def follow(self, clip: str, per_second: float) -> int:
        """As its examples go through a clip: every frame by MTCNN, every face embedded."""
        import av  # noqa: PLC0415 (the other tasks need no clips)

        faces, due = 0, 0.0
        with av.open(clip) as container:
            for frame in container.decode(video=0):
                if frame.time >= due - 1e-6:
                    due += 1 / per_second
                    faces += len(self._analyzed(frame.to_image()))
        return faces

    def detect(self, photo: str) -> list[Box]:
        return _as_boxes(self._mtcnn.detect(Image.open(photo).convert("RGB"))[0])


def _as_boxes(boxes) -> list[Box]:
    corners = [] if boxes is None else np.asarray(boxes, dtype=np.float64).tolist()
    return [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in corners]


def open_engine(job: Job) -> Facenet:
    torch.set_grad_enabled(False)
    torch.set_num_threads(job["threads"])
    torch.set_num_interop_threads(1)
    # Random weights let activations become so small that the CPU turns slow; real ones do not.
    torch.set_flush_denormal(True)
    return Facenet(job["min_face"])


if __name__ == "__main__":
    serve(open_engine)
