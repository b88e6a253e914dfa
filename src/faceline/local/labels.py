"""Labels of faces that are nobody's, in SQLite."""

from collections.abc import Sequence

from faceline.gallery.ports import Labelled
from faceline.local.database import Database
from faceline.local.gallery import SqliteCollections
from faceline.local.people_directory import best_face, folded

_NOBODYS = "f.collection = :collection AND f.person IS NULL AND f.external_image_id"
# Left to itself SQLite takes the index of all labels, and walks through those of everybody who is a person.
_INDEXED = f"FROM faces f INDEXED BY labels_of_nobody WHERE {_NOBODYS}"
_LABELS = f"SELECT DISTINCT f.external_image_id {_INDEXED} > :after ORDER BY f.external_image_id LIMIT :limit"
_COUNT = f"SELECT COUNT(DISTINCT f.external_image_id) {_INDEXED} > ''"
_BEST = best_face("f.collection = :collection AND f.person IS NULL AND f.external_image_id = :label")
_ONE = f"""SELECT (SELECT COUNT(*) FROM faces f WHERE {_NOBODYS} = :label), ({_BEST})"""  # noqa: S608 (our own words)
_FACES = f"""SELECT f.face_id FROM faces f WHERE {_NOBODYS} = :label AND f.position > :after
             ORDER BY f.position LIMIT :limit"""  # noqa: S608 (our own words)


class SqliteLabels:
    """Implements `gallery.ports.Labels`. Looking for a part of a label reads all of nobody's, as of names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, collection: str, part: str, after: str, limit: int) -> Sequence[Labelled]:
        labels = self._labels(collection, part, after, limit)
        if not labels:
            SqliteCollections(self._database).model(collection)
        found = ((label, {"collection": collection, "label": label}) for label in labels)
        return [Labelled(label, *self._database.rows(_ONE, given)[0]) for label, given in found]

    def count(self, collection: str, part: str = "") -> int:
        if part:
            return len(self._labels(collection, part, "", -1))
        return int(self._database.rows(_COUNT, {"collection": collection})[0][0])

    def faces(self, collection: str, label: str, after: int, limit: int) -> Sequence[str]:
        given = {"collection": collection, "label": label, "after": after, "limit": limit}
        return [str(row[0]) for row in self._database.rows(_FACES, given)]

    def _labels(self, collection: str, part: str, after: str, limit: int) -> list[str]:
        given = {"collection": collection, "after": after, "limit": -1 if part else limit}
        labels = [str(row[0]) for row in self._database.rows(_LABELS, given)]
        if not part:
            return labels
        wanted = folded(part)
        found = [label for label in labels if wanted in folded(label)]
        return found if limit < 0 else found[:limit]
