"""`ops tca` on a real database, here and at a stack: which quotes an order is set beside."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.runtime.wiring import Runtime
from tests.support.builders_trading import TradingBench
from tests.support.lambda_endpoint import STACK, lambda_endpoint
from tests.support.stand_ins import in_process

_SAMPLE = """
INSERT INTO quote_samples (symbol, fetched_at, data_feed, quoted_at, bid, bid_size, ask, ask_size)
VALUES ('AAA', :at, 'sip', :at, :bid, 100, :ask, 100)
"""


@pytest.fixture
def bench(database_urls: DatabaseUrls) -> Iterator[TradingBench]:
    target = target_from_url(database_urls.variables()["DATABASE_URL"])
    with closing(Database(target, application_name="tests")) as db:
        yield TradingBench(db)


@pytest.fixture(params=["here", "stack"])
def where(
    request: pytest.FixtureRequest,
    database_urls: DatabaseUrls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[dict[str, str], tuple[str, ...]]]:
    variables = {**database_urls.variables(), "OPS_HOME": str(tmp_path)}
    if request.param == "here":
        yield variables, ()
        return
    with in_process(Runtime(variables, WallClock())), lambda_endpoint() as aws:
        for name, value in aws.items():
            monkeypatch.setenv(name, value)
        yield {"OPS_HOME": str(tmp_path)}, ("--stack", STACK)


def sample(bench: TradingBench, at: datetime, bid: str = "99.90", ask: str = "100.10") -> None:
    bench.run(_SAMPLE, at=at, bid=Decimal(bid), ask=Decimal(ask))


@pytest.fixture
def tca(
    bench: TradingBench,
    where: tuple[dict[str, str], tuple[str, ...]],
    capsys: pytest.CaptureFixture[str],
) -> Any:
    def ask(*words: str) -> Any:
        variables, at = where
        day = bench.clock.now().date().isoformat()
        code = main(["tca", "--from", day, "--to", day, "--json", *words, *at], variables)
        out, _ = capsys.readouterr()
        assert code == 0
        return json.loads(out)

    return ask


def cost(found: Any, by: str = "purpose") -> Any:
    [row] = found[f"Cost by {by}: medians in basis points"]
    return row


def test_an_order_is_set_beside_the_last_quote_before_it(bench: TradingBench, tca: Any) -> None:
    now = bench.clock.now()
    sample(bench, now - timedelta(seconds=30))
    sample(bench, now + timedelta(seconds=30), "89.90", "90.10")
    bench.buy(price="100.05")
    row = cost(tca())
    assert (row["purpose"], row["orders"], row["priced"]) == ("entry buy", 1, 1)
    assert (row["shortfall"], row["half_spread"], row["beyond"]) == (5, 10, -5)


@pytest.mark.parametrize("age_s", [90, 600])
def test_a_quote_of_long_before_leaves_the_cost_unknown(
    bench: TradingBench, tca: Any, age_s: int
) -> None:
    sample(bench, bench.clock.now() - timedelta(seconds=age_s))
    bench.buy(price="100.05")
    row = cost(tca())
    assert (row["orders"], row["priced"], row["shortfall"]) == (1, 0, None)


@pytest.mark.parametrize(("bid", "ask"), [("0", "100.10"), ("100.20", "100.10")])
def test_a_quote_with_one_side_or_crossed_sides_has_no_middle(
    bench: TradingBench, tca: Any, bid: str, ask: str
) -> None:
    sample(bench, bench.clock.now() - timedelta(seconds=30), bid, ask)
    bench.buy(price="100.05")
    assert cost(tca())["priced"] == 0


def test_another_account_s_orders_are_left_out(bench: TradingBench, tca: Any) -> None:
    bench.buy(price="100.05")
    assert len(tca("--orders")["Orders: costs in basis points"]) == 1
    assert tca("--orders", "--account", "tiny")["Orders: costs in basis points"] == []


def test_a_range_that_ends_before_it_begins_is_a_usage_error(
    bench: TradingBench,
    where: tuple[dict[str, str], tuple[str, ...]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    variables, at = where
    assert main(["tca", "--from", "2026-02-05", "--to", "2026-02-04", *at], variables) == 2
    assert "2026-02-05, is after the last, 2026-02-04" in capsys.readouterr().err
