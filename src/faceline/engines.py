"""The networks and scorers of each embedding model, loaded when first needed and shared by all threads."""

import logging
import threading
from collections.abc import Iterable
from pathlib import Path

from faceline.config import Settings
from faceline.engine.analyzer import Analyzer
from faceline.engine.networks import AttributeNetwork
from faceline.errors import ModelError
from faceline.loading import Networks, model_store, open_analyzer
from faceline.models.spaces import Space, scorer_of, space_named, space_of
from faceline.similarity import Scorer

_log = logging.getLogger("faceline.engines")


class Engines:
    """threads: cores for one photo, unless the settings say a number. All models share one detector."""

    def __init__(self, settings: Settings, threads: int = 1) -> None:
        self._settings, self._threads = settings, threads
        self._lock = threading.RLock()
        self._shared: Networks | None = None
        self._default: Space | None = None
        self._analyzers: dict[str, Analyzer] = {}
        self._scorers: dict[str, Scorer] = {}
        self._networks: dict[AttributeNetwork, bool] = {}

    @property
    def directory(self) -> Path:
        """The models folder."""
        return model_store(self._settings).directory

    @property
    def model(self) -> str:
        """The id of the model that new collections are made with, by the setting `model`. Raises ModelError when it is
        not here."""
        with self._lock:
            if self._default is None:
                self._default = space_named(self._settings.model, self.directory)
            return self._default.model

    def analyzer(self, model: str) -> Analyzer:
        """Detects, and embeds with this model. Raises ModelError when it cannot be had."""
        with self._lock:
            if model not in self._analyzers:
                space = space_of(model, self.directory)
                self._shared = self._shared or Networks(self._settings, self._threads)
                self._analyzers[model] = open_analyzer(self._settings, self._threads, space, self._shared)
            return self._analyzers[model]

    @property
    def loaded(self) -> bool:
        """Whether any photo can be looked at without loading more than its collection's own network."""
        with self._lock:
            return bool(self._analyzers)

    def scorer(self, model: str) -> Scorer:
        """Compares embeddings of this model. Raises ModelError when it is not known here."""
        with self._lock:
            if model not in self._scorers:
                self._scorers[model] = scorer_of(space_of(model, self.directory), self.directory)
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
