"""The broker sold more than was held: history and fills agree, the rest is a short, told of."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.market import new_york_day
from tests.support.builders_trading import TradingBench

HAND = "sold by hand"


def sell_by_hand(bench: TradingBench, quantity: str, price: str) -> BrokerOrder:
    """A person's market sale beside whatever else sells: it fills, and the account goes short."""
    exit_ = next(iter(bench.broker.orders.values()))
    now = bench.clock.now()
    bench.broker.orders[HAND] = replace(
        exit_,
        client_order_id=HAND,
        broker_order_id="hand-1",
        side="sell",
        order_type="market",
        quantity=Decimal(quantity),
        filled_quantity=Decimal(0),
        filled_average_price=None,
        status="working",
        raw_status="new",
        limit_price=None,
        submitted_at=now,
        updated_at=now,
    )
    bench.broker.fill(HAND, price)
    return bench.broker.orders[HAND]


def selling(bench: TradingBench) -> str:
    """An exit of all 19 AAA that rests at the broker; its id."""
    bench.run("UPDATE active_positions SET exit_requested = 'signal'")
    bench.next_minute()
    bench.guard()
    return str(bench.order("exit")["client_order_id"])


def breaches(bench: TradingBench, later: timedelta = timedelta(minutes=5)) -> list[str]:
    now = bench.clock.now() + later
    with bench.db.transaction() as tx:
        found = invariants.check(tx, now=now, session=bench.calendar.session(new_york_day(now)))
    return [f"{it.invariant}: {it.message}" for it in found]


def histories(bench: TradingBench) -> list[tuple[bool, int, float]]:
    found = bench.rows("SELECT verified, quantity, pnl_dollars FROM position_history")
    return [(it["verified"], int(it["quantity"]), float(it["pnl_dollars"])) for it in found]


def oversold(bench: TradingBench) -> list[int]:
    """Units by the events of that kind."""
    rows = bench.rows(
        "SELECT CAST(details ->> 'quantity' AS numeric) AS units FROM position_events"
        " WHERE kind = 'oversold' ORDER BY seq"
    )
    return [int(row["units"]) for row in rows]


def adopt_beside(bench: TradingBench, quantity: str, price: str) -> None:
    sell_by_hand(bench, quantity, price)
    bench.next_minute()
    bench.reconcile()


@pytest.fixture
def closed(held: TradingBench) -> TradingBench:
    """19 AAA bought at $100; a person sold all of them at $101 and our exit did at $102."""
    exit_ = selling(held)
    adopt_beside(held, "19", "101")
    held.broker.fill(exit_, "102")
    held.next_minute()
    held.guard()
    assert held.position()["status"] == "closed"
    return held


def test_what_a_person_sold_beside_our_exit_breaks_no_invariant(closed: TradingBench) -> None:
    assert breaches(closed) == []
    assert histories(closed) == [(True, 19, 19.0)]
    assert oversold(closed) == [19]


def test_the_rest_is_a_short_that_is_told_of_and_halts_entries(closed: TradingBench) -> None:
    assert "oversold" in closed.alerts()
    closed.clock.advance(660)
    closed.quote("AAA")
    closed.reconcile()
    assert "position_unknown_to_us" in closed.alerts()
    closed.quote("BBB")
    number = closed.recommend("BBB")
    closed.dispatch()
    assert not closed.verdict(number, "trading_state")["passed"]


def test_the_short_counts_in_exposure_before_anything_is_halted(closed: TradingBench) -> None:
    closed.set_account(max_exposure=2000)
    closed.quote("BBB")
    number = closed.recommend("BBB")
    closed.dispatch()
    assert not closed.verdict(number, "max_exposure")["passed"]


def test_no_entry_buys_in_a_symbol_that_is_short(closed: TradingBench) -> None:
    """It would cover what a person must decide on."""
    closed.run("UPDATE accounts SET books_halt = NULL")
    number = closed.recommend("AAA")
    closed.dispatch()
    assert closed.recommendation(number)["status"] == "SKIPPED"
    assert not closed.verdict(number, "duplicate_position")["passed"]


def test_a_part_of_our_exit_that_sold_beyond_is_not_in_the_history(held: TradingBench) -> None:
    """A person sold 10 of 19; our exit then filled 19: 9 of them closed the position."""
    exit_ = selling(held)
    adopt_beside(held, "10", "101")
    held.broker.fill(exit_, "102")
    held.next_minute()
    held.guard()
    assert held.position()["status"] == "closed"
    assert histories(held) == [(True, 19, 10 * 1.0 + 9 * 2.0)]
    assert oversold(held) == [10]
    assert "oversold" in held.alerts()
    assert breaches(held) == []


@pytest.mark.parametrize("told", ["at once", "later"])
def test_fills_at_several_prices_agree_when_some_sold_beyond(held: TradingBench, told: str) -> None:
    exit_ = selling(held)
    adopt_beside(held, "10", "101")
    held.broker.fills_withheld = told == "later"
    held.broker.fill(exit_, "102", "4")
    held.broker.fill(exit_, "103")
    held.next_minute()
    held.guard()
    held.broker.fills_withheld = False
    for _ in range(3):
        held.next_minute()
        held.guard()
    ((verified, quantity, pnl),) = histories(held)
    assert (verified, quantity) == (True, 19)
    # 10 at +1 by hand; of our 19 those 9 closed it that cost 4 at +2 and 15 at +3 on average.
    assert pnl == pytest.approx(10 + 9 * (4 * 2 + 15 * 3) / 19, abs=0.01)
    assert breaches(held) == []


def test_a_share_too_many_of_a_stop_is_beyond_the_history(held: TradingBench) -> None:
    held.broker.overfill(str(held.order("stop")["client_order_id"]), "98.00")
    held.next_minute()
    held.guard()
    assert histories(held) == [(True, 19, -38.0)]
    assert oversold(held) == [1]
    assert breaches(held) == []


def test_two_sales_of_ours_that_both_filled_agree_with_the_history(held: TradingBench) -> None:
    """A stop that was said to be cancelled fills after the exit did."""
    stop = str(held.order("stop")["client_order_id"])
    exit_ = selling(held)
    held.broker.fill(exit_, "102")
    held.next_minute()
    held.guard()
    held.broker.fill_late(stop, "98")
    held.next_minute()
    held.guard()
    assert histories(held) == [(True, 19, 38.0)]
    assert oversold(held) == [19]
    assert breaches(held) == []


def test_a_history_that_is_not_of_its_fills_still_breaks_the_invariant(
    closed: TradingBench, owner_db: Database
) -> None:
    """Beside an oversold symbol too; and the alert excuses no other difference."""
    with owner_db.transaction() as tx:
        tx.script(
            "ALTER TABLE position_history DISABLE TRIGGER USER;"
            "UPDATE position_history SET pnl_dollars = 500"
        )
    assert any(it.startswith("history_equals_fills") for it in breaches(closed))
    closed.run("UPDATE active_positions SET opened_quantity = opened_quantity + 1")
    assert any("holds" in it for it in breaches(closed))
