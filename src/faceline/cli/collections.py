"""collections list, show, import, export, drop."""

from typing import Annotated

import typer

from faceline.app import App
from faceline.cli.galleries import export, import_
from faceline.cli.options import Data, Json, common, confirm, existing
from faceline.cli.output import print_json, print_table, print_text

app = typer.Typer(no_args_is_help=False, invoke_without_command=True)
app.command("import")(import_)
app.command("export")(export)


@app.callback()
def collections(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """Who is known: list (which needs no saying), show, import, export, drop."""
    if not context.invoked_subcommand:
        listed(context, data, as_json)


@app.command("list")
def listed(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """All collections: people, faces, model, and the similarities that a name and a search need at this size.

    A search of the Rekognition API compares with every face, a name is looked for among people.
    """
    with App(existing(common(context).settings(data))) as app_:
        infos = app_.collections.list()
        need = app_.rule.threshold
        rows = [(i.name, i.people, i.faces, need(i.people), need(i.faces), i.model, i.created_at) for i in infos]
    if as_json:
        keys = ("name", "people", "faces", "threshold", "search_threshold", "model", "created_at")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    print_table(("collection", "people", "faces", "a name needs", "a search needs", "model", "created"), rows)


@app.command()
def show(context: typer.Context, name: str, data: Data = None, as_json: Json = False) -> None:
    """The people of a collection with their photos."""
    with App(existing(common(context).settings(data))) as app_:
        app_.collections.get(name)
        records = app_.face_records.find(name)
    rows = [(r.identity, r.source, r.face_id, r.quality.size_px, r.created_at) for r in records]
    if as_json:
        keys = ("person", "source", "face_id", "size_px", "created_at")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    print_table(("person", "photo", "face id", "size px", "enrolled"), rows)


@app.command()
def drop(
    context: typer.Context,
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Delete a collection with its faces, vectors and crops."""
    with App(existing(common(context).settings(data))) as app_:
        info = app_.collections.get(name)
        confirm(f"Delete {name} with {info.faces} faces of {info.people} people?", yes, as_json)
        app_.drop_collection(name)
    if as_json:
        print_json({"dropped": name, "faces": info.faces})
    else:
        print_text(f"{name} is deleted with {info.faces} faces.")
