"""The verbs against a deployed stack: the same ones, answered by Lambda."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops_local import deployed
from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db import halts, runs
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.errors import InvalidInput, MigrationRefused, StageFailed
from ops_pipeline.runtime.wiring import Runtime
from tests.conftest import MIGRATIONS
from tests.support.builders_trading import TradingBench
from tests.support.fakes import FixedClock
from tests.support.lambda_endpoint import STACK, canned_lambda, lambda_endpoint
from tests.support.stand_ins import in_process
from tests.support.subscribing import subscribe_wire

NOW = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)


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
    with in_process(runtime), lambda_endpoint() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield STACK


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
    assert "ops: other-db-query could not be called" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "failed", "said"),
    [
        (b"null", False, "ops-pipeline-control answered with no object: None"),
        (b"", False, "ops-pipeline-control answered with no object: None"),
        (b"<html>", False, "ops-pipeline-control answered with something that is no JSON"),
        (b'{"errorMessage": "Task timed out after 25 seconds"}', True, "Task timed out after 25"),
        (b'"odd"', True, "ops-pipeline-control answered with no object: odd"),
    ],
)
def test_whatever_a_function_answers_is_told_in_a_sentence(
    body: bytes,
    failed: bool,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with canned_lambda(body, failed=failed) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert main(["halt", "--reason", "x", "--stack", STACK]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert f"ops: {said}" in told.err


def _answered(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_entries_are_halted_and_resumed_there_with_the_reason_kept(
    stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    why = ["--account", "tiny", "--reason", "earnings", "--operator", "ann", "--stack", stack]
    assert main(["halt", "--json", *why]) == 0
    assert _answered(capsys) == {"action": "halt", "halted": ["tiny"]}

    assert main(["status", "--stack", stack, "--json"]) == 0
    accounts = _answered(capsys)["Accounts"]
    assert {one["account_name"]: one["halted"] for one in accounts} == {
        "large": None,
        "tiny": "earnings",
    }

    assert main(["resume", "--json", *why]) == 0
    assert _answered(capsys)["resumed"] == ["tiny"]
    assert main(["query", "SELECT action, operator, reason FROM operator_actions ORDER BY action",
                 "--stack", stack]) == 0  # fmt: skip
    assert _answered(capsys)["rows"] == [
        {"action": "halt", "operator": "ann", "reason": "earnings"},
        {"action": "resume", "operator": "ann", "reason": "earnings"},
    ]


def test_an_action_keeps_what_lambda_says_of_its_call_beside_what_the_caller_claims(
    stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    why = ["--reason", "earnings", "--operator", "the boss", "--stack", f"{stack}:ann"]
    assert main(["halt", *why]) == 0
    assert main(["resume", *why]) == 0
    capsys.readouterr()
    asked = "SELECT operator, details->'invocation' AS invocation FROM operator_actions"
    assert main(["query", asked, "--stack", f"{stack}:ann"]) == 0
    for row in _answered(capsys)["rows"]:
        assert row["operator"] == "the boss"
        assert row["invocation"]["function_arn"].endswith("function:ops-pipeline-control:ann")
        assert row["invocation"]["request_id"].startswith("request-")


def test_status_shows_a_kill_switch_only_in_the_session_it_latched_in(
    stack: str, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    today, why = new_york_day(WallClock().now()), "down 3 % today"
    with db.transaction() as tx:
        halts.latch_kill_switch(tx, account="tiny", reason=why, day=today)
        halts.latch_kill_switch(tx, account="large", reason=why, day=today - timedelta(days=1))
    assert main(["status", "--stack", stack, "--json"]) == 0
    accounts = _answered(capsys)["Accounts"]
    assert {one["account_name"]: one["halted"] for one in accounts} == {"large": None, "tiny": why}


def test_an_account_that_is_not_there_is_not_halted(
    stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["halt", "--account", "nobody", "--reason", "x", "--stack", stack]) == 1
    assert "nobody" in capsys.readouterr().err


def test_positions_are_closed_there(
    stack: str, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = TradingBench(db)
    bench.buy()
    # It is stored, and by the wall's clock the bench's position manager is long gone.
    assert main(["close", "--json", "--reason", "x", "--stack", stack]) == 1
    assert _answered(capsys)["exits_asked"] == ["large AAA"]


def test_closing_what_is_not_held_ends_with_1_and_says_so(
    stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--json", "--ticker", "AAPL", "--reason", "x", "--stack", stack]
    assert main(["close", *words]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["exits_asked"] == []
    assert "nothing to close" in told.err


def test_a_deployed_stack_is_examined_by_the_same_statements(
    stack: str, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = TradingBench(db)
    subscribe_wire(db)
    # Nobody's keys are there, and who cannot be asked is not well.
    assert main(["doctor", "--stack", stack, "--json"]) == 1
    assert len(_answered(capsys)["Differences from the broker"]) == 2
    for name in ("large", "tiny"):
        bench.set_account(name, execution_mode="SIMULATED")
    # Its newest run is of a day long past: nothing runs there any more.
    assert main(["doctor", "--stack", stack, "--json"]) == 1
    answered = _answered(capsys)
    assert set(answered) >= {"Broken invariants", "Orders of unknown outcome"}
    assert [part for part, rows in answered.items() if rows] == ["Overdue runs"]
    for name in ("large", "tiny"):
        bench.set_account(name, execution_mode="ALPACA_PAPER")

    bench.buy()
    bench.guard()
    bench.run("UPDATE active_positions SET quantity = quantity - 1")
    assert main(["doctor", "--stack", stack, "--json"]) == 1
    (broken,) = _answered(capsys)["Broken invariants"]
    assert broken["invariant"] == "position_equals_its_orders"


def test_a_schema_that_lacks_a_migration_is_all_that_the_doctor_tells(
    stack: str, owner_db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with owner_db.transaction() as tx:
        tx.execute("DELETE FROM schema_migrations WHERE version = '0006_add_accounts'")
    assert main(["doctor", "--stack", stack, "--json"]) == 1
    assert _answered(capsys) == {"Missing migrations": [{"version": "0006_add_accounts"}]}


def test_an_answer_that_the_console_cut_off_is_not_taken_for_the_whole(stack: str) -> None:
    with pytest.raises(StageFailed, match="longer than"):
        deployed.StackReader(stack).rows("SELECT n FROM generate_series(1, 100000) AS n")
    with pytest.raises(StageFailed, match="42703"):
        deployed.StackReader(stack).rows("SELECT nothing")


def test_a_function_is_called_there_with_an_event(
    stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    event = '{"tick": "2026-02-04T21:20:00Z", "dry_run": true}'
    assert main(["invoke", "report", "--event", event, "--stack", stack]) == 0
    assert _answered(capsys)["status"] == "dry_run"
    assert main(["invoke", "report", "--event", "[]", "--stack", stack]) == 1
    assert _answered(capsys)["errorType"] == "InvalidInput"


def test_a_month_is_reckoned_with_the_times_that_the_stack_measured(
    stack: str, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    def functions_usd(*where: str) -> float:
        main(["cost", "--json", *where])
        return float(_answered(capsys)["lines"]["functions"])

    here = functions_usd()
    assert functions_usd("--stack", stack) == here
    lease = runs.take(db, stage="classifier", tick=NOW, scope="*", owner="t", now=NOW, lease_s=60)
    assert isinstance(lease, runs.Lease)
    with db.transaction() as tx:
        runs.succeed(tx, lease, counts={}, now=NOW, duration_ms=20_000)
    assert functions_usd("--stack", stack) > 5 * here
