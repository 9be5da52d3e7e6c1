"""An odd fact of the broker is kept as it comes, and the rest goes on."""

from dataclasses import replace

import pytest

from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.broker import BrokerStatus
from ops_pipeline.execution import order_sync
from tests.support.builders_trading import TradingBench


def entry(bench: TradingBench) -> str:
    """Send one entry of 19 shares, which rests; its client_order_id."""
    bench.recommend()
    bench.dispatch()
    return str(bench.order()["client_order_id"])


def breaches(bench: TradingBench) -> list[str]:
    with bench.db.transaction() as tx:
        return [str(it) for it in invariants.check(tx, now=bench.clock.now())]


def test_an_entry_overfilled_by_a_share_is_booked_and_guarded_whole(bench: TradingBench) -> None:
    name = entry(bench)
    bench.broker.overfill(name, "100.00")
    bench.next_minute()
    bench.guard()
    order = bench.order()
    assert (order["status"], order["filled_qty"], order["quantity"]) == ("filled", 20, 19)
    assert order["overfilled_at"] == bench.clock.now()
    assert (bench.position()["quantity"], bench.order("stop")["quantity"]) == (20, 20)
    assert "order_overfilled" in bench.alerts()
    bench.next_minute()
    assert breaches(bench) == []


def test_a_share_too_many_told_after_the_order_had_filled_is_booked(bench: TradingBench) -> None:
    name = entry(bench)
    bench.broker.fill(name, "100.00")
    bench.next_minute()
    bench.guard()
    bench.broker.say(name, "partially_filled")
    bench.broker.overfill(name, "100.00")
    bench.next_minute()
    bench.guard()
    assert (bench.order()["filled_qty"], bench.position()["quantity"]) == (20, 20)
    assert "order_overfilled" in bench.alerts()


def test_a_stop_that_sells_a_share_too_many_closes_its_position_and_alerts(
    held: TradingBench,
) -> None:
    held.broker.overfill(str(held.order("stop")["client_order_id"]), "98.00")
    held.next_minute()
    held.guard()
    assert held.position()["status"] == "closed"
    assert {"order_overfilled", "oversold"} <= set(held.alerts())


def test_what_filled_without_a_price_is_booked_at_the_price_of_its_fills(
    bench: TradingBench,
) -> None:
    name = entry(bench)
    bench.broker.fill(name, "100.00")
    bench.broker.orders[name] = replace(bench.broker.orders[name], filled_average_price=None)
    bench.next_minute()
    bench.guard()
    assert (bench.order()["status"], bench.order()["filled_avg_price"]) == ("filled", 100)
    assert bench.position()["quantity"] == 19
    assert "fill_unpriced" not in bench.alerts()


@pytest.mark.parametrize("status", ["filled", "canceled"])
def test_what_filled_at_no_price_waits_for_its_fills_with_an_alert(
    bench: TradingBench, status: BrokerStatus
) -> None:
    name = entry(bench)
    bench.broker.fills_withheld = True
    bench.broker.fill(name, "100.00", None if status == "filled" else "7")
    priceless = replace(bench.broker.orders[name], filled_average_price=None, status=status)
    bench.broker.orders[name] = priceless
    bench.next_minute()
    bench.guard()
    assert (bench.order()["status"], bench.order()["filled_qty"]) == ("accepted", 0)
    assert "fill_unpriced" in bench.alerts()
    bench.broker.fills_withheld = False
    bench.next_minute()
    bench.guard()
    assert bench.order()["status"] == status
    assert bench.position()["quantity"] == priceless.filled_quantity
    assert "fill_unpriced" not in bench.alerts()


def test_one_entry_at_no_price_keeps_nothing_else_from_its_exit(held: TradingBench) -> None:
    held.quote("BBB")
    held.recommend("BBB")
    held.dispatch()
    name = str(held.orders("entry")[-1]["client_order_id"])
    order = held.broker.orders[name]
    held.broker.orders[name] = replace(order, filled_quantity=order.quantity, status="filled")
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    assert [order["ticker"] for order in held.orders("exit")] == ["AAA"]


def test_what_filled_is_booked_whatever_the_word_for_the_order_is(bench: TradingBench) -> None:
    name = entry(bench)
    bench.broker.fill(name, "100.00", "7")
    bench.broker.say(name, "frobnicated")
    gateway = bench.gateway()
    order_sync.sync(gateway.ctx, bench.db, gateway)
    assert (bench.order()["status"], bench.order()["filled_qty"]) == ("partially_filled", 7)
    assert bench.position()["quantity"] == 7
    assert "broker_status_unknown" in bench.alerts()
