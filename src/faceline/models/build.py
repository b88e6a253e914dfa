"""Foreign weight file → ONNX file. Imported only when something has to be built: it needs onnx, lz4 and h5py."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import onnx

from faceline.models.importers import dlib, gender, keras, mtcnn, tflite
from faceline.models.importers.quantise import quantised, shipped_ranges


def _resnet_int8(data: bytes, source: str) -> onnx.ModelProto:
    return quantised(dlib.resnet(data, source), shipped_ranges("dlib-resnet"))


# Model name → importer of (the weight file's bytes, its name for messages).
_IMPORTERS: Mapping[str, Callable[[bytes, str], onnx.ModelProto]] = MappingProxyType(
    {
        "mtcnn-pnet": mtcnn.pnet,
        "mtcnn-rnet": mtcnn.rnet,
        "mtcnn-onet": mtcnn.onet,
        "dlib-resnet.fp32": dlib.resnet,
        "dlib-resnet.int8": _resnet_int8,
        "mini-xception": keras.mini_xception,
        "face-mesh": tflite.face_mesh,
        "iris": tflite.iris,
        "gender": gender.gender,
    }
)


def onnx_bytes(model: str, data: bytes, source: str) -> bytes:
    """A model's ONNX file. Raises ModelError when `data` is not the weight file that it is made from."""
    serialised: bytes = _IMPORTERS[model](data, source).SerializeToString()
    return serialised
