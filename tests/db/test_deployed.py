"""`ops query` and `ops migrate` against a deployed stack: the same verbs, answered by Lambda."""

import json
from collections.abc import Iterator

import pytest

from ops_local import deployed
from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_pipeline.errors import InvalidInput, MigrationRefused, StageFailed
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.wiring import Runtime
from tests.conftest import MIGRATIONS
from tests.fakes import FixedClock
from tests.lambda_endpoint import STACK, lambda_endpoint
from tests.stages.test_db_functions import NOW


@pytest.fixture
def stack(database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    runtime = Runtime(
        {
            "DATABASE_URL": database_urls.writer,
            "DATABASE_OWNER_URL": database_urls.owner,
            "DATABASE_READER_URL": database_urls.reader,
            "MIGRATIONS_DIR": str(MIGRATIONS),
        },
        FixedClock(NOW),
    )
    wiring.use(runtime)
    with lambda_endpoint() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield STACK
    runtime.close()
    wiring.use(None)


def test_a_statement_is_answered_by_the_deployed_function(
    stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT account_name FROM accounts WHERE account_name = $1"
    assert main(["query", sql, "--params", '["tiny"]', "--stack", stack]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [{"account_name": "tiny"}]


def test_a_statement_that_fails_there_ends_with_1(
    stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["query", "SELECT nothing", "--stack", stack]) == 1
    assert "42703" in capsys.readouterr().err


def test_the_deployed_schema_is_looked_at_and_verified(
    stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "status", "--stack", stack]) == 0
    assert "0001_create_runs  applied" in capsys.readouterr().out
    assert main(["migrate", "verify", "--stack", stack, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []
    assert main(["migrate", "up", "--stack", stack]) == 0


def test_what_the_function_raises_has_its_own_name(stack: str) -> None:
    with pytest.raises(MigrationRefused, match="ours already"):
        deployed.call(stack, "db_migration", {"verb": "baseline"})
    with pytest.raises(InvalidInput, match="Accepted fields: sql, params"):
        deployed.call(stack, "db_query", {})


def test_a_stack_that_is_not_there_is_told(stack: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StageFailed, match="other-db-query could not be called"):
        deployed.call("other", "db_query", {"sql": "SELECT 1"})
    assert main(["query", "SELECT 1", "--stack", "other"]) == 1
    assert "StageFailed" in capsys.readouterr().err
