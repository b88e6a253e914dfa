"""One request on its way through the operations: for whom, over what, and how long the networks took."""

import fnmatch
import time
from collections.abc import Callable, Set
from dataclasses import dataclass, replace

from faceline.access_keys import AccessKey
from faceline.app import App
from faceline.engine.networks import AttributeNetwork
from faceline.errors import ModelError
from faceline.gallery.collection import Collection
from faceline.loading import wanted
from faceline.rekognition.errors import WireError, invalid
from faceline.similarity import Rule
from faceline.types import Face, Frame

MOST_FACES = 100  # of one image, the largest


@dataclass(slots=True)
class Call:
    """inference_s, decoding_s: CPU seconds of this thread in the networks and in decoding images, so far."""

    app: App
    key: AccessKey
    inference_s: float = 0.0
    decoding_s: float = 0.0

    def faces(self, frame: Frame, model: str | None, attributes: Set[AttributeNetwork] = frozenset()) -> list[Face]:
        """The largest faces of the frame, largest first.

        model: embeds them; None: without embeddings. attributes: absent where their network cannot be had.
        """
        engines = self.app.engines
        usable = engines.usable(attributes)
        what = replace(
            wanted(self.app.settings, embeddings=model is not None),
            emotions="emotions" in usable,
            mesh="mesh" in usable,
            gender="gender" in usable,
            most_faces=MOST_FACES,
        )
        started = time.thread_time()
        found = engines.analyzer(model or engines.model).analyze([frame], what)[0]
        self.inference_s += time.thread_time() - started
        # By size alone, as the API has it; the order of our own commands prefers the centre among about equals.
        return sorted(found, key=lambda face: -face.box.area)

    def allows(self, collection: str) -> bool:
        """Whether the key is for this collection."""
        return any(fnmatch.fnmatchcase(collection, pattern) for pattern in self.key.collections)

    def allow(self, collection: str) -> None:
        """Raises AccessDeniedException for a collection that the key is not for."""
        if not self.allows(collection):
            raise WireError("AccessDeniedException", f"the key {self.key.name} is not for the collection {collection}")

    def model_of(self, collection: str) -> str:
        """The collection's model. Raises NotFoundError, and WireError when this server does not have it."""
        model = self.app.collections.model(collection)
        try:
            self.app.engines.scorer(model)
        except ModelError as error:
            raise invalid(f"the collection {collection} was built with another model: {error}") from error
        return model

    def collection(self, name: str) -> Collection:
        """The collection in memory; errors as `model_of`."""
        self.model_of(name)
        return self.app.collection(name)

    def least(self, threshold: float | None, rule: Rule, count: Callable[[], int]) -> float:
        """The similarity that a match needs: what was asked for (80 unless said), or more by the setting search_floor.

        count: how many there are to be mistaken for.
        """
        asked = 80.0 if threshold is None else threshold
        return max(asked, rule.threshold(count())) if self.app.settings.search_floor else asked
