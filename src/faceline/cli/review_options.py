"""What the commands of `faceline review` have in common."""

import getpass
import os
from typing import Annotated

import typer

from faceline.config import Settings

Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]
By = Annotated[str | None, typer.Option("--by", help="Who decides; the user's login name unless set.")]


def user() -> str:
    """Who is logged in; where nobody is, as in a container, the user's number."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # KeyError before Python 3.13
        return str(os.getuid())


def review(command: str, collection: str) -> str:
    """A command of `faceline review` as one would type it, for this collection."""
    other = collection != Settings().collection
    return f"faceline review {command}" + (f" --collection {collection}" if other else "")


def quoted(name: str) -> str:
    """As one would type it."""
    return f'"{name}"' if " " in name else name
