"""That the benchmarks count and print rightly; they are never run here."""

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NAMES = ("reporting", "recall", "run_all", "processes", "worker")


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """The benchmarks' modules, importable only while these tests run: they are scripts beside each other."""
    sys.path.insert(0, str(BENCHMARKS))
    yield {name: importlib.import_module(name) for name in NAMES}
    sys.path.remove(str(BENCHMARKS))
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture
def reporting(modules: dict[str, ModuleType]) -> ModuleType:
    return modules["reporting"]


@pytest.fixture
def recall(modules: dict[str, ModuleType]) -> ModuleType:
    return modules["recall"]


def test_a_ratio_says_how_many_times_more_the_other_takes(reporting: ModuleType) -> None:
    assert reporting.times_less(50.0, 300.0) == 6.0


def test_nothing_is_compared_with_a_cost_of_zero(reporting: ModuleType) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        reporting.times_less(0.0, 300.0)


def test_a_spread_is_the_median_and_both_ends(reporting: ModuleType) -> None:
    assert reporting.spread([3.0, 100.0, 1.5, 2.25]) == "2.62 (1.50–100)"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (42, "42"), (0.123, "0.12"), (9.876, "9.88"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_numbers_have_three_figures(reporting: ModuleType, value: float, text: str) -> None:
    assert reporting.number(value) == text


def test_a_table_has_a_line_for_each_row_and_one_below_the_head(reporting: ModuleType) -> None:
    lines = reporting.table(("a", "b"), [("1", "2"), ("3", "4")]).splitlines()
    assert lines == ["| a | b |", "| --- | --- |", "| 1 | 2 |", "| 3 | 4 |"]


@pytest.mark.parametrize(
    ("value", "at_least", "reached"), [(6.0, True, True), (5.99, True, False), (6.0, False, True), (6.01, False, False)]
)
def test_a_bar_is_reached_at_its_limit(reporting: ModuleType, value: float, at_least: bool, reached: bool) -> None:
    bar = reporting.Bar("cost", value, 6.0, at_least, "x")
    assert bar.reached is reached
    assert bar.row()[1:] == [
        f"{value:.3g} x",
        f"{'≥' if at_least else '≤'} 6 x",
        "reached" if reached else "**missed**",
    ]


def test_a_section_opens_with_its_command_and_its_machine(
    reporting: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(BENCHMARKS / "peers.py"), "--data", "a b"])
    text = reporting.machine({"torch": "2.13.0"})
    assert text.startswith("`python benchmarks/peers.py --data 'a b'`\n")
    assert "VNNI: " in text
    assert "torch 2.13.0" in text


def test_true_boxes_are_found_by_overlap_or_by_the_centre(recall: ModuleType) -> None:
    true = (10.0, 10.0, 20.0, 20.0)
    assert recall.found_boxes([true], [(12.0, 12.0, 20.0, 20.0)]) == 1
    assert recall.found_boxes([true], [(0.0, 0.0, 60.0, 60.0)]) == 1  # centre at 30, 30
    assert recall.found_boxes([true], [(40.0, 40.0, 20.0, 20.0)]) == 0
    assert recall.found_boxes([true], []) == 0


def test_one_detection_finds_one_true_box(recall: ModuleType) -> None:
    true = [(0.0, 0.0, 10.0, 10.0), (1.0, 0.0, 10.0, 10.0)]
    assert recall.found_boxes(true, [true[0]]) == 1
    assert recall.found_boxes(true, list(reversed(true))) == 2


def test_overlap_is_intersection_over_union(recall: ModuleType) -> None:
    assert recall.iou((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert recall.iou((0, 0, 10, 10), (20, 20, 5, 5)) == 0


def test_the_file_of_true_boxes_is_grouped_by_photo(recall: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("file,left,top,width,height,split\na.jpg,1,2,3,4,t\nb.jpg,5,6,7,8,t\na.jpg,9,9,9,9,t\n")
    assert recall.true_boxes(path) == {"a.jpg": [(1, 2, 3, 4), (9, 9, 9, 9)], "b.jpg": [(5, 6, 7, 8)]}


def test_settings_reach_faceline_by_its_variables(modules: dict[str, ModuleType]) -> None:
    ours = modules["processes"].FACELINE.with_settings(precision="int8", min_face_px="20")
    assert ours.environment == {"FACELINE_PRECISION": "int8", "FACELINE_MIN_FACE_PX": "20"}


def test_a_worker_counts_repetitions_and_not_the_first_round(modules: dict[str, ModuleType]) -> None:
    class Engine:
        packages = ()
        uncounted_s = 0.0
        calls = 0

        def analyze(self, photo: str) -> list[tuple[float, ...]]:
            self.calls += 1
            return [(0, 0, 1, 1)] * len(photo)

    engine = Engine()
    answer = modules["worker"].cpu(engine, {"photos": ["a", "bb"], "repetitions": 3})
    assert answer["faces"] == 3
    assert len(answer["milliseconds"]) == 3
    assert engine.calls == 8


def test_sections_get_deeper_headings(modules: dict[str, ModuleType]) -> None:
    assert modules["run_all"].deeper("# A\ntext # not\n## B\n") == "## A\ntext # not\n### B\n"


def test_all_runs_every_benchmark_that_is_there(modules: dict[str, ModuleType]) -> None:
    given = argparse.Namespace(
        data=Path("data"), peers=Path("python"), face_recognition_models=None, quick=False, out=Path("out.md")
    )
    scripts = [Path(command[0]) for command in modules["run_all"].commands(given)]
    names = ["peers", "enrolment", "search", "load", "frames", "videos", "scan", "matching", "pages"]
    names += ["lambda_cold_start", "accuracy"]
    assert [script.stem for script in scripts] == names
    assert all(script.is_file() for script in scripts)
