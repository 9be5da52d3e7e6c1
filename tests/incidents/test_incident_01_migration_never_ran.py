"""Incident 1: a migration lay in the repository and never ran.

617 of 727 recommendations FAILED in a day with UndefinedColumn; nobody was told. That every
statement of the code can be prepared on the migrated schema is tests/db/test_statements.py.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from functions.db_migration.handler import lambda_handler as migrate
from ops_local.database import DatabaseUrls
from ops_pipeline.db import schema
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.operations.manifest import STAGES
from ops_pipeline.errors import MigrationRefused, SchemaBehind
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.wiring import Runtime
from tests.conftest import MIGRATIONS
from tests.support.fakes import FixedClock
from tests.support.handlers import FUNCTIONS, events_of, handler_of

NOW = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)
NEWEST = schema.VERSIONS[-1]
# They must work on any schema: they bring it forward, look into it, or say that all is lost.
ANY_SCHEMA = {"db_migration", "db_query", "run_failure"}


@contextmanager
def deployed(urls: DatabaseUrls, bundle: Path) -> Iterator[None]:
    variables = {
        "DATABASE_URL": urls.writer,
        "DATABASE_OWNER_URL": urls.owner,
        "DATABASE_READER_URL": urls.reader,
        "MIGRATIONS_DIR": str(bundle),
    }
    runtime = Runtime(variables, FixedClock(NOW))
    wiring.use(runtime)
    try:
        yield
    finally:
        runtime.close()
        wiring.use(None)


@pytest.fixture
def previous_bundle(tmp_path: Path) -> Path:
    """The migrations of the release before the newest file."""
    folder = tmp_path / "previous"
    shutil.copytree(MIGRATIONS, folder)
    (folder / f"{NEWEST}.sql").unlink()
    return folder


@pytest.fixture
def behind(empty_urls: DatabaseUrls, previous_bundle: Path) -> DatabaseUrls:
    """A database that the newest migration never reached, and a deploy that did not notice."""
    with deployed(empty_urls, previous_bundle), pytest.raises(SchemaBehind, match=NEWEST):
        migrate({}, None)
    return empty_urls


def runs_of(urls: DatabaseUrls) -> int:
    database = Database(target_from_url(urls.owner), application_name="tests")
    with closing(database), database.transaction() as tx:
        return int(tx.rows("SELECT count(*) AS n FROM pipeline_runs")[0]["n"])


def test_a_bundle_that_lost_a_file_fails_the_deploy_naming_it(behind: DatabaseUrls) -> None:
    assert runs_of(behind) == 0


def test_every_stage_refuses_a_database_that_lacks_the_migration_and_touches_nothing(
    behind: DatabaseUrls,
) -> None:
    with deployed(behind, MIGRATIONS):
        for name in sorted(set(FUNCTIONS) - ANY_SCHEMA):
            for event in events_of(name).values():
                ticked = {**event, "tick": NOW.isoformat()} if "tick" in event else event
                with pytest.raises(SchemaBehind, match=f"lacks {NEWEST}: run the migrations"):
                    handler_of(name)(ticked, None)
    assert runs_of(behind) == 0


def test_the_manifest_names_the_functions_that_work_on_any_schema() -> None:
    assert {stage.name for stage in STAGES if stage.schema == "any"} == ANY_SCHEMA


def test_a_dry_run_is_refused_too(behind: DatabaseUrls) -> None:
    event = {"tick": NOW.isoformat(), "dry_run": True}
    with deployed(behind, MIGRATIONS), pytest.raises(SchemaBehind):
        handler_of("signals")(event, None)


def test_verify_fails_a_deploy_that_left_one_unapplied(behind: DatabaseUrls) -> None:
    with deployed(behind, MIGRATIONS):
        with pytest.raises(MigrationRefused, match=f"{NEWEST} is not applied"):
            migrate({"verb": "verify"}, None)
        assert migrate({}, None)["applied"] == [NEWEST]
        assert migrate({"verb": "verify"}, None)["problems"] == []


def test_once_it_ran_the_stages_work(behind: DatabaseUrls) -> None:
    with deployed(behind, MIGRATIONS):
        migrate({}, None)
        assert handler_of("report")({"tick": NOW.isoformat()}, None)["status"] == "run"


def test_a_file_added_to_the_folder_runs_though_no_code_names_it(
    database_urls: DatabaseUrls, tmp_path: Path
) -> None:
    bundle = tmp_path / "next"
    shutil.copytree(MIGRATIONS, bundle)
    (bundle / "9001_add_strategy.sql").write_text(
        "ALTER TABLE active_positions ADD COLUMN strategy_family text;"
    )
    with deployed(database_urls, bundle):
        assert migrate({}, None)["applied"] == ["9001_add_strategy"]


def test_a_database_ahead_of_the_code_is_no_reason_to_stop(
    database_urls: DatabaseUrls, tmp_path: Path
) -> None:
    test_a_file_added_to_the_folder_runs_though_no_code_names_it(database_urls, tmp_path)
    with deployed(database_urls, MIGRATIONS):
        assert handler_of("report")({"tick": NOW.isoformat()}, None)["status"] == "run"
