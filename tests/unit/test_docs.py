"""The docs keep up with the code: settings, commands, errors, routes, figures, links, and the commands they print."""

import ast
import inspect
import json
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from starlette.routing import Route
from typer.main import get_command

from faceline import errors
from faceline.app import App
from faceline.cli.main import app
from faceline.config import Settings, load
from faceline.models.catalogue import CATALOGUE
from faceline.similarity import Rule
from faceline.web.server import create

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
# Written in parts, so that this file does not name them itself.
REGISTRIES = tuple(
    ".".join(parts).encode()
    for parts in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("anaconda", "org"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
    )
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


@cache
def tracked() -> list[Path]:
    """The files that git tracks or would; outside of a checkout, all that are not hidden."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        return [ROOT / name for name in names if name and (ROOT / name).is_file()]
    found = (path for path in ROOT.rglob("*") if path.is_file())
    return [path for path in found if not any(p.startswith(".") for p in path.relative_to(ROOT).parts)]


def markdown() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(language: str, paths: list[Path] | None = None) -> list[Any]:
    """The fenced blocks in this language, as parameters named by their file and number."""
    found = []
    for path in markdown() if paths is None else paths:
        texts = [text for kind, text in FENCE.findall(path.read_text(encoding="utf-8")) if kind == language]
        found += [pytest.param(text, id=f"{named(path)}-{n}") for n, text in enumerate(texts, start=1)]
    return found


def rows(path: Path) -> Iterator[list[str]]:
    """The cells of every table row."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


# Settings


def said(default: object) -> str:
    if default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if default in ((), ""):
        return "empty"
    return f"{default:g}" if isinstance(default, float) else str(default)


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: str(field.name))
def test_every_setting_is_described_with_its_default(field: msgspec.structs.FieldInfo) -> None:
    described = {cells[0]: cells[1].replace("_", "") for cells in rows(REFERENCE / "settings.md")}
    assert described.get(f"`{field.name}`") == said(field.default).replace("_", "")


def test_no_setting_is_described_that_does_not_exist() -> None:
    described = {cells[0].strip("`") for cells in rows(REFERENCE / "settings.md") if cells[0].startswith("`")}
    assert described == {field.name for field in msgspec.structs.fields(Settings)}


@pytest.mark.parametrize("text", blocks("toml"))
def test_settings_files_in_the_docs_can_be_used(text: str, tmp_path: Path) -> None:
    (tmp_path / "faceline.toml").write_text(text, encoding="utf-8")
    said = tomllib.loads(text)
    flat = {key: value for key, value in said.items() if not isinstance(value, dict)}
    tables = {name: inner for name, inner in said.items() if isinstance(inner, dict)}
    flat |= {f"{name}_{key}": value for name, inner in tables.items() for key, value in inner.items()}
    loaded = load(environment={}, directory=tmp_path)
    assert loaded == msgspec.convert(flat, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
    assert loaded != Settings()


# Commands


def commands(command: Any, name: str = "faceline") -> Iterator[tuple[str, Any]]:
    """Every command with its full name, groups before what is in them."""
    yield name, command
    for child, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, f"{name} {child}")


def sections(path: Path) -> dict[str, str]:
    """What stands below each heading that is a command, by the command without its arguments."""
    parts = re.split(r"^## `(.+)`\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    heads = (re.sub(r" [^a-z].*", "", head) for head in parts[1::2])
    return dict(zip(heads, parts[2::2], strict=True))


# They do nothing by themselves and have no section.
_GROUPS = ("faceline dead-letters", "faceline frames", "faceline models", "faceline notifications", "faceline review")
COMMANDS = [pair for pair in commands(get_command(app)) if pair[0] not in _GROUPS]


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_is_described_with_all_its_options(name: str, command: Any) -> None:
    section = sections(REFERENCE / "cli.md")[name]
    options = {o for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("-")} - {"--help", "-h"}
    described = set(re.findall(r"`(--?[a-z][a-z-]*)`", "".join(re.findall(r"^\| `-.*", section, re.MULTILINE))))
    assert described - {"-vv"} == options


def test_no_command_is_described_that_does_not_exist() -> None:
    assert set(sections(REFERENCE / "cli.md")) == {name for name, _ in COMMANDS}


def printed_commands(text: str) -> Iterator[list[str]]:
    """The arguments of each `faceline …` in a shell block; placeholders in angle or square brackets are left out."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars="&|;()>")
        words.whitespace_split = True
        part: list[str] = []
        for word in [*words, ";"]:
            if set(word) <= set("&|;()>"):
                yield from _faceline_arguments(part)
                part = []
            else:
                part.append(word)


def _faceline_arguments(words: list[str]) -> Iterator[list[str]]:
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    placeholder = any(mark in word for word in words for mark in ("…", "[", "<"))
    if words and words[0].rpartition("/")[2] == "faceline" and not placeholder:
        yield words[1:]


def test_printed_commands_are_found_behind_variables_paths_and_other_commands() -> None:
    lines = ("FACELINE_PORT=1 faceline up", "cd x && .venv/bin/faceline put \\", "  a.jpg  # why", "ls | grep faceline")
    text = "\n".join((*lines, "faceline put …", "faceline up <DIR>"))
    assert list(printed_commands(text)) == [["up"], ["put", "a.jpg"]]


@pytest.mark.parametrize("text", blocks("sh"))
def test_printed_commands_parse(text: str) -> None:
    for arguments in printed_commands(text):
        tree = get_command(app)
        for _, command in commands(tree):
            command.callback = lambda *_, **__: None  # parsed, not run
        tree.main(arguments, prog_name="faceline", standalone_mode=False)


@pytest.mark.parametrize("text", [*blocks("sh"), *blocks("ini")])
def test_printed_variables_are_settings(text: str) -> None:
    names = {name.lower() for name in re.findall(r"\bFACELINE_([A-Z_]+)=", text)}
    assert names <= {field.name for field in msgspec.structs.fields(Settings)}


def test_a_command_with_an_unknown_option_does_not_parse() -> None:
    with pytest.raises(Exception, match="--no-such-option"):
        test_printed_commands_parse("faceline put a.jpg --no-such-option\n")


# Errors, routes, models


ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: str(kind.__name__))
def test_every_error_is_described(kind: type[Exception]) -> None:
    assert f"`{kind.__name__}`" in {cells[0] for cells in rows(REFERENCE / "errors.md")}


def test_the_drawn_tree_of_errors_is_the_real_one() -> None:
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    tree = next(block for kind, block in FENCE.findall(text) if not kind)
    parents = [errors.FacelineError]
    for line in tree.splitlines():
        depth, name = (len(line) - len(line.lstrip("│├└─ "))) // 4, line.lstrip("│├└─ ")
        kind = getattr(errors, name)
        assert depth == 0 or kind.__base__ is parents[depth - 1]
        parents[depth:] = [kind]
    assert tree.count("Error") == len(ERRORS)


def routes() -> list[str]:
    """`METHOD /path/{parameter}` of all routes."""
    app = cast(App, SimpleNamespace(settings=Settings()))
    found = [r for r in create(app, "key", print).routes if isinstance(r, Route)]
    return [f"{m} {re.sub(r':[a-z]+}', '}', r.path)}" for r in found for m in sorted((r.methods or set()) - {"HEAD"})]


@pytest.mark.parametrize("route", routes())
def test_every_route_is_described(route: str) -> None:
    page = "api.md" if " /api/" in route else "http.md"
    assert route in {cells[0].strip("`").partition("?")[0] for cells in rows(REFERENCE / page)}


@pytest.mark.parametrize("weights", CATALOGUE, ids=lambda weights: str(weights.name))
def test_every_model_is_in_the_notices_with_its_licence(weights: Any) -> None:
    distribution = weights.distribution
    lines = [" ".join(cells) for cells in rows(ROOT / "NOTICE.md")]
    line = next(line for line in lines if f"`{distribution.name}` {distribution.version}" in line)
    assert line.endswith(weights.licence)
    assert Path(weights.member).name.partition("net.")[2] in line


# Figures


def similarity_rows(columns: int) -> list[list[str]]:
    found = rows(ROOT / "docs" / "concepts" / "similarity.md")
    return [cells for cells in found if len(cells) == columns and re.fullmatch(r"[\d,.]+", cells[0])]


def test_the_similarities_that_a_name_needs_are_those_of_the_rule() -> None:
    table = {cells[0]: cells[1] for cells in similarity_rows(2) if re.fullmatch(r"\d+\.\d\d", cells[1])}
    people = (1, 10, 50, 100, 500, 1_000, 10_000, 100_000)
    assert table == {f"{n:,}": f"{Rule().threshold(n):.2f}" for n in people}


def one_in(text: str) -> float:
    number, _, unit = text.removeprefix("1 in ").partition(" ")
    return float(number.replace(",", "")) * (1e6 if unit == "million" else 1)


def test_the_intervals_of_the_calibration_are_those_that_ship() -> None:
    text = (files("faceline.models") / "data" / "dlib-resnet-v1.calibration.json").read_text("utf-8")
    shipped = json.loads(text)
    of_rate = {round(10**-rate): ends for rate, ends in zip(shipped["log_rates"], shipped["intervals"], strict=True)}
    claims = {"a million": "1000000"}
    table = similarity_rows(3)
    assert len(table) == 6
    for _, claimed, interval in table:
        claim = one_in(f"1 in {claims.get(claimed.removeprefix('1 in '), claimed.removeprefix('1 in '))}")
        low, high = of_rate[round(claim)]
        assert [one_in(end) for end in interval.split(" to ")] == pytest.approx([10**-low, 10**-high], rel=0.02)


# Links, addresses, code


def anchors(path: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", markdown(), ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in ("".join(found) for found in LINK.findall(text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = Path(os.path.normpath(page.parent / name)) if name else page
        assert path.exists(), f"{named(page)} → {target}"
        assert not anchor or anchor in anchors(path), f"{named(page)} → {target}"


def test_no_file_names_a_package_registry() -> None:
    found = [(named(path), host) for path in tracked() for host in REGISTRIES if host in path.read_bytes().lower()]
    assert found == []


@pytest.mark.parametrize("text", blocks("python"))
def test_python_in_the_docs_is_python(text: str) -> None:
    ast.parse(text)
