"""A detector and an embedder of the user's own, added by the commands, on real photos."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from acceptance.conftest import linked
from commands import Cli, run
from faceline.app import App
from faceline.config import Settings
from faceline.evaluation.embedded import EmbeddedPhotos, embed_photos
from faceline.evaluation.install import install
from faceline.loading import image_limits, open_analyzer, wanted
from faceline.models.spaces import provisional, scorer_of, space_named
from faceline.similarity import pair_scores

THRESHOLD = 0.28


@pytest.fixture(scope="module")
def folder(models_dir: Path, test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in models, with YuNet and the ArcFace MobileFaceNet of the reference data."""
    made = linked(models_dir, tmp_path_factory.mktemp("models"))
    models = test_data / "models"
    terms = ("--license", "unknown", "--non-commercial", "--accept-license", "--threshold", str(THRESHOLD))
    embedder = (models / "mobilefacenet_arcface_128d.onnx", "--name", "mobilefacenet", "--template", "arcface-112")
    for arguments in ((models / "face_detection_yunet_2026may.onnx", "--license", "MIT"), (*embedder, *terms)):
        done = run(made, "models", "add", *arguments, FACELINE_MODELS_DIR=str(made))
        assert done.code == 0, done.err
    return made


@pytest.fixture(scope="module")
def lfw(folder: Path, test_data: Path) -> tuple[EmbeddedPhotos, list[dict[str, str]]]:
    """The photos of all pairs, and the pairs."""
    with (test_data / "lfw" / "pairs.csv").open(newline="") as file:
        pairs = list(csv.DictReader(file))
    paths = sorted({test_data / "lfw" / pair[side] for pair in pairs for side in ("path_a", "path_b")})
    settings = Settings(models_dir=folder, detector="yunet", model="mobilefacenet")
    photos = [(path, path.parent.name) for path in paths]
    embedded = embed_photos(photos, open_analyzer(settings), image_limits(settings), 2, None, wanted(settings))
    assert embedded.missed == ()
    return embedded, pairs


def test_they_tell_992_of_1000_pairs_of_lfw_right(
    lfw: tuple[EmbeddedPhotos, list[dict[str, str]]], test_data: Path
) -> None:
    """Every fold is judged at the threshold that is best for the two others."""
    photos, pairs = lfw
    row_of = {path: row for row, path in enumerate(photos.paths)}
    sides = [[row_of[str(test_data / "lfw" / pair[side])] for pair in pairs] for side in ("path_a", "path_b")]
    cosines = (photos.embeddings[sides[0]] * photos.embeddings[sides[1]]).sum(axis=1)
    same = np.array([pair["same"] == "1" for pair in pairs])
    fold_of = np.array([pair["fold"] for pair in pairs])
    right = []
    for fold in np.unique(fold_of):
        own = fold_of == fold
        right += ((cosines[own] >= _best(cosines[~own], same[~own])) == same[own]).tolist()
    assert len(right) == 1800
    assert np.mean(right) >= 0.992  # measured: 0.9961


def _best(cosines: NDArray[np.float32], same: NDArray[np.bool_]) -> float:
    """The threshold that tells most pairs right."""
    candidates = np.unique(cosines)
    right = [((cosines >= candidate) == same).mean() for candidate in candidates]
    return float(candidates[int(np.argmax(right))])


def test_strangers_are_rarer_than_the_provisional_scale_says(
    lfw: tuple[EmbeddedPhotos, list[dict[str, str]]],
) -> None:
    photos, _ = lfw
    cosines = photos.embeddings @ photos.embeddings.T
    strangers = cosines[np.triu(photos.people[:, None] != photos.people[None], 1)]
    scale = provisional(THRESHOLD)
    for similarity, rate in ((50.0, 1e-2), (80.0, 1e-3), (90.0, 1e-4)):
        assert (strangers >= scale.score_at(similarity)).mean() < rate


def test_a_calibration_of_ones_own_holds_for_other_people(
    lfw: tuple[EmbeddedPhotos, list[dict[str, str]]], folder: Path
) -> None:
    """Half of the people calibrate, the others are measured."""
    photos, _ = lfw
    own = np.isin(photos.people, np.unique(photos.people)[::2])
    space = space_named("mobilefacenet", folder)
    ours = replace(photos, embeddings=photos.embeddings[own], people=photos.people[own])
    path, _ = install(folder, space.model, ours)
    scorer = scorer_of(space, folder)
    path.unlink()
    assert scorer.calibration.measured
    others = scorer.normalise(photos.embeddings[~own])
    apart = np.triu(photos.people[~own][:, None] != photos.people[~own][None], 1)
    strangers = pair_scores(others, others)[apart]
    for similarity, rate in ((50.0, 1e-2), (80.0, 1e-3)):
        assert rate / 3 < (strangers >= scorer.calibration.score_at(similarity)).mean() < rate * 3


def test_people_are_named_with_them_and_a_collection_keeps_its_model(
    folder: Path, lfw: tuple[EmbeddedPhotos, list[dict[str, str]]], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, _ = lfw
    names, counts = np.unique(photos.people, return_counts=True)
    person = str(names[counts >= 3][0])
    first, second, probe, *_ = [p for p, name in zip(photos.paths, photos.people, strict=True) if name == person]
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(folder))
    monkeypatch.setenv("FACELINE_DETECTOR", "yunet")
    monkeypatch.setenv("FACELINE_MODEL", "mobilefacenet")
    assert cli("enroll", first, second, "--name", person).code == 0
    monkeypatch.setenv("FACELINE_MODEL", "dlib-resnet")
    (document,) = cli("identify", probe, "--json").json
    assert document["faces"][0]["name"] == person
    with App(Settings(models_dir=folder)) as app:
        assert app.collections.models() == {"my-face-collection": space_named("mobilefacenet", folder).model}
    compared = cli("compare", first, second, "--json").json
    assert compared["model"].startswith("mobilefacenet-")
    assert compared["calibrated"] is False
