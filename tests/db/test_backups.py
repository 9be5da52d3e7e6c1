"""`ops backup` and `ops restore`: one snapshot in one file, and all of it back or nothing."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from pg8000.exceptions import DatabaseError

from ops_local import database as local
from ops_local.backups import archive, backup, programs
from ops_local.backups.archive import Manifest, Unreadable
from ops_local.backups.backup import back_up
from ops_local.backups.restoring import Restore
from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.errors import InvalidInput, OpsError, StageFailed
from tests.conftest import MIGRATIONS
from tests.support.builders_market import rows
from tests.support.builders_trading import DAY, TradingBench
from tests.support.fakes import FixedClock

CLOCK = FixedClock(new_york_time(DAY, 11, 30))
NAME = "restored_here"


@pytest.fixture
def traded(db: Database) -> TradingBench:
    bench = TradingBench(db)
    bench.buy("AAA")
    return bench


@pytest.fixture
def file(traded: TradingBench, database_urls: DatabaseUrls, tmp_path: Path) -> Path:
    """A backup of a database with one trade."""
    path = tmp_path / "one.backup"
    back_up(database_urls.owner, path, data=tmp_path, clock=CLOCK)
    return path


@pytest.fixture
def restore(postgres: EmbeddedPostgres, admin_db: Database, tmp_path: Path) -> Iterator[Restore]:
    yield Restore(
        admin_url=postgres.url,
        name=NAME,
        migrations=MIGRATIONS,
        data=tmp_path,
        clock=CLOCK,
        operator="ann",
    )
    for name in databases(admin_db):
        if name.startswith(NAME):
            local.drop_database(admin_db, name)


def databases(admin: Database) -> list[str]:
    return [row["name"] for row in rows(admin, "SELECT datname AS name FROM pg_database")]


def login(urls: DatabaseUrls, name: str = NAME) -> Database:
    target = target_from_url(local.url_for(urls.writer, database=name))
    return Database(target, application_name="tests")


def test_what_was_backed_up_is_there_again_with_its_rights_and_halted(
    file: Path, traded: TradingBench, restore: Restore, database_urls: DatabaseUrls
) -> None:
    manifest, aside = restore.run(file)
    assert aside is None
    assert manifest.rows["orders"] == 1
    with closing(login(database_urls)) as restored:
        for table in ("orders", "fills", "active_positions", "dispatch_executions", "tickers"):
            everything = f"SELECT * FROM {table} ORDER BY 1"
            assert rows(restored, everything) == traded.rows(everything)
        halts = rows(restored, "SELECT ledger_halt, ledger_agreed_at FROM accounts")
        assert {row["ledger_halt"] for row in halts} == {
            "Restored from a backup of 2026-02-04 16:30 UTC"
        }
        actions = rows(restored, "SELECT action, operator FROM operator_actions")
        assert actions == [{"action": "restore", "operator": "ann"}]
        # The writer may do here what it might there, and no more.
        with pytest.raises((DatabaseError, OpsError)), restored.transaction() as tx:
            tx.execute("DELETE FROM orders")


def test_what_is_committed_while_it_is_written_is_not_in_it(
    traded: TradingBench,
    database_urls: DatabaseUrls,
    tmp_path: Path,
    restore: Restore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counts and dump are of one moment, whatever is committed between the two."""
    begin = programs.dumping

    def later(*args: object) -> object:
        traded.buy("BBB")
        return begin(*args)  # type: ignore[arg-type]

    traded.quote("BBB")
    monkeypatch.setattr(programs, "dumping", later)
    path = tmp_path / "busy.backup"
    manifest = back_up(database_urls.owner, path, data=tmp_path, clock=CLOCK)
    assert (manifest.rows["orders"], len(traded.orders())) == (1, 2)
    restore.run(path)
    with closing(login(database_urls)) as restored:
        assert [row["ticker"] for row in rows(restored, "SELECT ticker FROM orders")] == ["AAA"]


def test_a_backup_never_overwrites_and_leaves_nothing_half_done(
    file: Path, database_urls: DatabaseUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()
    with pytest.raises(InvalidInput, match="exists"):
        back_up(database_urls.owner, file, data=tmp_path, clock=CLOCK)
    assert file.read_bytes() == before
    assert file.stat().st_mode & 0o077 == 0
    monkeypatch.setattr(backup, "_snapshot", lambda _: "00000000-00000000-1")
    with pytest.raises(StageFailed, match="pg_dump"):
        back_up(database_urls.owner, tmp_path / "two.backup", data=tmp_path, clock=CLOCK)
    assert [each.name for each in tmp_path.iterdir()] == ["one.backup"]


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])


def no_backup(file: Path) -> None:
    file.write_text("a shopping list")


def another_dump(file: Path) -> None:
    with zipfile.ZipFile(file) as old:
        manifest = old.read("manifest.json")
    with zipfile.ZipFile(file, "w") as new:
        new.writestr("database.dump", b"PGDMP of somebody else")
        new.writestr("manifest.json", manifest)


def other_counts(file: Path) -> None:
    _with_manifest(file, rows={"orders": 7})


def other_migrations(file: Path) -> None:
    _with_manifest(file, migrations=["0001_create_runs"])


def _with_manifest(file: Path, **changes: object) -> None:
    with zipfile.ZipFile(file) as old:
        dump, manifest = old.read("database.dump"), json.loads(old.read("manifest.json"))
    with zipfile.ZipFile(file, "w") as new:
        new.writestr("database.dump", dump)
        new.writestr("manifest.json", json.dumps({**manifest, **changes}))


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (cut_off, Unreadable),
        (no_backup, Unreadable),
        (another_dump, Unreadable),
        (other_counts, StageFailed),
        (other_migrations, StageFailed),
    ],
)
def test_a_file_that_is_not_what_it_says_changes_nothing(
    file: Path, restore: Restore, admin_db: Database, spoil: object, error: type[Exception]
) -> None:
    there = sorted(databases(admin_db))
    spoil(file)  # type: ignore[operator]
    with pytest.raises(error):
        restore.run(file)
    assert sorted(databases(admin_db)) == there


def test_a_database_that_somebody_works_in_is_refused_or_set_aside(
    file: Path, restore: Restore, admin_db: Database, database_urls: DatabaseUrls
) -> None:
    restore.run(file)
    with pytest.raises(InvalidInput, match="is not empty"):
        restore.run(file)
    _, aside = replace(restore, set_aside=True).run(file)
    assert aside == f"{NAME}_before_20260204t163000"
    for name in (NAME, aside):
        with closing(login(database_urls, name)) as restored:
            assert len(rows(restored, "SELECT 1 FROM orders")) == 1
    assert f"{NAME}_restoring" not in databases(admin_db)


def test_a_database_that_was_only_migrated_is_replaced(
    file: Path, restore: Restore, admin_db: Database, database_urls: DatabaseUrls
) -> None:
    with local.opened(restore.data, restore.admin_url, MIGRATIONS, NAME):
        pass
    _, aside = restore.run(file)
    assert aside is None
    with closing(login(database_urls)) as restored:
        assert len(rows(restored, "SELECT 1 FROM orders")) == 1
    assert [name for name in databases(admin_db) if name.startswith(NAME)] == [NAME]


def test_another_schema_counts_as_filled(
    file: Path, restore: Restore, admin_db: Database, postgres: EmbeddedPostgres
) -> None:
    local.ensure_database(postgres.url, NAME)
    owner = Database(
        target_from_url(local.url_for(postgres.url, database=NAME)), application_name="tests"
    )
    with closing(owner), owner.transaction() as tx:
        tx.execute("CREATE TABLE somebody_elses (id int)")
    with pytest.raises(InvalidInput, match="is not empty"):
        restore.run(file)


def test_tables_in_a_schema_of_somebody_s_own_count_as_filled(
    file: Path, restore: Restore, postgres: EmbeddedPostgres, admin_db: Database
) -> None:
    """They were dropped with the database that was taken for an empty one."""
    local.ensure_database(postgres.url, NAME)
    theirs = Database(
        target_from_url(local.url_for(postgres.url, database=NAME)), application_name="tests"
    )
    with closing(theirs), theirs.transaction() as tx:
        tx.execute("CREATE SCHEMA theirs")
        tx.execute("CREATE TABLE theirs.savings AS SELECT 1 AS dollars")
    with pytest.raises(InvalidInput, match="is not empty"):
        restore.run(file)
    replace(restore, set_aside=True).run(file)
    assert len([name for name in databases(admin_db) if name.startswith(f"{NAME}_before")]) == 1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("postgres", "belongs to the server"),
        ("template0", "belongs to the server"),
        ("template1", "belongs to the server"),
        ("", "no name of 1 to 40 bytes"),
        (" ", "no name of 1 to 40 bytes"),
        ("x" * 41, "no name of 1 to 40 bytes"),
    ],
)
def test_a_name_that_would_cost_something_else_is_refused(
    file: Path, restore: Restore, admin_db: Database, name: str, why: str
) -> None:
    before = databases(admin_db)
    with pytest.raises(InvalidInput, match=why):
        replace(restore, name=name).run(file)
    assert databases(admin_db) == before


def test_the_verbs_write_a_file_and_restore_it(
    traded: TradingBench,
    database_urls: DatabaseUrls,
    restore: Restore,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tmp_path = restore.data
    name = target_from_url(database_urls.writer).database
    variables = {
        "OPS_HOME": str(tmp_path / "home"),
        "DATABASE_URL": local.url_for(restore.admin_url, database=name),
        "MIGRATIONS_DIR": str(MIGRATIONS),
    }
    file = tmp_path / "verbs.backup"
    assert main(["backup", str(file)], variables) == 0
    assert f"{file}: " in capsys.readouterr().out
    assert main(["backup", str(file)], variables) == 1
    assert "exists: name another file" in capsys.readouterr().err
    assert main(["restore", str(file)], variables) == 1
    assert "is not empty" in capsys.readouterr().err
    assert main(["restore", str(file), "--as", NAME, "--json"], variables) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["rows"]["orders"] == 1
    assert "Entries are halted" in told.err
    with archive.opened(file) as (manifest, _):
        assert isinstance(manifest, Manifest)
