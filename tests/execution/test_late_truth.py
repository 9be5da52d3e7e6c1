"""What the broker tells of an order after its end is booked, whatever the end was."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ops_pipeline.db import accounts
from ops_pipeline.db.operations import invariants
from ops_pipeline.errors import (
    BrokerOutcomeUnknown,
    BrokerRejected,
    BrokerUnavailable,
    StageFailed,
)
from ops_pipeline.execution import order_sync
from tests.support.builders_trading import TradingBench

ENDS = ("canceled", "expired", "rejected")


def entry(bench: TradingBench) -> str:
    """Send one entry of 19 shares, which rests; its client_order_id."""
    bench.recommend()
    bench.dispatch()
    return str(bench.order()["client_order_id"])


def ended(bench: TradingBench, status: str) -> str:
    """An entry of 19 shares that ended without a fill, and is known to have."""
    name = entry(bench)
    bench.broker.end(name, status)
    bench.next_minute()
    bench.guard()
    assert bench.order()["status"] == status
    return name


def breaches(bench: TradingBench) -> list[str]:
    with bench.db.transaction() as tx:
        return [str(it) for it in invariants.check(tx, now=bench.clock.now())]


def guarded(bench: TradingBench) -> list[str]:
    with bench.db.transaction() as tx:
        return accounts.guard_accounts(tx, bench.clock.now())


@pytest.mark.parametrize("status", ENDS)
@pytest.mark.parametrize("quantity", [None, "7"])
def test_a_fill_told_after_the_end_is_booked_and_guarded(
    bench: TradingBench, status: str, quantity: str | None
) -> None:
    name = ended(bench, status)
    bench.broker.fill_late(name, "100.00", quantity)
    bench.next_minute()
    bench.guard()
    held = Decimal(quantity or 19)
    assert (bench.order()["filled_qty"], bench.position()["quantity"]) == (held, held)
    assert bench.order("stop")["quantity"] == held
    assert bench.rows("SELECT status FROM dispatch_recommendations") == [{"status": "EXECUTED"}]
    assert breaches(bench) == []


def test_a_second_late_fill_is_booked_like_the_first(bench: TradingBench) -> None:
    name = ended(bench, "canceled")
    for quantity in ("7", "5"):
        bench.broker.fill_late(name, "100.00", quantity)
        bench.next_minute()
        bench.guard()
    assert bench.position()["quantity"] == 12
    assert breaches(bench) == []


def test_a_fill_that_only_the_activities_tell_of_is_booked(bench: TradingBench) -> None:
    """The order's own quantity stays behind for good."""
    name = ended(bench, "canceled")
    stale = bench.broker.orders[name]
    bench.broker.fill_late(name, "100.00", "7")
    bench.broker.orders[name] = stale
    bench.next_minute()
    bench.guard()
    assert (bench.order()["status"], bench.order()["filled_qty"]) == ("canceled", 7)
    assert bench.position()["quantity"] == 7
    assert breaches(bench) == []


def test_a_fill_listed_twice_counts_once(bench: TradingBench) -> None:
    name = entry(bench)
    bench.broker.fill(name, "100.00", "7")
    bench.broker.fills.append(bench.broker.fills[0])
    bench.next_minute()
    bench.guard()
    assert bench.position()["quantity"] == 7


def test_a_late_fill_of_a_stop_closes_its_position(held: TradingBench) -> None:
    name = str(held.order("stop")["client_order_id"])
    held.broker.end(name, "expired")
    held.clock.advance(6 * 3600)
    held.guard()
    assert [row["status"] for row in held.orders("stop")] == ["expired", "accepted"]
    held.broker.fill_late(name, "100.00")
    held.next_minute()
    held.guard()
    assert held.position()["status"] == "closed"
    assert [row["status"] for row in held.orders("stop")] == ["filled", "canceled"]


@pytest.mark.parametrize("waits", ["exit", "stop"])
def test_a_sale_is_cancelled_once_a_late_fill_has_sold_its_position(
    held: TradingBench, waits: str
) -> None:
    """Two sales of the same shares: filling too, the second would open a short."""
    first = str(held.order("stop")["client_order_id"])
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    held.next_minute()
    held.guard()
    if waits == "stop":
        first = str(held.order("exit")["client_order_id"])
        held.broker.end(first, "canceled")
        held.market.latest.clear()
        held.clock.advance(60)
        held.guard()
    assert held.orders(waits)[-1]["status"] == "accepted"
    held.broker.fill_late(first, "99.00")
    held.clock.advance(60)
    held.guard()
    assert held.position()["status"] == "closed"
    assert held.orders(waits)[-1]["status"] == "canceled"
    assert [order for order in held.broker.orders.values() if order.status == "working"] == []


def test_a_sale_of_what_is_sold_is_asked_to_be_cancelled_until_it_is(held: TradingBench) -> None:
    stop = str(held.order("stop")["client_order_id"])
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    held.next_minute()
    held.guard()
    held.broker.fill_late(stop, "98.00")
    held.broker.fail("cancel", BrokerUnavailable("503"))
    held.next_minute()
    with pytest.raises(StageFailed, match="not cancelled"):
        held.guard()
    held.next_minute()
    held.guard()
    assert held.order("exit")["status"] == "canceled"


def test_a_resend_refused_because_the_first_one_holds_is_found_in_the_list(
    bench: TradingBench,
) -> None:
    """The broker lists late what it has, and has no buying power left for a second."""
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=True)
    name = entry(bench)
    hidden = bench.broker.orders.pop(name)
    bench.next_minute()
    bench.dispatch()
    bench.broker.fail("submit", BrokerRejected("40310000: insufficient buying power"))
    bench.next_minute()
    bench.dispatch()
    assert bench.order()["status"] == "rejected"
    bench.broker.orders[name] = hidden
    bench.next_minute()
    bench.guard()
    assert bench.order()["status"] in ("accepted", "canceled")
    assert bench.order()["broker_order_id"] == hidden.broker_order_id


def test_a_refused_order_that_turns_up_filled_is_booked(bench: TradingBench) -> None:
    bench.broker.fail("submit", BrokerRejected("no"), after_effect=True)
    name = entry(bench)
    assert bench.order()["status"] == "rejected"
    bench.broker.fill(name, "100.00")
    bench.next_minute()
    bench.guard()
    assert (bench.order()["status"], bench.position()["quantity"]) == ("filled", 19)
    assert bench.rows("SELECT status FROM dispatch_recommendations") == [{"status": "EXECUTED"}]
    assert breaches(bench) == []


@pytest.mark.parametrize("status", ENDS)
def test_a_fill_of_an_order_of_the_day_before_is_booked(bench: TradingBench, status: str) -> None:
    name = ended(bench, status)
    bench.broker.fill_late(name, "100.00")
    bench.clock.advance(23 * 3600)
    bench.quote("AAA")
    bench.guard()
    assert bench.position()["quantity"] == 19
    assert breaches(bench) == []


def test_fills_that_come_days_after_their_quantity_are_recorded(bench: TradingBench) -> None:
    bench.broker.fills_withheld = True
    name = entry(bench)
    bench.broker.fill(name, "100.00")
    bench.next_minute()
    bench.guard()
    assert bench.rows("SELECT * FROM fills") == []
    bench.broker.fills_withheld = False
    bench.clock.advance(6 * 24 * 3600)
    bench.guard()
    assert bench.rows("SELECT sum(quantity) AS n FROM fills") == [{"n": 19}]


def test_an_order_given_up_and_found_after_the_account_was_switched_off_is_booked(
    bench: TradingBench,
) -> None:
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=True)
    name = entry(bench)
    hidden = bench.broker.orders.pop(name)
    for _ in range(2):
        bench.next_minute(AAA=("109.98", "110.00"))
        bench.dispatch()
    assert bench.order()["status"] == "not_placed"
    bench.set_account(active=False)
    assert guarded(bench) == ["large", "tiny"]
    bench.broker.orders[name] = hidden
    bench.broker.fill(name, "100.00")
    bench.next_minute()
    bench.guard()
    assert bench.position()["quantity"] == 19


def test_an_account_that_was_switched_off_is_left_alone_once_nothing_can_come(
    bench: TradingBench,
) -> None:
    ended(bench, "canceled")
    bench.set_account(active=False)
    assert "large" in guarded(bench)
    bench.clock.advance(timedelta(days=4, minutes=2).total_seconds())
    assert "large" not in guarded(bench)


def test_an_account_whose_fills_are_missing_is_guarded_for_five_sessions(
    bench: TradingBench,
) -> None:
    bench.broker.fills_withheld = True
    position = bench.buy()
    bench.run(
        "UPDATE active_positions SET status = 'closed', quantity = 0, closed_at = :now,"
        " close_reason = 'manual' WHERE id = :id",
        id=position["id"],
        now=bench.clock.now(),
    )
    bench.set_account(active=False)
    bench.clock.advance(7 * 24 * 3600)
    assert "large" in guarded(bench)


def test_an_ended_order_without_news_is_not_settled_again(bench: TradingBench) -> None:
    ended(bench, "canceled")
    bench.next_minute()
    assert bench.guard().orders_synced == 0


@pytest.mark.parametrize("other", [{"symbol": "ZZZ"}, {"side": "sell"}, {"quantity": Decimal(20)}])
def test_a_report_on_another_order_is_not_booked_by_the_sync(
    bench: TradingBench, other: dict[str, Any]
) -> None:
    name = entry(bench)
    bench.broker.fill(name, "100.00", "7")
    bench.broker.orders[name] = replace(bench.broker.orders[name], **other)
    bench.next_minute()
    bench.guard()
    assert bench.order()["filled_qty"] == 0
    assert bench.rows("SELECT * FROM active_positions") == []
    assert "order_disagrees" in bench.alerts()


def test_a_second_order_of_the_broker_under_our_id_is_not_booked(bench: TradingBench) -> None:
    name = entry(bench)
    bench.broker.orders[name] = replace(bench.broker.orders[name], broker_order_id="another")
    bench.next_minute()
    gateway = bench.gateway()
    assert order_sync.sync(gateway.ctx, bench.db, gateway).failures == ()
    assert "order_disagrees" in bench.alerts()


def test_a_reply_about_another_order_leaves_ours_unknown(bench: TradingBench) -> None:
    class Confused:
        def __init__(self, broker: object) -> None:
            self._broker = broker

        def __getattr__(self, name: str) -> object:
            return getattr(self._broker, name)

        def submit(self, order: object, _: object) -> object:
            return replace(bench.broker.submit(order), quantity=Decimal(1))  # type: ignore[arg-type]

    bench.recommend()
    bench.dispatch(broker=Confused(bench.broker))  # type: ignore[arg-type]
    assert bench.order()["status"] == "unknown"
    assert "order_disagrees" in bench.alerts()
    bench.next_minute()
    bench.recover()
    assert bench.order()["status"] == "accepted"


def test_a_miss_right_after_a_resend_is_a_first_look(bench: TradingBench) -> None:
    """It takes two looks a minute apart after the resend, not one of them before it."""
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"), times=2)
    entry(bench)
    for _ in range(2):
        bench.next_minute()
        bench.dispatch()
    assert len(bench.broker.submitted) == 2
    bench.clock.advance(5)
    bench.quote("AAA")
    bench.dispatch()
    assert len(bench.broker.submitted) == 2
    assert bench.order()["status"] == "unknown"
