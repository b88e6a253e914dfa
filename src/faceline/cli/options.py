"""The options that commands share, and what they have in common with the settings."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from faceline import telemetry
from faceline.config import Settings, load
from faceline.errors import NotFoundError, UsageError
from faceline.files import is_file


@dataclass(frozen=True, slots=True)
class Common:
    """What was given before the command's name."""

    data: Path | None = None
    collection: str | None = None
    config: Path | None = None
    verbosity: int = 0

    def settings(
        self, data: Path | None = None, collection: str | None = None, logged: int = logging.WARNING
    ) -> Settings:
        """The settings with what this command line says, the options after the command first.

        logged: the level from which this command logs unless -v or -q says another.
        """
        settings = load(self.config).with_(data=data or self.data, collection=collection or self.collection)
        level = {-1: logging.ERROR, 0: logged, 1: logging.INFO}.get(self.verbosity, logging.DEBUG)
        telemetry.configure(settings.log_format, level)
        return settings


def existing(settings: Settings) -> Settings:
    """For commands that only read or delete: raises NotFoundError rather than making a data directory by mistake."""
    if not is_file(settings.data) and not is_file(settings.data / "schema"):
        raise NotFoundError(
            f"there is no faceline data in {settings.data}; `faceline enroll` and `faceline up` make it, "
            "or name another folder with --data"
        )
    return settings


def confirm(question: str, yes: bool, as_json: bool) -> None:
    """Asks before something is deleted for good, unless `yes`. With JSON nobody is there to answer: UsageError."""
    if yes:
        return
    if as_json:
        raise UsageError("with --json nothing is asked; add --yes")
    typer.confirm(question, abort=True)


def path(text: str) -> Path:
    """A path argument; an empty one would be the working directory."""
    if not text:
        raise typer.BadParameter("is empty; name a file or a folder")
    return Path(text)


def common(context: typer.Context) -> Common:
    found = context.find_object(Common)
    return found or Common()


Data = Annotated[Path | None, typer.Option("--data", help="Data directory; ./faceline-data unless set.")]
CollectionName = Annotated[
    str | None, typer.Option("--collection", "-c", help="Collection; my-face-collection unless set.")
]
OneCollection = Annotated[str | None, typer.Option("--collection", "-c", help="Only this collection; all unless set.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output and nothing else.")]
MinFace = Annotated[
    int | None, typer.Option("--min-face", metavar="PX", help="Smallest face looked for, in pixels; 40 unless set.")
]
