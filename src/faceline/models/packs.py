"""What `faceline models pull` knows: files of the web, by URL and SHA-256, with licence and form.

The URLs of OpenCV's zoo name the commits that put these very files there. FaceNet's names a branch, because only its
beginning is known: there, the SHA-256 alone is the pin. None could be downloaded where faceline was built.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from faceline.models.added import Form


@dataclass(frozen=True, slots=True)
class Row:
    """One file. name: of the model. url, sha256, size_bytes: of the file. licence, commercial, training_data, form: as
    in `added.Added`."""

    name: str
    url: str
    sha256: str
    size_bytes: int
    licence: str
    commercial: bool
    training_data: str
    form: Form | None = None

    @property
    def file_name(self) -> str:
        return self.url.rpartition("/")[2]


_ZOO = "https://media.githubusercontent.com/media/opencv/opencv_zoo"

YUNET = Row(
    name="yunet",
    url=f"{_ZOO}/82b38c8f98e7b52aa171400f3e4c722352d0669f/models/face_detection_yunet/face_detection_yunet_2023mar.onnx",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    size_bytes=232_589,
    licence="MIT",
    commercial=True,
    training_data="WIDER FACE: offered for research; the weights' authors set no further terms",
)
# FaceRecognizerSF feeds RGB of 0–255; the network itself centres it. The threshold is OpenCV's for cosines.
SFACE = Row(
    name="sface",
    url=f"{_ZOO}/edef535367a4f8053b5bfb7580935c83772a9639/models/face_recognition_sface/"
    "face_recognition_sface_2021dec.onnx",
    sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
    size_bytes=38_696_353,
    licence="Apache-2.0",
    commercial=True,
    training_data="not said with the file; the paper: CASIA-WebFace, VGGFace2, MS-Celeb-1M, offered for research",
    form=Form(template="arcface-112", threshold=0.363),
)
# A TorchScript copy of facenet-pytorch's weights of 2018-04-02. The copy has no licence file; MIT is facenet-pytorch's.
# The threshold is deepface's for FaceNet, a cosine distance of 0.4, since facenet-pytorch publishes none.
FACENET = Row(
    name="facenet",
    url="https://media.githubusercontent.com/media/CSE546-Cloud-Computing/CSE546-SPRING-2025/model/resnetV1/resnetV1.pt",
    sha256="e1accbbab5b0e140e7adb38a8871aeddc4a9ffae3ff79c68c61ae4ab5fcf043e",
    size_bytes=112_720_666,
    licence="MIT",
    commercial=False,
    training_data="VGGFace2: found by web search, offline since 2020 for legal reasons; take it as for research only",
    form=Form(template="box-160", threshold=0.6),
)

PACKS: Mapping[str, tuple[Row, ...]] = MappingProxyType({"recommended": (YUNET, SFACE), "facenet": (FACENET,)})
BUILTIN_PACK = "builtin"


def pulling(name: str) -> str:
    """`faceline models pull …` and "or ", where a pack has a model of this name; empty where none has."""
    for pack, rows in PACKS.items():
        for row in rows:
            if row.name == name:
                return f"`faceline models pull {pack}{'' if row.commercial else ' --accept-license'}` or "
    return ""
