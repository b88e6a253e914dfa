"""build lambda."""

from pathlib import Path
from typing import Annotated

import typer

from faceline.building.archive import UPLOAD_LIMIT_BYTES, megabytes
from faceline.building.baking import check_chosen
from faceline.building.image_context import write_context
from faceline.building.lambda_zip import Built, build_zip, check_writable
from faceline.building.target import Arch, Target
from faceline.cli.options import Json, common, path
from faceline.cli.output import note, print_json, print_text
from faceline.errors import UsageError

app = typer.Typer(no_args_is_help=True)

_NOTICE = (
    "PyAV is in it. Its wheels bundle FFmpeg with x264 and x265 and are GPL as a whole: who gives the artefact to "
    "others gives it under the GPL. Running it in an account of one's own is no distribution."
)


@app.callback()
def build() -> None:
    """Make what is deployed: lambda."""


@app.command("lambda")
def build_lambda(
    context: typer.Context,
    zip_: Annotated[
        Path | None, typer.Option("--zip", metavar="FILE", help="Write a function's zip here.", parser=path)
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option("--context", metavar="DIR", help="Write what an image for all is built from.", parser=path),
    ] = None,
    video: Annotated[bool, typer.Option("--video", help="A zip with PyAV, to split clips.")] = False,
    arch: Annotated[Arch, typer.Option("--arch", help="The function's processor.")] = "x86_64",
    python: Annotated[str, typer.Option("--python", metavar="3.N", help="The function's Python.")] = "3.13",
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="Also this one, pulled or added; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the artefact of the AWS functions: a zip, or the folder that a container image is built from."""
    settings = common(context).settings()
    if (zip_ is None) == (into is None):
        raise UsageError("say what to make: either --zip FILE or --context DIR")
    if into:
        if video or arch != "x86_64":
            raise UsageError("--video and --arch are for --zip: the image has all, and docker says for which processor")
        _context(write_context(into, settings, python, model or ()), into, as_json)
    elif zip_:
        target = Target(python, arch)
        check_writable(zip_)
        check_chosen(settings, model or ())
        note(f"making {zip_} for Python {python} on {arch}; this takes a minute")
        _said(build_zip(zip_, settings, target, video, model or ()), target, video, as_json)


def _context(names: list[str], folder: Path, as_json: bool) -> None:
    note(_NOTICE)
    if as_json:
        print_json({"folder": str(folder), "files": names})
    else:
        print_text(f"{folder} is ready: docker buildx build --platform linux/amd64 --provenance=false {folder}")


def _said(built: Built, target: Target, video: bool, as_json: bool) -> None:
    if video:
        note(_NOTICE)
    if not built.compiled:
        note(
            f"There is no Python {target.python} here, so the modules are not compiled and each cold start takes "
            "seconds longer; run this with that Python, or with one on the PATH."
        )
    if as_json:
        sizes = {"packed_bytes": built.packed_bytes, "unpacked_bytes": built.unpacked_bytes}
        print_json({"file": str(built.file), **sizes, "compiled": built.compiled})
        return
    print_text(f"{built.file}: {megabytes(built.packed_bytes)}, unpacked {megabytes(built.unpacked_bytes)} of 250 MB")
    if built.packed_bytes > UPLOAD_LIMIT_BYTES:
        note(f"Above {megabytes(UPLOAD_LIMIT_BYTES)} Lambda takes it through S3 only.")
