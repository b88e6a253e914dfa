"""keys list, create, revoke."""

import shlex
from typing import Annotated

import typer

from faceline.access_keys import KeyScope
from faceline.app import App
from faceline.cli.options import Data, Json, common, confirm, existing
from faceline.cli.output import print_json, print_table, print_text
from faceline.config import url_of

app = typer.Typer(no_args_is_help=False, invoke_without_command=True)


@app.callback()
def keys(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """Who may use the Rekognition API: list (which needs no saying), create, revoke."""
    if not context.invoked_subcommand:
        listed(context, data, as_json)


@app.command("list")
def listed(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """All keys: what each may do, on which collections. Never a secret."""
    with App(existing(common(context).settings(data))) as app_:
        found = app_.access_keys.list()
    if as_json:
        columns = ("name", "access_key_id", "scope", "collections")
        print_json([{column: getattr(key, column) for column in columns} for key in found])
        return
    rows = [(key.name, key.access_key_id, key.scope, ", ".join(key.collections)) for key in found]
    print_table(("key", "access key id", "scope", "collections"), rows)


@app.command()
def create(
    context: typer.Context,
    name: str,
    scope: Annotated[
        KeyScope, typer.Option("--scope", help="all; read: change nothing; detect: keep and read nothing.")
    ] = KeyScope.ALL,
    collections: Annotated[
        list[str] | None,
        typer.Option("--for", metavar="COLLECTION", help="Only these, with * for any letters; again for more."),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a key for the Rekognition API. Its secret is in the key file only."""
    settings = common(context).settings(data)
    with App(settings) as app_:
        key = app_.access_keys.create(name, scope, collections or ["*"])
        app_.note("create key", detail={"key": key.access_key_id, "scope": key.scope})
        file = str(app_.access_keys.path.absolute())
        url = app_.up_lock().url() or url_of(settings.host, settings.port)
    if as_json:
        print_json(
            {"name": key.name, "access_key_id": key.access_key_id, "scope": key.scope, "collections": key.collections}
            | {"file": file}
        )
        return
    print_text(
        f"The key {key.name} is made: scope {key.scope}, collections {', '.join(key.collections)}. To use it:\n\n"
        f"export AWS_SHARED_CREDENTIALS_FILE={shlex.quote(file)}\n"
        f"export AWS_PROFILE={key.name}\n"
        f"export AWS_ENDPOINT_URL_REKOGNITION={url}"
    )


@app.command()
def revoke(
    context: typer.Context,
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Delete a key, by its name or access key id. Requests signed with it are refused from now on."""
    with App(existing(common(context).settings(data))) as app_:
        key = app_.access_keys.get(name)
        confirm(f"Revoke the key {key.name} ({key.access_key_id})?", yes, as_json)
        app_.access_keys.revoke(key.access_key_id)
        app_.note("revoke key", detail={"key": key.access_key_id})
    if as_json:
        print_json({"revoked": key.name, "access_key_id": key.access_key_id})
    else:
        print_text(f"The key {key.name} ({key.access_key_id}) is revoked.")
