"""A sale of an earlier position fills late, beside a new position in the same symbol."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ops_pipeline.db import facts
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import new_york_day
from tests.support.builders_trading import TradingBench


def minutes(bench: TradingBench, number: int) -> None:
    """So many ticks of the guard; the reconciler runs in each fifth minute."""
    for _ in range(number):
        bench.next_minute()
        bench.guard()
        if bench.clock.now().minute % 5 == 0:
            bench.reconcile()


def breaches(bench: TradingBench) -> list[str]:
    now = bench.clock.now() + timedelta(minutes=5)
    with bench.db.transaction() as tx:
        session = bench.calendar.session(new_york_day(now))
        return [str(it) for it in invariants.check(tx, now=now, session=session)]


def open_positions(bench: TradingBench) -> list[int]:
    found = bench.rows("SELECT quantity FROM active_positions WHERE status <> 'closed'")
    return [int(row["quantity"]) for row in found]


def resting(bench: TradingBench) -> list[int]:
    """Our sales that may still fill at the broker."""
    return [int(it.quantity) for it in bench.broker.resting_orders() if it.side == "sell"]


def results(bench: TradingBench) -> list[float]:
    """Of the closed positions, USD; all of them are verified."""
    rows = bench.rows("SELECT verified, pnl_dollars FROM position_history ORDER BY exit_time")
    assert all(row["verified"] for row in rows)
    return [float(row["pnl_dollars"]) for row in rows]


@pytest.fixture
def again(held: TradingBench) -> TradingBench:
    """The 19 AAA of the first position were sold at $99.98, 19 others are held since."""
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    minutes(held, 1)
    held.broker.fill(str(held.order("exit")["client_order_id"]), "99.98")
    minutes(held, 20)
    held.buy()
    minutes(held, 1)
    assert open_positions(held) == resting(held) == [19]
    return held


def first_stop(bench: TradingBench) -> str:
    return str(bench.orders("stop")[0]["client_order_id"])


@pytest.mark.parametrize("quantity", [7, 19])
def test_a_late_fill_of_the_old_stop_sells_the_new_position(
    again: TradingBench, quantity: int
) -> None:
    again.broker.fill_late(first_stop(again), "98.00", str(quantity))
    minutes(again, 2)
    left = [19 - quantity] if quantity < 19 else []
    assert open_positions(again) == resting(again) == left
    assert again.alerts() == []
    assert breaches(again) == []


def test_its_proceeds_are_in_the_history_of_the_new_position(again: TradingBench) -> None:
    again.broker.fill_late(first_stop(again), "98.00", "19")
    minutes(again, 2)
    assert results(again) == pytest.approx([-0.38, -38.0])
    assert breaches(again) == []


def test_a_part_of_them_is_in_its_history_beside_its_own_exit(again: TradingBench) -> None:
    again.broker.fill_late(first_stop(again), "98.00", "7")
    minutes(again, 2)
    again.run("UPDATE active_positions SET exit_requested = 'operator' WHERE status = 'open'")
    minutes(again, 1)
    again.broker.fill(str(again.orders("exit")[-1]["client_order_id"]), "101")
    minutes(again, 1)
    assert results(again)[1] == pytest.approx(7 * -2.0 + 12 * 1.0)
    assert breaches(again) == []


def test_its_loss_counts_on_the_day_while_the_rest_is_held(again: TradingBench) -> None:
    """The first position lost $0.38, these 7 shares $14, and the 12 left $0.12 at their mark.

    A cent is FINRA's fee on the shares sold.
    """
    again.broker.fill_late(first_stop(again), "98.00", "7")
    minutes(again, 1)
    ctx = again.gateway().ctx
    with again.db.transaction() as tx:
        mode = ctx.account.execution_mode
        found = facts.day_pnl(tx, account="large", mode=mode, day_start=ctx.day_start())
    assert float(found) == pytest.approx(-0.38 - 7 * 2.0 - 12 * 0.01 - 0.01)


def test_what_it_sold_beyond_the_new_position_too_is_a_short(again: TradingBench) -> None:
    again.run("UPDATE active_positions SET exit_requested = 'operator' WHERE status = 'open'")
    minutes(again, 1)
    again.broker.fill(str(again.orders("exit")[-1]["client_order_id"]), "99.98", "12")
    again.broker.fill_late(first_stop(again), "98.00", "19")
    minutes(again, 1)
    assert open_positions(again) == []
    assert "oversold" in again.alerts()
    again.broker.trade_by_hand("cover", "AAA", "buy", "12")
    minutes(again, 5)
    assert open_positions(again) == []
    assert "oversold" not in again.alerts()
    assert breaches(again) == []


def test_a_persons_sale_of_the_old_position_sells_the_new_one(held: TradingBench) -> None:
    """It rested beside the old position, which our stop closed but for these shares."""
    held.broker.end(first_stop(held), "canceled")
    held.broker.place_by_hand("theirs", "AAA", "sell", "5", order_type="limit", price="120")
    minutes(held, 5)
    held.broker.fill(str(held.orders("stop")[-1]["client_order_id"]), "98.00")
    held.broker.fill("theirs", "98.00", "4")
    held.broker.trade_by_hand("rest", "AAA", "sell", "1", "98.00")
    minutes(held, 5)
    assert open_positions(held) == []
    held.broker.trade_by_hand("again", "AAA", "buy", "10")
    minutes(held, 5)
    assert open_positions(held) == [10]
    held.broker.fill("theirs", "120")
    minutes(held, 1)
    assert open_positions(held) == [9]
    assert breaches(held) == []


def test_what_the_brokers_list_showed_already_is_taken_once(again: TradingBench) -> None:
    """The list of positions lacked the shares before the list of orders told of the fill."""
    stop = first_stop(again)
    again.broker.fill_late(stop, "98.00", "7")
    listed, told = again.broker.orders_since, again.broker.fills_since
    again.broker.orders_since = (  # type: ignore[method-assign]
        lambda since: Listing([it for it in listed(since) if it.client_order_id != stop])
    )
    again.broker.fills_since = (  # type: ignore[method-assign]
        lambda since: Listing([it for it in told(since) if it.quantity != Decimal(7)])
    )
    minutes(again, 25)
    assert open_positions(again) == [12]
    again.broker.orders_since, again.broker.fills_since = listed, told  # type: ignore[method-assign]
    minutes(again, 6)
    assert open_positions(again) == resting(again) == [12]
    assert breaches(again) == []
