"""A swing over a night in which something happened to its shares."""

from dataclasses import replace
from decimal import Decimal

import pytest

from ops_pipeline.db.holdings import corporate_actions
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.corporate.actions import CorporateAction
from ops_pipeline.domain.market import new_york_time
from tests.support.builders_trading import DAY, DAY_AFTER, TradingBench

TWO_FOR_ONE = CorporateAction(
    action_id="split-1",
    kind="forward_split",
    symbol="AAA",
    new_symbol=None,
    old_rate=Decimal(1),
    new_rate=Decimal(2),
    cash=None,
    effective_on=DAY_AFTER,
    process_on=DAY_AFTER,
    payable_on=None,
    reason=None,
    content="{}",
)
ONE_FOR_TEN = replace(
    TWO_FOR_ONE,
    action_id="split-2",
    kind="reverse_split",
    old_rate=Decimal(10),
    new_rate=Decimal(1),
)


def announce(bench: TradingBench, *actions: CorporateAction) -> None:
    with bench.db.transaction() as tx:
        corporate_actions.store(tx, actions, now=bench.clock.now())


def before_open(bench: TradingBench) -> None:
    """The guard's runs of five minutes before the open."""
    bench.clock.at = new_york_time(DAY_AFTER, 9, 25)
    for _ in range(3):
        bench.guard()
        bench.clock.advance(60)


@pytest.fixture
def swing(held: TradingBench) -> TradingBench:
    """19 AAA at $100 of a swing with the stop resting at $98, at half past eight the next day."""
    held.run("UPDATE active_positions SET strategy_type = 'swing_trade', max_hold_minutes = NULL")
    held.clock.at = new_york_time(DAY_AFTER, 8, 30)
    return held


def at_open(bench: TradingBench, price: str, symbol: str = "AAA") -> None:
    """Five minutes after the open, at this price."""
    bench.clock.at = new_york_time(DAY_AFTER, 9, 35)
    bench.broker.marks[symbol] = Decimal(price)
    bench.vix(18.0, DAY_AFTER)
    bench.quote(symbol, str(Decimal(price) - Decimal("0.02")), price)


def guarded(bench: TradingBench, minutes: int, *, compared: str | None = None) -> None:
    """Let so many minutes pass with the guard, and with an account's comparison where named."""
    for _ in range(minutes):
        bench.guard()
        if compared is not None:
            bench.reconcile(compared)
        bench.next_minute()


def sound(bench: TradingBench) -> None:
    now = bench.clock.now()
    session = bench.calendar.session(DAY_AFTER)
    with bench.db.transaction() as tx:
        assert invariants.check(tx, now=now, session=session) == []


def held_before(bench: TradingBench) -> None:
    """100 OLD from before the first run, at $100 each."""
    bench.broker.hold("OLD", "100", "100.00")
    bench.run(
        "INSERT INTO external_holdings (account_name, symbol, asset_class, quantity,"
        " quantity_found, average_cost, found_at, tick)"
        " VALUES ('large', 'OLD', 'us_equity', 100, 100, 100, :at, :at)",
        at=new_york_time(DAY, 11),
    )
