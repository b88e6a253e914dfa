"""Which targets are to be told of a notice."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from faceline.errors import SettingError
from faceline.notices import CLEARED, UNKNOWN_SEEN, Notice, Route
from faceline.targets import Target


def routes(targets: Sequence[Target], notice: Notice) -> list[Route]:
    """Of those whose rules let the notice through, quiet times aside."""
    return [Route(target.name, target.fingerprint, target.quiet_s) for target in targets if wants(target, notice)]


def checked(targets: Sequence[Target]) -> Sequence[Target]:
    """Raises SettingError when two have one name."""
    names = [target.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"two [[notify]] tables are called {name}; give each a name of its own")
    return targets


def wants(target: Target, notice: Notice) -> bool:
    """Every rule that is set must hold. A notice without a similarity passes `min_similarity`."""
    if notice.kind == CLEARED:
        return target.kind == "mqtt"  # only there something is left behind
    if target.kinds and not any(fnmatchcase(notice.kind, pattern) for pattern in target.kinds):
        return False
    if target.cameras and notice.camera not in target.cameras:
        return False
    if notice.similarity is not None and notice.similarity < target.min_similarity:
        return False
    if notice.kind == UNKNOWN_SEEN:
        return target.unknown_people or UNKNOWN_SEEN in target.kinds
    return not target.people or any(person in target.people for person in notice.people)
