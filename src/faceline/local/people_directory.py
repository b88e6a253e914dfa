"""People as somebody looks for them, in SQLite: by name or the newest first, with their best face."""

from collections.abc import Mapping, Sequence

from faceline.errors import NotFoundError
from faceline.gallery.ports import Listed, PeopleOrder, PeopleQuery, PersonInfo
from faceline.local.database import Database, Row
from faceline.local.gallery import SqliteCollections


def best_face(condition: str) -> str:
    """The id of the best face with a crop: usable before others, then large and sharp, as of `gallery.unknowns`."""
    return f"""SELECT f.face_id FROM faces f JOIN crops k ON k.face_id = f.face_id WHERE {condition}
               ORDER BY json_array_length(f.quality, '$[3]'),
                        json_extract(f.quality, '$[2]') * (50 + json_extract(f.quality, '$[1]')) DESC, f.face_id
               LIMIT 1"""  # noqa: S608 (our own words)


_BEST = best_face("f.collection = p.collection AND f.person = p.name")
_LISTED = f"""SELECT p.name, p.user_id,
                     (SELECT COUNT(*) FROM faces f WHERE f.collection = p.collection AND f.person = p.name), p.position,
                     ({_BEST}), p.created_at
              FROM people p WHERE p.collection = :collection"""  # noqa: S608 (our own words)
_NAMES = "SELECT p.name FROM people p WHERE p.collection = :collection"
_ORDERED = {
    PeopleOrder.NAME: "p.name COLLATE NOCASE, p.name",
    PeopleOrder.NEWEST: "p.position DESC",
}
# The first condition is the way into the index, the second leaves out those of the same letters up to `after`.
_AFTER = {
    PeopleOrder.NAME: """p.name COLLATE NOCASE >= :after
                         AND (p.name COLLATE NOCASE > :after OR p.name COLLATE NOCASE = :after AND p.name > :after)""",
    PeopleOrder.NEWEST: "p.position < :after",
}


class SqliteDirectory:
    """Implements `gallery.ports.Directory`. Looking for a part of a name reads all names: 10,000 in about 5 ms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, collection: str, query: PeopleQuery, limit: int) -> Sequence[Listed]:
        after = "" if query.after is None else f" AND {_AFTER[query.order]}"
        order, given = _ORDERED[query.order], {"collection": collection, "after": query.after}
        if query.part:
            names = self._matching(query.part, f"{_NAMES}{after} ORDER BY {order}", given)
            found = self._named(collection, names[:limit])
        else:
            sql = f"{_LISTED}{after} ORDER BY {order} LIMIT :limit"
            found = [_listed(row) for row in self._database.rows(sql, given | {"limit": limit})]
        if not found:
            SqliteCollections(self._database).model(collection)
        return found

    def count(self, collection: str, part: str = "") -> int:
        if part:
            return len(self._matching(part, _NAMES, {"collection": collection}))
        return int(self._database.rows("SELECT COUNT(*) FROM people WHERE collection = ?", (collection,))[0][0])

    def get(self, collection: str, user_id: str) -> Listed:
        rows = self._database.rows(
            f"{_LISTED} AND p.user_id = :user_id", {"collection": collection, "user_id": user_id}
        )
        if not rows:
            SqliteCollections(self._database).model(collection)
            raise NotFoundError(f"nobody in collection {collection} has the user id {user_id}")
        return _listed(rows[0])

    def find(self, collection: str, name: str) -> Listed | None:
        return next(iter(self._named(collection, [name])), None)

    def with_crops(self, collection: str, face_ids: Sequence[str]) -> frozenset[str]:
        marks = ", ".join("?" * len(face_ids))
        sql = f"""SELECT k.face_id FROM crops k JOIN faces f ON f.face_id = k.face_id
                  WHERE k.face_id IN ({marks}) AND f.collection = ?"""  # noqa: S608 (our own words)
        return frozenset(str(row[0]) for row in self._database.rows(sql, (*face_ids, collection)))

    def _named(self, collection: str, names: Sequence[str]) -> list[Listed]:
        """In the order of the names."""
        sql = f"{_LISTED} AND p.name = :name"
        found = (self._database.rows(sql, {"collection": collection, "name": name}) for name in names)
        return [_listed(row) for rows in found for row in rows]

    def _matching(self, part: str, sql: str, given: Mapping[str, object]) -> list[str]:
        wanted = folded(part)
        return [name for (name,) in self._database.rows(sql, given) if wanted in folded(name)]


def folded(name: str) -> str:
    """As a part of it is looked for: without regard to case, `_` as good as a space."""
    return name.casefold().replace("_", " ")


def _listed(row: Row) -> Listed:
    return Listed(PersonInfo(*row[:4]), row[4], row[5])
