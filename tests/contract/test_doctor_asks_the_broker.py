"""`ops doctor` holds each account against its broker at this moment, here and in a stack."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ops_local.cli import main
from ops_local.commands.doctor import BROKER
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.runtime.wiring import Runtime
from tests.contract.paper_street import LARGE
from tests.support.builders_market import rows
from tests.support.fakes import FixedClock
from tests.support.lambda_endpoint import STACK, lambda_endpoint
from tests.support.stand_ins import (
    NOW,
    NOWHERE,
    exchange_at_tick,
    in_process,
    leading_to,
    prepared,
)
from tests.support.subscribing import subscribe_wire

LATER = timedelta(minutes=10)
HELD = "large position_equals_the_broker AAA: 0 in our records, 3 at the broker"


@pytest.fixture
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    with exchange_at_tick(tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest.fixture
def variables(
    exchange: RunningExchange, database_urls: DatabaseUrls, db: Database
) -> dict[str, str]:
    prepared(db, "AAA")
    subscribe_wire(db)
    return leading_to(exchange, database_urls)


def buy_by_hand(exchange: RunningExchange) -> None:
    """Somebody's market order, filled some minutes ago."""
    broker = AlpacaBroker(exchange.url, LARGE.key_id, LARGE.secret_key, LARGE.account_number)
    broker.submit(OrderRequest("by hand", "AAA", "buy", Decimal(3), "market", None))
    exchange.set_clock(NOW + LATER)


def differences(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return list(json.loads(capsys.readouterr().out)[BROKER])


def test_a_stack_s_functions_ask_and_nothing_is_stored(
    exchange: RunningExchange,
    variables: dict[str, str],
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = FixedClock(NOW)
    with in_process(Runtime(variables, clock)), lambda_endpoint() as settings:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        assert main(["doctor", "--stack", STACK, "--json"]) == 0
        assert differences(capsys) == []

        buy_by_hand(exchange)
        clock.advance(LATER.total_seconds())
        assert main(["doctor", "--stack", STACK, "--json"]) == 1
    found = differences(capsys)
    assert {row["account"] for row in found} == {"large"}
    assert HELD in [row["difference"] for row in found]
    assert any("broker_order_has_one_row by hand" in row["difference"] for row in found)
    assert rows(db, "SELECT 1 FROM broker_comparisons") == []
    assert rows(db, "SELECT 1 FROM active_positions") == []


def test_a_live_pipeline_here_is_asked_with_its_keys(
    exchange: RunningExchange,
    variables: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor", "--json"], variables) == 0
    buy_by_hand(exchange)
    capsys.readouterr()
    assert main(["doctor", "--json"], variables) == 1
    assert {"account": "large", "difference": HELD} in differences(capsys)


def test_an_account_that_cannot_be_asked_is_not_well(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"], {**variables, "ALPACA_TRADING_URL": NOWHERE}) == 1
    found = differences(capsys)
    assert [row["account"] for row in found] == ["large", "tiny"]
    assert all(row["difference"].startswith("could not be compared: ") for row in found)


def test_without_keys_it_says_that_nobody_was_asked_and_shows_what_was_found_last(
    variables: dict[str, str], db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    keyless = {name: value for name, value in variables.items() if not name.startswith("ALPACA_")}
    assert main(["doctor", "--json"], keyless) == 0
    assert "The broker was not asked" in capsys.readouterr().err
    with db.transaction() as tx:
        tx.execute(
            """
            INSERT INTO pipeline_runs
                (run_id, stage, tick, scope, attempt, status, owner, lease_expires_at, started_at,
                 finished_at)
            VALUES (CAST(md5('r') AS uuid), 'reconciler', :at, 'large', 1, 'succeeded', 'o', :at,
                    :at, :at)
            """,
            at=NOW,
        )
        tx.execute(
            """
            INSERT INTO broker_comparisons VALUES ('large', :at, :at, 'differs', 1,
                '[{"invariant": "position_equals_the_broker", "subject": "AAA", "message": "m"}]',
                5)
            """,
            at=NOW,
        )
    assert main(["doctor", "--json"], keyless) == 1
    assert differences(capsys) == [
        {"account": "large", "difference": "position_equals_the_broker AAA: m"}
    ]
