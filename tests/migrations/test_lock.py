"""One run at a time, which no login that may not migrate can prevent."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db import roles
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.driver.transaction import Transaction
from ops_pipeline.db.migrations import history
from ops_pipeline.db.migrations.runner import Runner
from ops_pipeline.db.migrations.session import alone
from ops_pipeline.errors import DatabaseUnavailable
from tests.migrations.folders import Write, applied_in, owner_of, tables_in

KEY = 729_104_001


@pytest.fixture
def reader(empty_urls: DatabaseUrls) -> Iterator[Database]:
    """Somebody with the reader's login, who takes the runs' lock."""
    with closing(Database(target_from_url(empty_urls.reader), application_name="rogue")) as found:
        found.session().execute_simple(f"SELECT pg_advisory_lock({KEY})")
        yield found


def _run(urls: DatabaseUrls, folder: Path, outcomes: list[object]) -> None:
    with closing(owner_of(urls)) as database:
        try:
            outcomes.append(len(Runner(database, folder, lock_wait_s=30).up()))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            outcomes.append(error)


def test_a_reader_cannot_hold_up_a_migration(
    reader: Database, target_db: Database, write: Write
) -> None:
    runner = Runner(target_db, write(make="CREATE TABLE a (id int)"), lock_wait_s=2)
    assert len(runner.up()) == 1
    # Also once the history is there, by which a run is told from a reader.
    runner = Runner(target_db, write(2, more="CREATE TABLE b (id int)"), lock_wait_s=2)
    assert len(runner.up()) == 1
    assert runner.verify() == []


def test_runs_exclude_each_other_where_a_reader_holds_the_usual_lock(
    reader: Database, empty_urls: DatabaseUrls, target_db: Database, write: Write
) -> None:
    folder = write(make="CREATE TABLE a (id int)")
    with alone(target_db, 5), closing(owner_of(empty_urls)) as other:
        with pytest.raises(DatabaseUnavailable, match=r"another migration run \(pid \d+, tests\)"):
            Runner(other, folder, lock_wait_s=0.5).up()
        # The lock that everybody tries first gets free while a run holds another one.
        reader.session().execute_simple(f"SELECT pg_advisory_unlock({KEY})")
        with pytest.raises(DatabaseUnavailable, match=r"another migration run \(pid \d+, tests\)"):
            Runner(other, folder, lock_wait_s=0.5).up()
    assert tables_in(target_db) == []


@pytest.mark.parametrize("held", [True, False])
def test_runs_that_start_together_apply_each_file_once(
    held: bool, empty_urls: DatabaseUrls, target_db: Database, write: Write
) -> None:
    folder = write(
        **{f"t{n}": f"CREATE TABLE t{n} (id int); SELECT pg_sleep(0.02)" for n in range(6)}
    )
    outcomes: list[object] = []
    with closing(Database(target_from_url(empty_urls.reader), application_name="rogue")) as rogue:
        if held:
            rogue.session().execute_simple(f"SELECT pg_advisory_lock({KEY})")
        runs = [
            threading.Thread(target=_run, args=(empty_urls, folder, outcomes)) for _ in range(4)
        ]
        for run in runs:
            run.start()
        time.sleep(0.05)
        if held:
            rogue.session().execute_simple(f"SELECT pg_advisory_unlock({KEY})")
        for run in runs:
            run.join()
    assert sorted(map(str, outcomes)) == ["0", "0", "0", "6"]
    assert len(applied_in(target_db)) == 6


@pytest.mark.parametrize("step", ["run", "plan"])
def test_a_run_that_another_one_overtakes_in_its_first_look_takes_it_for_no_stranger(
    step: str,
    empty_urls: DatabaseUrls,
    target_db: Database,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = write(make="CREATE TABLE a (id int)")
    looked = history.columns_of_history

    def look_and_be_overtaken(tx: Transaction, place: str = history.HISTORY) -> set[str]:
        columns = looked(tx, place)
        monkeypatch.setattr(history, "columns_of_history", looked)
        with closing(owner_of(empty_urls)) as other:
            assert len(Runner(other, folder).up()) == 1
        return columns

    monkeypatch.setattr(history, "columns_of_history", look_and_be_overtaken)
    runner = Runner(target_db, folder)
    assert runner.up() == [] if step == "run" else len(runner.dry_run()) == 1
    assert len(applied_in(target_db)) == 1


def test_a_run_lets_go_of_its_lock(reader: Database, target_db: Database, write: Write) -> None:
    Runner(target_db, write(make="SELECT 1")).up()
    assert target_db.read(
        "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    ) == [{"n": 0}]


def test_a_reader_cannot_hold_up_the_making_of_roles(
    reader: Database, empty_urls: DatabaseUrls, postgres: EmbeddedPostgres
) -> None:
    reader.session().execute_simple("SELECT pg_advisory_lock(4907201511)")
    url = local.url_for(postgres.url, database=target_from_url(empty_urls.owner).database)
    admin = Database(target_from_url(url), application_name="tests")
    with closing(admin), admin.transaction() as tx:
        roles.ensure(tx, {})
