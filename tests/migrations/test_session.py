"""What a file does to its session reaches no other file and hides no table of the runner's."""

from contextlib import closing

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations.runner import LIMITS, Adoption, Runner
from ops_pipeline.errors import MigrationFailed, MigrationRefused
from tests.migrations.folders import Write, partial_runs_in, tables_in

ALONE = "-- migrate: no-transaction\n"
LEAVES = """
CREATE SCHEMA app;
SET search_path = app; SET work_mem = '3MB'; SET SESSION statement_timeout = '1h';
PREPARE x AS SELECT 1; DECLARE c CURSOR WITH HOLD FOR SELECT 1; LISTEN news;
CREATE TEMP TABLE t (id int); CREATE TABLE kept (id int);
"""
FINDS = """
CREATE TABLE found AS SELECT current_setting('search_path') AS path,
    current_setting('work_mem') AS memory, current_setting('statement_timeout') AS time,
    (SELECT count(*) FROM pg_cursors) AS cursors,
    (SELECT count(*) FROM pg_prepared_statements WHERE from_sql) AS prepared,
    (SELECT count(*) FROM pg_listening_channels()) AS channels,
    to_regclass('pg_temp.t') AS temporary;
PREPARE x AS SELECT 2;
"""


@pytest.fixture
def superuser(postgres: EmbeddedPostgres, empty_urls: DatabaseUrls) -> Database:
    """Who may take any role, in this test's database."""
    url = local.url_for(postgres.url, database=target_from_url(empty_urls.owner).database)
    return Database(target_from_url(url), application_name="tests", limits=LIMITS)


@pytest.mark.parametrize("head", ["", ALONE])
def test_nothing_a_file_leaves_in_the_session_reaches_the_next(
    target_db: Database, write: Write, head: str
) -> None:
    held = LEAVES if not head else LEAVES.replace("DECLARE c CURSOR WITH HOLD FOR SELECT 1;", "")
    assert len(Runner(target_db, write(leave=head + held, find=FINDS)).up()) == 2
    with target_db.transaction() as tx:
        [found] = tx.rows("SELECT * FROM found")
        assert tx.one("SELECT to_regclass('app.kept') IS NOT NULL AS made") == {"made": True}
    assert found == {
        "path": '"$user", public',
        "memory": "4MB",
        "time": "4min",
        "cursors": 0,
        "prepared": 0,
        "channels": 0,
        "temporary": None,
    }


def test_a_file_without_a_transaction_may_set_path_and_role(
    superuser: Database, write: Write
) -> None:
    folder = write(
        make="CREATE SCHEMA app; GRANT ALL ON SCHEMA app TO ops_pipeline_writer",
        steps=f"{ALONE}SET search_path = app; SET ROLE ops_pipeline_writer;\n"
        "CREATE TABLE a (id int); CREATE INDEX CONCURRENTLY a_id ON a (id);\n"
        "CREATE TABLE who AS SELECT current_user::text AS name;",
        after="CREATE TABLE who AS SELECT current_user::text AS name",
    )
    with closing(superuser):
        Runner(superuser, folder).up()
        with superuser.transaction() as tx:
            [theirs] = tx.rows("SELECT name FROM app.who")
            [ours] = tx.rows("SELECT name FROM public.who")
        assert theirs == {"name": "ops_pipeline_writer"}
        assert ours != theirs
        assert partial_runs_in(superuser) == {}


def test_a_path_set_by_a_function_is_set_again_when_the_rest_runs(
    target_db: Database, write: Write
) -> None:
    steps = f"{ALONE}SELECT pg_catalog.set_config('search_path', 'app', false);\n"
    folder = write(make="CREATE SCHEMA app", steps=f"{steps}CREATE TABLE a (id nothing);")
    with pytest.raises(MigrationFailed, match="1 of its 2 statements took effect"):
        Runner(target_db, folder).up()
    target_db.close()
    write(2, steps=f"{steps}CREATE TABLE a (id int);")
    Runner(target_db, folder).up()
    with target_db.transaction() as tx:
        assert tx.one("SELECT to_regclass('app.a') IS NOT NULL AS made") == {"made": True}


def test_a_run_that_ended_in_the_middle_of_a_file_leaves_a_warm_session_clean(
    target_db: Database, write: Write
) -> None:
    folder = write(
        make="CREATE SCHEMA app", steps=f"{ALONE}SET search_path = app; CREATE TABLE a (id nothing)"
    )
    with pytest.raises(MigrationFailed):
        Runner(target_db, folder).up()
    with target_db.transaction() as tx:
        assert tx.one("SHOW search_path") == {"search_path": '"$user", public'}
    write(2, steps=f"{ALONE}SET search_path = app; CREATE TABLE a (id int)")
    Runner(target_db, folder).up()
    write(3, next="CREATE TABLE b (id int)")
    Runner(target_db, folder).up()
    assert "b" in tables_in(target_db)


def test_a_search_path_of_the_database_hides_no_history(
    target_db: Database, empty_urls: DatabaseUrls, write: Write
) -> None:
    name = target_from_url(empty_urls.owner).database
    path = f"CREATE SCHEMA app; ALTER DATABASE {name} SET search_path = app;"
    runner = Runner(target_db, write(make=f"{path} CREATE TABLE public.a (id int)"))
    runner.up()
    target_db.close()
    assert runner.up() == []
    assert [row.version for row in runner.status().applied] == ["0001_make"]
    assert runner.verify() == []


NOON = "2026-07-01 12:00:00"


@pytest.fixture
def in_kolkata(target_db: Database, empty_urls: DatabaseUrls) -> Database:
    """A database with a time zone and a reading of dates of its own."""
    name = target_from_url(empty_urls.owner).database
    with target_db.transaction() as tx:
        tx.script(
            f"ALTER DATABASE {name} SET timezone = 'Asia/Kolkata';"
            f"ALTER DATABASE {name} SET datestyle = 'ISO, DMY'"
        )
    target_db.close()
    return target_db


@pytest.mark.parametrize("head", ["", ALONE])
def test_a_file_runs_in_the_time_zone_of_the_database(
    in_kolkata: Database, write: Write, head: str
) -> None:
    folder = write(
        make=f"CREATE TABLE visits (at timestamp); INSERT INTO visits VALUES ('{NOON}')",
        zone=f"{head}ALTER TABLE visits ALTER at TYPE timestamptz; "
        "ALTER TABLE visits ADD day date DEFAULT '2/1/2026';"
        "CREATE TABLE made AS SELECT current_setting('TimeZone') AS zone",
        more="ALTER TABLE visits ADD seen timestamptz DEFAULT '2026-01-01 00:00'",
    )
    runner = Runner(in_kolkata, folder)
    runner.up()
    with in_kolkata.transaction() as tx:
        assert tx.rows(
            "SELECT to_char(at AT TIME ZONE 'UTC', 'HH24:MI') AS at, day::text AS day, "
            "to_char(seen AT TIME ZONE 'UTC', 'HH24:MI') AS seen FROM visits"
        ) == [{"at": "06:30", "day": "2026-01-02", "seen": "18:30"}]
        assert tx.rows("SELECT zone FROM made") == [{"zone": "Asia/Kolkata"}]
    assert runner.verify() == []


def test_what_is_recorded_has_the_time_it_had(in_kolkata: Database, write: Write) -> None:
    with in_kolkata.transaction() as tx:
        tx.script(
            "CREATE TABLE schema_migrations (version text PRIMARY KEY, applied_at timestamptz);"
            "INSERT INTO schema_migrations VALUES ('0001_a', '2026-01-01 10:00+00')"
        )
    runner = Runner(in_kolkata, write(a="SELECT 1"))
    runner.baseline(Adoption())
    assert f"{runner.status().applied[0].applied_at:%H:%M %Z}" == "10:00 UTC"


def test_another_runner_s_history_is_found_where_the_search_path_leads(
    target_db: Database, empty_urls: DatabaseUrls, write: Write
) -> None:
    name = target_from_url(empty_urls.owner).database
    with target_db.transaction() as tx:
        tx.script(
            f"CREATE SCHEMA app; ALTER DATABASE {name} SET search_path = app, public; "
            "CREATE TABLE app.schema_migrations (version text PRIMARY KEY); "
            "INSERT INTO app.schema_migrations VALUES ('0001')"
        )
    target_db.close()
    runner = Runner(target_db, write(make="CREATE TABLE a (id int)"))
    with pytest.raises(MigrationRefused, match=r"it is schema_migrations, ours is public\."):
        runner.up()
    assert [row.version for row in runner.baseline(Adoption())] == ["0001_make"]
    assert runner.up() == []
