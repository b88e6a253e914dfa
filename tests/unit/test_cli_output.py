"""How results are printed: one JSON document, or text that no file name can break."""

import io
import json
import sys

import pytest

from faceline.cli.output import note, print_json, print_table, print_text, progress_bar


def printed(monkeypatch: pytest.MonkeyPatch, encoding: str, document: object) -> bytes:
    raw = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        print_json(document)
        return raw.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
@pytest.mark.parametrize("name", ["plain.jpg", "Zoë 写真 👤.jpg", "not utf-8 \udcff.jpg"], ids=ascii)
def test_json_can_be_read_whatever_the_terminal_and_the_names(
    monkeypatch: pytest.MonkeyPatch, encoding: str, name: str
) -> None:
    assert json.loads(printed(monkeypatch, encoding, [{"source": name}]).decode(encoding)) == [{"source": name}]


def test_json_is_readable_where_the_terminal_can_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Zoë".encode() in printed(monkeypatch, "utf-8", "Zoë")


def test_a_table_shows_brackets_as_they_are_none_as_a_dash_and_paths_unfolded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "/home/ada/" + "photos/" * 40 + "[bold]ada[/bold].jpg"
    print_table(("photo", "who", "similarity"), [(long, None, 97.256), ("b.jpg", "[red]Zoë", 3)])
    out = capsys.readouterr().out
    assert long in out
    assert "–" in out
    assert "97.26" in out
    assert "[red]Zoë" in out


def test_notes_go_to_standard_error_and_text_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    note("faceline: [ada].jpg is broken")
    print_text("[ada] is enrolled")
    out, err = capsys.readouterr()
    assert (out, err) == ("[ada] is enrolled\n", "faceline: [ada].jpg is broken\n")


def test_no_progress_is_shown_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("photos", 3) as advance:
        advance(3)
    assert capsys.readouterr() == ("", "")
