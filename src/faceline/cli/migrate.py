"""collections migrate: another model for a collection that has people already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from faceline.app import App
from faceline.cli.options import Data, Json, common, confirm, existing
from faceline.cli.output import counted, note, print_json, print_table, print_text, progress_bar
from faceline.errors import ConflictError, NotFoundError, UsageError
from faceline.gallery.leave_one_out import Answer, Change, tally
from faceline.gallery.migration import Lost, SecondIndex
from faceline.migration_workflow import Comparison

_SHOWN = 30


@dataclass(frozen=True, slots=True)
class _How:
    drop_missing: bool
    dry_run: bool
    yes: bool
    as_json: bool


def migrate(
    context: typer.Context,
    name: str,
    to: Annotated[str | None, typer.Option("--to", metavar="MODEL", help="The model to change to.")] = None,
    back: Annotated[bool, typer.Option("--back", help="Go back to the model before, whose index is kept.")] = False,
    finish: Annotated[bool, typer.Option("--finish", help="Delete the index that is not in use, for good.")] = False,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Delete faces that have no crop; else they stop the change.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Build and compare; do not switch.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Change a collection's model without losing people: embed the kept crops anew, compare, switch in one step."""
    if sum((to is not None, back, finish)) != 1:
        raise UsageError("say one of --to MODEL, --back and --finish")
    with App(existing(common(context).settings(data))) as app:
        if finish:
            _finish(app, name, yes, as_json)
            return
        second = app.migration.begin(name, to) if to else _kept(app, name)
        _migrate(app, name, second, _How(drop_missing, dry_run, yes, as_json))


def _finish(app: App, name: str, yes: bool, as_json: bool) -> None:
    second = app.migration.second(name)
    if second is None:
        raise NotFoundError(f"collection {name} has no second index; there is nothing to finish")
    confirm(f"Delete the index of {second.model} of {name}? There is no way back then.", yes, as_json)
    embeddings = app.migration.finish(name)
    app.note("finish migration", name, count=embeddings)
    if as_json:
        print_json({"collection": name, "deleted": second.model, "embeddings": embeddings})
    else:
        print_text(f"The index of {second.model} is deleted with {counted(embeddings, 'embedding', 'embeddings')}.")


def _kept(app: App, name: str) -> SecondIndex:
    second = app.migration.second(name)
    if second is None or not second.switched:
        raise UsageError(f"collection {name} has no earlier index to go back to; change its model with --to MODEL")
    return second


def _migrate(app: App, name: str, second: SecondIndex, how: _How) -> None:
    before = app.collections.model(name)
    faces, lost = _built(app, name, second, how.as_json)
    document: dict[str, Any] = {"collection": name, "from": before, "to": second.model, "embedded": faces}
    document["lost"] = [_lost_document(each) for each in lost]
    if lost and not how.as_json:
        rows = [(each.record.identity, each.record.source, each.record.face_id, each.reason) for each in lost]
        print_table(("person", "photo", "face id", "cannot be embedded"), rows)
    comparison = app.migration.compare(name, second)
    document |= _compared(comparison)
    if not how.as_json:
        _print_comparison(comparison, before, second.model)
    stopped = bool(lost) and not how.drop_missing
    if not stopped and not how.dry_run:
        _switch(app, name, second, lost, how)
    document["switched"] = not stopped and not how.dry_run
    if how.as_json:
        print_json(document)
    elif not document["switched"]:
        note(f"Nothing is switched: {name} is still searched by {before}.")
    if stopped:
        note(f"{counted(len(lost), 'face has', 'faces have')} no usable crop; enrol them again, or --drop-missing.")
        raise typer.Exit(1)


def _built(app: App, name: str, second: SecondIndex, as_json: bool) -> tuple[int, list[Lost]]:
    """How many faces were embedded now, and those that cannot be."""
    faces, lost = 0, list[Lost]()
    with progress_bar("faces", app.migration.lacking(name), not as_json) as advance:
        for count, missing in app.migration.build(name, second):
            faces += count - len(missing)
            lost += missing
            advance(count)
    return faces, lost


def _switch(app: App, name: str, second: SecondIndex, lost: Sequence[Lost], how: _How) -> None:
    dropping = f", deleting {counted(len(lost), 'face', 'faces')} for good" if lost else ""
    confirm(f"Search {name} by {second.model} from now on{dropping}?", how.yes, how.as_json)
    dropped = [each.record.face_id for each in lost]
    while not app.migration.switch(name, second, dropped):  # somebody was enrolled meanwhile
        missing = [each.record.face_id for each in _built(app, name, second, how.as_json)[1]]
        if set(missing) - set(dropped):
            raise ConflictError(f"a face without a crop was enrolled into {name} meanwhile; run the command again")
    app.note("migrate", name, count=len(dropped), detail={"to": second.model})
    if not how.as_json:
        print_text(f"{name} is searched by {second.model} now.")
        note(f"Go back: faceline collections migrate {name} --back. Delete the index before: --finish.")


def _compared(comparison: Comparison) -> dict[str, Any]:
    return {
        "faces": len(comparison.records),
        "before": tally(comparison.records, comparison.before),
        "after": tally(comparison.records, comparison.after),
        "changes": [_change_document(change) for change in comparison.changes],
    }


def _change_document(change: Change) -> dict[str, Any]:
    record = change.record
    said = {when: _answer_document(getattr(change, when)) for when in ("before", "after")}
    return {"face_id": record.face_id, "person": record.identity, "source": record.source, **said}


def _answer_document(answer: Answer) -> dict[str, Any]:
    return {"decision": answer.decision.value, "name": answer.name, "similarity": answer.similarity}


def _lost_document(lost: Lost) -> dict[str, Any]:
    record = lost.record
    return {
        "face_id": record.face_id,
        "person": record.identity,
        "source": record.source,
        "reason": lost.reason,
    }


def _print_comparison(comparison: Comparison, before: str, after: str) -> None:
    counts = [tally(comparison.records, each) for each in (comparison.before, comparison.after)]
    title = f"{counted(len(comparison.records), 'enrolled face', 'enrolled faces')}, each against the others"
    print_table(("answer", before, after), [(key, *(count[key] for count in counts)) for key in counts[0]], title)
    changes = comparison.changes
    if not changes:
        note("No answer changes.")
        return
    rows = [(c.record.identity, c.record.source, _said(c.before), _said(c.after)) for c in changes[:_SHOWN]]
    print_table(("person", "photo", "before", "after"), rows, f"{counted(len(changes), 'answer', 'answers')} change")
    if len(changes) > _SHOWN:
        note(f"{len(changes) - _SHOWN} more; --json has all of them.")


def _said(answer: Answer) -> str:
    return f"{answer.name or answer.decision.value} {answer.similarity:.2f}"
