"""A collection's model changed, with made networks and real crops."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from commands import Cli
from faceline.app import App
from faceline.engine.align import ARCFACE_112, BOX_160, cut
from faceline.engine.pyramid import Pyramid
from faceline.errors import ConflictError, ModelMismatchError, NotFoundError
from faceline.gallery.collection import Collection
from faceline.gallery.leave_one_out import leave_one_out, tally
from faceline.gallery.migration import SecondIndex, chip_of
from faceline.gallery.newface import Origin, new_face
from faceline.gallery.ports import Changes, NewFace
from faceline.images import ImageLimits
from faceline.similarity import Calibration, Rule, Scorer
from faceline.types import BoundingBox, Decision, Embedding, Face, FaceRecord, Frame, Vector
from made import MODEL, face, mixed, open_app, record, vector
from made import new_face as bare_face
from networks import added

STAFF = "my-face-collection"
SCORER = Scorer(MODEL, Calibration((0.0, 0.5, 1.0), (-0.3, -3.0, -6.0)))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """With a made network named `mine` and three faces with crops, two of Ada and one of Bob."""
    models = tmp_path / "models"
    added(models)
    with open_app(tmp_path / "data", models_dir=models) as app:
        app.collections.create(STAFF, MODEL)
        app.face_records.add(STAFF, [cropped(name, seed) for name, seed in (("Ada", 1), ("Ada", 2), ("Bob", 3))])
        yield app


def cropped(name: str, seed: int) -> NewFace:
    """A face with a crop of noise, so that a network makes something else of each."""
    pixels = np.random.default_rng(seed).integers(0, 255, (120, 120, 3)).astype(np.uint8)
    frame = Frame(pixels, 120, 120, "noise")
    return new_face(frame, face(vector(seed)), Origin(f"image {seed}", f"{seed}.jpg", name, name), keep_crop=True)


def built(app: App, drop: Sequence[str] = ()) -> SecondIndex:
    second = app.migration.begin(STAFF, "mine")
    for _, lost in app.migration.build(STAFF, second):
        assert [each.record.face_id for each in lost] == list(drop)
    return second


def vectors_of(app: App) -> dict[str, bytes]:
    return {r.face_id: r.embedding.values.tobytes() for r in app.face_records.find(STAFF)}


def test_the_new_index_is_beside_the_old_until_it_is_switched_to(app: App) -> None:
    before = vectors_of(app)
    second = built(app)
    assert vectors_of(app) == before
    assert app.collections.model(STAFF) == MODEL
    assert app.migration.switch(STAFF, second)
    assert app.collections.model(STAFF) == second.model
    assert {r.embedding.model for r in app.face_records.find(STAFF)} == {second.model}
    kept = app.migration.second(STAFF)
    assert kept is not None
    assert (kept.model, kept.switched) == (MODEL, True)


def test_going_back_gives_every_bit_back_and_whoever_was_enrolled_since_comes_along(app: App) -> None:
    before = vectors_of(app)
    second = built(app)
    app.migration.switch(STAFF, second)
    late = cropped("Cy", 4)
    values = np.ones(32, np.float32) / np.sqrt(np.float32(32))
    late = replace(late, record=replace(late.record, embedding=Embedding(values, second.model)))
    app.face_records.add(STAFF, [late])
    kept = app.migration.second(STAFF)
    assert kept is not None
    assert not app.migration.switch(STAFF, kept)  # one face is not in the old index
    app.engines._analyzers[MODEL] = Fixed(MODEL)  # type: ignore[assignment]
    assert sum(count for count, _ in app.migration.build(STAFF, kept)) == 1
    assert app.migration.switch(STAFF, kept)
    after = vectors_of(app)
    assert after.pop(late.record.face_id) == vector(9).tobytes()
    assert after == before


class Fixed:
    """Embeds everything as person 9."""

    def __init__(self, model: str) -> None:
        self.model = model

    def embed_chips(self, chips: Sequence[object]) -> list[Embedding]:
        return [Embedding(vector(9), self.model) for _ in chips]


def test_a_stopped_build_goes_on_where_it_was(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.gallery.migration._BATCH", 1)
    second = app.migration.begin(STAFF, "mine")
    next(iter(app.migration.build(STAFF, second)))
    assert app.migration.lacking(STAFF) == 2
    again = app.migration.begin(STAFF, "mine")
    assert again == second
    assert sum(count for count, _ in app.migration.build(STAFF, again)) == 2


def test_a_face_without_a_crop_stops_the_change_unless_it_is_dropped(app: App) -> None:
    bare = bare_face("bare", "Dan", vector(5))
    app.face_records.add(STAFF, [bare])
    second = built(app, drop=["bare"])
    assert not app.migration.switch(STAFF, second)
    assert app.collections.model(STAFF) == MODEL
    assert app.migration.switch(STAFF, second, ["bare"])
    assert app.face_records.find(STAFF, person="Dan") == []
    assert [each.name for each in app.people.page(STAFF, 0, 10)] == ["Ada", "Bob"]


def test_a_collection_in_memory_takes_up_the_other_model(app: App) -> None:
    gallery = app.collection()
    assert gallery.faces() == 3
    second = built(app)
    probe = next(iter(app.second_indexes.vectors(STAFF).values()))
    app.migration.switch(STAFF, second)
    with pytest.raises(ModelMismatchError):
        gallery.identify([face(vector(1))])
    (who,) = gallery.identify([embedded(probe, second.model)])
    assert who.candidates[0].similarity == 100
    assert gallery.scorer.model == second.model


def embedded(values: Vector, model: str) -> Face:
    return replace(face(values), embedding=Embedding(values, model))


def test_another_process_searches_by_the_other_model_at_its_next_search(app: App) -> None:
    with open_app(app.settings.data, models_dir=app.settings.models_dir) as other:
        assert other.collection().faces() == 3
        second = built(app)
        vectors = app.second_indexes.vectors(STAFF)
        app.migration.switch(STAFF, second)
        assert other.model_of(STAFF) == second.model
        for face_id, values in vectors.items():
            (who,) = other.collection().identify([embedded(values, second.model)])
            assert who.candidates[0].face_id == face_id


def test_an_emptied_collection_takes_up_the_model_of_what_is_looked_for(app: App) -> None:
    gallery = app.collection()
    assert gallery.faces() == 3
    second = built(app)
    app.migration.switch(STAFF, second)
    app.face_records.remove(STAFF, [r.face_id for r in app.face_records.find(STAFF)])
    gallery.faces()
    assert gallery.search(Embedding(np.ones(32, np.float32), second.model)) == ([], [])


def test_who_is_deleted_goes_from_both_indexes_and_from_the_file(app: App) -> None:
    built(app)
    bob = app.face_records.find(STAFF, person="Bob")[0]
    second = app.second_indexes.vectors(STAFF)[bob.face_id]
    app.face_records.remove(STAFF, [bob.face_id])
    assert bob.face_id not in app.second_indexes.vectors(STAFF)
    content = stored(app)
    assert second.tobytes() not in content
    assert second.tobytes()[:64] not in content


def test_finishing_leaves_nothing_of_the_old_index_in_the_files(app: App) -> None:
    before = vectors_of(app)
    app.migration.switch(STAFF, built(app))
    assert app.migration.finish(STAFF) == 3
    assert app.migration.second(STAFF) is None
    content = stored(app)
    assert not [values for values in before.values() if values in content or values[:64] in content]


def stored(app: App) -> bytes:
    return b"".join(path.read_bytes() for path in app.settings.data.glob("gallery.sqlite*"))


def test_only_one_second_index_is_kept(app: App, tmp_path: Path) -> None:
    added(tmp_path / "models", "third")
    built(app)
    with pytest.raises(ConflictError, match="--finish"):
        app.migration.begin(STAFF, "third")
    with pytest.raises(ConflictError, match="has the model"):
        app.migration.begin(STAFF, "dlib-resnet")
    with pytest.raises(NotFoundError):
        app.migration.begin("nowhere", "mine")


def test_an_index_that_somebody_else_deleted_is_not_switched_to(app: App) -> None:
    second = built(app)
    app.migration.finish(STAFF)
    with pytest.raises(ModelMismatchError, match="start again"):
        app.migration.switch(STAFF, second)


def test_chips_of_a_crop_are_those_of_the_photo(app: App) -> None:
    """Of a large smooth picture, whose crop is reduced: for a template of points and for one of the box."""
    waves = np.sin(np.arange(900)[:, None] / 40) * np.cos(np.arange(900)[None] / 55)
    pixels = np.repeat((127 + 120 * waves).astype(np.uint8)[..., None], 3, axis=2)
    frame, box = Frame(pixels, 900, 900, "waves"), BoundingBox(210.0, 190.0, 400.0, 480.0)
    kept = new_face(frame, face(vector(1), box), Origin("i", "s", "Ada", None), keep_crop=True)
    assert kept.crop is not None
    corners = np.array([box.left, box.top, box.left + box.width, box.top + box.height])
    for template in (ARCFACE_112, BOX_160):
        of_photo = cut(Pyramid(frame), corners, kept.record.landmarks.as_array(), template)
        of_crop = chip_of(kept.record, kept.crop, template, ImageLimits())
        assert np.abs(of_photo.astype(int) - of_crop).mean() < 2


def test_a_face_left_out_is_compared_with_its_persons_others_only() -> None:
    ada, bob = vector(1), vector(2)
    near = mixed(ada, vector(3), 0.9)
    records = [record("a1", "Ada", ada), record("a2", "Ada", near), record("b1", "Bob", bob)]
    vectors = {"a1": ada, "a2": near, "b1": bob}
    for person_score in ("mean", "best"):
        answers = leave_one_out(records, vectors, SCORER, Rule(0.005, 80.0, 1.0), person_score)
        assert [answer.name for answer in answers] == ["Ada", "Ada", None]
        assert answers[2].decision is Decision.UNKNOWN
        assert tally(records, answers) == {"right": 2, "wrong": 0, "unknown": 1, "ambiguous": 0}


@pytest.mark.parametrize("person_score", ["mean", "best"])
def test_leaving_one_out_answers_as_a_collection_without_that_face(app: App, person_score: str) -> None:
    rng = np.random.default_rng(4)
    people = [f"p{n % 9}" if n % 7 else None for n in range(40)]
    vectors = [mixed(vector(n % 9), vector(100 + n), float(rng.uniform(0.4, 0.9))) for n in range(40)]
    records = [record(f"f{n}", person, values) for n, (person, values) in enumerate(zip(people, vectors, strict=True))]
    by_id = {r.face_id: r.embedding.values for r in records}
    answers = leave_one_out(records, by_id, SCORER, Rule(), person_score)
    for left_out, answer in zip(records, answers, strict=True):
        others = [r for r in records if r is not left_out]
        who = collection_of(others, person_score).identify([face(left_out.embedding.values)])[0]
        assert (answer.decision, answer.name) == (who.decision, who.name)
        assert answer.similarity == pytest.approx(who.similarity, abs=0.02)


def collection_of(records: Sequence[FaceRecord], person_score: str) -> Collection:
    class Given:
        def changes(self, collection: str, since: int, limit: int) -> Changes:
            return Changes(1, records if since == 0 else (), ())

    return Collection("x", Given(), SCORER, Rule(), person_score)  # type: ignore[arg-type]


def test_the_command_switches_goes_back_and_finishes(app: App, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(app.settings.models_dir))
    command = ("--data", app.settings.data, "collections", "migrate", STAFF)
    dry = cli(*command, "--to", "mine", "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert dry.json["switched"] is False
    assert (dry.json["embedded"], dry.json["faces"], dry.json["lost"]) == (3, 3, [])
    done = cli(*command, "--to", "mine", "--yes", "--json")
    assert done.json["switched"] is True
    assert done.json["embedded"] == 0
    assert app.collections.model(STAFF) == done.json["to"]
    assert cli(*command, "--back", "--yes").code == 0
    assert app.collections.model(STAFF) == MODEL
    assert cli(*command, "--finish", "--yes", "--json").json["embeddings"] == 3
    assert cli(*command, "--back", "--yes").code == 2


def test_the_command_lists_faces_without_crops_and_changes_nothing(
    app: App, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(app.settings.models_dir))
    app.face_records.add(STAFF, [bare_face("bare", "Dan", vector(5))])
    command = ("--data", app.settings.data, "collections", "migrate", STAFF, "--to", "mine", "--yes")
    stopped = cli(*command, "--json")
    assert stopped.code == 1
    assert [each["face_id"] for each in stopped.json["lost"]] == ["bare"]
    assert stopped.json["switched"] is False
    assert app.collections.model(STAFF) == MODEL
    dropped = cli(*command, "--drop-missing")
    assert dropped.code == 0, dropped.err
    assert app.collection().faces() == 3
