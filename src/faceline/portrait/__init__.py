"""The public-domain portrait that `faceline demo` shows: astronaut Eileen Collins, a NASA photograph (S93-35313)."""

from importlib.resources import files

NAME = "Eileen Collins"


def portrait() -> bytes:
    """JPEG, 512 × 512."""
    return (files("faceline.portrait") / "eileen_collins.jpg").read_bytes()
