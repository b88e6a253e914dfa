"""collections list, show, import, export, migrate, drop."""

from typing import Annotated, Any

import typer

from faceline.app import App
from faceline.cli.galleries import export, import_
from faceline.cli.migrate import migrate
from faceline.cli.options import Data, Json, common, confirm, existing
from faceline.cli.output import print_json, print_table, print_text
from faceline.errors import ModelError

app = typer.Typer(no_args_is_help=False, invoke_without_command=True)
app.command("import")(import_)
app.command("export")(export)
app.command()(migrate)


@app.callback()
def collections(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """Who is known: list (which needs no saying), show, import, export, migrate, drop."""
    if not context.invoked_subcommand:
        listed(context, data, as_json)


@app.command("list")
def listed(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """All collections: people, faces, model, and the similarities that a name and a search need at this size.

    A search of the Rekognition API compares with every face, a name is looked for among people.
    """
    with App(existing(common(context).settings(data))) as app_:
        infos = app_.collections.list()
        calibrations = [_calibration(app_, info.name, info.model) for info in infos]
        need = app_.rule.threshold
        rows = [(i.name, i.people, i.faces, need(i.people), need(i.faces), i.model, i.created_at) for i in infos]
    if as_json:
        keys = ("name", "people", "faces", "threshold", "search_threshold", "model", "created_at")
        both = zip(rows, calibrations, strict=True)
        print_json([dict(zip(keys, row, strict=True)) | {"calibration": each} for row, each in both])
        return
    shown = [(*row[:-1], _when(row[-1])) for row in rows]
    print_table(("collection", "people", "faces", "a name needs", "a search needs", "model", "created"), shown)


@app.command()
def show(context: typer.Context, name: str, data: Data = None, as_json: Json = False) -> None:
    """The people of a collection with their photos, its model, and what its similarities were measured on."""
    with App(existing(common(context).settings(data))) as app_:
        info = app_.collections.get(name)
        records = app_.face_records.find(name)
        calibration, second = _calibration(app_, name, info.model), app_.migration.second(name)
    rows = [(r.identity, r.source, r.face_id, r.quality.size_px, r.created_at) for r in records]
    if as_json:
        keys = ("person", "source", "face_id", "size_px", "created_at")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    shown = [(*row[:-1], _when(row[-1])) for row in rows]
    print_table(("person", "photo", "face id", "size px", "enrolled"), shown)
    print_text(f"Model {info.model}; similarities {_worded(calibration)}.")
    if second:
        state = "kept from before; --back goes back to it" if second.switched else "being built; migrate --to goes on"
        print_text(f"A second index of {second.model} is {state}.")


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
        app_.note("drop collection", name, count=info.faces)
    if as_json:
        print_json({"dropped": name, "faces": info.faces})
    else:
        print_text(f"{name} is deleted with {info.faces} faces.")


def _calibration(app_: App, name: str, model: str) -> dict[str, Any] | None:
    """None for a model that is not here."""
    try:
        return app_.calibrated.in_use(name, model)
    except ModelError:
        return None


def _worded(calibration: dict[str, Any] | None) -> str:
    if calibration is None:
        return "cannot be told, since the model is not here"
    if calibration["from"] == "shipped":
        return "by the calibration that came with faceline, measured on LFW"
    if calibration["from"] == "provisional":
        return "provisional, from the maker's threshold; `faceline evaluate --install` measures them"
    on = calibration["measured_on"]
    whose = "the collection's own" if calibration["from"] == "collection" else "the model's own"
    return (
        f"by {whose} calibration of {on['made']}: {on['photos']} photos of {on['people']} people, "
        f"{on['stranger_pairs']:,} pairs of strangers"
    )


def _when(moment: str) -> str:
    """UTC ISO 8601 → to the minute, for people."""
    return moment.replace("T", " ")[:16]
