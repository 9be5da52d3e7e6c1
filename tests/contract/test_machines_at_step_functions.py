"""The machines by the public route: registered through boto3, their functions called over HTTP.

moto plays Step Functions; Lambda is an endpoint on this machine that runs our handlers.
"""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import boto3  # type: ignore[import-untyped]  # ships no types
import pytest
from moto import mock_aws

from infra.definitions import load_functions, load_machines, with_arns
from infra.deployment import Deployment
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.runtime.wiring import Runtime
from tests.support.builders_market import rows
from tests.support.fakes import FixedClock
from tests.support.lambda_endpoint import lambda_endpoint
from tests.support.stand_ins import (
    NOW,
    NOWHERE,
    TICK,
    exchange_at_tick,
    in_process,
    leading_to,
    prepared,
)

ACCOUNT = "123456789012"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:"
ARNS = {
    one.placeholder: FUNCTION + Deployment().function_name(one.name)
    for one in load_functions().values()
}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    with exchange_at_tick(tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest.fixture
def variables(
    exchange: RunningExchange, database_urls: DatabaseUrls, db: Database
) -> dict[str, str]:
    prepared(db, "AAA", "BBB")
    return leading_to(exchange, database_urls)


@pytest.fixture
def step_functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with lambda_endpoint() as settings:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        passed = {"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1"]}}}
        config: Any = {"stepfunctions": {"execute_state_machine": True}, **passed}
        with mock_aws(config=config):
            yield boto3.client("stepfunctions", region_name="us-east-1")


def run(step_functions: Any, name: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """Register the machine, start it as the schedule does, and wait for its end."""
    made = step_functions.create_state_machine(
        name=f"ops-pipeline-{name}",
        definition=json.dumps(with_arns(load_machines()[name], ARNS)),
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/states",
        # moto keeps no executions of Express machines.
        type="STANDARD",
    )
    with in_process(Runtime(variables, FixedClock(NOW), owner=name)):
        started = step_functions.start_execution(
            stateMachineArn=made["stateMachineArn"], input=json.dumps({"tick": TICK})
        )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            told = step_functions.describe_execution(executionArn=started["executionArn"])
            if told["status"] != "RUNNING":
                return dict(told)
            time.sleep(0.05)
        raise AssertionError(f"{name} did not end")


def stages_of(db: Database) -> set[tuple[str, str]]:
    found = rows(db, "SELECT stage, scope FROM pipeline_runs WHERE status = 'succeeded'")
    return {(row["stage"], row["scope"]) for row in found}


def test_a_trading_tick_calls_each_function_by_its_arn_and_each_account_s_dispatcher(
    step_functions: Any, variables: dict[str, str], db: Database
) -> None:
    ended = run(step_functions, "trading_cycle", variables)

    assert ended["status"] == "SUCCEEDED", ended
    assert stages_of(db) == {
        ("market_clock", "trading_cycle"),
        *((stage, "*") for stage in ("telemetry", "features", "watchlist", "signals")),
        ("dispatcher", "large"),
        ("dispatcher", "tiny"),
    }
    output = json.loads(ended["output"])
    assert output["telemetry"]["stored"] == 122


def test_news_position_and_daily_cycle_run_to_their_ends(
    step_functions: Any, variables: dict[str, str], db: Database
) -> None:
    for name in ("news_cycle", "position_cycle", "reconcile_cycle", "daily_cycle"):
        ended = run(step_functions, name, variables)
        assert ended["status"] == "SUCCEEDED", (name, ended)
    ran = {stage for stage, _ in stages_of(db)}
    assert ran == {
        *("rss_ingest", "classifier", "market_clock", "position_manager"),
        *("corporate_actions", "reconciler", "market_regime", "report", "retention"),
    }


def test_what_a_function_raises_ends_the_machine_by_its_name_and_is_recorded(
    step_functions: Any, variables: dict[str, str], db: Database
) -> None:
    ended = run(step_functions, "trading_cycle", {**variables, "ALPACA_DATA_URL": NOWHERE})

    assert (ended["status"], ended["error"]) == ("FAILED", "MarketDataUnavailable")
    (alert,) = rows(db, "SELECT kind, subject FROM alerts WHERE resolved_at IS NULL")
    assert alert == {"kind": "stage_failed", "subject": "trading_cycle/Telemetry"}
    assert ("run_failure", "trading_cycle/Telemetry") in stages_of(db)
    assert not any(stage == "dispatcher" for stage, _ in stages_of(db))
