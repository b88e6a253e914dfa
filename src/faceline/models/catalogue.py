"""What can be fetched from the package index and turned into ONNX: one row per foreign weight file."""

from dataclasses import dataclass

# Part of the default cache path and of every manifest: raise it when an importer's output changes, and all is built
# anew.
IMPORTER_VERSION = 1


@dataclass(frozen=True, slots=True)
class Distribution:
    """A package of the index and the SHA-256 of the one archive of it that we take."""

    name: str
    version: str
    archive_sha256: str

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class Weights:
    """One foreign weight file.

    member: its path inside the package. sha256: of that file. models: the ONNX models made from it (`<model>.onnx`).
    licence: of the weights. training_data: what they were trained on and on which terms. input: of the models.
    """

    name: str
    distribution: Distribution
    member: str
    sha256: str
    licence: str
    training_data: str
    input: str
    models: tuple[str, ...]


_MTCNN = Distribution("mtcnn", "1.0.0", "0a96b4868e56db9ae984449519642be6dba03240e608a67e928ebb47833e9144")
_DLIB = Distribution(
    "face_recognition_models", "0.3.0", "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf"
)
_FER = Distribution("fer", "25.10.3", "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671")

_MTCNN_DATA = "WIDER FACE and CelebA: both datasets are offered for research; the weights' authors set no further terms"
_DLIB_DATA = (
    "about 3 million photos from FaceScrub, VGG-Face and the web: the datasets are offered for research; "
    "the weights' author dedicated the weights to the public domain"
)
_FER_DATA = "FER-2013: faces found by web search for a contest; nobody shown was asked; the labels are about 65 % right"

CATALOGUE: tuple[Weights, ...] = (
    Weights(
        "mtcnn-pnet",
        _MTCNN,
        "mtcnn/assets/weights/pnet.lz4",
        "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
        "MIT",
        _MTCNN_DATA,
        "uint8 (1, height, width, 3) RGB, any size from 12 pixels on",
        ("mtcnn-pnet",),
    ),
    Weights(
        "mtcnn-rnet",
        _MTCNN,
        "mtcnn/assets/weights/rnet.lz4",
        "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
        "MIT",
        _MTCNN_DATA,
        "uint8 (n, 24, 24, 3) RGB",
        ("mtcnn-rnet",),
    ),
    Weights(
        "mtcnn-onet",
        _MTCNN,
        "mtcnn/assets/weights/onet.lz4",
        "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
        "MIT",
        _MTCNN_DATA,
        "uint8 (n, 48, 48, 3) RGB",
        ("mtcnn-onet",),
    ),
    Weights(
        "dlib-resnet",
        _DLIB,
        "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        "CC0-1.0",
        _DLIB_DATA,
        "uint8 (n, 150, 150, 3) RGB, aligned",
        ("dlib-resnet.fp32", "dlib-resnet.int8"),
    ),
    Weights(
        "mini-xception",
        _FER,
        "fer/data/emotion_model.hdf5",
        "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
        "MIT",
        _FER_DATA,
        "uint8 (n, 64, 64, 1) grey",
        ("mini-xception",),
    ),
)
