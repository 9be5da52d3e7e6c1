"""Each group's login may run every statement that its stages reach.

A migration that adds a column, or a statement that writes another one, needs a grant. The tests
of stages run as the writer, who may do everything.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing

from pg8000.exceptions import DatabaseError

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import ConnectionTarget, Database, target_from_url
from ops_pipeline.db.driver.failures import sqlstate_of
from ops_pipeline.domain.operations.manifest import STAGES
from tests.support.statement_users import users
from tests.support.statements import STATEMENTS, check

GROUPS = ("news", "market", "trading", "control")
USERS = users()


def _by_login() -> Iterator[tuple[str, str, str, str]]:
    login_of = {stage.name: stage.login for stage in STAGES}
    for module, name, sql in STATEMENTS:
        for login in sorted({login_of[stage] for stage in USERS.get((module, name), ())}):
            if login in GROUPS:
                yield login, module, name, sql


CASES = list(_by_login())


def _refused(urls: DatabaseUrls) -> list[tuple[str, str, str]]:
    """What the logins of that database may not run: login, module and name. Nothing is run."""
    found = []
    with ExitStack() as stack:
        logins = {
            group: Database(_target(urls, group), application_name="tests") for group in GROUPS
        }
        for database in logins.values():
            stack.enter_context(closing(database))
        for login, module, name, sql in CASES:
            try:
                check(logins[login], sql)
            except DatabaseError as error:
                if sqlstate_of(error) != "42501":
                    raise
                found.append((login, module, name))
    return found


def _target(urls: DatabaseUrls, group: str) -> ConnectionTarget:
    return target_from_url(getattr(urls, group))


def test_the_reading_of_who_uses_what_finds_what_is_known() -> None:
    assert {"rss_ingest", "telemetry", "dispatcher", "control"} <= USERS["runs", "_FINISH"]
    assert USERS["orders", "_INSERT"] >= {"dispatcher", "position_manager"}
    assert "classifier" in USERS["news", "_INSERT_CLASSIFIED"]
    assert len({(module, name) for _, module, name, _ in CASES}) > 150


def test_each_login_may_run_what_its_stages_run(template_urls: DatabaseUrls) -> None:
    assert _refused(template_urls) == []


def test_a_grant_that_a_migration_forgot_is_found(
    database_urls: DatabaseUrls, owner_db: Database
) -> None:
    with owner_db.transaction() as tx:
        tx.execute("REVOKE UPDATE (lease_expires_at) ON pipeline_runs FROM ops_pipeline_news")
        tx.execute("REVOKE UPDATE ON price_holds FROM ops_pipeline_market")
    found = _refused(database_urls)
    assert ("news", "runs", "_TAKE") in found
    assert {login for login, _, _ in found} == {"news", "market"}
