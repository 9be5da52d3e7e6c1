"""The broker has fewer shares than a position: what there is gets a stop, the rest is repaired."""

from datetime import timedelta
from decimal import Decimal

from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.errors import BrokerRejected
from tests.support.builders_trading import TradingBench


def minutes(bench: TradingBench, number: int) -> None:
    """So many ticks of the guard; the reconciler runs in each fifth minute."""
    for _ in range(number):
        bench.next_minute()
        bench.guard()
        if bench.clock.now().minute % 5 == 0:
            bench.reconcile()


def open_positions(bench: TradingBench) -> list[int]:
    found = bench.rows("SELECT quantity FROM active_positions WHERE status <> 'closed'")
    return [int(row["quantity"]) for row in found]


def resting(bench: TradingBench) -> list[int]:
    return [int(it.quantity) for it in bench.broker.resting_orders() if it.side == "sell"]


def leave(bench: TradingBench, left: int) -> None:
    """Let shares leave the account without an order, as in a transfer, and the stop with them."""
    bench.broker.end(str(bench.order("stop")["client_order_id"]), "canceled")
    bench.broker.hold("AAA", str(left), "100")
    bench.broker.last_equity -= 100 * (19 - left)


def breaches(bench: TradingBench) -> list[str]:
    now = bench.clock.now() + timedelta(minutes=5)
    with bench.db.transaction() as tx:
        session = bench.calendar.session(new_york_day(now))
        return [str(it) for it in invariants.check(tx, now=now, session=session)]


def test_a_position_whose_stops_are_refused_is_given_up(held: TradingBench) -> None:
    """A refusal each minute is no news of what the broker holds."""
    leave(held, 0)
    minutes(held, 15)
    assert open_positions(held) == []
    assert breaches(held) == []


def test_a_position_that_is_larger_than_the_brokers_is_repaired(held: TradingBench) -> None:
    leave(held, 6)
    minutes(held, 15)
    assert open_positions(held) == [6]
    minutes(held, 2)
    assert resting(held) == [6]
    assert breaches(held) == []


def test_what_the_broker_has_of_it_is_protected_meanwhile(held: TradingBench) -> None:
    leave(held, 6)
    minutes(held, 2)
    assert resting(held) == [6]
    sent = len(held.broker.submitted)
    minutes(held, 1)
    assert resting(held) == [6]
    assert len(held.broker.submitted) == sent


def test_the_whole_is_protected_again_once_the_broker_has_it(held: TradingBench) -> None:
    leave(held, 6)
    minutes(held, 2)
    held.broker.hold("AAA", "19", "100")
    minutes(held, 2)
    assert open_positions(held) == resting(held) == [19]


def test_an_entry_beside_a_short_by_hand_is_protected_as_far_as_it_is_held(
    bench: TradingBench,
) -> None:
    """The broker nets both: 15 of our 19 are there."""
    bench.recommend()
    bench.dispatch()
    bench.broker.trade_by_hand("short", "AAA", "sell", "4")
    bench.broker.fill(str(bench.order()["client_order_id"]), "100")
    minutes(bench, 2)
    assert resting(bench) == [15]
    minutes(bench, 4)
    assert open_positions(bench) == resting(bench) == [15]
    assert breaches(bench) == []


def refuse(bench: TradingBench, times: int) -> None:
    bench.broker.fail("submit", BrokerRejected("40310000: not now"), times=times)


def test_the_alert_on_a_refused_stop_ends_once_one_rests(held: TradingBench) -> None:
    """While it is open it stands for a position that nothing protects: later it would hide one."""
    held.broker.end(str(held.order("stop")["client_order_id"]), "canceled")
    refuse(held, 1)
    minutes(held, 1)
    assert "sale_not_executed" in held.alerts()
    minutes(held, 2)
    assert resting(held) == [19]
    assert held.alerts() == []


def test_the_alert_on_a_refused_exit_stays_though_the_stop_rests_again(held: TradingBench) -> None:
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    refuse(held, 1)
    minutes(held, 1)
    assert resting(held) == [19]
    refuse(held, 1)
    minutes(held, 1)
    assert "sale_not_executed" in held.alerts()


def test_the_alert_on_a_blocked_exit_ends_once_no_exit_is_due(held: TradingBench) -> None:
    """The price was under the stop while the symbol could not be traded; the stop rests on."""
    held.broker.untradable.add("AAA")
    held.market.trade("AAA", "97.50")
    held.next_minute(AAA=("97.48", "97.50"))
    held.guard()
    assert "exit_blocked" in held.alerts()
    held.broker.untradable.clear()
    held.market.trades.clear()
    for _ in range(2):
        held.next_minute(AAA=("99.98", "100.00"))
        held.guard()
    assert resting(held) == [19]
    assert held.alerts() == []


def test_the_alert_on_a_persons_order_stays_while_it_rests(held: TradingBench) -> None:
    held.broker.end(str(held.order("stop")["client_order_id"]), "canceled")
    held.broker.place_by_hand("theirs", "AAA", "sell", "5", order_type="limit", price="120")
    minutes(held, 6)
    assert resting(held) == [5, 14]
    assert "exit_blocked" in held.alerts()


def test_a_refusal_for_another_reason_is_tried_whole_again(held: TradingBench) -> None:
    held.broker.end(str(held.order("stop")["client_order_id"]), "canceled")
    refuse(held, 2)
    minutes(held, 3)
    assert resting(held) == [19]
    assert held.position()["quantity"] == Decimal(19)
