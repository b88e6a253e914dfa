"""The report on made embeddings: what is in it, and in its document, table and plot."""

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from faceline.errors import InputError, UsageError
from faceline.evaluation.document import percent, rate_label, report_document, report_table
from faceline.evaluation.plot import save_plot
from faceline.evaluation.rates import Estimate
from faceline.evaluation.report import Report, evaluate
from faceline.similarity import Calibration, Scorer
from labelled import CALIBRATION, PLAIN, SCORER, embed, tree


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tree(tmp_path, [3] * 40 + [1] * 20, "p0/miss.jpg")


@pytest.fixture
def report(folder: Path) -> Report:
    return evaluate(folder, embed, SCORER)


def test_a_folder_gives_all_pairs_and_one_against_all(report: Report) -> None:
    document = json.loads(json.dumps(report_document(report)))
    assert document["model"] == "made"
    assert document["calibrated"] is True
    assert (document["photos"], document["people"]) == (141, 60)
    assert document["pairs"] == 141 * 140 // 2
    assert document["same_pairs"] == 39 * 3 + 6
    assert document["folds"] == 10
    assert 0.8 < document["accuracy"] <= 1
    assert 0 <= document["threshold"] <= 99.99
    assert set(document["tar"]) == {"1e-2", "1e-3", "1e-4", "1e-5"}
    low, high = document["tar"]["1e-2"]["ci95"]
    assert 0 <= low <= document["tar"]["1e-2"]["value"] <= high <= 1
    assert document["tar"]["1e-4"] is None
    assert 0.8 < document["rank1"] < 1
    assert document["tpir"] == {"1e-2": None, "2e-2": None, "5e-2": None}
    assert document["cosine"]["rank1"] > 0.8
    assert document["rule"]["people"] == 40
    assert document["missed"] == [{"source": document["missed"][0]["source"], "reason": "no face"}]


def test_known_probes_with_a_missed_photo_are_not_found(report: Report) -> None:
    document = report_document(report)
    # 80 of them were searched, one was missed.
    assert document["rank1"] <= 80 / 81 + 1e-5


def test_without_a_second_photo_of_anybody_there_is_no_one_against_all(tmp_path: Path) -> None:
    document = report_document(evaluate(tree(tmp_path, [1] * 30), embed, SCORER))
    assert not {"rank1", "tpir", "rule"} & set(document)
    assert document["accuracy"] is None


def test_without_a_cohort_the_cosine_is_not_reported_twice(folder: Path) -> None:
    assert "cosine" not in report_document(evaluate(folder, embed, PLAIN))


@pytest.mark.parametrize("given", [True, False])
def test_pairs_are_verified_over_their_folds_or_made_ones(tmp_path: Path, given: bool) -> None:
    tree(tmp_path, [2] * 60, "p0/miss.jpg")
    lines = [f"p{i}/0.jpg,p{i}/1.jpg,1,{i % 3}" for i in range(60)]
    lines += [f"p{i}/0.jpg,p{(i + 7) % 60}/1.jpg,0,{i % 3}" for i in range(60)]
    lines += ["p0/miss.jpg,p1/0.jpg,0,0"]
    kept = ["path_a,path_b,same,fold", *lines] if given else ["path_a,path_b,same", *(x[:-2] for x in lines)]
    (tmp_path / "pairs.csv").write_text("\n".join(kept))
    document = report_document(evaluate(tmp_path / "pairs.csv", embed, SCORER))
    assert (document["pairs"], document["people"], document["folds"]) == (121, 60, 3 if given else 10)
    assert 0.85 < document["accuracy"] <= 120 / 121 + 1e-5
    assert set(document["tar"].values()) == {None}
    assert "rank1" not in document


def test_one_fold_alone_is_no_cross_validation(tmp_path: Path) -> None:
    tree(tmp_path, [2] * 20)
    lines = [f"p{i}/0.jpg,p{(i + k) % 20}/1.jpg,{int(k == 0)},1" for i in range(20) for k in (0, 3)]
    (tmp_path / "pairs.csv").write_text("\n".join(["path_a,path_b,same,fold", *lines]))
    assert evaluate(tmp_path / "pairs.csv", embed, SCORER).folds == 10


def test_a_target_that_is_not_there_or_has_no_face_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        evaluate(tmp_path / "gone", embed, SCORER)
    with pytest.raises(InputError, match="no photo can be used"):
        evaluate(tree(tmp_path, [], "p0/miss.jpg"), embed, SCORER)


def test_the_table_says_what_the_document_says(report: Report) -> None:
    console = Console(width=140)
    with console.capture() as captured:
        console.print(report_table(report))
    text = captured.get()
    for part in ("rank-1", "TAR at FMR 1e-2", "plain cosine", "strangers named", "1 in 1,000", "no face"):
        assert part in text


def test_a_provisional_scale_is_named_so(folder: Path) -> None:
    provisional = Scorer("made", Calibration(CALIBRATION.scores, CALIBRATION.log_rates, measured=False))
    report = evaluate(folder, embed, provisional)
    assert report_document(report)["calibrated"] is False
    console = Console(width=140)
    with console.capture() as captured:
        console.print(report_table(report))
    assert "provisional" in captured.get()


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_plot_is_written(report: Report, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"plot.{suffix}"
    save_plot(report, path)
    assert path.stat().st_size > 5_000


def test_a_plot_of_another_kind_or_in_no_folder_is_refused(report: Report, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(UsageError, match=r"\.png, \.pdf or \.svg"):
        save_plot(report, tmp_path / "plot.txt")
    with pytest.raises(UsageError, match="cannot be written"):
        save_plot(report, tmp_path / "gone" / "plot.png")


def test_without_matplotlib_the_extra_is_named(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UsageError, match=r"pip install matplotlib"):
        save_plot(report, tmp_path / "plot.png")


def test_rates_and_estimates_are_written_as_people_read_them() -> None:
    assert [rate_label(rate) for rate in (1e-2, 1e-5, 2e-2)] == ["1e-2", "1e-5", "2e-2"]
    assert percent(None) == "–"
    assert percent(Estimate(0.5, None)) == "50.00 %"
    assert percent(Estimate(0.98, (0.97, 0.99))) == "98.00 % (97.00–99.00)"
