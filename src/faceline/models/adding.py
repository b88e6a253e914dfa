"""A file of the user's, or one that was pulled → a model in the models folder, in our form and tried out.

Imported only when something is added: it needs onnx.
"""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

from faceline.errors import ModelError, UsageError
from faceline.models.added import DETECTOR, MOST_DIMENSIONS, Added, Form, Kind, check_name, keep
from faceline.models.importers import facenet, foreign

# An ONNX file and the side of its chips, 0 for a detector → the dimensions, or why it cannot be used.
TryOut = Callable[[Path, int], tuple[int, str]]

_TORCH_STARTS = (b"PK\x03\x04", b"\x80\x02\x8a\x0a")


@dataclass(frozen=True, slots=True)
class Terms:
    """As in `added.Added`."""

    licence: str
    commercial: bool = True
    training_data: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """name: None for a detector, which has only one. form: of embedders. kind: what it must turn out to be, if said."""

    name: str | None = None
    form: Form | None = None
    kind: Kind | None = None


def read_file(path: Path) -> bytes:
    """Raises UsageError when there is no such file, ModelError when it is too large or cannot be read."""
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file, or it is no plain one; name an ONNX file")
    try:
        if path.stat().st_size > foreign.MAX_BYTES:
            raise ModelError(f"{path} has {path.stat().st_size} bytes, more than {foreign.MAX_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); make it readable") from error


@dataclass(frozen=True, slots=True)
class Adder:
    """directory: the models folder. try_out: runs a file once, as `engine.trial.try_out` does."""

    directory: Path
    try_out: TryOut

    def add(self, data: bytes, source: str, asked: Asked, terms: Terms) -> str:
        """Keeps a model and returns its name. data: an ONNX file, or torch weights of FaceNet's InceptionResnetV1.

        source: the file's name or URL. Raises ModelError when it is neither an embedder of the form asked nor a YuNet,
        UsageError for a name that cannot be, ConflictError when another model has it.
        """
        given = None if data.startswith(_TORCH_STARTS) else foreign.read(data, source)
        kind = foreign.kind_of(given) if given else "embedder"
        if asked.kind not in (None, kind):
            raise ModelError(
                f"{source} is no {asked.kind}: its outputs are of the kind {kind}; leave --kind out, or check the file"
            )
        name = asked.name or (DETECTOR if kind == "detector" else "")
        check_name(name, kind)
        form = asked.form if kind == "embedder" else None
        if kind == "detector":
            dimensions, ours = self._tried(data, 0, source), data
        elif form is None:
            raise UsageError(f"{source} is an embedder; say with --template how it wants faces cut")
        elif given is None:
            dimensions, ours = self._facenet(data, source, form)
        else:
            dimensions, ours = self._embedder(given, source, form)
        record = Added(
            kind=kind,
            source=source,
            source_sha256=hashlib.sha256(data).hexdigest(),
            sha256=hashlib.sha256(ours).hexdigest(),
            licence=terms.licence,
            commercial=terms.commercial,
            training_data=terms.training_data,
            form=form,
            dimensions=dimensions,
        )
        keep(self.directory, name, record, ours)
        return name

    def _facenet(self, data: bytes, source: str, form: Form) -> tuple[int, bytes]:
        if form != Form(template="box-160", mirrored=form.mirrored, threshold=form.threshold):
            raise UsageError(f"{source} holds torch weights, read as FaceNet's: only --template box-160 fits, as it is")
        ours: bytes = facenet.inception_resnet_v1(data, source).SerializeToString(deterministic=True)
        return self._tried(ours, form.side, source), ours

    def _embedder(self, given: onnx.ModelProto, source: str, form: Form) -> tuple[int, bytes]:
        """Faces in batches where the network lets itself be fed so, else one at a time."""
        together = foreign.embedder(given, form, source)
        dimensions, why = self._try(together, form.side)
        if not why:
            return dimensions, together
        alone = foreign.embedder(given, form, source, batches=False)
        return self._tried(alone, form.side, source), alone

    def _tried(self, ours: bytes, side: int, source: str) -> int:
        dimensions, why = self._try(ours, side)
        if why:
            raise ModelError(f"{source} {why}")
        return dimensions

    def _try(self, ours: bytes, side: int) -> tuple[int, str]:
        with tempfile.TemporaryDirectory(prefix="faceline-") as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(ours)
            dimensions, why = self.try_out(path, side)
        if not why and dimensions > MOST_DIMENSIONS:
            why = f"gives {dimensions:,} numbers for a face; at most {MOST_DIMENSIONS:,} are an embedding"
        return dimensions, why
