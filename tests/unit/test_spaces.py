"""Which spaces a models folder has, and by which scale each compares."""

from pathlib import Path

import numpy as np
import pytest

from faceline.errors import ModelError
from faceline.models.added import Form
from faceline.models.calibrations import Installed, install, installed_path, read_installed
from faceline.models.spaces import BUILTIN, provisional, scorer_of, space_named, space_of, spaces
from faceline.similarity import Calibration, Cohort
from networks import FORM, added

MEASURED = Calibration((0.0, 0.3, 0.5), (-0.301, -3.0, -5.0))


def cohort(dimensions: int) -> Cohort:
    vectors = np.random.default_rng(3).normal(size=(40, dimensions)).astype(np.float32)
    return Cohort(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), 4)


def test_the_built_in_space_needs_no_folder(tmp_path: Path) -> None:
    assert spaces(tmp_path / "none") == [BUILTIN]
    assert space_named("dlib-resnet", tmp_path) == space_of(BUILTIN.model, tmp_path) == BUILTIN


def test_an_added_space_is_found_by_name_and_by_id(tmp_path: Path) -> None:
    space = added(tmp_path, form=Form(template="box-160", mirrored=True, threshold=0.4))
    assert space.model.endswith("+box-160+mirror")
    assert (space.template, space.mirrored, space.dimensions, space.licence) == ("box-160", True, 32, "MIT")
    assert space_named("mine", tmp_path) == space_of(space.model, tmp_path) == space


def test_an_id_that_is_not_here_says_what_to_do(tmp_path: Path) -> None:
    added(tmp_path)
    with pytest.raises(
        ModelError, match=r"no model sface-0ba9fbfa\+arcface-112 in .*only dlib-resnet, mine; .*--name sface"
    ):
        space_of("sface-0ba9fbfa+arcface-112", tmp_path)
    with pytest.raises(ModelError, match=r"no embedder 'sface' in .*faceline models pull"):
        space_named("sface", tmp_path)


def test_a_provisional_scale_is_not_measured_and_asks_for_more_than_the_makers_threshold(tmp_path: Path) -> None:
    scale = scorer_of(added(tmp_path), tmp_path).calibration
    assert not scale.measured
    assert scale == provisional(FORM.threshold)
    assert 50 < float(scale.similarity(FORM.threshold)) < 80
    assert float(scale.similarity(0.0)) == 0
    assert float(scale.similarity(1.0)) > 99
    assert (np.diff(scale.similarity(np.linspace(0, 1, 50, dtype=np.float32))) >= 0).all()


@pytest.mark.parametrize("dimensions", [None, 32])
def test_an_installed_calibration_takes_the_provisional_ones_place(dimensions: int | None, tmp_path: Path) -> None:
    space = added(tmp_path)
    given = cohort(dimensions) if dimensions else None
    path = install(tmp_path, space.model, Installed(MEASURED, given, {"photos": 3}))
    scorer = scorer_of(space, tmp_path)
    assert scorer.calibration == MEASURED
    assert scorer.calibration.measured
    found = read_installed(tmp_path, space.model, 32)
    assert found
    assert found.measured_on == {"photos": 3}
    if given is None:
        assert scorer.cohort is None
    else:
        assert scorer.cohort
        assert scorer.cohort.top == 4
        assert (scorer.cohort.vectors * given.vectors).sum(axis=1).min() > 0.999
    path.unlink()
    assert not scorer_of(space, tmp_path).calibration.measured


def test_the_shipped_calibration_gives_way_to_an_installed_one(tmp_path: Path) -> None:
    shipped = scorer_of(BUILTIN)
    assert shipped.cohort
    install(tmp_path, BUILTIN.model, Installed(MEASURED, None, {}))
    assert scorer_of(BUILTIN, tmp_path).calibration == MEASURED
    assert scorer_of(BUILTIN, tmp_path / "another").calibration == shipped.calibration


def test_a_damaged_calibration_is_refused_by_naming_it(tmp_path: Path) -> None:
    space = added(tmp_path)
    path = install(tmp_path, space.model, Installed(MEASURED, cohort(32), {}))
    good = path.read_bytes()
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
    falling = Calibration((0.5, 0.3, 0.0), (-0.301, -3.0, -5.0))
    install(tmp_path, space.model, Installed(falling, None, {}))
    unsorted = path.read_bytes()
    install(tmp_path, space.model, Installed(MEASURED, cohort(31), {}))
    other_dimensions = path.read_bytes()
    for damaged in (b"", b"PK", good[:middle], flipped, unsorted, other_dimensions):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"\.npz is damaged.*delete it, or make it again"):
            scorer_of(space, tmp_path)


def test_ids_are_good_file_names(tmp_path: Path) -> None:
    form = Form(template="dlib-150", mean=(1.5, 2.0, -3.0), scale=(1 / 128,), channels="bgr", mirrored=True)
    name = installed_path(tmp_path, added(tmp_path, "a.b_c-d", form).model).name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.,+-_")
    assert len(name) < 200
