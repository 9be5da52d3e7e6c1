"""db_migration and db_query, as Lambda calls them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from functions.db_migration.handler import lambda_handler as migrate
from functions.db_query.handler import lambda_handler as query
from ops_local.database import DatabaseUrls
from ops_pipeline.db import parameters, schema
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.errors import InvalidInput, MigrationFailed, MigrationRefused
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.wiring import Runtime
from tests.conftest import MIGRATIONS
from tests.support.fakes import FixedClock

NOW = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)


@contextmanager
def running(urls: DatabaseUrls, folder: Path = MIGRATIONS) -> Iterator[None]:
    variables = {
        "DATABASE_URL": urls.writer,
        "DATABASE_OWNER_URL": urls.owner,
        "DATABASE_READER_URL": urls.reader,
        "MIGRATIONS_DIR": str(folder),
    }
    runtime = Runtime(variables, FixedClock(NOW))
    wiring.use(runtime)
    try:
        yield
    finally:
        runtime.close()
        wiring.use(None)


def active_version(urls: DatabaseUrls) -> parameters.Versioned:
    database = Database(target_from_url(urls.writer), application_name="tests")
    with database.transaction() as tx:
        found = parameters.load_active(tx)
    database.close()
    return found


def test_an_empty_event_brings_an_empty_database_to_the_bundles_schema(
    empty_urls: DatabaseUrls,
) -> None:
    with running(empty_urls):
        assert migrate({"verb": "status"}, None)["pending"] == list(schema.VERSIONS)
        with pytest.raises(MigrationRefused, match="0001_create_runs is not applied"):
            migrate({"verb": "verify"}, None)
        assert migrate({"verb": "dry_run"}, None)["pending"] == list(schema.VERSIONS)

        answer = migrate({}, None)

        assert answer["applied"] == list(schema.VERSIONS)
        assert migrate({"verb": "verify"}, None)["problems"] == []
        assert migrate({}, None)["applied"] == []


def test_a_migrated_database_has_the_shipped_figures_in_force(empty_urls: DatabaseUrls) -> None:
    with running(empty_urls):
        assert migrate({}, None)["parameter_version"] == 1

    assert active_version(empty_urls) == parameters.Versioned(1, Parameters())


def test_figures_that_are_in_force_are_left_alone(
    database_urls: DatabaseUrls, db: Database
) -> None:
    with db.transaction() as tx:
        parameters.activate(tx, Parameters(), source="default", now=NOW)
        other = parameters.overlay(Parameters(), {"news": {"window_minutes": 60}})
        parameters.activate(tx, other, source="operator", now=NOW)

    with running(database_urls):
        assert migrate({}, None)["parameter_version"] == 2

    assert active_version(database_urls).rules.news.window_minutes == 60


def test_a_migration_that_fails_is_raised_and_never_a_body(
    empty_urls: DatabaseUrls, tmp_path: Path
) -> None:
    (tmp_path / "0001_break.sql").write_text("CREATE TABLE broken (id nonsense);")

    with running(empty_urls, tmp_path), pytest.raises(MigrationFailed, match="nonsense"):
        migrate({}, None)


def test_another_folder_of_migrations_needs_no_table_of_parameters(
    empty_urls: DatabaseUrls, tmp_path: Path
) -> None:
    (tmp_path / "0001_other.sql").write_text("CREATE TABLE other (id integer PRIMARY KEY);")

    with running(empty_urls, tmp_path):
        answer = migrate({}, None)

    assert (answer["applied"], answer["parameter_version"]) == (["0001_other"], None)


def ask(sql: str) -> tuple[int, dict[str, Any]]:
    answer = query({"sql": sql}, None)
    return answer["statusCode"], json.loads(answer["body"])


def test_the_operators_statement_is_answered_with_rows(database_urls: DatabaseUrls) -> None:
    with running(database_urls):
        assert ask("SELECT account_name FROM accounts ORDER BY account_name;") == (
            200,
            {"success": True, "rows": [{"account_name": "large"}, {"account_name": "tiny"}]},
        )


def test_a_statement_that_is_wrong_is_a_400_in_postgres_words(database_urls: DatabaseUrls) -> None:
    with running(database_urls):
        status, body = ask("SELECT * FROM nowhere")

    assert status == 400
    assert (body["success"], body["sqlstate"]) == (False, "42P01")


def test_a_statement_that_writes_is_refused(database_urls: DatabaseUrls) -> None:
    with running(database_urls):
        status, _ = ask("UPDATE accounts SET max_positions = 99")

    assert status == 400


@pytest.mark.parametrize("event", [{}, {"sql": "SELECT 1", "database": "x"}])
def test_an_event_without_a_statement_is_refused_by_name(
    event: dict[str, Any], database_urls: DatabaseUrls
) -> None:
    with running(database_urls), pytest.raises(InvalidInput, match="Accepted fields: sql"):
        query(event, None)
