"""Settings → a ready Analyzer. Kept apart from `app` so that the engine alone loads fast."""

from functools import cache

from faceline.config import Settings
from faceline.engine.align import DLIB_150
from faceline.engine.analyzer import Analyzer, Wanted
from faceline.engine.attributes import Emotions
from faceline.engine.embed import Embedder
from faceline.engine.gender import Gender
from faceline.engine.mesh import Mesh
from faceline.engine.mtcnn import Mtcnn
from faceline.engine.networks import AttributeNetworks
from faceline.engine.session import Model, available_provider, cores, milliseconds
from faceline.images import ImageLimits
from faceline.models.spaces import BUILTIN
from faceline.models.weights import ModelStore


def model_store(settings: Settings) -> ModelStore:
    return ModelStore(settings.models_dir, milliseconds)


def open_analyzer(settings: Settings, threads: int = 1) -> Analyzer:
    """Loads the built-in models, building them first where they are missing.

    threads: cores for one photo, unless the settings say a number. Raises ModelError, SettingError.
    """
    store = model_store(settings)
    provider = available_provider(settings.provider)
    threads = settings.threads or threads

    def model(name: str) -> Model:
        return Model(store.path(name), threads, provider)

    # int8 graphs are made for CPUs; a GPU runs the plain ones faster.
    precision = settings.precision if provider == "cpu" else "fp32"
    embedder = Embedder(Model(store.embedder_path(precision), threads, provider), BUILTIN.mirrored)
    detector = Mtcnn(model("mtcnn-pnet"), model("mtcnn-rnet"), model("mtcnn-onet"))
    # Two threads that ask together load a network twice, and one of both is kept.
    networks = AttributeNetworks(
        emotions=cache(lambda: Emotions(model("mini-xception"))),
        mesh=cache(lambda: Mesh(model("face-mesh"), model("iris"))),
        gender=cache(lambda: Gender(model("gender"))),
    )
    return Analyzer(detector, embedder, DLIB_150, BUILTIN.model, networks)


def wanted(settings: Settings, embeddings: bool = True) -> Wanted:
    return Wanted(settings.min_face_px, settings.rotations, embeddings, "emotions" in settings.attributes)


def image_limits(settings: Settings) -> ImageLimits:
    return ImageLimits(
        settings.max_image_bytes, settings.max_image_pixels, settings.max_image_side_px, settings.decode_pixels
    )


def worker_count(settings: Settings) -> int:
    """How many photos are worked on at once when there are many: one a core unless set."""
    return settings.workers or cores()
