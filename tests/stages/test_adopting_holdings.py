"""`ops accounts adopt`: an operator decides on what an account held before its first run."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from functions.control.handler import lambda_handler
from ops_local import database as local
from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.errors import InvalidInput
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.operating.holding_adoption import HoldingAdoption, HoldingCommand
from tests.conftest import MIGRATIONS
from tests.support.builders_trading import TradingBench
from tests.support.lambda_endpoint import STACK, lambda_endpoint
from tests.support.stand_ins import in_process


@pytest.fixture
def owner(db: Database) -> TradingBench:
    """It holds 40 OLD, bought at 50 and at 30 since long, and has run once."""
    bench = TradingBench(db, looked=False)
    bench.broker.hold("OLD", "40", "50")
    bench.broker.marks["OLD"] = bench.broker.closes["OLD"] = Decimal(30)
    bench.broker.last_equity = bench.broker.cash + 1_200
    bench.quote("OLD", "29.99", "30.01")
    minute(bench)
    return bench


@pytest.fixture
def variables(
    postgres: EmbeddedPostgres, database_urls: DatabaseUrls, tmp_path: Path
) -> dict[str, str]:
    """Of a command line on this machine."""
    name = target_from_url(database_urls.owner).database
    url = local.url_for(postgres.url, database=name)
    return {"DATABASE_URL": url, "OPS_HOME": str(tmp_path), "USER": "ann"}


@pytest.fixture(params=["here", "in a stack"])
def ops(
    request: pytest.FixtureRequest,
    owner: TradingBench,
    variables: dict[str, str],
    database_urls: DatabaseUrls,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Any]:
    """The command line, speaking to this database or to a stack that has it."""
    if request.param == "here":
        yield lambda *words: main(words, variables)
        return
    more = {**database_urls.variables(), "MIGRATIONS_DIR": str(MIGRATIONS)}
    with in_process(Runtime(more, owner.clock)), lambda_endpoint() as endpoint:
        for key, value in endpoint.items():
            monkeypatch.setenv(key, value)
        yield lambda *words: main((*words, "--stack", STACK, "--operator", "ann"), variables)


def minute(bench: TradingBench, count: int = 1) -> None:
    for _ in range(count):
        bench.next_minute()
        bench.guard()
        bench.reconcile("large")


def adopt(ops: Any, use: str, symbol: str = "OLD") -> int:
    words = ("accounts", "adopt", symbol, "--account", "large", "--as", use, "--yes")
    return int(ops(*words, "--reason", "mine to trade"))


def external(bench: TradingBench) -> dict[str, object]:
    found = bench.rows("SELECT symbol, quantity FROM external_holdings WHERE quantity <> 0")
    return {row["symbol"]: row["quantity"] for row in found}


@pytest.mark.parametrize(
    ("use", "strategy", "minutes"),
    [("day_trade", "day_trade", 240), ("swing", "swing_trade", None)],
)
def test_an_adopted_holding_is_a_position_at_its_present_price(
    owner: TradingBench, ops: Any, use: str, strategy: str, minutes: int | None
) -> None:
    assert adopt(ops, use) == 0
    held = owner.position("OLD")
    assert (held["quantity"], held["entry_price"], held["stop_loss"]) == (40, 30, Decimal("29.40"))
    assert (held["strategy_type"], held["max_hold_minutes"]) == (strategy, minutes)
    assert external(owner) == {}
    (action,) = owner.rows("SELECT operator, action, scope, reason FROM operator_actions")
    assert tuple(action.values()) == ("ann", "adopt", "large", "mine to trade")


def test_it_is_guarded_from_the_next_minute_on_and_counts(owner: TradingBench, ops: Any) -> None:
    assert adopt(ops, "swing") == 0
    minute(owner)
    assert owner.order("stop")["price"] == Decimal("29.40")
    owner.set_account(max_positions=1)
    number = owner.recommend()
    owner.dispatch()
    assert owner.verdict(number, "max_positions")["reason"] == "At position limit: 1/1"
    assert owner.alerts() == []
    with owner.db.transaction() as tx:
        assert invariants.check(tx, now=owner.clock.now()) == []


def test_its_old_loss_and_what_it_lost_today_before_latch_nothing(owner: TradingBench) -> None:
    owner.broker.marks["OLD"] = Decimal(15)
    owner.quote("OLD", "14.99", "15.01")
    minute(owner)
    decide = HoldingAdoption(db=owner.db, clock=owner.clock)
    decide.run(
        HoldingCommand(
            operator="ann", reason="mine to trade", account="large", symbol="OLD", use="swing"
        )
    )
    minute(owner, 4)
    (row,) = owner.rows("SELECT kill_switch FROM accounts WHERE account_name = 'large'")
    assert row["kill_switch"] is None
    number = owner.recommend()
    owner.dispatch()
    assert owner.verdict(number, "daily_loss")["reason"] == "Daily loss $0 under $500"


def test_a_split_is_left_alone_once_the_operator_says_so(owner: TradingBench, ops: Any) -> None:
    assert adopt(ops, "left_alone") != 0
    owner.broker.hold("OLD", "280", "7.14")
    minute(owner, 2)
    assert owner.alerts() == ["position_unknown_to_us"]
    assert adopt(ops, "left_alone") == 0
    minute(owner)
    assert (external(owner), owner.alerts()) == ({"OLD": 280}, [])
    (row,) = owner.rows("SELECT books_halt FROM accounts WHERE account_name = 'large'")
    assert row["books_halt"] is None


def test_what_is_not_there_can_not_be_adopted(ops: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert adopt(ops, "swing", "NOSUCH") != 0
    assert "large left no NOSUCH alone; it has OLD" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("symbol", "quantity", "asset_class"),
    [
        ("BTCUSD", "2", "crypto"),
        ("SHRT", "-5", "us_equity"),
        ("AAA260320C00100000", "1", "us_option"),
    ],
)
def test_only_stock_held_long_can_become_ours(
    owner: TradingBench, database_urls: DatabaseUrls, symbol: str, quantity: str, asset_class: str
) -> None:
    owner.run("UPDATE first_looks SET number_mark = 'of another account'")
    owner.broker.hold(symbol, quantity, "50", asset_class)
    minute(owner)
    assert external(owner)[symbol] == Decimal(quantity)
    event = {"action": "adopt_holding", "operator": "ann", "reason": "to trade it"}
    more = {**database_urls.variables(), "MIGRATIONS_DIR": str(MIGRATIONS)}
    with (
        in_process(Runtime(more, owner.clock)),
        pytest.raises(InvalidInput, match="no stock held long"),
    ):
        lambda_handler({**event, "account": "large", "symbol": symbol, "use": "swing"}, None)
    assert external(owner)[symbol] == Decimal(quantity)


@pytest.mark.usefixtures("owner")
def test_status_shows_what_is_left_alone(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["status"], variables)
    said = capsys.readouterr().out
    assert "Held before the first run, left alone" in said
    assert "OLD" in said
