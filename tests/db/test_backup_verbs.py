"""`ops backup` and `ops restore` on the command line: exit codes, words, and what is refused."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops_local import database as local
from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_local.home import Home
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import Database, target_from_url
from tests.conftest import MIGRATIONS
from tests.support.builders_market import rows
from tests.support.builders_trading import TradingBench

OTHER = "verbs_other"


@dataclass
class Desk:
    """A machine whose pipeline lives in this test's database."""

    folder: Path
    variables: dict[str, str]
    name: str
    admin: Database
    writer: str

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    def ops(self, *words: str) -> int:
        """The exit code."""
        try:
            return main(list(words), self.variables)
        except SystemExit as stop:
            return int(str(stop.code))

    def databases(self) -> list[str]:
        found = rows(self.admin, "SELECT datname AS name FROM pg_database ORDER BY 1")
        return [row["name"] for row in found]

    def held(self, name: str) -> list[str]:
        """Tickers of the orders in one database."""
        target = target_from_url(local.url_for(self.writer, database=name))
        with closing(Database(target, application_name="tests")) as db:
            return [row["ticker"] for row in rows(db, "SELECT ticker FROM orders ORDER BY 1")]


@pytest.fixture
def desk(
    db: Database,
    admin_db: Database,
    postgres: EmbeddedPostgres,
    database_urls: DatabaseUrls,
    tmp_path: Path,
) -> Iterator[Desk]:
    bench = TradingBench(db)
    bench.buy("AAA")
    name = target_from_url(database_urls.writer).database
    variables = {
        "OPS_HOME": str(tmp_path / "home"),
        "DATABASE_URL": local.url_for(postgres.url, database=name),
        "MIGRATIONS_DIR": str(MIGRATIONS),
    }
    before = set(rows_of(admin_db))
    yield Desk(tmp_path, variables, name, admin_db, database_urls.writer)
    for made in set(rows_of(admin_db)) - before:
        local.drop_database(admin_db, made)


def rows_of(admin: Database) -> list[str]:
    return [row["name"] for row in rows(admin, "SELECT datname AS name FROM pg_database")]


@pytest.fixture
def file(desk: Desk, capsys: pytest.CaptureFixture[str]) -> Path:
    path = desk.folder / "one.backup"
    assert desk.ops("backup", str(path)) == 0
    capsys.readouterr()
    return path


def test_a_backup_names_its_file_after_the_moment_and_tells_of_it(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.ops("backup", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    (made,) = (desk.folder / "home" / "backups").iterdir()
    assert told["file"] == str(made)
    assert told["rows"]["orders"] == 1
    assert made.stat().st_mode & 0o077 == 0
    assert made.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_a_stack_is_backed_up_by_rds_and_not_by_these_verbs(
    desk: Desk, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.ops(verb, "some.backup", "--stack", "ops-pipeline") == 2
    assert "--stack" in capsys.readouterr().err
    assert not (desk.folder / "some.backup").exists()


def test_a_backup_of_no_database_leaves_no_file(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.variables["DATABASE_URL"] = local.url_for(
        desk.variables["DATABASE_URL"], database="no_such_one"
    )
    assert desk.ops("backup", str(desk.folder / "none.backup")) == 1
    told = capsys.readouterr()
    assert "no_such_one" in told.err
    assert "Traceback" not in told.err
    assert not (desk.folder / "none.backup").exists()


def test_a_backup_into_a_folder_that_is_a_file_says_so(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk.folder / "plain").write_text("")
    assert desk.ops("backup", str(desk.folder / "plain" / "one.backup")) == 1
    told = capsys.readouterr().err
    assert "plain" in told
    assert "Traceback" not in told


def test_a_database_with_work_in_it_is_refused_with_what_to_do(
    desk: Desk, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = desk.databases()
    assert desk.ops("restore", str(file)) == 1
    told = capsys.readouterr()
    assert f"the database {desk.name} is not empty" in told.err
    assert "--as" in told.err
    assert "--set-aside" in told.err
    assert told.out == ""
    assert desk.databases() == there


def test_a_restore_beside_it_leaves_the_live_one_alone(
    desk: Desk, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.ops("restore", str(file), "--as", OTHER) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"restored as {OTHER}, ")
    assert "ops resume" in told.err
    assert (desk.held(OTHER), desk.held(desk.name)) == (["AAA"], ["AAA"])
    assert desk.ops("restore", str(file), "--as", OTHER) == 1
    assert f"the database {OTHER} is not empty" in capsys.readouterr().err


def test_the_live_one_is_set_aside_and_named(
    desk: Desk, file: Path, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = TradingBench(db)
    bench.quote("BBB")
    bench._ids = iter(range(50, 60))  # type: ignore[assignment]
    bench.buy("BBB")
    db.close()
    assert desk.ops("restore", str(file), "--set-aside", "--operator", "ann") == 0
    told = capsys.readouterr()
    (aside,) = [it for it in desk.databases() if it.startswith(f"{desk.name}_before_")]
    assert f"What was there before is the database {aside} now." in told.err
    assert (desk.held(desk.name), desk.held(aside)) == (["AAA"], ["AAA", "BBB"])
    assert desk.ops("resume", "--reason", "looks right", "--yes") == 1
    assert "large stays halted: Restored from a backup" in capsys.readouterr().err


def test_beside_it_and_in_its_place_at_once_is_a_mistake(desk: Desk, file: Path) -> None:
    assert desk.ops("restore", str(file), "--as", OTHER, "--set-aside") == 2


def test_nothing_is_restored_under_a_pipeline_that_runs_here(
    desk: Desk, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = desk.databases()
    with desk.home.up():
        for words in (["--set-aside"], ["--as", OTHER]):
            assert desk.ops("restore", str(file), *words) == 1
            told = capsys.readouterr().err
            assert "ops up" in told
            assert "Traceback" not in told
    assert desk.databases() == there


def test_nothing_is_restored_under_somebody_who_is_connected(
    desk: Desk, file: Path, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipeline of another machine, say: it keeps its database, and nothing is left over."""
    there = desk.databases()
    with db.transaction() as tx:
        tx.rows("SELECT 1 AS one FROM orders")
    assert desk.ops("restore", str(file), "--set-aside") == 1
    told = capsys.readouterr().err
    assert f"somebody is connected to the database {desk.name}" in told
    assert "Traceback" not in told
    assert desk.databases() == there
    assert desk.held(desk.name) == ["AAA"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"a list", "is no backup"), (b"", "is no backup")],
)
def test_what_is_no_backup_changes_nothing(
    desk: Desk,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    said: str,
) -> None:
    path, there = desk.folder / "odd.backup", desk.databases()
    if content is not None:
        path.write_bytes(content)
    assert desk.ops("restore", str(path), "--as", OTHER) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert desk.databases() == there
