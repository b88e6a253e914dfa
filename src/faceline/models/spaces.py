"""Which embeddings can be compared, and how: a model's id, its template and views, its cohort and calibration."""

import json
import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from faceline.errors import ModelError
from faceline.models.added import Added, read_registry
from faceline.models.calibrations import read_installed
from faceline.models.packs import pulling
from faceline.similarity import Calibration, Cohort, Scorer

# A provisional scale: parts of the maker's threshold, and log10 of the part of strangers at or above them. Makers
# publish what tells most of LFW's pairs right; with a MobileFaceNet that is .28, and one pair of strangers in 330 is
# there. Up to the threshold strangers are taken for normally distributed around 0; from there on the rate falls by 3.2
# powers of ten for each further threshold, less than a normal distribution's 3.6 and more.
_OF_THRESHOLD = (0.0, 0.469, 0.852, 1.0, 1 + 4.5 / 3.2)
_LOG_RATES = (math.log10(0.5), -1.0, -2.0, -2.5, -7.0)


@dataclass(frozen=True, slots=True)
class Space:
    """An embedding space. model: the id that every embedding, face record and collection carries.

    It names weights, template and views: a change of any of them makes other embeddings. Precision is not part of it.
    name: what the setting `model` says. template: a key of `engine.align.TEMPLATES`. mirrored: whether the mean with
    the mirror image is taken. licence: of the weights. threshold: the cosine that the maker publishes. shipped: the
    name that the cohort and calibration that came with faceline are kept under; empty where there are none.
    """

    name: str
    model: str
    dimensions: int
    template: str
    mirrored: bool
    licence: str
    threshold: float
    shipped: str = ""


BUILTIN = Space(
    name="dlib-resnet",
    model="dlib-resnet-v1+mtcnn5-150+mirror",
    dimensions=128,
    template="dlib-150",
    mirrored=True,
    licence="CC0-1.0",
    threshold=0.93,
    shipped="dlib-resnet-v1",
)


def spaces(directory: Path) -> list[Space]:
    """The built-in one, and those of embedders pulled or added to this models folder. Raises ModelError."""
    added = read_registry(directory).models.items()
    return [BUILTIN, *(_space(name, record) for name, record in added if record.kind == "embedder")]


def space_named(name: str, directory: Path) -> Space:
    """The space of an embedder by its name. Raises ModelError where there is none."""
    if name == BUILTIN.name:
        return BUILTIN
    for space in spaces(directory):
        if space.name == name:
            return space
    raise ModelError(
        f"there is no embedder {name!r} in {directory}, only {_names(directory)}; "
        f"get it with {pulling(name)}`faceline models add FILE --name {name}`; into functions of AWS it comes by "
        f"`faceline build lambda --model {name}`"
    )


def space_of(model: str, directory: Path) -> Space:
    """The space of a model's id. Raises ModelError where no model here has it."""
    if model == BUILTIN.model:
        return BUILTIN
    for space in spaces(directory):
        if space.model == model:
            return space
    name = model.partition("+")[0].rpartition("-")[0] or model
    raise ModelError(
        f"there is no model {model} in {directory}, only {_names(directory)}; get the very same weights with "
        f"{pulling(name)}`faceline models add FILE --name {name}` and the options that it was added with, "
        "or use another collection"
    )


def scorer_of(space: Space, directory: Path | None = None) -> Scorer:
    """By the calibration that was installed in this models folder, else the one that came with faceline, else a
    provisional one. Raises ModelError when the installed one is damaged."""
    installed = read_installed(directory, space.model, space.dimensions) if directory else None
    if installed:
        return Scorer(space.model, installed.calibration, installed.cohort)
    if space.shipped:
        return Scorer(space.model, calibration_of(space), cohort_of(space))
    return Scorer(space.model, provisional(space.threshold))


def provisional(threshold: float) -> Calibration:
    """A scale for plain cosines that nobody measured, from the one cosine that the maker publishes.

    Cautious for embeddings whose strangers have cosines around 0, as those of ArcFace's kin have
    (docs/decisions/0015-model-packs.md), and wrong for others.
    """
    return Calibration(tuple(part * threshold for part in _OF_THRESHOLD), _LOG_RATES, measured=False)


def calibration_of(space: Space) -> Calibration:
    """The one that came with faceline."""
    document = json.loads((files("faceline.models") / "data" / f"{space.shipped}.calibration.json").read_text("utf-8"))
    return Calibration(tuple(document["scores"]), tuple(document["log_rates"]))


def cohort_of(space: Space) -> Cohort:
    """The one that came with faceline, kept as int8 directions; docs/concepts/similarity.md says where it is from."""
    resource = files("faceline.models") / "data" / f"{space.shipped}.cohort.npz"
    with resource.open("rb") as file, np.load(file) as archive:
        vectors = archive["vectors"].astype(np.float32)
        top = int(archive["top"])
    return Cohort(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), top)


def _space(name: str, record: Added) -> Space:
    assert record.form is not None
    form = record.form
    return Space(
        name=name,
        model=f"{name}-{record.source_sha256[:8]}+{form.written()}",
        dimensions=record.dimensions,
        template=form.template,
        mirrored=form.mirrored,
        licence=record.licence,
        threshold=form.threshold,
    )


def _names(directory: Path) -> str:
    return ", ".join(space.name for space in spaces(directory))
