"""What a query may and may not do."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from faceline.analytics import asking
from faceline.analytics.guard import needed
from faceline.analytics.tables import Tables
from faceline.app import App
from faceline.errors import MissingExtraError, UsageError
from made import open_app
from reports import match, put, report, rows

MEMORY_MB = 256
READS = (
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_json('{secret}')",
    "SELECT * FROM read_parquet('{secret}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM parquet_metadata('{secret}')",
)
WRITES = (
    "COPY records TO '{folder}/stolen.csv'",
    "EXPORT DATABASE '{folder}/stolen'",
    "ATTACH '{folder}/stolen.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
)
UNLOCKING = (
    "SET enable_external_access = true",
    "SET memory_limit = '1TB'",
    "SET temp_directory = '{folder}'",
    "RESET lock_configuration",
)
# What DuckDB alone lets pass.
OTHERS = (
    "PRAGMA database_list",
    "CALL pragma_version()",
    "CREATE TABLE mine (a INTEGER)",
    "INSERT INTO lake.reports FROM lake.reports",
    "UPDATE lake.reports SET key = ''",
    "DELETE FROM lake.reports",
    "DROP VIEW records",
    "EXPLAIN SELECT 1",
    "BEGIN",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW records",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('records')",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM enable_logging(storage = 'file')",
    "SELECT * FROM enable_profiling(save_location = '{folder}/p')",
    "SELECT (SELECT count(*) FROM Query('SELECT 1'))",
    "WITH a AS (FROM read_text('{secret}')) FROM a",
)


@pytest.fixture
def tables() -> Iterator[Tables]:
    made = Tables(MEMORY_MB)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.csv").write_text("secret\n1\n")
    return tmp_path


def said(sql: str, folder: Path) -> str:
    return sql.format(folder=folder, secret=folder / "secret.csv")


@pytest.mark.parametrize("sql", [*READS, *WRITES, *UNLOCKING, *OTHERS])
def test_a_query_that_is_no_plain_reading_is_refused_before_it_runs(sql: str, tables: Tables, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"is one SELECT|cannot be used here"):
        needed(tables, said(sql, folder))


@pytest.mark.parametrize("sql", [*READS, *WRITES, *UNLOCKING, "SELECT * FROM '{secret}'"])
def test_the_locked_database_refuses_by_itself_too(sql: str, tables: Tables, folder: Path) -> None:
    tables.lock()
    with pytest.raises(duckdb.Error):
        tables.run(said(sql, folder))
    assert [path.name for path in folder.iterdir()] == ["secret.csv"]


@pytest.mark.parametrize("sql", ["SELECT * FROM '{secret}'", "SELECT * FROM tables", "SELECT * FROM os"])
def test_neither_files_nor_our_own_variables_are_tables(sql: str, made_app: App, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"does not exist|reads no files"):
        made_app.lake.query(said(sql, folder))


@pytest.mark.parametrize(
    "sql", ["SHOW TABLES", "DESCRIBE records", "SUMMARIZE records", "VALUES (1)", "FROM range(3)", "SELECT 1; -- one"]
)
def test_ways_of_reading(sql: str, tables: Tables) -> None:
    assert set(needed(tables, sql)) <= {"records"}


def test_only_what_a_query_names_is_read(tables: Tables) -> None:
    assert needed(tables, "SELECT count(*) FROM MatchingStats") == ["reports"]
    assert needed(tables, "SELECT * FROM faceRecognitionResults r, appearances") == ["clips", "records"]
    assert needed(tables, "SELECT * FROM unreadable") == ["clips", "processed", "reports"]
    assert needed(tables, "SELECT 1") == []


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELEC", "this is no SQL: syntax error"),
        (" \n", "the query is empty"),
        ("-- nothing", "0 statements"),
        ("SELECT * FROM nowhere", "nowhere does not exist"),
        ("SELECT persn FROM records", '"persn" not found'),
        ("SELECT 'x'::INTEGER", "Could not convert"),
        ("SELECT '\ud800'", "not valid Unicode"),
        (f"SELECT {'(' * 3000}1{')' * 3000}", "the query is nested too deeply"),
        (f"SELECT {'+'.join('1' * 900)}", "the query is nested too deeply"),
        (f"SELECT {'[' * 150}1{']' * 150}", "the answer is nested too deeply"),
    ],
)
def test_mistakes_are_told_in_words(sql: str, reason: str, made_app: App) -> None:
    with pytest.raises(UsageError, match=reason):
        made_app.lake.query(sql)


def test_every_type_becomes_something_that_json_can_say(made_app: App) -> None:
    sql = """SELECT 'NaN'::DOUBLE a, '\\xAA'::BLOB b, INTERVAL 1 DAY c, DATE '2026-01-31' d, 1.50::DECIMAL(5, 2) e,
        TIMESTAMPTZ '2026-01-31 12:00:00+02' f, [TIMESTAMPTZ '2026-01-31 12:00:00+00'] g, {'k': [1]} h, MAP {'m': 1} i,
        (2::HUGEINT ** 100)::HUGEINT j, TIME '10:00' k, NULL l, true m"""
    answer = made_app.lake.query(sql)
    assert answer.table.columns == tuple("abcdefghijklm")
    assert answer.table.rows == [
        [
            *(None, "aa", "1 day, 0:00:00", "2026-01-31", 1.5, "2026-01-31T10:00:00", "['2026-01-31 12:00:00+00']"),
            *({"k": [1]}, {"m": 1}, 2**100, "10:00:00", None, True),
        ]
    ]


def test_no_more_rows_come_than_were_asked_for(made_app: App) -> None:
    answer = made_app.lake.query("FROM range(5000)", 1500)
    assert (len(answer.table.rows), answer.table.rows[-1], answer.table.more) == (1500, [1499], True)
    assert not made_app.lake.query("FROM range(3)", 3).table.more


@pytest.mark.parametrize("sql", ["SELECT count(*) FROM range(100000000000000)", "SELECT sleep_ms(60000)"])
def test_a_query_that_takes_too_long_is_ended(sql: str, tmp_path: Path) -> None:
    with open_app(tmp_path / "data", sql_timeout_s=0.5) as app, pytest.raises(UsageError, match=r"longer than 0\.5 s"):
        app.lake.query(sql)


@pytest.mark.parametrize("sql", ["SELECT list(range) FROM range(1000000000)", "SELECT length(repeat('x', 4000000000))"])
def test_a_query_that_needs_too_much_memory_is_refused(sql: str, tmp_path: Path) -> None:
    with open_app(tmp_path / "data", sql_memory_mb=128) as app, pytest.raises(UsageError, match="raise sql_memory_mb"):
        app.lake.query(sql)


@pytest.mark.parametrize(
    ("end", "said"), [("sys.exit(3)", r"ended unexpectedly \(status 3\)"), ("os.abort()", "raise sql_memory_mb")]
)
def test_memory_is_blamed_only_where_the_status_says_so(
    end: str, said: str, made_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"import os, sys; sys.stdin.buffer.read(8); {end}"
    monkeypatch.setattr(asking, "PROGRAM", (sys.executable, "-c", program))
    with pytest.raises(UsageError, match=said):
        made_app.lake.query("SELECT 1")


def test_without_duckdb_the_extra_is_named(made_app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "duckdb.py").write_text("raise ModuleNotFoundError('No module named duckdb')")
    source = Path(__file__).parents[2] / "src"
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'absent'}{os.pathsep}{source}")
    with pytest.raises(MissingExtraError, match=r"pip install duckdb"):
        made_app.lake.query("SELECT 1")


def test_a_query_leaves_nothing_in_the_data_directory(made_app: App) -> None:
    put(made_app, report("ada", match("bob", 91.5)))
    before = {path for path in made_app.directory.path.rglob("*") if "sqlite" not in path.name}
    assert rows(made_app, "FROM matchingstats") == [["ada", 91.5, "bob"]]
    assert {path for path in made_app.directory.path.rglob("*") if "sqlite" not in path.name} == before


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc")
def test_a_query_ends_with_the_process_that_asked(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from faceline.app import App; from faceline.config import Settings\n"
        f"with App(Settings(data=Path({str(tmp_path / 'data')!r}))) as app:\n"
        "    app.lake.query('SELECT count(*) FROM range(100000000) a, range(100000000) b')"
    )
    asking = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
    engine = _child_of(asking.pid)
    time.sleep(1)  # the query is under way
    asking.kill()
    asking.wait()
    deadline = time.monotonic() + 20
    while _is_running(engine) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(engine)


def _child_of(pid: int) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            return int(found[0])
        time.sleep(0.05)
    raise AssertionError("no query began")


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
