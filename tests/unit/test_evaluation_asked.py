"""Suggested thresholds, rates of groups, and calibrations that a collection has of its own, with made embeddings."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from commands import Cli
from faceline.errors import InputError, UsageError
from faceline.evaluation.comparisons import compare_all
from faceline.evaluation.document import report_document, report_table, suggestion_text
from faceline.evaluation.embedded import EmbeddedPhotos
from faceline.evaluation.groups import read_groups
from faceline.evaluation.install import measure
from faceline.evaluation.report import Asked, evaluate, is_labelled, photos_of
from faceline.evaluation.suggest import suggest
from faceline.models.calibrations import installed_path
from faceline.models.spaces import BUILTIN, scorer_of
from faceline.similarity import Calibration, Scorer, similarity_at_rate
from labelled import CALIBRATION, PLAIN, SCORER, embed, tree
from made import MODEL, open_app

STAFF = "staff"


def of_many(photos: Sequence[tuple[Path, str]]) -> EmbeddedPhotos:
    """A person for each name; their photos differ a little."""
    rng = np.random.default_rng(1)
    centres = {name: rng.normal(size=BUILTIN.dimensions) for name in sorted({name for _, name in photos})}
    rows = np.array([centres[name] + 0.4 * rng.normal(size=BUILTIN.dimensions) for _, name in photos])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return EmbeddedPhotos(tuple(str(path) for path, _ in photos), np.array([n for _, n in photos]), rows, ())


def named(people: int) -> list[tuple[Path, str]]:
    return [(Path(f"{n}.jpg"), f"n{n}") for n in range(people)]


# The threshold that a rate asks for


def test_the_suggested_similarity_lets_as_many_strangers_pass_as_asked(tmp_path: Path) -> None:
    folder = tree(tmp_path, [3] * 60)
    report = evaluate(folder, embed, PLAIN, asked=Asked(0.01, 500))
    suggested = report.suggested
    assert suggested is not None
    assert suggested.measured
    assert suggested.similarity.ci95 is not None
    assert suggested.similarity.ci95[0] <= suggested.similarity.value <= suggested.similarity.ci95[1]
    assert suggested.true_accepts == report.default.tar[0]
    embedded = embed([(path, path.parent.name) for path in sorted(folder.rglob("*.jpg"))])
    scores = embedded.embeddings @ embedded.embeddings.T
    strangers = scores[np.triu(embedded.people[:, None] != embedded.people, 1)]
    passed = (CALIBRATION.similarity(strangers) > suggested.similarity.value).mean()
    assert passed == pytest.approx(0.01, abs=1 / len(strangers) * 2)
    assert suggested.strangers_named == pytest.approx(1 - 0.99**500)


def test_too_few_pairs_are_told_and_the_calibration_is_asked_instead(tmp_path: Path) -> None:
    report = evaluate(tree(tmp_path, [3] * 60), embed, SCORER, asked=Asked(1e-5, 5000))
    suggested = report.suggested
    assert suggested is not None
    assert not suggested.measured
    assert (suggested.similarity.value, suggested.similarity.ci95) == (similarity_at_rate(1e-5), None)
    assert suggested.needed_pairs == 1_000_000
    text = suggestion_text(suggested)
    assert "ask for similarity 99.00." in text
    assert f"{suggested.pairs:,} pairs of strangers are too few to measure it, 1,000,000 are needed" in text
    assert "Among 5,000 people, 4.9 % of strangers are like somebody." in text
    document = report_document(report)["suggested"]
    assert json.loads(json.dumps(document))["measured"] is False


def test_a_file_of_pairs_suggests_too(tmp_path: Path) -> None:
    tree(tmp_path, [2] * 40)
    rows = [(f"p{a}/0.jpg", f"p{b}/1.jpg", int(a == b)) for a in range(40) for b in range(40)]
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path_a", "path_b", "same"), *rows])
    suggested = evaluate(tmp_path / "pairs.csv", embed, SCORER, asked=Asked(0.01)).suggested
    assert suggested is not None
    assert (suggested.measured, suggested.pairs) == (True, 40 * 39)


# Groups


def manifest(folder: Path, groups: Sequence[str], name: str = "photos.csv") -> Path:
    """Three photos of each person; groups: of each person."""
    tree(folder, [3] * len(groups))
    rows = [(f"p{n}/{i}.jpg", f"p{n}", group) for n, group in enumerate(groups) for i in range(3)]
    with (folder / name).open("w", newline="") as file:
        csv.writer(file).writerows([("path", "name", "site"), *rows])
    return folder / name


def test_rates_are_told_within_each_group(tmp_path: Path) -> None:
    path = manifest(tmp_path, ["north"] * 30 + ["south"] * 28 + ["[east]"] * 2)
    report = evaluate(path, embed, SCORER, asked=Asked(0.02, group="site"))
    assert report.groups is not None
    east, north, south = report.groups
    assert (north.group, north.photos, north.people) == ("north", 90, 30)
    assert (north.stranger_pairs, north.same_pairs) == (90 * 89 // 2 - 90, 90)
    assert north.false_match is not None
    assert south.false_non_match is not None
    assert 0 <= north.false_match.value < 0.1
    assert (east.people, east.false_match, east.false_non_match) == (2, None, None)
    console = Console(width=200, file=io.StringIO())
    console.print(report_table(report))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[east]" in text
    assert "too few pairs (9)" in text
    document = report_document(report)
    assert [each["group"] for each in document["groups"]] == ["[east]", "north", "south"]
    assert document["groups"][0]["false_match"] is None


def test_the_rates_of_a_group_are_those_of_its_photos_alone(tmp_path: Path) -> None:
    path = manifest(tmp_path, ["a"] * 20 + ["b"] * 20)
    report = evaluate(path, embed, SCORER, asked=Asked(0.02, group="site"))
    assert report.groups is not None
    score = CALIBRATION.score_at(report.groups_at)
    photos = [(tmp_path / f"p{n}" / f"{i}.jpg", f"p{n}") for n in range(20) for i in range(3)]
    embedded = embed(photos)
    normalised = SCORER.normalise(embedded.embeddings)
    scores = normalised.vectors @ normalised.vectors.T * (normalised.gain[:, None] + normalised.gain)
    scores -= normalised.offset[:, None] + normalised.offset
    same = (embedded.people[:, None] == embedded.people)[np.triu_indices(60, 1)]
    scores = scores[np.triu_indices(60, 1)]
    a = report.groups[0]
    assert a.false_match is not None
    assert a.false_non_match is not None
    assert a.false_match.value == pytest.approx((scores[~same] >= score).mean())
    assert a.false_non_match.value == pytest.approx((scores[same] < score).mean())


def test_a_missed_photo_counts_as_refused_within_its_group(tmp_path: Path) -> None:
    path = manifest(tmp_path, ["a"] * 20)
    (tmp_path / "p0" / "miss.jpg").touch()
    with path.open("a", newline="") as file:
        csv.writer(file).writerow(("p0/miss.jpg", "p0", "a"))
    report = evaluate(path, embed, SCORER, asked=Asked(group="site"))
    assert report.groups is not None
    assert (report.groups[0].photos, report.groups[0].same_pairs) == (61, 63)
    assert report.groups[0].false_non_match is not None
    assert report.groups[0].false_non_match.value >= 3 / 63


def test_a_column_that_is_not_there_is_told_with_its_line(tmp_path: Path) -> None:
    path = manifest(tmp_path, ["a", ""])
    with pytest.raises(InputError, match=r"line 2 has no age; the other columns are site"):
        read_groups(path, "age")
    with pytest.raises(InputError, match="line 5 has no site"):
        read_groups(path, "site")
    for target in (tree(tmp_path, [1]), tmp_path / "none.csv"):
        with pytest.raises(UsageError, match="--group needs a manifest"):
            evaluate(target, embed, SCORER, asked=Asked(group="site"))


def test_a_manifest_is_measured_as_a_folder_is(tmp_path: Path) -> None:
    path = manifest(tmp_path, ["a"] * 30)
    assert is_labelled(path)
    lines = tmp_path / "photos.jsonl"
    rows = csv.DictReader(path.read_text().splitlines())
    lines.write_text("\n".join(json.dumps({"path": row["path"], "name": row["name"], "site": 1}) for row in rows))
    documents = [report_document(evaluate(target, embed, SCORER)) for target in (path, lines, tmp_path)]
    assert documents[0] == documents[1] == documents[2]
    assert read_groups(lines, "site")[str(tmp_path / "p0" / "0.jpg")] == "1"


# Calibrations of collections


def test_a_collections_own_calibration_is_used_by_it_alone_until_it_is_removed(tmp_path: Path) -> None:
    made = measure(MODEL, of_many(named(800)))
    with open_app(tmp_path / "data", models_dir=tmp_path / "models") as app:
        for name in (STAFF, "visitors"):
            app.collections.create(name, MODEL)
        app.calibrated.install(STAFF, MODEL, made)
        assert app.scorer(STAFF).calibration == made.calibration
        assert app.collection(STAFF).scorer.calibration == made.calibration
        assert app.scorer("visitors").calibration == scorer_of(BUILTIN).calibration
        said = app.calibrated.in_use(STAFF, MODEL)
        assert (said["from"], said["measured_on"]["people"]) == ("collection", 800)
        assert app.calibrated.in_use("visitors", MODEL)["from"] == "shipped"
    with open_app(tmp_path / "data", models_dir=tmp_path / "models") as again:
        assert again.collection(STAFF).scorer.calibration == made.calibration
        assert again.calibrated.remove(STAFF, MODEL)
        assert not again.calibrated.remove(STAFF, MODEL)
        assert again.scorer(STAFF).calibration == scorer_of(BUILTIN).calibration


def test_a_calibration_goes_with_its_collection(tmp_path: Path) -> None:
    with open_app(tmp_path / "data") as app:
        app.collections.create(STAFF, MODEL)
        app.calibrated.install(STAFF, MODEL, measure(MODEL, of_many(named(800))))
        app.drop_collection(STAFF)
        app.collections.create(STAFF, MODEL)
        assert app.calibrated.installed(STAFF, MODEL) is None


def test_the_command_goes_back_and_shows_what_is_in_use(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("FACELINE_DATA", str(tmp_path / "data"))
    with open_app(tmp_path / "data", models_dir=tmp_path / "models") as app:
        app.collections.create(STAFF, MODEL)
        app.calibrated.install(STAFF, MODEL, measure(MODEL, of_many(named(800))))
    shown = cli("collections", "show", STAFF)
    assert "by the collection's own calibration of" in shown.out
    assert "800 photos of 800 people, 319,600 pairs of strangers" in shown.out
    (listed,) = cli("collections", "list", "--json").json
    assert listed["calibration"]["from"] == "collection"
    gone = cli("evaluate", "--uninstall", "--collection", STAFF, "--json")
    assert gone.json == {"uninstalled": True, "collection": STAFF, "model": MODEL}
    assert cli("evaluate", "--uninstall", "-c", STAFF, "--json").json["uninstalled"] is False
    assert "came with faceline" in cli("collections", "show", STAFF).out
    path = installed_path(tmp_path / "models", MODEL)
    path.parent.mkdir(parents=True)
    path.touch()
    assert cli("evaluate", "--uninstall", "--json").json["uninstalled"] is True
    assert not path.exists()


@pytest.mark.parametrize(
    "arguments",
    [(), ("x", "--uninstall"), ("--uninstall", "--install"), ("x", "--target-fmr", "0"), ("x", "--target-fmr", "1")],
)
def test_what_cannot_be_meant_is_refused(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli("evaluate", *arguments).code == 2


def test_a_suggestion_needs_no_more_than_the_listed_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many pairs only the nearest are listed: the suggestion is the same."""
    embedded = of_many(named(400))
    photos = photos_of(embedded, {str(path): name for path, name in named(400)})
    scorer = Scorer(MODEL, Calibration((0.0, 0.2, 0.4), (-0.3, -2.0, -4.0)))
    folds = np.zeros(photos.count, dtype=np.int16)
    whole = suggest(compare_all(photos, scorer, folds), scorer.calibration, 1e-3, 1)
    monkeypatch.setattr("faceline.evaluation.comparisons._LISTED", 5_000)
    part = suggest(compare_all(photos, scorer, folds), scorer.calibration, 1e-3, 1)
    assert part.similarity.value == whole.similarity.value
