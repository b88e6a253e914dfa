"""Which face of a picture the legacy workflows name, and by what name."""

from collections.abc import Sequence

from faceline.types import Face, Identification

UNKNOWN = "Unknown"


def principal(faces: Sequence[Face]) -> int:
    """The number of the largest face that is usable, else of the largest. faces: at least one, largest first.

    What a detector takes for a face in clouds or cloth is often the largest of all, and not usable.
    """
    return next((number for number, face in enumerate(faces) if face.quality.usable), 0)


def name_of(who: Identification, nearest_wins: bool) -> str:
    """A name, or `Unknown`. nearest_wins: the most similar person's name, however unlike."""
    if nearest_wins and who.candidates:
        return who.candidates[0].name
    return who.name or UNKNOWN
