"""`faceline sql` and `faceline stats`: what they print."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import Cli
from faceline.app import App
from made import open_app
from reports import match, put, report


@pytest.fixture
def app(tmp_path: Path, cli: Cli) -> Iterator[App]:
    with open_app(tmp_path / "faceline-data") as app:
        put(app, report("ada", match("bob", 91.5), match("Zoë, the 'first'", 50.25)))
        put(app, b"{", "output/cut.json")
        yield app


STATS = "SELECT customerid, similarity, suspect_match FROM matchingstats ORDER BY similarity"


@pytest.mark.usefixtures("app")
def test_an_answer_is_a_table_for_people(cli: Cli) -> None:
    result = cli("sql", STATS)
    assert result.code == 0
    assert "suspect_match" in result.out
    assert "50.25" in result.out
    assert result.err.strip() == "left out: 1 file that is no result; see the table unreadable"


@pytest.mark.usefixtures("app")
def test_json_is_a_list_of_objects_in_which_every_column_has_a_name(cli: Cli) -> None:
    sql = "SELECT customerid, customerid, m.face.faceid AS id, m.face.boundingbox AS box"
    sql = f"{sql} FROM (SELECT customerid, matches[1] AS m FROM face_match_output)"
    box = {"Width": 0.25, "Height": 0.5, "Left": 0.125, "Top": 0.0625}
    assert cli("sql", sql, "--json").json == [{"customerid": "ada", "customerid_2": "ada", "id": "face-1", "box": box}]


@pytest.mark.usefixtures("app")
def test_csv_can_be_read_back(cli: Cli) -> None:
    result = cli("sql", f"SELECT *, [1, 2] AS l, NULL AS n FROM ({STATS})", "--csv")
    assert list(csv.reader(io.StringIO(result.out))) == [
        ["customerid", "similarity", "suspect_match", "l", "n"],
        ["ada", "50.25", "Zoë, the 'first'", "[1, 2]", ""],
        ["ada", "91.5", "bob", "[1, 2]", ""],
    ]


@pytest.mark.usefixtures("app")
def test_no_text_in_csv_is_a_formula(cli: Cli) -> None:
    texts = "'=1+1', '+1', '-1', '@x', chr(9) || '=1', chr(13) || '=1', 'a=1', ''"
    result = cli("sql", f"SELECT {texts}, -1.5, -1, '=x' AS \"=x\"", "--csv")
    columns, row = csv.reader(io.StringIO(result.out, newline=""))
    assert row == [*("'=1+1", "'+1", "'-1", "'@x", "'\t=1", "'\r=1", "a=1", ""), "-1.5", "-1", "'=x"]
    assert columns[-1] == "'=x"


@pytest.mark.usefixtures("app")
def test_rows_beyond_the_limit_are_told(cli: Cli) -> None:
    result = cli("sql", STATS, "--limit", 1, "--json")
    assert len(result.json) == 1
    assert "the first 1 rows; --limit asks for more" in result.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "give a query"),
        (["SELECT 1", "--compact"], "give a query"),
        (["SELECT 1", "--csv", "--json"], "two forms"),
        (["--compact", "--csv"], "answers no query"),
        (["DROP VIEW records"], "only reading is possible"),
        (["SELECT * FROM nowhere"], "nowhere does not exist"),
    ],
)
@pytest.mark.usefixtures("app")
def test_what_cannot_be_asked_is_a_message(arguments: list[str], reason: str, cli: Cli) -> None:
    result = cli("sql", *arguments)
    assert result.code == 2
    assert reason in result.err
    assert "Traceback" not in result.err


def test_without_a_data_directory_none_is_made(cli: Cli, tmp_path: Path) -> None:
    for command in (("sql", "SELECT 1"), ("sql", "--compact"), ("stats",)):
        result = cli(*command)
        assert result.code == 2
        assert "there is no faceline data" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("app")
def test_compacting_tells_what_was_copied(cli: Cli) -> None:
    done = {each["table"]: each for each in cli("sql", "--compact", "--json").json}
    assert (done["reports"]["added"], done["reports"]["parts"], done["clips"]["added"]) == (1, 1, 0)
    shown = cli("sql", "--compact")
    assert (shown.code, "reports" in shown.out) == (0, True)


@pytest.mark.usefixtures("app")
def test_statistics_are_printed_and_drawn(cli: Cli, tmp_path: Path) -> None:
    shown = cli("stats", "--plot", "found.svg")
    assert shown.code == 0
    assert "0 faces, 1 match report, 2 matches" in shown.out
    assert "90–95" in shown.out
    assert "1 file that is no report" in shown.err
    assert "1 match report" in (tmp_path / "found.svg").read_text(encoding="utf-8")
    found = cli("stats", "--json", "--since", "2000-01-01").json
    assert found["similarities"][18] == {"from": 90, "to": 95, "matches": 1}
    assert (found["suspects"][0]["customer"], found["since"]) == ("ada", "2000-01-01T00:00:00Z")


@pytest.mark.usefixtures("app")
def test_a_time_that_is_none_is_a_message(cli: Cli) -> None:
    result = cli("stats", "--since", "yesterday")
    assert (result.code, "is not a time" in result.err) == (2, True)


DOCS = Path(__file__).parents[2] / "docs"
PRINTED = [
    query.replace("\\\n", "\n")
    for page in (DOCS / "how-to" / "query-results-with-sql.md", DOCS / "reference" / "sql.md")
    for query in re.findall(r'^faceline sql "([^"]+)"', page.read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize("query", PRINTED, ids=range(len(PRINTED)))
def test_queries_in_the_docs_run(query: str, app: App) -> None:
    assert app.lake.query(query).table.columns


def test_every_table_and_column_is_described(app: App) -> None:
    described = (DOCS / "reference" / "sql.md").read_text(encoding="utf-8")
    ours = "schema_name = 'main' AND NOT internal"
    columns = app.lake.query(f"SELECT table_name, column_name FROM duckdb_columns() WHERE {ours}", 1000)
    assert len(columns.table.rows) > 80
    assert [name for row in columns.table.rows for name in row if f"`{name}`" not in described] == []
