"""`ops migrate` and `ops query` as a person or a script calls them."""

import csv
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from ops_local import database as local
from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import target_from_url

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def _ops(*words: str, **variables: str) -> int:
    return main(words, variables)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_make.sql").write_text("CREATE TABLE notes (id int)")
    return tmp_path


def test_any_folder_runs_on_any_database(
    empty_urls: DatabaseUrls, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--dir", str(folder), "--database-url", empty_urls.owner)
    assert _ops("migrate", *where, "dry-run") == 0
    assert _ops("migrate", *where) == 0
    assert _ops("migrate", "up", *where, "--json") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "would apply 0001_make: 1 statements"
    assert told[1].startswith("applied 0001_make (")
    assert json.loads(told[2]) == {"applied": []}


def test_our_own_folder_brings_the_shipped_parameters_with_it(
    postgres: EmbeddedPostgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = local.url_for(postgres.url, database="made_by_hand")
    home, folder = str(tmp_path / "home"), str(MIGRATIONS)
    with local.opened(tmp_path, postgres.url, None, "made_by_hand") as urls:
        variables = {"OPS_HOME": home, "DATABASE_URL": url, "MIGRATIONS_DIR": folder}
        assert _ops("migrate", **variables) == 0
        assert _ops("migrate", "verify", **variables) == 0
        capsys.readouterr()
        asked = "SELECT count(*) AS n FROM parameter_versions WHERE active"
        assert _ops("query", asked, "--database-url", urls.reader) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [{"n": 1}]


def test_status_tells_what_is_applied_and_pending(
    empty_urls: DatabaseUrls, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--dir", str(folder), "--database-url", empty_urls.owner)
    _ops("migrate", *where)
    (folder / "0002_more.sql").write_text("SELECT 1")
    capsys.readouterr()
    assert _ops("migrate", "status", *where, "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert [row["version"] for row in status["applied"]] == ["0001_make"]
    assert (status["pending"], status["problems"]) == (["0002_more"], [])


def test_a_dry_run_says_what_it_would_leave_out(
    folder: Path, empty_urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "0002_both.sql").write_text("-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;")
    _ops("migrate", "dry-run", "--dir", str(folder), "--database-url", empty_urls.owner)
    assert capsys.readouterr().out.splitlines() == [
        "would apply 0001_make: 1 statements",
        "would apply 0002_both: 1 statements, its down section left out",
    ]


def test_what_is_wrong_ends_with_1_and_says_so(
    empty_urls: DatabaseUrls, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--dir", str(folder), "--database-url", empty_urls.owner)
    _ops("migrate", *where)
    (folder / "0001_make.sql").write_text("CREATE TABLE notes (id bigint)")
    assert _ops("migrate", "up", *where) == 1
    assert "ops: 0001_make.sql was edited" in capsys.readouterr().err
    assert _ops("migrate", "verify", *where) == 1
    (folder / "0001_make.sql").write_text("CREATE TABLE notes (id int)")
    (folder / "0002_bad.sql").write_text("SELECT nothing")
    assert _ops("migrate", "up", *where, "--json") == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["error"] == "MigrationFailed"


def test_a_verb_that_does_not_exist_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _ops("migrate", "down")
    assert ended.value.code == 2


def test_a_query_prints_the_console_s_answer(
    database_urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT account_name FROM accounts ORDER BY 1;"
    assert _ops("query", sql, DATABASE_READER_URL=database_urls.reader) == 0
    assert json.loads(capsys.readouterr().out) == {
        "success": True,
        "rows": [{"account_name": "large"}, {"account_name": "tiny"}],
    }


def test_a_query_prints_csv_with_exact_numbers(
    database_urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT 1.10 AS n, NULL AS nothing, true AS yes, ARRAY['a', 'b,c'] AS many, 'x\"y' AS t"
    assert _ops("query", sql, "--csv", "--database-url", database_urls.reader) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows == [{"n": "1.10", "nothing": "", "yes": "true", "many": '["a", "b,c"]', "t": 'x"y'}]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _on_a_terminal(monkeypatch: pytest.MonkeyPatch, sql: str, url: str) -> tuple[int, str]:
    monkeypatch.setenv("COLUMNS", "100")
    screen = _Terminal()
    with redirect_stdout(screen):
        code = _ops("query", sql, "--database-url", url)
    return code, screen.getvalue()


def test_a_terminal_gets_a_table_in_which_no_value_gives_it_commands(
    database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = (
        "SELECT E'\\x1b[31mred\\x07' AS odd, '[b]' AS \"[red]n\", '\"\\ud800\"'::json AS half, "
        "'{\"a\": [1.10, null]}'::json AS exact, null AS nothing"
    )
    code, shown = _on_a_terminal(monkeypatch, sql, database_urls.reader)
    assert code == 0
    cells = [cell.strip() for cell in shown.splitlines()[3].strip("│").split("│")]
    assert cells == [r"\u001b[31mred\u0007", "[b]", r"\ud800", '{"a": [1.10, null]}', ""]
    assert "1 rows" in shown


@pytest.mark.parametrize(
    ("sql", "caption"), [("SELECT 1 WHERE false", "0 rows"), ("SELECT FROM accounts", "2 rows")]
)
def test_a_terminal_is_told_of_no_rows_and_no_columns(
    database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch, sql: str, caption: str
) -> None:
    assert _on_a_terminal(monkeypatch, sql, database_urls.reader) == (0, f"{caption}\n")


def test_values_longer_than_python_reads_are_printed(
    database_urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    url = database_urls.reader
    many = "SELECT repeat('9', 5000)::numeric AS n, ('[' || repeat('9', 6000) || ']')::json AS j"
    for form in ("--json", "--csv"):
        assert _ops("query", many, form, "--database-url", url) == 0
        out = capsys.readouterr().out
        assert "9" * 5000 in out
        assert f"[{'9' * 6000}]" in out


def test_a_reader_that_has_enough_ends_the_command_quietly(database_urls: DatabaseUrls) -> None:
    sql = "SELECT n, repeat('x', 200) AS x FROM generate_series(1, 5000) AS n"
    command = [sys.executable, "-m", "ops_local.cli", "query", sql, "--csv"]
    environment = {**os.environ, "DATABASE_READER_URL": database_urls.reader}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_a_port_that_is_no_number_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ops("query", "SELECT 1", "--database-url", "postgresql://me:hush@host:x/db") == 1
    assert "--database-url has a port that is no number" in capsys.readouterr().err


def test_a_refused_query_ends_with_1_and_says_why(
    database_urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ops("query", "DELETE FROM orders", "--csv", "--database-url", database_urls.reader) == 1
    assert "read-only transaction (25006)" in capsys.readouterr().err
    assert _ops("query", "SELECT 1", "--csv", "--database-url", database_urls.writer) == 1
    assert "WrongRole" in capsys.readouterr().err


def test_an_odd_url_ends_with_1_and_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ops("query", "SELECT 1", "--database-url", "mysql://me:hush@host/db") == 1
    told = capsys.readouterr().err
    assert "--database-url" in told
    assert "hush" not in told


def test_status_of_a_database_imports_neither_the_engine_nor_what_draws_pages(
    database_urls: DatabaseUrls,
) -> None:
    program = (
        "import sys\nfrom ops_local.cli import main\n"
        f"code = main(['status'], {{'DATABASE_READER_URL': {database_urls.reader!r}}})\n"
        "print('heavy:', sorted({'moto', 'pandas', 'vl_convert', 'boto3'} & set(sys.modules)))\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=MIGRATIONS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Accounts" in done.stdout
    assert done.stdout.endswith("heavy: []\n")


@pytest.mark.parametrize(
    "words", [["status"], ["explain"], ["halt", "--reason", "r"], ["tickers", "list"]], ids=" ".join
)
def test_a_database_without_our_schema_is_named_in_a_sentence(
    empty_urls: DatabaseUrls,
    postgres: EmbeddedPostgres,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty = local.url_for(postgres.url, database=target_from_url(empty_urls.owner).database)
    assert _ops(*words, DATABASE_URL=empty, OPS_HOME="no-such-home") == 1
    assert "ops: the database lacks 0001_create_runs" in capsys.readouterr().err
