"""collections import, export: galleries as torch saves them."""

from pathlib import Path
from typing import Annotated

import typer

from faceline.app import App
from faceline.cli.options import CollectionName, Data, Json, common, existing, path
from faceline.cli.output import print_json, print_text
from faceline.errors import ConflictError, InputError
from faceline.files import check_regular


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A gallery that torch saved, [embeddings, names].", parser=path)],
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Take in a gallery file of 512-d FaceNet (vggface2) embeddings; a newer one of the same place replaces it."""
    settings = common(context).settings(data)
    content = _read(file, settings.max_upload_bytes)
    with App(settings) as app_:
        name = collection or common(context).collection or app_.videos.gallery_name
        new, gone = app_.videos.import_gallery(content, str(file.absolute()), name)
        faces = app_.collection(name).faces()
    if as_json:
        print_json({"collection": name, "new": new, "gone": gone, "faces": faces})
    else:
        print_text(f"{name} has {faces} faces now: {new} of {file} are new, {gone} of an earlier one went.")


def export(
    context: typer.Context,
    name: str,
    file: Annotated[Path, typer.Argument(help="Where to, e.g. data.pt.", parser=path)],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write a collection of FaceNet embeddings as a gallery file that torch loads."""
    with App(existing(common(context).settings(data))) as app_:
        content, entries = app_.videos.export_gallery(name)
    _write(file, content)
    if as_json:
        print_json({"collection": name, "file": str(file), "entries": entries})
    else:
        print_text(f"{file} has {entries} entries of {name}.")


def _read(file: Path, max_bytes: int) -> bytes:
    try:
        check_regular(file, max_bytes)
        return file.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{file}: there is no such file; check the name") from error
    except (OSError, ValueError) as error:  # ValueError: a name with NUL
        reason = isinstance(error, OSError) and error.strerror
        raise InputError(f"{file}: {reason or error}") from error


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except (OSError, ValueError) as error:
        reason = isinstance(error, OSError) and error.strerror
        raise ConflictError(f"{file} cannot be written ({reason or error}); name another file") from error
