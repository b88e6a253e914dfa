"""review not, marks, unmark: faces that are not somebody's."""

from pathlib import Path
from typing import Annotated

import typer

from faceline.app import App
from faceline.cli.options import CollectionName, Data, Json, common, existing
from faceline.cli.output import counted, note, print_json, print_table, print_text
from faceline.cli.review_options import By, user
from faceline.errors import NotFoundError
from faceline.files import is_file
from faceline.images import read_bytes
from faceline.loading import image_limits
from faceline.review_workflow import Marked


def register(app: typer.Typer) -> None:
    app.command("not")(not_)
    app.command()(marks)
    app.command()(unmark)


def not_(
    context: typer.Context,
    person: str,
    face: Annotated[str, typer.Argument(help="A photo, a bucket/key, or a face id.", metavar="PHOTO|FACE_ID")],
    by: By = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """This is not PERSON: searches no longer give that name to this face and faces as like it. With a photo of
    several people the one most like PERSON is meant."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app:
        marked = _mark(app, settings.collection, (person, face), by or user())
    if as_json:
        print_json(_document(marked))
        return
    like = "" if marked.similarity is None else f"; its similarity to them is {marked.similarity:.2f}"
    print_text(f"The face in {marked.mark.source} is marked as not {person}{like}.")
    if marked.misnamed:
        note(
            f"{marked.misnamed} of {counted(marked.own_faces, 'other face', 'other faces')} of {person} are as like it "
            f"as they are like {person}: if it was {person} after all, take it back with `faceline review undo`"
        )


def marks(context: typer.Context, collection: CollectionName = None, data: Data = None, as_json: Json = False) -> None:
    """Faces that were marked as not somebody's."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app:
        found = app.reviews.marks(settings.collection)
    rows = [(m.mark_id, m.person, m.source, m.face_id, m.embedding.model, m.by, m.at) for m in found]
    if as_json:
        keys = ("mark", "not", "source", "face_id", "model", "by", "at")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    print_table(("mark", "not", "photo", "face id", "model", "by", "at"), rows)


def unmark(
    context: typer.Context, mark: str, collection: CollectionName = None, data: Data = None, as_json: Json = False
) -> None:
    """Take a mark away. A face that was taken from the person by it stays nobody's."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app:
        app.reviews.unmark(settings.collection, mark)
    if as_json:
        print_json({"unmarked": mark})
    else:
        print_text(f"{mark} is taken away.")


def _mark(app: App, collection: str, what: tuple[str, str], by: str) -> Marked:
    person, face = what
    if is_file(Path(face)):
        image = read_bytes(Path(face), image_limits(app.settings))
        return app.reviews.mark_photo(collection, person, image, str(Path(face).absolute()), by)
    bucket, _, key = face.partition("/")
    if not key:
        return app.reviews.mark_face(collection, person, face, by)
    try:
        _, image = app.objects.get(bucket, key, app.settings.max_image_bytes)
    except NotFoundError:
        raise NotFoundError(f"{face} is neither a file nor an object bucket/key, nor a face id") from None
    return app.reviews.mark_photo(collection, person, image, face, by)


def _document(marked: Marked) -> dict[str, object]:
    return {
        "mark": marked.mark.mark_id,
        "not": marked.mark.person,
        "source": marked.mark.source,
        "similarity": marked.similarity,
        "own_faces": marked.own_faces,
        "misnamed": marked.misnamed,
    }
