"""An order that the broker no longer showed, and that was ended here, is at the broker again."""

from collections.abc import Callable
from datetime import timedelta

import pytest

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


def lose(bench: TradingBench, name: str) -> Callable[[], None]:
    """Let neither list nor look-up show an order, until the returned function is called."""
    broker = bench.broker
    listed, resting = broker.orders_since, broker.resting_orders
    broker.orders_since = (  # type: ignore[method-assign]
        lambda since: Listing([it for it in listed(since) if it.client_order_id != name])
    )
    broker.resting_orders = (  # type: ignore[method-assign]
        lambda: Listing([it for it in resting() if it.client_order_id != name])
    )
    broker.unseen.add(name)

    def show() -> None:
        broker.orders_since, broker.resting_orders = listed, resting  # type: ignore[method-assign]
        broker.unseen.clear()

    return show


def status(bench: TradingBench, name: str) -> str:
    (row,) = bench.rows("SELECT status FROM orders WHERE client_order_id = :name", name=name)
    return str(row["status"])


def breaches(bench: TradingBench) -> list[str]:
    now = bench.clock.now() + timedelta(minutes=5)
    with bench.db.transaction() as tx:
        session = bench.calendar.session(new_york_day(now))
        return [str(it) for it in invariants.check(tx, now=now, session=session)]


@pytest.fixture
def vanished(held: TradingBench) -> tuple[TradingBench, str, Callable[[], None]]:
    """The stop of 19 AAA ended here, since the broker showed it no more; it rests there still."""
    stop = str(held.order("stop")["client_order_id"])
    show = lose(held, stop)
    minutes(held, 4)
    assert status(held, stop) == "canceled"
    assert "order_vanished" in held.alerts()
    return held, stop, show


def test_a_stop_that_is_there_again_protects_again(
    vanished: tuple[TradingBench, str, Callable[[], None]],
) -> None:
    bench, stop, show = vanished
    show()
    minutes(bench, 1)
    assert status(bench, stop) == "accepted"
    sent = len(bench.broker.submitted)
    minutes(bench, 3)
    assert len(bench.broker.submitted) == sent
    assert bench.alerts() == []
    assert breaches(bench) == []


def test_what_it_protects_can_be_sold(
    vanished: tuple[TradingBench, str, Callable[[], None]],
) -> None:
    bench, stop, show = vanished
    show()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    minutes(bench, 1)
    assert status(bench, stop) == "canceled"
    assert bench.broker.orders[stop].status == "canceled"
    bench.broker.fill(str(bench.orders("exit")[-1]["client_order_id"]), "99.98")
    minutes(bench, 1)
    assert bench.position()["status"] == "closed"
    assert breaches(bench) == []


def test_what_it_filled_after_it_was_there_again_is_booked(
    vanished: tuple[TradingBench, str, Callable[[], None]],
) -> None:
    bench, stop, show = vanished
    show()
    bench.broker.fill(stop, "98.00", "7")
    minutes(bench, 1)
    assert status(bench, stop) == "partially_filled"
    assert bench.position()["quantity"] == 12
    bench.broker.fill(stop, "98.00")
    minutes(bench, 1)
    assert bench.position()["status"] == "closed"
    assert breaches(bench) == []


def test_one_of_a_position_that_another_stop_protects_is_cancelled(
    vanished: tuple[TradingBench, str, Callable[[], None]],
) -> None:
    """Only one stop of a position may be live."""
    bench, stop, show = vanished
    bench.broker.trade_by_hand("more", "AAA", "buy", "5")
    minutes(bench, 6)
    bench.broker.end(stop, "canceled")
    minutes(bench, 1)
    bench.broker.say(stop, "new")
    second = bench.orders("stop")[-1]
    assert second["status"] == "accepted"
    show()
    minutes(bench, 1)
    assert bench.broker.orders[stop].status == "canceled"
    assert status(bench, stop) == "canceled"
    assert status(bench, str(second["client_order_id"])) == "accepted"
    assert breaches(bench) == []


def test_a_stop_of_a_position_that_is_closed_by_then_is_cancelled(
    vanished: tuple[TradingBench, str, Callable[[], None]],
) -> None:
    bench, stop, show = vanished
    bench.broker.end(stop, "canceled")
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    minutes(bench, 1)
    bench.broker.fill(str(bench.orders("exit")[-1]["client_order_id"]), "99.98")
    minutes(bench, 1)
    bench.broker.say(stop, "new")
    show()
    minutes(bench, 2)
    assert bench.broker.orders[stop].status == "canceled"
    assert breaches(bench) == []


def test_an_entry_that_is_there_again_is_cancelled_in_its_time(bench: TradingBench) -> None:
    bench.recommend()
    bench.dispatch()
    entry = str(bench.order()["client_order_id"])
    bench.broker.fill(entry, "100.00", "4")
    bench.broker.cancels_pend = True
    show = lose(bench, entry)
    minutes(bench, 4)
    assert status(bench, entry) == "canceled"
    assert bench.broker.orders[entry].status == "working"
    bench.broker.cancels_pend = False
    show()
    minutes(bench, 2)
    assert bench.broker.orders[entry].status == "canceled"
    assert status(bench, entry) == "canceled"
    assert bench.position()["quantity"] == 4
    assert breaches(bench) == []


def test_a_persons_order_that_is_there_again_is_left_alone(held: TradingBench) -> None:
    held.broker.place_by_hand("theirs", "AAA", "buy", "5", order_type="limit", price="90")
    minutes(held, 5)
    show = lose(held, "theirs")
    minutes(held, 4)
    assert status(held, "theirs") == "canceled"
    show()
    minutes(held, 2)
    assert status(held, "theirs") == "accepted"
    assert held.broker.orders["theirs"].status == "working"
    held.broker.fill("theirs", "90")
    minutes(held, 1)
    assert held.position()["quantity"] == 24
    assert breaches(held) == []


def test_one_that_the_broker_had_cancelled_stays_so(
    vanished: tuple[TradingBench, str, Callable[[], None]],
) -> None:
    bench, stop, show = vanished
    bench.broker.end(stop, "canceled")
    show()
    minutes(bench, 2)
    assert status(bench, stop) == "canceled"
    bench.broker.say(stop, "new")  # a list that lags: the broker has ended it
    minutes(bench, 2)
    assert status(bench, stop) == "canceled"
