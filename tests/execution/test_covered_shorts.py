"""A person covers a short by hand: no position is opened that nobody holds."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.broker import OrderType, Side
from ops_pipeline.domain.market import new_york_day
from tests.support.builders_trading import TradingBench

SYMBOL = "AAA"


def by_hand(
    bench: TradingBench, name: str, side: Side, quantity: str, order_type: OrderType = "market"
) -> None:
    """A person's order at the broker, which lets the account go short."""
    now = bench.clock.now()
    bench.broker._limits[name] = Decimal(100)
    known = next(iter(bench.broker.orders.values()))
    bench.broker.orders[name] = replace(
        known,
        client_order_id=name,
        broker_order_id=f"id of {name}",
        symbol=SYMBOL,
        side=side,
        order_type=order_type,
        quantity=Decimal(quantity),
        filled_quantity=Decimal(0),
        filled_average_price=None,
        status="working",
        raw_status="new",
        limit_price=None,
        submitted_at=now,
        updated_at=now,
    )


def minutes(bench: TradingBench, number: int) -> None:
    for _ in range(number):
        bench.next_minute()
        bench.reconcile()
        bench.guard()


def breaches(bench: TradingBench) -> list[str]:
    now = bench.clock.now() + timedelta(minutes=5)
    with bench.db.transaction() as tx:
        session = bench.calendar.session(new_york_day(now))
        return [str(it) for it in invariants.check(tx, now=now, session=session)]


def open_positions(bench: TradingBench) -> list[int]:
    found = bench.rows("SELECT quantity FROM active_positions WHERE status <> 'closed'")
    return [int(row["quantity"]) for row in found]


def sent(bench: TradingBench) -> list[str]:
    return [it.client_order_id for it in bench.broker.submitted if it.side == "sell"]


@pytest.fixture
def oversold(held: TradingBench) -> TradingBench:
    """A person sold 19 AAA beside our exit, which sold them too: the account is 19 short."""
    held.run("UPDATE active_positions SET exit_requested = 'signal'")
    held.next_minute()
    held.guard()
    by_hand(held, "sold", "sell", "19")
    held.broker.fill("sold", "101")
    held.clock.advance(20)
    held.reconcile()
    held.broker.fill(str(held.order("exit")["client_order_id"]), "102")
    minutes(held, 1)
    assert held.broker.positions()[0].quantity == -19
    assert open_positions(held) == []
    return held


@pytest.mark.parametrize("told", ["by the reconciler", "by the guard, as it rested"])
def test_the_cover_of_what_was_oversold_opens_nothing(oversold: TradingBench, told: str) -> None:
    before = sent(oversold)
    by_hand(oversold, "cover", "buy", "19")
    if told != "by the reconciler":
        minutes(oversold, 1)
    _fill_without_position(oversold, "cover")
    minutes(oversold, 2)
    assert open_positions(oversold) == []
    assert sent(oversold) == before
    assert "oversold" not in oversold.alerts()
    assert breaches(oversold) == []


def _fill_without_position(bench: TradingBench, name: str) -> None:
    """It fills, and what the broker holds is none afterwards."""
    bench.broker.hold(SYMBOL, "0", "100")
    bench.broker.fill(name, "100")
    bench.broker.hold(SYMBOL, "0", "100")


def test_what_is_bought_beyond_the_short_is_a_position(oversold: TradingBench) -> None:
    by_hand(oversold, "cover", "buy", "25")
    _fill_without_position(oversold, "cover")
    oversold.broker.hold(SYMBOL, "6", "100")
    minutes(oversold, 2)
    assert open_positions(oversold) == [6]
    assert breaches(oversold) == []


def test_a_second_buy_after_the_cover_is_a_position(oversold: TradingBench) -> None:
    for name in ("cover", "more"):
        by_hand(oversold, name, "buy", "19")
        _fill_without_position(oversold, name)
        oversold.broker.hold(SYMBOL, "0" if name == "cover" else "19", "100")
        minutes(oversold, 1)
    minutes(oversold, 1)
    assert open_positions(oversold) == [19]
    assert breaches(oversold) == []
