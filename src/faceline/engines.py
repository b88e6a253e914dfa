"""The networks and scorers of each embedding model, loaded when first needed and shared by all threads."""

import logging
import threading
from collections.abc import Iterable

from faceline.config import Settings
from faceline.engine.analyzer import Analyzer
from faceline.engine.networks import AttributeNetwork
from faceline.errors import ModelError
from faceline.loading import open_analyzer
from faceline.models.spaces import BUILTIN, scorer_of, space_of
from faceline.similarity import Scorer

_log = logging.getLogger("faceline.engines")


class Engines:
    """threads: cores for one photo, unless the settings say a number.

    model: the id of the model that collections are made with where nobody says another.
    """

    def __init__(self, settings: Settings, threads: int = 1) -> None:
        self.model = BUILTIN.model
        self._settings, self._threads = settings, threads
        self._lock = threading.RLock()
        self._analyzers: dict[str, Analyzer] = {}
        self._scorers: dict[str, Scorer] = {}
        self._networks: dict[AttributeNetwork, bool] = {}

    def analyzer(self, model: str) -> Analyzer:
        """Detects, and embeds with this model. Raises ModelError when it cannot be had."""
        with self._lock:
            if model not in self._analyzers:
                space_of(model)
                self._analyzers[model] = open_analyzer(self._settings, self._threads)
            return self._analyzers[model]

    def scorer(self, model: str) -> Scorer:
        """Compares embeddings of this model. Raises ModelError when it is not known here."""
        with self._lock:
            if model not in self._scorers:
                self._scorers[model] = scorer_of(space_of(model))
            return self._scorers[model]

    def usable(self, networks: Iterable[AttributeNetwork]) -> set[AttributeNetwork]:
        """Those that can be had. Each is tried once: what is missing stays missing until the next start."""
        with self._lock:
            for name in set(networks) - self._networks.keys():
                try:
                    self.analyzer(self.model).load(name)
                    self._networks[name] = True
                except ModelError as error:
                    _log.warning("an attribute cannot be given", extra={"network": name, "error": str(error)})
                    self._networks[name] = False
            return {name for name in networks if self._networks[name]}
