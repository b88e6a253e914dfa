"""tokens list, create, revoke."""

from typing import Annotated

import typer

from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.cli.options import Data, Json, common, confirm, existing
from faceline.cli.output import note, print_json, print_table, print_text

app = typer.Typer(no_args_is_help=False, invoke_without_command=True)


@app.callback()
def tokens(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """Who may use the page and the HTTP API, beside the admin key: list (which needs no saying), create, revoke."""
    if not context.invoked_subcommand:
        listed(context, data, as_json)


@app.command("list")
def listed(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """All tokens, and what each may do. The tokens themselves are kept nowhere."""
    with App(existing(common(context).settings(data))) as app_:
        found, key_file = app_.api_keys.list(), app_.settings.data.resolve() / "admin.key"
    if as_json:
        print_json([{"name": key.name, "scope": key.scope, "created_at": key.created_at} for key in found])
    else:
        print_table(("token", "scope", "made"), [(key.name, key.scope, key.created_at) for key in found])
        note(f"The admin key, which may do all, is not among them: it is in {key_file}.")


@app.command()
def create(
    context: typer.Context,
    name: str,
    scope: Annotated[
        ApiScope, typer.Option("--scope", help="read: change nothing; enroll: also enroll and upload; admin: all.")
    ],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a token for the page and the HTTP API. It is shown now, and never again."""
    with App(common(context).settings(data)) as app_:
        token = app_.api_keys.create(name, scope)
        app_.note("create token", detail={"token": name, "scope": scope})
    if as_json:
        print_json({"name": name, "scope": scope, "token": token})
        return
    note(f"The token {name} is made, scope {scope}. It is shown only now; programs send it as Authorization: Bearer.")
    print_text(token)


@app.command()
def revoke(
    context: typer.Context,
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Delete a token. It is refused from now on, and whoever logged in with it is logged out."""
    with App(existing(common(context).settings(data))) as app_:
        confirm(f"Revoke the token {name}?", yes, as_json)
        key = app_.api_keys.revoke(name)
        app_.note("revoke token", detail={"token": key.name, "scope": key.scope})
    if as_json:
        print_json({"revoked": key.name, "scope": key.scope})
    else:
        print_text(f"The token {key.name} is revoked.")
