"""Another model for a collection that has people already, and calibrations of its own. Part of the composition root."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from faceline.engine.align import TEMPLATES
from faceline.engines import Engines
from faceline.errors import NotFoundError
from faceline.gallery.leave_one_out import Answer, Change, leave_one_out
from faceline.gallery.migration import Lost, SecondIndex, build, chip_of, reembed
from faceline.gallery.ports import NewFace
from faceline.loading import image_limits
from faceline.models.calibrations import Installed, as_bytes, from_bytes, read_installed
from faceline.models.spaces import Space, space_named, space_of
from faceline.similarity import Rule, Scorer
from faceline.storage import Storage
from faceline.types import FaceRecord

_BATCH = 32
_TOLD = ("photos", "people", "stranger_pairs", "cohort", "made")
Scorers = Callable[[str, str], Scorer]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the rule answers for each enrolled face before and after, each compared with all the others."""

    records: Sequence[FaceRecord]
    before: Sequence[Answer]
    after: Sequence[Answer]

    @property
    def changes(self) -> list[Change]:
        both = zip(self.records, self.before, self.after, strict=True)
        return [change for change in (Change(*each) for each in both) if change.differs]


class MigrationWorkflow:
    """scorer: of a collection's name and a model's id."""

    def __init__(self, storage: Storage, engines: Engines, rule: Rule, scorer: Scorers) -> None:
        self._storage, self._engines, self._rule, self._scorer = storage, engines, rule, scorer
        self._indexes = storage.second_indexes

    def second(self, collection: str) -> SecondIndex | None:
        """The index that is not searched, being built or kept. Raises NotFoundError without the collection."""
        self._storage.collections.model(collection)
        return self._indexes.get(collection)

    def begin(self, collection: str, name: str) -> SecondIndex:
        """Starts, or goes on with, an index of the embedder of this name.

        Raises NotFoundError, ModelError for an unknown model, ConflictError as `SecondIndexes.begin`.
        """
        self._storage.collections.model(collection)
        return self._indexes.begin(collection, space_named(name, self._engines.directory).model)

    def lacking(self, collection: str) -> int:
        """How many faces have yet to be embedded."""
        return len(self._storage.face_records.find(collection)) - len(self._indexes.vectors(collection))

    def build(self, collection: str, second: SecondIndex) -> Iterator[tuple[int, Sequence[Lost]]]:
        """As `gallery.migration.build`. Raises ModelError when the network cannot be had."""
        space, limits = self._space(second.model), image_limits(self._storage.settings)
        template, analyzer = TEMPLATES[space.template], self._engines.analyzer(second.model)
        chip = partial(chip_of, template=template, limits=limits)
        return build(self._indexes, collection, second.model, chip, analyzer.embed_chips)

    def reembedded(self, faces: Sequence[NewFace], model: str) -> Iterator[tuple[list[NewFace], list[Lost]]]:
        """Faces that are in no collection yet, embedded by another model from their crops, some at a time; and those
        that cannot be. Raises ModelError when the network cannot be had."""
        template, limits = TEMPLATES[self._space(model).template], image_limits(self._storage.settings)
        embed = self._engines.analyzer(model).embed_chips
        for start in range(0, len(faces), _BATCH):
            yield reembed(faces[start : start + _BATCH], partial(chip_of, template=template, limits=limits), embed)

    def compare(self, collection: str, second: SecondIndex) -> Comparison:
        """Of the faces that both indexes have."""
        s, found = self._storage.settings, self._storage.face_records.find(collection)
        vectors = self._indexes.vectors(collection)
        records = [record for record in found if record.face_id in vectors]
        model = self._storage.collections.model(collection)
        now = {record.face_id: record.embedding.values for record in records}
        before, after = (
            leave_one_out(records, of_face, self._scorer(collection, id_), self._rule, s.person_score)
            for of_face, id_ in ((now, model), (vectors, second.model))
        )
        return Comparison(records, before, after)

    def switch(self, collection: str, second: SecondIndex, dropped: Sequence[str] = ()) -> bool:
        """As `SecondIndexes.switch`; every process searches the other index from its next search on."""
        self._scorer(collection, second.model)  # told now when it cannot be searched, not when it is the one
        return self._indexes.switch(collection, second.model, dropped)

    def finish(self, collection: str) -> int:
        """Deletes the second index; returns how many embeddings it had. Raises NotFoundError when there is none."""
        if self.second(collection) is None:
            raise NotFoundError(f"collection {collection} has no second index; there is nothing to finish")
        return self._indexes.discard(collection)

    def _space(self, model: str) -> Space:
        return space_of(model, self._engines.directory)


class CollectionCalibrations:
    """What `evaluate --install --collection` measured, by collection and model's id."""

    def __init__(self, storage: Storage, engines: Engines) -> None:
        self._storage, self._engines = storage, engines
        self._kept = storage.calibrations

    def install(self, collection: str, model: str, made: Installed) -> None:
        """Raises NotFoundError without the collection."""
        self._kept.put(collection, model, as_bytes(made))

    def remove(self, collection: str, model: str) -> bool:
        """Whether there was one."""
        return self._kept.remove(collection, model)

    def installed(self, collection: str, model: str) -> Installed | None:
        """None when there is none. Raises ModelError when it is damaged."""
        content = self._kept.get(collection, model)
        if content is None:
            return None
        source = f"the calibration of collection {collection}"
        return from_bytes(content, space_of(model, self._engines.directory).dimensions, source)

    def in_use(self, collection: str, model: str) -> dict[str, Any]:
        """`from`: collection, model, shipped or provisional; `measured_on`: people, photos, pairs and date, where the
        calibration was installed here. Raises ModelError for an unknown model."""
        made, source = self.installed(collection, model), "collection"
        space = space_of(model, self._engines.directory)
        if made is None:
            made, source = read_installed(self._engines.directory, model, space.dimensions), "model"
        if made is None:
            return {"from": "shipped" if space.shipped else "provisional", "measured_on": None}
        return {"from": source, "measured_on": {key: made.measured_on.get(key) for key in _TOLD}}

    def scorer(self, collection: str, model: str) -> Scorer:
        """By the collection's own calibration, else as `Engines.scorer`. Raises ModelError."""
        made = self.installed(collection, model)
        return Scorer(model, made.calibration, made.cohort) if made else self._engines.scorer(model)
