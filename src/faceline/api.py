"""faceline from Python: `with faceline.open() as f: f.identify("photo.jpg")`."""

from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceline.app import App
from faceline.config import Settings, load
from faceline.engine.session import cores
from faceline.engines import Engines
from faceline.errors import ModelMismatchError, NoFaceError, UsageError
from faceline.gallery.enrolment import Photo
from faceline.gallery.names import problem_of
from faceline.gallery.sources import expand
from faceline.images import to_frame
from faceline.loading import image_limits, wanted, worker_count
from faceline.pipelines.clips import Searched, follow_clip, video_limits
from faceline.types import Appearance, Comparison, Enrolment, Face, Frame, Identification, Refusal

ImageInput = str | Path | bytes | Image.Image | NDArray[np.uint8] | Frame


class Faceline:
    """Detects, compares, enrols and identifies faces. Thread-safe; made by `faceline.open`.

    Images are paths, the bytes of an image file, Pillow images, or uint8 arrays (height, width, 3) in RGB order.
    Boxes and landmarks are in full-size upright pixels. Every method raises ImageError for an image that it cannot use.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._limits = image_limits(settings)
        self._app = App(settings, threads=min(cores(), 4))
        # For many frames, workers with one core each are faster. Loaded when first used.
        self._many = Engines(settings, threads=1)

    def detect(self, image: ImageInput) -> list[Face]:
        """The faces with embeddings: first the one that the photo is of, then the others, largest first."""
        return self._faces(to_frame(image, self._limits))

    def compare(self, image_a: ImageInput, image_b: ImageInput) -> Comparison:
        """The largest face of each. Raises NoFaceError naming the image that has none."""
        a, b = self._largest(image_a, "the first image"), self._largest(image_b, "the second image")
        assert a.embedding is not None
        assert b.embedding is not None
        scorer = self._app.scorer()
        scorer.check(a.embedding.model)
        similarity = scorer.similarity_of(a.embedding.values, b.embedding.values)
        same = similarity >= self.settings.min_similarity
        return Comparison(similarity, same, scorer.model, scorer.calibration.measured, a.box, b.box)

    def enroll(self, image: ImageInput, name: str | None = None, consent: str | None = None) -> Enrolment:
        """Enrols an image under `name`, or a path as `faceline enroll` does: a photo, a folder, a manifest.

        consent: a reference to the consent of everybody in it, which the setting consent_required asks for.
        """
        enroller = self._app.enroller()
        if isinstance(image, str | Path):
            if name is not None:
                _check_name(name)
            items = [replace(item, consent=consent or item.consent) for item in expand(Path(image), name)]
            return enroller.enroll(items, worker_count(self.settings))
        _check_name(name)
        assert name is not None
        photo = image if isinstance(image, bytes) else to_frame(image, self._limits)
        outcome = enroller.enroll_photo(Photo(photo, name, "image in memory", consent))
        refused = (Refusal(outcome.source, outcome.refusal),) if outcome.refusal else ()
        enrolled = 1 if outcome.face and not refused else 0
        return Enrolment(enrolled, 1 - enrolled - len(refused), refused)

    def identify(self, image: ImageInput) -> list[Identification]:
        """Who each face is, in the order of `detect`."""
        try:
            return self._app.collection().identify(self.detect(image))
        except ModelMismatchError:  # the collection's model was changed meanwhile
            return self._app.collection().identify(self.detect(image))

    def follow(self, clip: str | Path) -> list[Appearance]:
        """Who appears in a clip and when, in order of appearing: `follow_per_second` frames a second are looked at.

        Raises VideoError when it cannot be read, VideoDamagedError also where only a part can.
        """
        search = Searched(
            analyzer=self._many.analyzer(self._app.model_of()),
            wanted=replace(wanted(self.settings), emotions=False),
            collection=self._app.collection(),
            per_second=self.settings.follow_per_second,
            workers=worker_count(self.settings),
        )
        found = follow_clip(Path(clip), video_limits(self.settings), search)
        if found.error is not None:
            raise found.error
        return list(found.appearances)

    def forget(self, name: str) -> int:
        """Deletes a person as `faceline forget` does, from this collection; returns how many face records.

        Raises NotFoundError when nobody of that name is known.
        """
        _check_name(name)
        return sum(self._app.forget(name, self.settings.collection).removed.values())

    def close(self) -> None:
        self._app.close()

    def __enter__(self) -> "Faceline":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _faces(self, frame: Frame) -> list[Face]:
        return self._app.analyzer().analyze([frame], wanted(self.settings))[0]

    def _largest(self, image: ImageInput, which: str) -> Face:
        frame = to_frame(image, self._limits, None if isinstance(image, str | Path) else which)
        faces = self._faces(frame)
        if not faces:
            raise NoFaceError(
                f"{frame.source}: no face found; faces under {self.settings.min_face_px} px are often missed"
            )
        return faces[0]


def _check_name(name: object) -> None:
    problem = problem_of(name)
    if problem:
        raise UsageError(f"{problem}; say whom the image shows, as in enroll(image, 'Ada')")


def open(path: str | Path | None = None, *, collection: str | None = None) -> Faceline:  # noqa: A001 (its public name)
    """Opens faceline over a data directory, made when something is first enrolled.

    path: the data directory; default `FACELINE_DATA`, `faceline.toml`, or ./faceline-data. collection: who is known.
    """
    settings = load().with_(data=Path(path) if path else None, collection=collection)
    return Faceline(settings)
