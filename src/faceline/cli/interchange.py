"""What `collections import` takes besides gallery files, and open files out."""

import uuid
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from faceline.app import App
from faceline.cli.output import note, progress_bar
from faceline.errors import ConflictError, InputError, ModelError, UsageError
from faceline.gallery.ports import NewFace
from faceline.interchange.arrivals import Arrival, take_in
from faceline.interchange.folders import face_folder
from faceline.interchange.open_files import Exported, read_folder, write_folder
from faceline.interchange.rekognition_manifest import arrivals as manifest_arrivals
from faceline.loading import worker_count
from faceline.models.calibrations import Installed, from_bytes
from faceline.models.spaces import space_of
from faceline.types import Enrolment, Refusal

_BATCH = 500


def import_folder(app: App, folder: Path, name: str, shown: bool) -> Enrolment:
    """Photos of a face_recognition or deepface folder."""
    found = face_folder(folder)
    for refusal in found.passed:
        note(f"passed over: {refusal.source} {refusal.reason}")
    with progress_bar("photos", len(found.items), shown) as advance:
        workers = min(worker_count(app.settings), len(found.items))
        return app.enroller(name).enroll(found.items, workers, advance)


def import_compreface(app: App, url: str, key: str, name: str, shown: bool) -> Enrolment:
    """All examples of a CompreFace service."""
    from faceline.interchange.compreface import CompreFace  # noqa: PLC0415 (other commands start faster without httpx)

    server = CompreFace(url, key, app.settings.max_image_bytes)
    try:
        examples = server.examples()
        return _taken_in(app, server.arrivals(examples), len(examples), name, shown)
    finally:
        server.close()


def import_manifest(app: App, manifest: Path, root: Path, name: str, shown: bool) -> Enrolment:
    """What was indexed into a Rekognition collection."""
    found = manifest_arrivals(manifest, root, app.settings.max_image_bytes)
    return _taken_in(app, found, len(found), name, shown)


def import_open(app: App, folder: Path, collection: str | None, shown: bool) -> tuple[str, Enrolment]:
    """What `export_open` wrote, into the collection it came from unless one is named.

    Embeddings are taken as they are where the collection has their model, else they are made anew from the crops.
    """
    exported = read_folder(folder)
    name = collection or exported.collection
    known = app.collections.models()
    model = known.get(name) or _usable(app, exported.model)
    own = _calibration(app, folder, exported) if model == exported.model else None
    app.collections.create(name, model)
    if name not in known and own:
        app.calibrated.install(name, model, own)
    refused = _with_people(app, name, _persons(exported))
    faces, not_allowed = _allowed(app, name, exported.faces, {refusal.source for refusal in refused})
    enrolled, already = 0, 0
    with progress_bar("faces", len(faces), shown) as advance:
        for batch, lost in _embedded(app, faces, exported.model, model):
            new = _added(app, name, batch)
            enrolled, already = enrolled + new, already + len(batch) - new
            refused += lost
            advance(len(batch) + len(lost))
    return name, Enrolment(enrolled, already, (*refused, *not_allowed))


def export_open(app: App, name: str, folder: Path, shown: bool) -> tuple[int, int]:
    """Writes a collection as open files; returns how many faces and people."""
    model, people = app.collections.model(name), _people(app, name)
    records = app.face_records.find(name)
    faces = [NewFace(record, app.face_records.crop(name, record.face_id)) for record in records]
    dimensions = len(records[0].embedding.values) if records else 0
    own = app.calibrations.get(name, model)
    exported = Exported(name, model, dimensions, list(people), faces, own)
    calibration = app.calibrated.in_use(name, model)
    with progress_bar("faces", len(faces), shown) as advance:
        write_folder(folder, exported, list(people.values()), calibration, advance)
    return len(faces), len(people)


def _taken_in(app: App, arrivals: Iterable[Arrival], total: int, name: str, shown: bool) -> Enrolment:
    enroller = app.enroller(name)
    with progress_bar("photos", total, shown) as advance:
        return take_in(arrivals, enroller.enroll_photo, advance)


def _usable(app: App, model: str) -> str:
    """The model, or where it is not here the one that new collections are made with."""
    try:
        app.engines.scorer(model)
    except ModelError:
        note(f"The model {model} is not here: faces are embedded anew by {app.engines.model}, from their crops.")
        return app.engines.model
    return model


def _calibration(app: App, folder: Path, exported: Exported) -> Installed | None:
    """The collection's own. Raises InputError for embeddings that the model cannot have made, ModelError."""
    dimensions = space_of(exported.model, app.engines.directory).dimensions
    if exported.faces and exported.dimensions != dimensions:
        said = f"{exported.dimensions} dimensions, {exported.model} has {dimensions}"
        raise InputError(f"{folder / 'README.json'} says {said}; export the collection again")
    if not exported.calibration:
        return None
    return from_bytes(exported.calibration, dimensions, str(folder / "calibration.npz"))


def _persons(exported: Exported) -> list[str]:
    """Those of the list, then whom faces name beside it; each once."""
    return list(dict.fromkeys([*exported.people, *(f.record.person for f in exported.faces if f.record.person)]))


def _people(app: App, name: str) -> dict[str, str]:
    """Names with user ids, by position."""
    found: dict[str, str] = {}
    after = 0
    while page := app.people.page(name, after, _BATCH):
        found |= {person.name: person.user_id for person in page}
        after = page[-1].position
    return found


def _with_people(app: App, name: str, people: Sequence[str]) -> list[Refusal]:
    known, refused = _people(app, name), list[Refusal]()
    for person in people:
        try:
            if person not in known:
                app.people.create(name, person, app.settings.quota_collection_users)
        except ConflictError as error:
            refused.append(Refusal(person, str(error)))
    return refused


def _allowed(
    app: App, name: str, faces: Sequence[NewFace], refused_people: Container[str]
) -> tuple[list[NewFace], list[Refusal]]:
    """Without those of people who were refused, and without those whose consent is missing."""
    allowed: list[NewFace] = []
    refused: list[Refusal] = []
    for face in faces:
        person = face.record.identity
        reason = app.keeping.refusal(name, person, None) if person is not None else None
        if face.record.person in refused_people:
            reason = f"{face.record.person} was refused"
        if reason:
            refused.append(Refusal(face.record.source, reason))
        else:
            allowed.append(face)
    return allowed, refused


def _embedded(
    app: App, faces: Sequence[NewFace], before: str, model: str
) -> Iterable[tuple[list[NewFace], list[Refusal]]]:
    """Some at a time, with those that cannot be embedded by the collection's model."""
    if model == before:
        for start in range(0, len(faces), _BATCH):
            yield list(faces[start : start + _BATCH]), []
        return
    for done, lost in app.migration.reembedded(faces, model):
        yield done, [Refusal(each.record.source, each.reason) for each in lost]


def _added(app: App, name: str, faces: Sequence[NewFace]) -> int:
    """How many are new. A face whose id another collection has already gets another."""
    kept = [face if app.settings.keep_crops else replace(face, crop=None) for face in faces]
    twins = app.face_records.add(name, kept)
    here = {r.face_id for r in app.face_records.find(name, face_ids=[twin.face_id for twin in twins.values()])}
    elsewhere = {face_id for face_id, twin in twins.items() if twin.face_id not in here}
    fresh = [_renamed(face) for face in kept if face.record.face_id in elsewhere]
    again = app.face_records.add(name, fresh)
    return len(kept) - len(twins) + len(fresh) - len(again)


def _renamed(face: NewFace) -> NewFace:
    return replace(face, record=replace(face.record, face_id=str(uuid.uuid4())))


def given(value: str | None, option: str, what: str) -> str:
    """Raises UsageError when it was not given."""
    if not value:
        raise UsageError(f"{what} needs {option}")
    return value
