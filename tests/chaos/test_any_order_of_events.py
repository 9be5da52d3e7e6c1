"""Signals, fills, faults, clocks and an operator in any order: the invariants hold after each.

Each found failure stays here as an example of its own.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database
from tests.support.builders_trading import TradingBench
from tests.support.trading_machine import TICKERS, Trading, run_machine


@pytest.mark.parametrize(
    "examples",
    [
        pytest.param(6, id="few"),
        pytest.param(200, id="many", marks=pytest.mark.slow),
    ],
)
def test_whatever_happens_in_whatever_order_the_invariants_hold(
    admin_db: Database, template_urls: DatabaseUrls, examples: int
) -> None:
    run_machine(Trading, admin_db, template_urls, examples)


@pytest.mark.parametrize("ends", [None, "canceled"])
def test_somebody_s_order_in_dollars_has_no_row_before_its_first_fill(
    db: Database, ends: str | None
) -> None:
    """It has no quantity until then. Found by 200 drawn histories: the invariant wanted a row."""
    state = on(db)
    state.somebody_s_order_rests(ticker="AAA", side="buy", in_dollars=True)
    state.settle_down()
    [name] = state.bench.broker.orders
    assert told(state) == {name}
    if ends:
        state.bench.broker.end(name, ends)
        state.settle_down()
        assert told(state) == set()
        return
    broker = state.bench.broker
    broker.orders[name] = replace(broker.orders[name], quantity=Decimal(3))
    broker.fill(name, "99.00")
    state.settle_down()
    [row] = state.bench.orders("adopted")
    assert (row["client_order_id"], row["filled_qty"]) == (name, 3)


def on(db: Database) -> Trading:
    """The machine as it begins, for steps that are called one by one."""
    state = Trading.__new__(Trading)
    state.bench = TradingBench(db)
    for ticker in TICKERS:
        state.bench.quote(ticker)
    return state


def told(state: Trading) -> set[str]:
    """Orders that open alerts name as unknown to us."""
    rows = state.bench.rows(
        "SELECT subject FROM alerts WHERE kind = 'order_unknown_to_us' AND resolved_at IS NULL"
    )
    return {row["subject"] for row in rows}
