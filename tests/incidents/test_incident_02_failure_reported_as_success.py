"""Incident 2: a migration failed and was reported as success.

A status 500 lay inside a 200 body, a version row was inserted by hand, two files had one
number.
"""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from functions.db_migration.handler import lambda_handler as migrate
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.migrations.files import read_folder
from ops_pipeline.errors import ConstraintViolated, MigrationFailed, MigrationRefused, OpsError
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.wiring import Runtime
from tests.conftest import MIGRATIONS
from tests.migrations.folders import objects_in
from tests.support.fakes import FixedClock

NOW = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)


@pytest.fixture
def bundle(database_urls: DatabaseUrls, tmp_path: Path) -> Iterator[Path]:
    """The migrations that the deployed function was bundled with, all applied."""
    folder = tmp_path / "bundle"
    shutil.copytree(MIGRATIONS, folder)
    variables = {"DATABASE_OWNER_URL": database_urls.owner, "MIGRATIONS_DIR": str(folder)}
    runtime = Runtime(variables, FixedClock(NOW))
    wiring.use(runtime)
    yield folder
    runtime.close()
    wiring.use(None)


def history(database: Database) -> list[object]:
    with database.transaction() as tx:
        return list(tx.rows("SELECT * FROM schema_migrations ORDER BY version"))


def test_a_failing_migration_fails_the_invocation_and_changes_nothing(
    bundle: Path, owner_db: Database
) -> None:
    before = objects_in(owner_db), history(owner_db)
    (bundle / "9001_add_column.sql").write_text(
        "ALTER TABLE orders ADD COLUMN note text;\n"
        "UPDATE orders SET note = '';\n"
        "ALTER TABLE orders ADD COLUMN brokerage text REFERENCES brokers (name);\n"
    )

    with pytest.raises(MigrationFailed) as raised:
        migrate({}, None)

    assert type(raised.value).__name__ == "MigrationFailed"
    assert str(raised.value) == (
        '9001_add_column.sql line 3: relation "brokers" does not exist (42P01); '
        "the database is as before this file"
    )
    assert (objects_in(owner_db), history(owner_db)) == before


def test_a_file_that_would_need_to_be_half_run_is_refused_whole(
    bundle: Path, owner_db: Database
) -> None:
    before = objects_in(owner_db)
    (bundle / "9001_add_index.sql").write_text(
        "ALTER TABLE orders ADD COLUMN note text;\n"
        "CREATE INDEX CONCURRENTLY orders_note ON orders (note);\n"
    )

    with pytest.raises(MigrationRefused, match=r"9001_add_index\.sql line 2.*no-transaction"):
        migrate({}, None)

    assert objects_in(owner_db) == before


def test_a_row_by_hand_has_no_checksum_and_is_refused_by_the_table(owner_db: Database) -> None:
    with pytest.raises(ConstraintViolated, match="checksum"), owner_db.transaction() as tx:
        tx.execute("INSERT INTO schema_migrations (version) VALUES ('9001_add_column')")


def test_a_row_by_hand_with_a_made_up_checksum_is_found_out(
    bundle: Path, owner_db: Database
) -> None:
    (bundle / "9001_add_column.sql").write_text("ALTER TABLE orders ADD COLUMN note text;")
    with owner_db.transaction() as tx:
        tx.script("INSERT INTO schema_migrations VALUES ('9001_add_column', 'x', '2026-02-04', 1)")

    for verb in ("migrate", "verify"):
        with pytest.raises(MigrationRefused, match=r"9001_add_column\.sql was edited"):
            migrate({"verb": verb}, None)


def test_a_row_by_hand_with_the_right_checksum_is_found_out_by_its_column(
    bundle: Path, owner_db: Database
) -> None:
    (bundle / "9001_add_column.sql").write_text("ALTER TABLE orders ADD COLUMN note text;")
    never_ran = read_folder(bundle)[-1]
    with owner_db.transaction() as tx:
        tx.execute(
            "INSERT INTO schema_migrations VALUES (:version, :checksum, '2026-02-04', 1)",
            version=never_ran.version,
            checksum=never_ran.checksum,
        )

    with pytest.raises(MigrationRefused, match=r"column public\.orders\.note is missing"):
        migrate({"verb": "verify"}, None)


def _edit(folder: Path) -> None:
    (folder / "0001_create_runs.sql").write_text("SELECT 1;")


def _double(folder: Path) -> None:
    (folder / "0002_other.sql").write_text("SELECT 1;")


def _lose(folder: Path) -> None:
    (folder / "0002_create_news.sql").unlink()


def _precede(folder: Path) -> None:
    (folder / "0000_before_all.sql").write_text("SELECT 1;")


def _misname(folder: Path) -> None:
    (folder / "fix.sql").write_text("SELECT 1;")


def _record_itself(folder: Path) -> None:
    (folder / "9001_lie.sql").write_text("INSERT INTO schema_migrations VALUES ('9002_other');")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_edit, r"0001_create_runs\.sql was edited after it was applied"),
        (_double, r"one number: 0002_create_news\.sql, 0002_other\.sql"),
        (_lose, r"0002_create_news\.sql is applied, but the file is missing"),
        (_precede, r"0000_before_all\.sql comes too late"),
        (_misname, r"fix\.sql is not named NNNN_name\.sql"),
        (_record_itself, r"9001_lie\.sql line 1: schema_migrations is the runner's"),
    ],
)
def test_files_out_of_order_are_refused_by_name_and_nothing_runs(
    bundle: Path, owner_db: Database, spoil: Callable[[Path], None], told: str
) -> None:
    before = objects_in(owner_db), history(owner_db)
    (bundle / "9009_next.sql").write_text("CREATE TABLE next (id int);")
    spoil(bundle)

    for verb in ("migrate", "dry_run"):
        with pytest.raises(OpsError, match=told):
            migrate({"verb": verb}, None)

    assert (objects_in(owner_db), history(owner_db)) == before
