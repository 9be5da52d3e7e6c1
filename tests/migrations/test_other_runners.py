"""Each known runner's history is adopted by its meaning, or refused by name; no file runs twice."""

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.migrations.runner import Adoption, Runner
from ops_pipeline.errors import MigrationRefused
from tests.migrations.folders import Write, applied_in, tables_in

FILL = "CREATE TABLE IF NOT EXISTS a (n int); INSERT INTO a VALUES (1);"
GOLANG = (
    "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);"
)
DBMATE = "CREATE TABLE schema_migrations (version varchar(128) NOT NULL PRIMARY KEY);"
# Table and rows as each runner makes them.
OTHERS = {
    "goose": "CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, "
    "is_applied boolean NOT NULL, tstamp timestamp DEFAULT now());"
    "INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true);",
    "Flyway": "CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, "
    "version varchar(50), description varchar(200) NOT NULL, type varchar(20) NOT NULL, "
    "script varchar(1000) NOT NULL, checksum int, installed_by varchar(100) NOT NULL, "
    "installed_on timestamp NOT NULL DEFAULT now(), execution_time int NOT NULL, "
    "success boolean NOT NULL);",
    "sqlx": "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, "
    "installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, "
    "checksum bytea NOT NULL, execution_time bigint NOT NULL);",
    "Alembic": "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY);",
    "Django": "CREATE TABLE django_migrations (id bigint PRIMARY KEY, app varchar(255) NOT NULL, "
    "name varchar(255) NOT NULL, applied timestamptz NOT NULL);",
    "Rails": "CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY);"
    "INSERT INTO schema_migrations VALUES ('20240101000000'), ('20240102000000');"
    "CREATE TABLE ar_internal_metadata (key varchar PRIMARY KEY, value varchar, "
    "created_at timestamp NOT NULL, updated_at timestamp NOT NULL);",
    "Ecto": "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp);"
    "INSERT INTO schema_migrations VALUES (20240101000000, now());",
    "Liquibase": "CREATE TABLE databasechangelog (id varchar(255) NOT NULL, "
    "author varchar(255) NOT NULL, filename varchar(255) NOT NULL, "
    "dateexecuted timestamp NOT NULL, orderexecuted int NOT NULL, exectype varchar(10) NOT NULL);",
    "sql-migrate": "CREATE TABLE gorp_migrations (id text PRIMARY KEY, applied_at timestamptz);",
    "yoyo": "CREATE TABLE _yoyo_migration (migration_hash varchar(64) PRIMARY KEY, "
    "migration_id varchar(255), applied_at_utc timestamp);",
    "Diesel": "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY, "
    "run_on timestamp NOT NULL DEFAULT now());",
    "Prisma": "CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum text, "
    "finished_at timestamptz, migration_name varchar(255) NOT NULL, logs text);",
    "node-pg-migrate": "CREATE TABLE pgmigrations (id serial PRIMARY KEY, "
    "name varchar(255) NOT NULL, run_on timestamp NOT NULL);",
    "Knex": "CREATE TABLE knex_migrations (id serial PRIMARY KEY, name varchar(255), batch int, "
    "migration_time timestamptz);",
}


@pytest.fixture
def runner(target_db: Database, write: Write) -> Runner:
    """Five files, of which each adds a row to a table."""
    return Runner(target_db, write(**{f"add_{n}": FILL for n in range(5)}))


def left_behind(database: Database, sql: str, files: int = 0) -> None:
    """A database with another runner's tables, where the first files have run."""
    with database.transaction() as tx:
        tx.script(sql + FILL * files)


def rows_in(database: Database) -> int:
    return int(database.read("SELECT count(*) AS n FROM a")[0]["n"])


def versions(*numbers: int) -> list[str]:
    return [f"{number:04}_add_{number - 1}" for number in numbers]


def test_golang_migrate_s_one_row_means_all_files_up_to_it(
    runner: Runner, target_db: Database
) -> None:
    left_behind(target_db, f"{GOLANG} INSERT INTO schema_migrations VALUES (3, false);", files=3)
    with pytest.raises(MigrationRefused, match=r"golang-migrate's columns; take it over with base"):
        runner.up()
    assert [row.version for row in runner.baseline(Adoption())] == versions(1, 2, 3)
    assert [row.version for row in runner.up()] == versions(4, 5)
    assert rows_in(target_db) == 5
    assert runner.verify() == []
    notes = {row.note for row in runner.status().applied[:3]}
    assert notes == {"baseline: golang-migrate was at '3'"}


def test_a_dirty_version_of_golang_migrate_is_refused(runner: Runner, target_db: Database) -> None:
    left_behind(target_db, f"{GOLANG} INSERT INTO schema_migrations VALUES (3, true);", files=3)
    for adoption in (Adoption(), Adoption(through="0003_add_2.sql")):
        with pytest.raises(MigrationRefused, match=r"left migration 3 half done \(dirty\)"):
            runner.baseline(adoption)


@pytest.mark.parametrize("row", ["", "INSERT INTO schema_migrations VALUES (-1, false);"])
def test_golang_migrate_without_a_version_says_nothing(
    runner: Runner, target_db: Database, row: str
) -> None:
    left_behind(target_db, GOLANG + row)
    with pytest.raises(MigrationRefused, match=r"--through FILE .* or --nothing-applied"):
        runner.baseline(Adoption())
    assert runner.baseline(Adoption(nothing_applied=True)) == []
    assert [row.version for row in runner.up()] == versions(1, 2, 3, 4, 5)


def test_golang_migrate_at_a_version_without_a_file_is_refused(
    target_db: Database, write: Write
) -> None:
    write(add_0=FILL)
    runner = Runner(target_db, write(8, add_7=FILL))
    left_behind(target_db, f"{GOLANG} INSERT INTO schema_migrations VALUES (4, false);", files=1)
    with pytest.raises(MigrationRefused, match=r"golang-migrate is at 4, which is no file"):
        runner.baseline(Adoption())
    runner.baseline(Adoption(through="0001_add_0.sql"))
    assert applied_in(target_db) == versions(1)


def test_golang_migrate_ahead_of_the_folder_stays_ahead(
    runner: Runner, target_db: Database
) -> None:
    left_behind(target_db, f"{GOLANG} INSERT INTO schema_migrations VALUES (9, false);", files=5)
    runner.baseline(Adoption())
    assert applied_in(target_db) == [*versions(1, 2, 3, 4, 5), "9"]
    assert runner.up() == []


def test_dbmate_s_rows_are_a_set(runner: Runner, target_db: Database) -> None:
    left_behind(
        target_db, f"{DBMATE} INSERT INTO schema_migrations VALUES ('0001'), ('0003');", files=2
    )
    assert [row.version for row in runner.baseline(Adoption())] == versions(1, 3)
    with pytest.raises(MigrationRefused, match=r"0002_add_1\.sql comes too late"):
        runner.up()


def test_a_single_row_that_may_mean_all_before_it_is_asked_about(
    runner: Runner, target_db: Database
) -> None:
    left_behind(target_db, f"{DBMATE} INSERT INTO schema_migrations VALUES ('3');", files=3)
    with pytest.raises(
        MigrationRefused,
        match=r"one row, '3': .* --through 0003_add_2\.sql, otherwise --not-applied for each of "
        r"0001_add_0\.sql, 0002_add_1\.sql",
    ):
        runner.baseline(Adoption())
    runner.baseline(Adoption(through="0003_add_2.sql"))
    runner.up()
    assert rows_in(target_db) == 5


def test_a_single_row_may_be_one_file_where_the_operator_says_so(
    runner: Runner, target_db: Database
) -> None:
    left_behind(target_db, f"{DBMATE} INSERT INTO schema_migrations VALUES ('2');", files=1)
    runner.baseline(Adoption(not_applied=("0001_add_0.sql",)))
    assert applied_in(target_db) == versions(2)


@pytest.mark.parametrize("column", ["success", "is_applied"])
def test_a_failed_row_is_refused(runner: Runner, target_db: Database, column: str) -> None:
    left_behind(
        target_db,
        f"CREATE TABLE schema_migrations (version text PRIMARY KEY, {column} boolean NOT NULL);"
        "INSERT INTO schema_migrations VALUES ('0001', true), ('0002', false);",
        files=1,
    )
    with pytest.raises(MigrationRefused, match="migration 0002 failed: repair it"):
        runner.baseline(Adoption())


@pytest.mark.parametrize("name", OTHERS)
def test_another_runner_s_history_is_refused_by_name_and_adopted_by_hand(
    runner: Runner, target_db: Database, name: str
) -> None:
    left_behind(target_db, OTHERS[name], files=2)
    before = tables_in(target_db)
    for refuse in (runner.up, runner.dry_run, lambda: runner.baseline(Adoption())):
        with pytest.raises(MigrationRefused, match="baseline"):
            refuse()
    with pytest.raises(MigrationRefused, match=rf"is the history of {name}: .*--through FILE"):
        runner.baseline(Adoption())
    assert tables_in(target_db) == before
    runner.baseline(Adoption(through="0002_add_1.sql"))
    assert [row.version for row in runner.up()] == versions(3, 4, 5)
    assert rows_in(target_db) == 5


def test_a_table_that_only_has_the_name_is_no_history(runner: Runner, target_db: Database) -> None:
    left_behind(target_db, "CREATE TABLE alembic_version (id int);")
    with pytest.raises(MigrationRefused, match=r"the database holds alembic_version, and no hist"):
        runner.up()


@pytest.mark.parametrize(
    "made", ["CREATE TABLE t (id int)", "CREATE VIEW t AS SELECT 1 AS one", "CREATE SEQUENCE t"]
)
def test_a_filled_schema_without_a_history_refuses_up_and_says_what_to_do(
    runner: Runner, target_db: Database, made: str
) -> None:
    left_behind(target_db, f"{made};")
    says = r"the database holds t, and no history of these files: .*baseline --through FILE.*verify"
    for refuse in (runner.up, runner.dry_run):
        with pytest.raises(MigrationRefused, match=says):
            refuse()
    assert len(runner.status().problems) == 1
    assert len(runner.status().pending) == 5
    assert tables_in(target_db) in ([], ["t"])
    runner.baseline(Adoption(nothing_applied=True))
    assert len(runner.up()) == 5


def test_many_tables_are_counted(runner: Runner, target_db: Database) -> None:
    left_behind(target_db, "".join(f"CREATE TABLE t{n} (id serial);" for n in range(9)))
    with pytest.raises(MigrationRefused, match="holds t0, t1, t2 and 6 more, and no history"):
        runner.up()


def test_what_others_keep_in_their_own_schemas_does_not_matter(
    runner: Runner, target_db: Database
) -> None:
    left_behind(target_db, "CREATE SCHEMA theirs; CREATE TABLE theirs.t (id int);")
    assert len(runner.up()) == 5


def test_a_baseline_is_undone_and_the_other_table_is_as_it_was(
    runner: Runner, target_db: Database
) -> None:
    left_behind(target_db, f"{DBMATE} INSERT INTO schema_migrations VALUES ('0001'), ('0002');", 2)
    runner.baseline(Adoption())
    assert runner.baseline(Adoption(undo=True)) == []
    assert target_db.read("SELECT version FROM schema_migrations ORDER BY 1") == [
        {"version": "0001"},
        {"version": "0002"},
    ]
    key = "SELECT conname FROM pg_constraint WHERE conrelid = 'schema_migrations'::regclass "
    assert target_db.read(f"{key} AND contype = 'p'") == [{"conname": "schema_migrations_pkey"}]
    assert target_db.read(
        "SELECT login, what, version, note FROM schema_migrations_corrections ORDER BY version"
    ) == [
        {
            "login": "ops_pipeline_owner",
            "what": "--undo",
            "version": version,
            "note": f"baseline: recorded as {version[:4]!r}",
        }
        for version in versions(1, 2)
    ]
    runner.baseline(Adoption())
    assert [row.version for row in runner.up()] == versions(3, 4, 5)
    assert runner.verify() == []


def test_a_baseline_without_another_table_is_undone_to_nothing(
    runner: Runner, target_db: Database
) -> None:
    left_behind(target_db, "", files=2)
    runner.baseline(Adoption(through="0004_add_3.sql"))
    runner.baseline(Adoption(undo=True))
    assert "schema_migrations" not in tables_in(target_db)
    runner.baseline(Adoption(through="0002_add_1.sql"))
    runner.up()
    assert rows_in(target_db) == 5


def test_a_baseline_that_files_followed_is_corrected_file_by_file(
    runner: Runner, target_db: Database, write: Write
) -> None:
    left_behind(target_db, "", files=1)
    runner.baseline(Adoption(through="0003_add_2.sql"))
    runner.up()
    with pytest.raises(MigrationRefused, match=r"0004_add_3, 0005_add_4 ran here: .*--not-applied"):
        runner.baseline(Adoption(undo=True))
    with pytest.raises(MigrationRefused, match=r"0004_add_3\.sql ran here on "):
        runner.baseline(Adoption(not_applied=("0004_add_3.sql",)))
    left = runner.baseline(Adoption(not_applied=("0002_add_1.sql", "0003_add_2.sql")))
    assert [row.version for row in left] == versions(1, 4, 5)
    folder = write(**{f"add_{n}": FILL for n in range(5)})
    late = ["0002_add_1.sql", "0003_add_2.sql"]
    assert len(Runner(target_db, folder, allow_out_of_order=late).up()) == 2
    assert rows_in(target_db) == 5
    [first, _] = target_db.read("SELECT what, version FROM schema_migrations_corrections")
    assert first == {"what": "--not-applied", "version": "0002_add_1"}


@pytest.mark.parametrize(
    ("adoption", "says"),
    [
        (Adoption(undo=True), "there is no baseline to undo"),
        (Adoption(nothing_applied=True, through="0001_add_0.sql"), "contradict each other"),
    ],
)
def test_what_makes_no_sense_is_refused(runner: Runner, adoption: Adoption, says: str) -> None:
    with pytest.raises(MigrationRefused, match=says):
        runner.baseline(adoption)


def test_what_is_no_row_of_ours_cannot_be_taken_back(runner: Runner, target_db: Database) -> None:
    left_behind(target_db, "", files=1)
    runner.baseline(Adoption(through="0001_add_0.sql"))
    with pytest.raises(MigrationRefused, match=r"0002_add_1\.sql does not count as applied"):
        runner.baseline(Adoption(not_applied=("0002_add_1.sql",)))
    with pytest.raises(MigrationRefused, match=r"ours already: .* --not-applied FILE or --undo"):
        runner.baseline(Adoption(through="0002_add_1.sql"))
