"""Settings → a ready Analyzer. Kept apart from `app` so that the engine alone loads fast."""

from functools import cache

from faceline.config import Settings
from faceline.engine.align import TEMPLATES
from faceline.engine.analyzer import Analyzer, Wanted
from faceline.engine.attributes import Emotions
from faceline.engine.detector import Detector
from faceline.engine.embed import Embedder
from faceline.engine.gender import Gender
from faceline.engine.landmarks import WithOnet
from faceline.engine.mesh import Mesh
from faceline.engine.mtcnn import Mtcnn
from faceline.engine.networks import AttributeNetworks
from faceline.engine.session import Model, available_provider, cores, milliseconds
from faceline.images import ImageLimits
from faceline.models.added import DETECTOR, added_path
from faceline.models.spaces import BUILTIN, Space, space_named
from faceline.models.weights import ModelStore


def model_store(settings: Settings) -> ModelStore:
    return ModelStore(settings.models_dir, milliseconds)


class Networks:
    """What the analyzers of one process share, each loaded when it is first needed.

    threads: cores for one photo, unless the settings say a number. Raises SettingError for a provider that is not
    installed; whatever loads a network raises ModelError where it cannot be had.
    """

    def __init__(self, settings: Settings, threads: int = 1) -> None:
        self._settings = settings
        self._store = model_store(settings)
        self._provider = available_provider(settings.provider)
        self._threads = settings.threads or threads
        # Two threads that ask together load a network twice, and one of both is kept.
        self.detector = cache(self._open_detector)
        self.attributes = AttributeNetworks(
            emotions=cache(lambda: Emotions(self._built("mini-xception"))),
            mesh=cache(lambda: Mesh(self._built("face-mesh"), self._built("iris"))),
            gender=cache(lambda: Gender(self._built("gender"))),
        )

    def embedder(self, space: Space) -> Embedder:
        """Not shared: an analyzer has its own."""
        if space.model != BUILTIN.model:
            return Embedder(self._added(space.name), space.mirrored)
        # int8 graphs are made for CPUs; a GPU runs the plain ones faster.
        precision = self._settings.precision if self._provider == "cpu" else "fp32"
        path = self._store.embedder_path(precision)
        return Embedder(Model(path, self._threads, self._provider), space.mirrored)

    def _open_detector(self) -> Detector:
        """The one that the settings name; points come from O-net, since the others' hardly turn with the head."""
        onet = self._built("mtcnn-onet")
        match self._settings.detector:
            case "mtcnn":
                return Mtcnn(self._built("mtcnn-pnet"), self._built("mtcnn-rnet"), onet)
            case "yunet":
                from faceline.engine.yunet import Yunet  # noqa: PLC0415 (only for those who chose it)

                return WithOnet(Yunet(self._added(DETECTOR)), onet)
            case "haar":
                from faceline.engine.opencv import Haar  # noqa: PLC0415

                return WithOnet(Haar(), onet)
            case "opencv-yunet":
                from faceline.engine.opencv import FaceDetectorYN  # noqa: PLC0415

                return WithOnet(FaceDetectorYN(added_path(self._store.directory, DETECTOR)), onet)

    def _built(self, name: str) -> Model:
        return Model(self._store.path(name), self._threads, self._provider)

    def _added(self, name: str) -> Model:
        return Model(added_path(self._store.directory, name), self._threads, self._provider)


def open_analyzer(
    settings: Settings, threads: int = 1, space: Space | None = None, networks: Networks | None = None
) -> Analyzer:
    """Loads what it needs, building the built-in models first where they are missing.

    threads: cores for one photo, unless the settings say a number. space: what it embeds into, that of the setting
    `model` unless given. networks: those of another analyzer, made with the same settings, to share its detector.
    Raises ModelError, SettingError, MissingExtraError.
    """
    networks = networks or Networks(settings, threads)
    space = space or space_named(settings.model, model_store(settings).directory)
    embedder = networks.embedder(space)
    return Analyzer(networks.detector(), embedder, TEMPLATES[space.template], space.model, networks.attributes)


def wanted(settings: Settings, embeddings: bool = True) -> Wanted:
    return Wanted(settings.min_face_px, settings.rotations, embeddings, "emotions" in settings.attributes)


def image_limits(settings: Settings) -> ImageLimits:
    return ImageLimits(
        settings.max_image_bytes, settings.max_image_pixels, settings.max_image_side_px, settings.decode_pixels
    )


def worker_count(settings: Settings) -> int:
    """How many photos are worked on at once when there are many: one a core unless set."""
    return settings.workers or cores()
