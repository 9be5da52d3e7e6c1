"""A database that another runner left behind is taken over, and ends verified."""

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.migrations.runner import Adoption, Runner
from ops_pipeline.errors import MigrationRefused
from tests.migrations.folders import Write, applied_in

POSITIONS = "CREATE TABLE active_positions (id int PRIMARY KEY, ticker text NOT NULL);"
ACCOUNT = """BEGIN;
ALTER TABLE active_positions ADD COLUMN account_name text NOT NULL DEFAULT 'large';
INSERT INTO schema_migrations (version) VALUES ('1001_add_account_name') ON CONFLICT DO NOTHING;
COMMIT;
"""
RULES = "CREATE TABLE rules (id int PRIMARY KEY);"
KEY = "CREATE INDEX rules_id ON rules (id);"


@pytest.fixture
def predecessor(target_db: Database, write: Write) -> Runner:
    """1000 and 1002 applied, 1001 not; numbers by hand, no checksum, a row for a lost file.

    1001 brings its own transaction and its own row.
    """
    folder = write(1000, create_positions=POSITIONS, add_account_name=ACCOUNT, create_rules=RULES)
    with target_db.transaction() as tx:
        tx.script(
            POSITIONS + RULES + "CREATE TABLE schema_migrations ("
            "version varchar(255) PRIMARY KEY, description text NOT NULL, applied_at timestamp);"
            "INSERT INTO schema_migrations VALUES ('1000', 'by hand', '2025-11-03 09:30:00'),"
            "('1002_create_rules', 'ran twice', NULL), ('hotfix', 'nobody knows', NULL)"
        )
    return Runner(target_db, folder)


def test_the_predecessor_s_state_ends_verified(
    predecessor: Runner, target_db: Database, write: Write
) -> None:
    folder = write(1003, add_key=KEY)
    with pytest.raises(MigrationRefused, match=r"another runner's: .*take it over with baseline"):
        predecessor.up()
    with pytest.raises(MigrationRefused, match="no file of the folder: hotfix"):
        predecessor.baseline(Adoption())

    taken = predecessor.baseline(Adoption(ignore=("hotfix",)))

    assert [row.version for row in taken] == ["1000_create_positions", "1002_create_rules"]
    with pytest.raises(
        MigrationRefused, match=r"1001_add_account_name\.sql comes too late.*--allow-out-of-order"
    ):
        predecessor.up()
    allowing = Runner(target_db, folder, allow_out_of_order=["1001_add_account_name.sql"])
    assert [row.version for row in allowing.up()] == ["1001_add_account_name", "1003_add_key"]
    assert Runner(target_db, folder).verify() == []
    notes = {row.version: row.note for row in Runner(target_db, folder).status().applied}
    assert notes == {
        "1000_create_positions": "baseline: recorded as '1000'",
        "1001_add_account_name": "its own row left out; out of order, allowed after "
        "1002_create_rules",
        "1002_create_rules": "baseline: recorded as '1002_create_rules'",
        "1003_add_key": None,
    }


def test_what_was_recorded_stays_beside_it_with_its_time(
    predecessor: Runner, target_db: Database
) -> None:
    predecessor.baseline(Adoption(ignore=("hotfix",)))
    with target_db.transaction() as tx:
        kept = tx.rows("SELECT version FROM schema_migrations_adopted ORDER BY 1")
        at = tx.one("SELECT applied_at::text AS at FROM schema_migrations WHERE version ~ '^1000'")
    assert [row["version"] for row in kept] == ["1000", "1002_create_rules", "hotfix"]
    assert at == {"at": "2025-11-03 09:30:00+00"}


def test_a_row_that_was_written_by_hand_shows_as_drift(
    predecessor: Runner, target_db: Database
) -> None:
    with target_db.transaction() as tx:
        tx.script("INSERT INTO schema_migrations VALUES ('1001', 'it said it ran', NULL)")
    predecessor.baseline(Adoption(ignore=("hotfix",)))
    assert predecessor.verify() == [
        "column public.active_positions.account_name is missing: the migrations make it"
    ]


def test_such_a_row_can_be_left_out(predecessor: Runner, target_db: Database) -> None:
    with target_db.transaction() as tx:
        tx.script("INSERT INTO schema_migrations VALUES ('1001', 'it said it ran', NULL)")
    predecessor.baseline(Adoption(ignore=("hotfix",), not_applied=("1001_add_account_name.sql",)))
    assert applied_in(target_db) == ["1000_create_positions", "1002_create_rules"]


def test_a_database_without_a_history_is_taken_over_at_a_file(
    target_db: Database, write: Write
) -> None:
    folder = write(positions=POSITIONS, rules=RULES, key=KEY)
    with target_db.transaction() as tx:
        tx.script(POSITIONS + RULES)
    runner = Runner(target_db, folder)
    with pytest.raises(MigrationRefused, match="--through FILE"):
        runner.baseline(Adoption())
    runner.baseline(Adoption(through="0002_rules.sql"))
    assert [row.version for row in runner.up()] == ["0003_key"]
    assert runner.verify() == []


def test_a_database_ahead_of_the_folder_stays_ahead(target_db: Database, write: Write) -> None:
    folder = write(positions=POSITIONS)
    with target_db.transaction() as tx:
        tx.script(
            POSITIONS + "CREATE TABLE schema_migrations (version bigint PRIMARY KEY);"
            "INSERT INTO schema_migrations VALUES (1), (2)"
        )
    Runner(target_db, folder).baseline(Adoption())
    assert applied_in(target_db) == ["0001_positions", "2"]
    assert Runner(target_db, folder).up() == []


def test_our_own_history_is_not_taken_over_again(target_db: Database, write: Write) -> None:
    runner = Runner(target_db, write(positions=POSITIONS))
    runner.up()
    with pytest.raises(MigrationRefused, match="ours already"):
        runner.baseline(Adoption())


def test_a_file_named_that_is_not_there_is_refused(predecessor: Runner) -> None:
    with pytest.raises(MigrationRefused, match=r"holds no 1009_x\.sql"):
        predecessor.baseline(Adoption(not_applied=("1009_x.sql",)))


def test_a_migration_that_another_runner_left_dirty_is_not_taken_over(
    target_db: Database, write: Write
) -> None:
    with target_db.transaction() as tx:
        tx.script(
            "CREATE TABLE schema_migrations (version bigint, dirty boolean NOT NULL);"
            "INSERT INTO schema_migrations VALUES (1, true)"
        )
    with pytest.raises(MigrationRefused, match="dirty"):
        Runner(target_db, write(positions=POSITIONS)).baseline(Adoption())


def test_a_refused_adoption_changes_nothing(predecessor: Runner, target_db: Database) -> None:
    with pytest.raises(MigrationRefused):
        predecessor.baseline(Adoption())
    assert applied_in(target_db) == ["1000", "1002_create_rules", "hotfix"]


@pytest.mark.parametrize("name", ["0001_positions.sql", "0009_typed_wrong.sql"])
def test_a_permission_that_nothing_needs_is_refused(
    target_db: Database, write: Write, name: str
) -> None:
    folder = write(positions=POSITIONS)
    with pytest.raises(MigrationRefused, match=f"{name} is no file that comes too late"):
        Runner(target_db, folder, allow_out_of_order=[name]).up()


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO schema_migrations (version) VALUES ('0009_other')",
        "DELETE FROM schema_migrations",
        "UPDATE public.schema_migrations SET checksum = 'x'",
        "ALTER TABLE schema_migrations ADD y int",
        'TRUNCATE "schema_migrations"',
        "DROP TABLE IF EXISTS schema_migrations",
    ],
)
def test_a_file_may_write_no_more_of_the_history_than_its_own_row(
    target_db: Database, write: Write, text: str
) -> None:
    with pytest.raises(MigrationRefused, match=r"0001_odd\.sql line 1: .*runner's"):
        Runner(target_db, write(odd=text)).up()


def test_a_row_that_a_file_smuggles_in_fails_it(target_db: Database, write: Write) -> None:
    folder = write(
        odd="CREATE TABLE a (id int); DO $$ BEGIN INSERT INTO schema_migrations "
        "VALUES ('0001_odd', 'x', '2026-01-01', 0); END $$"
    )
    with pytest.raises(Exception, match=r"0001_odd\.sql at its end: .*schema_migrations_pkey"):
        Runner(target_db, folder).up()
    assert applied_in(target_db) == []
