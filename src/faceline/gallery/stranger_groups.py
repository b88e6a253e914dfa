"""Groups of unknown faces, formed again only when it must be: of 5,000 faces it takes two seconds."""

from dataclasses import dataclass

from faceline.gallery.unknowns import Group, UnknownFaces, group
from faceline.similarity import Rule, Scorer


@dataclass(frozen=True, slots=True, eq=False)
class _Formed:
    """face_ids: of all faces that there were, also those that are in no group. people: about how many there were."""

    face_ids: frozenset[str]
    scorer: Scorer
    people: int
    groups: list[Group]


class StrangerGroups:
    """Where whole groups went, as by naming them, the others stay as they were. Where the people have doubled, who are
    compared with, all are formed again.
    """

    def __init__(self, unknown: UnknownFaces, rule: Rule) -> None:
        self._unknown, self._rule = unknown, rule
        self._formed: dict[str, _Formed] = {}

    def of(self, collection: str, scorer: Scorer, people: int) -> list[Group]:
        """As of `gallery.unknowns.group`. people: how many the collection has."""
        face_ids, magnitude = frozenset(self._unknown.ids(collection)), people.bit_length()
        before = self._formed.get(collection)
        if before and before.scorer is scorer and before.people == magnitude and _whole(before, face_ids):
            groups = [each for each in before.groups if each.faces[0].face_id in face_ids]
        else:
            groups = group(self._unknown.all(collection), scorer, self._rule, people)
        self._formed[collection] = _Formed(face_ids, scorer, magnitude, groups)
        return groups


def _whole(before: _Formed, face_ids: frozenset[str]) -> bool:
    """Whether no face came, and none went but with its whole group."""
    if not face_ids <= before.face_ids:
        return False
    of_groups = (frozenset(face.face_id for face in each.faces) for each in before.groups)
    return all(ids <= face_ids or ids.isdisjoint(face_ids) for ids in of_groups)
