"""collections import, export: what comes from where, and in which form it goes."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from faceline.app import App
from faceline.cli.interchange import (
    export_open,
    given,
    import_compreface,
    import_folder,
    import_manifest,
    import_open,
)
from faceline.cli.options import CollectionName, Data, Json, common, existing, path
from faceline.cli.output import counted, print_json, print_table, print_text
from faceline.config import Settings
from faceline.errors import ConflictError, InputError
from faceline.files import check_regular, is_folder
from faceline.interchange.open_files import is_exported
from faceline.pipelines.documents import enrolment_document
from faceline.types import Enrolment


def _named(text: str) -> str:
    """A source; an empty one would be the working directory."""
    return str(path(text)) if "://" not in text else text


class Source(StrEnum):
    """What `collections import` takes."""

    GALLERY = "gallery"
    OPEN = "open"
    FOLDER = "folder"
    FACE_RECOGNITION = "face_recognition"
    DEEPFACE = "deepface"
    COMPREFACE = "compreface"
    REKOGNITION = "rekognition"


class Format(StrEnum):
    """What `collections export` writes."""

    GALLERY = "gallery"
    OPEN = "open"


def import_(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(help="A gallery that torch saved, a folder, a manifest, a server's address.", parser=_named),
    ],
    kind: Annotated[
        Source | None, typer.Option("--from", help="What it is; for files and folders told by what they look like.")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option("--api-key", envvar="COMPREFACE_API_KEY", help="Of CompreFace's face recognition service."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option("--root", help="Where the photos of a manifest lie, as BUCKET/KEY or KEY; its folder unless set."),
    ] = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Take in people from elsewhere: FaceNet galleries, open files, photo folders, CompreFace, Rekognition."""
    settings = common(context).settings(data)
    named = collection or common(context).collection
    kind = kind or _kind(source)
    if kind is Source.GALLERY:
        _import_gallery(settings, Path(source), named, as_json)
        return
    with App(settings) as app:
        if kind is Source.OPEN:
            name, done = import_open(app, Path(source), named, not as_json)
        else:
            name = named or settings.collection
            done = _imported(app, kind, source, name, not as_json, api_key, root)
        faces = app.collection(name).faces()
        app.note("import", name, count=done.enrolled, detail={"from": kind.value})
    if as_json:
        print_json({"collection": name, **enrolment_document(done), "faces": faces})
    else:
        _print_import(done, name, faces)
    if done.refused:
        raise typer.Exit(1)


def _imported(
    app: App, kind: Source, source: str, name: str, shown: bool, api_key: str | None, root: Path | None
) -> Enrolment:
    if kind is Source.COMPREFACE:
        return import_compreface(app, source, given(api_key, "--api-key", "CompreFace"), name, shown)
    if kind is Source.REKOGNITION:
        manifest = Path(source)
        return import_manifest(app, manifest, root or manifest.parent, name, shown)
    return import_folder(app, Path(source), name, shown)


def _kind(source: str) -> Source:
    if source.startswith(("http://", "https://")):
        return Source.COMPREFACE
    path = Path(source)
    if is_folder(path):
        return Source.OPEN if is_exported(path) else Source.FOLDER
    if path.suffix.lower() in (".pkl", ".pickle"):
        return Source.DEEPFACE
    return Source.REKOGNITION if path.suffix.lower() in (".csv", ".jsonl") else Source.GALLERY


def _import_gallery(settings: Settings, file: Path, named: str | None, as_json: bool) -> None:
    content = _read(file, settings.max_upload_bytes)
    with App(settings) as app_:
        name = named or app_.videos.gallery_name
        new, gone = app_.videos.import_gallery(content, str(file.absolute()), name)
        faces = app_.collection(name).faces()
        app_.note("import", name, count=new, detail={"from": Source.GALLERY.value})
    if as_json:
        print_json({"collection": name, "new": new, "gone": gone, "faces": faces})
    else:
        print_text(f"{name} has {faces} faces now: {new} of {file} are new, {gone} of an earlier one went.")


def _print_import(done: Enrolment, name: str, faces: int) -> None:
    if done.refused:
        print_table(("not taken in", "why"), [(r.source, r.reason) for r in done.refused])
    print_text(
        f"{counted(done.enrolled, 'face', 'faces')} taken in, {done.already} were in already, "
        f"{len(done.refused)} refused; {name} has {counted(faces, 'face', 'faces')}."
    )


def export(
    context: typer.Context,
    name: str,
    file: Annotated[Path, typer.Argument(help="Where to: a file like data.pt, or a new folder.", parser=path)],
    kind: Annotated[
        Format, typer.Option("--format", help="gallery: FaceNet embeddings for torch. open: JSON, Parquet, JPEG.")
    ] = Format.GALLERY,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write a collection as open files, or one of FaceNet embeddings as a gallery file that torch loads."""
    with App(existing(common(context).settings(data))) as app:
        if kind is Format.OPEN:
            faces, people = export_open(app, name, file, not as_json)
            app.note("export", name, count=faces, detail={"format": kind.value})
            _tell_export(name, file, faces, people, as_json)
            return
        content, entries = app.videos.export_gallery(name)
        _write(file, content)
        app.note("export", name, count=entries, detail={"format": kind.value})
    if as_json:
        print_json({"collection": name, "file": str(file), "entries": entries})
    else:
        print_text(f"{file} has {entries} entries of {name}.")


def _tell_export(name: str, folder: Path, faces: int, people: int, as_json: bool) -> None:
    if as_json:
        print_json({"collection": name, "folder": str(folder), "faces": faces, "people": people})
        return
    told = f"{counted(faces, 'face', 'faces')} of {counted(people, 'person', 'people')}"
    print_text(f"{folder} has {told}, with embeddings and pictures: keep it as safe as the data directory.")


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
